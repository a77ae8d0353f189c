//! How deep a template's own structure may be. The engine's parser and its compiler call themselves for each level, so a
//! text of a few kilobytes could use up any stack: it is looked at before they see it.
//!
//! What counts is nesting as the engine's grammar has it (minijinja, `compiler/parser.rs`): each bracket, each operator,
//! which has all that stands before it as its left side, each statement that holds others, and each `elif`.

use std::ops::Range;

/// With these weights it takes half of a stack of 2 MiB at most, in a program that is not optimized.
const DEEPEST: usize = 400;
const OPERATOR: usize = 1;
const BRACKET: usize = 10;
const STATEMENT: usize = 6;
const ELIF: usize = 2;

/// Statements with an end of their own.
const HOLDS: &[&[u8]] = &[b"for", b"if", b"with", b"filter", b"macro", b"call", b"block", b"autoescape"];
/// Words that are operators.
const WORDS: &[&[u8]] = &[b"and", b"or", b"not", b"in", b"is", b"if", b"else"];

pub(super) const TOLD: &str = "this is nested more deeply than a template may be";

/// Where a template goes too deep, if it does: bytes of its text.
pub(super) fn too_deep(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // The statements that are open, with their weights.
    let mut statements: Vec<(&[u8], usize)> = vec![];
    let below = |statements: &[(&[u8], usize)]| statements.iter().map(|(_, weight)| weight).sum();
    let mut at = 0;
    while let Some(open) = find(bytes, at, b"{") {
        at = match bytes.get(open + 1) {
            Some(b'#') => find(bytes, open + 2, b"#}").map_or(bytes.len(), |end| end + 2),
            Some(b'{') => match code(bytes, open + 2, b"}}", below(&statements)) {
                Ok(code) => code.end,
                Err(deep) => return Some(deep),
            },
            Some(b'%') => {
                let code = match code(bytes, open + 2, b"%}", below(&statements)) {
                    Ok(code) => code,
                    Err(deep) => return Some(deep),
                };
                match code.word {
                    b"raw" => end_of_raw(bytes, code.end),
                    word => {
                        if HOLDS.contains(&word) || word == b"set" && !code.assigns {
                            statements.push((word, STATEMENT));
                        } else if word == b"elif" || word == b"else" {
                            statements.last_mut().into_iter().for_each(|(_, weight)| *weight += ELIF);
                        } else if let Some(ended) = word.strip_prefix(b"end") {
                            // An end of something else is none of this.
                            statements.pop_if(|(word, _)| *word == ended);
                        }
                        code.end
                    }
                }
            }
            _ => open + 1,
        };
    }
    None
}

/// What stands between two marks.
struct Code<'a> {
    /// Behind the closing mark.
    end: usize,
    word: &'a [u8],
    assigns: bool,
}

/// Reads code up to its closing mark.
///
/// # Errors
/// Where it goes too deep.
fn code<'a>(bytes: &'a [u8], start: usize, close: &[u8], below: usize) -> Result<Code<'a>, Range<usize>> {
    let mut levels = vec![0];
    let (mut at, mut word, mut assigns): (usize, &[u8], bool) = (start, b"", false);
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        if levels.len() == 1 && rest.starts_with(close) {
            return Ok(Code { end: at + close.len(), word, assigns });
        }
        let mut count = |weight: usize| levels.last_mut().into_iter().for_each(|level| *level += weight);
        let length = match byte {
            b'\'' | b'"' => string(rest),
            b'(' | b'[' | b'{' => {
                count(OPERATOR);
                levels.push(BRACKET);
                1
            }
            b')' | b']' | b'}' => {
                if levels.len() > 1 {
                    levels.pop();
                }
                1
            }
            b',' | b':' => {
                let own = if levels.len() > 1 { BRACKET } else { 0 };
                levels.last_mut().into_iter().for_each(|level| *level = own);
                1
            }
            b'0'..=b'9' => run(rest, |b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_'),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => {
                let length = run(rest, |b| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80);
                let found = rest.get(..length).unwrap_or_default();
                // The first word of a statement says what it is.
                if word.is_empty() {
                    word = found;
                } else if WORDS.contains(&found) {
                    count(OPERATOR);
                }
                length
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'~' | b'|' | b'.' | b'=' | b'!' | b'<' | b'>' => {
                assigns |= *byte == b'=';
                count(OPERATOR);
                1
            }
            _ => 1,
        };
        at += length.max(1);
        if below + levels.iter().sum::<usize>() > DEEPEST {
            return Err(start..at.min(bytes.len()));
        }
    }
    Ok(Code { end: bytes.len(), word, assigns })
}

pub(super) fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    bytes.get(from..)?.windows(what.len()).position(|window| window == what).map(|n| from + n)
}

fn run(bytes: &[u8], is_part: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|b| is_part(**b)).count()
}

/// How long a text in quotes is, with them.
pub(super) fn string(bytes: &[u8]) -> usize {
    let Some(quote) = bytes.first() else { return 0 };
    let mut escaped = false;
    for (n, byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b if b == quote => return n + 1,
            _ => {}
        }
    }
    bytes.len()
}

/// Behind the `{% endraw %}` that follows.
pub(super) fn end_of_raw(bytes: &[u8], mut at: usize) -> usize {
    while let Some(open) = find(bytes, at, b"{%") {
        let rest = bytes.get(open + 2..).unwrap_or_default();
        let rest = rest.strip_prefix(b"-").or(rest.strip_prefix(b"+")).unwrap_or(rest);
        if rest.trim_ascii_start().starts_with(b"endraw") {
            return find(bytes, open, b"%}").map_or(bytes.len(), |end| end + 2);
        }
        at = open + 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::too_deep;

    #[test]
    fn what_people_write_is_not_too_deep() {
        let wide = format!(
            "{{% set x = [{}] %}}{{{{ {{'a': {{'b': 1}}}} }}}}",
            "{'k': a ~ b | d('x'), 'l': [1, 2]}, ".repeat(2000)
        );
        let raw = format!("{{% raw %}}{}{{% endraw %}}{{{{ x }}}}", "{{ (".repeat(300));
        let texts = [
            wide,
            raw,
            "{{ a.b.c }} ".repeat(5000),
            "{% for a in b if a %}{% if a == 'x' or a is none %}{{ a }}{% elif b %}{% else %}{% endif %}{% endfor %}"
                .repeat(500),
            "{% set x %}{{ y }}{% endset %}{% set z = 1 %}".repeat(500),
            format!("{{# {} #}}", "((".repeat(500)),
            format!("{{{{ '{}' }}}}", "((".repeat(500)),
            format!("{{{{ {} }}}}", vec!["a"; 100].join(" ~ ")),
            "server { location / { return 200 \"{\"; } }".repeat(500),
        ];
        for text in texts {
            assert_eq!(too_deep(&text), None, "{:.80}", text);
        }
    }

    #[test]
    fn what_could_use_up_the_stack_is() {
        for text in [
            format!("{{{{ {} }}}}", vec!["a"; 8000].join("~")),
            format!("{{{{ {}a }}}}", "not ".repeat(8000)),
            format!("{{{{ {}1{} }}}}", "(".repeat(60), ")".repeat(60)),
            format!("{{{{ {}", "[".repeat(9000)),
            format!("{{{{ a{} }}}}", ".a".repeat(8000)),
            format!("{{{{ a{} }}}}", "[0]".repeat(8000)),
            format!("{{{{ a{} }}}}", "|string".repeat(8000)),
            format!("{{{{ a{} }}}}", " if a else a".repeat(8000)),
            format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(8000)),
            "{%- for a in b -%}".repeat(8000),
            "{% set a %}".repeat(8000),
            "{% if a %}{% set x | f(a=1) %}{% endset %}".repeat(8000),
            format!("{{% for a in b %}}{}{{{{ {} }}}}", "{% if a %}".repeat(30), vec!["a"; 300].join("~")),
        ] {
            assert!(too_deep(&text).is_some(), "{:.80}", text);
        }
    }
}
