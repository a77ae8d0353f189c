//! What a command writes, and how: its result, what keeps it from one, and what was found in what people wrote.

use crate::engine::run::RunError;
use crate::language::diagnostic::{Diagnostics, Severity};
use crate::model::span::Sources;
use crate::report::say;
use crate::report::style::Style;
use clap::ValueEnum;
use std::io::IsTerminal as _;

/// How results are shown.
#[derive(Clone, Debug, clap::Args)]
pub struct Output {
    /// When to colour: NO_COLOR and a standard output that is no terminal mean never.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
    /// Only the summary; no progress.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    Auto,
    Always,
    Never,
}

impl Output {
    pub fn style(&self) -> Style {
        let auto = || std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::io::stdout().is_terminal();
        Style {
            colour: match self.color {
                Colour::Always => true,
                Colour::Never => false,
                Colour::Auto => auto(),
            },
        }
    }
}

/// Why a command could not do its work. Everything that is wrong on a host is in a report instead.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Findings about what was written, as text.
    #[error("{0}")]
    Found(String),
    #[error("{0}")]
    Other(String),
    #[error("cannot write: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Find(#[from] crate::store::history::FindError),
    #[error("the history cannot be read: {0}")]
    History(#[from] crate::store::history::HistoryError),
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Writes what a run came to, which is on record by then: who reads it may be gone, and its log's disk full. The exit
/// code still tells of the run, and is no zero where what it came to is lost.
pub fn tell(text: &str, ended: Result<u8, CliError>) -> Result<u8, CliError> {
    let (unsaid, code) = match (print(text), ended) {
        (Ok(()), ended) => return ended,
        (Err(unsaid), ended) => (unsaid, ended?),
    };
    if is_gone(&unsaid) {
        return Ok(code);
    }
    if code == 0 {
        return Err(unsaid);
    }
    say!("error: {unsaid}");
    Ok(code)
}

/// Whether it is that nobody reads on, as with `trueup … | head`.
pub fn is_gone(error: &CliError) -> bool {
    matches!(error, CliError::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Writes a result to standard output.
pub fn print(text: &str) -> Result<(), CliError> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Findings as they are shown: errors as the command's error, warnings at once.
pub fn told(found: &Diagnostics, sources: &Sources, output: &Output) -> CliError {
    let colour = output.style().colour && std::io::stderr().is_terminal();
    let texts: Vec<String> = found.iter().map(|d| d.render(sources, colour)).collect();
    let errors = found.iter().filter(|d| d.severity == Severity::Error).count();
    let count = if errors > 1 { format!("\n\n{errors} errors") } else { String::new() };
    CliError::Found(format!("{}{count}", texts.join("\n\n")))
}

pub fn warn(found: &Diagnostics, sources: &Sources, output: &Output) {
    let colour = output.style().colour && std::io::stderr().is_terminal();
    for d in found.iter().filter(|d| d.severity == Severity::Warning) {
        say!("{}\n", d.render(sources, colour));
    }
}
