//! Regular expressions, with replacements as Python's `re.sub` writes them.

use super::args::{Args, text};
use super::wrong;
use minijinja::{Error, State, Value};
use regex::{Captures, Regex, RegexBuilder};
use std::cell::RefCell;
use std::collections::HashMap;

/// A compiled expression's size in bytes; what people write comes to a few kilobytes.
const MAX_SIZE: usize = 1 << 20;
const KEPT: usize = 64;

thread_local! {
    /// A filter inside a loop would compile its expression for every item.
    static COMPILED: RefCell<HashMap<(String, bool, bool), Regex>> = RefCell::default();
}

pub fn compile(state: &State, pattern: &str, args: &Args, text: &str) -> Result<Regex, Error> {
    compile_with(state, pattern, args.flag("ignorecase", false)?, args.flag("multiline", false)?, text)
}

/// An expression, and the search of `text` by it paid for.
pub fn compile_with(state: &State, pattern: &str, nocase: bool, multiline: bool, text: &str) -> Result<Regex, Error> {
    state.consume_fuel(20 + (pattern.len() as u64).saturating_add(text.len() as u64) / 8)?;
    let key = (pattern.to_owned(), nocase, multiline);
    if let Some(known) = COMPILED.with_borrow(|all| all.get(&key).cloned()) {
        return Ok(known);
    }
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(nocase)
        .multi_line(multiline)
        .size_limit(MAX_SIZE)
        .build()
        .map_err(|error| wrong(format!("malformed regular expression `{pattern}`: {}", reason(&error))))?;
    COMPILED.with_borrow_mut(|all| {
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(key, regex.clone());
    });
    Ok(regex)
}

/// The last line of a message that draws the expression over several.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
        other => {
            let all = other.to_string();
            all.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    }
}

enum Piece {
    Text(String),
    Group(usize),
}

/// `\1`, `\g<1>` and `\g<name>` are groups, `\n` and the like what they are in Python.
fn replacement(source: &str, regex: &Regex) -> Result<Vec<Piece>, Error> {
    let group = |n: usize| match n < regex.captures_len() {
        true => Ok(Piece::Group(n)),
        false => Err(wrong(format!("the replacement names group {n}, which the pattern does not have"))),
    };
    let mut pieces = vec![];
    let mut plain = String::new();
    let mut rest = source.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        let found =
            match rest.next() {
                None => return Err(wrong("the replacement ends with a lone `\\`")),
                Some('n') => Err('\n'),
                Some('t') => Err('\t'),
                Some('r') => Err('\r'),
                Some('\\') => Err('\\'),
                Some('g') => {
                    if rest.next() != Some('<') {
                        return Err(wrong("the replacement has `\\g` without `<…>` after it"));
                    }
                    let name: String = rest.by_ref().take_while(|c| *c != '>').collect();
                    let number = name.parse().ok().or_else(|| regex.capture_names().position(|n| n == Some(&name)));
                    Ok(number.ok_or_else(|| {
                        wrong(format!("the replacement names group `{name}`, which the pattern does not have"))
                    })?)
                }
                Some(digit @ '1'..='9') => {
                    let second = rest.next_if(char::is_ascii_digit);
                    Ok([Some(digit), second]
                        .into_iter()
                        .flatten()
                        .filter_map(|c| c.to_digit(10))
                        .fold(0, |n, d| n * 10 + d) as usize)
                }
                Some(other) if other.is_ascii_alphanumeric() => {
                    return Err(wrong(format!("the replacement has the unknown escape `\\{other}`")));
                }
                Some(other) => {
                    plain.push('\\');
                    Err(other)
                }
            };
        match found {
            Err(c) => plain.push(c),
            Ok(n) => {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(group(n)?);
            }
        }
    }
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

pub fn replace(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let text = text(value)?;
    let regex = compile(state, &args.text("pattern")?, args, &text)?;
    let pieces = replacement(&args.text("replacement")?, &regex)?;
    let count = args.number("count", usize::MAX)?.unwrap_or(0);
    let (mut done, mut at, mut out) = (0, 0, String::new());
    for groups in regex.captures_iter(&text) {
        let Some(whole) = groups.get(0) else { break };
        out.push_str(text.get(at..whole.start()).unwrap_or_default());
        let before = out.len();
        for piece in &pieces {
            match piece {
                Piece::Text(plain) => out.push_str(plain),
                Piece::Group(n) => out.push_str(groups.get(*n).map_or("", |m| m.as_str())),
            }
        }
        state.consume_fuel(1 + (out.len() - before) as u64 / 64)?;
        at = whole.end();
        done += 1;
        if done == count {
            break;
        }
    }
    out.push_str(text.get(at..).unwrap_or_default());
    match args.number("mandatory_count", usize::MAX)? {
        Some(wanted) if wanted > 0 && done != wanted => {
            Err(wrong(format!("`{}` was found {done} times, not {wanted} times", regex.as_str())))
        }
        _ => Ok(Value::from(out)),
    }
}

/// The first match, or its groups where some are asked for; null where there is none.
pub fn search(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let text = text(value)?;
    let Some((pattern, wanted)) = args.more.split_first() else { return Err(wrong("`pattern` is missing")) };
    let regex = compile(state, &super::args::text(pattern)?, args, &text)?;
    let mut groups = vec![];
    for name in wanted {
        let source = super::args::text(name)?;
        match replacement(&source, &regex)?.as_slice() {
            [Piece::Text(before), Piece::Group(n), Piece::Text(after)] if before.is_empty() && after.is_empty() => {
                groups.push(*n);
            }
            _ => return Err(wrong(format!("a group is written `\\\\1` or `\\\\g<name>`, not `{source}`"))),
        }
    }
    let Some(found) = regex.captures(&text) else { return Ok(Value::from(())) };
    if groups.is_empty() {
        return Ok(group(&found, 0));
    }
    Ok(groups.into_iter().map(|n| found.get(n).map_or(Value::from(()), |m| Value::from(m.as_str()))).collect())
}

fn group(found: &Captures<'_>, n: usize) -> Value {
    Value::from(found.get(n).map_or("", |m| m.as_str()))
}

/// Every match: as text, or its group, or the list of its groups, by how many the pattern has.
pub fn findall(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let text = text(value)?;
    let regex = compile(state, &args.text("pattern")?, args, &text)?;
    let mut all = vec![];
    for found in regex.captures_iter(&text) {
        state.consume_fuel(found.len() as u64)?;
        all.push(match found.len() {
            1 => group(&found, 0),
            2 => group(&found, 1),
            n => (1..n).map(|n| group(&found, n)).collect(),
        });
    }
    Ok(all.into_iter().collect())
}

pub fn escape(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let text = text(value)?;
    match args.text_or("re_type", "python")?.as_ref() {
        "python" => Ok(Value::from(regex::escape(&text))),
        "posix_basic" => {
            let mut out = String::with_capacity(text.len());
            for c in text.chars() {
                if matches!(c, ']' | '[' | '.' | '^' | '$' | '*' | '\\') {
                    out.push('\\');
                }
                out.push(c);
            }
            Ok(Value::from(out))
        }
        other => Err(wrong(format!("`re_type` is python or posix_basic, not `{other}`"))),
    }
}
