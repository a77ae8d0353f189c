//! SSH endpoints: one listener, as many hosts as there are addresses.

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{self, Auth, ChannelOpenHandle, Handle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

/// One endpoint in so many runs a real shell.
const REAL: usize = 50;
/// Stands for a script's nonce where answers are kept.
const NONCE: &str = "NONCENONCENONCENONCENONCENONCENO";

/// Every hundredth host, where there are late ones.
pub fn is_late(host: usize) -> bool {
    host % 100 == 7
}

/// The n-th host's address: 127.1.0.0 and up.
pub fn address(host: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 0)) + host as u32)
}

pub struct Endpoints {
    pub port: u16,
    /// The host key in the form of known_hosts.
    pub host_key: String,
    dir: tempfile::TempDir,
}

/// What all endpoints share.
struct Shared {
    /// Answers by script, both without the nonce.
    answers: Mutex<HashMap<Vec<u8>, Arc<[u8]>>>,
    late: Duration,
}

impl Endpoints {
    pub fn start(runtime: &tokio::runtime::Runtime, late: Duration) -> Self {
        let key = || {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).expect("randomness");
            PrivateKey::from(Ed25519Keypair::from_seed(&seed))
        };
        let (host, client) = (key(), key());
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("id");
        client.write_openssh_file(&path, LineEnding::LF).expect("written");
        let config = Arc::new(server::Config {
            keys: vec![host.clone()],
            nodelay: true,
            auth_rejection_time_initial: Some(Duration::ZERO),
            ..server::Config::default()
        });
        let listener = runtime
            .block_on(async {
                let socket = tokio::net::TcpSocket::new_v4()?;
                socket.set_reuseaddr(true)?;
                socket.bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
                socket.listen(4096)
            })
            .expect("a listener");
        let port = listener.local_addr().expect("its address").port();
        runtime.spawn(serve(listener, config, Arc::new(Shared { answers: Mutex::default(), late })));
        Self { port, host_key: host.public_key().to_openssh().expect("a key"), dir }
    }

    pub fn key(&self) -> PathBuf {
        self.dir.path().join("id")
    }
}

async fn serve(listener: TcpListener, config: Arc<server::Config>, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(IpAddr::V4(to)) = stream.local_addr().map(|a| a.ip()) else { continue };
        let _ = stream.set_nodelay(true);
        let host = u32::from(to).wrapping_sub(u32::from(address(0))) as usize;
        let endpoint = Endpoint { host, shared: shared.clone(), script: vec![] };
        let config = config.clone();
        tokio::spawn(async move {
            if let Ok(session) = server::run_stream(config, stream, endpoint).await {
                let _ = session.await;
            }
        });
    }
}

struct Endpoint {
    host: usize,
    shared: Arc<Shared>,
    /// What has come of a script so far.
    script: Vec<u8>,
}

impl server::Handler for Endpoint {
    type Error = russh::Error;

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        self.script.extend_from_slice(data);
        if !self.script.ends_with(b"\n} </dev/null\n") {
            return Ok(());
        }
        let script = std::mem::take(&mut self.script);
        let (shared, host, handle) = (self.shared.clone(), self.host, session.handle());
        tokio::spawn(async move { shared.answer(host, script, handle, channel).await });
        Ok(())
    }
}

impl Shared {
    async fn answer(&self, host: usize, script: Vec<u8>, handle: Handle, channel: ChannelId) {
        if is_late(host) {
            tokio::time::sleep(self.late).await;
        }
        let Some(nonce) = nonce(&script) else { return };
        let asked = replace(&script, nonce.as_bytes(), NONCE.as_bytes());
        let kept = self.answers.lock().expect("no panic").get(&asked).cloned();
        let said = match kept.filter(|_| !host.is_multiple_of(REAL)) {
            Some(kept) => replace(&kept, NONCE.as_bytes(), nonce.as_bytes()),
            None => {
                let said = sh(&script).await;
                let kept = replace(&said, nonce.as_bytes(), NONCE.as_bytes());
                self.answers.lock().expect("no panic").insert(asked, kept.into());
                said
            }
        };
        let _ = handle.data(channel, said).await;
    }
}

/// Runs a script as sshd would.
async fn sh(script: &[u8]) -> Vec<u8> {
    let mut child = tokio::process::Command::new("sh")
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let mut stdin = child.stdin.take().expect("its input");
    let text = script.to_vec();
    tokio::spawn(async move { stdin.write_all(&text).await });
    child.wait_with_output().await.expect("its output").stdout
}

/// The nonce of a script's frames: what its last mark prints.
fn nonce(script: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(script);
    let (_, rest) = text.rsplit_once("printf '%s Z\\n' ")?;
    Some(rest.chars().take(32).collect())
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].windows(from.len()).position(|w| w == from) {
        out.extend_from_slice(&text[at..at + found]);
        out.extend_from_slice(to);
        at += found + from.len();
    }
    out.extend_from_slice(&text[at..]);
    out
}
