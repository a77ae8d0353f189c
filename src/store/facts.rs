//! Facts of earlier runs, which let a run ask about facts and resources in one round trip.
//!
//! They are never shown and decide nothing: each run gathers the facts anew, and what was asked by the remembered ones
//! counts only where the fresh ones ask the very same. So a file that is lost, old or forged costs a round trip at most.

use crate::facts::Facts;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Bytes of one host's facts.
const LARGEST: u64 = 4 << 20;

/// A folder with a file for each host, which its owner alone can read: custom facts may well be confidential.
#[derive(Clone, Debug)]
pub struct RememberedFacts {
    dir: PathBuf,
}

impl RememberedFacts {
    /// In a folder that is made when something is kept there.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The facts last gathered from a host, if they can be read.
    ///
    /// `reached` tells apart hosts that have one name in different inventories.
    pub fn of(&self, host: &str, reached: &str) -> Option<Facts> {
        let mut text = vec![];
        fs::File::open(self.file(host, reached)).ok()?.take(LARGEST).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Keeps a host's facts for the next run. Where that cannot be, the next run is one round trip slower.
    pub fn keep(&self, host: &str, reached: &str, facts: &Facts) {
        let _ = self.write(&self.file(host, reached), facts);
    }

    fn write(&self, path: &Path, facts: &Facts) -> std::io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let text = serde_json::to_vec(facts)?;
        // Another run may be reading it.
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&text)?;
        fs::rename(beside, path)
    }

    fn file(&self, host: &str, reached: &str) -> PathBuf {
        let digest = Sha256::digest(format!("{host}\n{reached}"));
        let name: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        self.dir.join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_kept_comes_back_and_what_is_broken_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let remembered = RememberedFacts::new(dir.path().join("facts"));
        assert_eq!(remembered.of("web1", "root@a:22"), None);
        remembered.keep("web1", "root@a:22", &Facts::sample());
        assert_eq!(remembered.of("web1", "root@a:22"), Some(Facts::sample()));
        assert_eq!(remembered.of("web1", "root@b:22"), None);
        let file = remembered.file("web1", "root@a:22");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&remembered.dir).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(&file, "{\"os\": 3}").unwrap();
        assert_eq!(remembered.of("web1", "root@a:22"), None);
    }
}
