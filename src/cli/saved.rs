//! Plans in files: writing one, signing it, and making it ready to be applied.

use super::args::FleetArgs;
use super::connect::{Asked, Way};
use super::invocation::owner;
use super::output::{CliError, Output};
use super::prepared::{Prepared, Work};
use super::prompt::ask_passphrase;
use crate::engine::outcome::{HostReport, exit_code};
use crate::engine::run::{Job, Run};
use crate::engine::source::SavedPlans;
use crate::manifest::rollout::Rollout;
use crate::model::body::Digest;
use crate::model::utc::Utc;
use crate::report::say;
use crate::saved::seal::SealKey;
use crate::saved::signers::Signers;
use crate::saved::{Head, Reach, SavedPlan, file, signature};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The key that a plan's secrets are sealed with.
#[derive(Clone, Debug, clap::Args)]
pub struct SealArgs {
    /// A file with the key that seals a saved plan's secrets; TRUEUP_SEAL_KEY_FILE names one as well.
    #[arg(long, value_name = "FILE")]
    seal_key: Option<PathBuf>,
}

impl SealArgs {
    fn read(&self) -> Result<Option<SealKey>, CliError> {
        let named = || std::env::var_os("TRUEUP_SEAL_KEY_FILE").filter(|v| !v.is_empty()).map(PathBuf::from);
        let path = self.seal_key.clone().or_else(named);
        path.map(|p| SealKey::read(&p)).transpose().map_err(|e| CliError::Other(e.to_string()))
    }
}

/// Where a plan is saved.
#[derive(Clone, Debug, clap::Args)]
pub struct SaveArgs {
    /// Save the plan to a file: `show` prints it, `apply` applies exactly that.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    seal: SealArgs,
    /// Sign the saved plan with an SSH key, as `trueup sign` does.
    #[arg(long, value_name = "FILE", requires = "out")]
    sign_key: Option<PathBuf>,
}

impl SaveArgs {
    /// Saves what a run has planned.
    pub fn save(
        &self,
        out: &Path,
        run: &Run,
        reached: Vec<Reach>,
        reports: Vec<HostReport>,
        output: &Output,
    ) -> Result<(), CliError> {
        if exit_code(&reports) == 1 {
            say!("{} was not written, for no host could be judged", out.display());
            return Ok(());
        }
        let other = |e: &dyn std::fmt::Display| CliError::Other(format!("{}: {e}", out.display()));
        let head = Head {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: Utc::now(),
            by: owner(),
            manifest: run.apply.source.clone(),
            project: run.apply.project.clone(),
            keep: run.apply.keep,
            sources: run.source.digest().clone(),
        };
        let reached = reached.into_iter().enumerate().map(|(n, reach)| (reach, run.source.plays(n))).collect();
        let rollout = run.source.rollouts();
        let key = self.seal.read()?;
        let plan = SavedPlan::new(head, reports, reached, rollout, key.as_ref()).map_err(|e| other(&e))?;
        let bytes = plan.to_bytes().map_err(|e| other(&e))?;
        // A signature of what was there before is none of this.
        let _ = std::fs::remove_file(signature::path_of(out));
        file::write(out, &bytes).map_err(|e| other(&e))?;
        if !plan.left_out().is_empty() {
            say!(
                "{} cannot be applied, for it is without its secrets ({}): seal them in with --seal-key",
                out.display(),
                named(plan.left_out())
            );
        }
        match &self.sign_key {
            Some(key) => sign(out, &bytes, key, output),
            None => Ok(()),
        }
    }
}

fn named(resources: &[String]) -> String {
    let more = resources.len().saturating_sub(3);
    let names = resources.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

/// Signs a plan; the signature stands beside it.
pub fn sign(path: &Path, bytes: &[u8], key: &Path, output: &Output) -> Result<(), CliError> {
    let text = signature::sign(bytes, key, &ask_passphrase).map_err(|e| CliError::Other(e.to_string()))?;
    let beside = signature::path_of(path);
    file::write(&beside, text.as_bytes()).map_err(|e| CliError::Other(format!("{}: {e}", beside.display())))?;
    if !output.quiet {
        say!("signed: {}", beside.display());
    }
    Ok(())
}

/// A plan's file, and the plan in it.
pub fn read(path: &Path) -> Result<(Vec<u8>, SavedPlan), CliError> {
    let bytes = file::read(path).map_err(|e| refused(path, &e))?;
    let plan = SavedPlan::from_bytes(&bytes).map_err(|e| refused(path, &e))?;
    Ok((bytes, plan))
}

fn refused(path: &Path, why: &dyn std::fmt::Display) -> CliError {
    CliError::Other(format!("{} {why}", path.display()))
}

/// What a saved plan must be to be applied.
#[derive(Clone, Debug, clap::Args)]
pub struct TrustArgs {
    #[command(flatten)]
    seal: SealArgs,
    /// Apply a saved plan only if it is signed by one of the allowed signers.
    #[arg(long, requires = "allowed_signers")]
    require_signature: bool,
    /// Who may sign, as ssh-keygen(1) has it: an allowed_signers file. The namespace is `trueup-plan`.
    #[arg(long, value_name = "FILE", requires = "require_signature")]
    allowed_signers: Option<PathBuf>,
}

/// A saved plan that is ready to be applied.
pub struct Ready {
    /// Of the hosts that it has changes for.
    pub prepared: Prepared,
    pub hosts: PlannedHosts,
}

/// All hosts of a saved plan.
pub struct PlannedHosts {
    reports: Vec<HostReport>,
    /// The place of each job among them.
    places: Vec<usize>,
    /// How each play's hosts are come to.
    pub rollout: Vec<Rollout>,
    /// The plays of each job.
    pub plays: Vec<Vec<usize>>,
}

impl PlannedHosts {
    /// The run's reports, and in their places those of the hosts that the plan has no changes for, as it has them.
    pub fn whole(self, reports: Vec<HostReport>) -> Vec<HostReport> {
        let mut all = self.reports;
        for (place, report) in self.places.iter().zip(reports) {
            if let Some(slot) = all.get_mut(*place) {
                *slot = report;
            }
        }
        all
    }
}

impl TrustArgs {
    /// The saved plan at this path; `None` where something else is there.
    ///
    /// `given`: other options that would make another plan of it.
    pub fn load(&self, args: &FleetArgs, given: &[(&str, bool)], output: &Output) -> Result<Option<Ready>, CliError> {
        let path = &args.project.manifest;
        if !file::is_plan(path) {
            return match self.require_signature {
                true => Err(CliError::Other(format!(
                    "{} is no saved plan, and nothing else can be signed: see `trueup plan --out`",
                    path.display()
                ))),
                false => Ok(None),
            };
        }
        fixed(args, given)?;
        let bytes = file::read(path).map_err(|e| refused(path, &e))?;
        // Before anything of it is read.
        if let Some(signers) = &self.allowed_signers {
            let text =
                std::fs::read_to_string(signers).map_err(|e| CliError::Other(format!("{}: {e}", signers.display())))?;
            let signer = signature::verify(&bytes, path, &Signers::parse(&text), Utc::now().0)
                .map_err(|e| CliError::Other(format!("{} is not applied: {e}", path.display())))?;
            if !output.quiet {
                say!("signed by {} ({})", signer.principals, signer.fingerprint);
            }
        }
        let plan = SavedPlan::from_bytes(&bytes).map_err(|e| refused(path, &e))?;
        let opened = plan.open(self.seal.read()?.as_ref());
        let opened = opened.map_err(|e| CliError::Other(format!("{} cannot be applied: {e}", path.display())))?;
        let asked = Asked::new(&args.connection)?;
        let (mut jobs, mut ways, mut places, mut plays, mut hosts) = (vec![], vec![], vec![], vec![], vec![]);
        for host in opened {
            let way = Way::of(&host.reach, &args.connection, &asked);
            jobs.push(Job { host: host.saved.plan.host.clone(), reached: way.to_string(), remote: way.is_remote() });
            hosts.push(Arc::new(host.saved));
            ways.push(way);
            places.push(host.report);
            plays.push(host.plays);
        }
        let (identity, keep) = (plan.head.project.clone(), plan.head.keep);
        let saved = Arc::new(SavedPlans { hosts, digest: plan.head.sources.clone() });
        let work = Work { source: saved, identity, keep, jobs, ways };
        let source = format!("{} sha256 {}", path.display(), Digest::of(&bytes).as_str());
        let prepared = work.prepare(&args.connection, source)?;
        let hosts = PlannedHosts { reports: plan.reports, places, rollout: plan.rollout, plays };
        Ok(Some(Ready { prepared, hosts }))
    }
}

/// A plan is applied as it is: what would make it another one is refused.
fn fixed(args: &FleetArgs, more: &[(&str, bool)]) -> Result<(), CliError> {
    let (hosts, connection) = (&args.project.hosts, &args.connection);
    let given = [
        ("--inventory", !hosts.inventory.is_empty()),
        ("--limit", hosts.limit.is_some()),
        ("--extra-vars", !hosts.extra_vars.is_empty()),
        ("--tags", !args.tags.is_empty()),
        ("--skip-tags", !args.skip_tags.is_empty()),
        ("--start-at", args.start_at.is_some()),
        ("--user", connection.user.is_some()),
        ("--become", connection.become_),
        ("--become-user", connection.become_user.is_some()),
    ];
    match given.iter().chain(more).find(|(_, given)| *given) {
        Some((name, _)) => {
            Err(CliError::Other(format!("a saved plan is applied as it is: give {name} to `trueup plan --out`")))
        }
        None => Ok(()),
    }
}
