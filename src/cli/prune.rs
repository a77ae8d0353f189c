//! Removing what has left the manifest.

use crate::engine::options::Prune;

#[derive(Clone, Debug, clap::Args)]
pub struct PruneArgs {
    /// Remove what trueup has made on a host and the manifest no longer has, in reverse order, after all else.
    #[arg(long, conflicts_with_all = ["tags", "skip_tags", "start_at"])]
    prune: bool,
    /// With --prune: remove also what somebody else has changed since.
    #[arg(long, requires = "prune")]
    force: bool,
}

impl PruneArgs {
    pub fn of(&self) -> Option<Prune> {
        self.prune.then_some(Prune { force: self.force })
    }
}
