//! A task for each host, as the schedule says.

use super::interrupt::Interrupts;
use super::{Event, Operator, Run, RunError, Wave, not_started};
use crate::engine::outcome::HostStatus;
use crate::engine::schedule::{self, Command, HostNumber, Order, RunState, Stopped};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

impl Run {
    /// Asks every host something, with nobody watching, and blocks until all have answered.
    pub(super) fn ask_each<T, F, Fut>(self: &Arc<Self>, ask: F) -> Result<Vec<Result<T, HostStatus>>, RunError>
    where
        T: Send + 'static,
        F: Fn(Arc<Self>, HostNumber) -> Fut,
        Fut: Future<Output = Result<T, HostStatus>> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let results = runtime.block_on(async {
            let order = Order::at_once(self.jobs.len());
            let interrupts = Interrupts::listen(false)?;
            self.for_each(&order, &mut Unattended, interrupts, |_, _| false, |run, n, _| ask(run, n)).await
        });
        runtime.shutdown_timeout(Duration::from_millis(100));
        Ok(results?.into_iter().map(|r| r.unwrap_or_else(|why| Err(not_started(why)))).collect())
    }

    /// Runs a task for each host of the order. For those that come to no result, why they were never started, or `None`
    /// where they were.
    pub(super) async fn for_each<T, F, Fut>(
        self: &Arc<Self>,
        order: &Order,
        operator: &mut dyn Operator,
        mut interrupts: Interrupts,
        failed: impl Fn(HostNumber, &T) -> bool,
        task: F,
    ) -> Result<Vec<Result<T, Option<Stopped>>>, RunError>
    where
        T: Send + 'static,
        F: Fn(Arc<Self>, HostNumber, mpsc::UnboundedSender<Event>) -> Fut,
        Fut: Future<Output = T> + Send + 'static,
    {
        let (events, mut coming) = mpsc::unbounded_channel();
        let count = order.waves.iter().flatten().max().map_or(0, |n| n + 1);
        let mut results: Vec<Result<T, Option<Stopped>>> = (0..count).map(|_| Err(None)).collect();
        let mut state = RunState::new(order.clone(), self.forks);
        let mut tasks = tokio::task::JoinSet::new();
        let mut hosts = std::collections::HashMap::new();
        let mut pause_ends: Option<Instant> = None;
        let mut commands = state.on(schedule::Event::Begin);
        let mut has_stopped = false;
        loop {
            if let Some(why) = state.stopped().filter(|_| !std::mem::replace(&mut has_stopped, true)) {
                operator.on(Event::Stopping { why, running: state.running() });
            }
            let mut answer = None;
            for command in commands.drain(..) {
                match command {
                    Command::Wave(n) => {
                        if let Some(wave) = wave(order, n) {
                            operator.on(Event::Wave(wave));
                        }
                    }
                    Command::Start(n) => {
                        hosts.insert(tasks.spawn(task(self.clone(), n, events.clone())).id(), n);
                    }
                    Command::Skip(n, why) => {
                        if let Some(slot) = results.get_mut(n) {
                            *slot = Err(Some(why));
                        }
                    }
                    Command::Pause(n) => {
                        let Some(wave) = wave(order, n) else { continue };
                        let seconds = self.pause.map(|p| p.as_secs());
                        operator.on(Event::Pausing { wave: wave.clone(), seconds });
                        match self.pause {
                            Some(pause) => pause_ends = Some(Instant::now() + pause),
                            None => {
                                let interrupted = || interrupts.are_there();
                                let yes = tokio::task::block_in_place(|| operator.goes_on(&wave, &interrupted));
                                answer = Some(match interrupts.are_there() {
                                    true => schedule::Event::Stop(Stopped::Interrupted),
                                    false if yes => schedule::Event::Resume,
                                    false => schedule::Event::Stop(Stopped::Declined),
                                });
                            }
                        }
                    }
                    Command::Finish => {
                        while let Ok(event) = coming.try_recv() {
                            operator.on(event);
                        }
                        return Ok(results);
                    }
                }
            }
            if let Some(answer) = answer {
                commands = state.on(answer);
                continue;
            }
            tokio::select! {
                // What was said comes before what follows from it.
                biased;
                Some(event) = coming.recv() => operator.on(event),
                count = interrupts.next() => {
                    if count > 1 {
                        return Err(RunError::Interrupted);
                    }
                    commands = state.on(schedule::Event::Stop(Stopped::Interrupted));
                }
                Some(joined) = tasks.join_next_with_id() => {
                    let (id, result) = match joined {
                        Ok((id, result)) => (id, Some(result)),
                        Err(error) => (error.id(), None),
                    };
                    let Some(host) = hosts.remove(&id) else { continue };
                    let failed = result.as_ref().is_none_or(|r| failed(host, r));
                    if let (Some(slot), Some(result)) = (results.get_mut(host), result) {
                        *slot = Ok(result);
                    }
                    commands = state.on(schedule::Event::Done { host, failed });
                }
                () = tokio::time::sleep_until(pause_ends.unwrap_or_else(Instant::now)), if pause_ends.is_some() => {
                    pause_ends = None;
                    commands = state.on(schedule::Event::Resume);
                }
            }
        }
    }
}

/// Nobody is told and nobody asked.
struct Unattended;

impl Operator for Unattended {
    fn on(&mut self, _: Event) {}
}

/// `None` where all hosts are one wave: there is nothing to tell of it.
fn wave(order: &Order, n: usize) -> Option<Wave> {
    let hosts = order.waves.get(n)?.clone();
    (order.waves.len() > 1).then_some(Wave { number: n + 1, of: order.waves.len(), hosts })
}
