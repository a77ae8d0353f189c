use super::output::{self, CliError, Output};
use crate::language::diagnostic::did_you_mean;
use crate::report::doc;
use crate::resources::types::TYPES;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A resource type; without one all are listed.
    name: Option<String>,
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let style = output.style();
    let text = match &args.name {
        None => doc::list(TYPES, style),
        Some(name) => match TYPES.iter().find(|t| t.name() == name) {
            Some(ty) => doc::one(*ty, style),
            None => {
                let near = did_you_mean(name, TYPES.iter().map(|t| t.name()));
                let hint = near.map_or("`trueup doc` lists what there is".into(), |n| format!("did you mean `{n}`?"));
                return Err(CliError::Other(format!("no resource type `{name}`: {hint}")));
            }
        },
    };
    output::print(&text)?;
    Ok(0)
}
