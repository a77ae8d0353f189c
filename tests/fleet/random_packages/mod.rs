//! Random packages and random manifests about them: one apply, an empty plan, and back to what was there.
//!
//! The cases follow from a seed, so that a failure can be repeated: `TRUEUP_SEED=2 TRUEUP_CASES=20` tries others, and more.

mod model;

use std::collections::BTreeSet;

use crate::host::{Fleet, Host, Kind};
use crate::offered;
use crate::rollback::is_left;
use crate::snapshot::Snapshot;
use crate::trueup::{Ran, manifest, on, trueup};
use model::{Dice, NEW, OLD, Package, random};

/// Brings a host to where the packages are at first, as an operator would by hand. What has left its configuration does not
/// go back to that of another version.
#[track_caller]
fn set_up(host: &Host, packages: &[Package]) {
    let apt = |words: String| {
        if !words.is_empty() {
            host.sh(&format!("DEBIAN_FRONTEND=noninteractive apt-get install -y -q --allow-downgrades{words} 2>&1"))
                .text();
        }
    };
    let there = packages
        .iter()
        .filter_map(|p| Some(format!(" {}={}", p.name, p.was.or(p.left.then(|| p.becomes.unwrap_or(NEW)))?)));
    apt(there.collect());
    apt(packages.iter().filter(|p| p.left && p.was.is_none()).map(|p| format!(" {}-", p.name)).collect());
}

/// What the package manager and systemd know, a line each.
fn known(host: &Host, packages: &[Package]) -> Vec<String> {
    let names: Vec<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let ask = format!(
        "for p in {}; do
           dpkg-query -W -f '${{db:Status-Abbrev}} ${{Package}} ${{Version}}\n' $p 2>/dev/null || echo $p is not known
           echo $p is marked: $(apt-mark showauto $p)
           echo $p is $(systemctl is-active $p) and $(systemctl is-enabled $p 2>&1 | tail -n 1)
         done",
        names.join(" ")
    );
    host.sh(&ask).text().lines().map(str::to_owned).collect()
}

const ACCOUNTS: [&str; 4] = ["etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"];

fn accounts(host: &Host) -> BTreeSet<String> {
    let lines = ACCOUNTS.iter().flat_map(|path| {
        let text = std::fs::read_to_string(host.root.join(path)).expect("the host's accounts");
        text.lines().map(|line| format!("{path}: {line}")).collect::<Vec<_>>()
    });
    lines.collect()
}

/// All of a host that a rollback has to bring back.
struct State {
    disk: Snapshot,
    accounts: BTreeSet<String>,
    known: Vec<String>,
}

impl State {
    fn of(host: &Host, packages: &[Package]) -> Self {
        Self { disk: host.snapshot().without_mtimes(), accounts: accounts(host), known: known(host, packages) }
    }

    /// How this differs from what was before it.
    fn left(&self, before: &State) -> Vec<String> {
        let mut left = Vec::new();
        for difference in before.disk.differences(&self.disk) {
            let path = &difference.path;
            let account = ACCOUNTS.iter().any(|a| path.as_os_str() == *a);
            // What dpkg puts beside a configuration file that somebody has changed or removed.
            let beside = path.extension().is_some_and(|end| end == "dpkg-dist" || end == "dpkg-new");
            if !account && !beside && !is_left(&difference) {
                left.push(difference.to_string());
            }
        }
        left.extend(self.accounts.difference(&before.accounts).map(|line| format!("added: {line}")));
        left.extend(before.accounts.difference(&self.accounts).map(|line| format!("removed: {line}")));
        let known = before.known.iter().zip(&self.known).filter(|(was, is)| was != is);
        left.extend(known.map(|(was, is)| format!("was: {was}; is: {is}")));
        left
    }
}

#[test]
fn whatever_packages_bring_one_apply_is_enough_and_a_rollback_takes_it_back() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let seed = number("TRUEUP_SEED").unwrap_or(1);
    let cases = number("TRUEUP_CASES").unwrap_or(6) as usize;
    let mut dice = Dice(seed);
    let cases: Vec<_> = (0..cases).map(|case| random(&mut dice, case)).collect();

    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let packages = cases.iter().flat_map(|(packages, _)| packages);
    let all: Vec<_> = packages.flat_map(|p| [OLD, NEW].map(|version| p.offered(version))).collect();
    offered::offer(host, &all);
    for (n, (packages, site)) in cases.iter().enumerate() {
        let case = format!("case {n} of seed {seed}:\n{packages:#?}\n{site}");
        set_up(host, packages);
        let before = State::of(host, packages);
        let Some(back) = there_and_back(&fleet, packages, site, &before, &case) else { continue };
        let left = State::of(host, packages).left(&before).join("\n");
        assert!(left.is_empty(), "{case}\n--- the rollback\n{}\n--- what is not as before\n{left}", back.stdout);
    }
}

/// One apply, after which the plan is empty, and the rollback of it, if it changed anything.
fn there_and_back(fleet: &Fleet, packages: &[Package], site: &str, before: &State, case: &str) -> Option<Ran> {
    let host = fleet.host("web1");
    let path = manifest(fleet, site);
    let applied = trueup(fleet, "apply", &path, &["--yes", "--no-history"]);
    assert_eq!(applied.code, 0, "{case}\n--- the apply\n{}{}", applied.stdout, applied.stderr);
    let again = trueup(fleet, "plan", &path, &[]);
    assert_eq!(again.code, 0, "{case}\n--- the apply\n{}\n--- the plan after it\n{}", applied.stdout, again.stdout);
    let versions = packages.iter().map(|p| format!("{} {}", p.name, p.becomes.unwrap_or("-")));
    assert_eq!(versions_on(host, packages), versions.collect::<Vec<_>>(), "{case}\n{}", applied.stdout);
    let changed = !before.disk.differences(&host.snapshot()).iter().all(|d| d.path.starts_with("var/lib/trueup"));
    changed.then(|| {
        let back = on(fleet, &["rollback", "last", "--yes"]);
        assert_eq!(back.code, 0, "{case}\n--- the apply\n{}\n--- the rollback\n{}", applied.stdout, back.stdout);
        back
    })
}

fn versions_on(host: &Host, packages: &[Package]) -> Vec<String> {
    let names = packages.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(" ");
    let ask = format!(
        "for p in {names}; do case $(dpkg-query -W -f '${{db:Status-Status}}' $p 2>/dev/null) in \
         installed) dpkg-query -W -f \"$p \\${{Version}}\\n\" $p;; *) echo \"$p -\";; esac; done"
    );
    host.sh(&ask).text().lines().map(str::to_owned).collect()
}
