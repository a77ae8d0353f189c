//! A run that is ready to begin.

use super::args::ConnectionArgs;
use super::connect::{Way, Ways};
use super::invocation::{cache_dir, owner, run_name};
use super::output::CliError;
use super::prompt::ask_passphrase;
use super::prune::PruneArgs;
use crate::engine::options::ApplyOptions;
use crate::engine::run::{Job, Run};
use crate::engine::schedule::Order;
use crate::engine::source::Source;
use crate::model::utc::Utc;
use crate::saved::Reach;
use crate::shell::apply::Keep;
use crate::shell::frame::Limits;
use crate::store::facts::RememberedFacts;
use crate::transport::auth::Keys;
use crate::transport::hops::Hops;
use crate::transport::known_hosts::KnownHosts;
use crate::transport::ssh::SshOptions;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A run that is ready but for its start.
pub struct Prepared {
    pub run: Run,
    /// How each host is reached.
    reached: Vec<Reach>,
}

impl Prepared {
    /// For the journals of its hosts.
    pub fn because(mut self, reason: Option<String>) -> Self {
        self.run.apply.reason = reason;
        self
    }

    /// What a failed host's changes come to.
    pub fn rolling_back(mut self, on_failure: bool) -> Self {
        self.run.apply.rollback_on_failure = on_failure;
        self
    }

    pub fn in_order(mut self, order: Order, pause: Option<Duration>, host_deadline: Option<Duration>) -> Self {
        (self.run.order, self.run.pause, self.run.host_deadline) = (order, pause, host_deadline);
        if let Some(deadline) = host_deadline {
            // The host itself ends what hangs, too.
            self.run.apply.step_deadline = self.run.apply.step_deadline.min(deadline);
        }
        self
    }

    pub fn pruning(mut self, prune: &PruneArgs) -> Self {
        self.run.prune = prune.of();
        self
    }

    /// For a plan that is to be saved: what it is made from is kept, and how its hosts are reached.
    pub fn keeping(mut self) -> Result<(Arc<Run>, Vec<Reach>), CliError> {
        self.run.keeps_basis = true;
        let reached = std::mem::take(&mut self.reached);
        Ok((self.into_run()?, reached))
    }

    pub fn into_run(self) -> Result<Arc<Run>, CliError> {
        Ok(Arc::new(self.run))
    }
}

/// What is to be done, and how its hosts are reached.
pub struct Work {
    pub source: Arc<dyn Source>,
    /// As [`super::loaded::Loaded::identity`].
    pub identity: String,
    pub keep: Keep,
    pub jobs: Vec<Job>,
    /// One for each job.
    pub ways: Vec<Way>,
}

impl Work {
    /// `source`: what is applied, for the hosts' journals.
    pub fn prepare(self, args: &ConnectionArgs, source: String) -> Result<Prepared, CliError> {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let own = args.known_hosts.clone().unwrap_or_else(|| home.join(".ssh/known_hosts"));
        let mut files = vec![own.clone()];
        if args.known_hosts.is_none() {
            files.push(PathBuf::from("/etc/ssh/ssh_known_hosts"));
        }
        let known = KnownHosts::load(&files)?;
        let options = SshOptions {
            connect_timeout: Duration::from_secs(args.connect_timeout.max(1)),
            known_hosts: Mutex::new(known),
            accept_new: args.accept_new.then_some(own),
            keys: Keys::new(Box::new(ask_passphrase)),
            hops: Hops::default(),
        };
        let limits = Limits { idle: Duration::from_secs(args.timeout.max(1)), ..Limits::default() };
        let reached = self.ways.iter().map(Way::reach).collect();
        Ok(Prepared {
            reached,
            run: Run {
                source: self.source,
                connect: Arc::new(Ways { ways: self.ways, options: Arc::new(options) }),
                order: Order::at_once(self.jobs.len()),
                pause: None,
                host_deadline: None,
                prune: None,
                jobs: self.jobs,
                forks: args.forks,
                limits,
                apply: ApplyOptions {
                    run: run_name()?,
                    owner: owner(),
                    started: Utc::now().0,
                    source,
                    project: self.identity,
                    reason: None,
                    lock_wait: Duration::from_secs(args.lock_timeout),
                    confirm_within: Duration::from_secs(args.confirm_timeout.max(5)),
                    confirm_all: args.confirm_all,
                    step_deadline: Duration::from_secs(args.step_timeout.max(1)),
                    keep: self.keep,
                    rollback_on_failure: false,
                },
                keeps_basis: false,
                remembered: cache_dir().map(|dir| RememberedFacts::new(dir.join("facts"))),
            },
        })
    }
}
