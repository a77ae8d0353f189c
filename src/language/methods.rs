//! The methods that values have in Jinja2, which are Python's: of text, lists and mappings.
//!
//! Source: Python's standard types. Values do not change in a template, so what changes its list or mapping in Python
//! is an error that says what to write instead.

use super::bounds::Room;
use minijinja::value::{ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

/// What a template writes instead of a method that changes its list or mapping.
const CHANGING: &[(&str, &str)] = &[
    ("append", "write `list + [item]`"),
    ("extend", "write `list + more`"),
    ("insert", "write `list[:n] + [item] + list[n:]`"),
    ("remove", "write `list | reject(\"equalto\", item) | list`"),
    ("sort", "write `list | sort`"),
    ("reverse", "write `list | reverse`"),
    ("pop", "write `list[:-1]`, or `mapping | dict2items | rejectattr(\"key\", \"equalto\", name) | items2dict`"),
    ("update", "write `mapping | combine(more)`"),
    ("setdefault", "write `{name: value} | combine(mapping)`"),
    ("clear", "write `[]` or `{}`"),
];

/// Calls a method by Python's name.
///
/// # Errors
/// There is no such method, it takes other arguments, or what it comes to is too large.
pub(super) fn call(state: &mut State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if let (ValueKind::Seq | ValueKind::Iterable | ValueKind::Map, Some((_, instead))) =
        (value.kind(), CHANGING.iter().find(|(name, _)| *name == method))
    {
        let why = format!("`{method}` changes its value, and values do not change in a template: {instead}");
        return Err(Error::new(ErrorKind::InvalidOperation, why));
    }
    match value.as_str() {
        Some(text) => {
            fits(text, method, args)?;
            match of_text(text, method, args)? {
                Some(done) => Ok(done),
                None => unknown_method_callback(state, value, method, args),
            }
        }
        None if method == "index" && matches!(value.kind(), ValueKind::Seq) => {
            let (item,): (Value,) = from_args(args)?;
            let at = value.try_iter()?.position(|v| v == item);
            at.map(Value::from).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "the list has no such item"))
        }
        None => unknown_method_callback(state, value, method, args),
    }
}

/// Refuses what would come to more than a value may, before it is made.
fn fits(text: &str, method: &str, args: &[Value]) -> Result<(), Error> {
    let bytes = match (method, args) {
        ("replace", [from, to, ..]) => {
            let (from, to) = (from.as_str().unwrap_or_default(), to.as_str().unwrap_or_default());
            text.matches(from).count().saturating_mul(to.len()).saturating_add(text.len())
        }
        ("join", [items]) => items.len().unwrap_or_default().saturating_mul(text.len()),
        ("center" | "ljust" | "rjust" | "zfill", [width, ..]) => width.as_usize().unwrap_or_default(),
        // A width stands in the text itself.
        ("format", _) => {
            let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty());
            numbers.map(|n| n.parse().unwrap_or(usize::MAX)).fold(0, usize::saturating_add)
        }
        _ => 0,
    };
    Room::new().take(bytes)
}

/// The methods of text that the library lacks.
fn of_text(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let owned = |text: &str| Some(Value::from(text));
    Ok(match method {
        "removeprefix" => {
            let (start,): (&str,) = from_args(args)?;
            owned(text.strip_prefix(start).unwrap_or(text))
        }
        "removesuffix" => {
            let (end,): (&str,) = from_args(args)?;
            owned(text.strip_suffix(end).unwrap_or(text))
        }
        "center" | "ljust" | "rjust" => {
            let (width, fill): (usize, Option<char>) = from_args(args)?;
            Some(Value::from(padded(text, method, width, fill.unwrap_or(' '))))
        }
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            let zeros = "0".repeat(width.saturating_sub(text.chars().count()));
            Some(Value::from(format!("{sign}{zeros}{digits}")))
        }
        "rsplit" => {
            let (by, most): (Option<&str>, Option<usize>) = from_args(args)?;
            let most = most.unwrap_or(usize::MAX - 1).saturating_add(1);
            let mut parts: Vec<&str> = match by {
                Some("") => return Err(Error::new(ErrorKind::InvalidOperation, "the separator is empty")),
                Some(by) => text.rsplitn(most, by).collect(),
                None => text.trim_end().rsplitn(most, char::is_whitespace).filter(|p| !p.is_empty()).collect(),
            };
            parts.reverse();
            Some(parts.into_iter().map(Value::from).collect())
        }
        "index" | "rindex" => {
            let (part,): (&str,) = from_args(args)?;
            let at = if method == "index" { text.find(part) } else { text.rfind(part) };
            let at = at.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "the text has no such part"))?;
            Some(Value::from(text.get(..at).map_or(0, |before| before.chars().count())))
        }
        "partition" | "rpartition" => {
            let (by,): (&str,) = from_args(args)?;
            let last = method == "rpartition";
            let parts = if last { text.rsplit_once(by) } else { text.split_once(by) };
            let parts = match parts {
                Some((before, after)) => [before, by, after],
                None if last => ["", "", text],
                None => [text, "", ""],
            };
            Some(parts.into_iter().map(Value::from).collect())
        }
        "swapcase" => {
            let swap = |c: char| {
                if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect::<String>() }
            };
            Some(Value::from(text.chars().map(swap).collect::<String>()))
        }
        "casefold" => Some(Value::from(text.to_lowercase())),
        _ => None,
    })
}

/// A text in the middle of so many characters, or at an end of them.
pub(super) fn padded(text: &str, method: &str, width: usize, fill: char) -> String {
    let more = width.saturating_sub(text.chars().count());
    let before = match method {
        "rjust" => more,
        // As Python has it: what is odd goes to the left in a field of odd width.
        "center" => more / 2 + (more & width & 1),
        _ => 0,
    };
    let fill = |n: usize| std::iter::repeat_n(fill, n).collect::<String>();
    format!("{}{text}{}", fill(before), fill(more - before))
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, context};

    fn said(text: &str) -> Result<String, String> {
        let mut env = Environment::new();
        env.set_unknown_method_callback(super::call);
        crate::language::filters::add_to(&mut env);
        let context = context! { list => ["a", "b"], map => context! { k => "v" }, long => "x".repeat(1 << 20) };
        env.render_str(text, context).map_err(|e| e.detail().unwrap_or_default().to_owned())
    }

    /// What Jinja2 3.1.6 says.
    #[test]
    fn methods_and_filters_of_text_do_what_they_do_in_python() {
        for (text, wanted) in [
            ("{{ 'a,b'.split(',') | join('-') }}", "a-b"),
            ("{% for k, v in map.items() %}{{ k }}={{ v }}{% endfor %}", "k=v"),
            ("{{ map.get('x', 'none') }} {{ map.keys() | list | length }}", "none 1"),
            ("{{ '-'.join(list) }} {{ 'a.b'.replace('.', '_') }}", "a-b a_b"),
            ("{{ 'web1'.startswith('web') and not 'web1'.endswith('web') }}", "True"),
            ("{{ '{}:{}'.format('h', 22) }}", "h:22"),
            ("{{ 'v1.2'.removeprefix('v') }} {{ 'a.j2'.removesuffix('.j2') }}", "1.2 a"),
            (
                "[{{ 'ab'.center(5) }}] [{{ 'abc'.center(6) }}] [{{ 'ab'.ljust(4, '.') }}] [{{ '-7'.zfill(4) }}]",
                "[  ab ] [ abc  ] [ab..] [-007]",
            ),
            ("{{ 'a=b=c'.partition('=') | join('|') }} {{ 'a=b=c'.rpartition('=') | join('|') }}", "a|=|b=c a=b|=|c"),
            ("{{ 'a\nb\n' | indent(4) }}.", "a\n    b\n."),
            ("{{ 'a\n\nb' | indent(2, true) }}.", "  a\n\n  b."),
            ("{{ 'a\n\nb' | indent('> ', blank=true) }}.", "a\n> \n> b."),
            ("{{ 'one two three four' | truncate(12, leeway=0) }}", "one two..."),
            ("{{ 'one two three four' | truncate(12, true, leeway=0) }}", "one two t..."),
            ("{{ 'a-b c_d' | wordcount }}", "3"),
        ] {
            assert_eq!(said(text), Ok(wanted.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_changes_its_value_or_comes_to_too_much_is_refused() {
        for (text, told) in [
            ("{{ list.append('c') }}", "write `list + [item]`"),
            ("{{ map.update({'a': 1}) }}", "write `mapping | combine(more)`"),
            ("{{ long.replace('x', long) }}", "more than 32 MiB"),
            ("{{ '{:>99999999999}'.format('x') }}", "more than 32 MiB"),
            ("{{ 'x'.center(99999999999) }}", "more than 32 MiB"),
            ("{{ 'x'.nothing() }}", "nothing"),
        ] {
            let said = said(text).unwrap_err();
            assert!(said.contains(told), "{text}: {said}");
        }
    }
}
