//! The last run on a host, where it did not come to its end or waits to be confirmed.

use super::Record;
use crate::model::run_name::RunName;

/// What a host tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub run: RunName,
    pub owner: String,
    /// Seconds since 1970, by the operator's clock.
    pub started: u64,
    /// The resources of the step that was begun last.
    pub step: Option<String>,
    /// Whether the host takes back by itself what may cut the operator off, unless a new connection confirms it.
    pub unconfirmed: bool,
}

impl Unfinished {
    /// From the answer to [`crate::shell::probe::Query::Unfinished`]. `None` where there is no such run, and where its
    /// record cannot be read: it is told for people's sake, and nothing depends on it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.splitn(3, |b| *b == b'\n');
        let mut line = || parts.next().map(String::from_utf8_lossy);
        let (state, step) = (line()?, line()?.into_owned());
        let (state, run) = state.split_once(' ')?;
        let record = Record::parse(parts.next()?).ok()?;
        let run = RunName::parse(run).filter(|run| *run == record.run)?;
        Some(Self {
            run,
            owner: record.owner,
            started: record.started,
            step: step.splitn(3, ' ').nth(2).map(str::to_owned),
            unconfirmed: state == "unconfirmed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_run_that_died_is_told_by_its_last_step() {
        let record =
            r#"{"version":1,"run":"r1","owner":"anna@desk","started":7,"source":"site.yml","changes":[],"steps":[]}"#;
        let died = Unfinished::parse(format!("died r1\nbegin 3 file[/etc/a b]\n{record}").as_bytes()).unwrap();
        assert_eq!((died.owner.as_str(), died.started, died.unconfirmed), ("anna@desk", 7, false));
        assert_eq!(died.step.as_deref(), Some("file[/etc/a b]"));
        assert_eq!(Unfinished::parse(format!("died r2\nbegin 3 x\n{record}").as_bytes()), None);
        assert_eq!(Unfinished::parse(b""), None);
    }

    proptest! {
        #[test]
        fn whatever_a_host_says_is_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Unfinished::parse(&bytes);
        }
    }
}
