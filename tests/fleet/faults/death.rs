//! Death anywhere: an apply of every type of resource is killed at each of its moments, in each way.

use super::kill_point::{How, KillPoint, Point};
use super::tier::{Tier, Wholeness};
use crate::host::{Fleet, Host, Kind};
use crate::trueup::{Trueup, trueup};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// One host that goes from one version of the tier to the next, over and over.
struct Ground {
    fleet: Fleet,
    tier: Tier,
    kill_point: KillPoint,
    points: Vec<Point>,
    version: u32,
}

impl Ground {
    /// A host with the first version, and the moments of the way to the next.
    fn new() -> Self {
        let fleet = Fleet::up(&[("web1", Kind::Debian)]);
        let tier = Tier::new(&fleet);
        trueup(&fleet, "apply", &tier.manifest(&fleet, 1), &["--yes"]).code(0);
        let kill_point = KillPoint::new(fleet.host("web1"));
        kill_point.count();
        trueup(&fleet, "apply", &tier.manifest(&fleet, 2), &["--yes"]).code(0);
        let points = kill_point.points();
        let met: Vec<&Point> = points.iter().filter(|p| p.journal.starts_with("begin ")).collect();
        for kind in trueup::resources::types::TYPES {
            let begins = |p: &&&Point| p.journal.contains(&format!("{}[", kind.name()));
            assert!(met.iter().any(|p| begins(&p)), "no moment of a {} is among {points:#?}", kind.name());
        }
        Self { fleet, tier, kill_point, points, version: 2 }
    }

    fn host(&self) -> &Host {
        self.fleet.host("web1")
    }

    /// The moments at which a step has just begun, one for each.
    fn begins(&self) -> Vec<Point> {
        let mut seen = BTreeSet::new();
        let begins = |p: &&Point| p.journal.starts_with("begin ") && seen.insert(p.journal.clone());
        self.points.iter().filter(begins).cloned().collect()
    }

    /// All may be in line, so that nothing waits for the host, before the run that was left alone there is at its end.
    fn wait_for_its_end(&self, case: &str) {
        let begun = Instant::now();
        while self.host().root.join("var/lib/trueup/lock").is_symlink() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{case}: the host has no end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Dies at each of the points, and looks each time whether the next apply makes it good.
    fn die_at_each(mut self, how: How, points: &[Point]) {
        let mut cases = 0;
        let last = self.points.last().map(|p| &p.journal);
        for point in points {
            self.version += 1;
            let case = format!("{how:?} at {point:?}, version {}", self.version);
            let site = self.tier.manifest(&self.fleet, self.version);
            self.kill_point.arm(how, point.number);
            let mut run = Trueup::start(&self.fleet, "apply", &site, &["--yes"]);
            if !self.kill_point.reached(&case, &mut run) {
                // After the last step the number of calls differs by a few: the confirmation comes when it comes.
                let ran = run.wait();
                assert_eq!(Some(&point.journal), last, "{case}: the run ended without that moment: {ran:?}");
                ran.code(0);
                continue;
            }
            match how {
                How::Controller => {
                    run.kill();
                    self.kill_point.go_on();
                }
                How::Host => {
                    self.host().kill();
                    run.kill();
                    self.host().start();
                }
                // What it says of a host that came back, or of a run that died there.
                How::Connection => drop(run.wait().code(0)),
                How::Shell => {
                    let ran = run.wait();
                    // Of a run that had done nothing yet, the host cannot say whether it died or has not begun.
                    let nothing_done = point.journal.is_empty() || point.journal.starts_with("begin 1 ");
                    assert!(matches!(ran.code, 0 | 3) || (ran.code == 4 && nothing_done), "{case}: {ran:?}");
                }
            }
            let died_whole = self.tier.wholeness(self.host());
            assert!(
                died_whole.iter().all(|(_, w)| matches!(w, Wholeness::Version(v) if *v + 1 >= self.version)),
                "{case}: {died_whole:?}"
            );
            // A controller that died leaves the host at work, which is waited for; nothing else may hold it.
            let wait = if how == How::Controller { "60" } else { "0" };
            let again = trueup(&self.fleet, "apply", &site, &["--yes", "--lock-timeout", wait]);
            assert_eq!(again.code, 0, "{case}: {}\n{}", again.stdout, again.stderr);
            let plan = trueup(&self.fleet, "plan", &site, &[]);
            assert_eq!(plan.code, 0, "{case}: {}\n{}", plan.stdout, plan.stderr);
            let whole = self.tier.wholeness(self.host());
            assert!(whole.iter().all(|(_, w)| *w == Wholeness::Version(self.version)), "{case}: {whole:?}");
            if how == How::Controller {
                self.wait_for_its_end(&case);
            }
            self.tier.assert_nothing_left(self.host(), &case);
            cases += 1;
        }
        println!("death of the {how:?}: {cases} cases, {} moments of {} steps", self.points.len(), self.begins().len());
        assert!(cases >= trueup::resources::types::TYPES.len(), "the enumeration came up short: {cases} cases");
    }
}

/// There are many moments: six hosts share them, so that no test lasts long.
const HOSTS: usize = 6;

#[test]
fn death_of_the_remote_shell_at_every_moment_on_the_first_host() {
    the_remote_shell_dies_at_its_share_of_the_moments(0);
}

#[test]
fn death_of_the_remote_shell_at_every_moment_on_the_second_host() {
    the_remote_shell_dies_at_its_share_of_the_moments(1);
}

#[test]
fn death_of_the_remote_shell_at_every_moment_on_the_third_host() {
    the_remote_shell_dies_at_its_share_of_the_moments(2);
}

#[test]
fn death_of_the_remote_shell_at_every_moment_on_the_fourth_host() {
    the_remote_shell_dies_at_its_share_of_the_moments(3);
}

#[test]
fn death_of_the_remote_shell_at_every_moment_on_the_fifth_host() {
    the_remote_shell_dies_at_its_share_of_the_moments(4);
}

#[test]
fn death_of_the_remote_shell_at_every_moment_on_the_sixth_host() {
    the_remote_shell_dies_at_its_share_of_the_moments(5);
}

fn the_remote_shell_dies_at_its_share_of_the_moments(from: usize) {
    let ground = Ground::new();
    let points: Vec<Point> = ground.points.iter().skip(from).step_by(HOSTS).cloned().collect();
    ground.die_at_each(How::Shell, &points);
}

#[test]
fn death_of_the_connection_at_every_step() {
    let ground = Ground::new();
    let points = ground.begins();
    ground.die_at_each(How::Connection, &points);
}

#[test]
fn death_of_the_controller_at_every_step() {
    let ground = Ground::new();
    let points = ground.begins();
    ground.die_at_each(How::Controller, &points);
}

#[test]
fn death_of_the_host_at_every_step() {
    let ground = Ground::new();
    let points = ground.begins();
    ground.die_at_each(How::Host, &points);
}
