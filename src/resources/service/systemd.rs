//! systemctl(1).

use super::{Observed, OnRefresh, Provider, Unit};
use crate::shell::probe::{Answers, BadAnswer, ProbeScript, Query};
use std::collections::HashMap;

pub(super) struct Systemd;

const KINDS: &[&str] = &[
    ".service",
    ".socket",
    ".timer",
    ".path",
    ".mount",
    ".target",
    ".slice",
    ".swap",
    ".automount",
    ".scope",
    ".device",
];

fn systemctl(verb: &str, unit: &str) -> Vec<String> {
    ["systemctl", verb, "--", unit].map(str::to_owned).to_vec()
}

/// Of a whole name, its kind included, in bytes: systemd.unit(5).
const LONGEST: usize = 255;

impl Provider for Systemd {
    fn wrong(&self, title: &str) -> Option<String> {
        let unit = self.unit(title);
        let stem = KINDS.iter().find_map(|kind| unit.strip_suffix(kind)).unwrap_or(&unit);
        let why = match stem.strip_suffix('@') {
            _ if stem.is_empty() || stem.starts_with('@') => "is no name of a unit".to_owned(),
            Some(_) => format!("is a template of units; name one that is made of it, such as {stem}NAME"),
            None if unit.len() > LONGEST => format!("is longer than the {LONGEST} bytes that a unit's name may have"),
            None => return None,
        };
        Some(format!("`{title}` {why}"))
    }

    fn unit(&self, title: &str) -> String {
        if KINDS.iter().any(|k| title.ends_with(k)) { title.to_owned() } else { format!("{title}.service") }
    }

    fn probe(&self, units: &[String], probe: &mut ProbeScript) {
        probe.ask(Query::SystemctlShow, units);
    }

    fn parse(&self, units: &[String], answers: &mut Answers) -> Result<Vec<Observed>, BadAnswer> {
        let text = answers.text()?;
        let mut blocks: Vec<HashMap<&str, &str>> = vec![];
        for block in text.split("\n\n") {
            let map: HashMap<&str, &str> = block.lines().filter_map(|l| l.split_once('=')).collect();
            if map.contains_key("Id") {
                blocks.push(map);
            }
        }
        let of = |unit: &String| {
            let named = |b: &&HashMap<&str, &str>| {
                b.get("Id") == Some(&unit.as_str()) || b.get("Names").is_some_and(|n| n.split(' ').any(|n| n == unit))
            };
            let block = blocks.iter().find(named);
            block.map(read).ok_or_else(|| BadAnswer(format!("systemctl does not speak of {unit}")))
        };
        units.iter().map(of).collect()
    }

    fn can_mask(&self) -> bool {
        true
    }

    fn reload_files(&self) -> Option<Vec<String>> {
        Some(["systemctl", "daemon-reload"].map(str::to_owned).to_vec())
    }

    fn start(&self, unit: &str) -> Vec<String> {
        systemctl("start", unit)
    }

    fn stop(&self, unit: &str) -> Vec<String> {
        systemctl("stop", unit)
    }

    fn enable(&self, unit: &str) -> Vec<String> {
        systemctl("enable", unit)
    }

    fn disable(&self, unit: &str) -> Vec<String> {
        systemctl("disable", unit)
    }

    fn mask(&self, unit: &str) -> Vec<String> {
        systemctl("mask", unit)
    }

    fn unmask(&self, unit: &str) -> Vec<String> {
        systemctl("unmask", unit)
    }

    fn refresh(&self, unit: &str, how: OnRefresh) -> Vec<String> {
        systemctl(if how == OnRefresh::Reload { "reload-or-restart" } else { "restart" }, unit)
    }

    fn is_there(&self) -> &'static str {
        "systemctl cat -- \"$0\" >/dev/null 2>&1"
    }
}

/// One block of `systemctl show`. States: systemctl(1), `is-enabled`, and org.freedesktop.systemd1(5).
fn read(block: &HashMap<&str, &str>) -> Observed {
    let get = |key: &str| block.get(key).copied().unwrap_or_default();
    let masked = get("LoadState") == "masked";
    if get("LoadState") == "not-found" && get("ActiveState") != "active" {
        return Observed::Absent;
    }
    let enabled = match get("UnitFileState") {
        "enabled" | "enabled-runtime" | "alias" | "linked" | "linked-runtime" => Some(true),
        "disabled" | "indirect" | "masked" | "masked-runtime" => Some(false),
        // static, generated, transient, bad: not for anybody to enable.
        _ => None,
    };
    Observed::Unit(Unit {
        running: matches!(get("ActiveState"), "active" | "activating" | "reloading" | "refreshing"),
        word: get("ActiveState").to_owned(),
        enabled,
        masked,
        stale: get("NeedDaemonReload") == "yes",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::frame::Frame;

    #[test]
    fn a_name_that_systemd_cannot_read_is_refused() {
        for fine in ["ssh", "ssh.service", "getty@tty1", "a@b.timer", "user@0.service", r"dev-disk\x2d1.swap"] {
            assert_eq!(Systemd.wrong(fine), None);
        }
        for wrong in ["getty@", "getty@.service", "@", "@tty1", ".service", ".timer", &"a".repeat(256)] {
            assert!(Systemd.wrong(wrong).is_some(), "{wrong}");
        }
        insta::assert_snapshot!(Systemd.wrong("getty@").unwrap(), @"`getty@` is a template of units; name one that is made of it, such as getty@NAME");
    }

    #[test]
    fn blocks_are_matched_by_any_of_a_units_names() {
        let text = "Id=ssh.service\nNames=ssh.service sshd.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n\n\
                    Id=gone.service\nNames=gone.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n\n\
                    Id=x.service\nNames=x.service\nLoadState=masked\nActiveState=failed\nUnitFileState=masked\nNeedDaemonReload=yes\n";
        let frame = Frame { slot: 0, status: 0, body: text.as_bytes().to_vec() };
        let units = ["sshd.service", "gone.service", "x.service"].map(str::to_owned);
        let seen = Systemd.parse(&units, &mut Answers::new(vec![frame], 0, 1)).unwrap();
        let unit = |running, word: &str, enabled, masked, stale| {
            Observed::Unit(Unit { running, word: word.into(), enabled, masked, stale })
        };
        assert_eq!(seen[0], unit(true, "active", Some(true), false, false));
        assert_eq!(seen[1], Observed::Absent);
        assert_eq!(seen[2], unit(false, "failed", Some(false), true, true));
    }
}
