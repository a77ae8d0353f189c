//! What a host says of an account, and what differs. Formats: passwd(5), group(5), shadow(5).

use super::Params;
use crate::model::secret::Secret;
use crate::resources::accounts::{Programs, database};
use crate::resources::difference::{Action, Difference, Shown};
use std::collections::HashMap;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    Absent,
    Present(Account),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observed {
    pub(super) seen: Seen,
    pub(super) programs: Programs,
    /// Another account that has the number which is wanted.
    pub(super) taken: Option<String>,
    /// Groups that it is to be in and that are not there.
    pub(super) missing: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The primary group's name, where it has one.
    pub(super) group: String,
    /// The further groups, sorted.
    pub(super) groups: Vec<String>,
    pub(super) comment: String,
    pub(super) home: String,
    pub(super) shell: String,
    /// `None` where it was not asked for, or cannot be read.
    pub(super) password: Option<Secret>,
    /// Lines of its authorized_keys.
    pub(super) keys: Vec<String>,
    /// Whether `~/.ssh` is there.
    pub(super) ssh_dir: bool,
    /// Why its keys could not be read.
    pub(super) keys_unread: Option<Box<str>>,
}

impl Account {
    /// As one is made where nothing is known of it.
    pub(super) fn of_new(name: &str, params: &Params) -> Self {
        Self {
            uid: params.uid.unwrap_or(1000),
            gid: 1000,
            group: params.group.as_ref().map_or_else(|| name.to_owned(), |g| g.0.clone()),
            groups: vec![],
            comment: params.comment.clone().unwrap_or_default(),
            home: params.home.clone().unwrap_or_else(|| format!("/home/{name}")),
            shell: params.shell.clone().unwrap_or_default(),
            password: None,
            keys: vec![],
            ssh_dir: false,
            keys_unread: None,
        }
    }
}

/// Accounts by name.
pub(super) fn read(passwd: &str, groups: &str, shadow: Option<&str>, keys: Option<&str>) -> HashMap<String, Account> {
    let groups: Vec<_> = database(groups).collect();
    let mut accounts = HashMap::new();
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, comment, home, shell] = fields.as_slice() else { continue };
        let (Ok(uid), Ok(gid)) = (uid.parse::<u32>(), gid.parse::<u32>()) else { continue };
        let group =
            groups.iter().find(|(_, g, _)| *g == gid).map_or_else(|| gid.to_string(), |(n, ..)| (*n).to_owned());
        let member = groups.iter().filter(|(_, g, members)| *g != gid && members.contains(name));
        let mut further: Vec<String> = member.map(|(n, ..)| (*n).to_owned()).collect();
        further.sort();
        further.dedup();
        let hash = shadow
            .into_iter()
            .flat_map(str::lines)
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(':')?.split(':').next());
        let account = Account {
            uid,
            gid,
            group,
            groups: further,
            comment: (*comment).to_owned(),
            home: (*home).to_owned(),
            shell: (*shell).to_owned(),
            password: hash.map(Secret::new),
            keys: vec![],
            ssh_dir: false,
            keys_unread: None,
        };
        accounts.insert((*name).to_owned(), account);
    }
    let mut current = None;
    for line in keys.into_iter().flat_map(str::lines) {
        let Some((what, rest)) = line.split_once('\t') else { continue };
        if what == "user" {
            current = rest.split('\t').next().map(str::to_owned);
        }
        let Some(account) = current.as_ref().and_then(|n| accounts.get_mut(n)) else { continue };
        match what {
            "user" => account.ssh_dir = rest.ends_with("\tyes"),
            "key" => account.keys.push(rest.to_owned()),
            "bad" => account.keys_unread = Some(rest.into()),
            _ => {}
        }
    }
    accounts
}

/// Everything of a user that is not there yet.
pub(super) fn create(p: &Params) -> Difference {
    let mut d = Difference::new(Action::Create);
    let chosen = || Shown::Unknown("the host chooses it".into());
    d.note("uid", Shown::Absent, p.uid.map_or_else(chosen, Shown::value));
    let mut note = |name: &str, value: Option<&String>| {
        if let Some(value) = value {
            d.note(name, Shown::Absent, Shown::value(value));
        }
    };
    note("group", p.group.as_ref().map(|g| &g.0));
    note("groups", p.groups.as_ref().map(|g| g.join(", ")).as_ref());
    note("shell", p.shell.as_ref());
    note("home", p.home.as_ref());
    note("comment", p.comment.as_ref());
    if p.password.is_some() {
        d.note("password", Shown::Absent, Shown::Secret);
    }
    for key in p.authorized_keys.iter().flatten() {
        d.note("authorized key", Shown::Absent, Shown::Value(super::key_name(key)));
    }
    d
}

/// The groups it is in once the wanted ones hold. The primary group is none of them, and that is the wanted one: what
/// was primary before is a further group afterwards only where it is listed.
pub(super) fn groups_after(p: &Params, account: &Account) -> Vec<String> {
    let primary = match &p.group {
        Some(group) if group.0 != account.gid.to_string() => &group.0,
        _ => &account.group,
    };
    let kept = if p.groups_exact && p.groups.is_some() { &[][..] } else { &account.groups };
    let all = p.groups.iter().flatten().chain(kept);
    let mut groups: Vec<String> = all.filter(|g| *g != primary).cloned().collect();
    groups.sort();
    groups.dedup();
    groups
}

/// What differs of an account, password and keys excepted.
pub(super) fn compare(p: &Params, account: &Account) -> Difference {
    let mut d = Difference::new(Action::Update);
    if let Some(uid) = p.uid {
        d.compare("uid", &account.uid, &uid);
    }
    if let Some(group) = p.group.as_ref().filter(|g| g.0 != account.group && g.0 != account.gid.to_string()) {
        d.note("group", Shown::value(&account.group), Shown::value(&group.0));
    }
    d.compare("groups", &account.groups.join(", "), &groups_after(p, account).join(", "));
    let pairs = [
        ("shell", &account.shell, &p.shell),
        ("home", &account.home, &p.home),
        ("comment", &account.comment, &p.comment),
    ];
    for (name, is, wanted) in pairs {
        if let Some(wanted) = wanted {
            d.compare(name, is, wanted);
        }
    }
    d
}

/// The account once the difference is applied.
pub(super) fn after(name: &str, p: &Params, seen: &Seen) -> Account {
    let mut account = match seen {
        Seen::Present(account) => account.clone(),
        Seen::Absent => Account::of_new(name, p),
    };
    account.groups = groups_after(p, &account);
    account.keys = super::keys_file(p, &account).lines().map(str::to_owned).collect();
    account.uid = p.uid.unwrap_or(account.uid);
    if let Some(group) = p.group.as_ref().filter(|g| g.0 != account.gid.to_string()) {
        account.group.clone_from(&group.0);
    }
    let set = |slot: &mut String, wanted: &Option<String>| {
        if let Some(wanted) = wanted {
            slot.clone_from(wanted);
        }
    };
    set(&mut account.shell, &p.shell);
    set(&mut account.home, &p.home);
    set(&mut account.comment, &p.comment);
    if p.password.is_some() {
        account.password.clone_from(&p.password);
    }
    account
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_with_groups_passwords_and_keys() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nanna:x:1001:1001:Anna,,,:/home/anna:/bin/sh\nrubbish\n";
        let groups = "root:x:0:\nanna:x:1001:\nsudo:x:27:anna,bert\nadm:x:4:anna\n";
        let keys = "user\tanna\tyes\nkey\tssh-ed25519 AAAA1 anna@a\nkey\t# old\n";
        let accounts = read(passwd, groups, Some("anna:$6$x:19000:0:::::\n"), Some(keys));
        let anna = &accounts["anna"];
        assert_eq!((anna.uid, anna.group.as_str(), anna.groups.join(" ").as_str()), (1001, "anna", "adm sudo"));
        assert_eq!(anna.password.as_ref().map(Secret::expose), Some("$6$x"));
        assert_eq!((anna.keys.len(), anna.ssh_dir), (2, true));
        assert_eq!(accounts["root"].password, None);
    }

    fn in_groups(group: &str, groups: &[&str]) -> Account {
        let mut account = Account::of_new("anna", &params(serde_json::json!({"group": group})));
        account.groups = groups.iter().map(|g| (*g).to_owned()).collect();
        account
    }

    fn params(value: serde_json::Value) -> Params {
        serde_json::from_value(value).unwrap()
    }

    // The old primary group was left out of `usermod -G`, as if it still were the primary: the account was in line with
    // nothing after one apply.
    #[test]
    fn a_primary_group_may_become_a_further_one() {
        let account = in_groups("anna", &["adm"]);
        let p = params(serde_json::json!({"group": "web", "groups": ["anna"]}));
        assert_eq!(groups_after(&p, &account), ["adm", "anna"]);
        let exact = params(serde_json::json!({"group": "web", "groups": ["anna", "web"], "groups_exact": true}));
        assert_eq!(groups_after(&exact, &account), ["anna"]);
        // And the other way: a further group that becomes the primary one.
        assert_eq!(groups_after(&params(serde_json::json!({"group": "adm"})), &account), Vec::<String>::new());
    }

    #[test]
    fn what_is_predicted_of_groups_is_in_line() {
        let account = in_groups("anna", &["adm", "web"]);
        for group in [None, Some("web"), Some("anna"), Some("new"), Some("1000"), Some("1002")] {
            for exact in [false, true] {
                let mut value = serde_json::json!({"groups": ["anna", "web"], "groups_exact": exact});
                if let Some(group) = group {
                    value["group"] = group.into();
                }
                let p = params(value);
                let then = after("anna", &p, &Seen::Present(account.clone()));
                assert_eq!(compare(&p, &then).properties, vec![], "{group:?}, exact: {exact}");
            }
        }
    }
}
