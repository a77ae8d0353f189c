use super::*;
use proptest::prelude::*;

fn owner(project: &str) -> Owner {
    Owner { project: project.into(), host: "web1".into() }
}

fn entry(title: &str) -> Entry {
    Entry {
        kind: "file".into(),
        title: title.into(),
        key: None,
        made: true,
        mark: None,
        run: RunName::parse("r1").unwrap(),
        at: Some("site.yml:3:5".into()),
        after: vec![],
    }
}

fn said(entry: &Entry) -> Note {
    Note { when: When::Found, thing: entry.thing(), entry: Some(entry.clone()) }
}

/// As the host's shell puts lines in.
fn put(ledger: &[u8], lines: &[u8]) -> Vec<u8> {
    let lines = String::from_utf8(lines.to_vec()).unwrap();
    let due: Vec<(&str, Option<&str>)> = lines
        .lines()
        .map(|line| {
            let mut words = line.splitn(3, ' ').skip(1);
            (words.next().unwrap(), words.next())
        })
        .collect();
    let mut text = format!("{HEAD} {VERSION}\n");
    let old = String::from_utf8(ledger.to_vec()).unwrap();
    for line in old.lines().skip(1).filter(|l| !due.iter().any(|(name, _)| l.contains(name))) {
        text.push_str(&format!("{line}\n"));
    }
    for (name, entry) in due {
        text.extend(entry.map(|entry| format!("{name} {entry}\n")));
    }
    text.into_bytes()
}

#[test]
fn each_project_has_entries_of_its_own() {
    let (ours, theirs) = (owner("fleet:site.yml"), owner("db:site.yml"));
    let (a, b) = (entry("/etc/a"), Entry { made: false, ..entry("/etc/b") });
    let lines_of =
        |owner: &Owner, entries: &[&Entry]| lines(owner, &entries.iter().map(|e| said(e)).collect::<Vec<_>>());
    let text = put(b"", &lines_of(&ours, &[&a, &b]));
    let text = put(&text, &lines_of(&theirs, &[&a]));
    let ledger = Ledger::parse(&text).unwrap();
    assert_eq!(ledger.of(&ours).collect::<Vec<_>>(), [&a, &b]);
    assert_eq!(ledger.entry(&theirs, &a.thing()), Some(&a));
    assert_eq!(ledger.others(&ours, &a.thing()).collect::<Vec<_>>(), [(Some(&theirs), &a)]);
    assert_eq!(ledger.others(&ours, &b.thing()).count(), 0);
    assert_eq!(ledger.unread, 0);

    let gone = lines(&ours, &[Note { when: When::Ended, thing: a.thing(), entry: None }]);
    let ledger = Ledger::parse(&put(&text, &gone)).unwrap();
    assert_eq!(ledger.of(&ours).collect::<Vec<_>>(), [&b]);
    assert_eq!(ledger.of(&theirs).collect::<Vec<_>>(), [&a]);
}

#[test]
fn what_is_no_ledger_or_a_newer_one_is_told() {
    assert_eq!(Ledger::parse(b"").unwrap(), Ledger::default());
    assert_eq!(Ledger::parse(b"trueup ledger 2\nwhatever\n"), Err(LedgerError::Newer(2)));
    assert_eq!(Ledger::parse(b"something else\n"), Err(LedgerError::Malformed));
}

#[test]
fn a_line_that_was_cut_off_or_changed_is_counted() {
    let ours = owner("fleet:site.yml");
    let whole = put(b"", &lines(&ours, &[said(&entry("/etc/a"))]));
    let cut = &whole[..whole.len() - 3];
    assert_eq!(Ledger::parse(cut).unwrap().unread, 1);
    let other = String::from_utf8(whole).unwrap().replace("/etc/a", "/etc/b");
    let ledger = Ledger::parse(other.as_bytes()).unwrap();
    assert_eq!((ledger.unread, ledger.of(&ours).count()), (1, 0), "its name says that it is another thing");
}

#[test]
fn what_a_run_that_died_would_have_told_counts_as_told() {
    let ours = owner("fleet:site.yml");
    let (a, b, c) = (entry("/etc/a"), entry("/etc/b"), entry("/etc/c"));
    let text = String::from_utf8(put(b"", &lines(&ours, &[said(&a), said(&b)]))).unwrap();
    let name = |e: &Entry| format!("{}_{}", ours.code(), e.thing().0);
    let other = Entry { made: false, ..b.clone() };
    let line = |e: &Entry| format!("{} {}\n", name(e), ascii::json(e));
    let text = format!("{text}{UNTOLD}\n{} \n{}{}", name(&a), line(&other), line(&c));
    let ledger = Ledger::parse(text.as_bytes()).unwrap();
    assert_eq!(ledger.of(&ours).collect::<Vec<_>>(), [&other, &c]);
    assert_eq!(ledger.unread, 0);
}

#[test]
fn a_name_in_a_list_of_others_is_not_taken_for_the_line_of_that_name() {
    let ours = owner("fleet:site.yml");
    let a = entry("/etc/a");
    let mut b = entry("/etc/b");
    b.comes_after(vec![a.thing()]);
    let all = |entries: &[&Entry]| lines(&ours, &entries.iter().map(|e| said(e)).collect::<Vec<_>>());
    let text = put(&put(b"", &all(&[&a, &b])), &all(&[&a]));
    assert_eq!(Ledger::parse(&text).unwrap().of(&ours).count(), 2);
}

proptest! {
    #[test]
    fn whatever_is_put_in_is_read_back(project in ".*", host in ".*", title in ".*", key in proptest::option::of(".*"), mark in proptest::option::of(".*"), made: bool) {
        let owner = Owner { project, host };
        let entry = Entry { key, mark, made, ..entry(&title) };
        let line = lines(&owner, &[said(&entry)]);
        prop_assert!(line.iter().all(|b| *b == b'\n' || (b' '..=b'~').contains(b)), "one line of plain text each");
        let ledger = Ledger::parse(&put(b"", &line)).unwrap();
        prop_assert_eq!(ledger.of(&owner).collect::<Vec<_>>(), [&entry]);
        prop_assert_eq!(ledger.unread, 0);
    }

    #[test]
    fn whatever_a_host_has_kept_is_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), lines in ".*") {
        let _ = Ledger::parse(&bytes);
        let _ = Ledger::parse(format!("{HEAD} {VERSION}\n{lines}").as_bytes());
    }
}
