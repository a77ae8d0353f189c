//! What the engine is given in place of what people write, where it differs from Jinja as Ansible uses it:
//!
//! - `a.b.c | default(x)` and `a.b.c is defined` hold although `a` or `a.b` is undefined: the chain is looked up by a function.
//! - `"%s" % x`, with a text that is written there, is a function, too.
//! - What a namespace is given is copied, so that none can hold itself: showing that would have no end.
//! - In a manifest `"\1"` and `"\b"` in an expression are what regular expressions take them for, as in a playbook. In a
//!   template file they are the characters that Jinja has for them.
//!
//! Nothing else of the text is touched, and places of errors are told in what was written.

use super::depth::{end_of_raw, find, string};
use minijinja::value::Rest;
use minijinja::{Environment, Error, Value};
use std::ops::Range;

/// A text for the engine, and what was put into it and taken out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rewritten {
    pub text: String,
    /// Places in what was written, how much was taken out there, and how much put in.
    edits: Vec<(usize, usize, usize)>,
}

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Manifest,
    File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Text,
    Number,
    /// A single character.
    Mark(u8),
}

#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// An edit: at a place so many bytes are taken out, and a text is put in.
type Edit = (usize, usize, String);

impl Rewritten {
    /// Where in what was written a range of the rewritten text is.
    pub fn original(&self, range: Range<usize>) -> Range<usize> {
        let old = |at: usize| {
            let mut shift = 0_isize;
            for (place, out, put) in &self.edits {
                let begins = place.saturating_add_signed(shift);
                if at < begins {
                    break;
                }
                if at < begins + put {
                    return place + out;
                }
                shift += *put as isize - *out as isize;
            }
            at.saturating_add_signed(-shift)
        };
        let (start, end) = (old(range.start), old(range.end));
        start..end.max(start)
    }
}

/// Rewrites a template.
pub(super) fn template(text: &str, source: Source) -> Rewritten {
    let bytes = text.as_bytes();
    let mut edits = vec![];
    let mut at = 0;
    while let Some(open) = find(bytes, at, b"{") {
        at = match bytes.get(open + 1) {
            Some(b'#') => find(bytes, open + 2, b"#}").map_or(bytes.len(), |end| end + 2),
            Some(mark @ (b'{' | b'%')) => {
                let close: &[u8] = if *mark == b'{' { b"}}" } else { b"%}" };
                let (tokens, end) = tokens(bytes, open + 2, Some(close));
                let is =
                    |token: Option<&Token>, word: &str| token.is_some_and(|t| text.get(t.start..t.end) == Some(word));
                let word = tokens.iter().find(|t| t.kind != Kind::Mark(b'-') && t.kind != Kind::Mark(b'+'));
                if *mark == b'%' && is(word, "raw") {
                    end_of_raw(bytes, end)
                } else {
                    code(text, &tokens, source, &mut edits);
                    if *mark == b'%' && is(word, "set") {
                        namespace(&tokens, &mut edits);
                    }
                    end
                }
            }
            _ => open + 1,
        };
    }
    apply(text, edits)
}

/// Rewrites an expression.
pub(super) fn expression(text: &str) -> Rewritten {
    let (tokens, _) = tokens(text.as_bytes(), 0, None);
    let mut edits = vec![];
    code(text, &tokens, Source::Manifest, &mut edits);
    apply(text, edits)
}

fn apply(text: &str, mut edits: Vec<Edit>) -> Rewritten {
    edits.sort_by_key(|(at, ..)| *at);
    let mut out = String::with_capacity(text.len() + 32);
    let mut from = 0;
    for (at, taken, put) in &edits {
        out.push_str(text.get(from..*at).unwrap_or_default());
        out.push_str(put);
        from = at + taken;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Rewritten { text: out, edits: edits.into_iter().map(|(at, taken, put)| (at, taken, put.len())).collect() }
}

/// The tokens up to a closing mark, and the place behind it.
fn tokens(bytes: &[u8], start: usize, close: Option<&[u8]>) -> (Vec<Token>, usize) {
    let (mut found, mut at, mut depth) = (vec![], start, 0_usize);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(close) = close.filter(|close| depth == 0 && rest.starts_with(close)) {
            return (found, at + close.len());
        }
        let Some(byte) = rest.first() else { break };
        let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
        let (kind, length) = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'\'' | b'"' => (Kind::Text, string(rest)),
            b'0'..=b'9' => (Kind::Number, rest.iter().take_while(|b| word(b) || **b == b'.').count()),
            b if word(b) => (Kind::Name, rest.iter().take_while(|b| word(b)).count()),
            b => (Kind::Mark(*b), 1),
        };
        match kind {
            Kind::Mark(b'(' | b'[' | b'{') => depth += 1,
            Kind::Mark(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        found.push(Token { kind, start: at, end: at + length.max(1) });
        at += length.max(1);
    }
    (found, bytes.len())
}

fn code(text: &str, tokens: &[Token], source: Source, edits: &mut Vec<Edit>) {
    let slice = |token: &Token| text.get(token.start..token.end).unwrap_or_default();
    for (n, token) in tokens.iter().enumerate() {
        let next = |more: usize| tokens.get(n + more);
        let word = |more: usize| next(more).filter(|t| t.kind == Kind::Name).map(slice);
        match token.kind {
            Kind::Text => {
                if source == Source::Manifest {
                    escapes(text, token, edits);
                }
                if next(1).is_some_and(|t| t.kind == Kind::Mark(b'%'))
                    && let Some(end) = operand(text, tokens, n + 2)
                    && let Some(percent) = next(1)
                {
                    edits.push((token.start, 0, format!("{PRINTF}(")));
                    edits.push((percent.start, 1, ",".to_owned()));
                    edits.push((end, 0, ")".to_owned()));
                }
            }
            Kind::Mark(b'|') if matches!(word(1), Some("default" | "d")) => chain(text, tokens, n, edits),
            Kind::Name if slice(token) == "is" => {
                let test = if word(1) == Some("not") { word(2) } else { word(1) };
                if matches!(test, Some("defined" | "undefined")) {
                    chain(text, tokens, n, edits);
                }
            }
            _ => {}
        }
    }
}

/// A backslash more before what only regular expressions mean by it, and before what would be no character.
fn escapes(text: &str, token: &Token, edits: &mut Vec<Edit>) {
    let text = text.get(token.start..token.end).unwrap_or_default();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let is_code = |digits: usize| {
            let digits = text.get(at + 2..at + 2 + digits);
            digits.is_some_and(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        let plain = |c: char| match c {
            'b' | '1'..='9' => true,
            'x' => !is_code(2),
            'u' => !is_code(4),
            _ => false,
        };
        if c == '\\' && chars.next().is_some_and(|(_, c)| plain(c)) {
            edits.push((token.start + at, 0, "\\".to_owned()));
        }
    }
}

/// Where what stands right of an operator ends: a name or a value, with what is called, looked up and read of it.
fn operand(text: &str, tokens: &[Token], first: usize) -> Option<usize> {
    let slice = |token: &Token| text.get(token.start..token.end).unwrap_or_default();
    let mut n = first;
    let token = tokens.get(n)?;
    match token.kind {
        Kind::Mark(b'(' | b'[' | b'{') => n = other_bracket(tokens, n..tokens.len())?,
        Kind::Name if matches!(slice(token), "not" | "and" | "or" | "if" | "else" | "in" | "is") => return None,
        Kind::Mark(_) => return None,
        _ => {}
    }
    loop {
        match tokens.get(n + 1).map(|t| t.kind) {
            Some(Kind::Mark(b'.')) if tokens.get(n + 2).is_some_and(|t| t.kind == Kind::Name) => n += 2,
            Some(Kind::Mark(b'(' | b'[')) => n = other_bracket(tokens, n + 1..tokens.len())?,
            _ => return tokens.get(n).map(|t| t.end),
        }
    }
}

/// The other bracket of the first of these places.
fn other_bracket(tokens: &[Token], places: impl Iterator<Item = usize>) -> Option<usize> {
    let mut depth = 0_isize;
    for n in places {
        match tokens.get(n)?.kind {
            Kind::Mark(b'(' | b'[' | b'{') => depth += 1,
            Kind::Mark(b')' | b']' | b'}') => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return Some(n);
        }
    }
    None
}

/// `a.b["c"]` before the token `behind` becomes a call that looks it up part by part.
fn chain(text: &str, tokens: &[Token], behind: usize, edits: &mut Vec<Edit>) {
    let mut own: Vec<Edit> = vec![];
    let Some(mut n) = behind.checked_sub(1) else { return };
    loop {
        let Some(token) = tokens.get(n) else { return };
        let before = n.checked_sub(1).and_then(|n| tokens.get(n)).map(|t| t.kind);
        match token.kind {
            Kind::Mark(b']') => {
                let Some(open) = other_bracket(tokens, (0..=n).rev()) else { return };
                let inside = tokens.get(open + 1..n).unwrap_or_default();
                let (Some(first), Some(above)) = (tokens.get(open), open.checked_sub(1)) else { return };
                // A slice is no key, and a list by itself no lookup.
                if inside.is_empty() || inside.iter().any(|t| t.kind == Kind::Mark(b':')) {
                    return;
                }
                own.push((first.start, 1, ", ".to_owned()));
                own.push((token.start, 1, String::new()));
                n = above;
            }
            Kind::Name if before == Some(Kind::Mark(b'.')) => {
                let (Some(dot), Some(above)) = (tokens.get(n - 1), n.checked_sub(2)) else { return };
                own.push((dot.start, 1, ", \"".to_owned()));
                own.push((token.end, 0, "\"".to_owned()));
                n = above;
            }
            Kind::Name => {
                let word = text.get(token.start..token.end).unwrap_or_default();
                let keyword = matches!(word, "in" | "not" | "and" | "or" | "if" | "else" | "is" | "recursive");
                // What a filter gives is no name.
                if own.is_empty() || keyword || before == Some(Kind::Mark(b'|')) {
                    return;
                }
                own.push((token.start, 0, format!("{CHAIN}(")));
                // Of two at one place, that of the part before comes first, and was found last.
                own.reverse();
                own.sort_by_key(|(at, ..)| *at);
                if let Some(last) = behind.checked_sub(1).and_then(|n| tokens.get(n)) {
                    own.push((last.end, 0, ")".to_owned()));
                }
                edits.extend(own);
                return;
            }
            _ => return,
        }
    }
}

/// `set name.part = value`.
fn namespace(tokens: &[Token], edits: &mut Vec<Edit>) {
    let mut tokens = tokens.iter().filter(|t| !matches!(t.kind, Kind::Mark(b'-' | b'+'))).skip(1);
    let kinds: Vec<Kind> = tokens.by_ref().take(4).map(|t| t.kind).collect();
    let [Kind::Name, Kind::Mark(b'.'), Kind::Name, Kind::Mark(b'=')] = kinds.as_slice() else { return };
    let value: Vec<&Token> = tokens.collect();
    if let (Some(first), Some(last)) = (value.first(), value.last()) {
        edits.push((first.start, 0, format!("{COPY}(")));
        edits.push((last.end, 0, ")".to_owned()));
    }
}

const CHAIN: &str = "__chain";
const PRINTF: &str = "__printf";
const COPY: &str = "__copy";

/// The functions that rewritten texts call.
pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_function(CHAIN, |root: Value, parts: Rest<Value>| -> Result<Value, Error> {
        let mut value = root;
        for part in parts.iter() {
            if value.is_undefined() || part.is_undefined() {
                break;
            }
            value = value.get_item(part)?;
        }
        Ok(value)
    });
    env.add_function(PRINTF, |format: &str, value: Value| super::filters::printf(format, &value));
    env.add_function(COPY, |value: Value| copy(&value, 0));
}

/// Deeper than any data that people write.
const DEEPEST: usize = 100;

/// A value that shares nothing with a namespace that changes later.
fn copy(value: &Value, depth: usize) -> Result<Value, Error> {
    use minijinja::value::ValueKind;
    if depth > DEEPEST {
        return Err(Error::new(
            minijinja::ErrorKind::InvalidOperation,
            "what a namespace is given is nested too deeply",
        ));
    }
    match value.kind() {
        ValueKind::Seq => value.try_iter()?.map(|item| copy(&item, depth + 1)).collect(),
        ValueKind::Map => {
            let mut all = vec![];
            for key in value.try_iter()? {
                all.push((key.clone(), copy(&value.get_item(&key)?, depth + 1)?));
            }
            Ok(Value::from_pairs(all))
        }
        _ => Ok(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_the_engine_takes_otherwise_is_rewritten() {
        for (text, is) in [
            ("a | default(1)", "a | default(1)"),
            ("a.b.c | default(1)", "__chain(a, \"b\", \"c\") | default(1)"),
            (
                "a['b'][c.d].e | d(x.y | default('z'))",
                "__chain(a, 'b', c.d, \"e\") | d(__chain(x, \"y\") | default('z'))",
            ),
            ("x or a.b is not defined", "x or __chain(a, \"b\") is not defined"),
            ("a[1:2] | default(1)", "a[1:2] | default(1)"),
            ("f(a).b | default(1)", "f(a).b | default(1)"),
            ("a | first.b | default(1)", "a | first.b | default(1)"),
            ("'%s' % a.b[0] ~ 'x'", "__printf('%s' , a.b[0]) ~ 'x'"),
            ("'%s-%s' % (a, b)", "__printf('%s-%s' , (a, b))"),
            ("a % 3", "a % 3"),
            ("x | regex_replace('(\\w+)\\.\\b', '\\1\\n')", "x | regex_replace('(\\w+)\\.\\\\b', '\\\\1\\n')"),
            ("'\\\\1'", "'\\\\1'"),
            ("'C:\\x\\u00e9\\x41'", "'C:\\\\x\\u00e9\\x41'"),
        ] {
            assert_eq!(expression(text).text, is, "{text}");
        }
        for (text, is) in [
            ("{% set ns.x = ns %}", "{% set ns.x = __copy(ns) %}"),
            ("{%- set ns.x = a + 1 -%}", "{%- set ns.x = __copy(a + 1) -%}"),
            (
                "{% set x = ns %}{% raw %}{{ a.b | d }}{% endraw %}{# {{ a.b | d }} #}{{ '\\1' }}",
                "{% set x = ns %}{% raw %}{{ a.b | d }}{% endraw %}{# {{ a.b | d }} #}{{ '\\1' }}",
            ),
            (
                "{% if a.b is defined %}{{ a.b }}{% endif %}",
                "{% if __chain(a, \"b\") is defined %}{{ a.b }}{% endif %}",
            ),
        ] {
            assert_eq!(template(text, Source::File).text, is, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_place_leads_back_to_what_was_written(text in "([ab]|\\.|\\[|\\]|'%s'| % |\\(|\\)| \\| default\\(1\\)|\\{\\{|\\}\\}| is defined|\\{% set a\\.b = | %\\}){0,30}") {
            for rewritten in [template(&text, Source::Manifest), expression(&text)] {
                let mut last = 0;
                for (at, c) in rewritten.text.char_indices() {
                    let old = rewritten.original(at..at + c.len_utf8());
                    prop_assert!(old.start >= last && old.end <= text.len(), "{text} {} {at}", rewritten.text);
                    last = old.start;
                }
            }
        }
    }
}
