//! What hosts say that trueup has made there, and taking entries out of that.

use super::{Run, RunError, nonce, unreachable};
use crate::engine::outcome::{ChangeResult, ChangeStatus, HostReport, HostStatus};
use crate::engine::script;
use crate::ledger::{Entry, Ledger, Owner};
use crate::plan::orphans;
use crate::shell::apply;
use crate::shell::probe::{ProbeScript, Query};
use std::sync::Arc;

/// This project's entries on one host.
pub struct HostEntries {
    pub host: String,
    pub entries: Result<Vec<Entry>, HostStatus>,
}

/// Whose entries are meant, where it is not the project at hand, or the host under its own name.
#[derive(Clone, Debug, Default)]
pub struct Whose {
    pub project: Option<String>,
    pub host: Option<String>,
}

impl Run {
    fn owner_as(&self, n: usize, whose: &Whose) -> Owner {
        let own = self.owner(n);
        Owner { project: whose.project.clone().unwrap_or(own.project), host: whose.host.clone().unwrap_or(own.host) }
    }

    /// Asks every host. Writes nothing there.
    ///
    /// # Errors
    /// Where nothing could be started, or it was interrupted twice; what happens on hosts is in the results.
    pub fn entries(self: &Arc<Self>, whose: &Whose) -> Result<Vec<HostEntries>, RunError> {
        let ask = |run: Arc<Self>, n| {
            let whose = whose.clone();
            async move { run.entries_on(n, &whose).await }
        };
        let results = self.ask_each(ask)?;
        let entries = self.jobs.iter().zip(results);
        Ok(entries.map(|(job, entries)| HostEntries { host: job.host.clone(), entries }).collect())
    }

    async fn entries_on(&self, n: usize, whose: &Whose) -> Result<Vec<Entry>, HostStatus> {
        let mut probe = ProbeScript::default();
        probe.ask(Query::Ledger, [""; 0]);
        let asked = async {
            let mut connection = self.connect.connect(n).await?;
            let nonce = nonce()?;
            let text = probe.into_text(&nonce);
            self.ask(connection.as_mut(), (nonce, text), &mut self.report(n, HostStatus::InLine)).await
        };
        let frames = asked.await.map_err(|e| unreachable(&e))?;
        let body = frames.first().map(|f| f.body.as_slice()).unwrap_or_default();
        let unread = |why: String| HostStatus::Unreachable { reason: why, help: None };
        let ledger = Ledger::parse(body).map_err(|e| unread(e.to_string()))?;
        Ok(ledger.of(&self.owner_as(n, whose)).cloned().collect())
    }

    /// Takes entries out of the ledgers, for each host those of the same place. What they speak of is not touched.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub fn forget(self: &Arc<Self>, whose: &Whose, which: Vec<Vec<Entry>>) -> Result<Vec<HostReport>, RunError> {
        let which = Arc::new(which);
        let task = move |run: Arc<Self>, n: usize| {
            let entries = which.get(n).cloned().unwrap_or_default();
            let whose = whose.clone();
            async move { Ok(run.forget_on(n, &whose, &entries).await) }
        };
        let results = self.ask_each(task)?;
        let report = |(n, result): (usize, Result<HostReport, HostStatus>)| {
            result.unwrap_or_else(|status| self.report(n, status))
        };
        Ok(results.into_iter().enumerate().map(report).collect())
    }

    async fn forget_on(&self, n: usize, whose: &Whose, entries: &[Entry]) -> HostReport {
        let mut report = self.report(n, HostStatus::InLine);
        if entries.is_empty() {
            return report;
        }
        let plan = orphans::forgotten(&report.host, entries);
        let forgets = script::forget(&plan, &self.owner_as(n, whose), entries, &self.apply);
        let asked = async {
            let mut connection = self.connect.connect(n).await?;
            let nonce = nonce()?;
            let verify = script::first_verify_slot(&forgets);
            let text = apply::script(&forgets, &ProbeScript::default(), verify, &nonce);
            self.ask(connection.as_mut(), (nonce, text), &mut report).await
        };
        let asked = asked.await;
        report.status = match asked {
            Err(error) => unreachable(&error),
            Ok(frames) => match (script::refused(&frames), script::ledger_failed(&frames)) {
                (Some(status), _) => status,
                (None, Some(reason)) => HostStatus::Unreachable { reason, help: None },
                (None, None) => HostStatus::Applied,
            },
        };
        if report.status == HostStatus::Applied {
            let done = |id| ChangeResult { id, status: ChangeStatus::Applied };
            report.results = plan.changes.iter().map(|c| done(c.id.clone())).collect();
        }
        report.plan = Some(plan);
        report
    }
}
