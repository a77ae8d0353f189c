//! Whether the last run came to its end, as a probe asks it.

use super::state::StateDir;

/// Tells of the last run where it died, or waits to be confirmed: a line `died RUN` or `unconfirmed RUN`, a line
/// `begin SLOT RESOURCES` of its last step, and its record. Nothing of one that goes on, or that came to its end.
pub(super) fn snippet(state_dir: &StateDir) -> String {
    format!(
        "(\n{}d=\nfor i in \"$s\"/runs/*/; do if [ -f \"$i/journal\" ]; then d=$i; fi; done\n\
         if [ -z \"$d\" ]; then exit 0; fi\nrun=${{d%/}}\nrun=${{run##*/}}\n\
         state=died\nif [ \"$(tail -n 1 \"$d/journal\")\" = end ]; then\n\
         if [ ! -f \"$d/revert\" ] || [ -L \"$d/decided\" ]; then exit 0; fi\nstate=unconfirmed\nfi\n\
         boot=-\n{{ read -r boot </proc/sys/kernel/random/boot_id; }} 2>/dev/null\n\
         set -f\nset -- $(readlink \"$s/lock\")\n\
         if [ \"${{4-}}\" = \"$run\" ] && [ \"${{3-}}\" = \"$boot\" ] && kill -0 \"$1\" 2>/dev/null; then exit 0; fi\n\
         if [ $state = died ] && [ -f \"$d/revert\" ] && [ ! -L \"$d/decided\" ]; then state=unconfirmed; fi\n\
         echo \"$state $run\"\ngrep '^begin ' \"$d/journal\" | tail -n 1\nhead -c 4194304 \"$d/record\"\n) 2>/dev/null\n",
        state_dir.locate()
    )
}
