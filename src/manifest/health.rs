//! What a play says shows that a host is well.

use crate::language::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::language::node::{Node, Yaml};
use crate::shell::health::{Asks, HealthCheck};

const ASKS: &[&str] = &["command", "port", "url"];
const KEYS: &[&str] = &["command", "port", "url", "retries", "delay", "timeout"];
/// Enough for anything that is waited for, and no overflow.
const LONGEST: i64 = 24 * 3600;

/// The checks as written: mappings with known keys, one of which says what is asked.
pub(super) fn read(node: &Node, found: &mut Diagnostics) -> Vec<Node> {
    let Some(checks) = node.as_list() else {
        let label = format!("`health` is a list of checks, this is {}", node.value.kind());
        found.push(Diagnostic::error("wrong value", Some(node.span), label).help("begin each with `- command: …`"));
        return vec![];
    };
    for check in checks {
        let Some(map) = check.as_map() else {
            let label = format!("a check is a mapping, this is {}", check.value.kind());
            found.push(Diagnostic::error("wrong value", Some(check.span), label).help("such as `- command: …`"));
            continue;
        };
        for (key, _) in map.iter().filter(|(k, _)| !KEYS.contains(&k.value.as_str())) {
            let d = Diagnostic::error("unknown key", Some(key.span), format!("a check has no `{}`", key.value));
            found.push(match did_you_mean(&key.value, KEYS.iter().copied()) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d.help(format!("it can be: {}", KEYS.join(", "))),
            });
        }
        if map.iter().filter(|(k, _)| ASKS.contains(&k.value.as_str())).count() != 1 {
            let at = map.first().map_or(check.span, |(k, _)| k.span);
            let label = format!("a check has one of {}", ASKS.join(", "));
            found.push(Diagnostic::error("wrong check", Some(at), label));
        }
    }
    checks.to_vec()
}

/// A check whose templates are rendered.
///
/// # Errors
/// The first thing that is wrong, at its place.
pub fn check(node: &Node) -> Result<HealthCheck, Diagnostic> {
    let wrong = |at: &Node, label: String| Diagnostic::error("wrong value", Some(at.span), label);
    if node.holds_secret() {
        let d = wrong(node, "a check is shown in plans and in the host's process list".into());
        return Err(d.help("let the command read the secret from a file on the host"));
    }
    let number = |key: &str, usual: u32, range: std::ops::RangeInclusive<i64>| match node.get(key) {
        None => Ok(usual),
        Some(Node { value: Yaml::Int(n), .. }) if range.contains(n) => Ok(u32::try_from(*n).unwrap_or(usual)),
        Some(other) => {
            Err(wrong(other, format!("`{key}` is a whole number from {} to {}", range.start(), range.end())))
        }
    };
    let text = |at: &Node| match at.as_str() {
        Some(text) if !text.trim().is_empty() && !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(wrong(at, "text is wanted here".into())),
    };
    let asks = if let Some(command) = node.get("command") {
        Asks::Command(text(command)?)
    } else if let Some(url) = node.get("url") {
        let text = text(url)?;
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return Err(wrong(url, "a URL begins with http:// or https://".into()));
        }
        Asks::Url(text)
    } else {
        let port = number("port", 0, 1..=65535)?;
        Asks::Port(u16::try_from(port).unwrap_or_default())
    };
    Ok(HealthCheck {
        asks,
        retries: number("retries", 3, 0..=10_000)?,
        delay: number("delay", 5, 0..=LONGEST)?,
        timeout: number("timeout", 10, 1..=LONGEST)?,
    })
}
