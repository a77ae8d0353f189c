//! What packages are like, and what manifests say about them.

use std::fmt::Write as _;

use crate::offered::Offered;

/// Numbers that follow from their seed alone (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for n in (1..all.len()).rev() {
            all.swap(n, self.below(n + 1));
        }
    }
}

pub const OLD: &str = "1.0";
pub const NEW: &str = "2.0";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The manifest does not name it.
    Nothing,
    Absent,
    Present,
    Latest,
    Old,
}

#[derive(Debug)]
pub struct Package {
    pub name: String,
    /// Its user and its group.
    number: u32,
    account: bool,
    service: bool,
    /// Whether it needs the one before it.
    needs: Option<String>,
    /// Names of the configuration files in its `conf.d`.
    conf: Vec<&'static str>,
    /// What its scripts write, below its folder.
    makes: Vec<&'static str>,
    /// The version that is there at first.
    pub was: Option<&'static str>,
    /// Where none is there: whether one has been, and has left its configuration.
    pub left: bool,
    wish: Wish,
    /// The version that is there after an apply.
    pub becomes: Option<&'static str>,
}

impl Package {
    fn random(dice: &mut Dice, name: String, number: u32) -> Self {
        let some = |of: &[&'static str], dice: &mut Dice| of.iter().copied().filter(|_| !dice.one_in(3)).collect();
        Self {
            name,
            number,
            account: dice.one_in(2),
            service: !dice.one_in(3),
            needs: None,
            conf: some(&["default", "more"], dice),
            makes: some(&["made", "conf.d/made"], dice),
            was: dice.pick(&[None, None, Some(OLD), Some(NEW)]),
            left: dice.one_in(4),
            wish: dice.pick(&[Wish::Nothing, Wish::Absent, Wish::Present, Wish::Present, Wish::Latest, Wish::Old]),
            becomes: None,
        }
    }

    fn settle(&mut self) {
        self.becomes = match self.wish {
            Wish::Nothing => self.was,
            Wish::Absent => None,
            Wish::Present => self.was.or(Some(NEW)),
            Wish::Latest => Some(NEW),
            Wish::Old => Some(OLD),
        };
    }

    /// The package in one version.
    pub fn offered(&self, version: &str) -> Offered {
        let name = &self.name;
        let mut files = vec![
            (format!("/usr/bin/{name}"), format!("#!/bin/sh\necho {version}\n")),
            (format!("/etc/{name}/main.conf"), format!("[{version}]\n")),
        ];
        // One that no upgrade changes.
        files.extend(self.conf.iter().map(|conf| (format!("/etc/{name}/conf.d/{conf}"), format!("# {conf}\n"))));
        let mut install = format!("mkdir -p /etc/{name}/conf.d\n");
        if self.account {
            let number = self.number;
            let _ = write!(
                install,
                "getent group {name} >/dev/null || groupadd --system --gid {number} {name}\n\
                 getent passwd {name} >/dev/null || useradd --system --no-create-home --uid {number} --gid {name} {name}\n"
            );
        }
        for made in &self.makes {
            let _ = writeln!(install, "[ -e /etc/{name}/{made} ] || echo made >/etc/{name}/{made}");
        }
        let (mut before_removal, mut after_removal) = (String::new(), String::new());
        let mut after_purge = format!("rm -rf /etc/{name}\n");
        if self.service {
            let unit = format!("{name}.service");
            files.push((
                format!("/lib/systemd/system/{unit}"),
                format!("[Unit]\nDescription={version}\n[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"),
            ));
            // As debhelper writes them.
            let _ = write!(
                install,
                "deb-systemd-helper unmask {unit} >/dev/null || true\n\
                 if deb-systemd-helper --quiet was-enabled {unit}; then deb-systemd-helper enable {unit} >/dev/null || true\n\
                 else deb-systemd-helper update-state {unit} >/dev/null || true; fi\n\
                 systemctl --system daemon-reload >/dev/null || true\n\
                 if [ -n \"$2\" ]; then action=restart; else action=start; fi\n\
                 deb-systemd-invoke $action {unit} >/dev/null || true\n"
            );
            before_removal = format!("deb-systemd-invoke stop {unit} >/dev/null || true\n");
            after_removal = format!("systemctl --system daemon-reload; deb-systemd-helper mask {unit} >/dev/null\n");
            after_purge.push_str(&format!(
                "deb-systemd-helper purge {unit} >/dev/null; deb-systemd-helper unmask {unit} >/dev/null\n"
            ));
        }
        let script = |when: &str, what: &str| format!("#!/bin/sh\nset -e\nif [ \"$1\" = {when} ]; then\n:\n{what}fi\n");
        Offered {
            name: name.clone(),
            version: version.into(),
            fields: self.needs.iter().map(|other| format!("Depends: {other}")).collect(),
            files,
            scripts: vec![
                ("postinst".into(), script("configure", &install)),
                ("prerm".into(), script("remove", &before_removal)),
                ("postrm".into(), script("remove", &after_removal) + &script("purge", &after_purge)),
            ],
        }
    }

    /// Resources about it and about what it brings.
    fn resources(&self, dice: &mut Dice, into: &mut Vec<String>) {
        let name = &self.name;
        let after = match self.wish {
            Wish::Nothing => String::new(),
            _ => format!("      require: package[{name}]\n"),
        };
        match self.wish {
            Wish::Nothing => {}
            Wish::Absent => into.push(format!("    - package: {name}\n      state: absent\n")),
            Wish::Present => into.push(format!("    - package: {name}\n")),
            Wish::Latest => into.push(format!("    - package: {name}\n      state: latest\n")),
            Wish::Old => into.push(format!("    - package: {name}\n      version: \"{OLD}\"\n")),
        }
        if self.becomes.is_none() {
            return;
        }
        let conf = self.conf.iter().map(|conf| format!("conf.d/{conf}"));
        let paths = conf.chain(self.makes.iter().map(|made| (*made).to_owned())).chain(["main.conf".to_owned()]);
        for path in paths {
            let file = format!("    - file: /etc/{name}/{path}\n");
            match dice.below(6) {
                0 | 1 => into.push(format!("{file}      state: absent\n")),
                2 => into.push(format!("{file}      mode: \"0600\"\n")),
                3 if self.account => into.push(format!("{file}      content: ours\n      owner: {name}\n{after}")),
                3 => into.push(format!("{file}      content: ours\n{after}")),
                _ => {}
            }
        }
        if dice.one_in(4) {
            into.push(format!("    - directory: /etc/{name}/conf.d\n      purge: true\n"));
        }
        if dice.one_in(3) {
            into.push(format!("    - file: /etc/{name}/conf.d/extra\n      content: extra\n{after}"));
        }
        if dice.one_in(4) {
            into.push(format!("    - symlink: /etc/{name}/link\n      target: main.conf\n{after}"));
        }
        if self.service && !dice.one_in(3) {
            let (state, enabled) = (dice.pick(&["running", "stopped"]), dice.one_in(2));
            into.push(format!("    - service: {name}\n      state: {state}\n      enabled: {enabled}\n"));
        }
        let number = self.number + 50;
        if self.account && dice.one_in(3) {
            into.push(format!("    - user: {name}\n      uid: {number}\n      system: true\n"));
        }
        if self.account && dice.one_in(3) {
            into.push(format!("    - group: {name}\n      gid: {number}\n"));
        }
        if dice.one_in(3) {
            into.push(format!(
                "    - exec: use {name}\n      command: {name} >/srv/used-{name}\n      onlyif: command -v {name} && test ! -e /srv/used-{name}\n      undo: rm /srv/used-{name}\n{after}"
            ));
        }
    }
}

/// Packages that know of each other, and what a manifest wants of them.
pub fn random(dice: &mut Dice, case: usize) -> (Vec<Package>, String) {
    let mut packages: Vec<Package> = Vec::new();
    for n in 0..2 + dice.below(2) {
        // Each package of all cases has a name and a number of its own, so that no case undoes another's.
        let number = 300 + (case as u32 * 3 + n as u32);
        let mut package = Package::random(dice, format!("case{case}-{n}"), number);
        if let Some(needed) = packages.last_mut().filter(|_| dice.one_in(3)) {
            package.needs = Some(needed.name.clone());
            if package.was.is_some() {
                needed.was = needed.was.or(Some(OLD));
            }
            // Nor does it come in its latest version first, if an older one is wanted.
            let comes = !matches!(package.wish, Wish::Absent | Wish::Nothing);
            if comes && (needed.wish == Wish::Absent || needed.wish == Wish::Old && needed.was.is_none()) {
                needed.wish = Wish::Present;
            }
            needed.settle();
        }
        package.settle();
        packages.push(package);
    }
    // What is needed comes along, and what needs it goes along.
    for n in (1..packages.len()).rev() {
        if packages[n].needs.is_some() && packages[n].becomes.is_some() && packages[n - 1].becomes.is_none() {
            match packages[n].wish {
                Wish::Nothing => packages[n].becomes = None,
                _ => packages[n - 1].becomes = Some(NEW),
            }
        }
    }
    let mut resources = Vec::new();
    for package in &packages {
        package.resources(dice, &mut resources);
    }
    dice.shuffle(&mut resources);
    if resources.is_empty() {
        resources.push("    - file: /srv/alone\n      content: x\n".into());
    }
    (packages, format!("- hosts: web1\n  resources:\n{}", resources.concat()))
}
