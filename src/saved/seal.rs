//! Secrets in a plan: sealed with a key that is kept elsewhere.
//!
//! AES-256-GCM (NIST SP 800-38D) under a key that Argon2id (RFC 9106, version 0x13; 19 MiB, 2 passes, 1 lane) makes of the
//! key file's contents and a salt of the plan's own.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::path::Path;
use zeroize::Zeroizing;

/// What is sealed is a plan's, of this format.
const CONTEXT: &[u8] = b"trueup-plan 1";
/// Bytes of a key file that count.
const LARGEST_KEY: u64 = 64 << 10;
/// Fewer bytes than this can be guessed.
const SHORTEST_KEY: usize = 16;

/// What secrets are sealed with.
pub struct SealKey {
    /// The file's name, for people.
    pub name: String,
    bytes: Zeroizing<Vec<u8>>,
}

/// Why there is no key, or why it does not fit.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the key {0} cannot be read: {1}")]
    Unreadable(String, std::io::Error),
    #[error(
        "the key {0} is shorter than {SHORTEST_KEY} bytes, which can be guessed; `head -c 32 /dev/urandom | base64` makes one"
    )]
    Short(String),
    #[error("the secrets of this plan were sealed with the key `{sealed_with}`, and `{given}` does not open them")]
    WrongKey { sealed_with: String, given: String },
    #[error("nothing could be sealed: {0}")]
    Failed(String),
}

impl SealKey {
    /// From a file, without the line break at its end.
    ///
    /// # Errors
    /// Where it cannot be read, or is too short to keep anything.
    pub fn read(path: &Path) -> Result<Self, SealError> {
        use std::io::Read as _;
        let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        let mut bytes = Zeroizing::new(vec![]);
        std::fs::File::open(path)
            .and_then(|file| file.take(LARGEST_KEY).read_to_end(&mut bytes))
            .map_err(|e| SealError::Unreadable(path.display().to_string(), e))?;
        while bytes.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            bytes.pop();
        }
        if bytes.len() < SHORTEST_KEY {
            return Err(SealError::Short(path.display().to_string()));
        }
        Ok(Self { name, bytes })
    }

    fn cipher(&self, salt: &[u8]) -> Result<Aes256Gcm, SealError> {
        let failed = |e: argon2::Error| SealError::Failed(e.to_string());
        let params = Params::new(19 << 10, 2, 1, Some(32)).map_err(failed)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(&self.bytes, salt, key.as_mut())
            .map_err(failed)?;
        Ok(Aes256Gcm::new(&(*key).into()))
    }
}

/// What was sealed, in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The name of the key, so that a person knows which to take.
    pub key: String,
    salt: String,
    nonce: String,
    text: String,
}

impl Sealed {
    /// # Errors
    /// Where there is no randomness or no memory.
    pub fn new(key: &SealKey, text: &[u8]) -> Result<Self, SealError> {
        let (mut salt, mut nonce) = ([0; 16], [0; 12]);
        for random in [&mut salt[..], &mut nonce[..]] {
            getrandom::fill(random).map_err(|e| SealError::Failed(e.to_string()))?;
        }
        let payload = Payload { msg: text, aad: CONTEXT };
        let sealed = key.cipher(&salt)?.encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|e| SealError::Failed(e.to_string()))?;
        Ok(Self {
            key: key.name.clone(),
            salt: STANDARD.encode(salt),
            nonce: STANDARD.encode(nonce),
            text: STANDARD.encode(sealed),
        })
    }

    /// # Errors
    /// Where the key is another, or what was sealed was changed: nobody can tell these apart.
    pub fn open(&self, key: &SealKey) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let wrong = || SealError::WrongKey { sealed_with: self.key.clone(), given: key.name.clone() };
        let bytes = |text: &str| STANDARD.decode(text).map_err(|_| wrong());
        let salt: [u8; 16] = bytes(&self.salt)?.try_into().map_err(|_| wrong())?;
        let nonce: [u8; 12] = bytes(&self.nonce)?.try_into().map_err(|_| wrong())?;
        let text = bytes(&self.text)?;
        let opened = key.cipher(&salt)?.decrypt(&Nonce::from(nonce), Payload { msg: &text, aad: CONTEXT });
        opened.map(Zeroizing::new).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, text: &str) -> SealKey {
        SealKey { name: name.into(), bytes: Zeroizing::new(text.as_bytes().to_vec()) }
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_alone() {
        let sealed = Sealed::new(&key("ci.key", "a key of twenty bytes"), b"hunter2").unwrap();
        assert_eq!(sealed.open(&key("copy", "a key of twenty bytes")).unwrap().as_slice(), b"hunter2");
        let text = serde_json::to_string(&sealed).unwrap();
        assert!(!text.contains("hunter2") && !text.contains(&STANDARD.encode("hunter2")));
        let wrong = sealed.open(&key("other.key", "another key of bytes")).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "the secrets of this plan were sealed with the key `ci.key`, and `other.key` does not open them"
        );
        // What is no base64 is not even tried.
        let broken = Sealed { salt: "!".into(), ..sealed };
        assert!(broken.open(&key("ci.key", "a key of twenty bytes")).is_err());
    }

    #[test]
    fn a_key_that_can_be_guessed_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        std::fs::write(&path, "secret\n").unwrap();
        assert!(matches!(SealKey::read(&path), Err(SealError::Short(_))));
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        assert_eq!(SealKey::read(&path).unwrap().bytes.len(), 16);
    }
}
