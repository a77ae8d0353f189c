//! SSH: one connection, one channel, one shell.

use super::auth::{self, Keys};
use super::hops::Hops;
use super::known_hosts::{self, KnownHosts, Verdict};
use super::local::random;
use super::pipe::{Chunk, CommandLine, Input, Output, Shell};
use super::socket::{Socket, dial};
use super::{Become, BoxFuture, Connection, Opening, Target, TransportError};
use crate::shell::frame::{FrameSink, Script};
use crate::shell::quote::words;
use russh::client::{self, Handle, Msg};
use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey};
use russh::{
    AlgorithmKind, ChannelMsg, ChannelOpenFailure as Refused, ChannelReadHalf, ChannelWriteHalf, Preferred, cipher, kex,
};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

/// Tries in all, where a connection does not come about.
const TRIES: u32 = 3;
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];
const CIPHERS: &[cipher::Name] =
    &[cipher::AES_128_GCM, cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR, cipher::AES_128_CTR];
const HOST_KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// What all connections of a run share.
pub struct SshOptions {
    pub connect_timeout: Duration,
    pub known_hosts: Mutex<KnownHosts>,
    /// Where a key that is accepted as new is put on record; `None`: none is accepted.
    pub accept_new: Option<PathBuf>,
    pub keys: Keys,
    pub hops: Hops<Client>,
}

/// A connection with its shell.
pub struct SshConnection {
    handle: Handle<Client>,
    shell: Shell<ExecInput, ExecOutput>,
    become_: Option<Become>,
    opening: Opening,
}

/// Connects, checks the host's key, logs in, and starts the shell.
///
/// # Errors
/// Why the host cannot be spoken with.
pub async fn connect(target: &Target, options: &Arc<SshOptions>) -> Result<SshConnection, TransportError> {
    let (handle, mut opening) = open(target, options).await?;
    let asked = Instant::now();
    let line = CommandLine::interactive(target.become_.as_ref(), &random()?);
    let (input, output) = timeout(options.connect_timeout, exec(&handle, &line))
        .await
        .map_err(|_| slow(target, options.connect_timeout))??;
    let shell = Shell::new(input, output, line, target.become_.clone());
    opening.log_in += asked.elapsed();
    Ok(SshConnection { handle, shell, become_: target.become_.clone(), opening })
}

/// Connects, checks the host's key, and logs in.
///
/// A connection that does not come about is tried again with a growing pause of random length, so that a thousand
/// hosts are not knocked at in step; what was refused is not.
pub(super) fn open<'a>(
    target: &'a Target,
    options: &'a Arc<SshOptions>,
) -> BoxFuture<'a, Result<(Handle<Client>, Opening), TransportError>> {
    Box::pin(async move {
        let started = Instant::now();
        let mut pause = Duration::from_millis(200);
        let mut attempt = 1;
        let mut handle = loop {
            match handshake(target, options).await {
                Err(error) if error.is_transient() && attempt < TRIES => {
                    let mut byte = [128];
                    let _ = getrandom::fill(&mut byte);
                    tokio::time::sleep(pause.mul_f64(0.5 + f64::from(byte[0]) / 255.0)).await;
                    pause *= 2;
                    attempt += 1;
                }
                result => break result?,
            }
        };
        let connect = started.elapsed();
        // A passphrase may be asked for meanwhile, and people are slow.
        let patience = options.connect_timeout.max(Duration::from_secs(300));
        timeout(patience, auth::log_in(&mut handle, target, &options.keys))
            .await
            .map_err(|_| slow(target, patience))??;
        Ok((handle, Opening { connect, log_in: started.elapsed().saturating_sub(connect) }))
    })
}

fn slow(target: &Target, after: Duration) -> TransportError {
    TransportError::ConnectTimeout { address: target.address.clone(), after }
}

fn unreached(target: &Target, reason: String) -> TransportError {
    TransportError::Connect { address: format!("{}:{}", target.address, target.port), reason }
}

async fn handshake(target: &Target, options: &Arc<SshOptions>) -> Result<Handle<Client>, TransportError> {
    let limit = options.connect_timeout;
    match &target.via {
        Some(hop) => {
            // That has limits of its own.
            let through = options.hops.to(hop, async { Ok(open(hop, options).await?.0) }).await?;
            let greeted = async {
                let there = through.channel_open_direct_tcpip(&target.address, target.port.into(), "127.0.0.1", 0);
                let stream = there.await.map_err(|e| not_passed_on(target, hop, e))?.into_stream();
                greet(stream, target, options).await
            };
            timeout(limit, greeted).await.map_err(|_| slow(target, limit))?
        }
        None => timeout(limit, async { greet(reach(target).await?, target, options).await })
            .await
            .map_err(|_| slow(target, limit))?,
    }
}

fn not_passed_on(target: &Target, hop: &Target, error: russh::Error) -> TransportError {
    match error {
        russh::Error::ChannelOpenFailure(why @ (Refused::AdministrativelyProhibited | Refused::UnknownChannelType)) => {
            let address = format!("{}:{}", target.address, target.port);
            TransportError::NotPassedOn { hop: hop.to_string(), address, reason: format!("{why:?}") }
        }
        russh::Error::ChannelOpenFailure(Refused::ConnectFailed) => {
            unreached(target, format!("{hop} has no way to it"))
        }
        error => unreached(target, format!("{hop}: {error}")),
    }
}

/// A connection to where the host itself is.
async fn reach(target: &Target) -> Result<Socket, TransportError> {
    let addresses = tokio::net::lookup_host((target.address.as_str(), target.port))
        .await
        .map_err(|e| TransportError::Resolve { address: target.address.clone(), reason: e.to_string() })?;
    dial(addresses).await.and_then(Socket::new).map_err(|e| unreached(target, plain(&e)))
}

/// Agrees on keys, and checks the host's.
async fn greet<S>(stream: S, target: &Target, options: &Arc<SshOptions>) -> Result<Handle<Client>, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (name, port) = target.on_record();
    let (on_record, authorities, place) = {
        let mut known = options.known_hosts.lock().unwrap_or_else(PoisonError::into_inner);
        (known.algorithms(name, port), known.authorities(name, port), known.place(name, port))
    };
    let offered: Vec<Algorithm> =
        HOST_KEYS.iter().filter(|a| on_record.is_empty() || same_kind(&on_record, a)).cloned().collect();
    let preferred = Preferred {
        kex: Cow::Borrowed(KEX),
        cipher: Cow::Borrowed(CIPHERS),
        key: Cow::Owned(offered),
        host_key_certificates: if authorities.is_empty() { Cow::Borrowed(&[]) } else { Cow::Borrowed(HOST_KEYS) },
        ..Preferred::default()
    };
    let config = client::Config {
        preferred,
        nodelay: true,
        keepalive_interval: Some(Duration::from_secs(15)),
        keepalive_max: 4,
        ..client::Config::default()
    };
    let client = Client { name: name.to_owned(), port, options: options.clone() };
    client::connect_stream(Arc::new(config), stream, client).await.map_err(|error| match error {
        ClientError::Key(error) => error,
        // A host that is too busy hangs up before it says anything, and may take the next try.
        ClientError::Ssh(error @ (russh::Error::IO(_) | russh::Error::HUP | russh::Error::Disconnect)) => {
            unreached(target, error.to_string())
        }
        ClientError::Ssh(error) => {
            let address = known_hosts::record_name(name, port);
            match (error, place) {
                // Only kinds on record were asked for.
                (russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, theirs, .. }, Some(known_at)) => {
                    TransportError::OtherHostKey { address, offered: theirs.join(", "), known_at }
                }
                (error, _) => TransportError::Handshake { address, reason: error.to_string() },
            }
        }
    })
}

/// The system's words without its error number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// RSA keys are on record without the hash that a signature by them uses.
fn same_kind(on_record: &[Algorithm], algorithm: &Algorithm) -> bool {
    on_record.iter().any(|a| a == algorithm || (a.clone().is_rsa() && algorithm.clone().is_rsa()))
}

/// Checks the host's key.
pub struct Client {
    /// As its key is on record.
    name: String,
    port: u16,
    options: Arc<SshOptions>,
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Key(TransportError),
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

impl client::Handler for Client {
    type Error = ClientError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, ClientError> {
        // Held until a new key is on record: another connection may be showing another one of the same host.
        let mut known = self.options.known_hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => known.check(&self.name, self.port, key),
            PublicKeyOrCertificate::Certificate(certificate) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_secs()).unwrap_or_default();
                known.check_certificate(&self.name, self.port, certificate, now)
            }
        };
        self.act_on(verdict, &shown.public_key(), &mut known).map_err(ClientError::Key)
    }
}

impl Client {
    fn act_on(&self, verdict: Verdict, key: &PublicKey, known: &mut KnownHosts) -> Result<bool, TransportError> {
        let address = known_hosts::record_name(&self.name, self.port);
        let algorithm = key.algorithm().to_string();
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        match verdict {
            Verdict::Known => Ok(true),
            Verdict::Revoked { at } => Err(TransportError::RevokedHostKey { address, known_at: at }),
            Verdict::Changed { at } => {
                Err(TransportError::ChangedHostKey { address, algorithm, fingerprint, known_at: at })
            }
            Verdict::Unknown => {
                let (Some(path), Some(line)) =
                    (&self.options.accept_new, known_hosts::record(&self.name, self.port, key))
                else {
                    return Err(TransportError::UnknownHostKey { address, algorithm, fingerprint });
                };
                known_hosts::append(path, &line)
                    .map_err(|e| TransportError::Local(format!("{}: {e}", path.display())))?;
                known.add(path, &line);
                Ok(true)
            }
        }
    }
}

struct ExecInput(ChannelWriteHalf<Msg>);

struct ExecOutput {
    channel: ChannelReadHalf,
    status: Option<u32>,
}

/// Starts a command on a channel of its own.
async fn exec(handle: &Handle<Client>, line: &CommandLine) -> Result<(ExecInput, ExecOutput), TransportError> {
    let channel = handle.channel_open_session().await.map_err(|e| lost(&e))?;
    // Without a reply to wait for: the first answer comes as soon as the first script is there.
    channel.exec(false, words(&line.words)).await.map_err(|e| lost(&e))?;
    let (output, input) = channel.split();
    Ok((ExecInput(input), ExecOutput { channel: output, status: None }))
}

fn lost(error: &russh::Error) -> TransportError {
    TransportError::Lost { reason: error.to_string() }
}

impl Input for ExecInput {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        self.0.data(bytes).await.map_err(|e| lost(&e))
    }

    async fn finish(&mut self) -> Result<(), TransportError> {
        self.0.eof().await.map_err(|e| lost(&e))
    }
}

impl Output for ExecOutput {
    async fn receive(&mut self) -> Result<Chunk, TransportError> {
        loop {
            match self.channel.wait().await {
                Some(ChannelMsg::Data { data }) => return Ok(Chunk::Out(data.to_vec())),
                Some(ChannelMsg::ExtendedData { data, .. }) => return Ok(Chunk::Err(data.to_vec())),
                Some(ChannelMsg::ExitStatus { exit_status }) => self.status = Some(exit_status),
                Some(ChannelMsg::Close) | None => return Ok(Chunk::End(self.status)),
                Some(_) => {}
            }
        }
    }
}

impl Connection for SshConnection {
    fn opening(&self) -> Opening {
        self.opening
    }

    fn run<'a>(
        &'a mut self,
        script: &'a Script,
        frames: &'a mut dyn FrameSink,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(self.shell.run(script, frames))
    }

    fn feed<'a>(
        &'a mut self,
        script: &'a Script,
        body: &'a mut (dyn AsyncRead + Send + Unpin),
        frames: &'a mut dyn FrameSink,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            let line = CommandLine::loader(self.become_.as_ref(), &random()?);
            let (input, output) = exec(&self.handle, &line).await?;
            let mut shell = Shell::new(input, output, line, self.become_.clone());
            let fed = shell.feed(script, body, frames).await;
            // A channel that is dropped while its command runs would hold a session slot of the server.
            let _ = shell.input.0.close().await;
            fed
        })
    }
}
