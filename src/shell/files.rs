//! What a probe asks about files, and reading the answer.
//!
//! However many the paths, it costs two `stat`, one of them for the directories above, and one `sha256sum` (and, for
//! each small file that differs, a `head` for its text and two programs to be sure of what that reads). Which of the paths exist is told by the shell itself, so that the tools' lines, which
//! name nothing, can be matched to their paths: a path is never parsed back out of an answer.

use super::answers::BadAnswer;
use super::quote::{chunks, word};
use super::way::Ways;
use crate::model::body::Digest;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

/// What a probe asks of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileQuestion {
    pub path: String,
    /// The digest to compare with: where the file is another, and small, its text comes along to show a difference.
    /// `None` asks for no digest at all.
    pub digest: Option<Digest>,
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
    /// Of a regular file whose digest was asked for.
    pub digest: Option<Digest>,
    /// The contents, where the digest is another than asked for and the file is small enough to be shown.
    pub text: Option<Vec<u8>>,
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
///
/// `there PATH…` prints a line of one character a path. `digests FIRST DIGEST-LIST PATH…` prints a line of one
/// `0` or `1` a path, a line of `sha256sum` for each `1`, then `T index length`, a line break and the text for each
/// small file whose digest is not the listed one, and `.` at the end. A pipe or device among the paths would
/// block `sha256sum`, so those are sorted out first. Numbered variables, because to cut a long text piece by piece
/// takes a time that grows by the square of its length. `recall PATH` finds the digest of large contents that this
/// very script has written and hashed, as long as nothing has touched the file since: `$known`, which only an apply
/// sets, is a file of lines `digest|stat|path`.
pub(super) const FUNCTIONS: &str = r#"
there() {
  for p do
    if [ -L "$p" ]; then printf l; elif [ -d "$p" ]; then printf d; elif [ -f "$p" ]; then printf f; elif [ -e "$p" ]; then printf s; else printf %s -; fi
  done
  printf '\n'
}
readable() { [ -f "$1" ] && [ -r "$1" ]; }
touched='%d %i %s %y %z'
recall() {
  if [ -z "$known" ]; then return 1; fi
  while IFS='|' read -r sum seen path; do
    if [ "$path" = "$1" ] && [ "$(stat -c "$touched" -- "$1")" = "$seen" ]; then return 0; fi
  done 2>/dev/null <"$known"
  return 1
}
text() (
  d=${2%/*}
  d=${d:-/}
  if ! cd -P -- "$d" || { [ "$PWD" != "$d" ] && ! enter "$d"; } || ! exec 8<"./${2##*/}" || ! is_here "${2##*/}"; then exit 0; fi
  n=$(stat -L -c %s /proc/self/fd/8) || exit 0
  if [ "$n" -le 131072 ]; then printf 'T %s %s\n' "$1" "$n"; head -c "$n" <&8; printf '\n'; fi
) 2>/dev/null
digests() {
  i=$1; listed=$2; shift 2; special=$known
  for p do
    if readable "$p"; then printf 1; else printf 0; if [ -e "$p" ] && [ ! -d "$p" ]; then special=1; fi; fi
  done
  printf '\n'
  if [ -n "$special" ]; then
    sums=$(for p do
      if readable "$p" && ! recall "$p"; then printf '%s\000' "$p"; fi
    done | xargs -r -0 sha256sum -- 2>/dev/null)
  else
    sums=$(sha256sum -- "$@" 2>/dev/null)
  fi
  if [ -n "$known" ]; then
    sums=$(printf '%s\n' "$sums" | for p do
      if ! readable "$p"; then :; elif recall "$p"; then printf '%s  %s\n' "$sum" "$p"; else IFS= read -r l; printf '%s\n' "$l"; fi
    done)
  fi
  printf '%s\n' "$sums"
  j=0
  for want in $listed; do eval "want_$j=\$want"; j=$((j + 1)); done
  j=0; set -f; IFS=$nl
  for got in $sums; do eval "got_$j=\${got%% *}"; j=$((j + 1)); done
  set +f; IFS=" $tab$nl"
  j=0; k=0
  for p do
    if readable "$p"; then
      eval "got=\${got_$k-} want=\${want_$j-}; unset got_$k"
      if [ "$got" != "$want" ]; then text "$((i + j))" "$p"; fi
      k=$((k + 1))
    fi
    j=$((j + 1))
  done
  printf '.\n'
}
digest_one() {
  if readable "$3"; then
    printf '1\n'
    got=$(sha256sum <"$3" 2>/dev/null)
    printf '%s\n' "$got"
    if [ "${got%% *}" != "$2" ]; then text "$1" "$3"; fi
  else
    printf '0\n'
  fi
  printf '.\n'
}
"#;

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
    let with: Vec<_> = questions.iter().copied().filter(|(_, q)| q.digest.is_some()).collect();
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
            .filter_map(|(_, q)| q.digest.as_ref())
            .map(|d| format!("{} ", d.as_str()))
            .collect();
        let _ = writeln!(out, "digests {first} '{listed}' {}", chunk.join(" "));
        first += chunk.len();
    }
    for (_, q) in &odd {
        if let Some(digest) = &q.digest {
            let _ = writeln!(out, "digest_one 0 {} {}", digest.as_str(), word(&q.path));
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
    for one in odd.iter().filter(|(_, q)| q.digest.is_some()) {
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
    let mut any = false;
    for (yes, (n, _)) in readable.into_iter().zip(these) {
        if yes != b'1' {
            continue;
        }
        any = true;
        let line = String::from_utf8_lossy(input.line()?).into_owned();
        let hex = line.trim_start_matches('\\').get(..64).unwrap_or_default();
        let digest = Digest::parse(hex).ok_or_else(|| bad("a digest"))?;
        present(*n, states, &mut |seen| seen.digest = Some(digest.clone()));
    }
    if !any && input.rest.first() == Some(&b'\n') {
        // `printf '%s\n'` of no sums.
        input.line()?;
    }
    loop {
        let line = String::from_utf8_lossy(input.line()?).into_owned();
        if line == "." {
            return Ok(());
        }
        let mut fields = line.strip_prefix("T ").ok_or_else(|| bad("a text"))?.split(' ');
        let mut number = || fields.next().and_then(|f| f.parse::<usize>().ok()).ok_or_else(|| bad("a text"));
        let (index, length) = (number()?, number()?);
        let text = input.take(length)?.to_vec();
        input.line()?;
        let n = index.checked_sub(first).and_then(|i| these.get(i)).map(|(n, _)| *n).ok_or_else(|| bad("a text"))?;
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
    let size = field()?.parse().map_err(|_| bad("a size"))?;
    let kind = FileKind::from_mode(mode);
    let name = fields.next();
    let target = match (kind, path, name) {
        (FileKind::Symlink, Some(path), Some(name)) => {
            // Coreutils writes `path -> target`, busybox `'path' -> 'target'`.
            let bare = name.strip_prefix(path).and_then(|r| r.strip_prefix(" -> "));
            let quoted = || name.strip_prefix(&format!("'{path}' -> '")).and_then(|r| r.strip_suffix('\''));
            Some(bare.or_else(quoted).ok_or_else(|| bad("a link's target"))?.to_owned())
        }
        _ => None,
    };
    Ok(FileStat { kind, mode: mode & 0o7777, uid, gid, owner, group, size, target, digest: None, text: None })
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
mod tests {
    use super::*;
    use crate::shell::frame::Nonce;
    use proptest::prelude::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::{Command, Stdio};

    fn ask(shell: &[&str], questions: &[FileQuestion]) -> Vec<Result<FileState, BadAnswer>> {
        let nonce = Nonce::new([7; 16]);
        let mut probe = super::super::probe::ProbeScript::default();
        probe.ask_files(questions);
        let script = probe.into_text(&nonce);
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &script).unwrap();
        let out = child.wait_with_output().unwrap().stdout;
        let mut frames: Vec<crate::shell::frame::Frame> = vec![];
        let mut parser = crate::shell::frame::FrameParser::new(&nonce, Default::default());
        parser.push(&out, &mut frames).unwrap();
        assert!(parser.is_finished(), "{}", String::from_utf8_lossy(&out));
        parse(questions, &frames[0].body)
    }

    #[test]
    fn every_shell_tells_the_same_of_every_kind_of_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        for name in ["plain", "with space", "new\nline", "$(reboot)", "quo'te", "back\\slash", "binary"] {
            let content: &[u8] = if name == "binary" { b"\0\xff\n\n" } else { b"hello\n" };
            std::fs::write(path(name), content).unwrap();
            std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(0o640)).unwrap();
        }
        symlink("target with space", path("link")).unwrap();
        symlink("odd\ntarget", path("odd\nlink")).unwrap();
        std::fs::create_dir(path("dir")).unwrap();
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        let names = [
            "plain",
            "with space",
            "new\nline",
            "$(reboot)",
            "quo'te",
            "back\\slash",
            "binary",
            "link",
            "odd\nlink",
            "dir",
            "missing",
            "missing\nodd",
            "pipe",
        ];
        let same = Digest::of(b"hello\n");
        let questions: Vec<_> =
            names.iter().map(|n| FileQuestion { path: path(n), digest: Some(same.clone()) }).collect();
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let seen = ask(shell, &questions);
            let of = |name: &str| {
                let n = names.iter().position(|x| *x == name).unwrap();
                match seen[n].clone().unwrap() {
                    FileState::Present(s) => s,
                    FileState::Absent => panic!("{name} is there"),
                }
            };
            for name in &names[..6] {
                assert_eq!((of(name).kind, of(name).mode, of(name).size), (FileKind::Regular, 0o640, 6), "{name:?}");
                assert_eq!(of(name).digest, Some(same.clone()), "{name:?} {shell:?}");
                assert_eq!(of(name).text, None);
            }
            assert_eq!(of("binary").text.as_deref(), Some(&b"\0\xff\n\n"[..]));
            assert_eq!(of("link").target.as_deref(), Some("target with space"));
            assert_eq!(of("odd\nlink").target.as_deref(), Some("odd\ntarget"));
            assert_eq!(of("dir").kind, FileKind::Directory);
            assert_eq!(of("pipe").kind, FileKind::Special);
            assert_eq!(seen[10], Ok(FileState::Absent));
            assert_eq!(seen[11], Ok(FileState::Absent));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_answers_are_no_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let digest = Some(Digest::of(b""));
            let questions = ["a", "b\n", "c"].map(|p| FileQuestion { path: p.into(), digest: digest.clone() });
            prop_assert_eq!(parse(&questions, &body).len(), 3);
        }
    }
}
