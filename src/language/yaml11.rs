//! Scalars without quotes as PyYAML, and so Ansible, reads them: by the types of YAML 1.1.
//! Sources: <https://yaml.org/type/>, and the resolver of PyYAML, which differs from it.

use super::node::Yaml;

/// A plain scalar by YAML 1.1.
pub fn plain(text: &str) -> Yaml {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Yaml::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Yaml::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Yaml::Bool(false),
        _ => {}
    }
    number(text).unwrap_or_else(|| Yaml::String(text.to_owned()))
}

fn number(text: &str) -> Option<Yaml> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let negative = text.starts_with('-');
    if let Some(n) = float(unsigned) {
        return Some(Yaml::Float(if negative { -n } else { n }));
    }
    let n = int(unsigned)?;
    let n = if negative { -n } else { n };
    // A number that no 64 bits hold is a number all the same.
    Some(i64::try_from(n).map_or(Yaml::Float(n as f64), Yaml::Int))
}

fn int(text: &str) -> Option<i128> {
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'b', ..] => (2, text.get(2..)?),
        [b'0', b'x', ..] => (16, text.get(2..)?),
        [b'0', _, ..] => (8, text.get(1..)?),
        [b'0'..=b'9', ..] => (10, text),
        _ => return None,
    };
    if radix == 10 && text.contains(':') {
        return sexagesimal(text);
    }
    let digits = digits.replace('_', "");
    // Python's reader of such a number fails where nothing but underscores is left.
    if digits.starts_with(['-', '+']) { None } else { i128::from_str_radix(&digits, radix).ok() }
}

/// `12:30:00`, a number to the base of 60.
fn sexagesimal(text: &str) -> Option<i128> {
    let mut parts = text.split(':');
    let first = parts.next()?.replace('_', "");
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let mut n: i128 = if plain(&first) { first.parse().ok()? } else { return None };
    for part in parts {
        let small = plain(part) && part.len() <= 2;
        let digit: i128 = part.parse().ok().filter(|n| small && *n < 60)?;
        n = n.checked_mul(60)?.checked_add(digit)?;
    }
    Some(n)
}

/// A dot makes one; an exponent has its sign.
fn float(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let (whole, rest) = text.split_once('.')?;
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (rest.get(..at)?, Some(rest.get(at + 1..)?)),
        None => (rest, None),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if let Some(exponent) = exponent {
        let number = exponent.strip_prefix(['-', '+'])?;
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
    }
    if whole.contains(':') && exponent.is_none() && digits(fraction) {
        let fraction = format!("0.{}", fraction.replace('_', ""));
        return Some(sexagesimal(whole)? as f64 + fraction.parse().unwrap_or(0.0));
    }
    let begins = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || !(begins(whole) || whole.is_empty() && begins(fraction)) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        match plain(text) {
            Yaml::Int(n) => n.to_string(),
            Yaml::Float(n) => format!("{n:?}"),
            Yaml::Bool(b) => b.to_string(),
            Yaml::Null => "null".into(),
            other => format!("{:?}", other),
        }
    }

    /// As `yaml.safe_load` of PyYAML 6.0.4 gives them, but for the date, which stays text here.
    #[test]
    fn scalars_have_the_types_that_pyyaml_gives_them() {
        for (text, want) in [
            ("no", "false"),
            ("No", "false"),
            ("off", "false"),
            ("yes", "true"),
            ("ON", "true"),
            ("y", "\"y\""),
            ("nO", "\"nO\""),
            ("12", "12"),
            ("+12", "12"),
            ("-0x1f", "-31"),
            ("0644", "420"),
            ("0o644", "\"0o644\""),
            ("0b101", "5"),
            ("0", "0"),
            ("08", "\"08\""),
            ("1_000", "1000"),
            ("1__0_", "10"),
            ("_1", "\"_1\""),
            ("12:30:00", "45000"),
            ("1:60", "\"1:60\""),
            ("22:22", "1342"),
            ("1:2.5", "62.5"),
            ("1.10", "1.1"),
            ("1.", "1.0"),
            (".5", "0.5"),
            (".", "\".\""),
            ("1e3", "\"1e3\""),
            ("1.0e3", "\"1.0e3\""),
            ("1.0e+3", "1000.0"),
            ("1.5e-3", "0.0015"),
            ("-.inf", "-inf"),
            ("1.2.3", "\"1.2.3\""),
            ("2024-01-01", "\"2024-01-01\""),
            ("~", "null"),
            ("a", "\"a\""),
        ] {
            let want = want
                .strip_prefix('"')
                .and_then(|w| w.strip_suffix('"'))
                .map_or(want.to_owned(), |w| format!("{:?}", Yaml::String(w.to_owned())));
            assert_eq!(shown(text), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_no_panic(text in "[-+0-9._:eExobyn]{0,30}") {
            plain(&text);
        }
    }
}
