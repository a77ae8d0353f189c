//! What a run is at, on the terminal: one total, and the hosts that take longest.
//!
//! A bar a host does not scale, so there is one bar, and a few lines that are re-used.

use super::say;
use crate::engine::run::{Event, Operator, Wave};
use crate::engine::schedule::Stopped;
use crate::report::words::named;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Hosts that are shown by name.
const SLOWEST: usize = 4;

pub struct Progress {
    hosts: Vec<String>,
    bars: MultiProgress,
    /// What is told of waves is left out.
    quiet: bool,
    total: ProgressBar,
    lines: Vec<ProgressBar>,
    /// Since when a host runs, and what it is at.
    running: BTreeMap<usize, (Instant, String)>,
}

impl Progress {
    /// On standard error; nothing is drawn where that is no terminal, or it is to be hidden.
    pub fn new(verb: &'static str, hosts: Vec<String>, hidden: bool, quiet: bool) -> Self {
        let multi = MultiProgress::new();
        if hidden {
            multi.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        let total = multi.add(ProgressBar::new(hosts.len() as u64));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {pos}/{len} hosts {wide_bar} {elapsed}") {
            total.set_style(style);
        }
        total.set_prefix(verb);
        let lines = (0..SLOWEST.min(hosts.len()))
            .map(|_| {
                let line = multi.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("    {wide_msg}") {
                    line.set_style(style);
                }
                line
            })
            .collect();
        total.enable_steady_tick(Duration::from_millis(200));
        Self { hosts, bars: multi, quiet, total, lines, running: BTreeMap::new() }
    }

    pub fn show(&mut self, event: &Event) {
        match event {
            Event::Started { host } => {
                self.running.insert(*host, (Instant::now(), "connecting".into()));
            }
            Event::Probing { host, resources } => self.at(*host, format!("looking at {resources} resources")),
            Event::Step { host, what } => self.at(*host, what.clone()),
            Event::Finished { host, .. } => {
                self.running.remove(host);
                self.total.inc(1);
            }
            Event::Wave(wave) if !self.quiet => self.say(&format!("{}: {}", part(wave), self.names(wave))),
            Event::Pausing { wave, seconds: Some(seconds) } if !self.quiet => {
                self.say(&format!("{seconds} s until {}: {}", part(wave), self.names(wave)));
            }
            Event::Wave(_) | Event::Pausing { .. } => {}
            Event::Stopping { why, running } => self.say(&stopping(*why, *running)),
        }
        let mut slowest: Vec<_> = self.running.iter().collect();
        slowest.sort_by_key(|(_, (since, _))| *since);
        for (n, line) in self.lines.iter().enumerate() {
            let message = slowest.get(n).and_then(|(host, (since, what))| {
                let name = self.hosts.get(**host)?;
                Some(format!("{name}: {what} ({} s)", since.elapsed().as_secs()))
            });
            line.set_message(message.unwrap_or_default());
        }
    }

    fn at(&mut self, host: usize, what: String) {
        if let Some((_, now)) = self.running.get_mut(&host) {
            *now = what;
        }
    }

    /// A line that stays, above the bars where there are any.
    pub fn say(&self, line: &str) {
        self.bars.suspend(|| say!("{line}"));
    }

    /// Without the bars on the screen, as for a question.
    pub fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bars.suspend(work)
    }

    pub fn names(&self, wave: &Wave) -> String {
        let names: Vec<&str> = wave.hosts.iter().filter_map(|n| self.hosts.get(*n)).map(String::as_str).collect();
        named(&names)
    }

    /// Takes it off the screen.
    pub fn finish(self) {
        for line in self.lines {
            line.finish_and_clear();
        }
        self.total.finish_and_clear();
    }
}

impl Operator for Progress {
    fn on(&mut self, event: Event) {
        self.show(&event);
    }
}

/// `wave 2 of 4`.
pub fn part(wave: &Wave) -> String {
    format!("wave {} of {}", wave.number, wave.of)
}

fn stopping(why: Stopped, running: usize) -> String {
    let hosts = if running == 1 { "host" } else { "hosts" };
    let finishing = format!("finishing {running} {hosts}, starting no new ones");
    match why {
        Stopped::Interrupted => format!("{finishing}; Ctrl-C again ends at once"),
        _ if running > 0 => format!("{why}: {finishing}"),
        _ => format!("{why}: starting no new ones"),
    }
}
