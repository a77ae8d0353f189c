//! What users and groups share: their names, their databases, and the programs that change those: useradd(8) and its
//! like, busybox's, and where a host has none of them, the files themselves, passwd(5) and group(5).

use super::difference::{Action, Ahead};
use crate::facts::Facts;

/// What a host has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Programs {
    Shadow,
    Busybox,
    /// A line is added to a file, or taken out, by the shell itself.
    Files,
}

impl Programs {
    pub fn of(facts: &Facts) -> Self {
        match (facts.tools.useradd, facts.tools.adduser) {
            (true, _) => Self::Shadow,
            (false, true) => Self::Busybox,
            (false, false) => Self::Files,
        }
    }
}

/// Names that all systems take: useradd(8), and a dot or capitals where the system allows them. A dollar sign may be the
/// last character (an account of a machine, as Samba makes it) and no other: names also stand in a step's shell words.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let stem = name.strip_suffix('$').unwrap_or(name);
    name.len() <= 32 && stem.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && stem.chars().all(plain)
}

/// The database of groups: name, number and members of each.
pub(super) fn database(text: &str) -> impl Iterator<Item = (&str, u32, Vec<&str>)> {
    text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, gid, members] = fields.as_slice() else { return None };
        Some((*name, gid.parse().ok()?, members.split(',').filter(|m| !m.is_empty()).collect()))
    })
}

/// Whether a number that another account has is free by then: that one goes before, or gets another number.
pub(super) fn is_freed(ahead: &Ahead<'_>, kind: &str, other: &str, number: &str) -> bool {
    ahead.may_bring_anything() || ahead.change(kind, other).is_some_and(|d| d.action == Action::Remove || d.has(number))
}

/// `sh -c EDIT DOES FILE NAME [LINE…]`: takes the line that begins with `NAME:` out of the file and adds the lines.
/// The file is replaced by a rename, with its owner and mode. Where a number is `NEXT`, it is the next free one.
const EDIT: &str = r#"
file=$1; name=$2; shift 2
[ -e "$file" ] || exit 0
cp -p "$file" "$file.trueup" || exit
next=999
{
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in "$name":*) continue ;; esac
    number=${line#*:*:}; number=${number%%:*}
    case $number in '' | *[!0-9]*) ;; *) if [ "$number" -gt "$next" ] && [ "$number" -lt 60000 ]; then next=$number; fi ;; esac
    printf '%s\n' "$line"
  done <"$file"
  next=$((next + 1))
  for line do
    case $line in *:x:NEXT:*) line="${line%%:x:NEXT:*}:x:$next:${line#*:x:NEXT:}" ;; esac
    printf '%s\n' "$line"
  done
} >"$file.trueup" || { rm -f "$file.trueup"; exit 1; }
mv -f "$file.trueup" "$file"
"#;

/// `does`: what that does, in words.
pub(super) fn edit(does: &str, file: &str, name: &str, lines: &[String]) -> Vec<String> {
    let words = ["sh", "-c", EDIT, does, file, name].into_iter().map(str::to_owned);
    words.chain(lines.iter().cloned()).collect()
}

pub fn add_group(programs: Programs, name: &str, gid: Option<u32>, system: bool) -> Vec<String> {
    let gid = gid.map(|g| g.to_string());
    let (program, flag) = match programs {
        Programs::Shadow => ("groupadd", "-r"),
        Programs::Busybox => ("addgroup", "-S"),
        Programs::Files => {
            let number = gid.as_deref().unwrap_or("NEXT");
            return edit(&format!("adding the group {name}"), "/etc/group", name, &[format!("{name}:x:{number}:")]);
        }
    };
    let mut words = vec![program];
    if system {
        words.push(flag);
    }
    words.extend(gid.as_deref().into_iter().flat_map(|g| ["-g", g]));
    words.push(name);
    owned(&words)
}

pub fn delete_group(programs: Programs, name: &str) -> Vec<String> {
    match programs {
        Programs::Shadow => owned(&["groupdel", name]),
        Programs::Busybox => owned(&["delgroup", name]),
        Programs::Files => edit(&format!("deleting the group {name}"), "/etc/group", name, &[]),
    }
}

pub(super) fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_nothing_that_a_shell_would_expand() {
        assert!(["web", "_apt", "systemd-network", "Anna.B", "pc1$"].iter().all(|n| is_name(n)));
        assert!(["", "$", "1st", "-x", "a$HOME", "a$b$", "a b", "a:b", "a\n"].iter().all(|n| !is_name(n)));
        assert!(is_name(&"a".repeat(32)) && !is_name(&"a".repeat(33)));
    }
}
