//! Templates that stand in a manifest's strings, as the engine's own templates: each text is compiled when it is first
//! rendered, and kept for every host, loop item and run of a play after that.

use super::depth;
use super::rewrite::{self, Source};
use minijinja::{Captured, Environment, Error, ErrorKind, Value};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Names of such templates begin with it. No file's name can.
const MARK: char = '\0';
/// The engine keeps templates and no expressions, so an expression is kept as a template that sets this.
const VALUE: &str = "value";
const OPEN: &str = "{% set value = (";
const CLOSE: &str = ") %}";

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string: one whole `{{ … }}`, whose value keeps its type, or a text with templates in it.
    Text,
    /// A bare expression, as under `when:`.
    Expression,
}

/// How many texts have been compiled.
#[derive(Clone, Debug, Default)]
pub(super) struct Count(Arc<AtomicUsize>);

impl Count {
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lets an environment keep what is written in strings.
pub(super) fn add_to(env: &mut Environment<'static>) -> Count {
    let count = Count::default();
    let compiled = count.clone();
    env.set_loader(move |name| {
        let Some(source) = source(name) else { return Ok(None) };
        compiled.0.fetch_add(1, Ordering::Relaxed);
        source.map(Some)
    });
    count
}

/// Whether a template's name is that of a text, not of a file.
pub(super) fn is_written(name: &str) -> bool {
    name.starts_with(MARK)
}

/// What an include names is a file and no text: the name may come from a host, and what a host says is never a template.
pub(super) fn file_name(name: &str) -> &str {
    name.trim_start_matches(MARK)
}

/// The value of a text.
///
/// # Errors
/// What is wrong with it, and what is undefined in it; [`range`] says where.
pub(super) fn evaluate(env: &Environment<'_>, kind: Kind, text: &str, context: Value) -> Result<Value, Error> {
    let kind = match kind {
        Kind::Text => 't',
        Kind::Expression => 'e',
    };
    let template = env.get_template(&format!("{MARK}{kind}{text}"))?;
    if !template.source().starts_with(OPEN) {
        return super::bounds::render(&template, context).map(Value::from);
    }
    let captured: Captured<'_> = template.render_captured(context)?;
    let value = captured.state().lookup(VALUE).filter(|v| !v.is_undefined());
    value.ok_or_else(|| Error::from(ErrorKind::UndefinedError))
}

/// Where in a text an error is.
pub(super) fn range(error: &Error, text: &str) -> Option<Range<usize>> {
    let range = error.range()?;
    let within = match error.name() {
        Some(name) if is_written(name) && !error.template_source().is_some_and(|s| s.starts_with(OPEN)) => {
            return Some(rewrite::template(text, Source::Manifest).original(range));
        }
        Some(name) if is_written(name) => OPEN.len(),
        // The expression by itself, when its syntax was looked at.
        _ => 0,
    };
    let inner = whole_expression(text).unwrap_or(text);
    let begins = inner.as_ptr() as usize - text.as_ptr() as usize;
    let range = range.start.checked_sub(within)?..range.end.checked_sub(within)?;
    let range = rewrite::expression(inner).original(range);
    Some(range.start + begins..range.end + begins)
}

/// What stands between the braces of a string that is one whole `{{ … }}`.
pub(super) fn whole_expression(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    // `{{- x -}}` is white space control around the same expression.
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    Some(inner.strip_suffix('-').unwrap_or(inner))
}

/// The template for a name; `None` for what is no text's.
fn source(name: &str) -> Option<Result<String, Error>> {
    let named = name.strip_prefix(MARK)?;
    let expression = named.strip_prefix('e');
    let whole = expression.map_or_else(|| named.to_owned(), |inner| format!("{OPEN}{inner}{CLOSE}"));
    if depth::too_deep(&whole).is_some() {
        return Some(Err(Error::new(ErrorKind::SyntaxError, depth::TOLD)));
    }
    if let Some(inner) = expression {
        return Some(setting(inner));
    }
    let text = named.strip_prefix('t')?;
    Some(match whole_expression(text) {
        Some(inner) => match setting(inner) {
            // `{{ a }} and {{ b }}` looks like one expression from outside.
            Err(_) if inner.contains("}}") => Ok(rewrite::template(text, Source::Manifest).text),
            set => set,
        },
        None => Ok(rewrite::template(text, Source::Manifest).text),
    })
}

/// Parsed by itself first: what is no expression must not become one by what is put around it.
fn setting(expression: &str) -> Result<String, Error> {
    let rewritten = rewrite::expression(expression).text;
    Environment::empty().compile_expression(&rewritten)?;
    Ok(format!("{OPEN}{rewritten}{CLOSE}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    fn value(text: &str) -> Result<Value, Error> {
        let mut env = Environment::new();
        add_to(&mut env);
        evaluate(&env, Kind::Text, text, context! { a => 1, value => 2, list => [1, 2] })
    }

    #[test]
    fn a_whole_expression_keeps_its_type_and_a_text_does_not() {
        assert_eq!(value("{{ a }}").unwrap(), Value::from(1));
        assert_eq!(value("{{ value + a }}").unwrap(), Value::from(3));
        assert_eq!(value("{{- list -}}").unwrap(), Value::from(vec![1, 2]));
        assert_eq!(value("{{ '%}' ~ a }}").unwrap(), Value::from("%}1"));
        assert_eq!(value("{{ a }} and {{ value }}").unwrap(), Value::from("1 and 2"));
        assert_eq!(value("n {{ a }}").unwrap(), Value::from("n 1"));
    }

    #[test]
    fn what_is_no_expression_does_not_become_one() {
        for wrong in ["{{ }}", "{{ a, value }}", "{{ a) %}{% set value = (3 }}", "{{ a %}{{ value }}"] {
            assert!(value(wrong).is_err(), "{wrong}");
        }
        assert_eq!(value("{{ missing }}").unwrap_err().kind(), ErrorKind::UndefinedError);
    }

    #[test]
    fn a_text_is_compiled_once() {
        let mut env = Environment::new();
        let count = add_to(&mut env);
        for a in 0..5 {
            assert_eq!(evaluate(&env, Kind::Text, "{{ a }}", context! { a }).unwrap(), Value::from(a));
            assert_eq!(evaluate(&env, Kind::Expression, "a", context! { a }).unwrap(), Value::from(a));
            evaluate(&env, Kind::Text, "{{ a }}{{ a }}", context! { a }).unwrap();
        }
        assert_eq!(count.get(), 3);
    }
}
