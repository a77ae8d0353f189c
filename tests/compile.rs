//! From a project's files to a host's catalog, and what an author is told on the way.

use std::path::Path;
use std::sync::Arc;
use trueup::catalog::{Catalog, Selection};
use trueup::facts::{Facts, InitSystem, Os};
use trueup::language::diagnostic::Diagnostics;
use trueup::manifest::evaluate::{HostInput, compile};
use trueup::manifest::project;
use trueup::model::span::Sources;
use trueup::resources::difference::Ahead;
use trueup::resources::types::TYPES;
use trueup::shell::frame::Frame;
use trueup::shell::probe::Answers;

/// A project of these files; its catalog, or all that is said of it.
fn catalog(files: &[(&str, &str)]) -> Result<Catalog, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let types: Vec<_> = TYPES.iter().map(|t| t.name()).collect();
    let tell = |found: &Diagnostics, sources: &Sources| {
        let text: Vec<_> = found.iter().map(|d| d.render(sources, false)).collect();
        text.join("\n\n").replace(&format!("{}/", dir.path().display()), "")
    };
    let site = dir.path().join("site.yml");
    let project =
        project::load(Path::new(&site), vec![], &types, Arc::default(), Sources::default(), Diagnostics::default())
            .map_err(|e| tell(&e.found, &e.sources))?;
    let facts = Facts {
        hostname: "web1".into(),
        cpus: 4,
        init_system: InitSystem::Systemd,
        os: Os { family: "debian".into(), id: "debian".into(), ..Os::default() },
        ..Facts::default()
    };
    let host = HostInput {
        name: "web1",
        group_names: &["web".to_owned()],
        vars: vec![],
        groups: &minijinja::Value::from_pairs([("web", vec!["web1"])]),
        plays: project.plays.iter().collect(),
    };
    compile(&project, &host, facts, &Selection::default()).map_err(|e| tell(&e, &project.templates.sources))
}

fn one(site: &str) -> Result<Catalog, String> {
    catalog(&[("site.yml", site)])
}

fn ids(catalog: &Catalog) -> Vec<String> {
    catalog.order.iter().map(|&n| catalog.resources[n].id.to_string()).collect()
}

#[test]
fn loops_conditions_and_variables_come_to_final_values() {
    let site = r#"
- hosts: all
  vars: { limits: { vm.swappiness: 10, "vm.{{ suffix }}": "{{ facts.cpus * 2 }}" }, suffix: dirty_ratio }
  resources:
    - sysctl: "{{ item.key }}"
      value: "{{ item.value }}"
      for_each: "{{ limits }}"
    - sysctl: net.ipv4.ip_forward
      value: 1
      when: facts.os.family == "redhat"
    - sysctl: kernel.panic
      value: "{{ inventory_hostname | length }}"
      before: sysctl[vm.swappiness]
"#;
    assert_eq!(ids(&one(site).unwrap()), ["sysctl[kernel.panic]", "sysctl[vm.swappiness]", "sysctl[vm.dirty_ratio]"]);
}

#[test]
fn a_module_has_typed_parameters() {
    let module = r#"
about: kernel limits
parameters:
  keys: { type: list, about: what to set }
  value: { type: int, default: 5 }
resources:
  - sysctl: "{{ item }}"
    value: "{{ value }}"
    for_each: "{{ keys }}"
"#;
    let site = |with: &str| format!("- hosts: all\n  resources:\n    - module: limits\n      with: {with}\n");
    let load = |with: &str| catalog(&[("site.yml", &site(with)), ("modules/limits/module.yml", module)]);
    assert_eq!(ids(&load("{keys: [a.b, c.d]}").unwrap()), ["sysctl[a.b]", "sysctl[c.d]"]);
    insta::assert_snapshot!(load("{kys: [a], value: high}").unwrap_err());
}

#[test]
fn every_mistake_is_told_at_once_and_at_its_place() {
    let site = r#"
- hosts: all
  vars: { port: 80, loop_a: "{{ loop_b }}", loop_b: "{{ loop_a }}" }
  resources:
    - sysctl: a.b
      valeu: 1
    - sysctl: c.d
      value: "{{ prot }}"
    - sysctl: e.f
      value: "{{ facts.os.familie }}"
    - sysctl: g.h
      value: "{{ loop_a }}"
    - sysctl: i.j
      value: "{{ port | uper }}"
    - sysctl: k.l
      value: 1
      when: port ==
    - sysctl: m.n
      value: |
        one
        two {{ nothing }}
"#;
    insta::assert_snapshot!(one(site).unwrap_err());
}

#[test]
fn structure_mistakes_are_told_at_once() {
    let site = r#"
- host: all
  resources: []
- hosts: all
  tasks: []
  resources:
    - sysctk: a.b
      value: 1
    - name: only a name
    - a string
    - module: nowhere
"#;
    insta::assert_snapshot!(one(site).unwrap_err());
}

#[test]
fn duplicates_show_both_places_unless_they_are_the_same() {
    let twice = |second: &str| {
        format!(
            "- hosts: all\n  resources:\n    - sysctl: a.b\n      value: 1\n    - sysctl: a.b\n      value: {second}\n"
        )
    };
    assert_eq!(ids(&one(&twice("1")).unwrap()), ["sysctl[a.b]"]);
    insta::assert_snapshot!(one(&twice("2")).unwrap_err());
}

#[test]
fn a_path_has_one_resource_by_whatever_type_and_name() {
    let two =
        |second: &str| format!("- hosts: all\n  resources:\n    - file: /run/x\n      content: a\n    - {second}\n");
    insta::assert_snapshot!(one(&two("directory: /run/x")).unwrap_err());
    for second in ["file: /var/run/x\n      content: a", "symlink: /run/x\n      target: /y"] {
        let error = one(&two(second)).unwrap_err().to_string();
        assert!(error.contains("is what file[/run/x] manages"), "{error}");
    }
    assert_eq!(ids(&one(&two("file: /var/running\n      content: a")).unwrap()).len(), 2);
}

#[test]
fn a_cycle_shows_the_place_of_each_edge() {
    let site = r#"
- hosts: all
  resources:
    - sysctl: a
      value: 1
      require: sysctl[b]
    - sysctl: b
      value: 1
      require: sysctl[c]
    - sysctl: c
      value: 1
      before: sysctl[x]
      require: ["sysctl[a]", "sysctl[missing]"]
    - sysctl: x
      value: 1
      notify: sysctl[a]
"#;
    insta::assert_snapshot!(one(site).unwrap_err());
    insta::assert_snapshot!(
        one(&site.replace(", \"sysctl[missing]\"", "").replace("      notify: sysctl[a]\n", "")).unwrap_err()
    );
}

#[test]
fn a_reference_in_a_flow_list_needs_quotes_and_is_told_so() {
    insta::assert_snapshot!(
        one("- hosts: all\n  resources:\n    - sysctl: a\n      require: [sysctl[b]]\n").unwrap_err()
    );
}

#[test]
fn a_purged_directory_knows_what_of_it_is_managed() {
    let site = r#"
- hosts: all
  resources:
    - directory: /etc/app
      purge: true
    - file: "/etc/app/{{ item }}/x"
      content: x
      for_each: [a, b]
    - file: /etc/apparmor
      content: x
"#;
    let catalog = one(site).unwrap();
    assert_eq!(
        ids(&catalog),
        ["directory[/etc/app]", "file[/etc/app/a/x]", "file[/etc/app/b/x]", "file[/etc/apparmor]"]
    );
    let directories = catalog.batches.iter().find(|b| b.ty().name() == "directory").unwrap();
    let frame = |slot, body: &[u8]| Frame { slot, status: 0, body: body.to_vec() };
    let tree = b"3\n41ed 0 0 root root\n41ed 0 0 root root\n81a4 0 0 root root\n/etc/app\0/etc/app/a\0/etc/app/c\0";
    let frames = vec![frame(0, b"\0dd\n41ed 0 0 root root 1 /etc/app\n41ed 0 0 root root 1 /etc\n"), frame(1, tree)];
    let seen = directories.observe(&[0], &catalog.facts, &mut Answers::new(frames, 0, 2));
    let difference = seen.diff(0, &Ahead::default()).unwrap().unwrap();
    let told: Vec<_> = difference.properties.iter().map(|p| format!("{}: {}", p.name, p.from)).collect();
    assert_eq!(told, ["purged: file c"]);
}

/// A module may come from anybody; a `source` in it could name, or be a link to, any file of the operator's.
#[test]
fn a_module_has_no_files_but_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("id_ed25519");
    std::fs::write(&outside, "a private key").unwrap();
    let module = dir.path().join("project/modules/m");
    for folder in ["files", "templates"] {
        std::fs::create_dir_all(module.join(folder)).unwrap();
        std::os::unix::fs::symlink(&outside, module.join(folder).join("link")).unwrap();
    }
    std::fs::write(module.join("files/own"), "its own").unwrap();
    std::fs::write(dir.path().join("project/site.yml"), "- hosts: all\n  resources: [{module: m}]\n").unwrap();
    let types: Vec<_> = TYPES.iter().map(|t| t.name()).collect();
    let told = |what: &str| {
        let text = format!("resources:\n  - file: /a\n    {what}\n");
        std::fs::write(module.join("module.yml"), text).unwrap();
        let site = dir.path().join("project/site.yml");
        let project =
            project::load(&site, vec![], &types, Arc::default(), Sources::default(), Diagnostics::default()).unwrap();
        let groups = minijinja::Value::from(());
        let plays = project.plays.iter().collect();
        let host = HostInput { name: "web1", group_names: &[], vars: vec![], groups: &groups, plays };
        compile(&project, &host, Facts::sample(), &Selection::default()).err().map(|found| found.iter().count())
    };
    let absolute = format!("source: {}", outside.display());
    for what in
        ["source: ../../../../id_ed25519", &absolute, "source: link", "source: '{{ \"link\" }}'", "template: link"]
    {
        assert_eq!(told(what), Some(1), "{what}");
    }
    assert_eq!(told("source: own"), None);
}

#[test]
fn what_is_written_is_compiled_once_for_all_hosts() {
    let site = r#"
- hosts: all
  vars: { name: "{{ inventory_hostname | upper }}" }
  resources:
    - file: "/srv/{{ item }}"
      content: "{{ name }} and {{ item }}"
      when: "facts.os.family in [item, '', 'debian']"
      for_each: "{{ range(3) }}"
"#;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site.yml");
    std::fs::write(&path, site).unwrap();
    let types: Vec<_> = TYPES.iter().map(|t| t.name()).collect();
    let project =
        project::load(&path, vec![], &types, Arc::default(), Sources::default(), Diagnostics::default()).unwrap();
    let groups = minijinja::Value::from_pairs([("web", vec!["web1"])]);
    for n in 0..20 {
        let name = format!("web{n}");
        let plays = project.plays.iter().collect();
        let host = HostInput { name: &name, group_names: &[], vars: vec![], groups: &groups, plays };
        let catalog = compile(&project, &host, Facts::sample(), &Selection::default()).unwrap();
        assert_eq!(ids(&catalog), ["file[/srv/0]", "file[/srv/1]", "file[/srv/2]"]);
        assert_eq!(project.templates.compiled(), 5);
    }
}

#[test]
fn what_an_include_names_is_no_template_itself() {
    let site = r#"
- hosts: all
  vars: { name: "\0t{{ '{{ 1 + 1 }}' }}" }
  resources:
    - file: /a
      content: "{% include name %}"
"#;
    let told = one(site).unwrap_err();
    assert!(told.contains("template not found"), "{told}");
}

#[test]
fn what_stands_in_a_home_comes_after_its_user() {
    let order = |resources: &str| ids(&one(&format!("- hosts: all\n  resources:\n{resources}")).unwrap());
    let below = "    - directory: /home/zed\n    - file: /home/zed/.profile\n      content: x\n";
    let user = "    - user: zed\n";
    let first = ["user[zed]", "directory[/home/zed]", "file[/home/zed/.profile]"];
    assert_eq!(order(&format!("{below}{user}")), first);
    // It has another home, or none is made, or the user is to go.
    let as_written = ["directory[/home/zed]", "file[/home/zed/.profile]", "user[zed]"];
    for other in ["home: /srv/zed", "system: true", "state: absent"] {
        assert_eq!(order(&format!("{below}{user}      {other}\n")), as_written, "{other}");
    }
    let deep = "    - file: /srv/zed/a/b\n      content: x\n    - user: zed\n      home: /srv/zed/\n";
    assert_eq!(order(deep), ["user[zed]", "file[/srv/zed/a/b]"]);
    // What an author says goes first, and a link that is the home was there before the user moves in.
    let said = format!("{below}{user}      require: directory[/home/zed]\n");
    assert_eq!(order(&said), ["directory[/home/zed]", "user[zed]", "file[/home/zed/.profile]"]);
    let link = "    - symlink: /home/zed\n      target: /data/zed\n    - user: zed\n";
    assert_eq!(order(link), ["symlink[/home/zed]", "user[zed]"]);
}

#[test]
fn a_template_of_services_is_no_service() {
    let site = "- hosts: all\n  resources:\n    - service: getty@\n      state: running\n    - service: getty@tty1\n      enabled: true\n";
    insta::assert_snapshot!(catalog(&[("site.yml", site)]).unwrap_err(), @r"
    error: wrong title (host web1)
     --> site.yml:3:16
      |
    3 |     - service: getty@
      |                ^^^^^^ `getty@` is a template of units; name one that is made of it, such as getty@NAME
    ");
}
