//! Contents to be written on a host, by reference: a plan holds their digest, not their bytes.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use std::sync::Arc;

/// A SHA-256 digest as 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
pub struct Digest(String);

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no SHA-256 digest")
    }
}

impl Digest {
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_bytes(&Sha256::digest(bytes))
    }

    pub fn from_bytes(raw: &[u8]) -> Self {
        Self(raw.iter().map(|b| format!("{b:02x}")).collect())
    }

    /// From what a host's `sha256sum` printed.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a body's bytes are.
#[derive(Clone, PartialEq, Eq)]
pub enum Bytes {
    Held(Arc<[u8]>),
    /// A file on the controller, read when it is sent.
    File(PathBuf),
}

/// Contents to be written: what they are, and where their bytes are.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Never shown, neither whole nor as a difference.
    pub secret: bool,
    pub bytes: Bytes,
}

impl Body {
    pub fn held(bytes: impl Into<Arc<[u8]>>, secret: bool) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::of(&bytes), size: bytes.len() as u64, secret, bytes: Bytes::Held(bytes) }
    }

    /// The bytes, where they are held in memory.
    pub fn held_bytes(&self) -> Option<&[u8]> {
        match &self.bytes {
            Bytes::Held(b) => Some(b),
            Bytes::File(_) => None,
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} bytes, sha256 {})", self.size, if self.secret { "hidden" } else { self.digest.as_str() })
    }
}

impl Serialize for Body {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut s = serializer.serialize_struct("Body", 2)?;
        // A short secret could be guessed from its digest.
        s.serialize_field("sha256", if self.secret { "(secret)" } else { self.digest.as_str() })?;
        s.serialize_field("size", &self.size)?;
        s.end()
    }
}
