//! The chain of records: each one's hash covers the hash before it, so that no record can be changed, moved or taken
//! out unseen.
//!
//! Who can write the store can make a whole new chain; that is seen by a hash that was kept elsewhere.

use super::record::Pruned;
use super::{HistoryError, PRUNED};
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

/// Of the chain before its first record.
pub(super) const NOTHING: Hash = [0; 32];

pub(super) type Hash = [u8; 32];

/// SHA-256 over a mark of this format, the hash before, the record's number in eight bytes, and its kind, run and body,
/// each after its length in eight bytes; numbers are big-endian.
pub(super) fn hash(before: &Hash, number: i64, kind: &str, run: &str, body: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(b"trueup history 1\0");
    hash.update(before);
    hash.update(number.to_be_bytes());
    for field in [kind.as_bytes(), run.as_bytes(), body] {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

pub(super) fn hex(hash: &[u8]) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

/// What a walk along the whole chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every record fits.
    Whole {
        records: usize,
        /// The last record's hash in hex; of an empty chain, zeros. Kept elsewhere, it shows later that nothing up to
        /// here was rewritten.
        head: String,
        /// Whether a record, or what was pruned, has the hash that was asked for.
        holds: bool,
    },
    Broken {
        /// The first record that does not fit.
        number: i64,
        run: String,
        why: &'static str,
    },
}

/// Walks the chain; `kept`: a hash from an earlier walk, in hex.
pub(super) fn verify(store: &Connection, kept: Option<&str>) -> Result<Verdict, HistoryError> {
    let (last, head): (i64, Vec<u8>) =
        store.query_row("SELECT number, hash FROM head", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let begin: Option<i64> = store.query_row("SELECT min(number) FROM record", [], |row| row.get(0))?;
    let begin = begin.unwrap_or(1);
    let mut before = NOTHING;
    let mut holds = kept.is_none_or(|k| k == hex(&NOTHING));
    if begin != 1 {
        let mut pruned = store.prepare("SELECT body FROM record WHERE kind = ?1")?;
        let mut rows = pruned.query([PRUNED])?;
        let mut found = false;
        // Whether such a record is to be believed is seen when the walk comes to it.
        while let Some(row) = rows.next()? {
            let Ok(pruned) = serde_json::from_slice::<Pruned>(row.get_ref(0)?.as_bytes().unwrap_or_default()) else {
                continue;
            };
            holds |= kept == Some(pruned.hash.as_str());
            if let Some(hash) = unhex(&pruned.hash).filter(|_| pruned.through == begin - 1) {
                (before, found) = (hash, true);
            }
        }
        if !found {
            let why = "what came before it is gone, and was not pruned";
            let run = store.query_row("SELECT run FROM record WHERE number = ?1", [begin], |row| row.get(0))?;
            return Ok(Verdict::Broken { number: begin, run, why });
        }
    }
    let mut all = store.prepare("SELECT number, kind, run, body, hash FROM record ORDER BY number")?;
    let mut rows = all.query([])?;
    let mut next = begin;
    let mut records = 0;
    while let Some(row) = rows.next()? {
        let (number, kind, run): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let body = row.get_ref(3)?.as_bytes().unwrap_or_default();
        let stored = row.get_ref(4)?.as_bytes().unwrap_or_default();
        if number != next {
            return Ok(Verdict::Broken { number, run, why: "the record before it is gone" });
        }
        before = hash(&before, number, &kind, &run, body);
        if before != stored {
            return Ok(Verdict::Broken { number, run, why: "it, or its place, was changed after it was written" });
        }
        holds |= kept.is_some_and(|k| k == hex(&before));
        next += 1;
        records += 1;
    }
    if (next - 1, &before[..]) != (last, &head[..]) && (records > 0 || last != 0) {
        return Ok(Verdict::Broken { number: next, run: String::new(), why: "it is gone: the chain went on" });
    }
    Ok(Verdict::Whole { records, head: hex(&before), holds })
}

pub(super) fn unhex(text: &str) -> Option<Hash> {
    let digits: Vec<u8> = (0..64).step_by(2).map_while(|n| u8::from_str_radix(text.get(n..n + 2)?, 16).ok()).collect();
    digits.try_into().ok().filter(|_| text.len() == 64)
}
