//! What a probe asks about all that is below directories, and reading the answer.
//!
//! The answer comes in blocks: a line with the number of entries, a line `mode-hex uid gid user group` an entry, and
//! then their paths, each with a NUL after it, for a path may hold any other byte.

use super::answers::BadAnswer;
use super::files::FileKind;

/// The longest answer, in bytes. The host is asked for no more.
const LONGEST: usize = 16 << 20;

/// One thing at or below a directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TreeEntry {
    pub path: String,
    /// Whether the path is exactly that: one that is no UTF-8 cannot be named to the host again.
    pub exact: bool,
    pub kind: FileKind,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// `UNKNOWN` where the host has no name for the id.
    pub owner: String,
    pub group: String,
}

/// Lists the directories in `list` (quoted words) and all below them, not crossing file systems, links not followed.
pub(super) fn snippet(list: &str) -> String {
    format!(
        "find {list} -xdev -exec sh -c 'echo $#; stat -c \"%f %u %g %U %G\" -- \"$@\"; printf \"%s\\000\" \"$@\"' sh {{}} + 2>/dev/null | head -c {LONGEST}\n"
    )
}

/// What a host listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// In the paths' order. What is not there has no entry.
    pub entries: Vec<TreeEntry>,
    /// The path that was listed last, if there was more than an answer may hold.
    cut: Option<String>,
}

impl Tree {
    /// Whether all below `path` is listed. `roots` are the directories that were asked about, in that order.
    ///
    /// # Errors
    /// Why it is not.
    pub fn is_whole<'a>(&self, path: &str, roots: impl IntoIterator<Item = &'a str>) -> Result<(), BadAnswer> {
        let Some(cut) = &self.cut else { return Ok(()) };
        let holds = |root: &str, path: &str| {
            path.strip_prefix(root.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        for root in roots {
            match (holds(root, path), holds(root, cut)) {
                (true, false) => return Ok(()),
                (true, true) => break,
                (false, true) => {
                    return Err(BadAnswer(format!(
                        "it is not looked at, because there are too many entries below {root}"
                    )));
                }
                (false, false) => {}
            }
        }
        Err(BadAnswer("there are too many entries below it to be looked at".into()))
    }
}

/// Reads an answer to `Query::Tree`.
///
/// # Errors
/// Where any of it is malformed: nothing that follows could be matched to its path.
pub fn parse(body: &[u8]) -> Result<Tree, BadAnswer> {
    let is_cut = body.len() >= LONGEST;
    let bad = || BadAnswer("the host's answer about directories is malformed, or they changed meanwhile".into());
    let mut rest = body;
    let mut until = |end: u8| {
        let at = rest.iter().position(|&b| b == end)?;
        let (taken, after) = rest.split_at_checked(at)?;
        rest = after.get(1..)?;
        Some(taken)
    };
    let mut entries: Vec<TreeEntry> = vec![];
    while let Some(count) = until(b'\n') {
        let mut block = || -> Option<Vec<TreeEntry>> {
            let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
            let mut block = vec![];
            for _ in 0..count {
                block.push(until(b'\n').and_then(attributes)?);
            }
            for entry in &mut block {
                let path = until(0)?;
                entry.exact = std::str::from_utf8(path).is_ok();
                entry.path = String::from_utf8_lossy(path).into_owned();
            }
            Some(block)
        };
        match block() {
            Some(block) => entries.extend(block),
            None if is_cut => break,
            None => return Err(bad()),
        }
    }
    if !rest.is_empty() && !is_cut {
        return Err(bad());
    }
    let cut = is_cut.then(|| entries.last().map(|e| e.path.clone()).unwrap_or_default());
    // A directory's own order is another on each host.
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Tree { entries, cut })
}

fn attributes(line: &[u8]) -> Option<TreeEntry> {
    let line = String::from_utf8_lossy(line);
    let mut fields = line.split(' ');
    let mode = u32::from_str_radix(fields.next()?, 16).ok()?;
    let entry = TreeEntry {
        path: String::new(),
        exact: false,
        kind: FileKind::from_mode(mode),
        mode: mode & 0o7777,
        uid: fields.next()?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
        owner: fields.next()?.to_owned(),
        group: fields.next()?.to_owned(),
    };
    fields.next().is_none().then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::super::quote::word;
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    #[test]
    fn every_shell_lists_odd_names() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_str().unwrap();
        std::fs::create_dir(dir.path().join("sub dir")).unwrap();
        std::fs::write(dir.path().join("sub dir/new\n81a4 0 0 root root passwd"), "").unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("link")).unwrap();
        for shell in [&["dash", "-c"][..], &["bash", "-c"], &["busybox", "sh", "-c"]] {
            let list = format!("{} /no/such/directory", word(root));
            let out = Command::new(shell[0]).args(&shell[1..]).arg(snippet(&list)).output().unwrap().stdout;
            let seen: Vec<_> = parse(&out)
                .unwrap()
                .entries
                .into_iter()
                .map(|e| (e.path.replacen(root, "", 1), e.kind, e.exact))
                .collect();
            let wanted = [
                (String::new(), FileKind::Directory, true),
                ("/link".into(), FileKind::Symlink, true),
                ("/sub dir".into(), FileKind::Directory, true),
                ("/sub dir/new\n81a4 0 0 root root passwd".into(), FileKind::Regular, true),
            ];
            assert_eq!(seen, wanted, "{shell:?}");
        }
    }

    #[test]
    fn of_too_many_entries_only_what_holds_them_is_not_judged() {
        let mut body = vec![];
        let mut block = |path: &str| body.extend(format!("1\n81a4 0 0 root root\n{path}\0").bytes());
        block("/a/x");
        let long = "y".repeat(LONGEST / 2);
        block(&format!("/b/1{long}"));
        block(&format!("/b/2{long}"));
        body.truncate(LONGEST);
        let tree = parse(&body).unwrap();
        let whole = |path: &str| tree.is_whole(path, ["/a", "/b", "/c"]).map_err(|e| e.0);
        assert_eq!(whole("/a"), Ok(()));
        assert_eq!(whole("/b"), Err("there are too many entries below it to be looked at".into()));
        assert_eq!(whole("/b/deeper"), whole("/b"));
        assert_eq!(whole("/c"), Err("it is not looked at, because there are too many entries below /b".into()));
        assert_eq!(parse(b"").unwrap().is_whole("/c", ["/c"]), Ok(()));
    }

    proptest! {
        #[test]
        fn arbitrary_answers_are_no_panic(body in "[0-9]{1,3}\n(81a4 0 0 root root\n){0,3}.{0,40}") {
            let _ = parse(body.as_bytes());
        }
    }

    #[test]
    fn an_answer_that_is_cut_short_is_refused() {
        assert_eq!(parse(b""), Ok(Tree::default()));
        assert!(parse(b"1\n81a4 0 0 root root\n/a\0").is_ok());
        for cut in [
            &b"1"[..],
            b"1\n",
            b"1\n81a4 0 0 root root\n/a",
            b"2\n81a4 0 0 root root\n/a\0/b\0",
            b"1\n81a4 0 0 root root\n/a\0x",
        ] {
            assert!(parse(cut).is_err(), "{cut:?}");
        }
        assert!(parse(b"99999999999999\n").is_err());
    }
}
