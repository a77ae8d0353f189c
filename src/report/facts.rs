//! A host's facts for a person.

use super::style::Style;
use super::words::clean;
use crate::facts::Facts;
use std::fmt::Write as _;

/// A few aligned lines.
pub fn text(host: &str, facts: &Facts, style: Style) -> String {
    let mut out = format!("{}\n", style.bold(host));
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(out, "  {}{}", style.dim(&format!("{name:<16}")), clean(&value));
        }
    };
    line("name", facts.fqdn.clone());
    let os = &facts.os;
    let release = [os.id.as_str(), os.version.as_str()].join(" ").trim().to_owned();
    let system = format!("{} ({release}, {} family)", os.name, os.family);
    // What could not be told is left out, and so is not mistaken for none.
    line("system", if os.id.is_empty() { os.name.clone() } else { system });
    line("kernel", format!("{} {}", facts.kernel, facts.arch).trim().to_owned());
    line("processors", if facts.cpus == 0 { String::new() } else { facts.cpus.to_string() });
    line("memory", if facts.memory_mb == 0 { String::new() } else { format!("{} MiB", facts.memory_mb) });
    line("virtualization", facts.virtualization.clone());
    line("up", duration(facts.uptime_s));
    line("boot id", facts.boot_id.clone());
    line("reboot", if facts.reboot_required { "required".into() } else { String::new() });
    line("packages", format!("{:?}", facts.package_manager).to_lowercase());
    line("services", format!("{:?}", facts.init_system).to_lowercase());
    let user = &facts.user;
    line("user", if user.name.is_empty() { String::new() } else { format!("{} ({})", user.name, user.uid) });
    if let Some(ssh) = &facts.ssh_connection {
        line("connection", format!("from {} to {} port {}", ssh.client_address, ssh.server_address, ssh.server_port));
    }
    let default = facts.network.default_interface.iter().chain(&facts.network.default_ipv4);
    line("default route", default.cloned().collect::<Vec<_>>().join(" "));
    for interface in &facts.network.interfaces {
        let addresses: Vec<&str> = interface.ipv4.iter().chain(&interface.ipv6).map(String::as_str).collect();
        let state = if interface.up { "" } else { " (down)" };
        line("interface", format!("{}{state} {}", interface.name, addresses.join(" ")).trim_end().to_owned());
    }
    for mount in &facts.mounts {
        line("mount", format!("{} {} on {}", mount.path, mount.fstype, mount.device));
    }
    for (name, value) in &facts.custom {
        line("custom", format!("{name}: {value}"));
    }
    out
}

fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Interface, Mount};

    #[test]
    fn what_is_known_in_a_few_aligned_lines() {
        let mut facts = Facts::sample();
        facts.reboot_required = true;
        facts.uptime_s = 93_784;
        facts.network.interfaces.push(Interface { name: "wg0".into(), ..Interface::default() });
        facts.mounts = vec![Mount {
            path: "/srv/a\u{1b}[2J\u{202e}b".into(),
            device: "/dev/vdb1".into(),
            fstype: "ext4".into(),
            options: vec![],
        }];
        facts.custom.insert("rack".into(), 4.into());
        insta::assert_snapshot!(text("web1", &facts, Style::default()));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        insta::assert_snapshot!(text("web1", &Facts::default(), Style::default()));
    }
}
