//! `format % values`, as Python has it for text. Source: "printf-style String Formatting" in Python's reference.

use super::wrong;
use minijinja::value::ValueKind;
use minijinja::{Error, Value};

/// The widest that one value is made.
const WIDEST: usize = 10_000;

#[derive(Default)]
struct Spec {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    other: bool,
    width: usize,
    precision: Option<usize>,
}

/// One value is for one place; a list has one for each; of a map, a place says which: `%(name)s`.
///
/// # Errors
/// Too many values or too few, and a number's place for what is none.
pub fn printf(format: &str, values: &Value) -> Result<Value, Error> {
    let given: Vec<Value> = match values.kind() {
        ValueKind::Seq => values.try_iter()?.collect(),
        _ => vec![values.clone()],
    };
    let mut given = given.into_iter();
    let mut named = false;
    let mut out = String::new();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut name = None;
        if rest.next_if_eq(&'(').is_some() {
            name = Some(rest.by_ref().take_while(|c| *c != ')').collect::<String>());
        }
        let mut spec = Spec::default();
        while let Some(flag) = rest.next_if(|c| "-0+ #".contains(*c)) {
            match flag {
                '-' => spec.left = true,
                '0' => spec.zero = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                _ => spec.other = true,
            }
        }
        let mut next = || given.next().filter(|v| !v.is_undefined());
        let mut number = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| -> Result<usize, Error> {
            if rest.next_if_eq(&'*').is_some() {
                return next().and_then(|v| v.as_usize()).ok_or_else(|| wrong("`*` wants a number"));
            }
            let mut digits = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            if digits.is_empty() { Ok(0) } else { digits.parse().map_err(|_| wrong("a width is too large")) }
        };
        spec.width = number(&mut rest)?;
        if rest.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(&mut rest)?);
        }
        if spec.width > WIDEST || spec.precision.is_some_and(|p| p > WIDEST) {
            return Err(wrong(format!("a value is made {WIDEST} characters wide at most")));
        }
        while rest.next_if(|c| "hlL".contains(*c)).is_some() {}
        let kind = rest.next().ok_or_else(|| wrong("the format ends in the middle of a place"))?;
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match &name {
            Some(name) => {
                named = true;
                let part = values.get_item(&Value::from(name.as_str()))?;
                Some(part)
                    .filter(|v| !v.is_undefined())
                    .ok_or_else(|| wrong(format!("there is no value for `{name}`")))?
            }
            None => next().ok_or_else(|| wrong("there are fewer values than places for them"))?,
        };
        out.push_str(&placed(&spec, kind, &value)?);
    }
    if !named && values.kind() != ValueKind::Map && given.next().is_some() {
        return Err(wrong("there are more values than places for them"));
    }
    Ok(Value::from(out))
}

/// A value as Python shows it, text in quotes.
pub fn shown(value: &Value) -> String {
    match value.as_str() {
        Some(_) => Value::from_iter([value.clone()]).to_string().trim_matches(['[', ']']).to_owned(),
        None => value.to_string(),
    }
}

fn placed(spec: &Spec, kind: char, value: &Value) -> Result<String, Error> {
    let no_number = || wrong(format!("`%{kind}` wants a number"));
    let float = || f64::try_from(value.clone()).ok().filter(|_| value.is_number()).ok_or_else(no_number);
    let whole = || {
        let number = if value.is_integer() { i128::try_from(value.clone()).ok() } else { None };
        number.or_else(|| Some(float().ok()?.trunc() as i128)).ok_or_else(no_number)
    };
    let precision = spec.precision.unwrap_or(6);
    let (negative, body) = match kind {
        's' => {
            let text = value.to_string();
            (false, spec.precision.map_or(text.clone(), |most| text.chars().take(most).collect()))
        }
        'r' | 'a' => (false, shown(value)),
        'c' => match value.as_str() {
            Some(text) if text.chars().count() == 1 => (false, text.to_owned()),
            _ => {
                let code = u32::try_from(whole()?).ok().and_then(char::from_u32);
                (false, code.ok_or_else(|| wrong("`%c` wants a character"))?.to_string())
            }
        },
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
            let number = whole()?;
            let size = number.unsigned_abs();
            let digits = match kind {
                'x' => format!("{}{size:x}", if spec.other { "0x" } else { "" }),
                'X' => format!("{}{size:X}", if spec.other { "0X" } else { "" }),
                'o' => format!("{}{size:o}", if spec.other { "0o" } else { "" }),
                _ => size.to_string(),
            };
            (number < 0, format!("{digits:0>width$}", width = spec.precision.unwrap_or_default()))
        }
        'f' | 'F' => (float()?.is_sign_negative(), format!("{:.precision$}", float()?.abs())),
        'e' | 'E' => (float()?.is_sign_negative(), exponent(float()?.abs(), precision, kind)),
        'g' | 'G' => (float()?.is_sign_negative(), general(float()?.abs(), precision.max(1), kind)),
        other => return Err(wrong(format!("`%{}` is no place for a value", other.escape_debug()))),
    };
    let is_number = !matches!(kind, 's' | 'r' | 'a' | 'c');
    let sign = match () {
        () if negative => "-",
        () if is_number && spec.plus => "+",
        () if is_number && spec.space => " ",
        () => "",
    };
    let more = spec.width.saturating_sub(sign.len() + body.chars().count());
    Ok(match () {
        () if spec.left => format!("{sign}{body}{}", " ".repeat(more)),
        () if spec.zero && is_number => format!("{sign}{}{body}", "0".repeat(more)),
        () => format!("{}{sign}{body}", " ".repeat(more)),
    })
}

/// With at least two digits after the `e`, where Rust has as many as it takes.
fn exponent(number: f64, precision: usize, kind: char) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{digits}{kind}{sign}{power:0>2}")
}

/// The shorter of both, without zeros at its end.
fn general(number: f64, digits: usize, kind: char) -> String {
    let e = if kind == 'g' { 'e' } else { 'E' };
    let scientific = exponent(number, digits - 1, e);
    let power: i64 = scientific.split_once(e).and_then(|(_, p)| p.parse().ok()).unwrap_or_default();
    let trim = |text: &str| {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
    };
    if power < -4 || power >= digits as i64 {
        let (mantissa, rest) = scientific.split_once(e).unwrap_or((&scientific, "+00"));
        return format!("{}{e}{rest}", trim(mantissa));
    }
    let after = usize::try_from(digits as i64 - 1 - power).unwrap_or_default();
    trim(&format!("{number:.after$}"))
}
