//! What a probe asks about files, and reading the answer.
//!
//! However many the paths, it costs three `stat`, one of them for the directories above, and one `sha256sum` (and, for
//! each small file that differs, a `head` for its text and two programs to be sure of what that reads). Which of the
//! paths exist is told by the shell itself, so that the tools' lines, which name nothing, can be matched to their paths:
//! a path is never parsed back out of an answer.

use super::answers::BadAnswer;
use super::quote::{chunks, word};
use super::way::Ways;
use crate::model::body::{Body, Digest};
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

/// What a probe asks of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileQuestion {
    pub path: String,
    /// The contents to compare with: if the file has others, and is small, its text comes along to show a difference.
    /// `None` asks for no digest at all.
    pub contents: Option<Sought>,
}

/// The contents that a file is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    pub digest: Digest,
    /// In bytes, if it is known. A large file of another size has other contents, and is not read.
    pub size: Option<u64>,
}

impl From<&Body> for Sought {
    fn from(body: &Body) -> Self {
        Self { digest: body.digest.clone(), size: Some(body.size) }
    }
}

impl Sought {
    /// `DIGEST:SIZE`, or `DIGEST:` if the size is not known.
    fn listed(&self) -> String {
        format!("{}:{}", self.digest.as_str(), self.size.map(|s| s.to_string()).unwrap_or_default())
    }
}

/// What kind of thing stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    Regular,
    Directory,
    Symlink,
    /// A device, socket or pipe.
    Special,
}

impl FileKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Special => "special file",
        }
    }

    /// From the type bits of `st_mode`.
    pub fn from_mode(mode: u32) -> Self {
        match mode & 0o170_000 {
            0o100_000 => Self::Regular,
            0o040_000 => Self::Directory,
            0o120_000 => Self::Symlink,
            _ => Self::Special,
        }
    }
}

/// What was seen at a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FileState {
    Absent,
    Present(FileStat),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStat {
    pub kind: FileKind,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// `UNKNOWN` where the host has no name for the id.
    pub owner: String,
    pub group: String,
    /// In bytes.
    pub size: u64,
    /// A symlink's target; `None` for what is none.
    pub target: Option<String>,
    /// Of a regular file whose contents were asked for, if it can be read and is not too large for that.
    pub digest: Option<Digest>,
    /// The contents, where the digest is another than asked for and the file is small enough to be shown.
    pub text: Option<Vec<u8>>,
    /// Whether its contents are to be replaced and its access control list goes with them.
    pub loses_list: bool,
    /// Why its contents cannot be replaced, if they are to be.
    pub bound: Option<Bound>,
}

/// Why nothing can take a file's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It is a mount point.
    Mounted,
    /// Its attribute `i` is set: see chattr(1).
    Fixed,
}

/// By what a change starts from: a directory's size comes and goes with what is in it, and a text says no more than its
/// digest does.
impl Hash for FileStat {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let size = (self.kind == FileKind::Regular).then_some(self.size);
        let names = (&self.owner, &self.group, &self.target, &self.digest);
        (self.kind, self.mode, self.uid, self.gid, size, names).hash(state);
    }
}

/// Whether the tools' line for it could be more than one line, or be escaped.
fn odd(path: &str) -> bool {
    path.contains(['\n', '\\'])
}

/// Shell functions that the snippets call.
pub(super) const FUNCTIONS: &str = include_str!("functions.sh");

struct Split<'a> {
    plain: Vec<(usize, &'a FileQuestion)>,
    odd: Vec<(usize, &'a FileQuestion)>,
}

fn split(questions: &[FileQuestion]) -> Split<'_> {
    let (odd, plain) = questions.iter().enumerate().partition(|(_, q)| odd(&q.path));
    Split { plain, odd }
}

fn quoted(questions: &[(usize, &FileQuestion)]) -> Vec<String> {
    questions.iter().map(|(_, q)| word(&q.path)).collect()
}

/// Questions that want a digest, with what each costs on the command line.
fn hashed<'a>(questions: &[(usize, &'a FileQuestion)]) -> (Vec<(usize, &'a FileQuestion)>, Vec<String>) {
    let with: Vec<_> = questions.iter().copied().filter(|(_, q)| q.contents.is_some()).collect();
    let words = quoted(&with);
    (with, words)
}

fn ways(questions: &[FileQuestion]) -> Ways<'_> {
    Ways::to(questions.iter().map(|q| q.path.as_str()))
}

pub(super) fn snippet(questions: &[FileQuestion]) -> String {
    let mut out = ways(questions).snippet();
    let Split { plain, odd } = split(questions);
    for chunk in chunks(&quoted(&plain)).into_iter().filter(|c| !c.is_empty()) {
        let list = chunk.join(" ");
        // `%N` is quoted or not after the environment's taste; literal is what can be parsed.
        let _ =
            writeln!(out, "there {list}\nQUOTING_STYLE=literal stat -c '%f %u %g %U %G %s %N' -- {list} 2>/dev/null");
    }
    for (_, q) in &odd {
        let p = word(&q.path);
        let _ = writeln!(out, "there {p}\nstat -c '%f %u %g %U %G %s' -- {p} 2>/dev/null");
        let _ = writeln!(out, "[ ! -L {p} ] || {{ readlink -n -- {p}; printf '\\000'; }}");
    }
    let (with, words) = hashed(&plain);
    let mut first = 0;
    for chunk in chunks(&words).into_iter().filter(|c| !c.is_empty()) {
        let listed: String = with
            .iter()
            .skip(first)
            .take(chunk.len())
            .filter_map(|(_, q)| q.contents.as_ref())
            .map(|c| format!("{} ", c.listed()))
            .collect();
        let _ = writeln!(out, "digests {first} '{listed}' {}", chunk.join(" "));
        first += chunk.len();
    }
    for (_, q) in &odd {
        if let Some(contents) = &q.contents {
            let _ = writeln!(out, "digest_one 0 {} {}", contents.listed(), word(&q.path));
        }
    }
    out
}

/// Reads one answer; one result a question, in order.
pub fn parse(questions: &[FileQuestion], body: &[u8]) -> Vec<Result<FileState, BadAnswer>> {
    let mut states: Vec<Result<FileState, BadAnswer>> =
        vec![Err(BadAnswer("the host's answer about files ended early".into())); questions.len()];
    if let Err(error) = read(questions, body, &mut states) {
        // What was read before the fault may be matched to the wrong path: none of it can be trusted.
        states.fill(Err(error));
    }
    states
}

fn read(questions: &[FileQuestion], body: &[u8], states: &mut [Result<FileState, BadAnswer>]) -> Result<(), BadAnswer> {
    let mut input = Input { rest: body };
    let ways = ways(questions);
    let unsafe_ways = ways.read(|| input.until(0))?;
    let Split { plain, odd } = split(questions);
    let mut asked = plain.iter();
    for chunk in chunks(&quoted(&plain)).into_iter().filter(|c| !c.is_empty()) {
        let kinds = input.line()?.to_vec();
        if kinds.len() != chunk.len() {
            return Err(bad("presence"));
        }
        for (kind, (n, q)) in kinds.into_iter().zip(asked.by_ref()) {
            if let Some(state) = states.get_mut(*n) {
                *state = Ok(if kind == b'-' {
                    FileState::Absent
                } else {
                    FileState::Present(stat(input.line()?, Some(&q.path))?)
                });
            }
        }
    }
    for (n, _) in &odd {
        let there = input.line()? != b"-";
        let mut state = FileState::Absent;
        if there {
            let mut seen = stat(input.line()?, None)?;
            if seen.kind == FileKind::Symlink {
                seen.target = Some(String::from_utf8_lossy(input.until(0)?).into_owned());
            }
            state = FileState::Present(seen);
        }
        if let Some(slot) = states.get_mut(*n) {
            *slot = Ok(state);
        }
    }
    let (with, words) = hashed(&plain);
    let mut first = 0;
    for chunk in chunks(&words).into_iter().filter(|c| !c.is_empty()) {
        let these = with.get(first..first + chunk.len()).ok_or_else(|| bad("digests"))?;
        digests(&mut input, these, first, states)?;
        first += chunk.len();
    }
    for one in odd.iter().filter(|(_, q)| q.contents.is_some()) {
        digests(&mut input, std::slice::from_ref(one), 0, states)?;
    }
    for (state, question) in states.iter_mut().zip(questions) {
        if let Err(bad) = unsafe_ways.check(&question.path) {
            *state = Err(bad);
        }
    }
    Ok(())
}

fn digests(
    input: &mut Input<'_>,
    these: &[(usize, &FileQuestion)],
    first: usize,
    states: &mut [Result<FileState, BadAnswer>],
) -> Result<(), BadAnswer> {
    let readable = input.line()?.to_vec();
    if readable.len() != these.len() {
        return Err(bad("digests"));
    }
    let present = |n: usize, states: &mut [Result<FileState, BadAnswer>], set: &mut dyn FnMut(&mut FileStat)| {
        if let Some(Ok(FileState::Present(seen))) = states.get_mut(n) {
            set(seen);
        }
    };
    for (yes, (n, _)) in readable.into_iter().zip(these) {
        if yes != b'1' {
            continue;
        }
        let line = String::from_utf8_lossy(input.line()?).into_owned();
        let hex = line.trim_start_matches('\\').get(..64).unwrap_or_default();
        let digest = Digest::parse(hex).ok_or_else(|| bad("a digest"))?;
        present(*n, states, &mut |seen| seen.digest = Some(digest.clone()));
    }
    loop {
        let line = String::from_utf8_lossy(input.line()?).into_owned();
        if line == "." {
            return Ok(());
        }
        let at = |index: usize| index.checked_sub(first).and_then(|i| these.get(i)).map(|(n, _)| *n);
        if let Some((index, fate)) = line.strip_prefix("A ").and_then(|l| l.split_once(' ')) {
            let n = index.parse().ok().and_then(at).ok_or_else(|| bad("an access control list"))?;
            present(n, states, &mut |seen| seen.loses_list = fate == "lost");
            continue;
        }
        if let Some((index, why)) = line.strip_prefix("B ").and_then(|l| l.split_once(' ')) {
            let n = index.parse().ok().and_then(at).ok_or_else(|| bad("what binds a file"))?;
            present(n, states, &mut |seen| {
                seen.bound = Some(if why == "mounted" { Bound::Mounted } else { Bound::Fixed });
            });
            continue;
        }
        let mut fields = line.strip_prefix("T ").ok_or_else(|| bad("a text"))?.split(' ');
        let mut number = || fields.next().and_then(|f| f.parse::<usize>().ok()).ok_or_else(|| bad("a text"));
        let (index, length) = (number()?, number()?);
        let text = input.take(length)?.to_vec();
        input.line()?;
        let n = at(index).ok_or_else(|| bad("a text"))?;
        present(n, states, &mut |seen| seen.text = Some(text.clone()));
    }
}

fn bad(what: &str) -> BadAnswer {
    BadAnswer(format!("the host's answer about files is malformed at {what}"))
}

/// One line `mode-hex uid gid user group size name`, the name as `stat %N` has it.
fn stat(line: &[u8], path: Option<&str>) -> Result<FileStat, BadAnswer> {
    let line = String::from_utf8_lossy(line);
    let mut fields = line.splitn(7, ' ');
    let mut field = || fields.next().ok_or_else(|| bad("attributes"));
    let mode = u32::from_str_radix(field()?, 16).map_err(|_| bad("a mode"))?;
    let uid = field()?.parse().map_err(|_| bad("an owner"))?;
    let gid = field()?.parse().map_err(|_| bad("a group"))?;
    let (owner, group) = (field()?.to_owned(), field()?.to_owned());
    let size: u64 = field()?.parse().map_err(|_| bad("a size"))?;
    let kind = FileKind::from_mode(mode);
    let name = fields.next();
    let target = match (kind, path, name) {
        (FileKind::Symlink, Some(path), Some(name)) => {
            // Coreutils writes `path -> target`, busybox `'path' -> 'target'`.
            let bare = name.strip_prefix(path).and_then(|r| r.strip_prefix(" -> "));
            let quoted = || name.strip_prefix(&format!("'{path}' -> '")).and_then(|r| r.strip_suffix('\''));
            let target = bare.or_else(quoted).ok_or_else(|| bad("a link's target"))?;
            // Toybox quotes it and not the path; a link is as long as its target.
            let inner = target.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
            Some(inner.filter(|inner| inner.len() as u64 == size).unwrap_or(target).to_owned())
        }
        _ => None,
    };
    Ok(FileStat {
        kind,
        mode: mode & 0o7777,
        uid,
        gid,
        owner,
        group,
        size,
        target,
        digest: None,
        text: None,
        loses_list: false,
        bound: None,
    })
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn line(&mut self) -> Result<&'a [u8], BadAnswer> {
        self.until(b'\n')
    }

    /// What comes before the next `end`, which is dropped; the answer's end stands for a line's end too.
    fn until(&mut self, end: u8) -> Result<&'a [u8], BadAnswer> {
        if self.rest.is_empty() {
            return Err(bad("its end"));
        }
        let at = self.rest.iter().position(|&b| b == end).unwrap_or(self.rest.len());
        let line = self.take(at)?;
        self.rest = self.rest.get(1..).unwrap_or_default();
        Ok(line)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], BadAnswer> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| bad("its end"))?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests;
