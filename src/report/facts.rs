//! A host's facts for a person.

use super::style::Style;
use crate::facts::Facts;
use std::fmt::Write as _;

/// A few aligned lines.
pub fn text(host: &str, facts: &Facts, style: Style) -> String {
    let mut out = format!("{}\n", style.bold(host));
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let _ = writeln!(out, "  {}{value}", style.dim(&format!("{name:<16}")));
        }
    };
    line("name", facts.fqdn.clone());
    line("system", format!("{} ({} {}, {} family)", facts.os.name, facts.os.id, facts.os.version, facts.os.family));
    line("kernel", format!("{} {}", facts.kernel, facts.arch));
    line("processors", facts.cpus.to_string());
    line("memory", format!("{} MiB", facts.memory_mb));
    line("virtualization", facts.virtualization.clone());
    line("up", duration(facts.uptime_s));
    line("boot id", facts.boot_id.clone());
    line("reboot", if facts.reboot_required { "required".into() } else { String::new() });
    line("packages", format!("{:?}", facts.package_manager).to_lowercase());
    line("services", format!("{:?}", facts.init_system).to_lowercase());
    line("user", format!("{} ({})", facts.user.name, facts.user.uid));
    let default = facts.network.default_interface.iter().chain(&facts.network.default_ipv4);
    line("default route", default.cloned().collect::<Vec<_>>().join(" "));
    for interface in &facts.network.interfaces {
        let addresses: Vec<&str> = interface.ipv4.iter().chain(&interface.ipv6).map(String::as_str).collect();
        let state = if interface.up { "" } else { " (down)" };
        line("interface", format!("{}{state} {}", interface.name, addresses.join(" ")));
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
