//! The ledger, by each shell: what goes in, what comes out, and back.

use super::*;
use crate::ledger::{Entry, Ledger, Note, Owner, Thing, When, lines};

fn owner() -> Owner {
    Owner { project: "fleet:site.yml".into(), host: "wéb1 \\ \"x\"".into() }
}

fn entry(title: &str, run: &str) -> Entry {
    let run = RunName::parse(run).unwrap();
    let (kind, title) = ("file".to_owned(), title.to_owned());
    Entry { kind, title, key: None, made: true, mark: Some("\\ \u{81} \u{1f980}".into()), run, at: None, after: vec![] }
}

fn put(when: When, entry: &Entry) -> Note {
    Note { when, thing: entry.thing(), entry: Some(entry.clone()) }
}

impl Host {
    fn touch(&self, slot: u32, serves: usize) -> ApplyStep {
        let command = Command::new(["touch", &self.at("x")]);
        ApplyStep::new(slot, Act::Step(Step::Run(command)), vec![serves], false)
    }

    fn fail(&self, slot: u32, serves: usize) -> ApplyStep {
        ApplyStep::new(slot, Act::Step(Step::Run(Command::new(["false"]))), vec![serves], false)
    }

    fn tells(&self, run: &str, steps: Vec<ApplyStep>, notes: &[Note]) -> u8 {
        let ledger = LedgerNotes::Lines(lines(&owner(), notes));
        self.told(&ApplyPlan { ledger, record: b"r".to_vec(), ..self.plan(run, steps) })
    }

    /// The status of the ledger's frame.
    fn told(&self, plan: &ApplyPlan) -> u8 {
        let frames = self.apply(plan);
        frames.iter().find(|f| f.slot == LEDGER).map_or(255, |f| f.status)
    }

    fn entries(&self) -> Vec<Entry> {
        let ledger = Ledger::parse(&fs::read(self.state().join("ledger")).unwrap()).unwrap();
        assert_eq!(ledger.unread, 0);
        ledger.of(&owner()).cloned().collect()
    }
}

#[test]
fn what_was_done_is_in_the_ledger_and_what_is_taken_back_is_not() {
    Host::each(|host| {
        let (a, b, c) = (entry("/a", "1"), entry("/b", "1"), entry("/c ü\n", "1"));
        let notes = [put(When::Applied(0), &a), put(When::Applied(1), &b), put(When::Found, &c)];
        assert_eq!(host.tells("1", vec![host.touch(1, 0), host.fail(2, 1)], &notes), 0);
        assert_eq!(host.entries(), [a.clone(), c.clone()], "what failed is not there");
        let mode = fs::metadata(host.state().join("ledger")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let (again, d) = (entry("/a", "2"), entry("/d", "2"));
        let gone = Note { when: When::Ended, thing: c.thing(), entry: None };
        let notes = [put(When::Applied(0), &again), put(When::Applied(1), &b), gone, put(When::Found, &d)];
        assert_eq!(host.tells("2", vec![host.touch(1, 0), host.touch(2, 1)], &notes), 0);
        assert_eq!(host.entries(), [again, b, d.clone()]);

        // The second change is the first that is taken back.
        let run = RunName::parse("2").unwrap();
        let back = LedgerNotes::Back { run, changes: vec![(1, 0), (0, 1)] };
        let plan = ApplyPlan { ledger: back, ..host.plan("3", vec![host.touch(1, 0), host.touch(2, 1)]) };
        assert_eq!(host.told(&plan), 0);
        assert_eq!(host.entries(), [d.clone(), a.clone(), c.clone()], "what was found stays");
        // And what could not be taken back is still there.
        let again = entry("/a", "4");
        assert_eq!(host.tells("4", vec![host.touch(1, 0)], &[put(When::Applied(0), &again)]), 0);
        let back = LedgerNotes::Back { run: RunName::parse("4").unwrap(), changes: vec![(0, 0)] };
        assert_eq!(host.told(&ApplyPlan { ledger: back, ..host.plan("5", vec![host.fail(1, 0)]) }), 0);
        assert_eq!(host.entries(), [d, c, again]);
    });
}

#[test]
fn what_a_change_has_made_before_it_failed_is_in_the_ledger_and_what_it_was_to_remove_stays_there() {
    Host::each(|host| {
        let (a, b) = (entry("/a", "1"), entry("/b", "1"));
        assert_eq!(host.tells("1", vec![], &[put(When::Found, &b)]), 0);
        let gone = Note { when: When::Applied(1), thing: b.thing(), entry: None };
        let steps = vec![host.touch(1, 0), host.fail(2, 0), host.touch(3, 1), host.fail(4, 1)];
        assert_eq!(host.tells("2", steps, &[put(When::Applied(0), &a), gone]), 0);
        assert_eq!(host.entries(), [b, a]);
    });
}

#[test]
fn a_ledger_of_another_format_is_left_as_it_is() {
    Host::each(|host| {
        let a = entry("/a", "1");
        assert_eq!(host.tells("1", vec![], &[put(When::Found, &a)]), 0);
        fs::write(host.state().join("ledger"), "trueup ledger 2\n").unwrap();
        assert_ne!(host.tells("2", vec![], &[put(When::Found, &a)]), 0);
        assert_eq!(fs::read_to_string(host.state().join("ledger")).unwrap(), "trueup ledger 2\n");
        // A run that wrote none is taken back without one.
        let back = LedgerNotes::Back { run: RunName::parse("9").unwrap(), changes: vec![] };
        assert_eq!(host.told(&ApplyPlan { ledger: back, ..host.plan("3", vec![]) }), 255);
    });
}

#[test]
fn what_is_held_is_done_only_where_all_before_it_went_well() {
    Host::each(|host| {
        let last = |first: ApplyStep| {
            let plan = ApplyPlan { last: vec![1], ..host.plan("1", vec![first, host.touch(2, 1)]) };
            host.apply(&plan).into_iter().find(|f| f.slot == 2).map(|f| (f.status, waited_for(&f.body)))
        };
        assert_eq!(last(host.fail(1, 0)), Some((SKIPPED, Some(0))));
        assert_eq!(last(host.touch(1, 0)), Some((0, None)));
    });
}

#[test]
fn a_note_alone_leaves_no_run_behind() {
    Host::each(|host| {
        let ledger = LedgerNotes::Lines(lines(&owner(), &[put(When::Found, &entry("/a", "1"))]));
        assert_eq!(host.told(&ApplyPlan { ledger, ..host.plan("1", vec![]) }), 0);
        assert!(!host.state().join("runs/1").exists());
        assert_eq!(host.entries().len(), 1);
        assert_eq!(Thing::of("file", "/a"), host.entries()[0].thing());
    });
}
