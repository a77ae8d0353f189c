//! File systems without room.

use super::*;

impl Host {
    /// Applies while a folder of the host is a file system of its own, of so many KiB, that `before` has been at. `None`
    /// where nothing can be mounted.
    fn apply_in(&self, folder: &Path, kib: u32, before: &str, plan: &ApplyPlan) -> Option<Vec<Frame>> {
        fs::create_dir_all(folder).unwrap();
        let mount = format!("mount -t tmpfs -o mode=700,size={kib}k none \"$0\" && {before} && exec \"$@\"");
        let mut child = std::process::Command::new("unshare")
            .args(["-m", "sh", "-c", &mount])
            .arg(folder)
            .args(self.shell)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let text = script(plan, &ProbeScript::default(), VERIFY, &nonce());
        let sent = std::io::Write::write_all(&mut child.stdin.take().unwrap(), &text);
        let out = child.wait_with_output().unwrap();
        if sent.is_err() || !out.status.success() {
            return None;
        }
        let mut frames: Vec<Frame> = vec![];
        FrameParser::new(&nonce(), Default::default()).push(&out.stdout, &mut frames).unwrap();
        Some(joined(frames))
    }
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    Host::each(|host| {
        let steps = vec![
            step(0, 0, file(&host.at("f"), &vec![b'x'; 200_000])),
            step(1, 1, sh(&format!("cat {0}/f; ls -A {0}", host.at("").trim_end_matches('/')))),
        ];
        let folder = host.root.path().join("d");
        let Some(frames) = host.apply_in(&folder, 64, "printf old >\"$0/f\"", &host.plan("r1", steps)) else { return };
        assert_ne!(status(&frames, 0), 0, "{:?}", host.shell);
        assert_eq!(said(&frames[2]), "oldf\n", "{:?} {}", host.shell, said(&frames[1]));
    });
}

#[test]
fn without_room_for_the_record_nothing_is_begun() {
    Host::each(|host| {
        let plan = host.plan("r1", vec![step(0, 0, file(&host.at("f"), b"new"))]);
        let Some(frames) = host.apply_in(&host.state(), 24, "true", &plan) else { return };
        assert_eq!((frames.len(), frames[0].status), (1, NO_STATE), "{:?}", host.shell);
        assert!(said(&frames[0]).contains("is its file system full?"), "{:?} {}", host.shell, said(&frames[0]));
        assert!(!Path::new(&host.at("f")).exists());
    });
}

#[test]
fn without_room_for_a_copy_the_file_stays_as_it_is() {
    Host::each(|host| {
        fs::write(host.at("f"), vec![b'o'; 60_000]).unwrap();
        let kept = ApplyStep::new(0, Act::Step(file(&host.at("f"), b"new")), vec![0], true);
        let plan = host.plan("r1", vec![kept]);
        let Some(frames) = host.apply_in(&host.state(), 88, "true", &plan) else { return };
        let told = said(&frames[1]);
        assert!(frames[1].status != 0 && told.contains("no copy could be kept"), "{:?} {told}", host.shell);
        assert!(told.contains("No space left"), "{:?} {told}", host.shell);
        assert_eq!(fs::read(host.at("f")).unwrap().len(), 60_000);
    });
}

#[test]
fn what_failed_without_room_to_say_why_says_that() {
    Host::each(|host| {
        let plan = host.plan("r1", vec![step(0, 0, sh(&fills(host, 7)))]);
        let Some(frames) = host.apply_in(&host.state(), 64, "true", &plan) else { return };
        let told = said(&frames[1]);
        assert!(frames[1].status == 7 && told.contains("is its file system full?"), "{:?} {told}", host.shell);
    });
}

#[test]
fn what_cannot_be_put_on_record_is_not_done() {
    Host::each(|host| {
        // More than fits beside what the journal has already.
        let long = ApplyStep { name: "n".repeat(9000), ..step(1, 1, file(&host.at("f"), b"new")) };
        let plan = host.plan("r1", vec![step(0, 0, sh(&fills(host, 0))), long]);
        let Some(frames) = host.apply_in(&host.state(), 80, "true", &plan) else { return };
        let told = said(&frames[2]);
        assert_eq!((frames[1].status, frames[2].status), (0, 1), "{:?} {told}", host.shell);
        assert!(told.contains("is its file system full?"), "{:?} {told}", host.shell);
        assert!(!Path::new(&host.at("f")).exists());
    });
}

/// Takes all the room there is for the run's state, as somebody else may, and exits so.
fn fills(host: &Host, status: u8) -> String {
    format!("head -c 999999 /dev/zero >{}/filler 2>/dev/null; exit {status}", host.state().display())
}
