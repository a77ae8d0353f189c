//! Which host is started when, and when no more are. Pure: events in, commands out.

use std::collections::BTreeSet;
use std::fmt;

/// Hosts by their number in the run.
pub type HostNumber = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Begin,
    /// A host is done, well or not.
    Done {
        host: HostNumber,
        failed: bool,
    },
    /// The pause before a wave is over.
    Resume,
    /// Nothing new is to be started; what runs is finished.
    Stop(Stopped),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A wave begins, by its number from 0.
    Wave(usize),
    Start(HostNumber),
    /// A host that is never started.
    Skip(HostNumber, Stopped),
    /// Nothing runs; this wave waits for [`Event::Resume`].
    Pause(usize),
    /// Nothing runs and nothing will.
    Finish,
}

/// Why nothing new is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The operator has interrupted the run.
    Interrupted,
    /// At the pause between two waves the answer was no.
    Declined,
    TooManyFailed {
        failed: usize,
        at_most: usize,
    },
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("the run was interrupted"),
            Self::Declined => f.write_str("the run was stopped between two waves"),
            Self::TooManyFailed { failed, at_most } => {
                let (noun, verb) = if *failed == 1 { ("host", "has") } else { ("hosts", "have") };
                write!(f, "{failed} {noun} {verb} failed, and ")?;
                match at_most {
                    0 => f.write_str("none may"),
                    n => write!(f, "at most {n} may"),
                }
            }
        }
    }
}

/// How many hosts of some may fail before nothing new is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailLimit {
    pub hosts: BTreeSet<HostNumber>,
    pub at_most: usize,
}

/// The order of a run's hosts, and what ends it early.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// One after the other; each host stands in one.
    pub waves: Vec<Vec<HostNumber>>,
    pub limits: Vec<FailLimit>,
    /// Whether there is a pause between two waves.
    pub pauses: bool,
}

impl Order {
    /// All hosts in one wave, whatever fails.
    pub fn at_once(hosts: usize) -> Self {
        Self { waves: vec![(0..hosts).collect()], ..Self::default() }
    }

    /// The wave of a host, from 0.
    pub fn wave_of(&self, host: HostNumber) -> Option<usize> {
        self.waves.iter().position(|w| w.contains(&host))
    }
}

/// Where a run stands.
#[derive(Clone, Debug)]
pub struct RunState {
    order: Order,
    /// For each limit, how many have failed.
    failed: Vec<usize>,
    forks: usize,
    /// The wave that runs, and how many of its hosts were started.
    wave: usize,
    next: usize,
    running: usize,
    paused: bool,
    stopped: Option<Stopped>,
    finished: bool,
}

impl RunState {
    /// `forks` hosts at once, at least one.
    pub fn new(mut order: Order, forks: usize) -> Self {
        order.waves.retain(|w| !w.is_empty());
        let failed = vec![0; order.limits.len()];
        Self {
            order,
            failed,
            forks: forks.max(1),
            wave: 0,
            next: 0,
            running: 0,
            paused: false,
            stopped: None,
            finished: false,
        }
    }

    pub fn running(&self) -> usize {
        self.running
    }

    /// Why nothing new is started any more.
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    pub fn on(&mut self, event: Event) -> Vec<Command> {
        let mut commands = vec![];
        match event {
            Event::Begin => commands.extend((!self.order.waves.is_empty()).then_some(Command::Wave(0))),
            Event::Done { host, failed } => {
                self.running = self.running.saturating_sub(1);
                if failed {
                    self.count(host);
                }
            }
            Event::Resume if self.paused => {
                self.paused = false;
                commands.push(Command::Wave(self.wave));
            }
            Event::Resume => {}
            Event::Stop(why) => {
                self.stopped.get_or_insert(why);
            }
        }
        match self.stopped {
            Some(why) => self.skip(why, &mut commands),
            None => self.advance(&mut commands),
        }
        if self.running == 0 && self.wave >= self.order.waves.len() && !std::mem::replace(&mut self.finished, true) {
            commands.push(Command::Finish);
        }
        commands
    }

    fn count(&mut self, host: HostNumber) {
        for (limit, failed) in self.order.limits.iter().zip(&mut self.failed) {
            if limit.hosts.contains(&host) {
                *failed += 1;
                if *failed > limit.at_most {
                    let why = Stopped::TooManyFailed { failed: *failed, at_most: limit.at_most };
                    self.stopped.get_or_insert(why);
                }
            }
        }
    }

    fn skip(&mut self, why: Stopped, commands: &mut Vec<Command>) {
        self.paused = false;
        for wave in self.order.waves.iter().skip(self.wave) {
            commands.extend(wave.iter().skip(self.next).map(|host| Command::Skip(*host, why)));
            self.next = 0;
        }
        self.wave = self.order.waves.len();
    }

    fn advance(&mut self, commands: &mut Vec<Command>) {
        while let Some(wave) = self.order.waves.get(self.wave).filter(|_| !self.paused) {
            if let Some(host) = wave.get(self.next) {
                if self.running == self.forks {
                    return;
                }
                commands.push(Command::Start(*host));
                self.next += 1;
                self.running += 1;
                continue;
            }
            if self.running > 0 {
                return;
            }
            self.wave += 1;
            self.next = 0;
            if self.wave < self.order.waves.len() {
                self.paused = self.order.pauses;
                commands.push(if self.paused { Command::Pause(self.wave) } else { Command::Wave(self.wave) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Command::*;
    use proptest::prelude::*;

    fn done(host: HostNumber) -> Event {
        Event::Done { host, failed: false }
    }

    fn failed(host: HostNumber) -> Event {
        Event::Done { host, failed: true }
    }

    fn waves(waves: &[&[HostNumber]], at_most: Option<usize>) -> Order {
        let waves: Vec<Vec<HostNumber>> = waves.iter().map(|w| w.to_vec()).collect();
        let hosts = waves.iter().flatten().copied().collect();
        let limits = at_most.map(|at_most| FailLimit { hosts, at_most }).into_iter().collect();
        Order { waves, limits, pauses: false }
    }

    #[test]
    fn as_many_hosts_run_as_there_are_forks() {
        let mut run = RunState::new(Order::at_once(3), 2);
        assert_eq!(run.on(Event::Begin), [Wave(0), Start(0), Start(1)]);
        assert_eq!(run.on(failed(0)), [Start(2)]);
        assert_eq!(run.on(done(2)), []);
        assert_eq!(run.on(done(1)), [Finish]);
    }

    #[test]
    fn a_stop_finishes_what_runs_and_starts_nothing_new() {
        let mut run = RunState::new(Order::at_once(3), 1);
        assert_eq!(run.on(Event::Begin), [Wave(0), Start(0)]);
        let why = Stopped::Interrupted;
        assert_eq!(run.on(Event::Stop(why)), [Skip(1, why), Skip(2, why)]);
        assert_eq!(run.on(done(0)), [Finish]);
    }

    #[test]
    fn no_hosts_are_done_at_once() {
        assert_eq!(RunState::new(Order::at_once(0), 5).on(Event::Begin), [Finish]);
    }

    #[test]
    fn a_wave_waits_for_the_one_before() {
        let mut run = RunState::new(waves(&[&[0], &[], &[2, 1]], None), 5);
        assert_eq!(run.on(Event::Begin), [Wave(0), Start(0)]);
        assert_eq!(run.on(done(0)), [Wave(1), Start(2), Start(1)]);
        assert_eq!(run.on(done(1)), []);
        assert_eq!(run.on(done(2)), [Finish]);
    }

    #[test]
    fn one_failure_more_than_may_be_stops_the_run() {
        let mut run = RunState::new(waves(&[&[0, 1], &[2, 3]], Some(1)), 5);
        assert_eq!(run.on(Event::Begin), [Wave(0), Start(0), Start(1)]);
        assert_eq!(run.on(failed(1)), []);
        assert_eq!(run.on(done(0)), [Wave(1), Start(2), Start(3)]);
        assert_eq!(run.on(failed(3)), []);
        assert_eq!(run.running(), 1);
        assert_eq!(run.stopped(), Some(Stopped::TooManyFailed { failed: 2, at_most: 1 }));
        assert_eq!(run.on(failed(2)), [Finish]);
        assert_eq!(
            run.stopped().unwrap().to_string(),
            "2 hosts have failed, and at most 1 may",
            "what came after the stop is not its reason"
        );
    }

    #[test]
    fn a_pause_waits_for_its_end() {
        let mut run = RunState::new(Order { pauses: true, ..waves(&[&[0], &[1], &[2]], None) }, 5);
        assert_eq!(run.on(Event::Begin), [Wave(0), Start(0)]);
        assert_eq!(run.on(done(0)), [Pause(1)]);
        assert_eq!(run.on(Event::Resume), [Wave(1), Start(1)]);
        assert_eq!(run.on(Event::Resume), []);
        assert_eq!(run.on(done(1)), [Pause(2)]);
        let why = Stopped::Declined;
        assert_eq!(run.on(Event::Stop(why)), [Skip(2, why), Finish]);
    }

    proptest! {
        #[test]
        fn each_host_has_one_end_and_no_two_waves_run_at_once(
            sizes in proptest::collection::vec(0usize..6, 0..6),
            forks in 0usize..6,
            at_most in proptest::option::of(0usize..5),
            pauses: bool,
            // Which of those that run is done next, whether it failed, and whether the run is stopped then.
            fates in proptest::collection::vec((0usize..6, prop::bool::weighted(0.3), prop::bool::weighted(0.05)), 60),
        ) {
            let count: usize = sizes.iter().sum();
            let mut numbers = (0..count).rev();
            let lists: Vec<Vec<usize>> = sizes.iter().map(|n| numbers.by_ref().take(*n).collect()).collect();
            let slices: Vec<&[usize]> = lists.iter().map(Vec::as_slice).collect();
            let order = Order { pauses, ..waves(&slices, at_most) };
            let mut run = RunState::new(order.clone(), forks);
            let mut fates = fates.into_iter().cycle();
            let (mut running, mut ended, mut skipped) = (vec![], BTreeSet::new(), BTreeSet::new());
            let (mut failures, mut bound, mut finished, mut stopped) = (0, None, false, false);
            let mut event = Event::Begin;
            loop {
                stopped |= matches!(event, Event::Stop(_));
                let mut paused = false;
                for command in run.on(event) {
                    prop_assert!(!finished && !paused, "{:?} after the end", command);
                    match command {
                        Start(host) => {
                            prop_assert!(!stopped && bound.is_none(), "started after a stop");
                            running.push(host);
                            prop_assert!(running.len() <= forks.max(1));
                            let first = order.wave_of(running[0]);
                            prop_assert!(running.iter().all(|h| order.wave_of(*h) == first), "two waves at once");
                        }
                        Skip(host, _) => prop_assert!(skipped.insert(host)),
                        Pause(_) => paused = true,
                        Wave(_) => prop_assert!(running.is_empty(), "a wave begins while another runs"),
                        Finish => finished = true,
                    }
                }
                if finished {
                    break;
                }
                let (which, failed, stop) = fates.next().unwrap();
                event = if stop {
                    Event::Stop(Stopped::Interrupted)
                } else if paused {
                    prop_assert!(running.is_empty());
                    Event::Resume
                } else {
                    prop_assert!(!running.is_empty(), "nothing runs, and nothing is at its end");
                    let host = running.remove(which % running.len());
                    prop_assert!(ended.insert(host));
                    failures += usize::from(failed);
                    if at_most.is_some_and(|m| failures > m) {
                        bound.get_or_insert(failures + running.len());
                    }
                    Event::Done { host, failed }
                };
            }
            prop_assert!(running.is_empty());
            prop_assert!(ended.is_disjoint(&skipped));
            prop_assert_eq!(ended.len() + skipped.len(), count);
            prop_assert!(bound.is_none_or(|b| failures <= b), "more failed than ran when the limit was passed");
        }
    }
}
