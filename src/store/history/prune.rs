//! What is forgotten by count and by age, oldest first.

use super::record::{Began, Pruned};
use super::{BEGAN, ENDED, HistoryError, PRUNED, append, chain, json, parse};
use crate::model::utc::Utc;
use rusqlite::{Transaction, params};
use std::collections::HashMap;

/// What is kept; `None` sets no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// The newest runs, so many.
    pub runs: Option<u32>,
    /// Runs that began within so many days.
    pub days: Option<u32>,
}

const DAY: u64 = 86_400;

struct Extent {
    at: Utc,
    first: i64,
    last: i64,
    ended: bool,
}

/// Removes the start of the chain as far as it holds nothing that is to be kept, and records where it begins then.
pub(super) fn prune(transaction: &Transaction<'_>, keep: &Keep, now: Utc) -> Result<(), HistoryError> {
    if *keep == Keep::default() {
        return Ok(());
    }
    let runs = extents(transaction)?;
    let newest = keep.runs.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let kept = |(n, run): (usize, &Extent)| {
        let age = now.0.saturating_sub(run.at.0);
        let too_many = runs.len() - n > newest;
        let too_old = keep.days.is_some_and(|days| age > u64::from(days) * DAY);
        // One that may still be on its way will add to the chain.
        !(too_many || too_old) || (!run.ended && age < 7 * DAY)
    };
    let Some(mut cut) = runs.iter().enumerate().filter(|r| kept(*r)).map(|(_, r)| r.first).min() else {
        return Ok(());
    };
    // Runs overlap: one that began before the cut and ended after it stays whole.
    while let Some(run) = runs.iter().find(|r| r.first < cut && r.last >= cut) {
        cut = run.first;
    }
    let through = cut - 1;
    let gone = runs.iter().filter(|r| r.last <= through).count();
    if gone == 0 {
        return Ok(());
    }
    let hash: Vec<u8> =
        transaction.query_row("SELECT hash FROM record WHERE number = ?1", [through], |row| row.get(0))?;
    let pruned = Pruned { at: now, through, hash: chain::hex(&hash), runs: gone };
    append(transaction, PRUNED, "", &json(&pruned)?)?;
    transaction.execute("DELETE FROM record WHERE number <= ?1", [through])?;
    Ok(())
}

/// Each run's stretch of the chain, the oldest first.
fn extents(transaction: &Transaction<'_>) -> Result<Vec<Extent>, HistoryError> {
    let mut query = transaction.prepare(
        "SELECT kind, run, number, CASE WHEN kind = ?1 THEN body END FROM record
         WHERE kind IN (?1, ?2) ORDER BY number",
    )?;
    let mut rows = query.query(params![BEGAN, ENDED])?;
    let mut runs: Vec<Extent> = vec![];
    let mut by_name: HashMap<String, usize> = HashMap::new();
    while let Some(row) = rows.next()? {
        let (kind, run, number): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if kind == BEGAN {
            let began: Began = parse(number, row.get_ref(3)?.as_bytes().unwrap_or_default())?;
            by_name.insert(run, runs.len());
            runs.push(Extent { at: began.at, first: number, last: number, ended: false });
        } else if let Some(extent) = by_name.get(&run).and_then(|n| runs.get_mut(*n)) {
            (extent.last, extent.ended) = (number, true);
        }
    }
    Ok(runs)
}
