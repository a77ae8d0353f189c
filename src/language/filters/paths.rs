//! Parts of a path, as Python's `posixpath` cuts it. No file is looked at.

use super::args::{Args, is_list, items, text};
use super::wrong;
use minijinja::{Error, State, Value};

pub fn basename(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let path = text(value)?;
    Ok(Value::from(path.rsplit('/').next().unwrap_or_default()))
}

pub fn dirname(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let path = text(value)?;
    let head = path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or_default();
    // The root's slashes are all there is of it.
    let cut = head.trim_end_matches('/');
    Ok(Value::from(if cut.is_empty() { head } else { cut }))
}

/// The path without its extension, and the extension with its dot.
pub fn splitext(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let path = text(value)?;
    let name = path.rfind('/').map_or(0, |at| at + 1);
    // Dots at the start of a name belong to it.
    let stem = path.get(name..).map_or(name, |n| name + n.len() - n.trim_start_matches('.').len());
    let at = path.rfind('.').filter(|at| *at > stem).unwrap_or(path.len());
    let (root, extension) = path.split_at(at);
    Ok(Value::from(vec![Value::from(root), Value::from(extension)]))
}

/// Parts put together; what begins with a slash begins anew.
pub fn path_join(state: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let parts = if is_list(value) { items(state, value)? } else { vec![value.clone()] };
    let mut out = String::new();
    for part in &parts {
        let part = text(part)?;
        if part.starts_with('/') {
            out.clear();
        } else if !out.is_empty() && !out.ends_with('/') {
            out.push('/');
        }
        out.push_str(&part);
    }
    Ok(Value::from(out))
}

pub fn is_abs(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    Ok(Value::from(text(value)?.starts_with('/')))
}

/// Without `.`, `..` and doubled slashes.
fn normal(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = vec![];
    for part in path.split('/').filter(|p| !p.is_empty() && *p != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            ("..", None) if absolute => {}
            _ => parts.push(part),
        }
    }
    // POSIX leaves two slashes at the start to the system.
    let start = if path.starts_with("//") && !path.starts_with("///") { "//" } else { "/" };
    match (absolute, parts.is_empty()) {
        (true, _) => format!("{start}{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

pub fn normpath(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    Ok(Value::from(normal(&text(value)?)))
}

/// The way from `start` to a path.
pub fn relpath(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let (path, start) = (normal(&text(value)?), normal(&args.text("start")?));
    if path.starts_with('/') != start.starts_with('/') {
        return Err(wrong("both paths are absolute, or both are relative"));
    }
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|p| !p.is_empty() && *p != ".").map(str::to_owned).collect()
    };
    let (path, start) = (parts(&path), parts(&start));
    let common = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let up = start.iter().skip(common).map(|_| "..");
    let way: Vec<&str> = up.chain(path.iter().skip(common).map(String::as_str)).collect();
    Ok(Value::from(if way.is_empty() { ".".to_owned() } else { way.join("/") }))
}

/// What a list of paths has in common.
pub fn commonpath(state: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let mut common: Option<Vec<String>> = None;
    let mut absolute = None;
    for path in items(state, value)? {
        let path = text(&path)?;
        if *absolute.get_or_insert(path.starts_with('/')) != path.starts_with('/') {
            return Err(wrong("all paths are absolute, or all are relative"));
        }
        let parts = path.split('/').filter(|p| !p.is_empty() && *p != ".").map(str::to_owned);
        common = Some(match common {
            None => parts.collect(),
            Some(common) => common.into_iter().zip(parts).take_while(|(a, b)| a == b).map(|(a, _)| a).collect(),
        });
    }
    let common = common.ok_or_else(|| wrong("there are no paths"))?.join("/");
    Ok(Value::from(if absolute == Some(true) { format!("/{common}") } else { common }))
}

/// A drive and what comes after it, of a path of Windows.
fn drive(path: &str) -> (&str, &str) {
    match path.as_bytes() {
        [letter, b':', ..] if letter.is_ascii_alphabetic() => path.split_at(2),
        _ => ("", path),
    }
}

pub fn win_splitdrive(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let path = text(value)?;
    let (drive, rest) = drive(&path);
    Ok(Value::from(vec![Value::from(drive), Value::from(rest)]))
}

pub fn win_basename(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    Ok(Value::from(drive(&text(value)?).1.rsplit(['\\', '/']).next().unwrap_or_default()))
}

pub fn win_dirname(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    let path = text(value)?;
    let (drive, rest) = drive(&path);
    let head = rest.rfind(['\\', '/']).and_then(|at| rest.get(..=at)).unwrap_or_default();
    let cut = head.trim_end_matches(['\\', '/']);
    Ok(Value::from(format!("{drive}{}", if cut.is_empty() { head } else { cut })))
}
