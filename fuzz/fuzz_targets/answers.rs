//! The answers to one resource type's probe: parted by bytes of 0x1e, each begins with its exit status. The first byte
//! picks the type, whose own example is what is wanted. What is predicted has to be in line, whatever was answered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use trueup::facts::Facts;
use trueup::language::diagnostic::Diagnostics;
use trueup::language::node::{Mapping, Node, Yaml};
use trueup::model::span::FileId;
use trueup::language::yaml;
use trueup::resources::batch::{Batch, Declared, Type};
use trueup::resources::difference::Ahead;
use trueup::resources::types::TYPES;
use trueup::resources::Places;
use trueup::model::body::Body;
use trueup::shell::frame::Frame;
use trueup::shell::probe::{Answers, ProbeScript};
use trueup::shell::steps::Steps;

static BATCHES: LazyLock<Vec<Box<dyn Batch>>> = LazyLock::new(|| TYPES.iter().map(|ty| example(*ty)).collect());

fn example(ty: &'static dyn Type) -> Box<dyn Batch> {
    let document = yaml::parse_one(ty.example(), FileId(0)).expect("the example is YAML").expect("and not empty");
    let items = document.as_list().expect("a list of resources");
    let declared: Vec<Declared> = items.iter().map(|i| declared(ty, i.as_map().expect("each a mapping"))).collect();
    ty.batch(&declared, &Facts::sample(), &mut Diagnostics::default()).expect("the example is sound")
}

fn declared(ty: &dyn Type, map: &Mapping) -> Declared {
    let (_, title) = map.first().expect("a type and a title");
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

fuzz_target!(|data: &[u8]| {
    let Some((pick, rest)) = data.split_first() else { return };
    let Some(batch) = BATCHES.get(usize::from(*pick) % BATCHES.len()) else { return };
    let facts = Facts::sample();
    let which: Vec<usize> = (0..batch.len()).collect();
    let mut probe = ProbeScript::default();
    batch.probe(&which, &facts, &mut probe);
    let mut answers = rest.split(|b| *b == 0x1e);
    let frames = (0..probe.len())
        .filter_map(|n| {
            let (status, body) = answers.next()?.split_first()?;
            Some(Frame { slot: n as u32, status: *status, body: body.to_vec() })
        })
        .collect();
    let observed = batch.observe(&which, &facts, &mut Answers::new(frames, 0, probe.len()));
    let mut due = vec![];
    for &i in &which {
        if let Ok(Some(difference)) = observed.diff(i, &Ahead::default()) {
            if observed.is_verifiable(i) {
                let after = observed.diff_after(i, &Ahead::default());
                assert_eq!(after, Ok(None), "what is predicted is in line");
            }
            due.push((i, difference));
        }
    }
    let mut steps = Steps::default();
    let due: Vec<_> = due.iter().map(|(i, d)| (*i, d)).collect();
    observed.apply(&due, &facts, &mut steps);
    which.iter().for_each(|i| observed.refresh(*i, None, &facts, &mut steps));
});
