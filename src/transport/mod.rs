//! A connection that runs a script on a host and gives back framed output.

pub mod auth;
pub mod body;
pub mod hops;
pub mod known_hosts;
pub mod local;
pub mod openssh;
pub mod pipe;
mod socket;
pub mod ssh;

use crate::model::secret::Secret;
use crate::shell::frame::{FrameError, FrameSink, Script};
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncRead;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One shell on one host, already under the wanted user, that takes script after script.
pub trait Connection: Send {
    fn opening(&self) -> Opening {
        Opening::default()
    }

    /// Sends the script to the one shell and passes on its frames until its end mark.
    ///
    /// One round trip. After an error the connection is of no more use.
    fn run<'a>(
        &'a mut self,
        script: &'a Script,
        frames: &'a mut dyn FrameSink,
    ) -> BoxFuture<'a, Result<(), TransportError>>;

    /// Runs the script in a shell of its own with `body` as its standard input, as the same user.
    ///
    /// For contents too large to be part of a script. The body is streamed, never held whole.
    fn feed<'a>(
        &'a mut self,
        script: &'a Script,
        body: &'a mut (dyn AsyncRead + Send + Unpin),
        frames: &'a mut dyn FrameSink,
    ) -> BoxFuture<'a, Result<(), TransportError>>;
}

/// How long a connection took to come about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening {
    /// Until the host's key was checked, with what was tried in vain.
    pub connect: Duration,
    /// Until the user was logged in and the shell asked for.
    pub log_in: Duration,
}

/// Why a host could not be spoken with. Each is told at the edge with the host's name before it.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    #[error("{address} could not be resolved: {reason}")]
    Resolve { address: String, reason: String },
    #[error("{address} could not be reached: {reason}")]
    Connect { address: String, reason: String },
    #[error("there is no speaking SSH with {address}: {reason}")]
    Handshake { address: String, reason: String },
    #[error("no answer from {address} within {} s", after.as_secs())]
    ConnectTimeout { address: String, after: Duration },
    #[error("the host key of {address} is not known ({algorithm} {fingerprint})")]
    UnknownHostKey { address: String, algorithm: String, fingerprint: String },
    #[error("the host key of {address} has CHANGED: got {algorithm} {fingerprint}, while {known_at} has another")]
    ChangedHostKey { address: String, algorithm: String, fingerprint: String, known_at: String },
    #[error("the host key of {address} has CHANGED: it has {offered} only, while {known_at} has one of another kind")]
    OtherHostKey { address: String, offered: String, known_at: String },
    #[error("the host key of {address} is revoked ({known_at})")]
    RevokedHostKey { address: String, known_at: String },
    #[error("by way of {hop}: {error}")]
    Hop { hop: String, error: Arc<Self> },
    #[error("{hop} does not pass connections on to {address}: {reason}")]
    NotPassedOn { hop: String, address: String, reason: String },
    #[error("{user}@{address} refused every way to log in (tried: {tried})")]
    Auth { user: String, address: String, tried: String },
    #[error("key file {path}: {reason}")]
    KeyFile { path: String, reason: String },
    #[error("becoming {user} failed: {reason}")]
    Become { user: String, reason: String },
    #[error("silent for {} s in the middle of an answer", after.as_secs())]
    Idle { after: Duration },
    #[error("not done within {} s", after.as_secs())]
    Deadline { after: Duration },
    #[error("the connection was lost: {reason}")]
    Lost { reason: String },
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Local(String),
}
impl TransportError {
    /// What to do about it, where that can be said.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::UnknownHostKey { .. } => {
                "compare the fingerprint with the host's own, then add it with ssh-keyscan, or run once with --accept-new"
                    .into()
            }
            Self::ChangedHostKey { known_at, .. } | Self::OtherHostKey { known_at, .. } => format!(
                "either the host was made anew, or somebody is in between: ask whoever runs it, and only then take out {known_at}"
            ),
            Self::Auth { .. } => {
                "is the key in the host's authorized_keys? see what `ssh -v` says with the same user and key".into()
            }
            Self::Become { .. } => {
                "give the password with --ask-become-pass, or allow the user sudo without one".into()
            }
            Self::Connect { .. } | Self::ConnectTimeout { .. } => "is it up, and is its sshd reachable from here?".into(),
            Self::Hop { error, .. } => return error.help(),
            Self::NotPassedOn { .. } => "does its sshd_config allow it (AllowTcpForwarding, PermitOpen)?".into(),
            Self::Idle { .. } => "something on the host hangs: a dead NFS mount, a full disk, a stopped process".into(),
            _ => return None,
        })
    }

    /// Whether trying again may help and can do no harm: nothing was sent yet. Silence is not tried again, for TCP
    /// itself has by then.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Connect { .. })
    }
}

/// Where a host is, and as whom to be there.
#[derive(Clone, Debug)]
pub struct Target {
    /// A name or an address.
    pub address: String,
    pub port: u16,
    pub user: String,
    /// Under what name its key is on record, where that is not its address.
    pub host_key_alias: Option<String>,
    /// Tried in order, after the agent's.
    pub key_files: Vec<PathBuf>,
    pub agent: Agent,
    /// Of the agent's keys only those are tried that are in `key_files`, too.
    pub identities_only: bool,
    pub password: Option<Secret>,
    pub become_: Option<Become>,
    /// The host that passes the connection on.
    pub via: Option<Arc<Target>>,
}

impl Target {
    /// The name and port by which its key is on record.
    fn on_record(&self) -> (&str, u16) {
        match &self.host_key_alias {
            Some(alias) => (alias, 22),
            None => (&self.address, self.port),
        }
    }
}

/// Without the passwords and the keys, which are not what makes it another place.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.user, self.address, self.port)?;
        self.via.as_ref().map_or(Ok(()), |hop| write!(f, " by way of {hop}"))
    }
}

/// Where an agent listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Agent {
    /// As the environment says (`SSH_AUTH_SOCK`).
    #[default]
    Environment,
    Socket(PathBuf),
    /// None is asked.
    Nowhere,
}

/// The user to become, through `sudo`.
#[derive(Clone, Debug)]
pub struct Become {
    pub user: String,
    pub password: Option<Secret>,
}

impl Become {
    /// The words before a command. `prompt` is what sudo asks with, where there is a password to answer.
    fn prefix(&self, prompt: &str) -> Vec<String> {
        let ask: &[&str] = match self.password {
            Some(_) => &["-S", "-p", prompt],
            None => &["-n"],
        };
        let words = ["sudo"].iter().chain(ask).chain(&["-H", "-u"]).map(|w| (*w).to_owned());
        words.chain([self.user.clone(), "--".into()]).collect()
    }
}
