//! From what was asked for and what plays say to the order of a run's hosts. Pure.

use super::schedule::{FailLimit, HostNumber, Order};
use crate::manifest::rollout::{Amount, Rollout};
use std::collections::{BTreeMap, BTreeSet};

/// What the command line asks for; it wins over what plays say.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Hosts at a time, the last repeated. Empty: as plays say.
    pub serial: Vec<Amount>,
    /// So many hosts alone, before all others.
    pub canary: Option<Amount>,
    pub max_fail: Option<Amount>,
    pub pauses: bool,
}

/// The order of a run's hosts.
///
/// `hosts` has for each host the numbers of its plays, in order; `plays` what each of all plays says.
///
/// Where plays say `serial`, hosts come in the order of those plays: a host goes with the first of its plays that says
/// it, and hosts of other plays go together, where the first of their plays stands. No wave holds hosts of two such
/// parts.
///
/// | `--max-fail` | a play's `max_fail` | what may fail |
/// |---|---|---|
/// | given | any | that many of all hosts |
/// | not | given | that many of the play's hosts |
/// | not | none has the host | in waves none of those hosts; else any |
pub fn order(asked: &Asked, plays: &[Rollout], hosts: &[Vec<usize>]) -> Order {
    let mut parts = parts(plays, hosts);
    let mut waves = vec![];
    if let Some(canary) = asked.canary {
        let mut left = canary.of(hosts.len()).max(1);
        let mut first = vec![];
        for (members, _) in &mut parts {
            let taken = left.min(members.len());
            left -= taken;
            first.extend(members.drain(..taken));
        }
        waves.push(first);
    }
    for (members, serial) in parts {
        let serial = if asked.serial.is_empty() { serial } else { asked.serial.as_slice() };
        waves.extend(batches(&members, serial));
    }
    waves.retain(|w| !w.is_empty());
    let limits = limits(asked, plays, hosts, waves.len() > 1);
    Order { waves, limits, pauses: asked.pauses }
}

/// Hosts that may share a wave, in order, with their play's serial.
fn parts<'a>(plays: &'a [Rollout], hosts: &[Vec<usize>]) -> Vec<(Vec<HostNumber>, &'a [Amount])> {
    let serial = |play: usize| plays.get(play).map_or(&[][..], |p| &p.serial);
    let mut by_play: BTreeMap<usize, Vec<HostNumber>> = BTreeMap::new();
    for (host, own) in hosts.iter().enumerate() {
        let play = own.iter().find(|p| !serial(**p).is_empty()).or(own.first());
        by_play.entry(play.copied().unwrap_or(usize::MAX)).or_default().push(host);
    }
    let mut parts: Vec<(Vec<HostNumber>, &[Amount])> = vec![];
    for (play, members) in by_play {
        let own = serial(play);
        match parts.last_mut() {
            Some((all, before)) if own.is_empty() && before.is_empty() => all.extend(members),
            _ => parts.push((members, own)),
        }
    }
    // The inventory's order, where no serial lies between.
    for (members, _) in &mut parts {
        members.sort_unstable();
    }
    parts
}

fn batches(members: &[HostNumber], serial: &[Amount]) -> Vec<Vec<HostNumber>> {
    let Some(last) = serial.last() else { return vec![members.to_vec()] };
    let mut steps = serial.iter().chain(std::iter::repeat(last));
    let mut waves = vec![];
    let mut left = members;
    while let Some(step) = steps.next().filter(|_| !left.is_empty()) {
        let (wave, rest) = left.split_at(step.of(members.len()).max(1).min(left.len()));
        waves.push(wave.to_vec());
        left = rest;
    }
    waves
}

fn limits(asked: &Asked, plays: &[Rollout], hosts: &[Vec<usize>], in_waves: bool) -> Vec<FailLimit> {
    let limit = |hosts: BTreeSet<HostNumber>, at_most: Amount| FailLimit { at_most: at_most.of(hosts.len()), hosts };
    if let Some(max_fail) = asked.max_fail {
        return vec![limit((0..hosts.len()).collect(), max_fail)];
    }
    let members = |play: usize| hosts.iter().enumerate().filter(move |(_, own)| own.contains(&play)).map(|(h, _)| h);
    let mut limits: Vec<FailLimit> = plays
        .iter()
        .enumerate()
        .filter_map(|(n, play)| Some(limit(members(n).collect(), play.max_fail?)))
        .filter(|l| !l.hosts.is_empty())
        .collect();
    let unlimited: BTreeSet<HostNumber> =
        (0..hosts.len()).filter(|h| limits.iter().all(|l| !l.hosts.contains(h))).collect();
    if in_waves && !unlimited.is_empty() {
        limits.push(limit(unlimited, Amount::Count(0)));
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amounts(list: &[&str]) -> Vec<Amount> {
        list.iter().map(|a| a.parse().unwrap()).collect()
    }

    fn serial(list: &[&str]) -> Rollout {
        Rollout { serial: amounts(list), ..Rollout::default() }
    }

    fn asked(list: &[&str]) -> Asked {
        Asked { serial: amounts(list), ..Asked::default() }
    }

    fn sizes(order: &Order) -> Vec<usize> {
        order.waves.iter().map(Vec::len).collect()
    }

    #[test]
    fn the_sizes_of_waves_are_as_ansibles() {
        let of = |list: &[&str], hosts| sizes(&order(&asked(list), &[Rollout::default()], &vec![vec![0]; hosts]));
        assert_eq!(of(&["1"], 3), [1, 1, 1]);
        assert_eq!(of(&["25%"], 10), [2, 2, 2, 2, 2]);
        assert_eq!(of(&["10%"], 3), [1, 1, 1]);
        assert_eq!(of(&["1", "5", "25%"], 20), [1, 5, 5, 5, 4]);
        assert_eq!(of(&["100%"], 4), [4]);
        assert_eq!(of(&["7"], 4), [4]);
        assert_eq!(of(&[], 4), [4]);
    }

    #[test]
    fn hosts_come_in_the_order_of_the_plays_that_say_serial() {
        // Everywhere; databases one by one; web servers two at a time; and a play without serial at the end.
        let plays = [Rollout::default(), serial(&["1"]), serial(&["2"]), Rollout::default()];
        let hosts = [vec![0, 2], vec![0, 1], vec![0], vec![0, 2], vec![0, 1, 2], vec![0, 2], vec![3]];
        let by_plays = order(&Asked::default(), &plays, &hosts);
        assert_eq!(by_plays.waves, [vec![2], vec![1], vec![4], vec![0, 3], vec![5], vec![6]]);
        let canary = Asked { canary: Some(Amount::Count(2)), ..Asked::default() };
        assert_eq!(order(&canary, &plays, &hosts).waves, [vec![2, 1], vec![4], vec![0, 3], vec![5], vec![6]]);
        assert_eq!(order(&asked(&["3"]), &plays, &hosts).waves, [vec![2], vec![1, 4], vec![0, 3, 5], vec![6]]);
    }

    #[test]
    fn without_serial_plays_do_not_part_hosts() {
        let plays = [Rollout::default(), Rollout::default()];
        let hosts = [vec![1], vec![0], vec![1]];
        assert_eq!(order(&Asked::default(), &plays, &hosts).waves, [[0, 1, 2]]);
        assert_eq!(order(&asked(&["2"]), &plays, &hosts).waves, [vec![0, 1], vec![2]]);
    }

    #[test]
    fn in_waves_no_host_may_fail_unless_that_is_said() {
        let of = |asked: &Asked, plays: &[Rollout]| -> Vec<(Vec<usize>, usize)> {
            let hosts = [vec![0], vec![0], vec![0, 1], vec![1]];
            let limits = order(asked, plays, &hosts).limits;
            limits.into_iter().map(|l| (l.hosts.into_iter().collect(), l.at_most)).collect()
        };
        let silent = [Rollout::default(), Rollout::default()];
        assert_eq!(of(&Asked::default(), &silent), []);
        assert_eq!(of(&asked(&["1"]), &silent), [(vec![0, 1, 2, 3], 0)]);
        let max_fail = Some(Amount::Percent(50));
        assert_eq!(of(&Asked { max_fail, ..asked(&["1"]) }, &silent), [(vec![0, 1, 2, 3], 2)]);
        let plays = [Rollout { max_fail, ..Rollout::default() }, Rollout::default()];
        assert_eq!(of(&Asked::default(), &plays), [(vec![0, 1, 2], 1)]);
        assert_eq!(of(&asked(&["1"]), &plays), [(vec![0, 1, 2], 1), (vec![3], 0)]);
    }

    proptest! {
        #[test]
        fn each_host_stands_in_one_wave(
            plays in proptest::collection::vec(proptest::collection::vec(1u8..=100, 0..3), 1..4),
            hosts in proptest::collection::vec(proptest::collection::vec(0usize..4, 1..3), 0..30),
            canary in proptest::option::of(0usize..40),
        ) {
            let plays: Vec<Rollout> = plays
                .iter()
                .map(|s| Rollout { serial: s.iter().map(|p| Amount::Percent(*p)).collect(), ..Rollout::default() })
                .collect();
            let asked = Asked { canary: canary.map(Amount::Count), ..Asked::default() };
            let order = order(&asked, &plays, &hosts);
            let mut all: Vec<usize> = order.waves.iter().flatten().copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..hosts.len()).collect::<Vec<_>>());
            prop_assert!(order.waves.iter().all(|w| !w.is_empty()));
        }
    }
}
