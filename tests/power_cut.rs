//! What a power cut leaves: an apply works on a disk image, of which a copy is taken at each of its moments. A copy has what
//! had reached the disk by then, and nothing of what the kernel still held back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const OLD: &str = "what was there";

/// All that changes anything, or makes it last.
const PROGRAMS: &[&str] = &["sync", "mv", "cp", "ln", "mkdir", "chmod", "chown", "rm", "cat", "stat"];

/// Stands before each of them, and copies the disk once it is done.
const CUT: &str = r#"#!/bin/sh
name=${0##*/}
PATH=/usr/sbin:/usr/bin:/sbin:/bin
"$name" "$@"
status=$?
if [ -L /var/lib/trueup/lock ]; then
  cp --sparse=always "DIR/disk.img" "DIR/cuts/$(printf %04d "$(ls "DIR/cuts" | wc -l)")"
fi
exit $status
"#;

struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        // In memory, for a file system that is made anew for each case waits for the machine's own disk otherwise.
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        for name in ["bin", "cuts", "disk"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        for name in PROGRAMS {
            let path = dir.path().join("bin").join(name);
            fs::write(&path, CUT.replace("DIR", &dir.path().display().to_string())).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let disk = Self { dir };
        disk.write("hosts.yml", "all:\n  hosts:\n    here:\n      ansible_connection: local\n");
        let image = disk.path("disk.img");
        fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        assert!(Command::new("mkfs.ext4").arg("-q").arg(&image).status().unwrap().success());
        disk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text.replace("DIR", &self.dir.path().display().to_string())).unwrap();
    }

    /// Runs a command with an image as the disk, which holds what is managed, and what the host keeps.
    #[track_caller]
    fn on(&self, image: &Path, command: &str) -> String {
        let mount = "mount -o loop \"$1\" disk && mkdir -p disk/state disk/out /var/lib/trueup && \
            mount --bind disk/state /var/lib/trueup && eval \"$2\"";
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", mount, "sh"])
            .arg(image)
            .arg(command)
            .current_dir(self.dir.path())
            .env("TRUEUP", env!("CARGO_BIN_EXE_trueup"))
            .env("NO_COLOR", "1")
            .env("XDG_CACHE_HOME", self.path(".cache"))
            .env("XDG_STATE_HOME", self.path(".state"))
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{command}\n{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }
}

/// The steps of a journal: the slot of each that was begun, by what it is about, and whether it is done.
fn steps(journal: &str) -> BTreeMap<String, (String, bool)> {
    let done = |slot: &str| journal.lines().any(|l| l == format!("done {slot} 0"));
    let begun = journal.lines().filter_map(|l| l.strip_prefix("begin ")?.split_once(' '));
    begun.map(|(slot, of)| (of.to_owned(), (slot.to_owned(), done(slot)))).collect()
}

/// What reached the disk by then is whole, can be taken back, and can be gone on from. Whether the first change had.
fn holds(disk: &Disk, cut: &Path) -> bool {
    let case = cut.display();
    let copied = cut.with_extension("copy");
    fs::create_dir(&copied).unwrap();
    disk.on(cut, &format!("cp -a disk/. {}", copied.display()));
    disk.on(cut, "$TRUEUP apply --yes --no-history >&2 && $TRUEUP plan >&2");
    let read = |path: &str| fs::read_to_string(copied.join(path)).unwrap_or_default();
    let run = fs::read_dir(copied.join("state/runs")).ok().and_then(|mut runs| runs.next()?.ok());
    let run = run.map(|run| run.file_name()).unwrap_or_default();
    let of_run = |path: &str| read(&format!("state/runs/{}/{path}", run.display()));
    let (f, g) = (read("out/f"), read("out/g"));
    assert!([OLD, "new"].contains(&f.as_str()), "{case}: {f:?}");
    assert!(["", "new"].contains(&g.as_str()), "{case}: {g:?}");
    let journal = steps(&of_run("journal"));
    let step = |id: &str| journal.get(&id.replace("DIR", &disk.dir.path().display().to_string()));
    let (replaced, removed) = (step("file[DIR/disk/out/f]"), step("directory[DIR/disk/out/d]"));
    if f == "new" {
        let (slot, _) = replaced.unwrap_or_else(|| panic!("{case}: changed before that is on record: {journal:?}"));
        assert_eq!(of_run(&format!("kept/{slot}")), OLD, "{case}");
    } else {
        assert!(!replaced.is_some_and(|(_, done)| *done), "{case}: done on the disk, and what was done is not");
    }
    if read("out/d/x").is_empty() {
        let (slot, _) = removed.unwrap_or_else(|| panic!("{case}: removed before that is on record: {journal:?}"));
        assert_eq!(of_run(&format!("kept/{slot}/x")), "x", "{case}");
    }
    f == "new"
}

#[test]
fn what_is_changed_can_be_taken_back_at_every_moment() {
    let disk = Disk::new();
    let image = disk.path("disk.img");
    disk.on(&image, &format!("printf '{OLD}' >disk/out/f; mkdir disk/out/d; printf x >disk/out/d/x; sync"));
    disk.write(
        "site.yml",
        "- hosts: all\n  resources:\n    - file: DIR/disk/out/f\n      content: new\n    - directory: DIR/disk/out/d\n      state: absent\n      force: true\n    - file: DIR/disk/out/g\n      content: new\n    - file: DIR/disk/out/many\n      content: new\n    - file: DIR/disk/out/more\n      content: new\n    - file: DIR/disk/out/most\n      content: new\n",
    );
    disk.on(&image, "PATH=$PWD/bin:$PATH $TRUEUP apply --yes --no-history >&2");
    let mut cuts: Vec<_> = fs::read_dir(disk.path("cuts")).unwrap().map(|e| e.unwrap().path()).collect();
    cuts.sort();
    // Each waits a second for a lock whose holder is gone.
    let changed: usize = std::thread::scope(|scope| {
        let each = |cuts: &'_ [PathBuf]| cuts.iter().filter(|cut| holds(&disk, cut)).count();
        let workers: Vec<_> = cuts.chunks(cuts.len().div_ceil(4)).map(|cuts| scope.spawn(move || each(cuts))).collect();
        workers.into_iter().map(|w| w.join().unwrap()).sum()
    });
    println!("power cut at {} moments, {changed} of them after the first change", cuts.len());
    assert!(changed > 3 && cuts.len() > changed + 3);
}
