//! A host's disk at one moment, and what differs between two moments.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What a booted host writes to its disk unasked, by the beginning of the path: private
/// temporary directories of systemd's services, with another name in each boot.
pub const NOISE: [&str; 2] = ["tmp/systemd-private-", "var/tmp/systemd-private-"];

/// All paths (relative to the root) at which a host differs from its base, `None` where the
/// base's entry was removed. Extended attributes and ACLs are not looked at.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub entries: BTreeMap<PathBuf, Option<Entry>>,
    base: PathBuf,
    mtimes: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub content: Content,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// In bytes; 0 for a directory, whose size is the file system's own affair.
    pub size: u64,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (i64, i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Directory,
    /// With its SHA-256, in hexadecimal.
    File(String),
    /// With its target.
    Symlink(PathBuf),
    /// Fifo, socket or device.
    Special(&'static str),
}

/// One path at which two snapshots disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub path: PathBuf,
    pub before: Option<Entry>,
    pub after: Option<Entry>,
}

impl Snapshot {
    /// Reads the host in a fleet's `hosts/NAME`, whether it is on or off.
    pub fn take(host: &Path) -> io::Result<Snapshot> {
        let base = fs::read_link(host.join("lower"))?;
        let mut snapshot = Snapshot { entries: BTreeMap::new(), base, mtimes: true };
        snapshot.walk(&host.join("upper"), &host.join("root"), Path::new(""))?;
        Ok(snapshot)
    }

    /// The same, blind to times of modification: undoing a change in a directory cannot bring
    /// back the directory's.
    pub fn without_mtimes(mut self) -> Snapshot {
        self.mtimes = false;
        self
    }

    /// Where a later snapshot of the same host disagrees. A path that was copied to the upper
    /// directory and then brought back to its first state is no difference.
    pub fn differences(&self, later: &Snapshot) -> Vec<Difference> {
        let mtimes = self.mtimes && later.mtimes;
        let paths: BTreeSet<&PathBuf> = self.entries.keys().chain(later.entries.keys()).collect();
        paths
            .into_iter()
            .map(|path| Difference { path: path.clone(), before: self.at(path), after: later.at(path) })
            .filter(|difference| !difference.is_nothing(mtimes))
            .collect()
    }

    /// Fails with the list of differences, where there are any.
    #[track_caller]
    pub fn assert_same(&self, later: &Snapshot) {
        let mut list = String::new();
        for difference in self.differences(later) {
            let _ = writeln!(list, "  {difference}");
        }
        assert!(list.is_empty(), "the host's disk is not as it was:\n{list}");
    }

    /// What is at a path, which the base answers where the host left it alone.
    fn at(&self, path: &Path) -> Option<Entry> {
        if let Some(entry) = self.entries.get(path) {
            return entry.clone();
        }
        let parents = path.ancestors().skip(1);
        let hidden = parents.filter_map(|parent| self.entries.get(parent)).any(|parent| !is_directory(parent.as_ref()));
        if hidden { None } else { read(&self.base.join(path)).ok().flatten() }
    }

    fn walk(&mut self, upper: &Path, root: &Path, below: &Path) -> io::Result<()> {
        let mut names = BTreeSet::new();
        for found in fs::read_dir(upper.join(below))? {
            let name = found?.file_name();
            let path = below.join(&name);
            names.insert(name);
            if NOISE.iter().any(|noise| path.as_os_str().as_encoded_bytes().starts_with(noise.as_bytes())) {
                continue;
            }
            // Read through the mount, in which a removed entry's mark is an absence.
            let entry = read(&root.join(&path))?;
            let descend = is_directory(entry.as_ref());
            self.entries.insert(path.clone(), entry);
            if descend {
                self.walk(upper, root, &path)?;
            }
        }
        // A directory that was removed and made again hides the base's without a mark at each entry.
        let Ok(base) = fs::read_dir(self.base.join(below)) else { return Ok(()) };
        for found in base {
            let name = found?.file_name();
            let path = below.join(&name);
            if !names.contains(&name) && read(&root.join(&path))?.is_none() {
                self.entries.insert(path, None);
            }
        }
        Ok(())
    }
}

fn is_directory(entry: Option<&Entry>) -> bool {
    entry.is_some_and(|entry| entry.content == Content::Directory)
}

/// What is at a path of this machine; `None` where there is nothing.
fn read(path: &Path) -> io::Result<Option<Entry>> {
    let entry = fs::symlink_metadata(path).and_then(|found| {
        Ok(Entry {
            content: content(path, &found)?,
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            size: if found.is_dir() { 0 } else { found.size() },
            mtime: (found.mtime(), found.mtime_nsec()),
        })
    });
    match entry {
        Ok(entry) => Ok(Some(entry)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn content(path: &Path, found: &Metadata) -> io::Result<Content> {
    let kind = found.file_type();
    Ok(if kind.is_dir() {
        Content::Directory
    } else if kind.is_symlink() {
        Content::Symlink(fs::read_link(path)?)
    } else if kind.is_file() {
        let digest = Sha256::digest(fs::read(path)?);
        Content::File(digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
    } else if kind.is_fifo() {
        Content::Special("fifo")
    } else if kind.is_socket() {
        Content::Special("socket")
    } else {
        Content::Special("device")
    })
}

impl Difference {
    fn is_nothing(&self, mtimes: bool) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) if !mtimes => *before == Entry { mtime: before.mtime, ..after.clone() },
            (before, after) => before == after,
        }
    }
}

/// `etc/motd: mode 0644 -> 0600, size 5 -> 7 bytes`
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        let (before, after) = match (&self.before, &self.after) {
            (None, None) => return f.write_str("nothing"),
            (None, Some(after)) => return write!(f, "added, {after}"),
            (Some(before), None) => return write!(f, "removed, was {before}"),
            (Some(before), Some(after)) => (before, after),
        };
        let mut said = Vec::new();
        if before.content != after.content {
            said.push(format!("{} -> {}", before.content, after.content));
        }
        if before.mode != after.mode {
            said.push(format!("mode {:04o} -> {:04o}", before.mode, after.mode));
        }
        if (before.uid, before.gid) != (after.uid, after.gid) {
            said.push(format!("owner {}:{} -> {}:{}", before.uid, before.gid, after.uid, after.gid));
        }
        if before.size != after.size {
            said.push(format!("size {} -> {} bytes", before.size, after.size));
        }
        if before.mtime != after.mtime {
            let ((s1, n1), (s2, n2)) = (before.mtime, after.mtime);
            said.push(format!("modified {s1}.{n1:09} -> {s2}.{n2:09}"));
        }
        f.write_str(&said.join(", "))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:04o} {}:{}", self.content, self.mode, self.uid, self.gid)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Directory => f.write_str("directory"),
            Content::File(sha256) => write!(f, "file sha256:{}", &sha256[..12]),
            Content::Symlink(target) => write!(f, "symlink to {}", target.display()),
            Content::Special(kind) => f.write_str(kind),
        }
    }
}
