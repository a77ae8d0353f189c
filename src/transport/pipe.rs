//! A shell behind a pipe, wherever it runs: becoming the wanted user, sending scripts, reading frames in time.

use super::{Become, TransportError};
use crate::shell::frame::{FrameParser, FrameSink, Limits, Script};
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::Instant;

/// Bytes kept of what a shell says outside of frames, to explain an early end.
const KEPT: usize = 4096;
/// Bytes handed over at once; the host's silence is counted from the last of them.
const PIECE: usize = 64 * 1024;
/// How long a host that hung up on what was sent may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What comes from a shell.
#[derive(Debug)]
pub enum Chunk {
    Out(Vec<u8>),
    Err(Vec<u8>),
    /// It has ended, with this status where one is known.
    End(Option<u32>),
}

/// The end of a shell that takes.
pub trait Input: Send {
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), TransportError>> + Send;
    fn finish(&mut self) -> impl Future<Output = Result<(), TransportError>> + Send;
}

/// The end of a shell that gives. A call that is given up on loses nothing.
pub trait Output: Send {
    fn receive(&mut self) -> impl Future<Output = Result<Chunk, TransportError>> + Send;
}

/// A shell that is about to become the wanted user.
pub struct Shell<I, O> {
    pub input: I,
    output: O,
    become_: Option<Become>,
    /// Standard error, and standard output outside of frames: the end of each.
    said: Said,
    /// Whether it has become who it should be.
    ready: bool,
    prompt: String,
    marker: String,
}

#[derive(Default)]
struct Said {
    out: Vec<u8>,
    err: Vec<u8>,
}

/// How a command line is made for a shell under a user.
pub struct CommandLine {
    /// Words that mean themselves in every login shell.
    pub words: Vec<String>,
    prompt: String,
    marker: String,
}

/// Reads a script line by line up to a line that is the first argument, and runs it with what follows as its input.
///
/// `read` takes no byte too many, where a shell that reads its own script would. There is no newline, no `!` and no
/// backslash before a quote in it, since csh and fish read those differently.
const LOADER: &str = concat!(
    r#"n=$(printf "\012."); n=${n%.}; s=; "#,
    r#"while IFS= read -r l; do case $l in "$1") break;; esac; s=$s$l$n; done; eval "$s""#
);

impl CommandLine {
    /// A shell that reads scripts from its standard input.
    pub fn interactive(become_: Option<&Become>, random: &str) -> Self {
        Self::new(become_, random, "exec sh -s")
    }

    /// A shell that takes one script and leaves what follows it to the script's own commands.
    pub fn loader(become_: Option<&Become>, random: &str) -> Self {
        Self::new(become_, random, LOADER)
    }

    fn new(become_: Option<&Become>, random: &str, program: &str) -> Self {
        let (prompt, marker) = (format!("trueup-{random}-password:"), format!("trueup-{random}-ready"));
        let mut words = become_.map(|b| b.prefix(&prompt)).unwrap_or_default();
        let asks = become_.is_some_and(|b| b.password.is_some());
        let program = if asks { format!("echo {marker}; {program}") } else { program.to_owned() };
        words.extend(["sh", "-c", &program, "sh", &marker].map(str::to_owned));
        Self { words, prompt, marker }
    }
}

impl<I: Input, O: Output> Shell<I, O> {
    pub fn new(input: I, output: O, line: CommandLine, become_: Option<Become>) -> Self {
        let ready = become_.as_ref().is_none_or(|b| b.password.is_none());
        Self { input, output, become_, said: Said::default(), ready, prompt: line.prompt, marker: line.marker }
    }

    /// Sends a script and passes on its frames until its end mark.
    pub async fn run(&mut self, script: &Script, frames: &mut dyn FrameSink) -> Result<(), TransportError> {
        self.become_user(&script.limits).await?;
        self.exchange(script, None, frames).await
    }

    /// Sends a script to a shell started with [`CommandLine::loader`], and a body as the script's standard input.
    pub async fn feed(
        &mut self,
        script: &Script,
        body: &mut (dyn AsyncRead + Send + Unpin),
        frames: &mut dyn FrameSink,
    ) -> Result<(), TransportError> {
        self.become_user(&script.limits).await?;
        self.exchange(script, Some(body), frames).await
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
            let chunk = tokio::time::timeout_at(deadline, self.output.receive()).await;
            match chunk.unwrap_or(Err(TransportError::Idle { after: limits.idle }))? {
                Chunk::Err(bytes) => keep(&mut self.said.err, &bytes),
                Chunk::Out(bytes) => keep(&mut self.said.out, &bytes),
                Chunk::End(None) => return Err(self.ended(None, false)),
                Chunk::End(Some(_)) => return Err(failed(self.words())),
            }
            if String::from_utf8_lossy(&self.said.out).lines().any(|l| l == self.marker) {
                self.said = Said::default();
                self.ready = true;
                return Ok(());
            }
            // A question is the last that is said; a shell that shows its commands says the same words before it.
            if !self.said.err.ends_with(self.prompt.as_bytes()) {
                continue;
            }
            if answered {
                let words = self.words();
                let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
                return Err(failed(format!("sudo does not take the password{words}")));
            }
            answered = true;
            self.said.err.clear();
            let mut line = password.expose().as_bytes().to_vec();
            line.push(b'\n');
            let sent = self.input.send(&line).await;
            zeroize::Zeroize::zeroize(&mut line);
            sent?;
        }
    }

    /// Sends and reads at the same time: a host that answers while it is still being sent to must not find its
    /// answers stuck, and one that refuses is heard at once.
    async fn exchange(
        &mut self,
        script: &Script,
        body: Option<&mut (dyn AsyncRead + Send + Unpin)>,
        frames: &mut dyn FrameSink,
    ) -> Result<(), TransportError> {
        let limits = script.limits;
        let end = Instant::now() + limits.total_time;
        let alive = Mutex::new(Instant::now());
        let mark = || *alive.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Instant::now();
        let last = || *alive.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut parser = FrameParser::new(&script.nonce, limits);
        let (mut any, mut sent, mut failed) = (false, false, None);
        let sending = send_all(&mut self.input, &script.text, body.map(|b| (self.marker.as_str(), b)), &mark);
        let mut sending = Box::pin(sending);
        let status = loop {
            if parser.is_finished() {
                return Ok(());
            }
            let idle = if failed.is_some() { LAST_WORDS } else { limits.idle };
            let deadline = (last() + idle).min(end);
            let chunk = tokio::select! {
                result = &mut sending, if !sent => {
                    sent = true;
                    match result {
                        // The host's own word on why it stopped reading is better than a broken pipe.
                        Err(error @ TransportError::Lost { .. }) => failed = Some(error),
                        other => other?,
                    }
                    mark();
                    continue;
                }
                chunk = self.output.receive() => chunk?,
                () = tokio::time::sleep_until(deadline) => {
                    let now = Instant::now();
                    // Something may have been sent meanwhile.
                    match failed {
                        _ if now < (last() + idle).min(end) => continue,
                        Some(error) => return Err(error),
                        None if now >= end => return Err(TransportError::Deadline { after: limits.total_time }),
                        None => return Err(TransportError::Idle { after: limits.idle }),
                    }
                }
            };
            mark();
            match chunk {
                Chunk::Out(bytes) => {
                    if !any {
                        let nonce = script.nonce.as_str().as_bytes();
                        let chatter = bytes.windows(nonce.len()).position(|w| w == nonce).unwrap_or(bytes.len());
                        keep(&mut self.said.out, bytes.get(..chatter).unwrap_or_default());
                    }
                    let mut watched = Watched { sink: &mut *frames, any: &mut any };
                    parser.push(&bytes, &mut watched)?;
                }
                Chunk::Err(bytes) => keep(&mut self.said.err, &bytes),
                Chunk::End(status) => break status,
            }
        };
        drop(sending);
        Err(self.ended(status, any))
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

    fn words(&self) -> String {
        let text = [&self.said.out[..], &self.said.err[..]].map(|s| String::from_utf8_lossy(s).into_owned()).join("\n");
        let text = text.replace(&self.prompt, "");
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let tail = lines.get(lines.len().saturating_sub(4)..).unwrap_or_default();
        tail.join("; ").chars().filter(|c| !c.is_control()).collect()
    }
}

fn keep(said: &mut Vec<u8>, bytes: &[u8]) {
    said.extend_from_slice(bytes);
    let excess = said.len().saturating_sub(KEPT);
    said.drain(..excess);
}

/// Sends a script, and after it, where there is one, the line that ends it and a body, piece by piece.
async fn send_all(
    input: &mut impl Input,
    text: &[u8],
    body: Option<(&str, &mut (dyn AsyncRead + Send + Unpin))>,
    mark: &(impl Fn() + Sync),
) -> Result<(), TransportError> {
    for piece in text.chunks(PIECE) {
        input.send(piece).await?;
        mark();
    }
    let Some((end, body)) = body else { return Ok(()) };
    input.send(format!("\n{end}\n").as_bytes()).await?;
    let mut buffer = vec![0; PIECE];
    loop {
        let n = body.read(&mut buffer).await.map_err(|e| TransportError::Local(e.to_string()))?;
        let Some(piece) = buffer.get(..n).filter(|b| !b.is_empty()) else { break };
        input.send(piece).await?;
        mark();
    }
    input.finish().await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::frame::{Frame, Nonce};
    use std::sync::Arc;
    use tokio::sync::Notify;

    /// A host that takes nothing more before what it says is read.
    struct Talks {
        heard: Arc<Notify>,
        chunks: Vec<&'static [u8]>,
    }

    struct Waits(Arc<Notify>);

    impl Input for Waits {
        async fn send(&mut self, _: &[u8]) -> Result<(), TransportError> {
            self.0.notified().await;
            Ok(())
        }

        async fn finish(&mut self) -> Result<(), TransportError> {
            Ok(())
        }
    }

    impl Output for Talks {
        async fn receive(&mut self) -> Result<Chunk, TransportError> {
            match self.chunks.pop() {
                Some(chunk) => {
                    self.heard.notify_one();
                    Ok(Chunk::Out(chunk.to_vec()))
                }
                None => Ok(Chunk::End(Some(1))),
            }
        }
    }

    #[tokio::test]
    async fn a_host_is_read_while_it_is_sent_to_and_its_refusal_is_heard() {
        let heard = Arc::new(Notify::new());
        let nonce = "00000000000000000000000000000000";
        let (begin, end) = (format!("{nonce} B 0\n").leak(), format!("full\n{nonce} E 0 9\n{nonce} Z\n").leak());
        let talks = Talks { heard: heard.clone(), chunks: vec![end.as_bytes(), begin.as_bytes(), b"hello\n"] };
        let mut shell = Shell::new(Waits(heard), talks, CommandLine::loader(None, "00"), None);
        let script = Script { nonce: Nonce::new([0; 16]), text: vec![b'#'; 1 << 20], limits: Limits::default() };
        let mut frames: Vec<Frame> = vec![];
        shell.run(&script, &mut frames).await.unwrap();
        assert_eq!(frames, [Frame { slot: 0, status: 9, body: b"full".to_vec() }]);
        let error = shell.run(&script, &mut frames).await.unwrap_err();
        assert_eq!(error.to_string(), "the connection was lost: its shell ended with status 1: hello");
    }
}
