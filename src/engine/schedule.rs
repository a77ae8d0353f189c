//! Which host is started when. Pure: events in, commands out.

/// Hosts by their number in the run.
pub type HostNumber = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Begin,
    /// A host is done, well or not.
    Done,
    /// Nothing new is to be started; what runs is finished.
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Start(HostNumber),
    /// A host that is never started.
    Skip(HostNumber),
    /// Nothing runs and nothing will.
    Finish,
}

/// Where a run stands.
#[derive(Clone, Debug)]
pub struct RunState {
    hosts: usize,
    next: usize,
    running: usize,
    forks: usize,
    stopping: bool,
}

impl RunState {
    /// `forks` hosts at once, at least one.
    pub fn new(hosts: usize, forks: usize) -> Self {
        Self { hosts, next: 0, running: 0, forks: forks.max(1), stopping: false }
    }

    pub fn on(&mut self, event: Event) -> Vec<Command> {
        match event {
            Event::Begin => {}
            Event::Done => self.running = self.running.saturating_sub(1),
            Event::Stop => self.stopping = true,
        }
        let mut commands = vec![];
        while self.stopping && self.next < self.hosts {
            commands.push(Command::Skip(self.next));
            self.next += 1;
        }
        while self.running < self.forks && self.next < self.hosts {
            commands.push(Command::Start(self.next));
            self.next += 1;
            self.running += 1;
        }
        if self.running == 0 && self.next == self.hosts {
            commands.push(Command::Finish);
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Command::*;

    #[test]
    fn as_many_hosts_run_as_there_are_forks() {
        let mut run = RunState::new(3, 2);
        assert_eq!(run.on(Event::Begin), [Start(0), Start(1)]);
        assert_eq!(run.on(Event::Done), [Start(2)]);
        assert_eq!(run.on(Event::Done), []);
        assert_eq!(run.on(Event::Done), [Finish]);
    }

    #[test]
    fn a_stop_finishes_what_runs_and_starts_nothing_new() {
        let mut run = RunState::new(3, 1);
        assert_eq!(run.on(Event::Begin), [Start(0)]);
        assert_eq!(run.on(Event::Stop), [Skip(1), Skip(2)]);
        assert_eq!(run.on(Event::Done), [Finish]);
    }

    #[test]
    fn no_hosts_are_done_at_once() {
        assert_eq!(RunState::new(0, 5).on(Event::Begin), [Finish]);
    }
}
