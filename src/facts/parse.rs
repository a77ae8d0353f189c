//! From the answers of the gathering script to [`Facts`]. Total: whatever a host says, nothing panics.

use super::bounds::{MANY, clipped};
use super::virtualization::{self, Shown};
use super::{Facts, InitSystem, PackageManager, SshConnection, User, custom, mounts, network, os};
use crate::shell::facts::Answer;
use crate::shell::frame::Frame;
use crate::shell::probe::BadAnswer;
use std::borrow::Cow;
use std::net::IpAddr;

/// Facts, and what is to be told about them: custom facts that are broken.
///
/// # Errors
/// Where the host gave no answer at all.
pub fn parse(frames: &[Frame]) -> Result<(Facts, Vec<String>), BadAnswer> {
    let answer = |answer: Answer| frames.iter().find(|f| f.slot == answer.slot());
    let text = |a: Answer| answer(a).map_or(Cow::Borrowed(""), |f| String::from_utf8_lossy(&f.body));
    if answer(Answer::Values).is_none() {
        return Err(BadAnswer("the host told no facts".into()));
    }
    let mut facts = Facts { os: os::os(&text(Answer::Release)), ..Facts::default() };
    let values = text(Answer::Values);
    let mut rest = Rest::default();
    for line in values.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        single(&mut facts, &mut rest, key, value.trim());
    }
    // `Linux web1 6.1.0 x86_64`
    let uname: Vec<&str> = rest.uname.split_whitespace().collect();
    if let &[_, name, kernel, arch] = uname.as_slice() {
        facts.arch = clipped(arch);
        for (fact, value) in [(&mut facts.hostname, name), (&mut facts.kernel, kernel)] {
            if fact.is_empty() {
                *fact = clipped(value);
            }
        }
    }
    facts.fqdn = fqdn(&facts.hostname, rest.domain, &text(Answer::Hosts));
    facts.hostname = facts.hostname.split('.').next().unwrap_or_default().to_owned();
    facts.virtualization = virtualization::of(&rest.shown);
    facts.mounts = mounts::mounts(&text(Answer::Mounts));
    let net = &mut facts.network;
    network::addresses(net, &text(Answer::Addresses));
    let gateway = network::routes(net, &text(Answer::Routes));
    let (routes, trie) = (text(Answer::KernelRoutes), text(Answer::KernelAddresses));
    let gateway = gateway.or(network::kernel_tables(net, &routes, &trie, &facts.arch));
    network::kernel_addresses6(net, &text(Answer::KernelAddresses6));
    network::settle(net, gateway);
    programs(&mut facts, &rest.has);
    let (own, wrong) = custom::custom(frames);
    facts.custom = own;
    Ok((facts, wrong))
}

/// Values that become facts only together with others.
#[derive(Default)]
struct Rest<'a> {
    uname: &'a str,
    domain: &'a str,
    has: Vec<&'a str>,
    shown: Shown,
}

fn single<'a>(facts: &mut Facts, rest: &mut Rest<'a>, key: &str, value: &'a str) {
    match key {
        "hostname" => facts.hostname = clipped(value),
        "domain" => rest.domain = value,
        "kernel" => facts.kernel = clipped(value),
        "boot_id" => facts.boot_id = clipped(value),
        "uptime" => facts.uptime_s = value.split('.').next().and_then(|s| s.parse().ok()).unwrap_or_default(),
        "memory" => {
            let kib: u64 = value.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or_default();
            facts.memory_mb = kib / 1024;
        }
        "cpus" => facts.cpus = processors(value),
        "processor" => facts.cpus = facts.cpus.saturating_add(1),
        "uname" => rest.uname = value,
        "id" => facts.user = user(value).unwrap_or_default(),
        "has" if rest.has.len() < MANY => rest.has.push(value),
        "packages" => facts.package_arch = clipped(value),
        "init" => {
            facts.init_system = match value {
                "systemd" => InitSystem::Systemd,
                "openrc" => InitSystem::Openrc,
                _ => InitSystem::None,
            }
        }
        "reboot" => facts.reboot_required = true,
        "virt" => rest.shown.told = clipped(value),
        "container" if rest.shown.container.is_empty() => rest.shown.container = clipped(value),
        "vendor" => rest.shown.vendor = clipped(value),
        "product" => rest.shown.product = clipped(value),
        "clocks" => rest.shown.clocks = clipped(value),
        "ssh" => facts.ssh_connection = ssh(value),
        "mac" | "state" => {
            let (name, value) = value.split_once(' ').unwrap_or((value, ""));
            if let Some(interface) = network::interface(&mut facts.network, name) {
                match key {
                    "mac" => {
                        // A loopback has all zeros, a tunnel an address of IPv4.
                        let real = value.contains(':') && value.chars().any(|c| c != '0' && c != ':');
                        interface.mac = real.then(|| clipped(&value.to_ascii_lowercase()));
                    }
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

/// `uid=0(root) gid=0(root) …`; a user without a name stands as `uid=1234 gid=0(root) …`, named by the number.
fn user(text: &str) -> Option<User> {
    let own = text.strip_prefix("uid=")?.split_whitespace().next()?;
    let (number, name) = own.split_once('(').unwrap_or((own, own));
    Some(User { uid: number.parse().ok()?, name: clipped(name.trim_end_matches(')')) })
}

fn ssh(text: &str) -> Option<SshConnection> {
    let mut fields = text.split_whitespace();
    let client_address = address(fields.next()?);
    let client_port = fields.next()?.parse().ok()?;
    let server_address = address(fields.next()?);
    Some(SshConnection { client_address, client_port, server_address, server_port: fields.next()?.parse().ok()? })
}

/// An address in its one spelling: a server that listens on both families calls an IPv4 client `::ffff:10.0.0.9`.
fn address(text: &str) -> String {
    let (bare, zone) = text.split_once('%').map_or((text, None), |(bare, zone)| (bare, Some(zone)));
    match (bare.parse::<IpAddr>(), zone) {
        (Ok(address), None) => address.to_canonical().to_string(),
        (Ok(address), Some(zone)) => clipped(&format!("{address}%{zone}")),
        (Err(_), _) => clipped(text),
    }
}

/// The full name that `/etc/hosts` gives the host, or else the kernel's domain: no name server is asked, for one that
/// is down would hold up all.
fn fqdn(hostname: &str, domain: &str, hosts: &str) -> String {
    if hostname.contains('.') || hostname.is_empty() {
        return hostname.to_owned();
    }
    let names = hosts
        .lines()
        .filter_map(|l| l.split('#').next())
        .filter(|l| l.split_whitespace().skip(1).any(|n| n == hostname));
    let full = names
        .flat_map(|l| l.split_whitespace().skip(1))
        .find(|n| n.strip_prefix(hostname).is_some_and(|r| r.starts_with('.')));
    match full {
        Some(full) => clipped(full),
        None if domain.is_empty() || domain == "(none)" => hostname.to_owned(),
        None => clipped(&format!("{hostname}.{domain}")),
    }
}

fn programs(facts: &mut Facts, has: &[&str]) {
    let there = |tool: &str| has.contains(&tool);
    // Some systems have another's package manager among their packages.
    let own = match facts.os.family.as_str() {
        "redhat" => "dnf",
        "alpine" => "apk",
        _ => "apt-get",
    };
    let first = [own, "apt-get", "dnf", "apk"].into_iter().find(|t| there(t));
    facts.package_manager = match first {
        Some("apt-get") => PackageManager::Apt,
        Some("dnf") => PackageManager::Dnf,
        Some("apk") => PackageManager::Apk,
        _ => PackageManager::None,
    };
    if facts.package_arch.is_empty() && facts.package_manager != PackageManager::None {
        facts.package_arch = match (facts.package_manager, facts.arch.as_str()) {
            (PackageManager::Apt, "x86_64") => "amd64",
            (PackageManager::Apt, "aarch64") => "arm64",
            (PackageManager::Apt, "i386" | "i486" | "i586" | "i686") => "i386",
            (PackageManager::Apt, "ppc64le") => "ppc64el",
            (PackageManager::Apt, "armv7l") => "armhf",
            (_, other) => other,
        }
        .to_owned();
    }
    facts.tools.gzip = there("gzip");
    facts.tools.nft = there("nft");
    facts.tools.timeout = there("timeout");
    facts.tools.useradd = there("useradd");
    facts.tools.adduser = there("adduser");
    facts.tools.visudo = there("visudo");
}
