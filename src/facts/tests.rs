//! Whole answers: as systems of several families give them, and as this machine does under each shell.

use super::parse::parse;
use super::*;
use crate::shell::facts::{Answer, FIRST_CUSTOM, PAST_CUSTOM, script};
use crate::shell::frame::{Frame, FrameParser, Limits, Nonce};
use proptest::prelude::*;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];

/// Runs the script, changed as told, in the shell that `command` starts.
fn gathered(command: &mut Command, changes: &[(&str, &str)]) -> (Facts, Vec<String>) {
    let nonce = Nonce::new([3; 16]);
    let mut text = String::from_utf8(script(&nonce)).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
    let mut frames: Vec<Frame> = vec![];
    let mut parser = FrameParser::new(&nonce, Limits::default());
    parser.push(&out.stdout, &mut frames).unwrap();
    assert!(parser.is_finished(), "{}", String::from_utf8_lossy(&out.stdout));
    parse(&frames).unwrap()
}

fn shell(argv: &[&str]) -> Command {
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]).arg("-s");
    command
}

fn program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn every_shell_gathers_what_this_machine_is() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let memory: u64 = read("/proc/meminfo").split_whitespace().nth(1).unwrap().parse().unwrap();
    let up: f64 = read("/proc/uptime").split(' ').next().unwrap().parse().unwrap();
    for argv in SHELLS {
        let (facts, _) = gathered(&mut shell(argv), &[]);
        assert_eq!(facts.hostname, read("/proc/sys/kernel/hostname").split('.').next().unwrap(), "{argv:?}");
        assert_eq!(facts.boot_id, read("/proc/sys/kernel/random/boot_id"));
        assert_eq!(facts.kernel, read("/proc/sys/kernel/osrelease"));
        assert_eq!(facts.memory_mb, memory / 1024);
        assert!(facts.uptime_s.abs_diff(up as u64) < 60, "{}", facts.uptime_s);
        assert_eq!(facts.arch, std::env::consts::ARCH);
        assert!(facts.cpus > 0);
        assert_eq!(facts.os, super::os::os(&read("/etc/os-release")));
        assert_eq!(facts.mounts, super::mounts::mounts(&read("/proc/self/mounts")));
        let interfaces = std::fs::read_dir("/sys/class/net").unwrap();
        let with_address = interfaces.filter(|i| i.as_ref().unwrap().path().join("address").exists()).count();
        assert_eq!(facts.network.interfaces.len(), with_address, "{:?}", facts.network);
        assert!(!facts.user.name.is_empty() && !facts.virtualization.is_empty());
    }
}

#[test]
fn what_is_not_there_to_tell_is_told_otherwise() {
    let (with, _) = gathered(&mut shell(&["sh"]), &[]);
    let changes = [
        ("ip -o addr show", "false"),
        ("command -v systemd-detect-virt", "false"),
        ("/sys/devices/system/cpu/online", "/none"),
        ("/proc/sys/kernel", "/none"),
    ];
    for argv in SHELLS {
        let (without, _) = gathered(&mut shell(argv), &changes);
        assert_eq!(without.network, with.network, "{argv:?}");
        assert_eq!((&without.hostname, &without.kernel), (&with.hostname, &with.kernel));
        assert_eq!(without.cpus, with.cpus);
    }
}

#[test]
fn the_connection_is_found_behind_a_program_that_strips_the_environment() {
    let ends = SshConnection {
        client_address: "192.0.2.9".into(),
        client_port: 40_000,
        server_address: "192.0.2.2".into(),
        server_port: 22,
    };
    for argv in SHELLS {
        let name = argv.join(" ");
        let mut direct = shell(argv);
        // Two levels of parents, the outer with the variable.
        let mut stripped = Command::new("sh");
        stripped.args(["-c", &format!("env -u SSH_CONNECTION sh -c '{name} -s; :'; :")]);
        for command in [&mut direct, &mut stripped] {
            command.env("SSH_CONNECTION", "192.0.2.9 40000 192.0.2.2 22").env("OTHER", "a\nSSH_CONNECTION=false");
            assert_eq!(gathered(command, &[]).0.ssh_connection.as_ref(), Some(&ends), "{name}");
        }
    }
}

#[test]
fn custom_facts_are_run_and_read_and_never_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("site.json"), "{\"rack\": 4}\n").unwrap();
    std::fs::write(at("README"), "not a fact").unwrap();
    program(&at("disks"), "#!/bin/sh\necho noise >&2\nprintf '[1, 2]'\n");
    program(&at("fails.sh"), "#!/bin/sh\necho '{}'\nexit 3\n");
    program(&at("hangs"), "#!/bin/sh\nexec sleep 1000\n");
    program(&at("leaves"), "#!/bin/sh\nsleep 20 2>/dev/null &\necho 7\n");
    program(&at("talks"), "#!/bin/sh\nwhile echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; do :; done\n");
    let changes = [
        ("/etc/trueup/facts.d", dir.path().to_str().unwrap()),
        ("bounded 10", "bounded 1"),
        ("bounded 15", "bounded 2"),
    ];
    let check = |argv: &[&str]| {
        let began = std::time::Instant::now();
        let (facts, wrong) = gathered(&mut shell(argv), &changes);
        assert!(began.elapsed().as_secs() < 15, "{argv:?}");
        assert_eq!(facts.custom["site"], serde_json::json!({"rack": 4}), "{argv:?}");
        assert_eq!(facts.custom["disks"], serde_json::json!([1, 2]));
        assert!(!facts.custom.contains_key("README") && !facts.custom.contains_key("fails"));
        assert_eq!(
            wrong.iter().filter(|w| !w.contains("fact leaves")).collect::<Vec<_>>(),
            [
                "the custom fact fails.sh failed with exit status 3",
                "the custom fact hangs took longer than 10 s",
                "the custom fact talks is longer than 64 KiB"
            ]
        );
    };
    std::thread::scope(|scope| {
        for argv in SHELLS {
            scope.spawn(move || check(argv));
        }
    });
}

#[test]
fn few_processes_are_started() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let tools = "awk basename cat cut dirname echo env expr find getent grep head hostname id ip ls nproc ps readlink \
                 sed sort stat systemctl systemd-detect-virt tail test timeout tr uname wc which";
    for tool in tools.split_whitespace() {
        let text = format!(
            "#!/bin/sh\necho {tool} >>{}\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
             if command -v {tool} >/dev/null; then exec {tool} \"$@\"; fi\nexit 127\n",
            log.display()
        );
        program(&dir.path().join(tool), &text);
    }
    for argv in SHELLS {
        let mut command = shell(argv);
        command.env("PATH", format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap()));
        command.env_remove("SSH_CONNECTION");
        gathered(&mut command, &[]);
        let started = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(started.lines().count() <= 10, "{argv:?}: {started}");
        // Busybox may run its own applets, whatever PATH has.
        let least = if argv.contains(&"busybox") { 0 } else { 3 };
        assert!(started.lines().count() >= least, "{argv:?}: nothing is counted: {started}");
        let _ = std::fs::remove_file(&log);
    }
}

fn answered(answers: &[(Answer, &str)]) -> Facts {
    let frames: Vec<Frame> = answers
        .iter()
        .map(|(answer, body)| Frame { slot: answer.slot(), status: 0, body: body.as_bytes().to_vec() })
        .collect();
    parse(&frames).unwrap().0
}

#[test]
fn a_debian_behind_sudo() {
    let facts = answered(&[
        (
            Answer::Values,
            "hostname web1\ndomain (none)\nkernel 6.1.0-18-amd64\nboot_id 0f3c3d6e-8f0e-4a55-9c0f-6d5f5a0f8f11\n\
             uptime 93784.51 180000.00\nmemory MemTotal:        2014324 kB\ncpus 0-1\n\
             uname Linux web1 6.1.0-18-amd64 x86_64\nid uid=0(root) gid=0(root) groups=0(root)\nhas apt-get\nhas gzip\n\
             has timeout\nhas useradd\nhas adduser\nhas visudo\ninit systemd\nreboot required\nvirt kvm\n\
             ssh 10.0.0.9 51514 10.0.0.5 22\nmac ens3 52:54:00:12:34:56\nstate ens3 up\nmac lo 00:00:00:00:00:00\n\
             state lo unknown\n",
        ),
        (
            Answer::Release,
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n\
             VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n",
        ),
        (Answer::Mounts, "sysfs /sys sysfs rw 0 0\n/dev/vda1 / ext4 rw,relatime,errors=remount-ro 0 0\n"),
        (
            Answer::Addresses,
            "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n\
             2: ens3    inet 10.0.0.5/24 metric 100 brd 10.0.0.255 scope global dynamic ens3\\       valid_lft 3000sec\n",
        ),
        (Answer::Routes, "default via 10.0.0.1 dev ens3 proto dhcp src 10.0.0.5 metric 100 \n"),
        (Answer::Hosts, "127.0.0.1\tlocalhost\n127.0.1.1\tweb1.example.net web1\n"),
    ]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&facts).unwrap());
}

#[test]
fn an_alpine_with_busybox_alone() {
    let facts = answered(&[
        (
            Answer::Values,
            "hostname box\ndomain (none)\nkernel 6.6.14-0-virt\nboot_id \nuptime 12.00 9.00\n\
             memory MemTotal:         476592 kB\ncpus 0\nuname Linux box 6.6.14-0-virt x86_64\n\
             id uid=1000 gid=0(root) groups=0(root)\nhas apk\nhas gzip\nhas timeout\nhas adduser\ninit openrc\n\
             container \ncontainer \nvendor QEMU\nproduct Standard PC (Q35 + ICH9, 2009)\n\
             clocks kvm-clock tsc acpi_pm \nssh \nmac eth0 52:54:00:ab:cd:ef\nstate eth0 up\n",
        ),
        (Answer::Release, "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME=\"Alpine Linux v3.19\"\n"),
        (Answer::Addresses, ""),
        (Answer::KernelRoutes, "Iface\tDestination\neth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"),
    ]);
    assert_eq!(facts.package_manager, PackageManager::Apk);
    assert_eq!(facts.init_system, InitSystem::Openrc);
    assert_eq!((facts.virtualization.as_str(), facts.cpus), ("kvm", 1));
    assert_eq!((facts.os.family.as_str(), facts.os.version.as_str()), ("alpine", "3.19.1"));
    assert_eq!(facts.fqdn, "box");
    // One whose uid has no name is not called by its group's.
    assert_eq!(facts.user, User { name: "1000".into(), uid: 1000 });
    assert_eq!(facts.network.default_interface.as_deref(), Some("eth0"));
    assert_eq!(facts.ssh_connection, None);
}

#[test]
fn a_fedora_that_has_debians_tools_too() {
    let facts = answered(&[
        (
            Answer::Values,
            "hostname f.example.net\ncpus \nprocessor\nprocessor\nuname Linux f.example.net 6.8 aarch64\n\
             id uid=1000(ada) gid=1000(ada) groups=1000(ada),10(wheel) context=unconfined_u:unconfined_r\n\
             has apt-get\nhas dnf\ninit systemd\nvirt none\n",
        ),
        (
            Answer::Release,
            "NAME=\"Fedora Linux\"\nVERSION=\"40 (Cloud Edition)\"\nID=fedora\nVERSION_ID=40\nVERSION_CODENAME=\"\"\n\
             PRETTY_NAME=\"Fedora Linux 40 (Cloud Edition)\"\n",
        ),
    ]);
    assert_eq!(facts.package_manager, PackageManager::Dnf);
    assert_eq!((facts.hostname.as_str(), facts.fqdn.as_str()), ("f", "f.example.net"));
    assert_eq!((facts.os.family.as_str(), facts.os.codename.as_str()), ("redhat", ""));
    assert_eq!((facts.kernel.as_str(), facts.arch.as_str(), facts.cpus), ("6.8", "aarch64", 2));
    assert_eq!(facts.user, User { name: "ada".into(), uid: 1000 });
}

#[test]
fn the_full_name_comes_from_the_hosts_file() {
    let name = |hosts: &str, domain: &str| {
        let values = format!("hostname web1\ndomain {domain}\n");
        answered(&[(Answer::Values, &values), (Answer::Hosts, hosts)]).fqdn
    };
    assert_eq!(name("127.0.0.1 localhost\n10.0.0.1 web1.example.net web1 # here", "(none)"), "web1.example.net");
    assert_eq!(name("10.0.0.1 web10.example.net web10", "(none)"), "web1");
    assert_eq!(name("", "example.net"), "web1.example.net");
}

#[test]
fn a_host_that_says_nothing_is_an_error() {
    assert!(parse(&[]).is_err());
}

proptest! {
    #[test]
    fn arbitrary_answers_are_no_panic(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 9),
        lines in proptest::collection::vec(
            "(hostname|uptime|memory|cpus|processor|uname|id|has|init|virt|container|ssh|mac|state) ?\\PC{0,20}", 0..20),
    ) {
        let mut frames: Vec<Frame> = (Answer::Values.slot()..)
            .zip(&bodies)
            .chain([FIRST_CUSTOM, FIRST_CUSTOM + 1, PAST_CUSTOM].into_iter().zip(&bodies))
            .map(|(slot, body)| Frame { slot, status: 0, body: body.clone() })
            .collect();
        prop_assert!(parse(&frames).is_ok());
        frames[0].body = lines.join("\n").into_bytes();
        prop_assert!(parse(&frames).is_ok());
    }

    #[test]
    fn answers_that_nearly_make_sense_are_no_panic(
        addresses in "([0-9]: eth0 +inet6? [0-9.:/]{0,20} peer\n){0,4}",
        routes in "((default|nexthop)( dev)?( src)?( [0-9.a-z]{0,9})?\n){0,4}",
        kernel in "(eth0\t[0-9A-F]{0,9}\t0\t0\t0\t0\t[0-9-]{0,11}\t[0-9A-F]{0,9}\n){0,4}",
        trie in "( \\|-- [0-9.]{0,15}\n /32 host LOCAL\n){0,4}",
        mounts in "(/dev/a /[\\\\0-9é]{0,9} ext4 [a-z,]{0,9}\n){0,4}",
        release in "((ID|ID_LIKE|VERSION|PRETTY_NAME)=[\"'\\\\a-z()é]{0,9}\n){0,6}",
        ssh in "[0-9. ]{0,20}",
    ) {
        let values = format!("ssh {ssh}\ncpus {ssh}\nid uid={ssh}\n");
        answered(&[
            (Answer::Values, &values),
            (Answer::Release, &release),
            (Answer::Mounts, &mounts),
            (Answer::Addresses, &addresses),
            (Answer::Routes, &routes),
            (Answer::KernelRoutes, &kernel),
            (Answer::KernelAddresses, &trie),
            (Answer::KernelAddresses6, &kernel),
        ]);
    }
}
