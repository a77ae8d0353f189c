//! Host patterns: `all`, `web:&prod:!db`, `web*`, `~regex`, `group[0]`, `group[1:3]`. Source: Ansible's documentation,
//! "Patterns: targeting hosts and groups".

use super::Inventory;
use crate::language::diagnostic::{Diagnostic, did_you_mean};
use crate::model::span::Span;
use regex::Regex;
use std::collections::HashSet;

/// The memory that a regex may take once it is compiled.
const REGEX_BYTES: usize = 1 << 20;

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
    /// Of the hosts it names, only these.
    slice: Option<Slice>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slice {
    At(usize),
    /// Counted from the end; the last one is 1.
    FromEnd(usize),
    Between(usize, usize),
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
            parts.push(Part::parse(how, rest.trim(), span)?);
        }
        if parts.is_empty() {
            return Err(Diagnostic::error("empty pattern", span, "no host is named").help("`all` names every host"));
        }
        Ok(Self { parts, span })
    }

    /// Whether `localhost` is named, which is there in every inventory.
    pub fn names_localhost(&self) -> bool {
        self.parts.iter().any(|p| p.how == How::Add && matches!(&p.what, What::Name(n) if n == "localhost"))
    }

    /// Names of the hosts it picks, in the inventory's order, and what of it matched nothing.
    pub fn select<'a>(&self, inventory: &'a Inventory) -> (Vec<&'a str>, Vec<Diagnostic>) {
        let mut chosen: HashSet<&str> = HashSet::new();
        let mut notes = vec![];
        // As Ansible does: first what adds, then what intersects, then what excludes.
        if self.parts.iter().all(|p| p.how != How::Add) {
            chosen.extend(inventory.members("all"));
        }
        for how in [How::Add, How::Intersect, How::Exclude] {
            for part in self.parts.iter().filter(|p| p.how == how) {
                let (hosts, known) = part.hosts(inventory);
                if hosts.is_empty() && !known {
                    notes.push(self.nothing(part, inventory));
                }
                let hosts: HashSet<&str> = hosts.into_iter().collect();
                match how {
                    How::Add => chosen.extend(hosts),
                    How::Intersect => chosen.retain(|h| hosts.contains(h)),
                    How::Exclude => chosen.retain(|h| !hosts.contains(h)),
                }
            }
        }
        let names = inventory.hosts().iter().map(|h| h.name.as_str());
        (names.filter(|h| chosen.contains(h)).collect(), notes)
    }

    fn nothing(&self, part: &Part, inventory: &Inventory) -> Diagnostic {
        let (label, wanted) = match &part.what {
            What::Name(name) => (format!("no host and no group `{name}`"), Some(name)),
            What::Matching(_) => (format!("no host and no group is like `{}`", part.text), None),
        };
        let names = inventory.group_list().chain(inventory.members("all"));
        let d = Diagnostic::error("pattern matches nothing", self.span, label);
        match wanted.and_then(|w| did_you_mean(w, names)) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help("`trueup inventory` shows what there is"),
        }
    }
}

impl Part {
    fn parse(how: How, text: &str, span: Option<Span>) -> Result<Self, Diagnostic> {
        let wrong = |why: String, help: &str| Diagnostic::error("wrong pattern", span, why).help(help);
        let regex = |source: &str| {
            let built = regex::RegexBuilder::new(source).size_limit(REGEX_BYTES).build();
            built.map_err(|_| wrong(format!("`{text}` is no regex"), "check it: brackets, and no look-around"))
        };
        let part = |what, slice| Self { how, text: text.to_owned(), what, slice };
        if let Some(source) = text.strip_prefix('~') {
            return Ok(part(What::Matching(regex(&format!("^(?:{source})"))?), None));
        }
        if text.is_empty() {
            return Err(wrong("nothing stands after `&` or `!`".into(), "such as web:&prod or all:!db"));
        }
        let (name, slice) = match text.strip_suffix(']').and_then(|t| t.rsplit_once('[')) {
            Some((name, inner)) if !name.is_empty() && is_slice(inner) => {
                let slice = slice(inner).ok_or_else(|| {
                    wrong(format!("`[{inner}]` is no choice of hosts"), "it is written [0], [-1], [1:3] or [2:]")
                })?;
                (name, Some(slice))
            }
            _ => (text, None),
        };
        if name.contains(['*', '?', '[']) {
            return Ok(part(What::Matching(regex(&glob(name))?), slice));
        }
        Ok(part(What::Name(name.to_owned()), slice))
    }

    /// Its hosts, and whether it names something that is there, though it may be empty.
    fn hosts<'a>(&self, inventory: &'a Inventory) -> (Vec<&'a str>, bool) {
        let (hosts, known): (Vec<&str>, bool) = match &self.what {
            What::Name(name) if inventory.group_exists(name) => (inventory.members(name), true),
            What::Name(name) => {
                let host = inventory.host(name).map(|h| h.name.as_str());
                (host.into_iter().collect(), host.is_some())
            }
            What::Matching(regex) => {
                let groups: Vec<&str> = inventory.group_list().filter(|g| regex.is_match(g)).collect();
                let of_groups = groups.iter().flat_map(|g| inventory.members(g));
                let hosts = inventory.members("all").into_iter().filter(|h| regex.is_match(h));
                let mut seen = HashSet::new();
                (of_groups.chain(hosts).filter(|h| seen.insert(*h)).collect(), !groups.is_empty())
            }
        };
        let hosts = match self.slice {
            None => hosts,
            Some(Slice::At(n)) => hosts.into_iter().skip(n).take(1).collect(),
            Some(Slice::FromEnd(n)) => {
                let at = hosts.len().checked_sub(n);
                at.map(|n| hosts.into_iter().skip(n).take(1).collect()).unwrap_or_default()
            }
            Some(Slice::Between(from, to)) => hosts.into_iter().take(to.saturating_add(1)).skip(from).collect(),
        };
        (hosts, known)
    }
}

/// `[0]`, `[-1]`, `[1:3]`: all else in brackets is a wildcard's choice of characters.
fn is_slice(inner: &str) -> bool {
    inner.contains(|c: char| c.is_ascii_digit()) && inner.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'-')
}

fn slice(inner: &str) -> Option<Slice> {
    if let Some(back) = inner.strip_prefix('-') {
        return back.parse().ok().filter(|n| *n > 0).map(Slice::FromEnd);
    }
    match inner.split_once([':', '-']) {
        None => inner.parse().ok().map(Slice::At),
        Some((from, to)) => {
            let from = if from.is_empty() { 0 } else { from.parse().ok()? };
            let to = if to.is_empty() { usize::MAX } else { to.parse().ok()? };
            Some(Slice::Between(from, to))
        }
    }
}

/// A wildcard as a regex: `*`, `?`, `[abc]`, `[!abc]`.
fn glob(name: &str) -> String {
    let mut out = String::from("^(?s:");
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match (c, rest.split_once(']')) {
            ('*', _) => out.push_str(".*"),
            ('?', _) => out.push('.'),
            ('[', Some((inner, after))) if !inner.is_empty() && inner != "!" => {
                let (not, inner) = inner.strip_prefix('!').map_or(("", inner), |i| ("^", i));
                let inner: String = inner
                    .chars()
                    .flat_map(|c| if c == '-' || c.is_alphanumeric() { vec![c] } else { vec!['\\', c] })
                    .collect();
                out.push_str(&format!("[{not}{inner}]"));
                rest = after;
            }
            (c, _) => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str(")$");
    out
}

/// Cuts at `,` and `:`, where they are not inside brackets, a regex's parentheses or an IPv6 address.
fn split(text: &str) -> Vec<&str> {
    cut(text, ',')
        .into_iter()
        .flat_map(|part| {
            let part = part.trim();
            let address = part.trim_start_matches(['&', '!']).parse::<std::net::Ipv6Addr>();
            if address.is_ok() { vec![part] } else { cut(part, ':') }
        })
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .collect()
}

fn cut(text: &str, at: char) -> Vec<&str> {
    let (mut out, mut depth, mut start) = (vec![], 0usize, 0);
    let mut escaped = false;
    for (n, c) in text.char_indices() {
        match c {
            _ if escaped => {}
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth = depth.saturating_sub(1),
            c if c == at && depth == 0 => {
                out.extend(text.get(start..n));
                start = n + at.len_utf8();
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    out.extend(text.get(start..));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::assemble::Builder;
    use crate::language::diagnostic::Diagnostics;
    use crate::model::span::Sources;
    use proptest::prelude::*;

    fn inventory() -> Inventory {
        let mut b = Builder::default();
        for (group, hosts) in [
            ("web", vec!["web1", "web2", "web3"]),
            ("db", vec!["db1", "web3"]),
            ("prod", vec!["web1", "db1"]),
            ("back", vec!["web3", "web1"]),
            ("empty", vec![]),
        ] {
            b.group(group);
            for host in hosts {
                b.host(host, Span::default(), vec![]);
                b.member(group, host);
            }
        }
        b.host("2001:db8::1", Span::default(), vec![]);
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
            ("all", "web1 web2 web3 db1 2001:db8::1"),
            ("*", "web1 web2 web3 db1 2001:db8::1"),
            ("ungrouped", "2001:db8::1"),
            ("web", "web1 web2 web3"),
            ("web:&prod", "web1"),
            ("web:!db", "web1 web2"),
            ("!db:web", "web1 web2"),
            ("web,db", "web1 web2 web3 db1"),
            ("web:&prod,db", "web1 db1"),
            (" web1 , db1 ", "web1 db1"),
            ("!db", "web1 web2 2001:db8::1"),
            ("&db", "web3 db1"),
            ("web*:!web2", "web1 web3"),
            ("web[13]*", "web1 web3"),
            ("web[!13]*", "web2"),
            ("?b1", "db1"),
            ("~(web|db)1", "web1 db1"),
            ("~(?:web|db)1:!db", "web1"),
            ("~web[0-9]{1,2}", "web1 web2 web3"),
            ("web[0]", "web1"),
            ("web[-1]", "web3"),
            ("web[-4]", ""),
            ("web[7]", ""),
            ("web[1:2]", "web2 web3"),
            ("web[1-2]", "web2 web3"),
            ("web[1:]", "web2 web3"),
            ("web[:1]", "web1 web2"),
            // A group's own order counts.
            ("back[0]", "web3"),
            ("2001:db8::1", "2001:db8::1"),
            ("all,!2001:db8::1", "web1 web2 web3 db1"),
            ("empty", ""),
            ("wbe", " +notes"),
            ("x*", " +notes"),
        ] {
            assert_eq!(select(pattern), hosts, "{pattern}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let inventory = inventory();
        let told: Vec<String> = ["web:&", "web[5-]x[--1]", "web[-0]", "~(", "", "wbe", "prd:&x*"]
            .iter()
            .flat_map(|text| {
                let mut sources = Sources::default();
                let file = sources.add("--limit", *text);
                let span = Some(Span::new(file, 0, text.len()));
                let notes = match Pattern::parse(text, span) {
                    Ok(pattern) => pattern.select(&inventory).1,
                    Err(d) => vec![d],
                };
                notes.into_iter().map(move |d| d.render(&sources, false)).collect::<Vec<_>>()
            })
            .collect();
        insta::assert_snapshot!(told.join("\n\n"));
    }

    proptest! {
        #[test]
        fn arbitrary_patterns_are_no_panic(text in "[a-z0-9:,&!~*?(){}\\[\\]\\\\é -]{0,40}") {
            if let Ok(pattern) = Pattern::parse(&text, None) {
                let _ = pattern.select(&inventory());
            }
        }
    }
}
