//! Whether a path can be reached without anybody leading root astray: `way.sh` has the rule, and enters directories by it.
//! Here is what a probe asks about the directories above the paths that it is about.

use super::answers::BadAnswer;
use super::quote::{chunks, word};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

/// The functions of every script that goes to paths. `$way` is their text, for the shells that these start in turn.
pub(super) fn functions() -> String {
    format!("way={}\neval \"$way\"\n", word(&super::quote::uncommented(include_str!("way.sh"))))
}

/// Every directory above some paths, the root excepted.
pub(super) struct Ways<'a> {
    directories: Vec<&'a str>,
}

/// The directories to which the way is not safe, with the reason.
#[derive(Debug, Default)]
pub(super) struct Unsafe<'a>(HashMap<&'a str, String>);

/// All directories above it but the root, the topmost first.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').skip(1).filter_map(|(n, _)| path.get(..n))
}

impl<'a> Ways<'a> {
    pub fn to(paths: impl Iterator<Item = &'a str>) -> Self {
        let directories: BTreeSet<&str> = paths.flat_map(above).collect();
        Self { directories: directories.into_iter().collect() }
    }

    pub fn snippet(&self) -> String {
        let numbers: HashMap<&str, usize> = self.directories.iter().enumerate().map(|(n, d)| (*d, n)).collect();
        let words: Vec<String> = self.directories.iter().map(|d| word(d)).collect();
        let mut out = String::new();
        let mut first = 0;
        for chunk in chunks(&words).into_iter().filter(|c| !c.is_empty()) {
            let over = self.directories.iter().skip(first).take(chunk.len()).map(|d| {
                let over = d.rsplit_once('/').and_then(|(over, _)| numbers.get(over));
                over.map_or_else(|| "-".to_owned(), ToString::to_string)
            });
            let over: Vec<String> = over.collect();
            let _ = writeln!(out, "ways {first} '{}' {}", over.join(" "), chunk.join(" "));
            first += chunk.len();
        }
        out
    }

    /// Reads the answer; `next` gives what comes before the next NUL.
    ///
    /// # Errors
    /// Where it is malformed, or the host could not say.
    pub fn read<'b>(&self, mut next: impl FnMut() -> Result<&'b [u8], BadAnswer>) -> Result<Unsafe<'a>, BadAnswer> {
        let mut found = HashMap::new();
        let words: Vec<String> = self.directories.iter().map(|d| word(d)).collect();
        for _ in chunks(&words).into_iter().filter(|c| !c.is_empty()) {
            loop {
                let record = next()?;
                if record.is_empty() {
                    break;
                }
                let record = String::from_utf8_lossy(record);
                let (number, why) = record.split_once(' ').unwrap_or((&record, ""));
                if number == "-" {
                    return Err(BadAnswer(why.to_owned()));
                }
                let directory = number.parse::<usize>().ok().and_then(|n| self.directories.get(n));
                let bad = || BadAnswer("the host's answer about the way to files is malformed".into());
                found.insert(*directory.ok_or_else(bad)?, why.to_owned());
            }
        }
        Ok(Unsafe(found))
    }
}

impl Unsafe<'_> {
    /// # Errors
    /// Where the way to the path is not safe.
    pub fn check(&self, path: &str) -> Result<(), BadAnswer> {
        match above(path).find_map(|d| self.0.get(d)) {
            Some(why) => Err(BadAnswer(why.clone())),
            None => Ok(()),
        }
    }
}
