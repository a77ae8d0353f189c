//! What a password makes of a vault.
//!
//! PBKDF2-HMAC-SHA256 (RFC 8018; 10,000 rounds) makes 80 bytes of the password and the vault's salt: a key for
//! AES-256, one for the checksum, and where AES in counter mode begins (NIST SP 800-38A). The checksum is an HMAC-SHA256
//! (RFC 2104) of what was encrypted, which is padded as PKCS #7 has it (RFC 5652, 6.3).

use super::envelope::{BLOCK, Envelope};
use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

const ROUNDS: u32 = 10_000;
const KEY: usize = 32;

/// The keys of one vault.
pub struct Keys {
    cipher: Zeroizing<[u8; KEY]>,
    /// Filled with zeros to a block of SHA-256, as RFC 2104 has it.
    mac: Zeroizing<[u8; 64]>,
    counter: [u8; BLOCK],
}

/// Why keys open nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The keys are another vault's, or it was changed: nobody can tell these apart.
    Checksum,
    /// The keys are right, and whoever wrote it did not pad it.
    Padding,
}

impl Keys {
    /// Takes some milliseconds, on purpose.
    pub fn derive(password: &[u8], salt: &[u8]) -> Self {
        let mut made = Zeroizing::new([0; 2 * KEY + BLOCK]);
        pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, ROUNDS, made.as_mut());
        let mut keys = Self { cipher: Zeroizing::new([0; KEY]), mac: Zeroizing::new([0; 64]), counter: [0; BLOCK] };
        let parts = keys.cipher.iter_mut().chain(keys.mac.iter_mut().take(KEY)).chain(&mut keys.counter);
        parts.zip(made.iter()).for_each(|(to, from)| *to = *from);
        keys
    }

    /// What was encrypted. Nothing is decrypted whose checksum is not right.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn open(&self, envelope: &Envelope) -> Result<Zeroizing<Vec<u8>>, Refused> {
        // In constant time.
        self.checksum(&envelope.encrypted).verify_slice(&envelope.mac).map_err(|_| Refused::Checksum)?;
        let mut text = Zeroizing::new(envelope.encrypted.clone());
        self.apply(&mut text)?;
        let padding = text.last().map_or(0, |b| usize::from(*b));
        let (kept, cut) = text.split_at_checked(text.len().wrapping_sub(padding)).ok_or(Refused::Padding)?;
        if !(1..=BLOCK).contains(&padding) || cut.iter().any(|b| usize::from(*b) != padding) {
            return Err(Refused::Padding);
        }
        let kept = kept.len();
        text.truncate(kept);
        Ok(text)
    }

    /// The vault that these keys open; `salt` is what they were derived with.
    ///
    /// # Errors
    /// Where the text is longer than the cipher can count.
    pub fn seal(&self, text: &[u8], id: Option<String>, salt: Vec<u8>) -> Result<Envelope, Refused> {
        let padding = BLOCK - text.len() % BLOCK;
        let mut encrypted = text.to_vec();
        encrypted.extend(std::iter::repeat_n(u8::try_from(padding).unwrap_or_default(), padding));
        self.apply(&mut encrypted)?;
        let mac = self.checksum(&encrypted).finalize().into_bytes().into();
        Ok(Envelope { id, salt, mac, encrypted })
    }

    fn checksum(&self, encrypted: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&(*self.mac).into());
        mac.update(encrypted);
        mac
    }

    fn apply(&self, text: &mut [u8]) -> Result<(), Refused> {
        let mut cipher = Ctr128BE::<Aes256>::new(&(*self.cipher).into(), &self.counter.into());
        cipher.try_apply_keystream(text).map_err(|_| Refused::Padding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    const PLAIN: &str = include_str!("../../../tests/vault/data/default.yml");

    #[test]
    fn the_password_alone_opens_what_ansible_vault_wrote() {
        let envelope = Envelope::parse(PLAIN.as_bytes()).ok().unwrap();
        let open = |password: &str, envelope: &Envelope| {
            Keys::derive(password.as_bytes(), &envelope.salt).open(envelope).map(|t| t.to_vec())
        };
        let text = String::from_utf8(open("correct horse", &envelope).unwrap()).unwrap();
        assert!(text.starts_with("---\n# All of the application.\n") && text.ends_with("/app\"\n"), "{text}");
        assert_eq!(open("correct horsf", &envelope), Err(Refused::Checksum));
        let mut changed = envelope.clone();
        changed.encrypted[100] ^= 1;
        assert_eq!(open("correct horse", &changed), Err(Refused::Checksum));
        let mut changed = envelope;
        changed.mac[31] ^= 1;
        assert_eq!(open("correct horse", &changed), Err(Refused::Checksum));
    }

    static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::derive(b"a", b"b"));

    proptest! {
        #[test]
        fn whatever_is_in_a_vault_with_a_right_checksum_is_no_panic(blocks in proptest::collection::vec(any::<[u8; 16]>(), 1..9)) {
            let mut encrypted = blocks.concat();
            KEYS.apply(&mut encrypted).unwrap();
            let mac = KEYS.checksum(&encrypted).finalize().into_bytes().into();
            let text = blocks.concat();
            match KEYS.open(&Envelope { id: None, salt: vec![1], mac, encrypted }) {
                Ok(opened) => prop_assert!(text.starts_with(&opened) && opened.len() < text.len()),
                Err(refused) => prop_assert_eq!(refused, Refused::Padding),
            }
        }

        #[test]
        fn what_is_sealed_is_opened_again(text in any::<Vec<u8>>()) {
            let envelope = KEYS.seal(&text, None, vec![1]).unwrap();
            prop_assert!(!text.is_empty() || envelope.encrypted.len() == 16);
            let opened = KEYS.open(&envelope).unwrap();
            prop_assert_eq!(opened.as_slice(), &text);
        }
    }
}
