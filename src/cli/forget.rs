use super::args::{ConnectionArgs, HostArgs, ProjectArgs};
use super::output::{self, CliError, Output};
use super::record::{RecordArgs, Recorder};
use super::{fleet, loaded};
use crate::catalog::Selection;
use crate::engine::outcome::{HostReport, HostStatus, exit_code};
use crate::engine::run::ledgers::Whose;
use crate::ledger::Entry;
use crate::report::{json, text};
use crate::store::history::record::Purpose;
use std::collections::BTreeSet;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Resources as a plan lists them: 'file[/etc/x]'.
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "RESOURCE")]
    resources: Vec<String>,
    /// All that the hosts' ledgers have for the manifest, or for --project: what is still managed is taken up again by the
    /// next apply, as something that was there before.
    #[arg(long)]
    all: bool,
    /// Another project, by the name that a plan has for it (`fleet:site.yml`): one that is gone, or has another name now.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Entries of the host under another name, which it had in the inventory before.
    #[arg(long, value_name = "HOST")]
    known_as: Option<String>,
    /// The manifest whose they were: each has entries of its own.
    #[arg(short, long, default_value = "site.yml", value_name = "FILE")]
    manifest: PathBuf,
    #[command(flatten)]
    hosts: HostArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    /// One JSON document; `trueup schema plan` describes it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    record: RecordArgs,
}

pub fn run(args: &Args, output: &Output) -> Result<u8, CliError> {
    let project = ProjectArgs { manifest: args.manifest.clone(), hosts: args.hosts.clone() };
    let loaded = loaded::load_project(&project, output)?;
    let prepared = fleet::prepare(loaded, &args.connection, Selection::default(), &args.manifest, output)?;
    let run = prepared.because(args.record.reason.clone()).into_run()?;
    let mut recorder = Recorder::new(&args.record, Purpose::Forget, &run, &args.hosts, Some(&args.manifest), output)?;
    let asked: BTreeSet<&str> = args.resources.iter().map(String::as_str).collect();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let (mut which, mut unasked) = (vec![], vec![]);
    let whose = Whose { project: args.project.clone(), host: args.known_as.clone() };
    for host in run.entries(&whose)? {
        let found = match host.entries {
            Ok(entries) => {
                entries.into_iter().filter(|e| args.all || asked.contains(e.id().as_str())).collect::<Vec<_>>()
            }
            Err(status) => {
                unasked.push((which.len(), status));
                vec![]
            }
        };
        known.extend(found.iter().map(Entry::id));
        which.push(found);
    }
    let unknown: Vec<&str> = asked.into_iter().filter(|id| !known.contains(*id)).collect();
    if !unknown.is_empty() && unasked.is_empty() {
        return Err(CliError::Other(format!(
            "no host's ledger has {} from {}, so nothing was forgotten; `trueup plan` lists what left the manifest",
            unknown.join(", "),
            whose.project.as_ref().unwrap_or(&run.apply.project)
        )));
    }
    recorder.begin()?;
    let mut reports = run.forget(&whose, which)?;
    for (n, status) in unasked {
        if let Some(report) = reports.get_mut(n) {
            report.status = status;
        }
    }
    let text = if args.json {
        let document = json::document("trueup/forget", &reports, None);
        document.map(|d| format!("{d}\n")).map_err(|e| CliError::Other(e.to_string()))?
    } else {
        told(&reports, output)
    };
    output::tell(&text, recorder.end(&reports, exit_code(&reports)))
}

/// What was released, and then what stood in the way.
fn told(reports: &[HostReport], output: &Output) -> String {
    let options = text::Options { style: output.style(), diff: false, quiet: output.quiet };
    let wrong: Vec<HostReport> =
        reports.iter().filter(|r| !matches!(r.status, HostStatus::Applied | HostStatus::InLine)).cloned().collect();
    let changed: Vec<HostReport> = reports.iter().filter(|r| r.status == HostStatus::Applied).cloned().collect();
    let mut out = text::changes_of(&changed, &options);
    if !wrong.is_empty() {
        out.push_str(&text::outcome(&wrong, &options));
    }
    out
}
