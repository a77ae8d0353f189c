//! The history of runs on this machine: who applied what, when, where, why, and what came of it.
//!
//! SQLite, one table of records that are only ever added: a run's beginning, a report for each host, its end. Each
//! record is a link of a chain of hashes ([`chain`]); what is pruned leaves the hash that the chain begins with then.

pub mod chain;
pub mod prune;
pub mod record;
#[cfg(test)]
mod tests;

use crate::model::run_name::RunName;
use chain::{Hash, NOTHING, Verdict};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use prune::Keep;
use rayon::prelude::*;
use record::{Began, Ended, Run};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Of the file's header: the store of another program is never taken for one.
const APPLICATION: i32 = 0x7472_7570;
/// Of the tables below. Raised when an older trueup could not read them.
const VERSION: i32 = 1;
/// Another run writes for milliseconds at a time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of one host's report.
const LARGEST: u64 = 1 << 30;

const BEGAN: &str = "began";
const HOST: &str = "host";
const ENDED: &str = "ended";
const PRUNED: &str = "pruned";

const TABLES: &str = "
CREATE TABLE record (
  number INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  run TEXT NOT NULL,
  -- JSON; of a host, compressed with gzip
  body BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX run ON record (run, kind) WHERE kind IN ('began', 'ended');
CREATE INDEX kind ON record (kind, number);
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
";

/// Why the history cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("{}: {error}", path.display())]
    Place { path: PathBuf, error: std::io::Error },
    #[error("{} is open to everybody, and it tells what stands in files: take that back with chmod o=", .0.display())]
    Open(PathBuf),
    #[error("{} is no history of trueup's", .0.display())]
    Foreign(PathBuf),
    #[error("{} was written by a newer trueup", .0.display())]
    Newer(PathBuf),
    #[error("another process holds it for longer than {} s", PATIENCE.as_secs())]
    Held,
    #[error("{0}")]
    Store(rusqlite::Error),
    #[error("record {number} cannot be read ({error}): `trueup history verify` tells whether it was changed")]
    Unreadable { number: i64, error: String },
    #[error("there is a run of this name already: start it again")]
    Twice,
}

impl std::convert::From<rusqlite::Error> for HistoryError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Held,
            Some(ErrorCode::ConstraintViolation) => Self::Twice,
            _ => Self::Store(error),
        }
    }
}

/// Why no one run is meant.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("no run is on record")]
    Empty,
    #[error("no run begins with `{name}`; near it: {}", near.join(", "))]
    Unknown { name: String, near: Vec<String> },
    #[error("several runs begin with `{name}`: {}", runs.join(", "))]
    Several { name: String, runs: Vec<String> },
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// The store, opened.
#[derive(Debug)]
pub struct History {
    store: Connection,
}

impl History {
    /// Opens the store to write, and makes it where there is none, for its owner's eyes alone.
    ///
    /// # Errors
    /// Where it cannot be written: known before anything else is.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        let place = |error| HistoryError::Place { path: path.to_owned(), error };
        if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(place)?;
        }
        // SQLite gives its journal beside it the same mode.
        fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(place)?;
        let mut history = Self::connect(path)?;
        // A run that is on record stays there when the machine loses its power. No write-ahead log: transactions are few
        // and short, the switch to one cannot be waited for, and one file is what can be copied away.
        history.store.pragma_update(None, "synchronous", "extra")?;
        let transaction = history.begin_writing()?;
        if is_empty(&transaction)? {
            transaction.execute_batch(TABLES)?;
            transaction.execute("INSERT INTO head VALUES (1, 0, ?1)", [&NOTHING[..]])?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        } else {
            // A write that comes to nothing, to know that one can be.
            transaction.execute("UPDATE head SET number = number", [])?;
        }
        transaction.commit()?;
        Ok(history)
    }

    /// Opens the store to read; `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(path: &Path) -> Result<Option<Self>, HistoryError> {
        match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(HistoryError::Place { path: path.to_owned(), error }),
            Ok(_) => {
                let history = Self::connect(path)?;
                // Made, and not yet filled by who makes it.
                Ok((!is_empty(&history.store)?).then_some(history))
            }
        }
    }

    fn connect(path: &Path) -> Result<Self, HistoryError> {
        let place = |error| HistoryError::Place { path: path.to_owned(), error };
        if fs::metadata(path).map_err(place)?.permissions().mode() & 0o007 != 0 {
            return Err(HistoryError::Open(path.to_owned()));
        }
        let store =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        store.busy_timeout(PATIENCE)?;
        let (application, version, tables) = header(&store).map_err(|error| match error {
            HistoryError::Store(e) if e.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
                HistoryError::Foreign(path.to_owned())
            }
            other => other,
        })?;
        match (application, version, tables) {
            (0, _, 0) | (APPLICATION, ..=VERSION, _) => Ok(Self { store }),
            (APPLICATION, ..) => Err(HistoryError::Newer(path.to_owned())),
            _ => Err(HistoryError::Foreign(path.to_owned())),
        }
    }

    fn begin_writing(&mut self) -> Result<Transaction<'_>, HistoryError> {
        Ok(self.store.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    /// Records that a run begins.
    ///
    /// # Errors
    /// Where it is not on record then.
    pub fn begin(&mut self, began: &Began) -> Result<(), HistoryError> {
        let transaction = self.begin_writing()?;
        append(&transaction, BEGAN, began.run.as_str(), &json(began)?)?;
        Ok(transaction.commit()?)
    }

    /// Records what came of a run: each host's report as JSON, and the run's end. Then prunes.
    ///
    /// # Errors
    /// Where it is not on record then.
    pub fn end(&mut self, run: &RunName, reports: &[String], ended: &Ended, keep: &Keep) -> Result<(), HistoryError> {
        let pack = |report: &String| {
            let mut gzip = GzEncoder::new(vec![], Compression::fast());
            gzip.write_all(report.as_bytes()).and_then(|()| gzip.finish()).map_err(|e| unreadable(0, &e))
        };
        let bodies: Vec<Vec<u8>> = reports.par_iter().map(pack).collect::<Result<_, _>>()?;
        let transaction = self.begin_writing()?;
        for body in bodies {
            append(&transaction, HOST, run.as_str(), &body)?;
        }
        append(&transaction, ENDED, run.as_str(), &json(ended)?)?;
        prune::prune(&transaction, keep, ended.at)?;
        Ok(transaction.commit()?)
    }

    /// Runs, the newest first.
    ///
    /// # Errors
    /// Where the store, or a record in it, cannot be read.
    pub fn runs(&self, limit: Option<usize>) -> Result<Vec<Run>, HistoryError> {
        let limit = limit.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
        let mut query = self.store.prepare(
            "SELECT b.number, b.body, e.number, e.body FROM record b
             LEFT JOIN record e ON e.run = b.run AND e.kind = 'ended'
             WHERE b.kind = 'began' ORDER BY b.number DESC LIMIT ?1",
        )?;
        let mut rows = query.query([limit])?;
        let mut runs = vec![];
        while let Some(row) = rows.next()? {
            let body = |n: usize| row.get_ref(n).map(|v| v.as_bytes().unwrap_or_default());
            let began: Began = parse(row.get(0)?, body(1)?)?;
            let ended = match row.get::<_, Option<i64>>(2)? {
                Some(number) => Some(parse::<Ended>(number, body(3)?)?),
                None => None,
            };
            runs.push(Run { began, ended });
        }
        Ok(runs)
    }

    /// The run that is meant by a name, a start that no other name has, or `last`.
    ///
    /// # Errors
    /// Where none or several are meant; they say which are near.
    pub fn find(&self, name: &str) -> Result<Run, FindError> {
        if name == "last" {
            return self.runs(Some(1))?.pop().ok_or(FindError::Empty);
        }
        let mut runs = self.runs(None)?;
        let names = |runs: &[Run]| runs.iter().take(5).map(|r| r.began.run.to_string()).collect();
        if runs.is_empty() {
            return Err(FindError::Empty);
        }
        let shared = |r: &Run| r.began.run.as_str().bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        runs.sort_by_key(|r| std::cmp::Reverse(shared(r)));
        let exact = runs.iter().position(|r| r.began.run.as_str() == name);
        let meant = runs.iter().take_while(|r| r.began.run.as_str().starts_with(name)).count();
        let name = name.to_owned();
        match (exact, meant) {
            (Some(n), _) => Ok(runs.swap_remove(n)),
            (None, 1) => Ok(runs.swap_remove(0)),
            (None, 0) => Err(FindError::Unknown { name, near: names(&runs) }),
            (None, several) => Err(FindError::Several { name, runs: names(runs.get(..several).unwrap_or_default()) }),
        }
    }

    /// What a run's hosts reported, as [`Self::end`] was given it; empty of a run that did not end.
    ///
    /// # Errors
    /// Where the store, or a record in it, cannot be read.
    pub fn reports(&self, run: &RunName) -> Result<Vec<String>, HistoryError> {
        let mut query =
            self.store.prepare("SELECT number, body FROM record WHERE kind = ?1 AND run = ?2 ORDER BY number")?;
        let mut rows = query.query(params![HOST, run.as_str()])?;
        let mut reports = vec![];
        while let Some(row) = rows.next()? {
            let mut text = String::new();
            let gzip = GzDecoder::new(row.get_ref(1)?.as_bytes().unwrap_or_default());
            gzip.take(LARGEST).read_to_string(&mut text).map_err(|e| unreadable(row.get(0).unwrap_or_default(), &e))?;
            reports.push(text);
        }
        Ok(reports)
    }

    /// Walks the whole chain. `kept`: a hash that an earlier walk gave, in hex, to be found again.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn verify(&mut self, kept: Option<&str>) -> Result<Verdict, HistoryError> {
        // One view of all the tables, whoever writes meanwhile.
        let view = self.store.transaction()?;
        chain::verify(&view, kept)
    }
}

/// Whose store it is, the version of its tables, and how many there are: at one moment, for another may be making it.
fn header(store: &Connection) -> Result<(i32, i32, i32), HistoryError> {
    let query = "SELECT (SELECT application_id FROM pragma_application_id()),
                        (SELECT user_version FROM pragma_user_version()), (SELECT count(*) FROM sqlite_schema)";
    Ok(store.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?)
}

fn is_empty(store: &Connection) -> Result<bool, HistoryError> {
    Ok(header(store)?.2 == 0)
}

fn append(transaction: &Transaction<'_>, kind: &str, run: &str, body: &[u8]) -> Result<(), HistoryError> {
    let (last, before): (i64, Vec<u8>) =
        transaction.query_row("SELECT number, hash FROM head", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let before = Hash::try_from(before).map_err(|_| unreadable(last, &"its hash is none"))?;
    let number = last + 1;
    let hash = chain::hash(&before, number, kind, run, body);
    transaction
        .execute("INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5)", params![number, kind, run, body, &hash[..]])?;
    transaction.execute("UPDATE head SET number = ?1, hash = ?2", params![number, &hash[..]])?;
    Ok(())
}

fn json(record: &impl Serialize) -> Result<Vec<u8>, HistoryError> {
    serde_json::to_vec(record).map_err(|e| unreadable(0, &e))
}

fn parse<T: DeserializeOwned>(number: i64, body: &[u8]) -> Result<T, HistoryError> {
    serde_json::from_slice(body).map_err(|e| unreadable(number, &e))
}

fn unreadable(number: i64, error: &dyn std::fmt::Display) -> HistoryError {
    HistoryError::Unreadable { number, error: error.to_string() }
}
