use super::*;
use std::fs;

fn told(found: &Diagnostics, sources: &Sources) -> String {
    found.iter().map(|d| d.render(sources, false)).collect::<Vec<_>>().join("\n\n")
}

/// Files in a new folder.
fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if text.starts_with("#!") && !path.ends_with("locked") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    dir
}

fn load_in(dir: &Path, paths: &[&str], manifest: Option<&str>) -> Result<Inventory, String> {
    let mut sources = Sources::default();
    let paths: Vec<String> = paths.iter().map(|p| dir.join(p).display().to_string()).collect();
    let loaded = load(&paths, manifest.map(|m| dir.join(m)).as_deref(), &mut sources);
    let text = |found: &Diagnostics| told(found, &sources).replace(&dir.display().to_string(), "DIR");
    match loaded {
        Ok(inventory) if inventory.warnings().is_empty() => Ok(inventory),
        Ok(inventory) => Err(text(inventory.warnings())),
        Err(found) => Err(text(&found)),
    }
}

fn values(inventory: &Inventory, host: &str, name: &str) -> Vec<String> {
    let of = |l: &hosts::VarLayer<'_>| {
        let (_, node) = l.vars.iter().find(|(k, _)| k.value == name)?;
        Some(format!("{}={}", l.origin, node.as_str().unwrap_or_default()))
    };
    inventory.vars_of(host).iter().filter_map(of).collect()
}

#[test]
fn variables_come_from_beside_the_inventory_and_beside_the_manifest() {
    let dir = project(&[
        ("inv/hosts.ini", "[web]\nw1 x=inline\n[web:vars]\nx=section\n[all:vars]\nx=first\n"),
        ("inv/group_vars/all.yml", "x: all file\n"),
        ("inv/group_vars/web/b.yml", "x: second\n"),
        ("inv/group_vars/web/a.yaml", "x: first\n"),
        ("inv/group_vars/web/deep/c.json", "{\"x\": \"third\"}"),
        ("inv/group_vars/web/.hidden.yml", "[no"),
        ("inv/group_vars/web/old.yml~", "[no"),
        ("inv/group_vars/web/notes.txt", "[no"),
        ("inv/host_vars/w1", "x: host file\n"),
        ("inv/host_vars/w1.example", "[no"),
        ("site/group_vars/web.yml", "x: by the manifest\n"),
        ("site/host_vars/w1.yml", "x: strongest\n"),
    ]);
    let i = load_in(dir.path(), &["inv/hosts.ini"], Some("site")).unwrap();
    assert_eq!(
        values(&i, "w1", "x"),
        [
            "group all=first",
            "group all=all file",
            "group web=section",
            "group web=first",
            "group web=second",
            "group web=third",
            "group web=by the manifest",
            "host w1=inline",
            "host w1=host file",
            "host w1=strongest"
        ]
    );
}

#[test]
fn one_folder_is_read_once() {
    let dir = project(&[("hosts", "web1\n"), ("group_vars/all.yml", "x: 1\n")]);
    let i = load_in(dir.path(), &["hosts"], Some(".")).unwrap();
    assert_eq!(i.vars_of("web1").len(), 1);
}

#[test]
fn several_inventories_are_one() {
    let dir = project(&[
        ("a.ini", "[web]\nw1 x=a y=a\n"),
        ("b.yml", "web: {hosts: {w2: , w1: {x: b}}}\n"),
        ("c", "#!/bin/sh\necho '{\"web\": [\"w3\"], \"_meta\": {}}'\n"),
    ]);
    let i = load_in(dir.path(), &["a.ini", "b.yml", "c"], None).unwrap();
    assert_eq!(i.members("web"), ["w1", "w2", "w3"]);
    assert_eq!(values(&i, "w1", "x"), ["host w1=a", "host w1=b"]);
    let mut sources = Sources::default();
    let i = load(&["w[1:2], db:5432,".into()], None, &mut sources).unwrap();
    assert_eq!(i.members("ungrouped"), ["w1", "w2", "db"]);
}

#[test]
fn a_folder_is_all_the_inventories_in_it() {
    let dir = project(&[
        ("inv/10-static", "all:\n  hosts:\n    y1:\n"),
        ("inv/20-static", "# hosts\n[web]\ni1\n"),
        ("inv/30-more/x.ini", "n1\n"),
        ("inv/40-kept.json", "{\"web\": [\"k1\"], \"_meta\": {\"hostvars\": {\"k1\": {\"x\": \"1\"}}}}"),
        ("inv/cloud.sh", "#!/bin/sh\necho '{\"web\": [\"c1\"], \"_meta\": {}}'\n"),
        ("inv/cloud.ini", "[cloud]\nregions = all\n"),
        ("inv/README.md", "# no inventory: at all\n"),
        ("inv/.swap", "[no"),
        ("inv/group_vars/all.yml", "x: all\n"),
    ]);
    let i = load_in(dir.path(), &["inv"], None).unwrap();
    assert_eq!(i.members("all"), ["y1", "i1", "n1", "k1", "c1"]);
    assert_eq!(values(&i, "k1", "x"), ["group all=all", "host k1=1"]);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let dir = project(&[
        ("a.ini", "[web:childs]\n"),
        ("b.yml", "all: {host: {}}\n"),
        ("locked", "#!/bin/sh\n"),
        ("group_vars/all.yml", "- x: 1\n"),
        ("group_vars/ungrouped.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n"),
    ]);
    insta::assert_snapshot!(load_in(dir.path(), &["a.ini", "b.yml", "locked", "missing"], None).err().unwrap());
}

#[test]
fn what_is_not_read_is_told() {
    let dir =
        project(&[("hosts", "web\n[web]\nw1\n"), ("group_vars/web/x.yml", "x: 1\n"), ("group_vars/web.yml", "y: 1\n")]);
    insta::assert_snapshot!(load_in(dir.path(), &["hosts"], None).err().unwrap());
}

#[test]
fn localhost_is_there_for_who_names_it_and_for_nobody_else() {
    let dir =
        project(&[("hosts", "web1\n"), ("group_vars/all.yml", "x: all\n"), ("host_vars/localhost.yml", "x: own\n")]);
    let mut i = load_in(dir.path(), &["hosts"], None).unwrap();
    assert!(i.host("localhost").is_none());
    i.add_localhost();
    assert_eq!(values(&i, "localhost", "x"), ["group all=all", "host localhost=own"]);
    assert_eq!(values(&i, "localhost", "ansible_connection"), ["host localhost=local"]);
    assert_eq!(i.members("all"), ["web1"]);
    let picked = |text: &str| Pattern::parse(text, None).unwrap().select(&i).0.join(" ");
    assert_eq!(picked("localhost"), "localhost");
    assert_eq!(picked("all"), "web1");
    assert_eq!(picked("*"), "web1");
    assert_eq!(picked("web1,localhost"), "web1 localhost");
}

#[test]
fn a_password_is_secret_wherever_it_is_written() {
    let dir = project(&[("hosts", "web1 ansible_password=a\n"), ("host_vars/web1.yml", "ansible_become_pass: b\n")]);
    let i = load_in(dir.path(), &["hosts"], None).unwrap();
    assert!(i.vars_of("web1").iter().all(|l| l.vars.iter().all(|(_, v)| v.secret)));
}

#[test]
fn an_error_beside_a_password_does_not_show_it() {
    let dir = project(&[
        ("hosts", "web1 ansible_password=hunter2 oops\nweb2 oops ansible_become_pass=hunter2\n"),
        ("host_vars/web1.yml", "a: !secret hunter2: no\n"),
        ("json", "{\"all\": {\"ansible_ssh_pass\": \"hunter2\"}}"),
    ]);
    let text = load_in(dir.path(), &["hosts", "json"], None).err().unwrap();
    assert!(text.contains("ansible_password=*******") && !text.contains("hunter2"), "{text}");
}

/// Ten thousand hosts in a thousand groups: what is slow by the square shows.
#[test]
fn a_large_fleet_is_read() {
    let groups: String = (0..1000).map(|g| format!("[g{g}]\nh[{}:{}] x={g}\n", g * 10, g * 10 + 9)).collect();
    let deep: String = (0..999).map(|g| format!("[g{g}:children]\ng{}\n", g + 1)).collect();
    let dir = project(&[("hosts", &groups), ("deep", &(groups.clone() + &deep))]);
    let i = load_in(dir.path(), &["hosts"], None).unwrap();
    let count: usize = i.hosts().iter().map(|h| i.vars_of(&h.name).len() + i.group_names(&h.name).len()).sum();
    assert_eq!(count, 20_000);
    let (picked, _) = Pattern::parse("all:&h*:!g5", None).unwrap().select(&i);
    assert_eq!(picked.len(), 9_990);
    let i = load_in(dir.path(), &["deep"], None).unwrap();
    assert_eq!(i.members("g0").len(), 10_000);
    assert_eq!(i.group_names("h9999").len(), 1000);
}
