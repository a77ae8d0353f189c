//! The programs that make and change accounts: useradd(8), usermod(8), userdel(8), busybox's adduser; and where a host
//! has none of them, the files themselves, passwd(5), group(5) and shadow(5).

use super::Params;
use super::account::{Account, groups_after};
use crate::resources::accounts::{Programs, edit, owned};
use crate::resources::difference::Difference;

/// One program for several edits. `does`: what they do, in words.
fn all(does: &str, edits: &[Vec<String>]) -> Vec<String> {
    let script: Vec<String> = edits.iter().map(crate::shell::quote::words).collect();
    owned(&["sh", "-c", &script.join(" && "), does])
}

/// A user of its own group where no other is named, in the files themselves.
fn create_in_files(name: &str, p: &Params) -> Vec<Vec<String>> {
    let home = p.home.clone().unwrap_or_else(|| format!("/home/{name}"));
    let (comment, shell) = (p.comment.as_deref().unwrap_or_default(), p.shell.as_deref().unwrap_or("/bin/sh"));
    let uid = p.uid.map(|u| u.to_string());
    let does = format!("adding the user {name}");
    let mut edits = vec![];
    let group = match p.group.as_ref().map(|g| g.0.as_str()) {
        Some(group) => group,
        None => {
            let number = uid.as_deref().unwrap_or("NEXT");
            let add = crate::shell::quote::words(edit(&does, "/etc/group", name, &[format!("{name}:x:{number}:")]));
            let unless_there =
                format!("while IFS=: read -r g _; do if [ \"$g\" = {name} ]; then exit; fi; done </etc/group\n{add}");
            edits.push(owned(&["sh", "-c", &unless_there]));
            name
        }
    };
    let gid = if group.bytes().all(|b| b.is_ascii_digit()) {
        group.to_owned()
    } else {
        // The number is looked up on the host, when the group's own change has been made.
        let find = format!("if [ \"$g\" = {group} ]; then echo \"$i\"; fi");
        format!("$(while IFS=: read -r g _ i _; do {find}; done </etc/group)")
    };
    let uid = uid.unwrap_or_else(|| "NEXT".into());
    let head = crate::shell::quote::words(edit(&does, "/etc/passwd", name, &[]));
    let tail = crate::shell::quote::word(&format!(":{comment}:{home}:{shell}"));
    let passwd = owned(&["sh", "-c", &format!("{head} \"{name}:x:{uid}:{gid}\"{tail}")]);
    edits.push(passwd);
    edits.push(edit(&does, "/etc/shadow", name, &[format!("{name}:!:19000:0:99999:7:::")]));
    if makes_home(p) {
        let home = crate::shell::quote::word(&home);
        edits.push(owned(&[
            "sh",
            "-c",
            &format!("[ -d {home} ] || {{ mkdir -p {home} && chown {name} {home} && chmod 0750 {home}; }}"),
        ]));
    }
    let mut out = vec![all(&does, &edits)];
    out.extend(p.groups.iter().flatten().map(|g| join_in_files(name, g, true)));
    out
}

/// `sh -c JOIN DOES USER GROUP yes|no`: puts a user into a group's list of members, or takes it out.
const JOIN: &str = r#"
user=$1; group=$2; want=$3
cp -p /etc/group /etc/group.trueup || exit
while IFS=: read -r g x i members || [ -n "$g" ]; do
  if [ "$g" = "$group" ]; then
    kept=
    rest=$members,
    while [ -n "$rest" ]; do
      m=${rest%%,*}; rest=${rest#*,}
      if [ -n "$m" ] && [ "$m" != "$user" ]; then kept="$kept${kept:+,}$m"; fi
    done
    if [ "$want" = yes ]; then kept="$kept${kept:+,}$user"; fi
    members=$kept
  fi
  printf '%s:%s:%s:%s\n' "$g" "$x" "$i" "$members"
done </etc/group >/etc/group.trueup && mv -f /etc/group.trueup /etc/group
"#;

/// Puts a user into a group's list of members, or takes it out.
fn join_in_files(name: &str, group: &str, in_it: bool) -> Vec<String> {
    let does = if in_it {
        format!("putting {name} into the group {group}")
    } else {
        format!("taking {name} out of the group {group}")
    };
    owned(&["sh", "-c", JOIN, &does, name, group, if in_it { "yes" } else { "no" }])
}

fn delete_in_files(name: &str, with_home: bool) -> Vec<String> {
    let does = format!("deleting the user {name}");
    let files = ["/etc/passwd", "/etc/shadow", "/etc/group"];
    let mut edits: Vec<_> = files.iter().map(|f| edit(&does, f, name, &[])).collect();
    if with_home {
        // Before the line that names it is gone.
        let find = format!(
            "while IFS=: read -r n _ _ _ _ h _; do if [ \"$n\" = {name} ] && [ -n \"${{h#/}}\" ]; then rm -rf -- \"$h\"; fi; done </etc/passwd"
        );
        edits.insert(0, owned(&["sh", "-c", &find]));
    }
    all(&does, &edits)
}

pub(super) fn makes_home(p: &Params) -> bool {
    p.create_home.unwrap_or(!p.system)
}

/// `sh -c CREATE sh NAME FLAG PROGRAM…`: makes a user of a group of its own name, which may be there already.
const CREATE: &str = r#"
name=$1; flag=$2; shift 2
while IFS=: read -r g _; do if [ "$g" = "$name" ]; then exec "$@" "$flag" "$name" "$name"; fi; done </etc/group
exec "$@" "$name"
"#;

/// The program with the user's name; if no group is named for it, `flag` gives it the one of its own.
fn with_name(name: &str, p: &Params, flag: &str, mut argv: Vec<String>) -> Vec<String> {
    if p.group.is_none() {
        return owned(&["sh", "-c", CREATE, "sh", name, flag]).into_iter().chain(argv).collect();
    }
    argv.push(name.to_owned());
    argv
}

/// The first makes the user, the rest complete it.
pub(super) fn create(name: &str, p: &Params, programs: Programs) -> Vec<Vec<String>> {
    let uid = p.uid.map(|u| u.to_string());
    let option = |argv: &mut Vec<String>, flag: &str, value: Option<&str>| {
        if let Some(value) = value {
            argv.extend(owned(&[flag, value]));
        }
    };
    let groups: Vec<&str> = p.groups.iter().flatten().map(String::as_str).collect();
    if programs == Programs::Files {
        return create_in_files(name, p);
    }
    if programs == Programs::Shadow {
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
        return vec![with_name(name, p, "-g", argv)];
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
    std::iter::once(with_name(name, p, "-G", argv))
        .chain(groups.iter().map(|g| owned(&["addgroup", name, g])))
        .collect()
}

pub(super) fn delete(name: &str, with_home: bool, programs: Programs) -> Vec<String> {
    match (programs, with_home) {
        (Programs::Shadow, true) => owned(&["userdel", "-r", name]),
        (Programs::Shadow, false) => owned(&["userdel", name]),
        (Programs::Busybox, true) => owned(&["deluser", "--remove-home", name]),
        (Programs::Busybox, false) => owned(&["deluser", name]),
        (Programs::Files, _) => delete_in_files(name, with_home),
    }
}

/// `sh -c NOTE NAME HOME`: an account's lines, that of the group of its name, its further groups, and its ranges of
/// numbers; and its home (or if none is given, the one it will get), if nothing is there.
const NOTE: &str = r#"
for f in passwd shadow group subuid subgid; do
  while IFS= read -r l || [ -n "$l" ]; do case $l in "$0":*) printf '%s:%s\n' "$f" "$l" ;; esac; done <"/etc/$f"
done 2>/dev/null
printf 'groups:'
while IFS=: read -r g _ _ m; do case ,$m, in *,"$0",*) printf '%s,' "$g" ;; esac; done </etc/group
echo
h=${1%/}
if [ -z "$h" ]; then
  h=/home
  while IFS='=' read -r k v; do if [ "$k" = HOME ]; then h=$v; fi; done 2>/dev/null </etc/default/useradd
  h=$h/$0
fi
if [ ! -e "$h" ] && [ ! -L "$h" ]; then printf 'home:%s\n' "$h"; fi
"#;

/// `sh -c BACK DOES NAME PROGRAM…`: makes the account that was noted anew; where none was, the program deletes that which
/// is there. Of what it stood for nothing is lost: the programs delete the group of a user's name with the user, give a
/// new one other ranges, and know no date on which it ends. A home that came with the account goes with it, unless it holds
/// more than `/etc/skel` does: then it becomes root's, for its number may be another user's soon.
const BACK: &str = r#"
name=$1; shift
p= s= own= g= u= v= h= gone= z=
while IFS= read -r l; do
  case $z$l in
    after) z=1 ;;
    1home:*) gone=${l#home:} ;;
    home:*) h=${l#home:} ;;
    passwd:*) p=${l#passwd:} ;;
    shadow:*) s=${l#shadow:} ;;
    group:*) own=${l#group:} ;;
    groups:*) g=${l#groups:}; g=${g%,} ;;
    subuid:*) u=$u${l#subuid:}$nl ;;
    subgid:*) v=$v${l#subgid:}$nl ;;
  esac
done
has() { while IFS=: read -r n _; do if [ "$n" = "$2" ]; then return; fi; done <"$1"; return 1; }
own_group() {
  if [ -z "$own" ] || has /etc/group "$name"; then return 0; fi
  i=${own#*:*:}
  if command -v groupadd >/dev/null; then groupadd -g "${i%%:*}" "$name"; else printf '%s\n' "$own" >>/etc/group; fi
}
clear_home() {
  if [ -z "$h" ] || [ ! -d "$h" ] || [ -L "$h" ]; then return 0; fi
  # Somebody else's by now, or elsewhere.
  if ! cd -P -- "$h" || [ "$PWD" != "$h" ] || [ "$(stat -c %u .)" != "$1" ]; then return 0; fi
  chown 0:0 . && chmod 0700 . || return
  for f in .[!.]* ..?* *; do
    if [ -f "./$f" ] && [ ! -L "./$f" ] && cmp -s -- "./$f" "/etc/skel/$f"; then rm -f -- "./$f"; fi
  done
  cd / && rmdir -- "$h" 2>/dev/null && return
  echo "the home $h is not removed, for it holds more than a new one does; it is root's alone now" >&2
  return 1
}
if [ -z "$p" ]; then
  if has /etc/passwd "$name"; then
    while IFS=: read -r n _ i _; do if [ "$n" = "$name" ]; then break; fi; done </etc/passwd
    "$@" || exit
    own_group && clear_home "$i"
  else
    own_group
  fi
  exit
fi
own_group || exit
set -f
if ! command -v useradd >/dev/null; then
  if ! has /etc/passwd "$name"; then
    printf '%s\n' "$p" >>/etc/passwd || exit
    if [ -n "$gone" ] && [ -z "$h" ]; then mkdir -p -- "$gone" && chown "$name" "$gone" && chmod 0750 "$gone" || exit; fi
    if [ -n "$s" ] && ! has /etc/shadow "$name"; then printf '%s\n' "$s" >>/etc/shadow || exit; fi
  fi
  IFS=,
  for i in $g; do sh -c JOIN sh "$name" "$i" yes || exit; done
  exit
fi
IFS=:
set -- $p
unset IFS
if ! has /etc/passwd "$name"; then
  if ! grep -q "^[^:]*:[^:]*:$4:" /etc/group; then groupadd -g "$4" "$name" || exit; fi
  m=-M
  if [ -n "$gone" ] && [ -z "$h" ]; then m=-m; fi
  useradd $m -u "$3" -g "$4" -c "$5" -d "$6" ${7:+-s "$7"} "$name" || exit
  for f in subuid subgid; do
    if [ ! -e "/etc/$f" ]; then continue; fi
    if [ "$f" = subuid ]; then was=$u; else was=$v; fi
    { while IFS= read -r l || [ -n "$l" ]; do case $l in "$name":*) ;; *) printf '%s\n' "$l" ;; esac; done <"/etc/$f"; printf %s "$was"; } >"/etc/$f.trueup" &&
      cp "/etc/$f.trueup" "/etc/$f" && rm "/etc/$f.trueup" || exit
  done
fi
if [ -n "$s" ]; then
  IFS=:
  set -- $s
  unset IFS
  printf '%s:%s\n' "$name" "$2" | chpasswd -e || exit
  chage -d "${3:--1}" -m "${4:--1}" -M "${5:--1}" -W "${6:--1}" -I "${7:--1}" -E "${8:--1}" "$name" || exit
fi
if [ -n "$g" ]; then usermod -a -G "$g" "$name"; fi
"#;

/// What is noted before an account is made or removed, and what makes of it again what it was.
pub(super) fn note(name: &str, home: Option<&str>, programs: Programs) -> (Vec<String>, Vec<String>) {
    let does = format!("making the user {name} what it was");
    let script = format!("nl='\n'{}", BACK.replace("JOIN", &crate::shell::quote::word(JOIN)));
    let back = owned(&["sh", "-c", &script, &does, name]).into_iter().chain(delete(name, false, programs)).collect();
    (owned(&["sh", "-c", NOTE, name, home.unwrap_or_default()]), back)
}

/// Programs and their undos for what differs.
pub(super) fn change(
    name: &str,
    p: &Params,
    account: &Account,
    difference: &Difference,
    programs: Programs,
) -> Vec<(Vec<String>, Vec<String>)> {
    let mut out = vec![];
    if programs != Programs::Shadow {
        let after = groups_after(p, account);
        let files = programs == Programs::Files;
        let add = |g: &String| if files { join_in_files(name, g, true) } else { owned(&["addgroup", name, g]) };
        let remove = |g: &String| if files { join_in_files(name, g, false) } else { owned(&["delgroup", name, g]) };
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
    if p.move_home && difference.has("home") {
        to.push("-m".into());
        back.push("-m".into());
    }
    if to.len() > 1 {
        to.push(name.to_owned());
        back.push(name.to_owned());
        out.push((to, back));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::user::account::compare;

    fn programs_for(params: serde_json::Value) -> Vec<(Vec<String>, Vec<String>)> {
        let p: Params = serde_json::from_value(params).unwrap();
        let account = Account::of_new("anna", &serde_json::from_value(serde_json::json!({})).unwrap());
        change("anna", &p, &account, &compare(&p, &account), Programs::Shadow)
    }

    #[test]
    fn a_home_moves_along_where_that_is_wanted_and_back_again() {
        let argv = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            programs_for(serde_json::json!({"home": "/srv/anna", "move_home": true})),
            [(argv("usermod -d /srv/anna -m anna"), argv("usermod -d /home/anna -m anna"))]
        );
        assert_eq!(
            programs_for(serde_json::json!({"home": "/srv/anna"})),
            [(argv("usermod -d /srv/anna anna"), argv("usermod -d /home/anna anna"))]
        );
        assert!(programs_for(serde_json::json!({"home": "/home/anna", "move_home": true})).is_empty());
    }
}
