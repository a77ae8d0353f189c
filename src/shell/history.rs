//! Asking a host what runs it has kept. Only looks.

use super::apply::functions;
use super::frame::Nonce;
use super::state::StateDir;

/// Slots of [`look`]'s answers: all runs' names, a line each; then of the run that is meant, if there is one: its name,
/// its record, its journal, and the numbers of the changes that something else has touched since.
pub const RUNS: u32 = 0;
pub const NAME: u32 = 1;
pub const RECORD: u32 = 2;
pub const JOURNAL: u32 = 3;
pub const MOVED: u32 = 4;

/// Which run is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    Last,
    /// That name, or the start of just one.
    Named(String),
}

impl Which {
    /// From what an operator writes. `None` for what can be the start of no run's name.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        match text {
            "last" => Some(Self::Last),
            "" => None,
            _ => text.bytes().all(plain).then(|| Self::Named(text.to_owned())),
        }
    }
}

/// A script that tells of a run.
pub fn look(which: &Which, state_dir: &StateDir, nonce: &Nonce) -> Vec<u8> {
    let start = match which {
        Which::Last => "",
        Which::Named(start) => start,
    };
    let text = format!(
        "(\n{}{}b {RUNS}\nfor d in \"$s\"/runs/*/; do if [ -f \"$d/record\" ]; then d=${{d%/}}; echo \"${{d##*/}}\"; fi; done\ne {RUNS} 0\n\
         name=\nfor d in \"$s\"/runs/{start}*/; do if [ -f \"$d/record\" ]; then d=${{d%/}}; name=${{d##*/}}; fi; done\n\
         if [ -f \"$s/runs/{start}/record\" ] && [ -n '{start}' ]; then name='{start}'; fi\n\
         b {NAME}\nprintf %s \"$name\"\ne {NAME} 0\n\
         if [ -n \"$name\" ]; then\nr=$s/runs/$name\n\
         b {RECORD}\nhead -c 16777216 \"$r/record\"\ne {RECORD} $?\n\
         b {JOURNAL}\nhead -c 16777216 \"$r/journal\" 2>/dev/null\ne {JOURNAL} 0\n\
         b {MOVED}\nsurvey \"$name\"\ne {MOVED} 0\n\
         fi\n)\n",
        functions(),
        state_dir.locate()
    );
    super::script::whole(nonce, &text)
}

/// A script that tells of all runs, the oldest first. Three answers each: its name, its record, its journal.
pub fn all(state_dir: &StateDir, nonce: &Nonce) -> Vec<u8> {
    let text = format!(
        "(\n{}n=0\nfor d in \"$s\"/runs/*/; do\nd=${{d%/}}\nif [ ! -f \"$d/record\" ]; then continue; fi\n\
         b $n\nprintf %s \"${{d##*/}}\"\ne $n 0\nn=$((n + 1))\n\
         b $n\nhead -c 4194304 \"$d/record\"\ne $n $?\nn=$((n + 1))\n\
         b $n\nhead -c 4194304 \"$d/journal\" 2>/dev/null\ne $n 0\nn=$((n + 1))\n\
         done\n)\n",
        state_dir.locate()
    );
    super::script::whole(nonce, &text)
}
