//! The command line: one file a command, each thin. It parses, calls the library, chooses the report.

mod apply;
mod args;
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
mod loaded;
mod output;
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
use clap::{CommandFactory, Parser, Subcommand};
use output::{CliError, Output, is_gone};

/// Brings a fleet into line with what was written down: no agent, no Python, one round trip a host.
#[derive(Debug, Parser)]
#[command(name = "trueup", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
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
