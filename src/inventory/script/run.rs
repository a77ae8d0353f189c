//! Runs an inventory script, with bounds on its time and on what it prints.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Asking a cloud for thousands of machines takes minutes.
const DEADLINE: Duration = Duration::from_secs(300);
const MOST: usize = 64 << 20;
/// Of what it says on stderr, only the end is shown.
const MOST_SAID: usize = 2_000;
const POLL: Duration = Duration::from_millis(5);

#[derive(Clone, Debug)]
pub struct Limits {
    pub deadline: Duration,
    /// Bytes on stdout.
    pub most: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deadline: DEADLINE, most: MOST }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("it could not be started: {0}")]
    Start(std::io::Error),
    #[error("what it prints could not be read: {0}")]
    Read(std::io::Error),
    #[error("it was not done after {} s", .0.as_secs())]
    Late(Duration),
    #[error("it printed more than {0} bytes")]
    Long(usize),
    #[error("it ended with {status}{said}")]
    Status { status: ExitStatus, said: String },
}

impl Failure {
    pub fn help(&self) -> &'static str {
        match self {
            Self::Start(_) => "an inventory that is executable is run: chmod -x a plain file, or see to its `#!` line",
            Self::Read(_) | Self::Status { .. } => "run it by hand with the same argument to see what is wrong",
            Self::Late(_) | Self::Long(_) => "run it by hand with the same argument; a script may keep a cache",
        }
    }
}

/// What it prints on stdout.
///
/// # Errors
/// It cannot be started, ends otherwise than well, takes too long or prints too much. It is ended then.
pub fn run(program: &Path, args: &[String], limits: &Limits) -> Result<String, Failure> {
    let ends = Instant::now() + limits.deadline;
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Failure::Start)?;
    let printed = follow(child.stdout.take(), limits.most);
    let said = follow(child.stderr.take(), limits.most);
    let outcome = wait(&mut child, &printed, ends, limits);
    if outcome.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let (text, status) = outcome?;
    if !status.success() {
        // A process that it left behind may hold stderr open: what was said by now has to do.
        let said = said.recv_timeout(Duration::from_millis(200)).ok().and_then(Result::ok).unwrap_or_default();
        return Err(Failure::Status { status, said: end_of(&said) });
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn wait(
    child: &mut Child,
    printed: &mpsc::Receiver<std::io::Result<Vec<u8>>>,
    ends: Instant,
    limits: &Limits,
) -> Result<(Vec<u8>, ExitStatus), Failure> {
    let left = || ends.saturating_duration_since(Instant::now());
    let text = match printed.recv_timeout(left()) {
        Ok(text) => text.map_err(Failure::Read)?,
        Err(_) => return Err(Failure::Late(limits.deadline)),
    };
    if text.len() > limits.most {
        return Err(Failure::Long(limits.most));
    }
    loop {
        if let Some(status) = child.try_wait().map_err(Failure::Read)? {
            return Ok((text, status));
        }
        if left().is_zero() {
            return Err(Failure::Late(limits.deadline));
        }
        std::thread::sleep(POLL);
    }
}

/// Reads all of a stream, or one byte more than `most`, apart from the rest: a full pipe holds up the script.
fn follow(stream: Option<impl Read + Send + 'static>, most: usize) -> mpsc::Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = vec![];
        let read = stream.map_or(Ok(0), |s| s.take(most as u64 + 1).read_to_end(&mut text));
        // Nobody waits any longer where the script was given up.
        let _ = sender.send(read.map(|_| text));
    });
    receiver
}

fn end_of(said: &[u8]) -> String {
    let from = said.len().saturating_sub(MOST_SAID);
    let text = String::from_utf8_lossy(said.get(from..).unwrap_or_default()).trim().to_owned();
    if text.is_empty() { text } else { format!(": {text}") }
}
