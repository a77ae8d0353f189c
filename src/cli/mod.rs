//! The command line: one file a command, each thin. It parses, calls the library, chooses the report.

mod apply;
mod completions;
mod connect;
mod diff;
mod doc;
mod extra_vars;
mod facts;
mod findings;
mod fleet;
mod forget;
mod graph;
mod history;
mod init;
mod inventory;
mod invocation;
mod plan;
mod prepared;
mod prompt;
mod prune;
mod record;
mod rollback;
mod rollout;
mod saved;
mod schema;
mod show;
mod sign;
mod validate;
mod vault;

use crate::engine::run::RunError;
use crate::report::say;
use crate::report::style::Style;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use std::io::IsTerminal;

/// Brings a fleet into line with what was written down: no agent, no Python, one round trip a host.
#[derive(Debug, Parser)]
#[command(name = "trueup", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
}

/// How results are shown.
#[derive(Clone, Debug, clap::Args)]
struct Output {
    /// When to colour: NO_COLOR and a standard output that is no terminal mean never.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    color: Colour,
    /// Only the summary; no progress.
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a project to start from.
    Init(init::Args),
    /// Check what is written, without speaking to any host.
    Validate(validate::Args),
    /// Show what hosts are.
    Facts(facts::Args),
    /// Show hosts, groups and variables.
    Inventory(inventory::Args),
    /// Show the order of a host's resources, as a drawing.
    Graph(graph::Args),
    /// Show what would be changed. Exits with 0 where all is in line, with 2 where there is drift.
    Plan(plan::Args),
    /// Bring hosts into line: shows the plan, asks, and applies it.
    Apply(apply::Args),
    /// Show what was applied from here, when, by whom, and why.
    History(history::Args),
    /// Show a run of the history, or a saved plan, as it was printed.
    Show(show::Args),
    /// Sign a saved plan with an SSH key.
    Sign(sign::Args),
    /// Show how two runs of the history differ.
    Diff(diff::Args),
    /// Take back what an earlier run did, from what the hosts have kept.
    Rollback(rollback::Args),
    /// Release what left the manifest: it stays on the hosts as it is, and trueup no longer takes it for its own.
    Forget(forget::Args),
    /// Explain a resource type and its parameters.
    Doc(doc::Args),
    /// Print the JSON Schema of manifests, or of what `--json` prints.
    Schema(schema::Args),
    /// Print a shell's completions.
    Completions(completions::Args),
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

impl Output {
    fn style(&self) -> Style {
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

/// Runs the command line; the exit code is its result.
pub fn run(cli: Cli) -> u8 {
    let output = &cli.output;
    let result = match &cli.command {
        Command::Init(args) => init::run(args),
        Command::Validate(args) => validate::run(args, output),
        Command::Facts(args) => facts::run(args, output),
        Command::Inventory(args) => inventory::run(args, output),
        Command::Graph(args) => graph::run(args, output),
        Command::Plan(args) => plan::run(args, output),
        Command::Apply(args) => apply::run(args, output),
        Command::History(args) => history::run(args, output),
        Command::Show(args) => show::run(args, output),
        Command::Sign(args) => sign::run(args, output),
        Command::Diff(args) => diff::run(args, output),
        Command::Rollback(args) => rollback::run(args, output),
        Command::Forget(args) => forget::run(args, output),
        Command::Doc(args) => doc::run(args, output),
        Command::Schema(args) => schema::run(args),
        Command::Completions(args) => completions::run(args, Cli::command()),
    };
    match result {
        Ok(code) => code,
        // A reader that went away (`| head`) is no error of ours.
        Err(error) if is_gone(&error) => 0,
        Err(error) => {
            let label = match &error {
                CliError::Found(_) => "",
                _ => "error: ",
            };
            say!("{label}{error}");
            // As a shell has it of a program that SIGINT ended: 128 and the signal's number.
            if matches!(error, CliError::Run(RunError::Interrupted)) { 130 } else { 1 }
        }
    }
}

/// Writes what a run came to, which is on record by then: who reads it may be gone, and its log's disk full. The exit
/// code still tells of the run, and is no zero where what it came to is lost.
fn tell(text: &str, ended: Result<u8, CliError>) -> Result<u8, CliError> {
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
fn is_gone(error: &CliError) -> bool {
    matches!(error, CliError::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Writes a result to standard output.
fn print(text: &str) -> Result<(), CliError> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
