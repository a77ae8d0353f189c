use clap::Parser;
use std::process::ExitCode;
use trueup::cli;

fn main() -> ExitCode {
    // A wrong command line is an error before any host was judged; asking for help or the version is none.
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    ExitCode::from(cli::run(cli))
}
