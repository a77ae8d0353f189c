//! The frame of a plan's file: what it is, of which format, by whom, and whether it is whole.
//!
//! ```text
//! trueup-plan FORMAT VERSION LF      the format's number; the version of trueup that wrote it
//! sha256 HEX length BYTES LF         of all that follows
//! …                                  a zlib stream (RFC 1950) of one JSON document
//! ```
//!
//! The digest tells damage from wholeness, not friend from foe: that is what a signature is for.

use crate::model::body::Digest;
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The format that is written, and the newest that is read.
pub const FORMAT: u32 = 1;
const MAGIC: &str = "trueup-plan ";
/// Bytes of both head lines.
const HEAD: usize = 256;
/// Bytes of a file.
const LARGEST: u64 = 256 << 20;
/// Bytes of a document.
const LARGEST_DOCUMENT: u64 = 1 << 30;

/// Why a file is no plan that can be taken.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("is no plan")]
    NotAPlan,
    #[error("is a plan of format {format}, written by trueup {version}; this is trueup {own}, which reads format {FORMAT}: take a newer trueup, or plan again with this one", own = env!("CARGO_PKG_VERSION"))]
    Newer { format: u32, version: String },
    #[error("is cut short: {is} of {of} bytes are there; fetch it again from where it was made")]
    Truncated { is: usize, of: u64 },
    #[error(
        "was changed after it was written, for its contents are not those of its checksum; fetch it again from where it was made"
    )]
    Tampered,
    #[error("is larger than {0} MiB, which no plan is")]
    TooLarge(u64),
}

/// Whether a file begins as a plan does.
pub fn is_plan(path: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    let read = fs::File::open(path).and_then(|mut f| f.read_exact(&mut start));
    read.is_ok() && start == MAGIC.as_bytes()
}

/// A whole file.
///
/// # Errors
/// Where it cannot be read, or is larger than any plan.
pub fn read(path: &Path) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![];
    fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST { Err(FrameError::TooLarge(LARGEST >> 20)) } else { Ok(bytes) }
}

/// Writes a file that its owner alone can read, in one rename.
///
/// # Errors
/// Where it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside: PathBuf = path.with_file_name(name);
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// A document in its frame.
///
/// # Errors
/// Where it is larger than what would be read again.
pub fn frame(document: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut packed = vec![];
    ZlibEncoder::new(document, Compression::default()).read_to_end(&mut packed)?;
    let head = format!(
        "{MAGIC}{FORMAT} {}\nsha256 {} length {}\n",
        env!("CARGO_PKG_VERSION"),
        Digest::of(&packed).as_str(),
        packed.len()
    );
    let whole = [head.as_bytes(), &packed].concat();
    if whole.len() as u64 > LARGEST || document.len() as u64 > LARGEST_DOCUMENT {
        return Err(FrameError::TooLarge(LARGEST >> 20));
    }
    Ok(whole)
}

/// The document of a file.
///
/// # Errors
/// All that [`FrameError`] tells. Nothing is taken from a file that is not whole.
pub fn unframe(bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
    let (first, rest) = line(bytes).ok_or(FrameError::NotAPlan)?;
    let mut words = first.strip_prefix(MAGIC).ok_or(FrameError::NotAPlan)?.split(' ');
    let format: u32 = words.next().and_then(|w| w.parse().ok()).ok_or(FrameError::NotAPlan)?;
    let version = words.next().unwrap_or("of unknown version");
    if format > FORMAT {
        let plain = |c: &char| c.is_ascii_alphanumeric() || ".-+".contains(*c);
        return Err(FrameError::Newer { format, version: version.chars().filter(plain).take(40).collect() });
    }
    let (second, packed) = line(rest).ok_or(FrameError::Truncated { is: 0, of: 1 })?;
    let ["sha256", digest, "length", length] = second.split(' ').collect::<Vec<_>>()[..] else {
        return Err(FrameError::Tampered);
    };
    let (Some(digest), Ok(length)) = (Digest::parse(digest), length.parse::<u64>()) else {
        return Err(FrameError::Tampered);
    };
    if (packed.len() as u64) < length {
        return Err(FrameError::Truncated { is: packed.len(), of: length });
    }
    if packed.len() as u64 != length || Digest::of(packed) != digest {
        return Err(FrameError::Tampered);
    }
    let mut document = vec![];
    let unpacked = ZlibDecoder::new(packed).take(LARGEST_DOCUMENT + 1).read_to_end(&mut document);
    if unpacked.is_err() {
        return Err(FrameError::Tampered);
    }
    if document.len() as u64 > LARGEST_DOCUMENT {
        return Err(FrameError::TooLarge(LARGEST_DOCUMENT >> 20));
    }
    Ok(document)
}

/// The first line of the head, and what follows.
fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().take(HEAD).position(|b| *b == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((std::str::from_utf8(line).ok()?, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(bytes: &[u8]) -> String {
        unframe(bytes).map(|_| "sound".to_owned()).unwrap_or_else(|e| e.to_string())
    }

    #[test]
    fn each_damage_has_a_reason_of_its_own() {
        let whole = frame(b"{\"a\": 1}").unwrap();
        assert_eq!(unframe(&whole).unwrap(), b"{\"a\": 1}");
        assert!(told(&whole[..whole.len() - 1]).starts_with("is cut short"));
        assert!(told(&whole[..40]).starts_with("is cut short"), "{}", told(&whole[..40]));
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(told(&changed).starts_with("was changed"));
        assert!(told(&[&whole[..], b"more"].concat()).starts_with("was changed"));
        let newer = [b"trueup-plan 7 9.1.0\n", &whole[20..]].concat();
        assert!(told(&newer).starts_with("is a plan of format 7, written by trueup 9.1.0"));
        assert_eq!(told(b"- hosts: all\n"), "is no plan");
        assert_eq!(told(b""), "is no plan");
    }

    #[test]
    fn a_small_file_does_not_unpack_to_more_than_there_may_be() {
        let zeros = vec![0; 8 << 20];
        let packed = frame(&zeros).unwrap();
        assert!(packed.len() < 64 << 10);
        assert_eq!(unframe(&packed).unwrap().len(), zeros.len());
    }

    proptest! {
        #[test]
        fn what_is_framed_comes_back(document: Vec<u8>) {
            prop_assert_eq!(unframe(&frame(&document).unwrap()).unwrap(), document);
        }

        #[test]
        fn no_bytes_at_all_bring_it_down(bytes: Vec<u8>, head in "trueup-plan [0-9 ]{0,12}\n(sha256 [0-9a-f]{64} length [0-9]{1,22}\n)?") {
            let _ = unframe(&bytes);
            let _ = unframe(&[head.as_bytes(), &bytes].concat());
        }

        #[test]
        fn a_single_changed_byte_is_found(document: Vec<u8>, at: prop::sample::Index, by in 1u8..) {
            let mut bytes = frame(&document).unwrap();
            let at = at.index(bytes.len());
            // The version of the writer is for people.
            let version = bytes.iter().position(|b| *b == b'\n').unwrap();
            prop_assume!(at > version);
            bytes[at] ^= by;
            prop_assert!(unframe(&bytes).is_err());
        }
    }
}
