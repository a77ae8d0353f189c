//! Conditions: what `and`, `or` and `not` join. Each operand is looked at by itself, because text in one of them is as
//! much a mistake as text alone: even "no" counts as true.
//!
//! The order of precedence is Jinja's: `or`, then `and`, then `not`. An `if … else` is one operand.

use super::depth::string;

/// A condition, its operands as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Condition<'a> {
    Any(Vec<Condition<'a>>),
    All(Vec<Condition<'a>>),
    Not(Box<Condition<'a>>),
    Is(&'a str),
}

/// Brackets and `not`s within one another; what goes deeper is one operand.
const DEEPEST: usize = 50;

impl<'a> Condition<'a> {
    pub fn parse(text: &'a str) -> Self {
        Self::at(text, DEEPEST)
    }

    fn at(text: &'a str, levels: usize) -> Self {
        let text = text.trim();
        let words = words(text);
        if levels == 0 || words.iter().any(|(_, word)| matches!(*word, "if" | "else")) {
            return Self::Is(text);
        }
        for (word, join) in [("or", Self::Any as fn(Vec<Self>) -> Self), ("and", Self::All)] {
            let parts = split(text, &words, word);
            if parts.len() > 1 {
                return join(parts.into_iter().map(|part| Self::at(part, levels - 1)).collect());
            }
        }
        match words.first() {
            Some((0, "not")) => Self::Not(Box::new(Self::at(text.get(3..).unwrap_or_default(), levels - 1))),
            _ => match bracketed(text) {
                Some(inner) => Self::at(inner, levels - 1),
                None => Self::Is(text),
            },
        }
    }

    /// Whether it holds, by what `holds` says of an operand. Like the operators themselves, it looks at no more operands
    /// than it takes.
    ///
    /// # Errors
    /// Those of `holds`.
    pub fn holds<E>(&self, holds: &mut impl FnMut(&'a str) -> Result<bool, E>) -> Result<bool, E> {
        match self {
            Self::Is(text) => holds(text),
            Self::Not(inner) => Ok(!inner.holds(holds)?),
            Self::Any(parts) => first(parts, true, holds),
            Self::All(parts) => first(parts, false, holds),
        }
    }
}

/// `decisive`, if one of the parts is that; else the opposite.
fn first<'a, E>(
    parts: &[Condition<'a>],
    decisive: bool,
    holds: &mut impl FnMut(&'a str) -> Result<bool, E>,
) -> Result<bool, E> {
    for part in parts {
        if part.holds(holds)? == decisive {
            return Ok(decisive);
        }
    }
    Ok(!decisive)
}

/// The words that stand in no bracket and no quotes, each with its place.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = vec![];
    scan(text, |at, depth, token| {
        let follows_dot = text.get(..at).is_some_and(|before| before.trim_end().ends_with('.'));
        if depth == 0 && !follows_dot && token.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            found.push((at, token));
        }
    });
    found
}

/// Goes through words, quoted texts and single characters; `see` is told the place, the brackets around it, and the token.
fn scan<'a>(text: &'a str, mut see: impl FnMut(usize, usize, &'a str)) {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let mut chars = rest.chars();
        let Some(c) = chars.next() else { return };
        let length = match c {
            '\'' | '"' => string(rest.as_bytes()),
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        if matches!(c, ')' | ']' | '}') {
            depth = depth.saturating_sub(1);
        }
        see(at, depth, rest.get(..length).unwrap_or_default());
        if matches!(c, '(' | '[' | '{') {
            depth += 1;
        }
        at += length;
    }
}

fn split<'a>(text: &'a str, words: &[(usize, &str)], by: &str) -> Vec<&'a str> {
    let mut parts = vec![];
    let mut from = 0;
    for (at, word) in words.iter().filter(|(_, word)| *word == by) {
        parts.extend(text.get(from..*at));
        from = at + word.len();
    }
    parts.extend(text.get(from..));
    parts
}

/// What is in a pair of round brackets that holds all of it.
fn bracketed(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let mut closes_early = false;
    let mut comma = false;
    scan(text, |at, depth, token| {
        closes_early |= token == ")" && depth == 0 && at + 1 < text.len();
        comma |= token == "," && depth == 1;
    });
    (!closes_early && !comma).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        fn show(c: &Condition<'_>) -> String {
            let all = |parts: &[Condition<'_>], by: &str| parts.iter().map(show).collect::<Vec<_>>().join(by);
            match c {
                Condition::Is(text) => format!("[{text}]"),
                Condition::Not(inner) => format!("!{}", show(inner)),
                Condition::Any(parts) => format!("({})", all(parts, "|")),
                Condition::All(parts) => format!("({})", all(parts, "&")),
            }
        }
        show(&Condition::parse(text))
    }

    #[test]
    fn operands_are_found_by_jinjas_precedence() {
        for (text, is) in [
            ("a", "[a]"),
            ("a or b and not c", "([a]|([b]&![c]))"),
            ("(a or b) and c", "(([a]|[b])&[c])"),
            ("not a in b", "![a in b]"),
            ("a not in b and c is not defined", "([a not in b]&[c is not defined])"),
            ("x == 'a or b' or \"it's\" in y", "([x == 'a or b']|[\"it's\" in y])"),
            ("f(a or b) and c[1 if d else 2]", "([f(a or b)]&[c[1 if d else 2]])"),
            ("a if b or c else d", "[a if b or c else d]"),
            ("(a) and (b)", "([a]&[b])"),
            ("(a, b)", "[(a, b)]"),
            ("orbit and android", "([orbit]&[android])"),
            ("a.or and b.not", "([a.or]&[b.not])"),
            ("not not a", "!![a]"),
            ("", "[]"),
        ] {
            assert_eq!(shown(text), is, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-d()'\" ]{0,40}|(not |\\(){0,200}x", other in "\\PC{0,60}") {
            Condition::parse(&text);
            Condition::parse(&other);
        }
    }
}
