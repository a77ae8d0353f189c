//! Choices, and text for others to read: shells, people.

use super::args::{Args, text, truth};
use super::wrong;
use crate::language::bounds::LARGEST;
use crate::language::methods::padded;
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

pub fn ternary(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let (yes, no) = (args.required("true_val")?, args.required("false_val")?);
    Ok(match args.get("none_val") {
        Some(none) if value.is_none() => none.clone(),
        _ if value.is_true() => yes.clone(),
        _ => no.clone(),
    })
}

pub fn mandatory(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    if !value.is_undefined() {
        return Ok(value.clone());
    }
    match args.get("msg") {
        Some(message) => Err(wrong(text(message)?)),
        None => Err(Error::from(ErrorKind::UndefinedError)),
    }
}

pub fn bool(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    // Null stays null, so that a default can follow.
    if value.is_none() { Ok(value.clone()) } else { truth(value).map(Value::from) }
}

/// The widest that a text is made.
const WIDEST: usize = 10_000;

/// Puts spaces, or a text, before the lines but the first. As Jinja2 has it, a line break at the end stays.
pub fn indent(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let text = text(value)?;
    let by = match args.get("width") {
        Some(by) if by.as_str().is_some() => by.as_str().unwrap_or_default().to_owned(),
        _ => " ".repeat(args.number("width", WIDEST)?.unwrap_or(4)),
    };
    let (first, blank) = (args.flag("first", false)?, args.flag("blank", false)?);
    let mut out = String::new();
    for (n, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let is_due = if n == 0 { first } else { blank || !line.is_empty() };
        out.push_str(if n == 0 { "" } else { "\n" });
        out.push_str(if is_due { &by } else { "" });
        out.push_str(line);
        if out.len() > LARGEST {
            return Err(wrong("this comes to too much text"));
        }
    }
    Ok(Value::from(out))
}

/// A text that is longer than `length` and some more is cut at a word.
pub fn truncate(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let (text, end) = (text(value)?, args.text_or("end", "...")?);
    let length = args.number("length", LARGEST)?.unwrap_or(255);
    let leeway = args.number("leeway", LARGEST)?.unwrap_or(5);
    let Some(room) = length.checked_sub(end.chars().count()) else {
        return Err(wrong(format!("`length` is at least that of `end`, {}", end.chars().count())));
    };
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(Value::from(text));
    }
    let start: String = text.chars().take(room).collect();
    let start = match start.rsplit_once(' ') {
        Some((words, _)) if !args.flag("killwords", false)? => words,
        _ => &start,
    };
    Ok(Value::from(format!("{start}{end}")))
}

pub fn wordcount(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let text = text(value)?;
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    Ok(Value::from(words.count()))
}

pub fn center(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let width = args.number("width", WIDEST)?.unwrap_or(80);
    Ok(Value::from(padded(&text(value)?, "center", width, ' ')))
}

/// Lines of at most so many characters.
pub fn wordwrap(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let mut options: Vec<(&str, Value)> = vec![("width", args.number("width", WIDEST)?.unwrap_or(79).into())];
    for name in ["break_long_words", "break_on_hyphens"] {
        options.push((name, args.flag(name, true)?.into()));
    }
    options.push(("wrapstring", args.text_or("wrapstring", "\n")?.into_owned().into()));
    minijinja_contrib::filters::wordwrap(&Value::from(text(value)?), options.into_iter().collect())
}

/// A value as Python shows it, on one line.
pub fn pprint(state: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    super::json::plain(state, value, 0)?;
    Ok(Value::from(super::printf::shown(value)))
}

/// The name of Python's type.
pub fn type_debug(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    Ok(Value::from(match value.kind() {
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::Seq | ValueKind::Iterable => "list",
        ValueKind::Map => "dict",
        _ => "str",
    }))
}

/// One word of a POSIX shell, as Python's `shlex.quote` writes it.
pub fn quote(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let text = text(value)?;
    if text.contains('\0') {
        return Err(wrong("the text has a NUL, which no shell word can hold"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(Value::from(text));
    }
    Ok(Value::from(format!("'{}'", text.replace('\'', "'\"'\"'"))))
}

/// Text as a comment in the style of a language.
pub fn comment(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let (beginning, decoration, end) = match args.text_or("style", "plain")?.as_ref() {
        "plain" => ("", "# ", ""),
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        other => return Err(wrong(format!("`style` is one of plain, erlang, c, cblock, xml, not `{other}`"))),
    };
    let decoration = args.text_or("decoration", decoration)?;
    let newline = args.text_or("newline", "\n")?;
    if newline.is_empty() {
        return Err(wrong("`newline` is empty"));
    }
    let beginning = args.text_or("beginning", beginning)?;
    let end = args.text_or("end", end)?;
    let prefix = args.text_or("prefix", decoration.trim_end())?;
    let postfix = args.text_or("postfix", decoration.trim_end())?;
    let prefixes = args.number("prefix_count", 1000)?.unwrap_or(1);
    let postfixes = args.number("postfix_count", 1000)?.unwrap_or(1);
    let text = text(value)?;
    let lines = text.matches(newline.as_ref()).count() + prefixes + postfixes;
    let widest = decoration.len().max(prefix.len()).max(postfix.len()) + newline.len();
    state.consume_fuel((lines as u64).saturating_mul(widest as u64) / 16)?;

    let mut out = String::new();
    if !beginning.is_empty() {
        out.extend([beginning.as_ref(), newline.as_ref()]);
    }
    if !prefix.is_empty() {
        let line = if prefix == newline { newline.to_string() } else { format!("{prefix}{newline}") };
        out.push_str(&line.repeat(prefixes));
    }
    let decorated = format!("{decoration}{}", text.replace(newline.as_ref(), &format!("{newline}{decoration}")));
    // An empty line is not to end with spaces.
    out.push_str(&match decoration.is_empty() {
        true => decorated,
        false => decorated.replace(&format!("{decoration}{newline}"), &format!("{}{newline}", decoration.trim_end())),
    });
    out.push_str(&format!("{newline}{postfix}").repeat(postfixes));
    if !end.is_empty() {
        out.extend([newline.as_ref(), end.as_ref()]);
    }
    Ok(Value::from(out))
}
