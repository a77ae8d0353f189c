//! Reading a host's ledger.

use super::state::StateDir;

/// Bytes that are read of it.
pub const LARGEST: usize = 8 * 1024 * 1024;

/// The line after which follows what the last run would have told it, had it not died.
pub const UNTOLD: &str = "untold";

/// A shell function that finds out how far a run has come whose ledger was not written.
pub(super) const COUNTED: &str = include_str!("counted.sh");

/// Prints it, where there is one. A host on which all runs have told it theirs is asked by its shell alone.
pub(super) fn snippet(state_dir: &StateDir) -> String {
    let counted = super::quote::uncommented(COUNTED);
    format!(
        "({}l=$s/ledger\nif [ -f \"$l\" ]; then head -c {LARGEST} -- \"$l\"; fi\nd=\n\
         for i in \"$s\"/runs/*/; do if [ -s \"$i/notes\" ]; then d=$i; fi; done\n\
         if [ -z \"$d\" ] || [ -e \"$d/before\" ]; then exit 0; fi\n\
         {counted}if [ ! -f \"$l\" ]; then echo 'trueup ledger 1'; fi\necho {UNTOLD}\ncounted \"$d\"\n\
         while read -r n k e; do\n\
         case $n in -) continue ;; +) v= ;; *[!0-9]*) continue ;; *) eval \"v=\\${{x$n-}}\" ;; esac\n\
         if [ -z \"$v\" ]; then printf '%s %s\\n' \"$k\" \"$e\"; fi\ndone <\"$d/notes\"\n) 2>/dev/null\n",
        state_dir.locate()
    )
}
