//! A shell behind a pipe, wherever it runs: becoming the wanted user, sending scripts, reading frames in time.

use super::{Become, TransportError};
use crate::shell::frame::{FrameParser, FrameSink, Limits, Script};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, timeout};

/// Bytes kept of what a shell says outside of frames, to explain an early end.
const KEPT: usize = 4096;

/// What comes from a shell.
#[derive(Debug)]
pub enum Chunk {
    Out(Vec<u8>),
    Err(Vec<u8>),
    /// It has ended, with this status where one is known.
    End(Option<u32>),
}

/// The ends of a running shell.
pub trait Pipe: Send {
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), TransportError>> + Send;
    fn finish_input(&mut self) -> impl Future<Output = Result<(), TransportError>> + Send;
    fn receive(&mut self) -> impl Future<Output = Result<Chunk, TransportError>> + Send;
}

/// A shell that is about to become the wanted user.
pub struct Shell<P> {
    pub pipe: P,
    become_: Option<Become>,
    /// Standard error, and standard output outside of frames: the end of it.
    said: Vec<u8>,
    /// Whether it has become who it should be.
    ready: bool,
    prompt: String,
    marker: String,
}

/// How a command line is made for a shell under a user.
pub struct CommandLine {
    /// Words that mean themselves in every login shell.
    pub words: Vec<String>,
    prompt: String,
    marker: String,
}

impl CommandLine {
    /// A shell that reads scripts from its standard input.
    pub fn interactive(become_: Option<&Become>, random: &str) -> Self {
        Self::new(become_, random, None)
    }

    /// A shell that runs one script and has its standard input for itself.
    pub fn with_script(become_: Option<&Become>, random: &str, script: &str) -> Self {
        Self::new(become_, random, Some(script))
    }

    fn new(become_: Option<&Become>, random: &str, script: Option<&str>) -> Self {
        let (prompt, marker) = (format!("trueup-{random}-password:"), format!("trueup-{random}-ready"));
        let mut words = become_.map(|b| b.prefix(&prompt)).unwrap_or_default();
        let asks = become_.is_some_and(|b| b.password.is_some());
        match (script, asks) {
            // Plain words only, so that it does not matter whose login shell reads them.
            (None, false) => words.extend(["sh", "-s"].map(str::to_owned)),
            (None, true) => words.extend(["sh", "-c", &format!("echo {marker}; exec sh -s")].map(str::to_owned)),
            (Some(script), false) => words.extend(["sh", "-c", script].map(str::to_owned)),
            (Some(script), true) => {
                words.extend(["sh", "-c", &format!("echo {marker}\n{script}")].map(str::to_owned));
            }
        }
        Self { words, prompt, marker }
    }
}

impl<P: Pipe> Shell<P> {
    pub fn new(pipe: P, line: CommandLine, become_: Option<Become>) -> Self {
        let ready = become_.as_ref().is_none_or(|b| b.password.is_none());
        Self { pipe, become_, said: vec![], ready, prompt: line.prompt, marker: line.marker }
    }

    /// Sends a script and passes on its frames until its end mark.
    pub async fn run(&mut self, script: &Script, frames: &mut dyn FrameSink) -> Result<(), TransportError> {
        self.become_user(&script.limits).await?;
        let sent = self.within(script.limits.idle, |p, text| p.send(text), &script.text).await;
        self.read(script, frames, sent.err()).await
    }

    /// Streams a body to the standard input of the script that the shell was started with.
    pub async fn feed(
        &mut self,
        script: &Script,
        body: &mut (dyn AsyncRead + Send + Unpin),
        frames: &mut dyn FrameSink,
    ) -> Result<(), TransportError> {
        self.become_user(&script.limits).await?;
        let mut buffer = vec![0; 256 * 1024];
        let mut failed = None;
        loop {
            let n = body.read(&mut buffer).await.map_err(|e| TransportError::Local(e.to_string()))?;
            let Some(read) = buffer.get(..n).filter(|b| !b.is_empty()) else { break };
            // The host's own word on why it stopped reading is better than a broken pipe.
            if let Err(error) = self.within(script.limits.idle, |p, bytes| p.send(bytes), read).await {
                failed = Some(error);
                break;
            }
        }
        if failed.is_none() {
            self.pipe.finish_input().await?;
        }
        self.read(script, frames, failed).await
    }

    async fn within<'a, F, Fut>(&'a mut self, limit: Duration, send: F, bytes: &'a [u8]) -> Result<(), TransportError>
    where
        F: FnOnce(&'a mut P, &'a [u8]) -> Fut,
        Fut: Future<Output = Result<(), TransportError>>,
    {
        timeout(limit, send(&mut self.pipe, bytes)).await.unwrap_or(Err(TransportError::Idle { after: limit }))
    }

    /// Answers sudo's question, and only that: where sudo asks nothing, the password goes nowhere.
    async fn become_user(&mut self, limits: &Limits) -> Result<(), TransportError> {
        if self.ready {
            return Ok(());
        }
        let Some(Become { user, password: Some(password) }) = self.become_.clone() else { return Ok(()) };
        let deadline = Instant::now() + limits.idle;
        let mut answered = false;
        let failed = |reason: String| TransportError::Become { user: user.clone(), reason };
        loop {
            let chunk = tokio::time::timeout_at(deadline, self.pipe.receive()).await;
            let chunk = chunk.unwrap_or(Err(TransportError::Idle { after: limits.idle }))?;
            match chunk {
                Chunk::Err(bytes) | Chunk::Out(bytes) => self.keep(&bytes),
                Chunk::End(_) => return Err(failed(self.words())),
            }
            let said = String::from_utf8_lossy(&self.said).into_owned();
            if said.contains(&self.marker) {
                self.said.clear();
                self.ready = true;
                return Ok(());
            }
            let asked = said.matches(&self.prompt).count();
            if asked > 1 {
                return Err(failed("sudo does not take the password".into()));
            }
            if asked == 1 && !answered {
                answered = true;
                let mut line = password.expose().as_bytes().to_vec();
                line.push(b'\n');
                self.pipe.send(&line).await?;
                zeroize::Zeroize::zeroize(&mut line);
            }
        }
    }

    async fn read(
        &mut self,
        script: &Script,
        frames: &mut dyn FrameSink,
        failed: Option<TransportError>,
    ) -> Result<(), TransportError> {
        let mut parser = FrameParser::new(&script.nonce, script.limits);
        let end = Instant::now() + script.limits.total_time;
        let mut any = false;
        while !parser.is_finished() {
            let idle = if failed.is_some() { Duration::from_secs(5) } else { script.limits.idle };
            let deadline = (Instant::now() + idle).min(end);
            let chunk = match tokio::time::timeout_at(deadline, self.pipe.receive()).await {
                Ok(chunk) => chunk,
                Err(_) if failed.is_some() => break,
                Err(_) if Instant::now() >= end => {
                    return Err(TransportError::Deadline { after: script.limits.total_time });
                }
                Err(_) => return Err(TransportError::Idle { after: script.limits.idle }),
            };
            match chunk? {
                Chunk::Out(bytes) => {
                    if !any {
                        self.keep(&bytes);
                    }
                    let mut watched = Watched { sink: &mut *frames, any: &mut any };
                    parser.push(&bytes, &mut watched)?;
                }
                Chunk::Err(bytes) => self.keep(&bytes),
                Chunk::End(status) => return Err(failed.unwrap_or_else(|| self.ended(status, any))),
            }
        }
        match failed {
            Some(error) if !parser.is_finished() => Err(error),
            _ => Ok(()),
        }
    }

    /// Why a shell ended early: before its first frame, it is most likely sudo that refused.
    fn ended(&self, status: Option<u32>, any: bool) -> TransportError {
        let words = self.words();
        match &self.become_ {
            Some(b) if !any && words.contains("sudo") => TransportError::Become { user: b.user.clone(), reason: words },
            _ => {
                let status = status
                    .map_or("the connection was closed".to_owned(), |s| format!("its shell ended with status {s}"));
                let reason = if words.is_empty() { status } else { format!("{status}: {words}") };
                TransportError::Lost { reason }
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        let excess = self.said.len().saturating_sub(KEPT);
        self.said.drain(..excess);
    }

    fn words(&self) -> String {
        let text = String::from_utf8_lossy(&self.said).replace(&self.prompt, "");
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let tail = lines.get(lines.len().saturating_sub(4)..).unwrap_or_default();
        tail.join("; ").chars().filter(|c| !c.is_control()).collect()
    }
}

/// Notes whether any frame has begun.
struct Watched<'a> {
    sink: &'a mut dyn FrameSink,
    any: &'a mut bool,
}

impl FrameSink for Watched<'_> {
    fn begin(&mut self, slot: u32) {
        *self.any = true;
        self.sink.begin(slot);
    }

    fn frame(&mut self, frame: crate::shell::frame::Frame) {
        self.sink.frame(frame);
    }
}
