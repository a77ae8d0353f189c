//! Whatever was there and whatever is wanted: an apply brings it about, and its rollback brings back what was there.
//! With real shells and files, in a folder.

mod here;

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

/// Parents before what is in them.
const NAMES: &[&str] = &["a", "b", "it's", "d e", "a/x", "b/y", "d e/z"];

#[derive(Clone, Debug)]
enum Is {
    Nothing,
    File(String, u32),
    Directory(u32),
    Link(String),
}

#[derive(Clone, Debug)]
enum Wanted {
    Whatever,
    File(String, u32),
    NoFile,
    Directory(u32),
    NoDirectory,
    Link(String),
    NoLink,
}

fn mode() -> impl Strategy<Value = u32> {
    proptest::sample::select(vec![0o600, 0o644, 0o700, 0o755, 0o1777, 0o2750])
}

fn is() -> impl Strategy<Value = Is> {
    prop_oneof![
        Just(Is::Nothing),
        ("[ -~\n]{0,20}", mode()).prop_map(|(text, mode)| Is::File(text, mode)),
        mode().prop_map(Is::Directory),
        proptest::sample::select(vec!["a", "b", "nowhere", "/etc", "../x y"]).prop_map(|t| Is::Link(t.into())),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    prop_oneof![
        Just(Wanted::Whatever),
        ("[ -~\n]{0,20}", mode()).prop_map(|(text, mode)| Wanted::File(text, mode)),
        Just(Wanted::NoFile),
        mode().prop_map(Wanted::Directory),
        Just(Wanted::NoDirectory),
        proptest::sample::select(vec!["a", "b", "nowhere", "/etc"]).prop_map(|t| Wanted::Link(t.into())),
        Just(Wanted::NoLink),
    ]
}

fn make(root: &Path, name: &str, what: &Is) {
    let path = root.join(name);
    if !path.parent().unwrap().is_dir() || path.parent().unwrap().is_symlink() {
        return;
    }
    let chmod = |mode: u32| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    match what {
        Is::Nothing => {}
        Is::File(text, mode) => {
            fs::write(&path, text).unwrap();
            chmod(*mode);
        }
        Is::Directory(mode) => {
            fs::create_dir(&path).unwrap();
            chmod(*mode);
        }
        Is::Link(target) => symlink(target, &path).unwrap(),
    }
}

fn resource(root: &Path, name: &str, what: &Wanted) -> String {
    let title = serde_json::to_string(&root.join(name).display().to_string()).unwrap();
    match what {
        Wanted::Whatever => String::new(),
        Wanted::File(text, mode) => {
            let text = serde_json::to_string(&text.replace("{{", "").replace("{%", "").replace("{#", "")).unwrap();
            format!("    - file: {title}\n      content: {text}\n      mode: \"{mode:04o}\"\n")
        }
        Wanted::NoFile => format!("    - file: {title}\n      state: absent\n"),
        Wanted::Directory(mode) => format!("    - directory: {title}\n      mode: \"{mode:04o}\"\n"),
        Wanted::NoDirectory => format!("    - directory: {title}\n      state: absent\n"),
        Wanted::Link(target) => format!("    - symlink: {title}\n      target: {target}\n"),
        Wanted::NoLink => format!("    - symlink: {title}\n      state: absent\n"),
    }
}

/// All that is below: kind and mode, owner, contents or target.
fn look(root: &Path) -> BTreeMap<String, (u32, u32, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let text = if meta.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if meta.is_dir() {
                open.push(path.clone());
                vec![]
            } else {
                fs::read(&path).unwrap()
            };
            seen.insert(path.display().to_string(), (meta.mode(), meta.uid(), text));
        }
    }
    seen
}

fn there_and_back(before: &[Is], after: &[Wanted]) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("out");
    fs::create_dir(&root).unwrap();
    NAMES.iter().zip(before).for_each(|(name, what)| make(&root, name, what));
    let resources: String = NAMES.iter().zip(after).map(|(name, what)| resource(&root, name, what)).collect();
    let resources = if resources.is_empty() { "    []\n".to_owned() } else { resources };
    fs::write(dir.path().join("hosts.yml"), "all:\n  hosts:\n    here:\n      ansible_connection: local\n").unwrap();
    fs::write(dir.path().join("site.yml"), format!("- hosts: all\n  resources:\n{resources}")).unwrap();
    let run = |args: &[&str]| {
        let output = here::trueup(dir.path()).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout) + &text(&output.stderr))
    };
    let was = look(&root);
    let (code, told) = run(&["apply", "--yes", "--no-history"]);
    // What cannot be brought about is told, and the rest is done.
    prop_assert!([0, 3].contains(&code), "{resources}\n{told}");
    if code == 0 {
        let (again, told) = run(&["plan"]);
        prop_assert_eq!(again, 0, "{}", told);
    }
    let changed = look(&root) != was;
    let (back, undone) = run(&["rollback", "last", "-i", "hosts.yml", "--yes", "--no-history"]);
    if changed {
        prop_assert_eq!(back, 0, "{}\n{}", told, undone);
    }
    prop_assert_eq!(look(&root), was, "{}\n{}", told, undone);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_was_applied_is_in_line_and_what_is_taken_back_is_as_it_was(
        before in proptest::collection::vec(is(), NAMES.len()),
        after in proptest::collection::vec(wanted(), NAMES.len()),
    ) {
        there_and_back(&before, &after)?;
    }
}

#[test]
fn a_link_comes_back_where_its_target_is() {
    let file = || Wanted::File("x".into(), 0o644);
    there_and_back(&[Is::Link("a".into())], &[file()]).unwrap();
    there_and_back(&[Is::Link("b".into()), Is::Link("a".into())], &[Wanted::Link("b".into()), file()]).unwrap();
    there_and_back(&[Is::Link("b".into()), Is::Link("a".into())], &[file(), Wanted::NoLink]).unwrap();
}

#[test]
fn what_could_not_be_made_below_a_link_to_itself_is_no_trouble_to_take_back() {
    let link = |target: &str| Wanted::Link(target.into());
    let after = [Wanted::Whatever, link("b"), Wanted::Whatever, Wanted::Whatever, Wanted::Whatever, link("b")];
    there_and_back(&[], &after).unwrap();
}

#[test]
fn a_directory_comes_back_without_what_the_one_above_gives_to_new_ones() {
    let before = [&[Is::Nothing, Is::Directory(0o2750)][..], &vec![Is::Nothing; 3], &[Is::Directory(0o700)]].concat();
    let after = [vec![Wanted::Whatever; 5], vec![Wanted::NoDirectory]].concat();
    there_and_back(&before, &after).unwrap();
}
