//! Host names as inventories write them: ranges `web[01:50]`, `db[a:f]`, `n[1:9:2]`, and a port after a colon.

use std::net::Ipv6Addr;

/// What one name may stand for at the most.
const MOST: usize = 100_000;
/// Ranges in one name.
const MOST_RANGES: usize = 8;
/// Letters in the order that a range counts them.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Why a name is none: what is wrong with it, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongName {
    pub what: String,
    pub help: &'static str,
}

const RANGE: &str = "a range is written [1:20], [01:20], [a:f] or [1:20:2]";

fn wrong<T>(what: impl Into<String>, help: &'static str) -> Result<T, WrongName> {
    Err(WrongName { what: what.into(), help })
}

/// The hosts that a name stands for, and their port where it gives one.
///
/// # Errors
/// What is wrong with a range, the port, or the name.
pub fn hosts(text: &str) -> Result<(Vec<String>, Option<u16>), WrongName> {
    let (name, port) = split_port(text)?;
    if is_ipv6(name) {
        return Ok((vec![name.to_owned()], port));
    }
    let help = match name {
        "-" | "---" => "this looks like YAML: give the file the ending .yml",
        _ => "a host's name has letters, digits, dots and dashes, and begins with no dash",
    };
    if name.is_empty() || name.starts_with('-') || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return wrong(format!("`{name}` is no host name"), help);
    }
    if name.replace("::", "").contains(':') && !name.contains('[') {
        return wrong(format!("`{name}` is no host name"), "a host is written name, name:port or [IPv6 address]:port");
    }
    Ok((expand(name)?, port))
}

fn is_ipv6(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok()
}

/// `host:2222`, `[::1]:22`; an IPv6 address without brackets has no port.
fn split_port(text: &str) -> Result<(&str, Option<u16>), WrongName> {
    if is_ipv6(text) {
        return Ok((text, None));
    }
    let bracketed = text.strip_prefix('[').and_then(|t| t.split_once(']')).filter(|(address, _)| is_ipv6(address));
    let (name, rest) = match bracketed {
        Some((address, "")) => return Ok((address, None)),
        Some((address, rest)) => (address, rest.strip_prefix(':').unwrap_or(rest)),
        // A colon inside brackets belongs to a range.
        None => match text.rsplit_once(':') {
            Some((name, rest)) if !rest.contains(']') && !name.ends_with(':') => (name, rest),
            _ => return Ok((text, None)),
        },
    };
    match rest.parse() {
        Ok(port) if port > 0 => Ok((name, Some(port))),
        _ => wrong(format!("`{rest}` is no port"), "a port is a number from 1 to 65535; a host is written name:port"),
    }
}

/// All names that a name with ranges stands for.
///
/// # Errors
/// What is wrong with a range.
pub fn expand(name: &str) -> Result<Vec<String>, WrongName> {
    if name.matches('[').count() > MOST_RANGES {
        return wrong(format!("more than {MOST_RANGES} ranges in one name"), RANGE);
    }
    let mut names = vec![String::new()];
    let mut rest = name;
    while let Some((head, after)) = rest.split_once('[') {
        let Some((inner, tail)) = after.split_once(']') else {
            return wrong("`]` is missing", RANGE);
        };
        let values = values(inner)?;
        if names.len().saturating_mul(values.len()) > MOST {
            return wrong(format!("this stands for more than {MOST} hosts"), RANGE);
        }
        names = names.iter().flat_map(|n| values.iter().map(move |v| format!("{n}{head}{v}"))).collect();
        rest = tail;
    }
    if rest.contains(']') {
        return wrong("`[` is missing", RANGE);
    }
    names.iter_mut().for_each(|n| n.push_str(rest));
    Ok(names)
}

fn values(inner: &str) -> Result<Vec<String>, WrongName> {
    let parts: Vec<&str> = inner.split(':').collect();
    let (first, last, step) = match parts.as_slice() {
        [first, last] => (*first, *last, "1"),
        [first, last, step] => (*first, *last, *step),
        _ => return wrong(format!("`[{inner}]` is no range"), RANGE),
    };
    let Some(step) = step.parse::<usize>().ok().filter(|s| *s > 0) else {
        return wrong(format!("`{step}` is no step"), RANGE);
    };
    let first = if first.is_empty() { "0" } else { first };
    let backwards = || wrong(format!("`[{inner}]` runs backwards"), "the smaller one stands first");
    if let (Ok(a), Ok(b)) = (first.parse::<u64>(), last.parse::<u64>()) {
        if a > b {
            return backwards();
        }
        // Leading zeros give the width.
        let padded = first.starts_with('0') && first.len() > 1;
        if padded && first.len() != last.len() {
            return wrong(
                format!("`{first}` and `{last}` are not of one length"),
                "with leading zeros both ends have the same length, such as [008:120]",
            );
        }
        let width = if padded { first.len() } else { 0 };
        return Ok((a..=b).step_by(step).take(MOST + 1).map(|n| format!("{n:0width$}")).collect());
    }
    let letter = |t: &str| LETTERS.find(t).filter(|_| t.len() == 1);
    match (letter(first), letter(last)) {
        (Some(a), Some(b)) if a <= b => {
            Ok(LETTERS.chars().skip(a).take(b - a + 1).step_by(step).map(String::from).collect())
        }
        (Some(_), Some(_)) => backwards(),
        _ => wrong(format!("`[{inner}]` is no range"), RANGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_count_as_ansibles_do() {
        let expand = |name| expand(name).unwrap().join(" ");
        assert_eq!(expand("web[09:11]"), "web09 web10 web11");
        assert_eq!(expand("web[9:11]"), "web9 web10 web11");
        assert_eq!(expand("web[:2]"), "web0 web1 web2");
        assert_eq!(expand("[a:c].x"), "a.x b.x c.x");
        assert_eq!(expand("[y:B]"), "y z A B");
        assert_eq!(expand("n[1:5:2]-[0:1]"), "n1-0 n1-1 n3-0 n3-1 n5-0 n5-1");
    }

    #[test]
    fn wrong_ranges_are_told() {
        let wrong = |name| expand(name).unwrap_err().what;
        assert_eq!(wrong("web[3:1]"), "`[3:1]` runs backwards");
        assert_eq!(wrong("web[1"), "`]` is missing");
        assert_eq!(wrong("web1]"), "`[` is missing");
        assert_eq!(wrong("web[1:2:0]"), "`0` is no step");
        assert_eq!(wrong("web[08:120]"), "`08` and `120` are not of one length");
        assert_eq!(wrong("web[1]"), "`[1]` is no range");
        assert_eq!(wrong("web[0:99999999999]"), "this stands for more than 100000 hosts");
        assert_eq!(wrong("[0:999][0:999]"), "this stands for more than 100000 hosts");
        assert_eq!(wrong(&"[0:0]".repeat(100_000)), "more than 8 ranges in one name");
    }

    #[test]
    fn ports_and_addresses() {
        let read = |text| hosts(text).map(|(names, port)| (names.join(" "), port)).map_err(|e| e.what);
        let good = |names: &str, port| Ok((names.to_owned(), port));
        assert_eq!(read("web1"), good("web1", None));
        assert_eq!(read("web1:2222"), good("web1", Some(2222)));
        assert_eq!(read("web[1:2]:22"), good("web1 web2", Some(22)));
        assert_eq!(read("[1:2].x"), good("1.x 2.x", None));
        assert_eq!(read("::1"), good("::1", None));
        assert_eq!(read("[::1]"), good("::1", None));
        assert_eq!(read("[2001:db8::5]:2201"), good("2001:db8::5", Some(2201)));
        assert_eq!(read("fe80::1%eth0"), good("fe80::1%eth0", None));
        assert_eq!(read("web1:ssh"), Err("`ssh` is no port".into()));
        assert_eq!(read("web1:0"), Err("`0` is no port".into()));
        assert_eq!(read("web1:70000"), Err("`70000` is no port".into()));
        assert_eq!(read("-oProxyCommand=x"), Err("`-oProxyCommand=x` is no host name".into()));
        assert_eq!(read("a:b:22"), Err("`a:b` is no host name".into()));
    }

    proptest! {
        #[test]
        fn arbitrary_names_are_no_panic(name in "[a-z0-9:\\[\\]%é-]{0,20}") {
            let _ = hosts(&name);
            let _ = expand(&name);
        }
    }
}
