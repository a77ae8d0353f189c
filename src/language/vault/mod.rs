//! What ansible-vault encrypted, and the passwords that open it.

pub mod cipher;
pub mod envelope;

use super::diagnostic::Diagnostic;
use crate::model::span::Span;
use cipher::{Keys, Refused};
use envelope::{Envelope, Malformed};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use zeroize::Zeroizing;

/// The id of a vault, or of a password, that names none.
pub const DEFAULT_ID: &str = "default";

/// A password, by the id that its user gives it.
pub struct Password {
    pub id: String,
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Made by whoever needs it first; the others wait for it.
type Derived = Arc<OnceLock<Keys>>;

/// The passwords of a run. What they come to is kept, so that nothing is derived twice.
#[derive(Default)]
pub struct Keyring {
    passwords: Vec<Password>,
    /// Ids of passwords that should be here, each with why it is not.
    missing: Vec<(String, String)>,
    /// By the number of the password, and the salt.
    derived: Mutex<HashMap<(usize, Vec<u8>), Derived>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.passwords.iter().map(|p| &p.id)).finish()
    }
}

impl Keyring {
    /// `missing`: ids of passwords that could not be had, each with why. That is told where one is needed.
    pub fn new(passwords: Vec<Password>, missing: Vec<(String, String)>) -> Self {
        Self { passwords, missing, derived: Mutex::default() }
    }

    /// The password of this id, the first of them.
    pub fn password(&self, id: &str) -> Option<&Password> {
        self.passwords.iter().find(|p| p.id == id)
    }

    /// What was encrypted, by the first password that opens it: those of the vault's own id are tried first, for each
    /// takes its time; all others after them, for an id is no more than a name.
    ///
    /// # Errors
    /// Where none does.
    pub fn open(&self, envelope: &Envelope) -> Result<Zeroizing<Vec<u8>>, Locked> {
        let id = envelope.id.as_deref().unwrap_or(DEFAULT_ID);
        let (own, others): (Vec<_>, Vec<_>) = self.passwords.iter().enumerate().partition(|(_, p)| p.id == id);
        let mut tried: Vec<String> = vec![];
        for (number, password) in own.into_iter().chain(others) {
            let slot = {
                let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
                derived.entry((number, envelope.salt.clone())).or_default().clone()
            };
            match slot.get_or_init(|| Keys::derive(&password.bytes, &envelope.salt)).open(envelope) {
                Ok(text) => return Ok(text),
                Err(Refused::Padding) => return Err(Locked::Padding),
                Err(Refused::Checksum) => tried.push(password.id.clone()),
            }
        }
        tried.dedup();
        let missing = self.missing.iter().map(|(id, why)| format!("`{id}`: {why}")).collect();
        Err(Locked::NoneOpens { id: envelope.id.clone(), tried, missing })
    }
}

/// Why a vault stays closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Locked {
    #[error("{}", none_opens(tried, missing))]
    NoneOpens { id: Option<String>, tried: Vec<String>, missing: Vec<String> },
    #[error("its password fits, but whoever wrote it did not end it as the format has it")]
    Padding,
    #[error("it holds bytes that are no text")]
    NoText,
}

fn none_opens(tried: &[String], missing: &[String]) -> String {
    let told = match tried {
        [] if missing.is_empty() => "there is no password to open it with".to_owned(),
        [] => "its password could not be had".to_owned(),
        _ => format!("no password opens it (tried: {})", tried.join(", ")),
    };
    [&[told], missing].concat().join("; ")
}

impl Locked {
    /// What to do.
    pub fn help(&self) -> String {
        match self {
            Self::NoneOpens { id, tried, .. } if tried.is_empty() => {
                let labelled = id.as_deref().map(|id| format!("--vault-id {id}@FILE, --vault-id {id}@prompt, "));
                let labelled = labelled.unwrap_or_default();
                format!("give the password: {labelled}--vault-password-file FILE, --ask-vault-pass, or [vault] in trueup.toml")
            }
            Self::NoneOpens { .. } => {
                "the password is another one, or the vault was changed or cut short: its checksum covers both, and nobody can \
                 tell them apart"
                    .into()
            }
            Self::Padding => "encrypt it anew with ansible-vault".into(),
            Self::NoText => "a variable is text; a file of bytes is for `source`".into(),
        }
    }

    pub fn diagnostic(&self, id: Option<&str>, span: Option<Span>) -> Diagnostic {
        let which = id.map(|id| format!(" with the id `{id}`")).unwrap_or_default();
        Diagnostic::error("a vault that stays closed", span, format!("encrypted{which}: {self}")).help(self.help())
    }
}

impl Malformed {
    pub fn diagnostic(self, span: Option<Span>) -> Diagnostic {
        Diagnostic::error("malformed vault", span, self.to_string()).help(self.help())
    }
}

/// A vault where it was found. It is opened once, when something first needs it, whoever shares it.
pub struct Sealed {
    envelope: Envelope,
    opened: OnceLock<Result<Zeroizing<Vec<u8>>, Locked>>,
}

impl Sealed {
    /// # Errors
    /// As [`Envelope::parse`].
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        Ok(Self { envelope: Envelope::parse(text)?, opened: OnceLock::new() })
    }

    /// What was encrypted. All of a run's values are opened with the run's one keyring.
    ///
    /// # Errors
    /// Where no password opens it; at `span`.
    pub fn open(&self, keyring: &Keyring, span: Option<Span>) -> Result<&[u8], Diagnostic> {
        match self.opened.get_or_init(|| keyring.open(&self.envelope)) {
            Ok(bytes) => Ok(bytes),
            Err(locked) => Err(locked.diagnostic(self.envelope.id.as_deref(), span)),
        }
    }

    /// As [`Self::open`], where it is text.
    ///
    /// # Errors
    /// Likewise, and where it is none.
    pub fn open_text(&self, keyring: &Keyring, span: Option<Span>) -> Result<&str, Diagnostic> {
        let no_text = |_| Locked::NoText.diagnostic(self.envelope.id.as_deref(), span);
        std::str::from_utf8(self.open(keyring, span)?).map_err(no_text)
    }
}

impl PartialEq for Sealed {
    fn eq(&self, other: &Self) -> bool {
        self.envelope == other.envelope
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(vault)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(id: &str, text: &str) -> Password {
        Password { id: id.into(), bytes: Zeroizing::new(text.as_bytes().to_vec()) }
    }

    fn sealed(text: &str) -> Sealed {
        Sealed::parse(text.as_bytes()).ok().unwrap()
    }

    const DEFAULT: &str = include_str!("../../../tests/vault/data/default.yml");
    const PROD: &str = include_str!("../../../tests/vault/data/prod.yml");
    const EMPTY: &str = include_str!("../../../tests/vault/data/empty.yml");
    const BYTES: &str = include_str!("../../../tests/vault/data/key.bin");

    #[test]
    fn a_vaults_own_id_is_tried_first_and_the_others_after_it() {
        let keyring =
            Keyring::new(vec![password("default", "correct horse"), password("prod", "battery staple")], vec![]);
        assert_eq!(sealed(PROD).open_text(&keyring, None).unwrap(), "api_token: hunter2-token\n");
        assert_eq!(keyring.derived.lock().unwrap().len(), 1, "the other password was not tried");
        let renamed = Keyring::new(vec![password("other", "x"), password("default", "battery staple")], vec![]);
        assert_eq!(sealed(PROD).open_text(&renamed, None).unwrap(), "api_token: hunter2-token\n");
    }

    #[test]
    fn what_many_share_is_derived_once() {
        let keyring = Keyring::new(vec![password("default", "correct horse")], vec![]);
        let shared = sealed(EMPTY);
        for vault in [&shared, &shared, &sealed(EMPTY)] {
            assert_eq!(vault.open(&keyring, None).unwrap(), b"");
        }
        assert_eq!(keyring.derived.lock().unwrap().len(), 1);
        assert_eq!(sealed(BYTES).open(&keyring, None).unwrap(), b"hunter2 key \x00\xff\xfe bytes\n");
        assert_eq!(keyring.derived.lock().unwrap().len(), 2);
    }

    #[test]
    fn why_a_vault_stays_closed() {
        let told = |vault: &str, keyring: &Keyring| {
            let d = sealed(vault).open_text(keyring, None).unwrap_err();
            format!("{}\n{}", d.label, d.help.unwrap_or_default())
        };
        let none = Keyring::default();
        let wrong = Keyring::new(vec![password("a", "x"), password("b", "y")], vec![]);
        let missing = Keyring::new(vec![], vec![("prod".into(), "vault-pass: No such file or directory".into())]);
        let right = Keyring::new(vec![password("a", "correct horse")], vec![]);
        insta::assert_snapshot!(
            [told(DEFAULT, &none), told(PROD, &none), told(PROD, &wrong), told(PROD, &missing), told(BYTES, &right)]
                .join("\n\n")
        );
    }
}
