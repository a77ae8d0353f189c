//! Sizes as people write them. Source: `formatters.py` of Ansible's `module_utils`.

use super::args::{Args, text};
use super::wrong;
use minijinja::{Error, State, Value};

const UNITS: &str = "KMGTPEZY";

/// The unit's power of 1024.
fn power(unit: char) -> Option<i32> {
    match unit.to_ascii_uppercase() {
        'B' => Some(0),
        unit => UNITS.find(unit).and_then(|n| i32::try_from(n + 1).ok()),
    }
}

/// `10M`, `1.5 GB` or `100` in bytes; with `isbits` `10Mb` in bits.
pub fn human_to_bytes(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let (given, base) = (text(value)?, if args.flag("isbits", false)? { 'b' } else { 'B' });
    let trimmed = given.trim();
    let digits = trimmed.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let (number, unit) = trimmed.split_at(trimmed.len() - digits.len());
    let Ok(number) = number.parse::<f64>() else {
        return Err(wrong(format!("`{given}` is no size, such as 10M or 1.5 GB")));
    };
    let unit = unit.trim();
    let default = args.text_or("default_unit", "B")?;
    let unit = if unit.is_empty() { default.trim() } else { unit };
    let first = unit.chars().next().unwrap_or('B');
    let whole = format!("{}{base}", first.to_ascii_uppercase());
    let words = if base == 'B' { ["Byte", "byte"] } else { ["Bit", "bit"] };
    let is_unit = unit.chars().count() == 1 || unit == whole || words.contains(&unit);
    match power(first).filter(|_| is_unit) {
        // As Python's round() does it: a half goes to the even number.
        Some(power) => Ok(Value::from((number * 1024_f64.powi(power)).round_ties_even() as i64)),
        None => Err(wrong(format!("`{unit}` is no unit of a size, such as M or M{base}"))),
    }
}

/// Bytes in the largest unit of which it is at least one, or in `unit`.
pub fn human_readable(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let number = match value.as_str() {
        Some(text) => text.trim().parse::<f64>().ok(),
        None => f64::try_from(value.clone()).ok(),
    };
    let Some(size) = number else { return Err(wrong("this is no number of bytes")) };
    let base = if args.flag("isbits", false)? { "bits" } else { "Bytes" };
    let unit = args.text_or("unit", "")?;
    let asked = match unit.chars().next() {
        None => None,
        Some(first) => Some(power(first).ok_or_else(|| wrong(format!("`{unit}` is no unit of a size")))?),
    };
    let largest = (0..=UNITS.len() as i32).rev().find(|n| size >= 1024_f64.powi(*n)).unwrap_or(0);
    let power = asked.unwrap_or(largest);
    let name = usize::try_from(power - 1).ok().and_then(|n| UNITS.chars().nth(n));
    let suffix = name.map_or(base.to_owned(), |unit| format!("{unit}{}", base.get(..1).unwrap_or_default()));
    Ok(Value::from(format!("{:.2} {suffix}", size / 1024_f64.powi(power))))
}
