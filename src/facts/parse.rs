//! From the answers of the gathering script to [`Facts`]. Total: whatever a host says, nothing panics.

use super::{Facts, InitSystem, Interface, Mount, Os, PackageManager, SshConnection, User};
use crate::shell::facts::FIRST_SLOT;
use crate::shell::frame::Frame;
use crate::shell::probe::BadAnswer;

/// A list from a host is cut here: no sane host has more.
const MANY: usize = 4096;

/// File systems that hold no one's files.
const PSEUDO: &[&str] = &[
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "tmpfs",
    "cgroup",
    "cgroup2",
    "pstore",
    "bpf",
    "debugfs",
    "tracefs",
    "securityfs",
    "configfs",
    "fusectl",
    "mqueue",
    "hugetlbfs",
    "autofs",
    "binfmt_misc",
    "rpc_pipefs",
    "ramfs",
    "nsfs",
    "efivarfs",
];

/// Facts, and what is to be told about them: custom facts that are no JSON.
///
/// # Errors
/// Where the host gave no answer at all.
pub fn parse(frames: &[Frame]) -> Result<(Facts, Vec<String>), BadAnswer> {
    let main =
        frames.iter().find(|f| f.slot == FIRST_SLOT).ok_or_else(|| BadAnswer("the host told no facts".into()))?;
    let text = String::from_utf8_lossy(&main.body);
    let mut facts = Facts { virtualization: "unknown".into(), ..Facts::default() };
    let mut section = "";
    let mut hosts = vec![];
    let mut release = vec![];
    let mut has = vec![];
    for line in text.lines() {
        match line {
            "release" | "mounts" | "addresses" | "routes" | "hosts" => section = line,
            "" => {}
            _ => match section {
                "release" => release.push(line),
                "mounts" => mount(&mut facts, line),
                "addresses" => address(&mut facts, line),
                "routes" => route(&mut facts, line),
                "hosts" => hosts.push(line),
                _ => single(&mut facts, line, &mut has),
            },
        }
    }
    facts.os = os(&release);
    let own = |a: &str| a.split('/').next().map(str::to_owned);
    let default = facts.network.default_interface.as_ref();
    let interface = facts.network.interfaces.iter().find(|i| Some(&i.name) == default);
    if facts.network.default_ipv4.is_none() {
        facts.network.default_ipv4 = interface.and_then(|i| own(i.ipv4.first()?));
    }
    facts.fqdn = fqdn(&facts.hostname, &hosts);
    facts.hostname = facts.hostname.split('.').next().unwrap_or_default().to_owned();
    let there = |tool: &str| has.contains(&tool);
    facts.package_manager = match () {
        () if there("apt-get") => PackageManager::Apt,
        () if there("dnf") => PackageManager::Dnf,
        () if there("apk") => PackageManager::Apk,
        () => PackageManager::None,
    };
    facts.tools.gzip = there("gzip");
    facts.tools.nft = there("nft");
    facts.tools.timeout = there("timeout");
    facts.tools.useradd = there("useradd");
    facts.tools.adduser = there("adduser");
    facts.tools.visudo = there("visudo");
    let notes = custom(&mut facts, frames);
    Ok((facts, notes))
}

fn single<'a>(facts: &mut Facts, line: &'a str, has: &mut Vec<&'a str>) {
    let (key, value) = line.split_once(' ').unwrap_or((line, ""));
    let value = value.trim();
    match key {
        "hostname" => facts.hostname = value.to_owned(),
        "kernel" => facts.kernel = value.to_owned(),
        "boot_id" => facts.boot_id = value.to_owned(),
        "uptime" => facts.uptime_s = value.split('.').next().and_then(|s| s.parse().ok()).unwrap_or_default(),
        "memory" => {
            let kib: u64 = value.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or_default();
            facts.memory_mb = kib / 1024;
        }
        "cpus" => facts.cpus = processors(value),
        "machine" => facts.arch = value.to_owned(),
        "id" => facts.user = user(value).unwrap_or_default(),
        "has" => has.push(value),
        "init" => {
            facts.init_system = match value {
                "systemd" => InitSystem::Systemd,
                "openrc" => InitSystem::Openrc,
                _ => InitSystem::None,
            }
        }
        "reboot" => facts.reboot_required = true,
        "virt" | "container" if !value.is_empty() => facts.virtualization = value.to_owned(),
        "product" if facts.virtualization == "unknown" => {
            let guest =
                ["KVM", "VMware", "VirtualBox", "Bochs", "QEMU", "Virtual Machine"].iter().find(|g| value.contains(*g));
            facts.virtualization = match guest {
                Some(guest) => guest.to_lowercase().replace(' ', "-"),
                None if value.is_empty() => "unknown".into(),
                None => "none".into(),
            };
        }
        "ssh" => facts.ssh_connection = ssh(value),
        "mac" | "state" => {
            let Some((name, value)) = value.split_once(' ') else { return };
            if let Some(interface) = interface(facts, name) {
                match key {
                    "mac" => interface.mac = (value != "00:00:00:00:00:00").then(|| value.to_owned()),
                    // A loopback's state is "unknown", and it is up.
                    _ => interface.up = value == "up" || value == "unknown",
                }
            }
        }
        _ => {}
    }
}

/// `0-3,5` is five processors.
fn processors(list: &str) -> u32 {
    let count = |part: &str| match part.split_once('-') {
        Some((a, b)) => {
            let (a, b): (u32, u32) = (a.parse().ok()?, b.parse().ok()?);
            b.checked_sub(a)?.checked_add(1)
        }
        None => part.parse::<u32>().ok().map(|_| 1),
    };
    list.split(',').filter_map(count).fold(0, u32::saturating_add)
}

/// `uid=0(root) gid=0(root) …`
fn user(text: &str) -> Option<User> {
    let rest = text.strip_prefix("uid=")?;
    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let name = rest.split_once('(').and_then(|(_, r)| r.split_once(')')).map(|(n, _)| n.to_owned());
    Some(User { uid: number.parse().ok()?, name: name.unwrap_or(number) })
}

fn ssh(text: &str) -> Option<SshConnection> {
    let mut fields = text.split_whitespace();
    let client_address = fields.next()?.to_owned();
    let client_port = fields.next()?.parse().ok()?;
    let server_address = fields.next()?.to_owned();
    Some(SshConnection { client_address, client_port, server_address, server_port: fields.next()?.parse().ok()? })
}

fn interface<'a>(facts: &'a mut Facts, name: &str) -> Option<&'a mut Interface> {
    let list = &mut facts.network.interfaces;
    let at = match list.iter().position(|i| i.name == name) {
        Some(at) => at,
        None if list.len() >= MANY => return None,
        None => {
            list.push(Interface { name: name.to_owned(), ..Interface::default() });
            list.len() - 1
        }
    };
    list.get_mut(at)
}

/// `2: eth0    inet 10.0.0.5/24 brd … scope global eth0`
fn address(facts: &mut Facts, line: &str) {
    let mut fields = line.split_whitespace().skip(1);
    let (Some(name), Some(family), Some(address)) = (fields.next(), fields.next(), fields.next()) else { return };
    // A veth is shown as `host0@if3`.
    let name = name.trim_end_matches(':').split('@').next().unwrap_or_default().to_owned();
    let Some(interface) = interface(facts, &name) else { return };
    let list = match family {
        "inet" => &mut interface.ipv4,
        "inet6" => &mut interface.ipv6,
        _ => return,
    };
    if list.len() < MANY {
        list.push(address.to_owned());
    }
}

/// `default via 10.0.0.1 dev eth0 proto dhcp src 10.0.0.5 metric 100`
fn route(facts: &mut Facts, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after =
        |word: &str| words.iter().position(|w| *w == word).and_then(|n| words.get(n + 1)).map(|w| (*w).to_owned());
    if words.first() == Some(&"default") && facts.network.default_interface.is_none() {
        facts.network.default_interface = after("dev");
        facts.network.default_ipv4 = after("src");
    }
}

/// A line of `/proc/self/mounts`; white space in it stands as octal escapes (getmntent(3)).
fn mount(facts: &mut Facts, line: &str) {
    let mut fields = line.split(' ');
    let (Some(device), Some(path), Some(fstype), Some(options)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return;
    };
    if PSEUDO.contains(&fstype) || facts.mounts.len() >= MANY {
        return;
    }
    let plain =
        |text: &str| text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\");
    facts.mounts.push(Mount {
        path: plain(path),
        device: plain(device),
        fstype: fstype.to_owned(),
        options: options.split(',').map(str::to_owned).collect(),
    });
}

/// Lines of `/etc/os-release`, os-release(5).
fn os(lines: &[&str]) -> Os {
    let of = |key: &str| {
        let value = lines.iter().find_map(|l| l.strip_prefix(key)?.strip_prefix('='))?.trim();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let bare = quote.and_then(|q| value.strip_prefix(q)?.strip_suffix(q)).unwrap_or(value);
        let mut out = String::new();
        let mut chars = bare.chars();
        while let Some(c) = chars.next() {
            out.extend(if c == '\\' { chars.next() } else { Some(c) });
        }
        Some(out)
    };
    let id = of("ID").unwrap_or_default();
    let like = of("ID_LIKE").unwrap_or_default();
    let families = ["debian", "rhel", "fedora", "alpine", "suse", "arch"];
    let known = [id.as_str()].into_iter().chain(like.split_whitespace()).find(|i| families.contains(i));
    let family = match known {
        Some("rhel" | "fedora") => "redhat".to_owned(),
        Some(family) => family.to_owned(),
        None if like.contains("suse") || id.contains("suse") => "suse".to_owned(),
        None => id.clone(),
    };
    Os {
        family,
        version: of("VERSION_ID").unwrap_or_default(),
        codename: of("VERSION_CODENAME").unwrap_or_default(),
        name: of("PRETTY_NAME").or_else(|| of("NAME")).unwrap_or_default(),
        id,
    }
}

/// The full name that `/etc/hosts` gives the host: no name server is asked, for one that is down would hold up all.
fn fqdn(hostname: &str, hosts: &[&str]) -> String {
    if hostname.contains('.') {
        return hostname.to_owned();
    }
    let names = hosts
        .iter()
        .filter_map(|l| l.split('#').next())
        .filter(|l| l.split_whitespace().skip(1).any(|n| n == hostname));
    let full = names
        .flat_map(|l| l.split_whitespace().skip(1))
        .find(|n| n.strip_prefix(hostname).is_some_and(|r| r.starts_with('.')));
    full.unwrap_or(hostname).to_owned()
}

fn custom(facts: &mut Facts, frames: &[Frame]) -> Vec<String> {
    let mut notes = vec![];
    for frame in frames.iter().filter(|f| f.slot > FIRST_SLOT).take(MANY) {
        let text = String::from_utf8_lossy(&frame.body);
        let (file, json) = text.split_once('\n').unwrap_or((&text, ""));
        let name = file.split('.').next().unwrap_or(file);
        match serde_json::from_str(json) {
            Ok(value) => {
                facts.custom.insert(name.to_owned(), value);
            }
            Err(error) => notes.push(format!("the custom fact {} is no JSON: {error}", file.escape_debug())),
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::frame::{FrameParser, Limits, Nonce};
    use proptest::prelude::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    fn gathered(shell: &[&str]) -> Facts {
        let nonce = Nonce::new([9; 16]);
        let mut child =
            Command::new(shell[0]).args(&shell[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&crate::shell::facts::script(&nonce)).unwrap();
        let out = child.wait_with_output().unwrap().stdout;
        let mut frames: Vec<Frame> = vec![];
        let mut parser = FrameParser::new(&nonce, Limits::default());
        parser.push(&out, &mut frames).unwrap();
        assert!(parser.is_finished(), "{}", String::from_utf8_lossy(&out));
        parse(&frames).unwrap().0
    }

    #[test]
    fn every_shell_gathers_what_this_machine_is() {
        let read = |path: &str| std::fs::read_to_string(path).unwrap().trim().to_owned();
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let facts = gathered(shell);
            assert_eq!(facts.hostname, read("/proc/sys/kernel/hostname").split('.').next().unwrap(), "{shell:?}");
            assert_eq!(facts.boot_id, read("/proc/sys/kernel/random/boot_id"));
            assert_eq!(facts.kernel, read("/proc/sys/kernel/osrelease"));
            assert_eq!(facts.cpus as usize, std::thread::available_parallelism().unwrap().get());
            assert_eq!(facts.os.family, "debian");
            assert_eq!(facts.package_manager, PackageManager::Apt);
            assert!(facts.memory_mb > 100 && facts.uptime_s > 0);
            assert!(facts.network.interfaces.iter().any(|i| i.name == "lo"), "{:?}", facts.network);
            assert!(facts.mounts.iter().any(|m| m.path == "/"), "{:?}", facts.mounts);
            assert!(!facts.user.name.is_empty());
        }
    }

    #[test]
    fn families_follow_what_a_system_is_like() {
        let family = |text: &str| os(&text.lines().collect::<Vec<_>>()).family;
        assert_eq!(family("ID=ubuntu\nID_LIKE=debian"), "debian");
        assert_eq!(family("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\""), "redhat");
        assert_eq!(family("ID=alpine"), "alpine");
        assert_eq!(family("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\""), "suse");
        assert_eq!(family("ID=void"), "void");
    }

    #[test]
    fn the_full_name_comes_from_the_hosts_file() {
        assert_eq!(fqdn("web1", &["127.0.0.1 localhost", "10.0.0.1 web1.example.net web1 # here"]), "web1.example.net");
        assert_eq!(fqdn("web1", &["10.0.0.1 web10.example.net web10"]), "web1");
    }

    proptest! {
        #[test]
        fn arbitrary_answers_are_no_panic(body in proptest::collection::vec(any::<u8>(), 0..300), name in "[a-z]{1,9}") {
            let mut text = format!("{name} ").into_bytes();
            text.extend(body);
            for head in ["", "release\n", "mounts\n", "addresses\n", "routes\n", "hosts\n"] {
                let body = [head.as_bytes(), &text].concat();
                let frames = [FIRST_SLOT, FIRST_SLOT + 1].map(|slot| Frame { slot, status: 0, body: body.clone() });
                prop_assert!(parse(&frames).is_ok());
            }
        }
    }
}
