//! A source that has to see what a part of its catalog comes to before it can say the rest.

#[allow(dead_code)]
mod here;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use trueup::catalog::draft::Draft;
use trueup::catalog::entry::{Entry, References};
use trueup::catalog::{Selection, Whole};
use trueup::engine::options::ApplyOptions;
use trueup::engine::outcome::{ChangeStatus, HostReport, HostStatus};
use trueup::engine::run::{Connect, Event, Job, Mode, Operator, Run};
use trueup::engine::schedule::Order;
use trueup::engine::source::{Compiled, Known, Source};
use trueup::language::yaml;
use trueup::model::body::{Body, Digest};
use trueup::model::id::ResourceId;
use trueup::model::run_name::RunName;
use trueup::model::span::{FileId, Sources};
use trueup::resources::Places;
use trueup::resources::batch::Declared;
use trueup::resources::types::TYPES;
use trueup::shell::apply::Keep;
use trueup::shell::frame::Limits;
use trueup::transport::{BoxFuture, Connection, TransportError, local};

/// Runs a command, and then writes a file with what that has said.
struct AskAndWrite {
    dir: PathBuf,
    digest: Digest,
}

impl AskAndWrite {
    fn declare(&self, draft: &mut Draft, kind: &str, title: &str, params: &str, body: Option<Body>) {
        let ty = TYPES.iter().copied().find(|t| t.name() == kind).unwrap();
        let declared = Declared {
            title: title.to_owned(),
            params: yaml::parse_one(params, FileId(0)).unwrap().unwrap(),
            body,
            sensitive: false,
            become_user: None,
            places: Places::default(),
            managed_below: vec![],
            departed: None,
        };
        let references = References::default();
        draft.add(ty, Entry { declared, name: None, tags: vec![], controls: vec![], references, within: vec![] });
    }
}

impl Source for AskAndWrite {
    fn compile(&self, _: usize, known: Known<'_>) -> Result<Compiled, Vec<String>> {
        let mut draft = Draft::new("here", known.facts.clone());
        let marker = self.dir.join("asked").display().to_string();
        let ask = format!("{{command: 'echo blue; echo a hint >&2; touch {marker}', creates: {marker}}}");
        self.declare(&mut draft, "exec", "ask", &ask, None);
        let said = known.outputs.get(&ResourceId::parse("exec[ask]").unwrap());
        if let Some(said) = said {
            assert_eq!((said.status, said.stderr.as_slice()), (0, b"a hint\n".as_slice()));
            let body = Body::held(said.stdout.clone(), false);
            self.declare(&mut draft, "file", &self.dir.join("answer").display().to_string(), "{}", Some(body));
        }
        let catalog = draft.finish(&Selection::default(), &Sources::default()).unwrap();
        Ok(if said.is_some() { Compiled::Whole(Whole(catalog)) } else { Compiled::Part(catalog) })
    }

    fn digest(&self) -> &Digest {
        &self.digest
    }
}

struct Here;

impl Connect for Here {
    fn connect(&self, _: usize) -> BoxFuture<'_, Result<Box<dyn Connection>, TransportError>> {
        Box::pin(async { Ok(Box::new(local::connect(None)?) as Box<dyn Connection>) })
    }
}

struct Nobody;

impl Operator for Nobody {
    fn on(&mut self, _: Event) {}
}

fn run(dir: PathBuf, mode: Mode) -> HostReport {
    let run = Arc::new(Run {
        jobs: vec![Job { host: "here".into(), reached: String::new(), remote: false }],
        source: Arc::new(AskAndWrite { dir, digest: Digest::of(b"") }),
        connect: Arc::new(Here),
        forks: 1,
        order: Order::at_once(1),
        pause: None,
        host_deadline: None,
        limits: Limits::default(),
        apply: ApplyOptions {
            run: RunName::parse("r1").unwrap(),
            owner: "a test".into(),
            started: 0,
            source: String::new(),
            project: String::new(),
            reason: None,
            lock_wait: Duration::ZERO,
            confirm_within: Duration::ZERO,
            confirm_all: false,
            step_deadline: Duration::from_secs(60),
            keep: Keep { runs: 9, days: None, kib: 1024 },
            rollback_on_failure: false,
        },
        prune: None,
        remembered: None,
        keeps_basis: false,
    });
    run.execute(mode, &mut Nobody).unwrap().remove(0)
}

#[test]
fn the_next_part_is_made_of_what_the_last_one_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = here::beside(dir.path(), std::env::current_exe().unwrap().to_str().unwrap());
    command.args(["--ignored", "--exact", "in_a_place_of_its_own", "--nocapture"]).env("TRUEUP_TEST_DIR", dir.path());
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
}

#[test]
#[ignore = "run by the test above, where it has the machine's state folder to itself"]
fn in_a_place_of_its_own() {
    let Some(dir) = std::env::var_os("TRUEUP_TEST_DIR").map(PathBuf::from) else { return };
    let planned = run(dir.clone(), Mode::Plan);
    let plan = planned.plan.unwrap();
    assert!(plan.is_part && plan.changes.len() == 1, "{plan:?}");

    let applied = run(dir.clone(), Mode::Apply);
    assert_eq!(applied.status, HostStatus::Applied, "{applied:?}");
    let results: Vec<_> = applied.results.iter().map(|r| (r.id.kind.as_str(), &r.status)).collect();
    assert_eq!(results, [("exec", &ChangeStatus::Applied), ("file", &ChangeStatus::Applied)]);
    assert_eq!(std::fs::read_to_string(dir.join("answer")).unwrap(), "blue\n");
    // Of a part nobody can tell what has left the manifest.
    assert!(applied.plan.unwrap().orphans.is_empty());
    let kept = dir.join(".host/runs");
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 1, "one run, whatever its parts");
    assert!(std::fs::read_to_string(kept.join("r1/journal")).unwrap().ends_with("end\n"));
    assert!(std::fs::symlink_metadata(dir.join(".host/lock")).is_err());
}
