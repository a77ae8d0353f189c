//! The history: where it is, and what is put on record of a run.

use super::args::HostArgs;
use super::invocation::local_user;
use super::output::{self, CliError, Output};
use crate::engine::outcome::{ChangeStatus, HostReport, Totals};
use crate::engine::run::Run;
use crate::language::settings::{self, Settings};
use crate::model::run_name::RunName;
use crate::model::span::Sources;
use crate::model::utc::Utc;
use crate::plan::digest;
use crate::report::say;
use crate::store::history::prune::Keep;
use crate::store::history::record::{Began, By, Ended, From, Process, Purpose};
use crate::store::history::{History, HistoryError};
use std::path::{Path, PathBuf};

/// What is put on record.
#[derive(Clone, Debug, clap::Args)]
pub struct RecordArgs {
    /// Why, for the history: a ticket's number, say.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Keep no record of this run.
    #[arg(long)]
    no_history: bool,
}

/// Puts one run on record: before anything is changed, and when it is over.
pub struct Recorder {
    /// None with `--no-history`.
    history: Option<History>,
    began: Began,
    keep: Keep,
    has_begun: bool,
}

impl Recorder {
    /// Opens the history, so that one that cannot be written is known before any host is spoken with.
    pub fn new(
        args: &RecordArgs,
        purpose: Purpose,
        run: &Run,
        hosts: &HostArgs,
        manifest: Option<&Path>,
        output: &Output,
    ) -> Result<Self, CliError> {
        let settings = settings(manifest.and_then(Path::parent).unwrap_or(Path::new("")), output)?.history;
        let history = match args.no_history {
            true => None,
            false => Some(History::open(&path(&settings)?).map_err(unrecorded)?),
        };
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
        Ok(Self {
            history,
            began: Began {
                run: run.apply.run.clone(),
                purpose,
                at: Utc::now(),
                by: by(),
                from: from(),
                command: shown_command(std::env::args_os(), &hosts.extra_vars),
                manifest: manifest.map(whole),
                sources: manifest.map(|_| run.source.digest().as_str().to_owned()),
                undoes: None,
                reason: run.apply.reason.clone(),
                hosts: run.jobs.iter().map(|j| j.host.clone()).collect(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            keep: Keep { runs: settings.keep.map(Into::into), days: settings.keep_days.map(Into::into) },
            has_begun: false,
        })
    }

    /// What a rollback takes back, and where.
    pub fn undoes(&mut self, run: &str, reports: &[HostReport]) {
        self.began.undoes = RunName::parse(run);
        self.began.hosts = reports.iter().map(|r| r.host.clone()).collect();
    }

    /// To be called before anything is changed.
    pub fn begin(&mut self) -> Result<(), CliError> {
        if let Some(history) = &mut self.history {
            history.begin(&self.began).map_err(unrecorded)?;
        }
        self.has_begun = true;
        Ok(())
    }

    /// What came of it. Its exit code is that of the run, unless that could not be put on record.
    pub fn end(mut self, reports: &[HostReport], code: u8) -> Result<u8, CliError> {
        if !self.has_begun {
            self.begin()?;
        }
        let Some(history) = &mut self.history else { return Ok(code) };
        let other = |e: serde_json::Error| CliError::Other(e.to_string());
        let texts: Vec<String> = reports.iter().map(serde_json::to_string).collect::<Result<_, _>>().map_err(other)?;
        let totals = serde_json::to_value(Totals::of(reports)).and_then(serde_json::from_value).map_err(other)?;
        let applied = |r: &HostReport| r.results.iter().filter(|c| c.status == ChangeStatus::Applied).count();
        let ended = Ended {
            at: Utc::now(),
            exit_code: code,
            plan: digest::of(reports.iter().filter_map(|r| r.plan.as_ref())).map_err(other)?.as_str().to_owned(),
            totals,
            changes: reports.iter().map(applied).sum(),
        };
        match history.end(&self.began.run, &texts, &ended, &self.keep) {
            Ok(()) => Ok(code),
            Err(error) => {
                // The work is done, and is told after this.
                say!("error: the end of run {} could not be put on record: {error}", self.began.run);
                Ok(code.max(1))
            }
        }
    }
}

/// Opens the history of the project here to read it.
pub fn history(output: &Output) -> Result<History, CliError> {
    history_of(Path::new(""), output)
}

/// Opens the history of the project in this folder to read it.
pub fn history_of(dir: &Path, output: &Output) -> Result<History, CliError> {
    let path = path(&settings(dir, output)?.history)?;
    let missing = || {
        CliError::Other(format!(
            "no run is on record: there is no {}\n`trueup history --from-hosts` asks the hosts for what they have kept",
            path.display()
        ))
    };
    History::read(&path)?.ok_or_else(missing)
}

fn settings(dir: &Path, output: &Output) -> Result<Settings, CliError> {
    let mut sources = Sources::default();
    settings::read(dir, &mut sources).map_err(|found| output::told(&found, &sources, output))
}

/// The store that the settings name, or the one below the user's XDG state folder.
fn path(settings: &settings::History) -> Result<PathBuf, CliError> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = || absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let usual = || state().map(|dir| dir.join("trueup/history.db"));
    settings.path.clone().or_else(usual).ok_or_else(|| {
        CliError::Other("no place for the history: neither XDG_STATE_HOME nor HOME is set; see [history] path".into())
    })
}

fn unrecorded(error: HistoryError) -> CliError {
    CliError::Other(format!(
        "this run cannot be put on record, so nothing was changed: {error}\n\
         It goes without with --no-history; [history] path in trueup.toml names another place."
    ))
}

fn by() -> By {
    let uid = rustix::process::getuid().as_raw();
    let sudo_user = std::env::var("SUDO_USER").ok().filter(|u| !u.is_empty());
    By { user: local_user().unwrap_or_else(|| uid.to_string()), uid, sudo_user }
}

fn from() -> From {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let ssh_connection = std::env::var("SSH_CONNECTION").ok().filter(|c| !c.is_empty());
    From { host: host.trim().to_owned(), ssh_connection, process: Process::own() }
}

/// The command line without the values of `-e`, any of which may be a secret.
fn shown_command(arguments: impl Iterator<Item = std::ffi::OsString>, extra_vars: &[String]) -> Vec<String> {
    let values: Vec<&str> = extra_vars.iter().map(String::as_str).filter(|v| !v.starts_with('@')).collect();
    arguments
        .map(|argument| {
            let argument = argument.to_string_lossy().into_owned();
            // A value stands alone, or after its option: -eport=80, --extra-vars=port=80.
            let Some(value) = values.iter().find(|v| argument.ends_with(**v)) else { return argument };
            let option = argument.strip_suffix(*value).unwrap_or_default();
            let name = value.split_once('=').filter(|_| !value.trim_start().starts_with('{')).map(|(name, _)| name);
            format!("{option}{}", name.map_or_else(|| "(hidden)".to_owned(), |name| format!("{name}=(hidden)")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_command_has_no_values_of_variables() {
        let shown = |arguments: &[&str], vars: &[&str]| {
            let vars: Vec<String> = vars.iter().map(|v| (*v).to_owned()).collect();
            shown_command(arguments.iter().map(Into::into), &vars).join(" ")
        };
        let yes = &["trueup", "apply", "-y", "-e", "pw=hunter2", "-epin=1234", "--extra-vars=k=a=b", "-ye", "x=1"];
        assert_eq!(
            shown(yes, &["pw=hunter2", "pin=1234", "k=a=b", "x=1"]),
            "trueup apply -y -e pw=(hidden) -epin=(hidden) --extra-vars=k=(hidden) -ye x=(hidden)"
        );
        assert_eq!(shown(&["-e", "{pw: a=b}", "-e", "@f"], &["{pw: a=b}", "@f"]), "-e (hidden) -e @f");
    }
}
