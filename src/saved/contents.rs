//! Contents in a plan: each once, by its digest; those of large files stay where they are.

use crate::model::body::{Body, Bytes, Digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A file of more bytes is not taken into a plan: the plan holds its path and its digest then.
const EMBEDDED: u64 = 8 << 20;
/// Bytes of files that a plan takes in altogether.
const EMBEDDED_ALL: u64 = 64 << 20;

/// Stands for contents in a step or a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyRef {
    pub sha256: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// In base64.
    Held(String),
    /// A file on the machine that applies.
    File(PathBuf),
}

/// Why contents cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    #[error("{0} is not what it was when the plan was made (sha256 {1}); plan again, or put back what it was")]
    Changed(PathBuf, String),
    #[error("the plan is damaged: it lacks the contents with sha256 {0}")]
    Missing(String),
}

/// Takes contents in.
#[derive(Debug)]
pub struct Collected {
    pub contents: BTreeMap<Digest, Content>,
    /// Bytes that one file may have to be taken in.
    largest: u64,
    /// Bytes of files that may still be taken in.
    left: u64,
}

impl Default for Collected {
    fn default() -> Self {
        Self { contents: BTreeMap::new(), largest: EMBEDDED, left: EMBEDDED_ALL }
    }
}

impl Collected {
    /// # Errors
    /// Where a file cannot be read, or is not any more what was planned with.
    pub fn put(&mut self, body: &Body) -> Result<BodyRef, ContentError> {
        if !self.contents.contains_key(&body.digest) {
            let content = match &body.bytes {
                Bytes::Held(bytes) => Content::Held(STANDARD.encode(bytes)),
                Bytes::File(path) if body.size <= self.largest.min(self.left) => {
                    let bytes = fs::read(path).map_err(|e| ContentError::Io(path.clone(), e))?;
                    if Digest::of(&bytes) != body.digest {
                        return Err(ContentError::Changed(path.clone(), body.digest.as_str().to_owned()));
                    }
                    self.left -= body.size;
                    Content::Held(STANDARD.encode(bytes))
                }
                Bytes::File(path) => {
                    Content::File(fs::canonicalize(path).map_err(|e| ContentError::Io(path.clone(), e))?)
                }
            };
            self.contents.insert(body.digest.clone(), content);
        }
        Ok(BodyRef { sha256: body.digest.clone(), size: body.size, secret: body.secret })
    }
}

/// Gives contents out again, each checked.
#[derive(Debug)]
pub struct Shelf {
    contents: BTreeMap<Digest, Content>,
    known: BTreeMap<Digest, Body>,
}

impl Shelf {
    pub fn new(contents: BTreeMap<Digest, Content>) -> Self {
        Self { contents, known: BTreeMap::new() }
    }

    /// # Errors
    /// Where they are not there, or are others than the plan was made with.
    pub fn get(&mut self, of: &BodyRef) -> Result<Body, ContentError> {
        let digest = of.sha256.as_str();
        if let Some(body) = self.known.get(&of.sha256) {
            return Ok(Body { secret: of.secret, ..body.clone() });
        }
        let missing = || ContentError::Missing(digest.to_owned());
        let body = match self.contents.remove(&of.sha256).ok_or_else(missing)? {
            Content::Held(text) => Body::held(STANDARD.decode(text).map_err(|_| missing())?, of.secret),
            Content::File(path) => {
                let (found, size) = digest_of(&path).map_err(|e| ContentError::Io(path.clone(), e))?;
                if found != of.sha256 {
                    return Err(ContentError::Changed(path, digest.to_owned()));
                }
                Body { digest: found, size, secret: of.secret, bytes: Bytes::File(path) }
            }
        };
        if body.digest != of.sha256 {
            return Err(missing());
        }
        self.known.insert(of.sha256.clone(), body.clone());
        Ok(body)
    }
}

fn digest_of(path: &Path) -> std::io::Result<(Digest, u64)> {
    let mut file = fs::File::open(path)?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        let Some(read) = buffer.get(..n).filter(|b| !b.is_empty()) else { break };
        hash.update(read);
        size += n as u64;
    }
    Ok((Digest::from_bytes(&hash.finalize()), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &Path, bytes: &[u8]) -> Body {
        fs::write(path, bytes).unwrap();
        let size = bytes.len() as u64;
        Body { digest: Digest::of(bytes), size, secret: false, bytes: Bytes::File(path.to_owned()) }
    }

    #[test]
    fn a_file_that_is_taken_in_is_not_needed_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let body = file(&path, b"streamed");
        let mut collected = Collected::default();
        let of = collected.put(&body).unwrap();
        fs::remove_file(&path).unwrap();
        let back = Shelf::new(collected.contents).get(&of).unwrap();
        assert_eq!(back.held_bytes(), Some(&b"streamed"[..]));
    }

    #[test]
    fn a_large_file_stays_where_it_is_and_must_be_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let body = file(&path, &[7; 9]);
        let mut collected = Collected { largest: 8, ..Collected::default() };
        let of = collected.put(&body).unwrap();
        assert!(matches!(collected.contents[&body.digest], Content::File(_)));
        assert_eq!(
            Shelf::new(collected.contents.clone()).get(&of).unwrap(),
            Body { bytes: Bytes::File(fs::canonicalize(&path).unwrap()), ..body }
        );
        fs::write(&path, b"another").unwrap();
        let told = Shelf::new(collected.contents.clone()).get(&of).unwrap_err().to_string();
        assert!(told.contains("is not what it was when the plan was made"), "{told}");
        fs::remove_file(&path).unwrap();
        assert!(matches!(Shelf::new(collected.contents).get(&of), Err(ContentError::Io(..))));
    }

    #[test]
    fn contents_that_are_not_those_of_their_digest_are_missing() {
        let of = BodyRef { sha256: Digest::of(b"good"), size: 4, secret: false };
        for held in [STANDARD.encode("evil"), "*".into()] {
            let mut shelf = Shelf::new(BTreeMap::from([(of.sha256.clone(), Content::Held(held))]));
            assert!(matches!(shelf.get(&of), Err(ContentError::Missing(_))));
        }
    }
}
