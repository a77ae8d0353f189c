use super::*;
use crate::inventory::Inventory;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

fn told(found: &Diagnostics, sources: &Sources) -> String {
    found.iter().map(|d| d.render(sources, false)).collect::<Vec<_>>().join("\n\n")
}

fn printed(json: &str) -> Result<Inventory, String> {
    let mut sources = Sources::default();
    let file = sources.add("./cloud --list", json);
    let mut builder = Builder::default();
    let mut found = Diagnostics::default();
    let document = crate::language::yaml::parse_one(json, file).unwrap().unwrap();
    read_json(&document, &mut builder, &mut found);
    let inventory = builder.build(&mut found);
    if found.is_empty() { Ok(inventory) } else { Err(told(&found, &sources)) }
}

fn script(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("cloud");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn groups_as_lists_and_as_objects() {
    let i = printed(
        r#"{"web": {"hosts": ["w1", "w2"], "vars": {"a": 1}}, "few": ["w1", "x1"], "prod": {"children": ["web"]},
            "_meta": {"hostvars": {"w1": {"emoji": "\ud83d\ude00"}, "stray": {"b": 2}}}}"#,
    )
    .unwrap();
    assert_eq!(i.members("all"), ["w1", "w2", "x1"]);
    assert_eq!(i.members("prod"), ["w1", "w2"]);
    assert_eq!(i.group_names("w1"), ["few", "prod", "web"]);
    let own = &i.host("w1").unwrap().levels;
    assert_eq!(own[0].vars[0].1.as_str(), Some("😀"));
}

#[test]
fn what_is_no_inventory_is_told_in_what_it_printed() {
    insta::assert_snapshot!(
        printed("{\"web\": {\"hosts\": \"w1\"},\n \"db\": {\"host\": [\"d1\"]},\n \"x\": 5,\n \"y\": [1],\n \"z\": {\"vars\": []},\n \"_meta\": {}}")
            .unwrap_err()
    );
}

#[test]
fn each_host_is_asked_for_where_the_list_does_not_tell() {
    let dir = tempfile::tempdir().unwrap();
    let path = script(
        dir.path(),
        "#!/bin/sh\ncase $1 in --list) echo '{\"web\": [\"w1\", \"w2\"]}';; --host) echo \"{\\\"me\\\": \\\"$2\\\"}\";; esac\n",
    );
    let (mut sources, mut builder, mut found) = (Sources::default(), Builder::default(), Diagnostics::default());
    run(&path, &mut sources, &mut builder, &mut found);
    let inventory = builder.build(&mut found);
    assert_eq!(told(&found, &sources), "");
    assert_eq!(inventory.host("w2").unwrap().levels[0].vars[0].1.as_str(), Some("w2"));
}

#[test]
fn a_script_that_fails_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = script(dir.path(), "#!/bin/sh\necho 'no credentials' >&2\nexit 3\n");
    let (mut sources, mut builder, mut found) = (Sources::default(), Builder::default(), Diagnostics::default());
    run(&path, &mut sources, &mut builder, &mut found);
    let text = told(&found, &sources);
    assert!(text.contains("--list: it ended with exit status: 3: no credentials"), "{text}");
}

#[test]
fn time_and_output_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { deadline: Duration::from_millis(300), most: 1000 };
    let path = script(dir.path(), "#!/bin/sh\nexec sleep 60\n");
    assert!(matches!(run::run(&path, &[], &limits), Err(Failure::Late(_))));
    let path = script(dir.path(), "#!/bin/sh\nexec >&-\nexec sleep 60\n");
    assert!(matches!(run::run(&path, &[], &limits), Err(Failure::Late(_))));
    let limits = Limits { deadline: Duration::from_secs(30), ..limits };
    let path = script(dir.path(), "#!/bin/sh\nexec yes\n");
    assert!(matches!(run::run(&path, &[], &limits), Err(Failure::Long(1000))));
}
