//! What loads the rules as the host starts, and again whenever nftables.service has emptied the kernel's rules.

use crate::model::body::Body;
use crate::model::id::ResourceId;
use crate::shell::steps::{Attributes, Command, Steps, Undo};

pub(super) const UNIT_NAME: &str = "trueup-firewall.service";
const UNIT: &str = "/etc/systemd/system/trueup-firewall.service";
const UNIT_TEXT: &str = "\
[Unit]
Description=Firewall rules made by trueup
DefaultDependencies=no
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
After=systemd-modules-load.service local-fs.target nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/trueup/firewall.nft
ExecReload=/usr/sbin/nft -f /etc/trueup/firewall.nft

[Install]
WantedBy=sysinit.target
";

/// A part of nftables.service itself, so that there is no moment after its start or reload without the rules. `PartOf` in
/// the unit above would come later, and not for a first start.
const DROP_IN: &str = "/etc/systemd/system/nftables.service.d/trueup.conf";
const DROP_IN_TEXT: &str = "\
[Service]
ExecStartPost=-/usr/sbin/nft -f /etc/trueup/firewall.nft
ExecReload=-/usr/sbin/nft -f /etc/trueup/firewall.nft
";

/// What a probe has to read of each.
pub(super) const FILES: [&str; 2] = [UNIT, DROP_IN];

/// Whether they are as they should be. `shown`: what systemctl(1) says of the unit; `texts`: the files'.
pub(super) fn is_kept(shown: &str, texts: [&str; 2]) -> bool {
    shown.lines().any(|l| l == "UnitFileState=enabled") && texts == [UNIT_TEXT, DROP_IN_TEXT]
}

pub(super) fn keep(ids: &[&ResourceId], first: &ResourceId, steps: &mut Steps) {
    let attributes = |mode| {
        let root = || Some("root".to_owned());
        Attributes { owner: root(), group: root(), mode: Some(mode) }
    };
    let (folder, _) = DROP_IN.rsplit_once('/').unwrap_or_default();
    steps.make_directory(first, folder, attributes(0o755));
    for (path, text) in [(UNIT, UNIT_TEXT), (DROP_IN, DROP_IN_TEXT)] {
        steps.replace_file(first, path, Body::held(text.as_bytes(), false), attributes(0o644), None, false);
    }
    steps.run(ids, Command::new(["systemctl", "daemon-reload"]), Undo::Nothing);
    steps.run(ids, systemctl("enable"), Undo::Run(systemctl("disable").argv));
}

pub(super) fn forget(ids: &[&ResourceId], first: &ResourceId, steps: &mut Steps) {
    steps.run(ids, systemctl("disable"), Undo::Run(systemctl("enable").argv));
    for path in FILES {
        steps.remove(first, path, false);
    }
    steps.run(ids, Command::new(["systemctl", "daemon-reload"]), Undo::Nothing);
}

fn systemctl(verb: &str) -> Command {
    Command::new(["systemctl", verb, UNIT_NAME])
}
