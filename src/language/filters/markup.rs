//! Text in HTML, XML and addresses of the web.

use super::args::{Args, items, kind, pairs, text};
use super::wrong;
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};
use std::fmt::Write as _;

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}

/// As MarkupSafe does it.
pub fn escape(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    Ok(Value::from(escaped(&text(value)?)))
}

pub fn striptags(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    Ok(Value::from(minijinja_contrib::filters::striptags(text(value)?.into_owned())))
}

/// A map as attributes; those that are null are left out.
pub fn xmlattr(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let mut out = String::new();
    for (key, value) in pairs(state, value)? {
        if value.is_none() || value.is_undefined() {
            continue;
        }
        let key = text(&key)?;
        if key.is_empty() || key.contains(|c: char| c.is_whitespace() || "/>=".contains(c)) {
            return Err(wrong(format!("`{}` is no attribute's name", key.escape_debug())));
        }
        let _ = write!(out, " {}=\"{}\"", escaped(&key), escaped(&text(&value)?));
    }
    if !args.flag("autospace", true)? {
        out = out.trim_start().to_owned();
    }
    Ok(Value::from(out))
}

fn quoted(text: &str, keeps: &str, space: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' if !space.is_empty() => out.push_str(space),
            b if b.is_ascii_alphanumeric() || b"_.-~".contains(&b) || keeps.as_bytes().contains(&b) => {
                out.push(b.into());
            }
            b => {
                let _ = write!(out, "%{b:02X}");
            }
        }
    }
    out
}

/// A text for a path, a map or a list of pairs as a query.
pub fn urlencode(state: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let all = match value.kind() {
        ValueKind::Map => pairs(state, value)?,
        ValueKind::Seq | ValueKind::Iterable => {
            let mut all = vec![];
            for pair in items(state, value)? {
                match items(state, &pair)?.as_slice() {
                    [key, value] => all.push((key.clone(), value.clone())),
                    _ => return Err(wrong("a list of pairs is wanted")),
                }
            }
            all
        }
        _ => return Ok(Value::from(quoted(&text(value)?, "/", ""))),
    };
    let mut parts = vec![];
    for (key, value) in all {
        parts.push(format!("{}={}", quoted(&text(&key)?, "", "+"), quoted(&text(&value)?, "", "+")));
    }
    Ok(Value::from(parts.join("&")))
}

pub fn urldecode(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let text = text(value)?;
    let (mut out, mut rest) = (vec![], text.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let code = || after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        (rest, _) = match (byte, code()) {
            (b'%', Some(code)) => (after.get(2..).unwrap_or_default(), out.push(code)),
            (b'+', _) => (after, out.push(b' ')),
            _ => (after, out.push(*byte)),
        };
    }
    Ok(Value::from(String::from_utf8_lossy(&out).into_owned()))
}

/// The parts of an address, RFC 3986, or one of them.
pub fn urlsplit(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let url = text(value)?;
    let (rest, fragment) = url.split_once('#').unwrap_or((&url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_scheme = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_alphabetic())
            && s.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let (scheme, rest) = rest.split_once(':').filter(|(s, _)| is_scheme(s)).unwrap_or(("", rest));
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (user, host) = netloc.rsplit_once('@').map_or((None, netloc), |(user, host)| (Some(user), host));
    let (username, password) = match user {
        Some(user) => user.split_once(':').map_or((Some(user), None), |(u, p)| (Some(u), Some(p))),
        None => (None, None),
    };
    let (host, port) = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => host.rsplit_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
    };
    let port = match port.filter(|p| !p.is_empty()).map(str::parse::<u16>) {
        Some(Ok(port)) => Value::from(port),
        Some(Err(_)) => return Err(wrong("its port is no number")),
        None => Value::from(()),
    };
    let part = |text: Option<&str>| text.map_or(Value::from(()), Value::from);
    let hostname = Some(host.to_lowercase()).filter(|h| !h.is_empty());
    let parts = [
        ("fragment", part(Some(fragment))),
        ("hostname", part(hostname.as_deref())),
        ("netloc", part(Some(netloc))),
        ("password", part(password)),
        ("path", part(Some(path))),
        ("port", port),
        ("query", part(Some(query))),
        ("scheme", part(Some(&scheme.to_lowercase()))),
        ("username", part(username)),
    ];
    let wanted = args.text_or("query", "")?;
    if wanted.is_empty() {
        return Ok(Value::from_pairs(parts));
    }
    match parts.iter().find(|(name, _)| *name == wanted) {
        Some((_, part)) => Ok(part.clone()),
        None => Err(wrong(format!("`query` is one of {}", parts.map(|(name, _)| name).join(", ")))),
    }
}

/// Whether it is an address with a scheme.
pub fn is_url(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    if value.kind() != ValueKind::String {
        return Err(wrong(format!("text is wanted, this is {}", kind(value))));
    }
    let text = text(value)?;
    let known = ["http", "https", "ftp", "ftps", "sftp", "ssh", "git", "rsync", "file", "ldap", "ldaps"];
    let more = args.get("schemes").map(|s| s.to_string()).unwrap_or_default();
    let scheme = text.split_once("://").filter(|(_, rest)| !rest.is_empty()).map(|(scheme, _)| scheme.to_lowercase());
    Ok(Value::from(scheme.is_some_and(|s| known.contains(&s.as_str()) || more.contains(&s))))
}
