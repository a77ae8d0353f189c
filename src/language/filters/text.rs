//! Choices, and text for others to read: shells, people.

use super::args::{Args, text, truth};
use super::wrong;
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
