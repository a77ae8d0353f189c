use super::output::{CliError, Output};
use super::saved;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A plan that `trueup plan --out` has saved.
    plan: PathBuf,
    /// The SSH key to sign with.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    // What is no sound plan is not worth a signature.
    let (bytes, _) = saved::read(&args.plan)?;
    saved::sign(&args.plan, &bytes, &args.key, output)?;
    Ok(0)
}
