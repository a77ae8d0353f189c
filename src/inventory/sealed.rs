//! A file of variables that ansible-vault encrypted.

use super::given::set;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::node::{Mapping, Node, Yaml};
use crate::language::vault::{Keyring, Sealed};
use crate::language::yaml;
use crate::model::span::Span;
use std::sync::Arc;

/// A whole file that is encrypted.
#[derive(Clone, Debug)]
pub struct SealedFile {
    pub sealed: Arc<Sealed>,
    /// Its first line, at which all that is found in it is told: what it holds is not shown.
    pub header: Span,
}

impl SealedFile {
    /// The variables in it, each of them secret.
    ///
    /// # Errors
    /// Where no password opens it, or what it holds is no mapping.
    pub fn open(&self, keyring: &Keyring) -> Result<Mapping, Diagnostics> {
        let mut found = Diagnostics::default();
        let text = match self.sealed.open_text(keyring, Some(self.header)) {
            Ok(text) => text,
            Err(closed) => {
                found.push(closed);
                return Err(found);
            }
        };
        let mut vars = vec![];
        match yaml::parse_ansible(text, self.header.file) {
            Ok(None) => {}
            Ok(Some(Node { value: Yaml::Map(map), .. })) => {
                let map = map.into_iter().map(|(mut key, mut value)| {
                    key.span = self.header;
                    place(&mut value, self.header);
                    (key, value.into_secret())
                });
                set(&mut vars, map.collect());
            }
            Ok(Some(other)) => {
                let label = format!("variables are a mapping, what is encrypted here is {}", other.value.kind());
                found.push(Diagnostic::error("wrong value", Some(self.header), label));
            }
            Err(errors) => errors.iter().for_each(|d| found.push(self.without_its_text(d, text))),
        }
        if found.is_empty() { Ok(vars) } else { Err(found) }
    }

    /// A finding by its summary, which is a constant: its label may quote what was encrypted.
    fn without_its_text(&self, d: &Diagnostic, text: &str) -> Diagnostic {
        let before = d.span.and_then(|s| text.as_bytes().get(..s.start as usize)).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let label = format!("on line {line} of what is encrypted here");
        let help = "it is secret, so it is not shown: `ansible-vault edit` opens it";
        Diagnostic { severity: d.severity, ..Diagnostic::error(d.summary, Some(self.header), label).help(help) }
    }
}

/// Places inside the text that was encrypted lead nowhere in the file.
fn place(node: &mut Node, span: Span) {
    node.span = span;
    match &mut node.value {
        Yaml::List(items) => items.iter_mut().for_each(|n| place(n, span)),
        Yaml::Map(map) => map.iter_mut().for_each(|(key, value)| {
            key.span = span;
            place(value, span);
        }),
        _ => {}
    }
}
