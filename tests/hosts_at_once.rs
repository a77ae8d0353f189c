//! Many hosts at once: none waits for another.

use minijinja::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use trueup::catalog::Selection;
use trueup::engine::options::ApplyOptions;
use trueup::engine::outcome::HostStatus;
use trueup::engine::run::{Connect, Event, Job, Mode, Operator, Run};
use trueup::engine::schedule::Order;
use trueup::engine::source::{ManifestHost, Manifests};
use trueup::language::diagnostic::Diagnostics;
use trueup::manifest::project;
use trueup::model::run_name::RunName;
use trueup::model::span::Sources;
use trueup::shell::frame::Limits;
use trueup::transport::{BoxFuture, Connection, TransportError, local};

const HOSTS: usize = 12;

/// The first host cannot be reached before all others are done.
struct FirstIsLast(Arc<Semaphore>);

impl Connect for FirstIsLast {
    fn connect(&self, host: usize) -> BoxFuture<'_, Result<Box<dyn Connection>, TransportError>> {
        Box::pin(async move {
            if host == 0 {
                let others = self.0.acquire_many(HOSTS as u32 - 1);
                let waited = tokio::time::timeout(Duration::from_secs(60), others).await;
                waited.map_err(|_| TransportError::Local("the others wait for the first".into()))?.unwrap().forget();
            }
            Ok(Box::new(local::connect(None)?) as Box<dyn Connection>)
        })
    }
}

struct Watching {
    others_done: Arc<Semaphore>,
    finished: Vec<usize>,
}

impl Operator for Watching {
    fn on(&mut self, event: Event) {
        if let Event::Finished { host } = event {
            self.finished.push(host);
            self.others_done.add_permits(1);
        }
    }
}

#[test]
fn a_late_host_holds_up_no_other() {
    let others_done = Arc::new(Semaphore::new(0));
    let job = |n| Job { host: format!("host{n}"), reached: String::new(), remote: false };
    let project =
        Arc::new(project::empty(Arc::default(), vec![], Sources::default(), Diagnostics::default()).ok().unwrap());
    let host = |n| ManifestHost { name: format!("host{n}"), group_names: vec![], vars: vec![], plays: vec![] };
    let manifests = Manifests {
        project,
        hosts: (0..HOSTS).map(host).collect(),
        groups: Value::UNDEFINED,
        selection: Selection::default(),
    };
    let run = Arc::new(Run {
        source: Arc::new(manifests),
        jobs: (0..HOSTS).map(job).collect(),
        connect: Arc::new(FirstIsLast(others_done.clone())),
        forks: 2,
        host_deadline: None,
        order: Order::at_once(HOSTS),
        pause: None,
        limits: Limits::default(),
        apply: ApplyOptions {
            run: RunName::parse("1").unwrap(),
            owner: String::new(),
            started: 0,
            source: String::new(),
            project: String::new(),
            reason: None,
            lock_wait: Duration::ZERO,
            confirm_within: Duration::ZERO,
            confirm_all: false,
            step_deadline: Duration::ZERO,

            keep: trueup::shell::apply::Keep { runs: 1, days: None, kib: 1024 },
            rollback_on_failure: false,
        },
        prune: None,
        remembered: None,

        keeps_basis: false,
    });
    let mut operator = Watching { others_done, finished: vec![] };
    let reports = run.execute(Mode::Plan, &mut operator).unwrap();
    assert!(reports.iter().all(|r| r.status == HostStatus::InLine), "{:?}", reports[0].status);
    assert_eq!((operator.finished.len(), operator.finished.last()), (HOSTS, Some(&0)));
}
