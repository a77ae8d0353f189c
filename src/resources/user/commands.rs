//! The programs that make and change accounts: useradd(8), usermod(8), userdel(8), and busybox's adduser.

use super::Params;
use super::account::{Account, groups_after};
use crate::resources::difference::Difference;

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn makes_home(p: &Params) -> bool {
    p.create_home.unwrap_or(!p.system)
}

/// The first makes the user, the rest complete it.
pub(super) fn create(name: &str, p: &Params, shadow_tools: bool) -> Vec<Vec<String>> {
    let uid = p.uid.map(|u| u.to_string());
    let option = |argv: &mut Vec<String>, flag: &str, value: Option<&str>| {
        if let Some(value) = value {
            argv.extend(owned(&[flag, value]));
        }
    };
    let groups: Vec<&str> = p.groups.iter().flatten().map(String::as_str).collect();
    if shadow_tools {
        let mut argv = owned(&["useradd", if makes_home(p) { "-m" } else { "-M" }]);
        if p.system {
            argv.push("-r".into());
        }
        option(&mut argv, "-u", uid.as_deref());
        option(&mut argv, "-g", p.group.as_ref().map(|g| g.0.as_str()));
        option(&mut argv, "-G", Some(groups.join(",")).filter(|g| !g.is_empty()).as_deref());
        option(&mut argv, "-s", p.shell.as_deref());
        option(&mut argv, "-d", p.home.as_deref());
        option(&mut argv, "-c", p.comment.as_deref());
        argv.push(name.to_owned());
        return vec![argv];
    }
    let mut argv = owned(&["adduser", "-D"]);
    if p.system {
        argv.push("-S".into());
    }
    if !makes_home(p) {
        argv.push("-H".into());
    }
    option(&mut argv, "-u", uid.as_deref());
    option(&mut argv, "-G", p.group.as_ref().map(|g| g.0.as_str()));
    option(&mut argv, "-s", p.shell.as_deref());
    option(&mut argv, "-h", p.home.as_deref());
    option(&mut argv, "-g", p.comment.as_deref());
    argv.push(name.to_owned());
    std::iter::once(argv).chain(groups.iter().map(|g| owned(&["addgroup", name, g]))).collect()
}

pub(super) fn delete(name: &str, with_home: bool, shadow_tools: bool) -> Vec<String> {
    match (shadow_tools, with_home) {
        (true, true) => owned(&["userdel", "-r", name]),
        (true, false) => owned(&["userdel", name]),
        (false, true) => owned(&["deluser", "--remove-home", name]),
        (false, false) => owned(&["deluser", name]),
    }
}

/// Programs and their undos for what differs.
pub(super) fn change(
    name: &str,
    p: &Params,
    account: &Account,
    difference: &Difference,
    shadow_tools: bool,
) -> Vec<(Vec<String>, Vec<String>)> {
    let mut out = vec![];
    if !shadow_tools {
        let after = groups_after(p, account);
        let add = |g: &String| owned(&["addgroup", name, g]);
        let remove = |g: &String| owned(&["delgroup", name, g]);
        out.extend(after.iter().filter(|g| !account.groups.contains(g)).map(|g| (add(g), remove(g))));
        out.extend(account.groups.iter().filter(|g| !after.contains(g)).map(|g| (remove(g), add(g))));
        return out;
    }
    let (mut to, mut back) = (owned(&["usermod"]), owned(&["usermod"]));
    let mut set = |property: &str, flag: &str, new: Option<String>, old: String| {
        if let Some(new) = new.filter(|_| difference.has(property)) {
            to.extend([flag.to_owned(), new]);
            back.extend([flag.to_owned(), old]);
        }
    };
    set("uid", "-u", p.uid.map(|u| u.to_string()), account.uid.to_string());
    set("group", "-g", p.group.as_ref().map(|g| g.0.clone()), account.gid.to_string());
    set("groups", "-G", Some(groups_after(p, account).join(",")), account.groups.join(","));
    set("shell", "-s", p.shell.clone(), account.shell.clone());
    set("home", "-d", p.home.clone(), account.home.clone());
    set("comment", "-c", p.comment.clone(), account.comment.clone());
    if to.len() > 1 {
        to.push(name.to_owned());
        back.push(name.to_owned());
        out.push((to, back));
    }
    out
}
