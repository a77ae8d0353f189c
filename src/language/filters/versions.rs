//! The test `version`: which of two versions is the later.

use super::args::{Args, text};
use super::wrong;
use minijinja::{Error, State, Value};
use std::cmp::Ordering;

pub fn version(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let (left, right) = (text(value)?, args.text("version")?);
    state.consume_fuel((left.len() as u64).saturating_add(right.len() as u64) / 8)?;
    let strict = args.flag("strict", false)?;
    let order = match args.text_or("version_type", if strict { "strict" } else { "loose" })?.as_ref() {
        "loose" => loose(&left).cmp(&loose(&right)),
        "strict" => self::strict(&left)?.cmp(&self::strict(&right)?),
        "semver" | "semantic" => semantic(&left)?.cmp(&semantic(&right)?),
        other => return Err(wrong(format!("`version_type` is loose, strict or semver, not `{other}`"))),
    };
    Ok(Value::from(match args.text_or("operator", "eq")?.as_ref() {
        "==" | "=" | "eq" => order.is_eq(),
        "!=" | "<>" | "ne" => order.is_ne(),
        "<" | "lt" => order.is_lt(),
        "<=" | "le" => order.is_le(),
        ">" | "gt" => order.is_gt(),
        ">=" | "ge" => order.is_ge(),
        other => return Err(wrong(format!("`operator` is one of == != < <= > >=, not `{other}`"))),
    }))
}

/// A run of letters, or a number of any length. A number counts more than letters in its place.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Letters(String),
    Number(Number),
}

/// Digits without leading zeros: the longer is the greater.
#[derive(PartialEq, Eq)]
struct Number(String);

impl Number {
    fn new(digits: &str) -> Self {
        Self(digits.trim_start_matches('0').to_owned())
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

/// Numbers and runs of letters, whatever stands between them.
fn loose(version: &str) -> Vec<Part> {
    let class = |c: char| match c {
        '0'..='9' => 1,
        c if c.is_alphabetic() => 2,
        _ => 0,
    };
    let mut parts = vec![];
    let mut rest = version;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| class(c) != class(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        match class(first) {
            1 => parts.push(Part::Number(Number::new(run))),
            2 => parts.push(Part::Letters(run.to_owned())),
            _ => {}
        }
        rest = after;
    }
    parts
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `1.2`, `1.2.3`, `1.2.3a1`, `1.2b2`: an `a` or `b` is a version before the one without.
fn strict(version: &str) -> Result<(Vec<Number>, bool, Option<Part>, Number), Error> {
    let bad = || wrong(format!("`{version}` is no strict version, such as 1.2.3 or 1.2b1"));
    let (release, pre) = match version.find(['a', 'b']) {
        Some(at) => version.split_at(at),
        None => (version, ""),
    };
    let mut numbers: Vec<_> = release.split('.').collect();
    if !(2..=3).contains(&numbers.len()) || !numbers.iter().all(|n| is_number(n)) {
        return Err(bad());
    }
    numbers.resize(3, "0");
    let numbers = numbers.into_iter().map(Number::new).collect();
    if pre.is_empty() {
        return Ok((numbers, true, None, Number::new("")));
    }
    let (letter, number) = pre.split_at(1);
    if !is_number(number) {
        return Err(bad());
    }
    Ok((numbers, false, Some(Part::Letters(letter.to_owned())), Number::new(number)))
}

/// One identifier of a pre-release: numbers come before text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(Number),
    Text(String),
}

/// Source: <https://semver.org/spec/v2.0.0.html>, 9 to 11. What follows a `+` does not count.
fn semantic(version: &str) -> Result<(Vec<Number>, bool, Vec<Identifier>), Error> {
    let bad = || wrong(format!("`{version}` is no semantic version, such as 1.2.3 or 1.2.3-rc.1"));
    let compared = version.split('+').next().unwrap_or_default();
    let (release, pre) = compared.split_once('-').map_or((compared, None), |(r, p)| (r, Some(p)));
    let numbers: Vec<_> = release.split('.').collect();
    if numbers.len() != 3 || !numbers.iter().all(|n| is_number(n)) {
        return Err(bad());
    }
    let mut identifiers = vec![];
    for part in pre.into_iter().flat_map(|p| p.split('.')) {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(bad());
        }
        identifiers.push(match is_number(part) {
            true => Identifier::Number(Number::new(part)),
            false => Identifier::Text(part.to_owned()),
        });
    }
    Ok((numbers.into_iter().map(Number::new).collect(), pre.is_none(), identifiers))
}
