//! Random packages and random manifests about them: one apply, an empty plan, and back to what was there.
//!
//! The cases follow from a seed, so that a failure can be repeated: `TRUEUP_SEED=2 TRUEUP_CASES=20` tries others, and more.

mod model;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::host::{Fleet, Host, Kind};
use crate::offered;
use crate::rollback::is_left;
use crate::snapshot::Snapshot;
use crate::trueup::{Ran, manifest, on, trueup};
use model::{Dice, NEW, OLD, Package, random};

/// Brings the packages to these versions as an operator would by hand.
#[track_caller]
fn by_hand<'a>(host: &Host, to: impl Iterator<Item = (&'a Package, Option<&'static str>)>) {
    let mut words = String::new();
    for (Package { name, .. }, version) in to {
        let _ = match version {
            Some(version) => write!(words, " {name}={version}"),
            None => write!(words, " {name}-"),
        };
    }
    if !words.is_empty() {
        host.sh(&format!(
            "DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends --allow-downgrades \
             -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold{words} 2>&1"
        ))
        .text();
    }
}

fn services(host: &Host, packages: &[Package]) -> Vec<String> {
    let names: Vec<&str> = packages.iter().filter(|p| p.service).map(|p| p.name.as_str()).collect();
    let ask = format!(
        "for s in {}; do echo $s $(systemctl is-active $s) $(systemctl is-enabled $s 2>&1 | tail -n 1); done",
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
    services: Vec<String>,
}

impl State {
    fn of(host: &Host, packages: &[Package]) -> Self {
        Self { disk: host.snapshot().without_mtimes(), accounts: accounts(host), services: services(host, packages) }
    }

    /// How this differs from what was before it, but for what the package manager leaves if it makes the same
    /// changes by hand.
    fn left(&self, before: &State, by_hand: &State) -> Vec<String> {
        let mut left = Vec::new();
        for difference in before.disk.differences(&self.disk) {
            let path = &difference.path;
            let account = ACCOUNTS.iter().any(|a| path.as_os_str() == *a);
            // What dpkg puts beside a configuration file that somebody has changed or removed.
            let beside = path.extension().is_some_and(|end| end == "dpkg-dist" || end == "dpkg-new");
            if !account && !beside && !is_left(&difference) && !self.disk.agree_at(&by_hand.disk, path) {
                left.push(difference.to_string());
            }
        }
        let more = self.accounts.difference(&before.accounts).filter(|line| !by_hand.accounts.contains(*line));
        left.extend(more.map(|line| format!("added: {line}")));
        left.extend(before.accounts.difference(&self.accounts).map(|line| format!("removed: {line}")));
        for ((was, is), hand) in before.services.iter().zip(&self.services).zip(&by_hand.services) {
            if is != was && is != hand {
                left.push(format!("service {is}, was {was}, by hand {hand}"));
            }
        }
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

    let fleet = Fleet::up(&[("web1", Kind::Debian), ("byhand", Kind::Debian)]);
    let hosts = [fleet.host("web1"), fleet.host("byhand")];
    let packages = cases.iter().flat_map(|(packages, _)| packages);
    let all: Vec<_> = packages.flat_map(|p| [OLD, NEW].map(|version| p.offered(version))).collect();
    let [web1, byhand] = hosts;
    let both = |on: &(dyn Fn(&Host) + Sync)| {
        std::thread::scope(|scope| {
            scope.spawn(|| on(byhand));
            on(web1);
        });
    };
    both(&|host| offered::offer(host, &all));
    for (n, (packages, site)) in cases.iter().enumerate() {
        let case = format!("case {n} of seed {seed}:\n{packages:#?}\n{site}");
        both(&|host| by_hand(host, packages.iter().filter(|p| p.was.is_some()).map(|p| (p, p.was))));
        let before = State::of(web1, packages);
        let back = std::thread::scope(|scope| {
            scope.spawn(|| {
                let changed = || packages.iter().filter(|p| p.was != p.becomes);
                by_hand(byhand, changed().map(|p| (p, p.becomes)));
                by_hand(byhand, changed().map(|p| (p, p.was)));
            });
            there_and_back(&fleet, packages, site, &before, &case)
        });
        let Some(back) = back else { continue };
        let not_back = not_applied(&back);
        let stay: Vec<&Package> = packages.iter().filter(|p| keeps_its_group(&not_back, p)).collect();
        assert_eq!(not_back.len(), stay.len(), "{case}\n--- the rollback\n{back:?}");
        assert_eq!(back.code, if stay.is_empty() { 0 } else { 3 }, "{case}\n--- the rollback\n{back:?}");
        let mut left = State::of(web1, packages).left(&before, &State::of(byhand, packages));
        left.retain(|line| !stay.iter().any(|p| line.contains(&format!(": {}:", p.name))));
        let left = left.join("\n");
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
    changed.then(|| on(fleet, &["rollback", "last", "--yes", "--limit", "web1", "--json"]))
}

/// The resources that a rollback did not take back, each with why.
fn not_applied(back: &Ran) -> Vec<(String, String)> {
    let json = back.json();
    let results = json["hosts"][0]["results"].as_array().expect("results").clone();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let failed = results.iter().filter(|r| r["result"] != "applied");
    failed.map(|r| (text(&r["id"]), r.to_string())).collect()
}

/// A group that was there before its package has got the user whom the package makes, and whom its removal leaves.
fn keeps_its_group(not_back: &[(String, String)], package: &Package) -> bool {
    let id = format!("group[{}]", package.name);
    not_back.iter().any(|(what, why)| *what == id && why.contains("cannot remove the primary group of user"))
}

fn versions_on(host: &Host, packages: &[Package]) -> Vec<String> {
    let names = packages.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(" ");
    let ask = format!(
        "for p in {names}; do case $(dpkg-query -W -f '${{db:Status-Status}}' $p 2>/dev/null) in \
         installed) dpkg-query -W -f \"$p \\${{Version}}\\n\" $p;; *) echo \"$p -\";; esac; done"
    );
    host.sh(&ask).text().lines().map(str::to_owned).collect()
}
