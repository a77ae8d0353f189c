//! Signatures of plans, as OpenSSH makes them for any file.
//!
//! The format is SSHSIG (PROTOCOL.sshsig in OpenSSH's sources) over the file's bytes, with the namespace below, so that
//! `ssh-keygen -Y verify -n trueup-plan` checks it as well, and `ssh-keygen -Y sign -n trueup-plan` makes it.

use super::signers::{Signers, SignersError};
use crate::model::secret::Secret;
use russh::keys::ssh_key::private::PrivateKey;
use russh::keys::ssh_key::{HashAlg, LineEnding, PublicKey, SshSig};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a key signs a plan as: a signature for another purpose is none for a plan.
pub const NAMESPACE: &str = "trueup-plan";
/// Bytes of a signature.
const LARGEST: u64 = 64 << 10;

/// Why a plan cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the key {0} cannot be read: {1}")]
    Key(PathBuf, String),
    #[error("the key {0} has a passphrase, and nobody can be asked for it")]
    Passphrase(PathBuf),
    #[error("the key {0} cannot sign: {1}; `ssh-keygen -Y sign -n {NAMESPACE} -f KEY PLAN` may be able to")]
    Sign(PathBuf, String),
}

/// Why a signature is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    #[error("it is not signed: there is no {0}")]
    Unsigned(PathBuf),
    #[error("its signature {0} cannot be read: {1}")]
    Unreadable(PathBuf, String),
    #[error("its signature was made for another purpose: the namespace is `{}`, not `{NAMESPACE}`", .0.escape_debug())]
    Namespace(String),
    #[error("its signature is not one of these contents: one of them was changed since")]
    Wrong,
    #[error(transparent)]
    Signers(#[from] SignersError),
}

/// Who has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// As the allowed-signers file names them.
    pub principals: String,
    /// Of the key, `SHA256:…`.
    pub fingerprint: String,
}

/// Where a plan's signature is: beside it.
pub fn path_of(plan: &Path) -> PathBuf {
    let mut name: OsString = plan.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// Signs some bytes; the result is the text of a signature file. `ask`: for the key's passphrase.
///
/// # Errors
/// Where the key cannot be read, or cannot sign.
pub fn sign(bytes: &[u8], key: &Path, ask: &dyn Fn(&Path) -> Option<Secret>) -> Result<String, SignError> {
    let unreadable = |e: &dyn std::fmt::Display| SignError::Key(key.to_owned(), e.to_string());
    let mut private = PrivateKey::read_openssh_file(key).map_err(|e| unreadable(&e))?;
    if private.is_encrypted() {
        let passphrase = ask(key).ok_or_else(|| SignError::Passphrase(key.to_owned()))?;
        private = private.decrypt(passphrase.expose()).map_err(|_| unreadable(&"the passphrase is wrong"))?;
    }
    let failed = |e: &dyn std::fmt::Display| SignError::Sign(key.to_owned(), e.to_string());
    let signature = private.sign(NAMESPACE, HashAlg::Sha512, bytes).map_err(|e| failed(&e))?;
    signature.to_pem(LineEnding::LF).map_err(|e| failed(&e))
}

/// Who of the allowed signers has signed these bytes of the plan at `path`. `now`: in seconds since 1970.
///
/// # Errors
/// Where nobody has, and why.
pub fn verify(bytes: &[u8], path: &Path, signers: &Signers, now: u64) -> Result<Signer, SignatureError> {
    use std::io::Read as _;
    let path = path_of(path);
    let file = std::fs::File::open(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => SignatureError::Unsigned(path.clone()),
        _ => SignatureError::Unreadable(path.clone(), e.to_string()),
    })?;
    let mut text = vec![];
    let read = file.take(LARGEST).read_to_end(&mut text);
    read.map_err(|e| SignatureError::Unreadable(path.clone(), e.to_string()))?;
    verify_text(bytes, &text, signers, now).map_err(|e| match e {
        SignatureError::Unreadable(_, why) => SignatureError::Unreadable(path, why),
        other => other,
    })
}

/// The same, from the text of the signature's file.
///
/// # Errors
/// As [`verify`].
pub fn verify_text(bytes: &[u8], text: &[u8], signers: &Signers, now: u64) -> Result<Signer, SignatureError> {
    let signature = SshSig::from_pem(text).map_err(|e| SignatureError::Unreadable(PathBuf::new(), e.to_string()))?;
    if signature.namespace() != NAMESPACE {
        return Err(SignatureError::Namespace(signature.namespace().to_owned()));
    }
    let key = PublicKey::from(signature.public_key().clone());
    key.verify(NAMESPACE, bytes, &signature).map_err(|_| SignatureError::Wrong)?;
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    let principals = signers.allow(signature.public_key(), &fingerprint, NAMESPACE, now)?;
    Ok(Signer { principals, fingerprint })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    /// A key that the real ssh-keygen made, and its public half.
    fn key(dir: &Path, name: &str, args: &[&str]) -> (PathBuf, String) {
        let path = dir.join(name);
        let made = Command::new("ssh-keygen").args(["-q", "-C", "", "-f"]).arg(&path).args(args).status().unwrap();
        assert!(made.success());
        let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        (path, public.trim().to_owned())
    }

    fn nobody(_: &Path) -> Option<Secret> {
        None
    }

    #[test]
    fn the_real_ssh_keygen_takes_what_is_signed_here_and_the_other_way_round() {
        let dir = tempfile::tempdir().unwrap();
        let kinds: [(&str, &[&str]); 3] = [
            ("ed", &["-t", "ed25519", "-N", ""]),
            ("ec", &["-t", "ecdsa", "-N", ""]),
            ("rsa", &["-t", "rsa", "-N", ""]),
        ];
        for (name, args) in kinds {
            let (path, public) = key(dir.path(), name, args);
            let allowed = dir.path().join("allowed");
            std::fs::write(&allowed, format!("alice@example.org {public}\n")).unwrap();
            let plan = dir.path().join(format!("{name}.plan"));
            std::fs::write(&plan, "the plan").unwrap();
            std::fs::write(path_of(&plan), sign(b"the plan", &path, &nobody).unwrap()).unwrap();
            let check = |signature: &Path| {
                Command::new("ssh-keygen")
                    .args(["-Y", "verify", "-I", "alice@example.org", "-n", NAMESPACE, "-f"])
                    .arg(&allowed)
                    .arg("-s")
                    .arg(signature)
                    .stdin(std::fs::File::open(&plan).unwrap())
                    .output()
                    .unwrap()
            };
            let checked = check(&path_of(&plan));
            assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));

            let signers = Signers::parse(&std::fs::read_to_string(&allowed).unwrap());
            std::fs::remove_file(path_of(&plan)).unwrap();
            let signed =
                Command::new("ssh-keygen").args(["-Y", "sign", "-n", NAMESPACE, "-f"]).arg(&path).arg(&plan).output();
            assert!(signed.unwrap().status.success());
            let signer = verify(b"the plan", &plan, &signers, 0).unwrap();
            assert_eq!(signer.principals, "alice@example.org");
            assert!(signer.fingerprint.starts_with("SHA256:"));
        }
    }

    #[test]
    fn each_refusal_has_a_reason_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (path, public) = key(dir.path(), "k", &["-t", "ed25519", "-N", ""]);
        let (_, other) = key(dir.path(), "o", &["-t", "ed25519", "-N", ""]);
        let text = sign(b"the plan", &path, &nobody).unwrap();
        let told = |bytes: &[u8], text: &str, allowed: &str, now: u64| {
            verify_text(bytes, text.as_bytes(), &Signers::parse(allowed), now).unwrap_err().to_string()
        };
        let line = format!("alice {public}\n");
        assert!(told(b"another plan", &text, &line, 0).contains("not one of these contents"));
        assert!(told(b"the plan", "no signature", &line, 0).contains("cannot be read"));
        assert!(told(b"the plan", &text, &format!("bob {other}\n"), 0).contains("by nobody who may sign"));
        assert!(told(b"the plan", &text, "", 0).contains("by nobody who may sign"));
        let authority = format!("alice cert-authority {public}\n");
        assert!(told(b"the plan", &text, &authority, 0).contains("cert-authority"));
        let elsewhere = format!("alice namespaces=\"git,file\" {public}\n");
        assert!(told(b"the plan", &text, &elsewhere, 0).contains("namespaces"));
        let window = format!("alice valid-after=\"20260101Z\",valid-before=\"20270101Z\" {public}\n");
        assert!(told(b"the plan", &text, &window, 0).contains("not valid yet"));
        assert!(told(b"the plan", &text, &window, 4_000_000_000).contains("not valid any more"));
        let signers = Signers::parse(&window);
        assert_eq!(verify_text(b"the plan", text.as_bytes(), &signers, 1_780_000_000).unwrap().principals, "alice");
        let git = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", "git", "-f"])
            .arg(&path)
            .arg(dir.path().join("o.pub"))
            .output()
            .unwrap();
        assert!(git.status.success());
        let for_git = std::fs::read_to_string(dir.path().join("o.pub.sig")).unwrap();
        assert!(told(b"the plan", &for_git, &line, 0).contains("the namespace is `git`"));
        let none = verify(b"the plan", &dir.path().join("p"), &Signers::parse(&line), 0).unwrap_err();
        assert!(none.to_string().starts_with("it is not signed"));
    }

    #[test]
    fn a_key_with_a_passphrase_asks_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let (path, public) = key(dir.path(), "k", &["-t", "ed25519", "-N", "open sesame"]);
        assert!(matches!(sign(b"x", &path, &nobody), Err(SignError::Passphrase(_))));
        assert!(matches!(sign(b"x", &path, &|_| Some(Secret::new("wrong"))), Err(SignError::Key(..))));
        let text = sign(b"x", &path, &|_| Some(Secret::new("open sesame"))).unwrap();
        let signers = Signers::parse(&format!("a {public}"));
        assert!(verify_text(b"x", text.as_bytes(), &signers, 0).is_ok());
    }

    proptest! {
        #[test]
        fn no_signature_brings_it_down(text: Vec<u8>, base64 in "[A-Za-z0-9+/]{0,200}") {
            let signers = Signers::parse("");
            let armed = format!("-----BEGIN SSH SIGNATURE-----\n{base64}\n-----END SSH SIGNATURE-----\n");
            prop_assert!(verify_text(b"x", &text, &signers, 0).is_err());
            prop_assert!(verify_text(b"x", armed.as_bytes(), &signers, 0).is_err());
        }
    }
}
