//! What holds of every resource type, unasked.

use proptest::prelude::*;
use std::fmt::Write as _;
use trueup::catalog::departed::Removal;
use trueup::facts::Facts;
use trueup::language::diagnostic::Diagnostics;
use trueup::language::node::{Mapping, Node, Yaml};
use trueup::language::yaml;
use trueup::model::body::Body;
use trueup::model::span::{FileId, Sources};
use trueup::resources::batch::{Batch, Declared, Type};
use trueup::resources::difference::Ahead;
use trueup::resources::types::TYPES;
use trueup::resources::{Departed, Orphaned, Places};
use trueup::shell::frame::Frame;
use trueup::shell::probe::{Answers, ProbeScript};
use trueup::shell::steps::Steps;

/// The resources of a type's example, as a manifest declares them.
fn declared(ty: &dyn Type) -> Vec<Declared> {
    let document = yaml::parse_one(ty.example(), FileId(0)).expect("the example is YAML").expect("and not empty");
    let items = document.as_list().expect("a list of resources").to_vec();
    items.iter().map(|item| one(ty, item.as_map().expect("each a mapping"))).collect()
}

fn one(ty: &dyn Type, map: &Mapping) -> Declared {
    let (key, title) = map.first().expect("a type and a title");
    assert_eq!(key.value, ty.name(), "an example is of its own type");
    let params: Mapping = map.iter().skip(1).cloned().collect();
    let content = params.iter().find(|(k, _)| k.value == "content").and_then(|(_, v)| v.as_str());
    Declared {
        title: title.as_str().expect("a title is text").to_owned(),
        body: content.filter(|_| ty.has_body()).map(|c| Body::held(c.as_bytes().to_vec(), false)),
        params: Node::new(title.span, Yaml::Map(params)),
        sensitive: false,
        become_user: None,
        places: Places::default(),
        managed_below: vec![],
        departed: None,
    }
}

fn batch(ty: &'static dyn Type, declared: &[Declared]) -> Box<dyn Batch> {
    let mut found = Diagnostics::default();
    let batch = ty.batch(declared, &Facts::sample(), &mut found);
    let mut sources = Sources::default();
    sources.add("example", ty.example());
    let told: Vec<_> = found.iter().map(|d| d.render(&sources, false)).collect();
    assert!(told.is_empty(), "the example of {} is wrong:\n{}", ty.name(), told.join("\n"));
    batch.expect("a batch without findings")
}

#[test]
fn every_example_is_valid() {
    for ty in TYPES {
        assert!(!batch(*ty, &declared(*ty)).is_empty(), "{} has an example", ty.name());
    }
}

#[test]
fn every_type_and_every_parameter_is_documented() {
    let mut missing = String::new();
    for ty in TYPES {
        assert!(ty.about().ends_with('.'), "{}: a sentence", ty.name());
        let schema = ty.schema();
        for (name, property) in schema.as_value()["properties"].as_object().into_iter().flatten() {
            if property["description"].as_str().is_none_or(str::is_empty) {
                let _ = writeln!(missing, "{}.{name}", ty.name());
            }
        }
    }
    assert!(missing.is_empty(), "{missing}");
}

#[test]
fn what_has_left_the_manifest_is_brought_away_by_parameters_that_the_type_takes() {
    for ty in TYPES {
        let (Orphaned::Removed(params) | Orphaned::Ended(params, _)) = ty.orphaned() else { continue };
        for Declared { title, .. } in declared(*ty) {
            let removal = Removal { ty: *ty, title, params, departed: Departed::default(), before: vec![] };
            assert!(removal.check(&Facts::sample()).is_ok(), "{}", ty.name());
        }
    }
}

#[test]
fn the_number_of_questions_does_not_grow_with_the_resources() {
    for ty in TYPES {
        let example = declared(*ty);
        let asks = |copies: usize| {
            // The guards of exec are foreign commands, each a question of its own.
            let many: Vec<Declared> = (0..copies)
                .flat_map(|n| example.iter().map(move |d| Declared { title: numbered(&d.title, n), ..d.clone() }))
                .collect();
            let batch = batch(*ty, &many);
            let mut probe = ProbeScript::default();
            batch.probe(&(0..batch.len()).collect::<Vec<_>>(), &Facts::sample(), &mut probe);
            probe.len() - probe.guards().len()
        };
        assert_eq!(asks(1), asks(30), "{}", ty.name());
    }
}

/// Another title of the same form.
fn numbered(title: &str, n: usize) -> String {
    format!("{title}{n}")
}

/// Runs a batch through everything that comes after a host's answer.
fn judge(ty: &'static dyn Type, answers: &[Vec<u8>]) {
    let facts = Facts::sample();
    let batch = batch(ty, &declared(ty));
    let which: Vec<usize> = (0..batch.len()).collect();
    let mut probe = ProbeScript::default();
    batch.probe(&which, &facts, &mut probe);
    let frames = (0..probe.len())
        .map(|n| Frame {
            slot: n as u32,
            status: 0,
            body: answers.get(n % answers.len().max(1)).cloned().unwrap_or_default(),
        })
        .collect();
    let observed = batch.observe(&which, &facts, &mut Answers::new(frames, 0, probe.len()));
    let mut due = vec![];
    for &i in &which {
        if let Ok(Some(difference)) = observed.diff(i, &Ahead::default()) {
            if observed.is_verifiable(i) {
                let after = observed.diff_after(i, &Ahead::default());
                assert_eq!(after, Ok(None), "{}: what is predicted is in line", ty.name());
            }
            due.push((i, difference));
        }
    }
    let mut steps = Steps::default();
    let references: Vec<_> = due.iter().map(|(i, d)| (*i, d)).collect();
    observed.apply(&references, &facts, &mut steps);
    which.iter().for_each(|i| observed.refresh(*i, None, &facts, &mut steps));
    let steps = steps.into_vec();
    for (i, _) in &due {
        let id = format!("{}[{}]", ty.name(), declared(ty)[*i].title);
        assert!(
            steps.iter().any(|s| s.serves.iter().any(|r| r.to_string() == id)),
            "{id} differs, and no step is for it"
        );
    }
}

/// Words that tools say, so that arbitrary answers get past the first line of a parser.
const WORDS: &[&str] = &[
    "-",
    "f",
    "d",
    "l",
    "1",
    "0",
    ".",
    "\n",
    "\t",
    " ",
    "81a4 0 0 root root 5 x",
    "41ed 0 0 root root 5 x",
    "T 0 3\nabc\n",
    "ii \tnginx\tamd64\t1.0\n",
    "#lists sources\n",
    "#policy\n",
    "nginx:\n",
    "  Candidate: 1.0\n",
    "#changes\n",
    "Inst nginx (1.0 x [amd64])\n",
    "Remv nginx [1.0]\n",
    "#status 0\n",
    "#end\n",
    "Id=nginx.service\n",
    "LoadState=loaded\n",
    "ActiveState=active\n",
    "UnitFileState=enabled\n",
    "root:x:0:\n",
    "deploy:x:7:\n",
    "anna:x:1:1::/home/anna:/bin/sh\n",
    "user\tanna\t/home/anna\tyes\n",
    "net.ipv4.ip_forward = 1\n",
    "table inet trueup {\n",
    "chain input {\n",
    "}\n",
    "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  x\n",
];

fn answer() -> impl Strategy<Value = Vec<u8>> {
    let words = proptest::collection::vec(proptest::sample::select(WORDS), 0..12).prop_map(|w| w.concat().into_bytes());
    prop_oneof![words, proptest::collection::vec(any::<u8>(), 0..80)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_a_host_answers_nothing_panics_and_predictions_hold(answers in proptest::collection::vec(answer(), 1..5)) {
        for ty in TYPES {
            judge(*ty, &answers);
        }
    }
}
