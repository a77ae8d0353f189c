//! Errors that point: what is wrong, where, what was meant, what to do.

use crate::model::span::{Sources, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One finding about what a user wrote.
///
/// `summary` is a constant short phrase without values, so that it can be searched for;
/// `label` says at the place what is wrong there; `help` says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub summary: &'static str,
    pub label: String,
    pub span: Option<Span>,
    pub related: Vec<(Span, String)>,
    pub help: Option<String>,
    /// The host it was found for, where it is not so for all of them.
    pub host: Option<String>,
}

impl Diagnostic {
    pub fn error(summary: &'static str, span: Option<Span>, label: impl Into<String>) -> Self {
        Self { severity: Severity::Error, summary, label: label.into(), span, related: vec![], help: None, host: None }
    }

    pub fn warning(summary: &'static str, span: Option<Span>, label: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(summary, span, label) }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// The text for a terminal, `colour` included where asked for. Ends without a line break.
    pub fn render(&self, sources: &Sources, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut title = self.summary.to_owned();
        if let Some(host) = &self.host {
            title.push_str(&format!(" (host {host})"));
        }
        let Some((span, source)) = self.span.and_then(|s| Some((s, sources.get(s.file)?))) else {
            title.push_str(&format!(": {}", self.label));
            let mut group = Group::with_title(level.primary_title(title));
            if let Some(help) = &self.help {
                group = group.element(Level::HELP.message(help.clone()));
            }
            return Self::renderer(colour).render(&[group]);
        };
        let mut main = Snippet::source(&*source.text)
            .path(source.path.display().to_string())
            .annotation(AnnotationKind::Primary.span(range(&source.text, span)).label(self.label.clone()));
        let mut others = vec![];
        for (place, label) in &self.related {
            let Some(other) = sources.get(place.file) else { continue };
            let note = AnnotationKind::Context.span(range(&other.text, *place)).label(label.clone());
            if place.file == span.file {
                main = main.annotation(note);
            } else {
                others.push(Snippet::source(&*other.text).path(other.path.display().to_string()).annotation(note));
            }
        }
        let mut group = level.primary_title(title).element(main);
        for other in others {
            group = group.element(other);
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.clone()));
        }
        Self::renderer(colour).render(&[group])
    }

    fn renderer(colour: bool) -> Renderer {
        if colour { Renderer::styled() } else { Renderer::plain() }
    }
}

/// A byte range inside `text`, on character boundaries, never empty where there is a character to show.
fn range(text: &str, span: Span) -> std::ops::Range<usize> {
    let floor = |mut n: usize| {
        n = n.min(text.len());
        while !text.is_char_boundary(n) {
            n -= 1;
        }
        n
    };
    let (start, end) = (floor(span.start as usize), floor(span.end as usize));
    // A multi-line value is shown by its first line: a caret under a whole file helps nobody.
    let end = text[start..end].find('\n').map_or(end, |n| start + n);
    if end > start {
        return start..end;
    }
    start..start + text[start..].chars().next().map_or(0, char::len_utf8)
}

/// Findings in the order they were made.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        // The same mistake met again for each host or each loop item is told once.
        if !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }

    pub fn extend(&mut self, others: Diagnostics) {
        for d in others.0 {
            self.push(d);
        }
    }

    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Diagnostic> {
        self.0.iter_mut()
    }
}

/// The candidate nearest to `word`, where one is near enough to have been meant.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + word.chars().count() / 4;
    candidates
        .into_iter()
        .map(|c| (edit_distance(&word.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours, each costing one.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_what_was_meant() {
        assert_eq!(did_you_mean("pakage", ["package", "file"]), Some("package"));
        assert_eq!(did_you_mean("onwer", ["owner", "group"]), Some("owner"));
        assert_eq!(did_you_mean("zebra", ["owner", "group"]), None);
    }

    #[test]
    fn an_error_shows_its_line_and_what_to_do() {
        let mut sources = Sources::default();
        let text = "- hosts: all\n  resources:\n    - pakage: nginx\n";
        let file = sources.add("site.yml", text);
        let at = text.find("pakage").unwrap();
        let d = Diagnostic::error("unknown resource type", Some(Span::new(file, at, at + 6)), "no type `pakage`")
            .help("did you mean `package`?");
        insta::assert_snapshot!(d.render(&sources, false), @r"
        error: unknown resource type
         --> site.yml:3:7
          |
        3 |     - pakage: nginx
          |       ^^^^^^ no type `pakage`
          |
          = help: did you mean `package`?
        ");
    }
}
