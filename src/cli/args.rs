//! Arguments that several commands take.

use super::output::Output;
use super::vault::VaultArgs;
use crate::report::text;
use std::path::PathBuf;

/// Where the work is written down, and for which hosts.
#[derive(Clone, Debug, clap::Args)]
pub struct ProjectArgs {
    /// The manifest; for `apply` also the file of a saved plan.
    #[arg(default_value = "site.yml")]
    pub manifest: PathBuf,
    #[command(flatten)]
    pub hosts: HostArgs,
}

/// Which hosts there are.
#[derive(Clone, Debug, clap::Args)]
pub struct HostArgs {
    /// An inventory: a file, a folder, an executable, or hosts as in 'web1,web2,'. Can be given again. Without one:
    /// hosts.yml, hosts.ini or hosts beside the manifest.
    #[arg(short, long = "inventory", value_name = "INVENTORY")]
    pub inventory: Vec<String>,
    /// Only hosts that this pattern picks too; @FILE takes patterns from a file, one a line.
    #[arg(long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// A variable, name=value, or @FILE of them. Stronger than any other. Can be given again.
    #[arg(short, long = "extra-vars", value_name = "VARS")]
    pub extra_vars: Vec<String>,
    #[command(flatten)]
    pub vault: VaultArgs,
}

/// How hosts are reached.
#[derive(Clone, Debug, clap::Args)]
pub struct ConnectionArgs {
    /// Hosts that are worked on at once.
    #[arg(short, long, default_value_t = 100, value_name = "N")]
    pub forks: usize,
    /// The user to log in as, where the inventory names none. Without one: who you are here.
    #[arg(short, long)]
    pub user: Option<String>,
    /// A private key to log in with, tried after the agent's.
    #[arg(long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// Read this instead of ~/.ssh/config and the system's ssh_config; `none`: neither.
    #[arg(long, value_name = "FILE")]
    pub ssh_config: Option<PathBuf>,
    /// Ask for the password to log in with.
    #[arg(short = 'k', long)]
    pub ask_pass: bool,
    /// Become another user through sudo, root unless --become-user names one.
    #[arg(short, long = "become")]
    pub become_: bool,
    #[arg(long, value_name = "USER")]
    pub become_user: Option<String>,
    /// Ask for sudo's password.
    #[arg(short = 'K', long)]
    pub ask_become_pass: bool,
    /// Take sudo's password from the first line of a file.
    #[arg(long, value_name = "FILE", conflicts_with = "ask_become_pass")]
    pub become_password_file: Option<PathBuf>,
    /// Put host keys that are not on record there, and trust them. One that has changed is refused all the same.
    #[arg(long)]
    pub accept_new: bool,
    /// The known_hosts file to check against, and to add to. Without one: yours, and the system's.
    #[arg(long, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
    /// Seconds until a host that does not answer is given up.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    pub connect_timeout: u64,
    /// Seconds of silence in the middle of an answer until a host is given up.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub timeout: u64,
    /// Seconds to wait for a host that another run holds.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    pub lock_timeout: u64,
    /// Seconds that a host waits for a new connection to confirm a change that could cut you off, before it takes it
    /// back by itself.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub confirm_timeout: u64,
    /// Have every change confirmed by a new connection, and not only those that are known to be part of a way in: if it
    /// does not come about, the host takes back all that this run has done.
    #[arg(long)]
    pub confirm_all: bool,
    /// Seconds that one step of an apply may take.
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    pub step_timeout: u64,
}

#[derive(Clone, Debug, clap::Args)]
pub struct FleetArgs {
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Only resources with one of these tags, and what they need.
    #[arg(long, value_delimiter = ',', value_name = "TAGS")]
    pub tags: Vec<String>,
    /// No resources with one of these tags.
    #[arg(long, value_delimiter = ',', value_name = "TAGS")]
    pub skip_tags: Vec<String>,
    /// Leave out what comes before this resource in a host's order, such as service[nginx]. What is left out is told.
    #[arg(long, value_name = "RESOURCE")]
    pub start_at: Option<String>,
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// How a plan or its outcome is shown.
#[derive(Clone, Debug, clap::Args)]
pub struct ReportArgs {
    /// One JSON document; `trueup schema plan` describes it.
    #[arg(long)]
    pub json: bool,
    /// Without the lines that change in files.
    #[arg(long)]
    pub no_diff: bool,
    /// Where the time went: each stage with its slowest hosts.
    #[arg(long)]
    pub timings: bool,
}

impl ReportArgs {
    pub fn options(&self, output: &Output) -> text::Options {
        text::Options { style: output.style(), diff: !self.no_diff, quiet: output.quiet }
    }
}
