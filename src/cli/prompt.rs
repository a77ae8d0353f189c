//! A question at the terminal.

use super::output::CliError;
use crate::model::secret::Secret;
use crate::report::say;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

/// Between two looks at whether the question was interrupted: a signal alone ends no reading.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Longer than any answer.
const LONGEST: usize = 4096;

/// Whether there is to be a question, where `yes` is not given.
///
/// # Errors
/// Where there is nobody to answer: that is no yes.
pub fn asks(yes: bool, command: &str) -> Result<bool, CliError> {
    if yes || std::io::stdin().is_terminal() {
        return Ok(!yes);
    }
    Err(CliError::Other(format!(
        "`trueup {command}` asks before it changes anything, and standard input is no terminal; `--yes` changes without a \
         question, and `{}` shows what would change",
        if command == "apply" { "trueup plan" } else { "--plan" }
    )))
}

/// Asks, and takes nothing but a plain yes for a yes.
pub fn confirms(question: &str, interrupted: &dyn Fn() -> bool) -> bool {
    let mut terminal = std::io::stderr();
    if write!(terminal, "{question} [y/N] ").and_then(|()| terminal.flush()).is_err() {
        return false;
    }
    let answer = line(interrupted);
    if answer.is_none() {
        say!();
    }
    answer.is_some_and(|a| matches!(a.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
}

/// One line of standard input; `None` at its end, or where the question is interrupted.
fn line(interrupted: &dyn Fn() -> bool) -> Option<String> {
    let stdin = rustix::stdio::stdin();
    let mut line = vec![];
    while !interrupted() {
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut ready, Some(&LOOK)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => return None,
        }
        // Byte by byte, so that nothing of a later answer is taken along.
        let mut byte = [0];
        match rustix::io::read(stdin, &mut byte) {
            Ok(0) => return None,
            Ok(_) if byte == *b"\n" || line.len() == LONGEST => return String::from_utf8(line).ok(),
            Ok(_) => line.extend(byte),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    None
}

/// A password that is typed and not shown.
pub fn ask(prompt: &str) -> Result<Secret, CliError> {
    let answer = rpassword::prompt_password(prompt);
    answer.map(Secret::new).map_err(|e| CliError::Other(format!("no password could be asked for: {e}")))
}

pub fn ask_passphrase(path: &Path) -> Option<Secret> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    rpassword::prompt_password(format!("passphrase of {}: ", path.display())).ok().map(Secret::new)
}
