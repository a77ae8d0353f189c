//! What a `source:` can mean: a file's contents by reference, in clear or encrypted.

use crate::language::diagnostic::Diagnostic;
use crate::language::vault::envelope::{Malformed, is_vault};
use crate::language::vault::{Keyring, Sealed};
use crate::model::body::{Body, Bytes, Digest};
use crate::model::span::Span;
use sha2::{Digest as _, Sha256};
use std::io::Read as _;
use std::path::Path;
use std::sync::OnceLock;

/// Source files up to this size are held in memory, so that a plan can show what changes in them.
const HELD: u64 = 256 * 1024;

#[derive(Debug)]
pub enum Contents {
    Plain(Body),
    /// As ansible-vault left it.
    Vault {
        sealed: Box<Sealed>,
        /// Of what stands in the file: one of what it holds would give a short secret away.
        digest: Digest,
        /// Once it is opened: every host that it is for shares it.
        body: OnceLock<Body>,
    },
}

/// Why there are no contents.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Contents {
    /// A large file is read through, never held, unless it is encrypted.
    ///
    /// # Errors
    /// Where it cannot be read, or is a damaged vault.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let mut file = std::fs::File::open(path)?;
        let mut start = vec![];
        file.by_ref().take(HELD + 1).read_to_end(&mut start)?;
        if is_vault(&start) {
            file.read_to_end(&mut start)?;
            let (sealed, digest) = (Box::new(Sealed::parse(&start)?), Digest::of(&start));
            return Ok(Self::Vault { sealed, digest, body: OnceLock::new() });
        }
        if start.len() as u64 <= HELD {
            return Ok(Self::Plain(Body::held(start, false)));
        }
        let mut size = start.len() as u64;
        let mut hash = Sha256::new_with_prefix(&start);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let n = file.read(&mut buffer)?;
            let Some(read) = buffer.get(..n).filter(|b| !b.is_empty()) else { break };
            hash.update(read);
            size += n as u64;
        }
        let (digest, bytes) = (Digest::from_bytes(&hash.finalize()), Bytes::File(path.to_path_buf()));
        Ok(Self::Plain(Body { digest, size, secret: false, bytes }))
    }

    /// Of the file as it stands there.
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Plain(body) => &body.digest,
            Self::Vault { digest, .. } => digest,
        }
    }

    /// What goes to a host. What was encrypted is secret.
    ///
    /// # Errors
    /// Where it is a vault that no password opens; at `span`.
    pub fn body(&self, keyring: &Keyring, span: Span) -> Result<Body, Diagnostic> {
        match self {
            Self::Plain(body) => Ok(body.clone()),
            Self::Vault { sealed, body, .. } => {
                let opened = sealed.open(keyring, Some(span))?;
                Ok(body.get_or_init(|| Body::held(opened, true)).clone())
            }
        }
    }
}
