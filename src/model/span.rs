//! Places in source text.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Index of a file in [`Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A byte range in one source file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { file, start: clamp(start), end: clamp(end.max(start)) }
    }
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

/// One text that was read: a file, or a pseudo-file such as the command line.
#[derive(Clone, Debug)]
pub struct Source {
    /// As shown to people: relative to where the command was started, where that is possible.
    pub path: PathBuf,
    pub text: Arc<str>,
    /// Where its lines begin; found when a place is first asked for.
    lines: OnceLock<Vec<usize>>,
}

impl Source {
    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| [0].into_iter().chain(self.text.match_indices('\n').map(|(n, _)| n + 1)).collect())
    }
}

/// Every text read in this run, so that a [`Span`] can be shown.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

/// A place for people: path, 1-based line and 1-based column in characters.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Sources {
    pub fn add(&mut self, path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(Source { path: path.into(), text: text.into(), lines: OnceLock::new() });
        id
    }

    /// Those that were added after the first `count`.
    pub fn after(&self, count: usize) -> &[Source] {
        self.files.get(count..).unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub fn get(&self, id: FileId) -> Option<&Source> {
        self.files.get(id.0 as usize)
    }

    pub fn path(&self, id: FileId) -> &Path {
        self.get(id).map_or(Path::new("<unknown>"), |s| &s.path)
    }

    /// The place of a span's start; `None` for a span of no known file.
    pub fn place(&self, span: Span) -> Option<Place> {
        let source = self.get(span.file)?;
        let mut at = (span.start as usize).min(source.text.len());
        while !source.text.is_char_boundary(at) {
            at -= 1;
        }
        let lines = source.lines();
        let line = lines.partition_point(|start| *start <= at);
        let begun = line.checked_sub(1).and_then(|n| lines.get(n)).copied().unwrap_or_default();
        let column = source.text.get(begun..at).map_or(0, |before| before.chars().count()) + 1;
        Some(Place { file: source.path.display().to_string(), line, column })
    }

    /// The span of a whole 1-based line of a file, without its line break.
    pub fn line(&self, file: FileId, line: usize) -> Option<Span> {
        let text = &self.get(file)?.text;
        let mut start = 0;
        for (n, content) in text.split('\n').enumerate() {
            if n + 1 == line {
                return Some(Span::new(file, start, start + content.len()));
            }
            start += content.len() + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let mut sources = Sources::default();
        let file = sources.add("a.yml", "ä: b\n\nc: d");
        let place = |at: usize| sources.place(Span::new(file, at, at)).map(|p| (p.line, p.column));
        // The second byte of a character is the character; the end of a text, and what is beyond it, is its last place.
        let at =
            [(0, (1, 1)), (1, (1, 1)), (2, (1, 2)), (5, (1, 5)), (6, (2, 1)), (7, (3, 1)), (11, (3, 5)), (99, (3, 5))];
        for (byte, expected) in at {
            assert_eq!(place(byte), Some(expected), "{byte}");
        }
        assert_eq!(sources.place(Span { file: FileId(7), start: 0, end: 0 }), None);
    }
}
