//! Fetching what came of a run whose connection was lost while it went on.

use super::functions;
use crate::model::run_name::RunName;
use crate::shell::frame::Nonce;
use crate::shell::state::StateDir;
use std::fmt::Write as _;
use std::time::Duration;

/// The status of the frame at the end where the run still goes on.
pub const GOES_ON: u8 = 3;
/// The status of the frame at the end where the run has died.
pub const DIED: u8 = 4;

/// A script that waits until a stage of a run is at its end, at most so long, and gives the frames of its steps as the run itself
/// would have. The frame `end_slot` comes last: status 0, [`GOES_ON`] or [`DIED`].
pub fn collect(
    run: &RunName,
    stage: u32,
    wait: Duration,
    state_dir: &StateDir,
    end_slot: u32,
    nonce: &Nonce,
) -> Vec<u8> {
    let mut out = format!("(\n{}{}r=$s/runs/{run}\n", functions(), state_dir.locate());
    let _ = write!(
        out,
        "{{ read -r boot </proc/sys/kernel/random/boot_id; }} 2>/dev/null || boot=-\n\
         n={}\nwhile state=4\n\
         if grep -q '^staged {stage}$' \"$r/journal\" 2>/dev/null; then state=0\n\
         elif held=$(readlink \"$s/lock\") && [ \"$(set -f; set -- $held; printf %s \"${{4-}}\")\" = {run} ] && alive \"$held\"; then state=3; fi\n\
         [ $state = 3 ] && [ $n -gt 0 ]; do n=$((n - 1)); sleep 1; done\n\
         while read -r what slot status; do case $what in\n\
         done) b \"$slot\"; cat \"$r/out/$slot\" 2>/dev/null; e \"$slot\" \"$status\"; errors \"$slot\" ;;\n\
         left) b \"$slot\"; printf %s \"$status\"; e \"$slot\" 254 ;;\n\
         idle) b \"$slot\"; e \"$slot\" 253 ;;\n\
         moved) b \"$slot\"; e \"$slot\" 250 ;;\n\
         esac; done 2>/dev/null <\"$r/journal\"\nb {end_slot}\ne {end_slot} $state\n)\n",
        wait.as_secs()
    );
    crate::shell::script::whole(nonce, &out)
}
