//! Words that several reports share.

use crate::model::id::visible;
use std::fmt::Write as _;

/// Hosts that are named before the rest is counted.
pub(super) const NAMED: usize = 8;

/// `3 hosts: a, b, c`.
pub(super) fn named(hosts: &[&str]) -> String {
    let mut names = hosts.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if hosts.len() > NAMED {
        let _ = write!(names, ", … {} more", hosts.len() - NAMED);
    }
    let noun = if hosts.len() == 1 { "host" } else { "hosts" };
    format!("{} {noun}: {names}", hosts.len())
}

/// Text from a host or a file with nothing in it that a terminal would act on.
pub(super) fn clean(text: &str) -> String {
    visible(&text.replace('\t', " "))
}
