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

/// Characters of one line that are shown.
const LONGEST: usize = 500;

/// A line of a file: as [`clean`], with its tabs, and not longer than anybody reads.
pub(super) fn line(text: &str) -> String {
    let more = text.chars().count().saturating_sub(LONGEST);
    let start: String = text.chars().take(LONGEST).collect();
    let mut out = start.split('\t').map(visible).collect::<Vec<_>>().join("\t");
    if more > 0 {
        let _ = write!(out, "… {more} more characters");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_keeps_its_tabs_and_has_an_end() {
        assert_eq!(line("a\tb\u{1b}[1m"), "a\tb\\u{1b}[1m");
        let long = line(&"x".repeat(130_000));
        assert!(long.starts_with("xxx") && long.ends_with("x… 129500 more characters"), "{}", long.len());
    }
}
