//! A manifest with every type of resource, in as many versions as are wanted, and whether a host has one of them whole.

use crate::host::{Fleet, Host};
use std::path::PathBuf;

/// Which version something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wholeness {
    Version(u32),
    Torn(String),
}

pub struct Tier;

/// The managed files, whose every line names the version, and what the service that was restarted has read.
const FILES: &[&str] = &[
    "/etc/faults.conf",
    "/srv/faults/large",
    "/srv/faults/one",
    "/srv/faults/two",
    "/etc/systemd/system/faults.service",
    "/etc/cron.d/faults",
];

impl Tier {
    pub fn new(fleet: &Fleet) -> Self {
        fleet.host("web1").sh("apt-get update -q").text();
        Self
    }

    pub fn manifest(&self, fleet: &Fleet, v: u32) -> PathBuf {
        std::fs::create_dir_all(fleet.dir().join("files")).unwrap();
        // Too large for a script: it is streamed ahead.
        std::fs::write(fleet.dir().join("files/large"), format!("of version {v}\n").repeat(30_000)).unwrap();
        let conf = format!("of version {v}\\n").repeat(500);
        let (package, zone, mode) = match v % 2 {
            0 => ("1.0", "Europe/Berlin", "0750"),
            _ => ("1.1", "Europe/Paris", "0755"),
        };
        let text = format!(
            r#"
- hosts: all
  resources:
    - package: trueup-probe
      version: "{package}"
    - timezone: {zone}
    - group: faults
      gid: {gid}
    - user: faults
      group: faults
      comment: of version {v}
      system: true
    - directory: /srv/faults
      mode: "{mode}"
    - file: /srv/faults/large
      source: large
      owner: faults
    - file: /srv/faults/one
      content: of version {v}
    - file: /srv/faults/two
      content: of version {v}
      mode: "0600"
    - file: /srv/faults/new-{v}
      content: of version {v}
    - symlink: /srv/faults/current
      target: /srv/{v}
    - file: /etc/faults.conf
      content: "{conf}"
      notify: service[faults]
    - file: /etc/systemd/system/faults.service
      content: |
        [Service]
        Environment="VERSION=of version {v}"
        ExecStart=/bin/sh -c 'cp /etc/faults.conf /run/faults.conf; echo "$VERSION" >/run/faults.unit; exec sleep infinity'
        [Install]
        WantedBy=multi-user.target
      notify: service[faults]
    - service: faults
      state: running
      enabled: true
    - cron: faults
      schedule: "17 3 * * *"
      command: echo of version {v}
    - sysctl: net.ipv4.ip_default_ttl
      value: {ttl}
    - exec: faults
      command: touch /srv/faults/ran-{v}
      creates: /srv/faults/ran-{v}
      require: directory[/srv/faults]
    - firewall: faults
      allow: {{ port: {port}/tcp }}
"#,
            gid = 3000 + v,
            ttl = 64 + v % 60,
            port = 8000 + v,
        );
        let path = fleet.dir().join("site.yml");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The version of each managed file, as it is on the disk.
    pub fn wholeness(&self, host: &Host) -> Vec<(&'static str, Wholeness)> {
        let of = |path: &&'static str| {
            let text = std::fs::read_to_string(host.root.join(&path[1..])).unwrap_or_else(|e| e.to_string());
            (*path, version_of(path, &text))
        };
        FILES.iter().map(of).collect()
    }

    /// Nothing of a dead run is left but a lock that holds nobody up, where there was nothing more to apply; and the service has read what it was restarted for.
    pub fn assert_nothing_left(&self, host: &Host, case: &str) {
        let Wholeness::Version(v) = self.wholeness(host)[0].1 else { panic!("{case}: torn") };
        let script = "find /etc /srv /usr/local -xdev -name '*.trueup' -o -xdev -name '*.trueup.old'; ls /var/lib/trueup/owed /var/lib/trueup/incoming; ls -d /var/lib/trueup/lock.* 2>/dev/null; l=$(readlink /var/lib/trueup/lock) && kill -0 \"${l%% *}\" 2>/dev/null && echo \"$l\"; sort -u /run/faults.conf /run/faults.unit; systemctl show -p NeedDaemonReload faults; dpkg --audit; dpkg-query -W -f '${db:Status-Abbrev}${Version}' trueup-probe; cat /proc/sys/net/ipv4/ip_default_ttl";
        let expected = format!(
            "/var/lib/trueup/incoming:\n\n/var/lib/trueup/owed:\nof version {v}\nNeedDaemonReload=no\nii {}{}",
            if v % 2 == 0 { "1.0" } else { "1.1" },
            64 + v % 60
        );
        assert_eq!(host.sh(script).text(), expected, "{case}");
    }
}

/// A file of one version says so in each line that names any, and has as many of them as it should.
fn version_of(path: &str, text: &str) -> Wholeness {
    let versions: Vec<&str> = text
        .split("of version ")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap())
        .collect();
    let count = match path {
        "/etc/faults.conf" => 500,
        "/srv/faults/large" => 30_000,
        _ => 1,
    };
    match versions.first().and_then(|v| v.parse().ok()) {
        Some(v) if versions.len() == count && versions.iter().all(|w| Some(w) == versions.first()) => {
            Wholeness::Version(v)
        }
        _ => Wholeness::Torn(text.chars().take(200).collect()),
    }
}
