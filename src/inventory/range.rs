//! Ranges in host names: `web[01:50]`, `db[a:f]`, `n[1:9:2]`.

/// A range may name no more hosts than this.
const MOST: usize = 100_000;

/// All names that a name with ranges stands for.
///
/// # Errors
/// What is wrong with a range.
pub fn expand(name: &str) -> Result<Vec<String>, String> {
    let Some(open) = name.find('[') else { return Ok(vec![name.to_owned()]) };
    let (head, rest) = name.split_at(open);
    let (inner, tail) = rest
        .strip_prefix('[')
        .and_then(|r| r.split_once(']'))
        .ok_or_else(|| "a range is not closed: `]` is missing".to_owned())?;
    let tails = expand(tail)?;
    let mut out = vec![];
    for middle in values(inner)? {
        for t in &tails {
            if out.len() >= MOST {
                return Err(format!("a range that names more than {MOST} hosts"));
            }
            out.push(format!("{head}{middle}{t}"));
        }
    }
    Ok(out)
}

fn values(inner: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = inner.split(':').collect();
    let (first, last, step) = match parts.as_slice() {
        [first, last] => (*first, *last, "1"),
        [first, last, step] => (*first, *last, *step),
        _ => return Err(format!("`[{inner}]` is no range: write [1:20] or [a:f]")),
    };
    let step: usize = step.parse().ok().filter(|s| *s > 0).ok_or_else(|| format!("`{step}` is no step"))?;
    let first = if first.is_empty() { "0" } else { first };
    if let (Ok(a), Ok(b)) = (first.parse::<u64>(), last.parse::<u64>()) {
        if a > b {
            return Err(format!("`[{inner}]` runs backwards"));
        }
        // Leading zeros give the width.
        let width = if first.starts_with('0') && first.len() > 1 { first.len() } else { 0 };
        return Ok((a..=b).step_by(step).take(MOST + 1).map(|n| format!("{n:0width$}")).collect());
    }
    let letter = |t: &str| match t.chars().collect::<Vec<_>>().as_slice() {
        [c] if c.is_ascii_alphabetic() => Some(*c),
        _ => None,
    };
    match (letter(first), letter(last)) {
        (Some(a), Some(b)) if a <= b => Ok((a..=b).step_by(step).map(String::from).collect()),
        _ => Err(format!("`[{inner}]` is no range: write [1:20] or [a:f]")),
    }
}

#[cfg(test)]
mod tests {
    use super::expand;
    use proptest::prelude::*;

    #[test]
    fn ranges_count_as_ansibles_do() {
        assert_eq!(expand("web[09:11]").unwrap(), ["web09", "web10", "web11"]);
        assert_eq!(expand("[a:c].x").unwrap(), ["a.x", "b.x", "c.x"]);
        assert_eq!(expand("n[1:5:2]-[0:1]").unwrap(), ["n1-0", "n1-1", "n3-0", "n3-1", "n5-0", "n5-1"]);
        assert!(expand("web[3:1]").is_err() && expand("web[1").is_err() && expand("web[1:2:0]").is_err());
        assert!(expand("web[0:99999999999]").is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_names_are_no_panic(name in "[a-z0-9:\\[\\]]{0,20}") {
            let _ = expand(&name);
        }
    }
}
