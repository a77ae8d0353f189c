//! Reading a host's ledger.

use super::state::StateDir;

/// Bytes that are read of it.
pub const LARGEST: usize = 8 * 1024 * 1024;

/// Prints it, where there is one. A host without one is asked by its shell alone.
pub(super) fn snippet(state_dir: &StateDir) -> String {
    format!("{}if [ -f \"$s/ledger\" ]; then head -c {LARGEST} -- \"$s/ledger\" 2>/dev/null; fi\n", state_dir.locate())
}
