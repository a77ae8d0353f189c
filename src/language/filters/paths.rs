//! Parts of a path, as Python's `posixpath` cuts it. No file is looked at.

use super::args::{Args, is_list, items, text};
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
