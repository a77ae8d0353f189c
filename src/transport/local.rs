//! The machine that trueup itself runs on: the same shell, without a network.

use super::pipe::{Chunk, CommandLine, Input, Output, Shell};
use super::{Become, BoxFuture, Connection, TransportError};
use crate::shell::frame::{FrameSink, Script};
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// One `sh` on this machine.
pub struct Local {
    shell: Shell<Stdin, Process>,
    become_: Option<Become>,
}

struct Stdin(Option<ChildStdin>);

struct Process {
    child: Child,
    stdout: ChildStdout,
    stderr: ChildStderr,
    open: (bool, bool),
}

/// Starts the shell.
///
/// # Errors
/// Where there is no `sh`, or no `sudo` where one is wanted.
pub fn connect(become_: Option<Become>) -> Result<Local, TransportError> {
    let line = CommandLine::interactive(become_.as_ref(), &random()?);
    let (stdin, process) = Process::start(&line)?;
    Ok(Local { shell: Shell::new(stdin, process, line, become_.clone()), become_ })
}

pub(super) fn random() -> Result<String, TransportError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| TransportError::Local(format!("no randomness: {e}")))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

impl Process {
    fn start(line: &CommandLine) -> Result<(Stdin, Self), TransportError> {
        let (program, args) = line.words.split_first().ok_or_else(|| TransportError::Local("no command".into()))?;
        let failed = |e: std::io::Error| TransportError::Local(format!("{program} could not be started: {e}"));
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A Ctrl-C is for trueup, which decides what it means for the host.
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (stdin, Some(stdout), Some(stderr)) => {
                Ok((Stdin(stdin), Self { child, stdout, stderr, open: (true, true) }))
            }
            _ => Err(TransportError::Local("a shell without its pipes".into())),
        }
    }
}

impl Drop for Process {
    /// What a script has started ends with it, where it is given up on.
    fn drop(&mut self) {
        let group = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
        }
    }
}

impl Input for Stdin {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        let Some(stdin) = &mut self.0 else { return Err(lost("its input is closed")) };
        stdin.write_all(bytes).await.map_err(|e| lost(&e.to_string()))?;
        stdin.flush().await.map_err(|e| lost(&e.to_string()))
    }

    async fn finish(&mut self) -> Result<(), TransportError> {
        self.0 = None;
        Ok(())
    }
}

impl Output for Process {
    async fn receive(&mut self) -> Result<Chunk, TransportError> {
        let (mut out, mut err) = (vec![0; 64 * 1024], vec![0; 4096]);
        loop {
            let (out_open, err_open) = self.open;
            tokio::select! {
                read = self.stdout.read(&mut out), if out_open => match read {
                    Ok(0) | Err(_) => self.open.0 = false,
                    Ok(n) => {
                        out.truncate(n);
                        return Ok(Chunk::Out(out));
                    }
                },
                read = self.stderr.read(&mut err), if err_open => match read {
                    Ok(0) | Err(_) => self.open.1 = false,
                    Ok(n) => {
                        err.truncate(n);
                        return Ok(Chunk::Err(err));
                    }
                },
                else => {
                    let status = self.child.wait().await.ok().and_then(|s| s.code());
                    return Ok(Chunk::End(status.and_then(|s| u32::try_from(s).ok())));
                }
            }
        }
    }
}

fn lost(reason: &str) -> TransportError {
    TransportError::Lost { reason: reason.to_owned() }
}

impl Connection for Local {
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
            let (stdin, process) = Process::start(&line)?;
            Shell::new(stdin, process, line, self.become_.clone()).feed(script, body, frames).await
        })
    }
}
