//! What a host is asked about a catalog, and what was seen. Pure.

use crate::catalog::{Catalog, Resource};
use crate::journal::unfinished::Unfinished;
use crate::ledger::{Ledger, LedgerError};
use crate::resources::Together;
use crate::resources::batch::{self, Observed};
use crate::resources::difference::{Ahead, Difference};
use crate::shell::frame::Frame;
use crate::shell::probe::{Answers, ProbeScript, Query};

/// A probe of a catalog, or of a part of it: the questions, and which resources they are about.
pub struct CatalogProbe {
    pub script: ProbeScript,
    /// The numbers in each batch that are asked about.
    which: Vec<Vec<usize>>,
    asks_kept: bool,
}

impl CatalogProbe {
    /// Whether it asks about no resource, but for what the host keeps alone.
    pub fn is_about_nothing(&self) -> bool {
        self.which.iter().all(Vec::is_empty)
    }
}

/// Questions about what a host keeps, which come last.
const KEPT: usize = 3;

/// Of the answers to so many questions, those about what the host keeps, as if nothing else had been asked.
pub fn kept(answers: Vec<Frame>, asked: usize) -> Vec<Frame> {
    let first = u32::try_from(asked.saturating_sub(KEPT)).unwrap_or(u32::MAX);
    let frames = answers.into_iter().filter_map(|f| Some(Frame { slot: f.slot.checked_sub(first)?, ..f }));
    frames.collect()
}

/// Asks about every selected resource, what refreshes the host is owed, what trueup has made there, and how its last run ended.
pub fn all_and_kept(catalog: &Catalog) -> CatalogProbe {
    let mut probe = all(catalog);
    probe.script.ask(Query::Owed, [""; 0]);
    probe.script.ask(Query::Ledger, [""; 0]);
    probe.script.ask(Query::Unfinished, [""; 0]);
    probe.asks_kept = true;
    probe
}

/// Asks about every selected resource.
pub fn all(catalog: &Catalog) -> CatalogProbe {
    let selected = catalog.resources.iter().enumerate().filter(|(_, r)| r.selected).map(|(n, _)| n);
    of(catalog, selected)
}

/// Asks about those resources, by their numbers in the catalog.
pub fn of(catalog: &Catalog, resources: impl Iterator<Item = usize>) -> CatalogProbe {
    let mut which: Vec<Vec<usize>> = catalog.batches.iter().map(|_| vec![]).collect();
    for resource in resources.filter_map(|n| catalog.resources.get(n)) {
        if let Some(list) = which.get_mut(resource.batch) {
            list.push(resource.index);
        }
    }
    // What is one ruleset together is judged together.
    for resource in catalog.resources.iter().filter(|r| r.selected) {
        let together = catalog.batches.get(resource.batch).map(|b| b.ty().together());
        if let Some(list) = which.get_mut(resource.batch).filter(|l| together == Some(Together::All) && !l.is_empty()) {
            list.push(resource.index);
        }
    }
    let mut script = ProbeScript::default();
    for (batch, list) in catalog.batches.iter().zip(&mut which) {
        list.sort_unstable();
        list.dedup();
        if !list.is_empty() {
            batch.probe(list, &catalog.facts, &mut script);
        }
    }
    CatalogProbe { script, which, asks_kept: false }
}

/// What was seen.
pub struct Seen<'a> {
    batches: Vec<Box<dyn Observed + 'a>>,
    /// Resources that an earlier run left without a refresh.
    pub owed: Vec<String>,
    /// What trueup has made on the host; `None` where it was not asked, or has not told.
    pub ledger: Option<Result<Ledger, LedgerError>>,
    /// The last run there, where it died or waits to be confirmed.
    pub unfinished: Option<Unfinished>,
}

impl<'a> Seen<'a> {
    /// A resource's difference; `None` for one that was not looked at.
    pub(super) fn diff(
        &self,
        resource: &Resource,
        ahead: &Ahead<'_>,
    ) -> Option<Result<Option<Difference>, batch::Unjudged>> {
        Some(self.batches.get(resource.batch)?.diff(resource.index, ahead))
    }

    pub(super) fn batch(&self, n: usize) -> Option<&(dyn Observed + 'a)> {
        self.batches.get(n).map(AsRef::as_ref)
    }
}

/// Reads a probe's answers, whose slots count from `first`.
pub fn observe<'a>(catalog: &'a Catalog, probe: &CatalogProbe, frames: Vec<Frame>, first: u32) -> Seen<'a> {
    let mut answers = Answers::new(frames, first, probe.script.len());
    let batches = catalog.batches.iter().zip(&probe.which);
    let batches = batches
        .map(|(batch, which)| {
            if which.is_empty() {
                // No question was asked for it, so it must not take an answer.
                return batch.observe(&[], &catalog.facts, &mut Answers::new(vec![], 0, 0));
            }
            batch.observe(which, &catalog.facts, &mut answers)
        })
        .collect();
    let owed = match probe.asks_kept.then(|| answers.text()) {
        Some(Ok(text)) => text.lines().map(str::to_owned).collect(),
        _ => vec![],
    };
    let ledger = probe.asks_kept.then(|| answers.answer().ok()).flatten().map(|frame| Ledger::parse(&frame.body));
    let unfinished = probe.asks_kept.then(|| answers.answer().ok()).flatten();
    Seen { batches, owed, ledger, unfinished: unfinished.and_then(|frame| Unfinished::parse(&frame.body)) }
}

/// The difference that is left on a resource that was changed: none, if applying brought what it promised.
pub fn still_different(catalog: &Catalog, seen: &Seen<'_>, resource: usize) -> Option<Result<Difference, String>> {
    let resource = catalog.resources.get(resource)?;
    match seen.batches.get(resource.batch)?.diff(resource.index, &Ahead::default()) {
        Ok(None) => None,
        Ok(Some(difference)) => Some(Ok(difference)),
        Err(reason) => Some(Err(reason.to_string())),
    }
}

/// Whether what stands at a path can change what there is to be done for a resource.
pub fn sees(catalog: &Catalog, seen: &Seen<'_>, resource: usize, path: &str) -> bool {
    let resource = catalog.resources.get(resource);
    resource.is_some_and(|r| seen.batches.get(r.batch).is_some_and(|observed| observed.sees(r.index, path)))
}
