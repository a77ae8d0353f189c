//! What a probe saw as a fingerprint, which a saved plan holds.

use crate::model::body::Digest;
use sha2::{Digest as _, Sha256};
use std::hash::{Hash, Hasher};

/// SHA-256 over a value as its [`Hash`] tells it, numbers in little endian. Where another build tells a value in another
/// way, the resource counts as moved, and is left alone.
pub fn of(value: &impl Hash) -> Digest {
    let mut state = State(Sha256::new());
    value.hash(&mut state);
    Digest::from_bytes(&state.0.finalize())
}

struct State(Sha256);

macro_rules! numbers {
    ($($method:ident: $number:ty as $wide:ty)*) => {$(
        fn $method(&mut self, n: $number) {
            self.0.update((n as $wide).to_le_bytes());
        }
    )*};
}

impl Hasher for State {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    numbers! { write_u16: u16 as u16 write_u32: u32 as u32 write_u64: u64 as u64 write_usize: usize as u64
    write_i16: i16 as i16 write_i32: i32 as i32 write_i64: i64 as i64 write_isize: isize as i64 }

    /// Nothing asks for it; a digest has no shorter form.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::files::{FileKind, FileStat, FileState};

    fn stat(kind: FileKind, size: u64, mode: u32) -> FileState {
        let (owner, group) = ("root".to_owned(), "root".to_owned());
        FileState::Present(FileStat {
            kind,
            mode,
            uid: 0,
            gid: 0,
            owner,
            group,
            size,
            target: None,
            digest: None,
            text: None,
            loses_list: false,
            bound: None,
        })
    }

    #[test]
    fn a_state_is_known_by_what_a_change_starts_from() {
        let (file, directory) = (FileKind::Regular, FileKind::Directory);
        assert_eq!(of(&stat(file, 3, 0o644)), of(&stat(file, 3, 0o644)));
        assert_ne!(of(&stat(file, 3, 0o644)), of(&stat(file, 4, 0o644)));
        assert_ne!(of(&stat(file, 3, 0o644)), of(&stat(file, 3, 0o600)));
        assert_ne!(of(&FileState::Absent), of(&stat(file, 3, 0o644)));
        // Other files came into it.
        assert_eq!(of(&stat(directory, 60, 0o755)), of(&stat(directory, 80, 0o755)));
    }

    #[test]
    fn what_stands_side_by_side_does_not_run_together() {
        assert_ne!(of(&("ab", "c")), of(&("a", "bc")));
        assert_ne!(of(&vec!["a", "b"]), of(&vec!["ab"]));
        assert_ne!(of(&Some("")), of(&None::<&str>));
    }
}
