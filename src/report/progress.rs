//! What a run is at, on the terminal: one total, and the hosts that take longest.
//!
//! A bar a host does not scale, so there is one bar, and a few lines that are re-used.

use crate::engine::run::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Hosts that are shown by name.
const SLOWEST: usize = 4;

pub struct Progress {
    hosts: Vec<String>,
    total: ProgressBar,
    lines: Vec<ProgressBar>,
    /// Since when a host runs, and what it is at.
    running: BTreeMap<usize, (Instant, String)>,
}

impl Progress {
    /// On standard error; nothing is drawn where that is no terminal, or `quiet` is asked for.
    pub fn new(verb: &'static str, hosts: Vec<String>, quiet: bool) -> Self {
        let multi = MultiProgress::new();
        if quiet {
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
        Self { hosts, total, lines, running: BTreeMap::new() }
    }

    pub fn on(&mut self, event: &Event) {
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

    /// Takes it off the screen.
    pub fn finish(self) {
        for line in self.lines {
            line.finish_and_clear();
        }
        self.total.finish_and_clear();
    }
}
