//! What trueup keeps on a host: `/var/lib/trueup` for root, else below the user's `XDG_STATE_HOME`.
//!
//! ```text
//! lock               a symlink whose target names the owner: pid, its start time, boot id, run, who
//! ledger             what trueup has made there, as `crate::ledger` has it
//! package-lists      the sums of the sources that package lists were fetched from last, and what could not be fetched;
//!                    `package-failed`: a transaction of several packages has not come about as a whole
//! owed/SHA256        a refresh that is owed: the resource's id, the run that owes it, a line each
//! incoming/RUN.SHA256    contents that came ahead of the script that places them: each run's are its own, for one that
//!                    waits for the lock sends them while another goes on
//! runs/RUN/record    what the run was to do, and how each step is taken back, as JSON
//! runs/RUN/journal   a line each: `begin SLOT RESOURCES`, `done SLOT STATUS`, `left SLOT CHANGE` where that has failed,
//!                    `idle SLOT` where nothing made it due, `moved SLOT`, and at last `end`
//!                    of a run that died `swept`, once a later one has removed what it had made beside files, which
//!                    `beside SLOT PATH` says before
//! runs/RUN/looks     functions that ask about each change again; `seen`: `CHANGE SHA256` of what they told at the end
//! runs/RUN/known     large contents that were placed: `SHA256|stat|path`, for as long as the run's script goes on
//! runs/RUN/notes     what the ledger was told at the end: `CHANGE NAME ENTRY` a line; `before`: what it said before
//! runs/RUN/worker    the process that runs it: its pid and its start time
//! runs/RUN/revert    takes the run back where nobody confirms it; `armed`: the process that waits to do so, where
//!                    systemd does not; `decided`: a link to nothing, made first by who confirms (`confirmed`) or by who
//!                    takes back (`taken-back`), so that it is never there without its verdict
//! runs/RUN/out/SLOT  the end of what a step said; `SLOT.err`: of errors
//! runs/RUN/kept/SLOT what was there before a step; `SLOT.absent` where nothing was, `SLOT.attributes` (`uid gid mode`
//!                    a line) with `SLOT.names` (NUL after each) where only attributes were changed; `SLOT.untouched`
//!                    where it could not be kept, and so was not changed
//! ```

use super::quote::word;

/// Where the state is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StateDir {
    /// By who the user is.
    #[default]
    Usual,
    /// At this path.
    At(String),
}

impl StateDir {
    /// A line that sets the shell's variable `s` to it.
    pub(super) fn locate(&self) -> String {
        match self {
            Self::At(path) => format!("s={}\n", word(path)),
            Self::Usual => "if [ \"$(id -u)\" = 0 ]; then s=/var/lib/trueup; else s=${XDG_STATE_HOME:-$HOME/.local/state}/trueup; fi\n".to_owned(),
        }
    }
}
