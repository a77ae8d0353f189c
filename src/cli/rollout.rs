//! In what order and how many at a time an apply comes to its hosts.

use super::args::ProjectArgs;
use super::loaded::Loaded;
use super::output::{CliError, Output};
use super::{record, show};
use crate::engine::outcome::{HostReport, HostStatus};
use crate::engine::rollout::{self, Asked};
use crate::engine::schedule::Order;
use crate::manifest::rollout::{Amount, Rollout};
use std::io::IsTerminal as _;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Rolling out")]
pub struct RolloutArgs {
    /// Hosts at a time: a number, or a share of the hosts such as 25%. A list is taken in turn, and its last repeated:
    /// 1,5,25%. Wins over `serial` in the manifest.
    #[arg(long, value_delimiter = ',', value_name = "N|%")]
    serial: Vec<Amount>,
    /// So many hosts first and alone, then the rest.
    #[arg(long, value_name = "N|%")]
    canary: Option<Amount>,
    /// How many of all hosts may fail, be unreachable or hang; one more, and nothing new is started. Without it, and
    /// without `max_fail` in the manifest: none where there is more than one wave, else any. Wins over the manifest.
    #[arg(long, value_name = "N|%")]
    max_fail: Option<Amount>,
    /// Ask between two waves, or wait so long: 30s, 5m, 1h.
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "ask")]
    pause: Option<Pause>,
    /// Seconds that planning, and then applying, may take on one host before it counts as failed.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    host_timeout: Option<u64>,
    /// Only hosts that an earlier run failed on or did not come to: its name, a start of it, or `last`.
    #[arg(long, value_name = "RUN")]
    retry: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    Ask,
    For(Duration),
}

impl FromStr for Pause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "ask" {
            return Ok(Self::Ask);
        }
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let unit = match unit {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err("no time such as 30s, 5m or 1h (before a manifest's name, write --pause=ask)".into()),
        };
        let number = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).filter(|n| *n <= 7 * 24 * 3600);
        number.map(|s| Self::For(Duration::from_secs(s))).ok_or_else(|| "no time of a week at most".into())
    }
}

impl RolloutArgs {
    pub fn host_deadline(&self) -> Option<Duration> {
        self.host_timeout.map(Duration::from_secs)
    }

    pub fn retries(&self) -> bool {
        self.retry.is_some()
    }

    /// Narrows the project down to the hosts that `--retry` means.
    pub fn retry(&self, loaded: &mut Loaded, project: &ProjectArgs, output: &Output) -> Result<(), CliError> {
        let Some(name) = &self.retry else { return Ok(()) };
        let history = record::history_of(project.manifest.parent().unwrap_or(Path::new("")), output)?;
        let run = history.find(name)?;
        let name = &run.began.run;
        let hosts: Vec<String> = match run.ended {
            Some(_) => show::reports(&history, &run)?.into_iter().filter(is_due).map(|r| r.host).collect(),
            // It died, so nothing is known of its hosts but that they were in it.
            None if !run.is_running() => run.began.hosts,
            None => return Err(CliError::Other(format!("run {name} is not over"))),
        };
        if hosts.is_empty() {
            return Err(CliError::Other(format!("run {name} failed on no host: there is nothing to retry")));
        }
        loaded.hosts.retain(|(host, _)| hosts.contains(host));
        if loaded.hosts.is_empty() {
            let hosts = hosts.join(", ");
            return Err(CliError::Other(format!("run {name} failed on {hosts}, and no play is for those now")));
        }
        Ok(())
    }

    /// The order of the hosts, each with the numbers of its plays, and how long to pause between waves (`None`: until an
    /// answer).
    pub fn of(&self, plays: &[Rollout], hosts: &[Vec<usize>]) -> Result<(Order, Option<Duration>), CliError> {
        let none = [Some(Amount::Count(0)), Some(Amount::Percent(0))];
        if self.serial.iter().chain(&self.canary).any(|a| none.contains(&Some(*a))) {
            return Err(CliError::Other("a wave of no hosts at all: --serial and --canary begin at 1".into()));
        }
        if self.pause == Some(Pause::Ask) && !std::io::stdin().is_terminal() {
            return Err(CliError::Other(
                "--pause asks at a terminal, and standard input is none; --pause 30s waits instead".into(),
            ));
        }
        let asked = Asked {
            serial: self.serial.clone(),
            canary: self.canary,
            max_fail: self.max_fail,
            pauses: self.pause.is_some(),
        };
        let pause = match self.pause {
            Some(Pause::For(time)) => Some(time),
            _ => None,
        };
        Ok((rollout::order(&asked, plays, hosts), pause))
    }
}

/// Whether an earlier run has left something to do on the host.
fn is_due(report: &HostReport) -> bool {
    report.status.is_failure() || matches!(report.status, HostStatus::NotStarted { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_a_time_or_a_question() {
        let of = |text: &str| text.parse::<Pause>().ok();
        assert_eq!(of("ask"), Some(Pause::Ask));
        assert_eq!(of("90"), Some(Pause::For(Duration::from_secs(90))));
        assert_eq!(of("5m"), Some(Pause::For(Duration::from_secs(300))));
        for wrong in ["", "s", "-1s", "site.yml", "1d", "99999999h", "1 s"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
