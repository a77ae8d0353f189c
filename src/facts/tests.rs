//! Whole answers: as systems of several families give them, and as the script gathers them under each shell.

use super::parse::parse;
use super::*;
use crate::shell::facts::{Answer, FIRST_CUSTOM, PAST_CUSTOM, script};
use crate::shell::frame::{Frame, FrameParser, Limits, Nonce};
use proptest::prelude::*;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The shells that this machine has, `sh` at least.
fn shells() -> impl Iterator<Item = &'static [&'static str]> {
    const SHELLS: [&[&str]; 4] = [&["sh"], &["dash"], &["bash"], &["busybox", "sh"]];
    let path = std::env::var_os("PATH").unwrap();
    SHELLS.into_iter().filter(move |argv| std::env::split_paths(&path).any(|dir| dir.join(argv[0]).exists()))
}

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
fn every_shell_gathers_facts_on_any_machine() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap().trim().to_owned();
    for argv in shells() {
        let (facts, _) = gathered(&mut shell(argv), &[]);
        assert_eq!(facts.hostname, read("/proc/sys/kernel/hostname").split('.').next().unwrap(), "{argv:?}");
        assert_eq!(facts.kernel, read("/proc/sys/kernel/osrelease"));
        assert!(facts.cpus > 0 && facts.memory_mb > 0 && facts.uptime_s > 0);
        assert!(!facts.arch.is_empty() && !facts.user.name.is_empty() && !facts.virtualization.is_empty());
    }
}

/// A host's files, and what its tools say, as both were recorded: `ip` and the kernel list the addresses in different
/// orders.
const RECORDED: &[(&str, &str)] = &[
    ("proc/sys/kernel/hostname", "web1\n"),
    ("proc/sys/kernel/domainname", "(none)\n"),
    ("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n"),
    ("proc/sys/kernel/random/boot_id", "0f3c3d6e-8f0e-4a55-9c0f-6d5f5a0f8f11\n"),
    ("proc/uptime", "93784.51 180000.00\n"),
    ("proc/meminfo", "MemTotal:        2014324 kB\nMemFree:          100000 kB\n"),
    ("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some\n\nprocessor\t: 1\nmodel name\t: Some\n"),
    ("sys/devices/system/cpu/online", "0-1\n"),
    ("proc/self/mounts", "/dev/vdb /srv ext4 rw,relatime 0 0\n/dev/vda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n"),
    ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
    ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
    ("sys/class/dmi/id/product_name", "Standard PC (Q35 + ICH9, 2009)\n"),
    ("sys/devices/system/clocksource/clocksource0/available_clocksource", "kvm-clock tsc acpi_pm\n"),
    ("sys/class/net/lo/address", "00:00:00:00:00:00\n"),
    ("sys/class/net/lo/operstate", "unknown\n"),
    ("sys/class/net/ens3/address", "52:54:00:AB:12:56\n"),
    ("sys/class/net/ens3/operstate", "up\n"),
    (
        "proc/net/route",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
         ens3\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
         *\t00000000\t00000000\t0201\t0\t0\t9\t00000000\t0\t0\t0\n\
         ens3\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
         ens3\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
         ens3\t0402A8C0\tFE00000A\t0007\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n",
    ),
    (
        "proc/net/fib_trie",
        "Local:\n  +-- 0.0.0.0/0 3 0 4\n     |-- 10.0.0.5\n        /32 host LOCAL\n     |-- 10.0.0.20\n        /32 host LOCAL\n\
             |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.168.2.4\n        /32 host LOCAL\n",
    ),
    (
        "proc/net/if_inet6",
        "fe80000000000000505400fffeab1256 02 40 20 80     ens3\n\
         00000000000000000000000000000001 01 80 10 80       lo\n\
         20010db8000000000000000000000010 02 40 00 80     ens3\n\
         20010db8000000000000000000000009 02 40 00 80     ens3\n",
    ),
    (
        "ip",
        "#!/bin/sh\ncase $* in\n'-o addr show') cat <<'E'\n\
         1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n\
         1: lo    inet6 ::1/128 scope host \\       valid_lft forever preferred_lft forever\n\
         2: ens3    inet 192.168.2.4/24 brd 192.168.2.255 scope global ens3\\       valid_lft forever\n\
         2: ens3    inet 10.0.0.5/24 brd 10.0.0.255 scope global ens3\\       valid_lft forever preferred_lft forever\n\
         2: ens3    inet 10.0.0.20/24 brd 10.0.0.255 scope global secondary ens3\\       valid_lft forever\n\
         2: ens3    inet6 2001:DB8:0:0::9/64 scope global \\       valid_lft forever preferred_lft forever\n\
         2: ens3    inet6 2001:db8::10/64 scope global \\       valid_lft forever preferred_lft forever\n\
         2: ens3    inet6 fe80::5054:ff:feab:1256/64 scope link \\       valid_lft forever preferred_lft forever\nE\n;;\n\
         *) echo 'default via 10.0.0.1 dev ens3 onlink ' ;;\nesac\n",
    ),
    ("detect", "#!/bin/sh\necho kvm\n"),
];

/// The recorded host's facts, with the script changed as told.
fn of_recorded(argv: &[&str], at: &str, more: &[(&str, &str)]) -> Facts {
    let (proc, sys, etc, run) = (
        format!("{at}/proc/"),
        [format!("{at}/sys/c"), format!("{at}/sys/d")],
        format!("{at}/etc/"),
        format!("{at}/run/"),
    );
    let (ip, detect) = (format!("{at}/ip -"), format!("{at}/detect"));
    let mut changes = more.to_vec();
    changes.extend([
        ("/proc/", proc.as_str()),
        ("/sys/c", &sys[0]),
        ("/sys/d", &sys[1]),
        ("/etc/", &etc),
        ("/run/", &run),
        ("/.dockerenv", "/none"),
        ("uname -snrm", "echo Linux web1 6.1.0-18-amd64 x86_64"),
        ("\nid 2>", "\necho 'uid=0(root) gid=0(root)' 2>"),
        ("command -v \"$1\"", "false"),
    ]);
    if more.is_empty() {
        changes.extend([("ip -", ip.as_str()), ("systemd-detect-virt", &detect)]);
    }
    let mut command = shell(argv);
    command.env_remove("SSH_CONNECTION");
    gathered(&mut command, &changes).0
}

#[test]
fn facts_are_the_same_whichever_way_they_are_read() {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in RECORDED {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        program(&path, text);
    }
    let at = dir.path().to_str().unwrap();
    let otherwise = [
        ("ip -o addr show", "false"),
        ("command -v systemd-detect-virt", "false"),
        ("/sys/devices/system/cpu/online", "/none"),
        ("/proc/sys/kernel/hostname", "/none"),
        ("/proc/sys/kernel/osrelease", "/none"),
    ];
    let with = of_recorded(&["sh"], at, &[]);
    for argv in shells() {
        assert_eq!(of_recorded(argv, at, &[]), with, "{argv:?}");
        assert_eq!(of_recorded(argv, at, &otherwise), with, "{argv:?}");
    }
    let [ens3, lo] = with.network.interfaces.as_slice() else { panic!("{:?}", with.network) };
    assert_eq!((ens3.name.as_str(), ens3.mac.as_deref(), ens3.up), ("ens3", Some("52:54:00:ab:12:56"), true));
    assert_eq!(ens3.ipv4, ["10.0.0.5/24", "10.0.0.20/24", "192.168.2.4/24"]);
    assert_eq!(ens3.ipv6, ["2001:db8::9/64", "2001:db8::10/64", "fe80::5054:ff:feab:1256/64"]);
    assert_eq!((&lo.ipv4[..], &lo.ipv6[..]), (&["127.0.0.1/8".to_owned()][..], &["::1/128".to_owned()][..]));
    assert_eq!(with.network.default_ipv4.as_deref(), Some("10.0.0.5"));
    assert_eq!((with.virtualization.as_str(), with.cpus, with.hostname.as_str()), ("kvm", 2, "web1"));
    assert_eq!(with.mounts.iter().map(|m| m.path.as_str()).collect::<Vec<_>>(), ["/", "/srv"]);
}

#[test]
fn the_ends_of_a_connection_have_one_spelling() {
    let client =
        |ssh: &str| answered(&[(Answer::Values, &format!("ssh {ssh}\n"))]).ssh_connection.unwrap().client_address;
    assert_eq!(client("::ffff:10.0.0.9 51514 ::ffff:10.0.0.5 22"), "10.0.0.9");
    assert_eq!(client("2001:DB8:0:0::9 51514 2001:db8::1 22"), "2001:db8::9");
    assert_eq!(client("fe80::0:9%eth0 51514 fe80::1%eth0 22"), "fe80::9%eth0");
    assert_eq!(client("UNKNOWN 65535 UNKNOWN 65535"), "UNKNOWN");
}

#[test]
fn the_connection_is_found_behind_a_program_that_strips_the_environment() {
    let ends = SshConnection {
        client_address: "192.0.2.9".into(),
        client_port: 40_000,
        server_address: "192.0.2.2".into(),
        server_port: 22,
    };
    for argv in shells() {
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
        for argv in shells() {
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
    for argv in shells() {
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
