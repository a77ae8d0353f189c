use super::*;
use crate::inventory::Inventory;
use crate::model::span::Sources;
use proptest::prelude::*;

fn inventory(text: &str) -> Result<Inventory, String> {
    let mut sources = Sources::default();
    let file = sources.add("hosts.ini", text);
    let mut found = Diagnostics::default();
    let mut builder = Builder::default();
    read(text, file, &mut builder, &mut found);
    let inventory = builder.build(&mut found);
    let told: Vec<_> = found.iter().map(|d| d.render(&sources, false)).collect();
    if found.is_empty() { Ok(inventory) } else { Err(told.join("\n\n")) }
}

fn of(inventory: &Inventory, host: &str, name: &str) -> Yaml {
    let layers = inventory.vars_of(host);
    let found = layers.iter().rev().find_map(|l| l.vars.iter().find(|(k, _)| k.value == name));
    found.map(|(_, v)| v.value.clone()).unwrap()
}

const WEB: &str = "\
mail.example.net ansible_port=2222 # outside of groups
[2001:db8::5]:2200

[web] # the front
web[01:03] http_port=80 motto='it is \"fine\"' on=True tags=\"['a', 'b']\"

[db]
db1:5022 ansible_user=root
web02

[prod:children]
web
db ; the back

[prod:vars]
tier = production
size=010
quoted=\"1\"
";

#[test]
fn hosts_groups_and_variables_are_as_ansible_reads_them() {
    let i = inventory(WEB).unwrap();
    assert_eq!(i.members("web"), ["web01", "web02", "web03"]);
    assert_eq!(i.members("prod"), ["web01", "web02", "web03", "db1"]);
    assert_eq!(i.members("ungrouped"), ["mail.example.net", "2001:db8::5"]);
    assert_eq!(i.group_names("web02"), ["db", "prod", "web"]);
    assert_eq!(i.group_names("mail.example.net"), ["ungrouped"]);
    assert_eq!(i.children("all"), ["ungrouped", "prod"]);
    let s = |t: &str| Yaml::String(t.into());
    assert_eq!(of(&i, "web02", "tier"), s("production"));
    assert_eq!(of(&i, "web02", "size"), s("010"));
    assert_eq!(of(&i, "web02", "quoted"), s("1"));
    assert_eq!(of(&i, "web02", "http_port"), Yaml::Int(80));
    assert_eq!(of(&i, "web02", "motto"), s("it is \"fine\""));
    assert_eq!(of(&i, "web02", "on"), Yaml::Bool(true));
    assert!(matches!(of(&i, "web02", "tags"), Yaml::List(l) if l.len() == 2));
    assert_eq!(of(&i, "db1", "ansible_port"), Yaml::Int(5022));
}

#[test]
fn mistakes_are_told_at_their_lines() {
    insta::assert_snapshot!(
        inventory("[web:childs]\nx\n\n[db]\ndb[1:x]\ndb2 primary\ndb3 a='b\ndb4 p = 1\ndb5:ssh\n[db:vars]\nport: 1\n[wbe:vars]\na=1\n[my group]\n[open\n[all2:children]\ndb\nbd\nall\n")
            .unwrap_err()
    );
}

#[test]
fn a_comment_that_cuts_a_value_off_is_told() {
    insta::assert_snapshot!(inventory("web1 note=ab#cd\n").unwrap_err());
}

#[test]
fn groups_in_one_another_show_the_shortest_way_round() {
    insta::assert_snapshot!(
        inventory("[a:children]\nb\n[b:children]\nc\n[c:children]\nd\na\n[d:children]\nc\n").unwrap_err()
    );
    assert!(inventory("[a:children]\na\n").unwrap_err().contains("a → a"));
}

#[test]
fn the_weaker_group_comes_first() {
    let text = "\
[web]
w1 x=host
[b:children]
web
[a:children]
web
[top:children]
a
[all:vars]
x=all
[web:vars]
x=web
[a:vars]
x=a
ansible_group_priority=2
[b:vars]
x=b
[top:vars]
x=top
";
    let order = |text: &str| {
        let i = inventory(text).unwrap();
        i.vars_of("w1").iter().map(|l| l.origin.to_string()).collect::<Vec<_>>().join(", ")
    };
    // `a` is deeper than `b`, for it stands in `top`.
    assert_eq!(order(text), "group all, group b, group top, group a, group web, host w1");
    let flat = text.replace("[top:children]\na\n", "[top]\n");
    assert_eq!(order(&flat), "group all, group b, group a, group web, host w1");
    let equal = flat.replace("ansible_group_priority=2\n", "");
    assert_eq!(order(&equal), "group all, group a, group b, group web, host w1");
}

proptest! {
    #[test]
    fn arbitrary_text_is_no_panic(text in "[\\[\\]a-c0-9:=#;'\"\\\\ é\n]{0,120}") {
        let _ = inventory(&text);
    }

    #[test]
    fn arbitrary_sections_are_no_panic(lines in prop::collection::vec(
        "\\[[ab](:(children|vars|hosts))?\\]|[a-c]|[a-c]=[a-c\\[1,]{0,3}|h[0-2]:?[0-9]{0,2} x=[1-3]|all|ungrouped", 0..20,
    )) {
        if let Ok(i) = inventory(&lines.join("\n")) {
            for host in i.hosts() {
                i.vars_of(&host.name);
                prop_assert!(!i.group_names(&host.name).is_empty());
            }
        }
    }
}
