//! Host patterns: `all`, `web:&prod:!db`, `web*`, `~regex`, `group[0:3]`.

use super::Inventory;
use crate::language::diagnostic::{Diagnostic, did_you_mean};
use crate::language::span::Span;
use regex::Regex;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
pub struct Pattern {
    parts: Vec<Part>,
    span: Option<Span>,
}

#[derive(Clone, Debug)]
struct Part {
    how: How,
    text: String,
    what: What,
    /// Of the hosts it names, only those with these numbers.
    slice: Option<(usize, Option<usize>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Add,
    Intersect,
    Exclude,
}

#[derive(Clone, Debug)]
enum What {
    Name(String),
    Matching(Regex),
}

impl Pattern {
    /// # Errors
    /// What is wrong with the pattern's form.
    pub fn parse(text: &str, span: Option<Span>) -> Result<Self, Diagnostic> {
        let mut parts = vec![];
        for part in split(text) {
            let (how, rest) = match part.split_at_checked(1) {
                Some(("&", rest)) => (How::Intersect, rest),
                Some(("!", rest)) => (How::Exclude, rest),
                _ => (How::Add, part),
            };
            parts.push(Self::part(how, rest.trim(), span)?);
        }
        if parts.is_empty() {
            return Err(Diagnostic::error("empty pattern", span, "no host is named").help("`all` names every host"));
        }
        Ok(Self { parts, span })
    }

    fn part(how: How, text: &str, span: Option<Span>) -> Result<Part, Diagnostic> {
        let wrong = |why: String| Diagnostic::error("wrong pattern", span, why);
        let regex = |source: &str| Regex::new(source).map_err(|e| wrong(format!("`{text}`: {e}")));
        if let Some(source) = text.strip_prefix('~') {
            return Ok(Part {
                how,
                text: text.to_owned(),
                what: What::Matching(regex(&format!("^(?:{source})"))?),
                slice: None,
            });
        }
        let (name, slice) = match text.strip_suffix(']').and_then(|t| t.rsplit_once('[')) {
            Some((name, inner))
                if inner.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'-') && !name.is_empty() =>
            {
                let number =
                    |t: &str| t.parse::<usize>().map_err(|_| wrong(format!("`[{inner}]` is no choice of hosts")));
                let slice = match inner.split_once([':', '-']) {
                    Some((a, "")) => (number(a)?, None),
                    Some((a, b)) => (if a.is_empty() { 0 } else { number(a)? }, Some(number(b)?)),
                    None => (number(inner)?, Some(number(inner)?)),
                };
                (name, Some(slice))
            }
            _ => (text, None),
        };
        let what = if name.contains(['*', '?']) {
            let escaped = regex::escape(name).replace(r"\*", ".*").replace(r"\?", ".");
            What::Matching(regex(&format!("^(?:{escaped})$"))?)
        } else {
            What::Name(name.to_owned())
        };
        Ok(Part { how, text: text.to_owned(), what, slice })
    }

    /// Whether `localhost` is named, which is there in every inventory.
    pub fn names_localhost(&self) -> bool {
        self.parts.iter().any(|p| p.how == How::Add && matches!(&p.what, What::Name(n) if n == "localhost"))
    }

    /// Names of the hosts it picks, in the inventory's order, and what of it matched nothing.
    pub fn select<'a>(&self, inventory: &'a Inventory) -> (Vec<&'a str>, Vec<Diagnostic>) {
        let mut chosen: BTreeSet<&str> = BTreeSet::new();
        let mut notes = vec![];
        // As Ansible does: first what adds, then what intersects, then what excludes.
        let only_narrows = self.parts.iter().all(|p| p.how != How::Add);
        if only_narrows {
            chosen.extend(inventory.members("all"));
        }
        for how in [How::Add, How::Intersect, How::Exclude] {
            for part in self.parts.iter().filter(|p| p.how == how) {
                let (hosts, known) = part.hosts(inventory);
                if hosts.is_empty() && !known {
                    notes.push(self.nothing(part, inventory));
                }
                match how {
                    How::Add => chosen.extend(hosts),
                    How::Intersect => chosen.retain(|h| hosts.contains(h)),
                    How::Exclude => chosen.retain(|h| !hosts.contains(h)),
                }
            }
        }
        (inventory.members("all").into_iter().filter(|h| chosen.contains(h)).collect(), notes)
    }

    fn nothing(&self, part: &Part, inventory: &Inventory) -> Diagnostic {
        let d =
            Diagnostic::error("pattern matches nothing", self.span, format!("no host and no group `{}`", part.text));
        let names = inventory.group_list().chain(inventory.members("all"));
        match did_you_mean(&part.text, names) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help("`trueup inventory` shows what there is"),
        }
    }
}

impl Part {
    /// Its hosts, and whether it names something that is there, though it may be empty.
    fn hosts<'a>(&self, inventory: &'a Inventory) -> (Vec<&'a str>, bool) {
        let (hosts, known): (Vec<&str>, bool) = match &self.what {
            What::Name(name) if name == "all" || inventory.group_exists(name) => (inventory.members(name), true),
            What::Name(name) => {
                let host = inventory.host(name).map(|h| h.name.as_str());
                (host.into_iter().collect(), host.is_some())
            }
            What::Matching(regex) => {
                let groups: Vec<&str> = inventory.group_list().filter(|g| regex.is_match(g)).collect();
                let of_groups: BTreeSet<&str> = groups.iter().flat_map(|g| inventory.members(g)).collect();
                let all = inventory.members("all").into_iter();
                (all.filter(|h| of_groups.contains(h) || regex.is_match(h)).collect(), !groups.is_empty())
            }
        };
        match self.slice {
            None => (hosts, known),
            Some((from, to)) => {
                let count = to.map_or(usize::MAX, |t| t.saturating_add(1).saturating_sub(from));
                (hosts.into_iter().skip(from).take(count).collect(), known)
            }
        }
    }
}

/// Cuts at `,` and `:`, where a colon is not inside brackets, a regex or an IPv6 address.
fn split(text: &str) -> Vec<&str> {
    let mut out = vec![];
    for part in text.split(',') {
        let part = part.trim();
        let bare = part.trim_start_matches(['&', '!']);
        if bare.starts_with('~') || bare.parse::<std::net::Ipv6Addr>().is_ok() {
            out.push(part);
            continue;
        }
        let (mut depth, mut start) = (0usize, 0);
        for (at, c) in part.char_indices() {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                ':' if depth == 0 => {
                    out.push(part.get(start..at).unwrap_or_default());
                    start = at + 1;
                }
                _ => {}
            }
        }
        out.push(part.get(start..).unwrap_or_default());
    }
    out.retain(|p| !p.trim().is_empty());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::hosts::Builder;
    use crate::language::diagnostic::Diagnostics;
    use proptest::prelude::*;

    fn inventory() -> Inventory {
        let mut b = Builder::default();
        for (group, hosts) in
            [("web", vec!["web1", "web2", "web3"]), ("db", vec!["db1", "web3"]), ("prod", vec!["web1", "db1"])]
        {
            for host in hosts {
                b.host(host, None, vec![]);
                b.member(group, host);
            }
        }
        b.host("2001:db8::1", None, vec![]);
        b.build(&mut Diagnostics::default())
    }

    fn select(text: &str) -> String {
        let inventory = inventory();
        let (hosts, notes) = Pattern::parse(text, None).unwrap().select(&inventory);
        format!("{}{}", hosts.join(" "), if notes.is_empty() { "" } else { " +notes" })
    }

    #[test]
    fn patterns_pick_as_ansibles_do() {
        for (pattern, hosts) in [
            ("web", "web1 web2 web3"),
            ("web:&prod", "web1"),
            ("web:!db", "web1 web2"),
            ("web,db", "web1 web2 web3 db1"),
            ("!db", "web1 web2 2001:db8::1"),
            ("web*:!web2", "web1 web3"),
            ("~(web|db)1", "web1 db1"),
            ("web[0]", "web1"),
            ("web[1:2]", "web2 web3"),
            ("web[1:]", "web2 web3"),
            ("2001:db8::1", "2001:db8::1"),
            ("wbe", " +notes"),
        ] {
            assert_eq!(select(pattern), hosts, "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_patterns_are_no_panic(text in "[a-z0-9:,&!~*?()\\[\\] -]{0,40}") {
            if let Ok(pattern) = Pattern::parse(&text, None) {
                let _ = pattern.select(&inventory());
            }
        }
    }
}
