//! Logging in: the agent's keys, key files, a password.

use super::{Agent, Target, TransportError};
use crate::model::secret::Secret;
use russh::client::{Handle, Handler, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{
    PrivateKey, PrivateKeyWithHashAlg, PublicKey, load_openssh_certificate, load_public_key, load_secret_key,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// Asks for a key file's passphrase; `None` where nobody can be asked.
pub type AskPassphrase = dyn Fn(&Path) -> Option<Secret> + Send + Sync;

/// Key files that were read in this run, each once, whatever the number of hosts.
pub struct Keys {
    ask: Arc<AskPassphrase>,
    /// Held while a passphrase is asked for: the other hosts wait for the same answer.
    read: Mutex<HashMap<PathBuf, Read>>,
}

type Read = Result<Arc<PrivateKey>, String>;

impl Keys {
    pub fn new(ask: Box<AskPassphrase>) -> Self {
        Self { ask: ask.into(), read: Mutex::default() }
    }

    async fn get(&self, path: &Path) -> Read {
        let mut read = self.read.lock().await;
        if let Some(key) = read.get(path) {
            return key.clone();
        }
        let (ask, file) = (self.ask.clone(), path.to_path_buf());
        // A person may take a while.
        let key = spawn_blocking(move || read_file(&*ask, &file)).await.unwrap_or_else(|e| Err(e.to_string()));
        read.insert(path.to_path_buf(), key.clone());
        key
    }
}

fn read_file(ask: &AskPassphrase, path: &Path) -> Read {
    match load_secret_key(path, None) {
        Ok(key) => Ok(Arc::new(key)),
        Err(russh::keys::Error::KeyIsEncrypted) => {
            let passphrase = ask(path).ok_or("it has a passphrase, and nobody can be asked for it")?;
            load_secret_key(path, Some(passphrase.expose())).map(Arc::new).map_err(|_| "the passphrase is wrong".into())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Tries what there is, in OpenSSH's order.
///
/// # Errors
/// Where everything was refused, naming what was tried.
pub async fn log_in<H: Handler>(handle: &mut Handle<H>, target: &Target, keys: &Keys) -> Result<(), TransportError> {
    let mut tried: Vec<String> = vec![];
    let user = target.user.as_str();
    if agent(handle, target, &mut tried).await? {
        return Ok(());
    }
    for path in target.key_files.iter().filter(|p| !is_public(p)) {
        match keys.get(path).await {
            Ok(key) => {
                if key_file(handle, user, path, key, &mut tried).await? {
                    return Ok(());
                }
            }
            Err(why) => tried.push(format!("{}: {why}", path.display())),
        }
    }
    if let Some(password) = &target.password {
        tried.push("password".into());
        let result = handle.authenticate_password(user, password.expose()).await;
        if result.map_err(lost)?.success() || keyboard(handle, user, password).await? {
            return Ok(());
        }
    }
    let tried = if tried.is_empty() { "nothing: no agent, no key file, no password".into() } else { tried.join(", ") };
    Err(TransportError::Auth { user: user.to_owned(), address: target.address.clone(), tried })
}

fn lost(error: russh::Error) -> TransportError {
    TransportError::Lost { reason: format!("while logging in: {error}") }
}

/// Of a key that an agent or a token holds there may be the public half alone.
fn is_public(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "pub")
}

/// The public half of a key file.
fn public_half(path: &Path) -> Option<PublicKey> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    let path = if is_public(path) { path } else { Path::new(&beside) };
    load_public_key(path).ok()
}

async fn agent<H: Handler>(
    handle: &mut Handle<H>,
    target: &Target,
    tried: &mut Vec<String>,
) -> Result<bool, TransportError> {
    let user = target.user.as_str();
    let connected = match &target.agent {
        Agent::Environment => AgentClient::connect_env().await,
        Agent::Socket(path) => AgentClient::connect_uds(path).await,
        Agent::Nowhere => return Ok(false),
    };
    let Ok(mut agent) = connected else { return Ok(false) };
    let Ok(identities) = agent.request_identities().await else { return Ok(false) };
    let only: Option<Vec<PublicKey>> =
        target.identities_only.then(|| target.key_files.iter().filter_map(|p| public_half(p)).collect());
    let wanted = |key: &KeyData| only.as_ref().is_none_or(|only| only.iter().any(|k| k.key_data() == key));
    for identity in identities {
        let key = match &identity {
            AgentIdentity::PublicKey { key, .. } => key.key_data(),
            AgentIdentity::Certificate { certificate, .. } => certificate.public_key(),
        };
        if !wanted(key) {
            continue;
        }
        let result = match identity {
            AgentIdentity::PublicKey { key, comment, .. } => {
                tried.push(format!("the agent's {comment}"));
                let hash = if key.algorithm().is_rsa() { rsa_hash(handle).await? } else { None };
                handle.authenticate_publickey_with(user, key, hash, &mut agent).await
            }
            AgentIdentity::Certificate { certificate, comment, .. } => {
                tried.push(format!("the agent's certificate {comment}"));
                handle.authenticate_certificate_with(user, certificate, None, &mut agent).await
            }
        };
        // An agent that declines one key may hold another that it gives.
        if result.is_ok_and(|r| r.success()) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn key_file<H: Handler>(
    handle: &mut Handle<H>,
    user: &str,
    path: &Path,
    key: Arc<PrivateKey>,
    tried: &mut Vec<String>,
) -> Result<bool, TransportError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-cert.pub");
    if let Ok(certificate) = load_openssh_certificate(Path::new(&name)) {
        tried.push(Path::new(&name).display().to_string());
        let result = handle.authenticate_openssh_cert(user, key.clone(), certificate).await;
        if result.map_err(lost)?.success() {
            return Ok(true);
        }
    }
    tried.push(path.display().to_string());
    let hash = if key.algorithm().is_rsa() { rsa_hash(handle).await? } else { None };
    let result = handle.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key, hash)).await;
    Ok(result.map_err(lost)?.success())
}

async fn rsa_hash<H: Handler>(handle: &mut Handle<H>) -> Result<Option<russh::keys::HashAlg>, TransportError> {
    Ok(handle.best_supported_rsa_hash().await.map_err(lost)?.flatten())
}

/// Some servers take a password in this way alone.
async fn keyboard<H: Handler>(handle: &mut Handle<H>, user: &str, password: &Secret) -> Result<bool, TransportError> {
    let mut response = handle.authenticate_keyboard_interactive_start(user, None::<String>).await.map_err(lost)?;
    // A server that goes on asking is not followed for ever.
    for _ in 0..4 {
        match response {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                // Only what is not echoed can be the password.
                let answers = prompts.iter().map(|p| if p.echo { String::new() } else { password.expose().to_owned() });
                let answered = handle.authenticate_keyboard_interactive_respond(answers.collect()).await;
                response = answered.map_err(lost)?;
            }
        }
    }
    Ok(false)
}
