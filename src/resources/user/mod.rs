//! Users: the account, its groups, its password, and the keys it lets in.

mod account;
mod programs;

use super::accounts::{Programs, database, is_freed, is_name};
use super::difference::{Action, Ahead, Brings, Difference, Shown};
use super::value::{Presence, Scalar};
use super::{Due, Edges, Impossible, Orphaned, ResourceType, Want};
use crate::facts::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::model::body::Body;
use crate::model::id::{ResourceId, visible};
use crate::model::secret::Secret;
use crate::shell::probe::{Answers, BadAnswer, ProbeScript, Query};
use crate::shell::steps::{Attributes, Command, Steps, Undo};
pub use account::{Account, Observed, Seen};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::HashSet;

pub struct User;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Its number. By default the host chooses one.
    pub uid: Option<u32>,
    /// Its primary group, by name or number. By default as the host does it: mostly a group of the user's own name.
    pub group: Option<Scalar>,
    /// Further groups it is in. By default they are left as they are.
    pub groups: Option<Vec<String>>,
    /// Whether it is taken out of all groups that are not listed. The default is `false`.
    #[serde(default)]
    pub groups_exact: bool,
    /// Its login shell. By default that is left as it is, and the host chooses one for a new user.
    pub shell: Option<String>,
    /// Its home directory. By default that is left as it is, and the host chooses one for a new user.
    pub home: Option<String>,
    /// Whether the home directory of a new user is made. The default is `true`, but for a system user.
    pub create_home: Option<bool>,
    /// Whether what is in the home directory moves along when `home` changes. The default is `false`.
    #[serde(default)]
    pub move_home: bool,
    /// Whether a new user gets a number of the system's range. The default is `false`.
    #[serde(default)]
    pub system: bool,
    /// The hash of its password, as `mkpasswd` makes it; `!` locks it. Never shown. By default it is left as it is.
    pub password: Option<Secret>,
    /// Public keys that may log in as the user, a line each. By default they are left as they are.
    pub authorized_keys: Option<Vec<String>>,
    /// Whether keys that are not listed are taken out. The default is `false`.
    #[serde(default)]
    pub authorized_keys_exact: bool,
    /// The field of the account that mostly holds a name. By default it is left as it is.
    pub comment: Option<String>,
    /// Whether the user is to be there. The default is `present`.
    #[serde(default)]
    pub state: Presence,
    /// With `absent`, whether its home directory and mail go too. The default is `false`.
    #[serde(default)]
    pub remove_home: bool,
}

/// A hash as crypt(5) knows it, or the marks for no password at all.
fn is_hash(text: &str) -> bool {
    matches!(text, "!" | "*" | "!!")
        || (text.trim_start_matches('!').starts_with('$') && text.is_ascii() && !text.contains([':', '\n', ' ']))
}

/// What tells a key from another, whatever its comment: everything up to the key itself.
fn key_of(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|w| w.starts_with("AAAA"));
    at.and_then(|n| words.get(n)).map_or_else(|| line.trim().to_owned(), |w| (*w).to_owned())
}

/// A key's comment, or the end of it, for people.
fn key_name(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.iter().position(|w| w.starts_with("AAAA")) {
        Some(at) if words.len() > at + 1 => words.get(at + 1..).unwrap_or_default().join(" "),
        Some(at) => {
            let key = words.get(at).copied().unwrap_or_default();
            format!("…{}", key.get(key.len().saturating_sub(12)..).unwrap_or(key))
        }
        None => line.trim().to_owned(),
    }
}

fn is_key_line(line: &str) -> bool {
    !line.trim().is_empty() && !line.trim_start().starts_with('#')
}

/// Keys that are listed and not there, and those that are there and have to go.
fn key_changes<'a>(params: &'a Params, account: &'a Account) -> (Vec<&'a str>, Vec<&'a str>) {
    let Some(wanted) = &params.authorized_keys else { return (vec![], vec![]) };
    let there: Vec<String> = account.keys.iter().filter(|l| is_key_line(l)).map(|l| key_of(l)).collect();
    let listed: Vec<String> = wanted.iter().map(|l| key_of(l)).collect();
    let missing = wanted.iter().filter(|l| !there.contains(&key_of(l))).map(String::as_str).collect();
    let extra = account.keys.iter().filter(|l| is_key_line(l) && !listed.contains(&key_of(l))).map(String::as_str);
    (missing, if params.authorized_keys_exact { extra.collect() } else { vec![] })
}

/// The file as it is to be: what is there in its order, less what has to go, and then what is missing.
fn keys_file(params: &Params, account: &Account) -> String {
    let (missing, extra) = key_changes(params, account);
    let kept = account.keys.iter().map(String::as_str).filter(|l| !extra.contains(l));
    kept.chain(missing).map(|l| format!("{}\n", l.trim_end())).collect()
}

/// Whether it can have the number and the groups that it is to have.
fn possible(want: &Want<Params>, seen: &Observed, ahead: &Ahead<'_>) -> Result<(), Impossible> {
    let has = |uid| matches!(&seen.seen, Seen::Present(account) if account.uid == uid);
    if let (Some(uid), Some(other)) = (want.params.uid, &seen.taken)
        && !has(uid)
        && !is_freed(ahead, User::NAME, other, "uid")
    {
        return Err(Impossible(format!("the number {uid} is that of the user {}", visible(other))));
    }
    // A user brings the group of its name.
    let comes = |group: &str| {
        ahead.may_bring_anything()
            || ahead.brings("group", group)
            || ahead.brings(User::NAME, group)
            || group == want.title()
    };
    match seen.missing.iter().find(|group| !comes(group)) {
        Some(group) => {
            Err(Impossible(format!("there is no group {}, and no resource before this one makes it", visible(group))))
        }
        None => Ok(()),
    }
}

fn asks_shadow(wants: &[&Want<Params>]) -> bool {
    wants.iter().any(|w| w.params.password.is_some())
}

fn asks_keys(want: &Want<Params>) -> bool {
    want.params.authorized_keys.is_some() && want.params.state == Presence::Present
}

impl ResourceType for User {
    const NAME: &'static str = "user";
    const ABOUT: &'static str = "A user: the account, its groups, its password, and the keys it lets in.";
    const EXAMPLE: &'static str = "- user: anna\n  groups: [sudo]\n  shell: /bin/bash\n  authorized_keys:\n    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ anna@example.net\n";

    const SECRETS: &'static [&'static str] = &["password"];
    const ORPHANED: Orphaned = Orphaned::Removed("state: absent");

    type Params = Params;
    type Observed = Observed;

    fn check(&self, want: &Want<Params>, _: &Facts, out: &mut Diagnostics) {
        let p = &want.params;
        let mut wrong = |param: &str, label: String| {
            out.push(Diagnostic::error("wrong value", Some(want.places.of(param)), label));
        };
        if !is_name(want.title()) {
            wrong("", format!("`{}` is no name of a user", want.title().escape_debug()));
        }
        for (param, path) in [("home", &p.home), ("shell", &p.shell)] {
            if path.as_ref().is_some_and(|t| !t.starts_with('/') || t.contains([':', '\n'])) {
                wrong(param, "an absolute path is wanted here".into());
            }
        }
        if p.comment.as_ref().is_some_and(|c| c.contains([':', '\n'])) {
            wrong("comment", "it cannot hold a colon or a line break".into());
        }
        for group in p.groups.iter().flatten().filter(|g| !is_name(g)) {
            wrong("groups", format!("`{}` is no name of a group", group.escape_debug()));
        }
        if p.group.as_ref().is_some_and(|g| !is_name(&g.0) && g.0.parse::<u32>().is_err()) {
            wrong("group", "neither a name of a group nor a number".into());
        }
        if p.password.as_ref().is_some_and(|h| !is_hash(h.expose())) {
            wrong("password", "this is no hash; make one with `mkpasswd -m sha-512`".into());
        }
        for key in p.authorized_keys.iter().flatten() {
            if key.contains('\n') || !key.split_whitespace().any(|w| w.starts_with("AAAA")) {
                wrong("authorized_keys", "one public key a line is wanted here, as it stands in a .pub file".into());
            }
        }
    }

    fn is_present(&self, want: &Want<Params>) -> bool {
        want.params.state == Presence::Present
    }

    fn mark(&self, want: &Want<Params>) -> Option<String> {
        want.params.uid.map(|uid| uid.to_string())
    }

    fn mark_seen(&self, _: &Want<Params>, seen: &Observed) -> Option<String> {
        match &seen.seen {
            Seen::Present(account) => Some(account.uid.to_string()),
            Seen::Absent => None,
        }
    }

    /// By default as most hosts choose it.
    fn home(&self, want: &Want<Params>) -> Option<String> {
        let p = &want.params;
        let home = Account::of_new(want.title(), p).home.trim_end_matches('/').to_owned();
        (p.state == Presence::Present && programs::makes_home(p) && !home.is_empty()).then_some(home)
    }

    fn relate(&self, want: &Want<Params>, edges: &mut Edges) {
        // Its group is the one of its name, unless another is named.
        let own = want.params.group.as_ref().map_or(want.title(), |g| g.0.as_str());
        let named = want.params.groups.iter().flatten().map(String::as_str);
        if want.params.state == Presence::Present {
            named.chain([own]).for_each(|group| edges.require(&want.id, "group", group));
        } else if want.departed.is_none() {
            // A group cannot go before whose own it is.
            edges.require(&ResourceId::new("group", own), Self::NAME, want.title());
        }
        if let Some(home) = &want.params.home {
            edges.require_parent(&want.id, home);
        }
    }

    fn probe(&self, wants: &[&Want<Params>], _: &Facts, probe: &mut ProbeScript) {
        // By number as well: who has that tells whether it can be had.
        let numbers: Vec<String> = wants.iter().filter_map(|w| Some(w.params.uid?.to_string())).collect();
        probe.ask(Query::Passwd, wants.iter().map(|w| w.title()).chain(numbers.iter().map(String::as_str)));
        probe.ask(Query::Groups, [""; 0]);
        if asks_shadow(wants) {
            probe.ask(Query::Shadow, [""; 0]);
        }
        let keyed: Vec<&str> = wants.iter().filter(|w| asks_keys(w)).map(|w| w.title()).collect();
        if !keyed.is_empty() {
            probe.ask(Query::AuthorizedKeys, keyed);
        }
    }

    fn observe(
        &self,
        wants: &[&Want<Params>],
        facts: &Facts,
        answers: &mut Answers,
    ) -> Vec<Result<Observed, BadAnswer>> {
        let (passwd, groups) = (answers.text(), answers.text());
        let shadow = asks_shadow(wants).then(|| answers.text()).transpose();
        let keys = wants.iter().any(|w| asks_keys(w)).then(|| answers.text()).transpose();
        let read = || {
            let (passwd, groups, shadow, keys) = (passwd?, groups?, shadow?, keys?);
            if !groups.contains(':') {
                return Err(BadAnswer("the host names no groups".into()));
            }
            let names: HashSet<String> = database(&groups).map(|(name, ..)| name.to_owned()).collect();
            Ok((account::read(&passwd, &groups, shadow.as_deref(), keys.as_deref()), names))
        };
        match read() {
            Ok((accounts, groups)) => wants
                .iter()
                .map(|w| {
                    let taken = w.params.uid.and_then(|uid| {
                        let others = accounts.iter().filter(|(name, a)| a.uid == uid && name.as_str() != w.title());
                        others.map(|(name, _)| name.clone()).min()
                    });
                    let named = w.params.group.iter().map(|g| &g.0).chain(w.params.groups.iter().flatten());
                    let is_missing = |g: &&String| !groups.contains(*g) && g.parse::<u32>().is_err();
                    let missing = named.filter(is_missing).cloned().collect();
                    let seen = accounts.get(w.title()).cloned().map_or(Seen::Absent, Seen::Present);
                    if let (Some(_), Seen::Present(Account { password: None, .. })) = (&w.params.password, &seen) {
                        return Err(BadAnswer("the passwords' hashes cannot be read; is `become` missing?".into()));
                    }
                    if let Seen::Present(Account { keys_unread: Some(why), .. }) = &seen {
                        return Err(BadAnswer(format!("its keys are not read: {why}")));
                    }
                    Ok(Observed { seen, programs: Programs::of(facts), taken, missing })
                })
                .collect(),
            Err(bad) => wants.iter().map(|_| Err(bad.clone())).collect(),
        }
    }

    fn diff(&self, want: &Want<Params>, seen: &Observed, ahead: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        let p = &want.params;
        if p.state == Presence::Present {
            possible(want, seen, ahead)?;
        }
        match (p.state, &seen.seen) {
            (Presence::Absent, Seen::Absent) => Ok(None),
            (Presence::Absent, Seen::Present(account)) => {
                if account.uid == 0 {
                    return Err(Impossible("a user with the number 0 is not removed".into()));
                }
                let mut d = Difference::new(Action::Remove);
                d.note("uid", Shown::value(account.uid), Shown::Absent);
                if p.remove_home {
                    d.warnings.push(format!("its home {} is removed with all that is in it", account.home));
                } else if account.uid >= 1000 && account.home.len() > 1 {
                    let whose = "what is in it belongs to whoever gets that number next";
                    d.warnings.push(format!("its home {} stays if it is there: {whose}", account.home));
                }
                Ok(Some(d))
            }
            (Presence::Present, Seen::Absent) => Ok(Some(account::create(p))),
            (Presence::Present, Seen::Present(account)) => {
                let mut d = account::compare(p, account);
                if p.password.as_ref().is_some_and(|h| Some(h) != account.password.as_ref()) {
                    d.note("password", Shown::Secret, Shown::Secret);
                }
                let (missing, extra) = key_changes(p, account);
                for key in missing {
                    d.note("authorized key", Shown::Absent, Shown::Value(key_name(key)));
                }
                for key in extra {
                    d.note("authorized key", Shown::Value(key_name(key)), Shown::Absent);
                }
                let needs_usermod =
                    d.properties.iter().any(|p| !["password", "authorized key", "groups"].contains(&p.name.as_str()));
                if seen.programs != Programs::Shadow && needs_usermod {
                    return Err(Impossible("the host has no usermod to change an account with".into()));
                }
                Ok(d.unless_empty())
            }
        }
    }

    /// Who is new lets nobody in so far.
    fn cuts_off(&self, _: &Want<Params>, difference: &Difference) -> bool {
        difference.action != Action::Create
    }

    /// A new home has what is in `/etc/skel`; one that goes takes along what is in it.
    fn brings(&self, want: &Want<Params>, difference: &Difference) -> Brings {
        let p = &want.params;
        let concerned = match difference.action {
            Action::Create => p.create_home.unwrap_or(!p.system),
            Action::Remove => p.remove_home,
            _ => difference.has("home"),
        };
        if !concerned {
            return Brings::Nothing;
        }
        Brings::Below(p.home.clone().unwrap_or_else(|| format!("/home/{}", want.title())))
    }

    fn predict(&self, want: &Want<Params>, seen: &Observed) -> Observed {
        let after = match want.params.state {
            Presence::Absent => Seen::Absent,
            Presence::Present => Seen::Present(account::after(want.title(), &want.params, &seen.seen)),
        };
        Observed { seen: after, programs: seen.programs, taken: None, missing: vec![] }
    }

    fn apply(&self, _: &[&Want<Params>], due: &[Due<'_, Self>], _: &Facts, steps: &mut Steps) {
        for Due { want, seen, difference } in due {
            let (id, name, p) = (&want.id, want.title(), &want.params);
            let fresh = Account::of_new(name, p);
            let account = match (&seen.seen, p.state) {
                (Seen::Present(account), Presence::Absent) => {
                    let command = Command::new(programs::delete(name, p.remove_home, seen.programs));
                    if p.remove_home {
                        let why = format!("its home {} is gone with it", account.home);
                        steps.run(&[id], command, Undo::Irreversible(why));
                    } else {
                        let (before, back) = programs::note(name, Some(&account.home), seen.programs);
                        steps.run(&[id], Command { before: Some(before), ..command }, Undo::RunOn(back));
                    }
                    continue;
                }
                (Seen::Absent, Presence::Absent) => continue,
                (Seen::Absent, Presence::Present) => {
                    let (before, back) = programs::note(name, p.home.as_deref(), seen.programs);
                    let mut made = programs::create(name, p, seen.programs).into_iter();
                    if let Some(argv) = made.next() {
                        let command = Command { before: Some(before), ..Command::new(argv) };
                        steps.run(&[id], command, Undo::RunOn(back));
                    }
                    for argv in made {
                        steps.run(&[id], Command::new(argv), Undo::Nothing);
                    }
                    &fresh
                }
                (Seen::Present(account), Presence::Present) => {
                    for (argv, undo) in programs::change(name, p, account, difference, seen.programs) {
                        steps.run(&[id], Command::new(argv), Undo::Run(undo));
                    }
                    account
                }
            };
            if let Some(hash) = p.password.as_ref().filter(|_| difference.has("password")) {
                let line = Body::held(format!("{name}:{}\n", hash.expose()).into_bytes(), true);
                let why = "the old hash is not kept where it could be read";
                let command = Command { stdin: Some(line), ..Command::new(["chpasswd", "-e"]) };
                steps.run(&[id], command, Undo::Irreversible(why.into()));
            }
            if difference.has("authorized key") {
                let home = p.home.as_deref().unwrap_or(&account.home);
                let attributes = |mode| Attributes { owner: Some(name.to_owned()), group: None, mode: Some(mode) };
                if !account.ssh_dir {
                    steps.make_directory(id, &format!("{home}/.ssh"), attributes(0o700));
                }
                let body = Body::held(keys_file(p, account).into_bytes(), want.sensitive);
                steps.replace_file(id, &format!("{home}/.ssh/authorized_keys"), body, attributes(0o600), None, false);
            }
        }
    }
}
