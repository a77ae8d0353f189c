//! Debian and its kin: dpkg-query(1), apt-cache(8), apt-get(8).

use super::answer::{Answer, Rehearsal};
use super::effects::{Deed, Simulated};
use super::observed::{States, VERSIONS, Word};
use super::provider::{Item, Provider};
use crate::shell::packages::Manager;
use crate::shell::probe::BadAnswer;
use std::collections::{HashMap, HashSet};

pub(super) struct Apt;

const APT_GET: &[&str] = &[
    "apt-get",
    "-y",
    "-q",
    // Another apt, or unattended upgrades, may hold the lock: it is waited for.
    "-o",
    "DPkg::Lock::Timeout=600",
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
];

/// What there is of packages, a line each: `STATUS NAME VERSION`, `auto NAME` for what came for another's sake, and
/// `user NAME NUMBER` and `group NAME NUMBER`, for those come with packages.
const LIST: &str = r#"
dpkg-query -W -f '${db:Status-Status} ${binary:Package} ${Version}\n' || exit
awk '/^Package: / { p = $2 } /^Architecture: / { a = $2 } /^Auto-Installed: 1/ { print "auto " p ":" a }' /var/lib/apt/extended_states 2>/dev/null
for f in passwd group; do
  if [ "$f" = passwd ]; then w=user; else w=group; fi
  while IFS=: read -r n _ i _; do echo "$w $n $i"; done <"/etc/$f"
done
"#;

/// Takes back what a transaction has changed, in one transaction. On its standard input is what [`LIST`] said before that
/// and, behind a line `after`, what it said after it; without that it is what it says now. What nobody knew before is
/// purged, with the accounts that came with it unless something is left that belongs to them; what had been removed and
/// left its configuration goes back to that; marks for automatic removal are those of before. What has come since stays,
/// and if it needs what is to go nothing is done.
const BACK: &str = r#"
set -f
list() { LIST }
due=$({ cat; echo now; list; } | awk '
  $0 == "after" { part = a = 1; next }
  $0 == "now" { part = 2; if (!a) a = 2; next }
  $1 == "auto" { split($2, of, ":"); auto[part + 0, of[1]] = 1; next }
  $1 == "user" || $1 == "group" { account[part + 0, $1 " " $2] = $3; accounts[$1 " " $2]; next }
  $1 == "not-installed" { next }
  { known[part + 0, $2]; names[$2] }
  $1 == "config-files" { next }
  { version[part + 0, $2] = $1 == "installed" || $1 ~ /^triggers-/ ? $3 : "half" }
  END {
    for (p in names) {
      was = version[0, p]; then = version[a, p]; is = version[2, p]
      bare = p; sub(/:.*/, "", bare)
      if (was == then && a == 1) {
        if (was != "" && is != "" && auto[0, bare] != auto[1, bare]) print auto[0, bare] ? "auto" : "manual", p
        continue
      }
      if (was == "" || was == "half") {
        if (is != "") print "change", p "-"
        if (!((0, p) in known) && (2, p) in known) print "purge", p
      } else {
        if (is != was) print "change", p "=" was
        print auto[0, bare] ? "auto" : "manual", p
      }
    }
    for (n in accounts) {
      if ((0, n) in account || !((a, n) in account) || account[2, n] != account[a, n]) continue
      split(n, w, " ")
      print n, account[a, n], w[1] == "user" ? account[0, "group " w[2]] : ""
    }
  }') || exit
of() { printf '%s\n' "$due" | while read -r what name _; do if [ "$what" = "$1" ]; then printf ' %s' "$name"; fi; done; }
change=$(of change)
apt=$1
shift
export DEBIAN_FRONTEND=noninteractive
if [ -n "$change" ]; then
  more=$("$apt" -s "$@" $change </dev/null 2>/dev/null | awk -v all="$change " '
    BEGIN { gsub(/:[^ =-]*/, "", all) }
    $1 == "Remv" || $1 == "Purg" { sub(/:.*/, "", $2); if (!index(all, " " $2 "-")) printf " %s", $2 }')
  if [ -n "$more" ]; then
    echo "what has come since needs it:$more"
    exit 1
  fi
  "$apt" "$@" $change </dev/null || exit
fi
status=0
purge=$(of purge)
if [ -n "$purge" ]; then dpkg --purge -- $purge </dev/null || status=$?; fi
for mark in auto manual; do
  marked=$(of "$mark")
  if [ -n "$marked" ]; then apt-mark "$mark" -- $marked >/dev/null || status=$?; fi
done
printf '%s\n' "$due" | while read -r what name number own; do
  case $what in user) owns=-uid; f=passwd; delete=userdel ;; group) owns=-gid; f=group; delete=groupdel ;; *) continue ;; esac
  if ! cut -d: -f1,3 "/etc/$f" | grep -qxF -e "$name:$number"; then continue; fi
  left=$(timeout 20 find /etc /home /opt /run /srv /tmp /usr/local /var -xdev $owns "$number" -print -quit 2>/dev/null)
  # A place that is not there is no matter; one that is too large to be looked through keeps the account.
  case $? in 0 | 1) ;; *) left=unknown ;; esac
  if [ -z "$left" ]; then "$delete" "$name" >/dev/null 2>&1; fi
  # userdel takes the group of the name along, also one that was there before.
  if [ -n "$own" ] && ! cut -d: -f1 /etc/group | grep -qxF -e "$name"; then groupadd -g "$own" "$name"; fi
done
exit "$status"
"#;

/// Runs the command behind it. A dpkg that died is finished first, for without that apt-get refuses everything; what it is
/// in the midst of is in these files. Those of one that is still at work are there as well: it has the lock, and is left to
/// it. Source: `debSystem::CheckUpdates` of apt.
const FINISH_FIRST: &str = r#"
for i in /var/lib/dpkg/updates/[0-9]*; do
  if [ -e "$i" ]; then
    DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --configure -a
    break
  fi
done
exec "$@"
"#;

fn finish_first(argv: Vec<String>) -> Vec<String> {
    ["sh", "-c", FINISH_FIRST, "sh"].map(str::to_owned).into_iter().chain(argv).collect()
}

fn apt_get(words: &[&str]) -> Vec<String> {
    APT_GET.iter().chain(words).map(|w| (*w).to_owned()).collect()
}

impl Provider for Apt {
    fn manager(&self) -> Manager {
        Manager::Apt
    }

    fn canonical<'a>(&self, title: &'a str, arch: &str) -> &'a str {
        match title.split_once(':') {
            Some((bare, of)) if of == arch || of == "native" || of == "any" => bare,
            _ => title,
        }
    }

    fn parse(&self, words: &[Word<'_>], arch: &str, answer: &Answer<'_>) -> Result<States, BadAnswer> {
        let mut states = States::new();
        let wanted: HashSet<&str> = words.iter().map(|w| w.name).collect();
        for line in &answer.there {
            status(line, &wanted, arch, &mut states)?;
        }
        policy(&answer.policy, &wanted, &mut states);
        Ok(states)
    }

    fn simulated(&self, rehearsal: &Rehearsal<'_>, arch: &str) -> Simulated {
        simulated(rehearsal, arch)
    }

    fn refresh(&self) -> Vec<String> {
        apt_get(&["update"])
    }

    fn install(&self, items: &[Item<'_>]) -> Vec<String> {
        let pinned = items.iter().any(|i| i.version.is_some());
        let mut argv = apt_get(if pinned { &["--allow-downgrades", "install", "--"] } else { &["install", "--"] });
        argv.extend(items.iter().map(|i| match i.version {
            Some(version) => format!("{}={version}", i.name),
            None => i.name.to_owned(),
        }));
        argv
    }

    fn remove(&self, items: &[Item<'_>]) -> Vec<String> {
        let mut argv = apt_get(&["remove", "--"]);
        argv.extend(items.iter().map(|i| i.name.to_owned()));
        argv
    }

    fn both(&self, wanted: &[Item<'_>], gone: &[Item<'_>]) -> Option<Vec<String>> {
        let mut argv = self.install(wanted);
        // Where one cannot be fetched, the others are installed.
        if wanted.len() + gone.len() > 1 {
            argv.splice(1..1, ["-m".to_owned()]);
        }
        argv.extend(gone.iter().map(|i| format!("{}-", i.name)));
        Some(argv)
    }

    fn purge(&self, name: &str) -> Option<Vec<String>> {
        Some(["dpkg", "--purge", "--", name].map(str::to_owned).to_vec())
    }

    fn remove_alone(&self, items: &[Item<'_>]) -> Vec<String> {
        let names = items.iter().map(|i| i.name.to_owned());
        ["dpkg", "--remove", "--"].map(str::to_owned).into_iter().chain(names).collect()
    }

    fn note(&self) -> Option<(Vec<String>, Vec<String>)> {
        let does = "bringing the packages back to what they were, and purging what the run brought";
        let back = ["sh", "-c", &BACK.replace("LIST", LIST), does].map(str::to_owned).into_iter();
        // What a transaction that died has left half unpacked goes as well.
        let half = "Dpkg::Options::=--force-remove-reinstreq";
        let install = apt_get(&["-o", half, "--allow-downgrades", "install", "--"]);
        Some((["sh", "-c", LIST].map(str::to_owned).to_vec(), finish_first(back.chain(install).collect())))
    }

    fn transaction(&self, argv: Vec<String>) -> Vec<String> {
        finish_first(argv)
    }

    fn env(&self) -> Vec<(String, String)> {
        let pairs =
            [("DEBIAN_FRONTEND", "noninteractive"), ("APT_LISTCHANGES_FRONTEND", "none"), ("NEEDRESTART_MODE", "l")];
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }
}

/// A line `status TAB name TAB arch TAB version`.
fn status(line: &str, wanted: &HashSet<&str>, arch: &str, states: &mut States) -> Result<(), BadAnswer> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [status, name, of, version] = fields.as_slice() else {
        return Err(BadAnswer("a line of dpkg's is not as it should be".into()));
    };
    let full = format!("{name}:{of}");
    let native = *of == arch || *of == "all" || of.is_empty();
    let name = if native { name } else { full.as_str() };
    if !wanted.contains(name) {
        return Ok(());
    }
    let state = states.entry(name.to_owned()).or_default();
    // The second letter is what is, the third that it has to be installed again.
    match status.as_bytes() {
        [_, b'i', b'R', ..] => state.half = true,
        [_, b'i', ..] => state.installed = Some((*version).to_owned()),
        [_, b'c', ..] => state.config = true,
        [_, b'n', ..] => {}
        // Half-installed, unpacked or waiting for triggers: installing it again mends that.
        _ => state.half = true,
    }
    Ok(())
}

/// What `apt-cache policy` says: the versions of each package, the newest first.
fn policy(lines: &[&str], wanted: &HashSet<&str>, states: &mut States) {
    let mut name: Option<&str> = None;
    for line in lines {
        if let Some(head) = line.strip_suffix(':').filter(|l| !l.starts_with(' ')) {
            // What is there for another architecture alone is meant by the bare name.
            let bare = head.split(':').next().unwrap_or(head);
            name = [head, bare].into_iter().find_map(|n| wanted.get(n).copied());
            if let Some(name) = name {
                states.entry(name.to_owned()).or_default().listed = true;
            }
            continue;
        }
        let Some(state) = name.and_then(|n| states.get_mut(n)) else { continue };
        if let Some(candidate) = line.strip_prefix("  Candidate: ") {
            state.candidate = Some(candidate.to_owned()).filter(|c| c != "(none)");
        } else if let Some(rest) = line.strip_prefix("     ").or_else(|| line.strip_prefix(" *** "))
            && let Some(version) = rest.split(' ').next().filter(|v| !v.is_empty())
            && state.versions.len() < VERSIONS
        {
            state.versions.push(version.to_owned());
        }
    }
}

/// What `apt-get -s` says, with the debugging words of its resolver, which say why.
fn simulated(rehearsal: &Rehearsal<'_>, arch: &str) -> Simulated {
    let plain = |name: &str| match name.split_once(':') {
        Some((bare, of)) if of == arch || of == "all" => bare.to_owned(),
        _ => name.to_owned(),
    };
    let mut out = Simulated::default();
    let mut downgraded: HashSet<String> = HashSet::new();
    let mut heading = "";
    let mut unmet: Option<String> = None;
    // What stands against each, as far as the resolver has come.
    let mut against: HashMap<String, String> = HashMap::new();
    for line in &rehearsal.lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if line.starts_with("The following ") {
            heading = line;
            continue;
        }
        match fields.as_slice() {
            ["Inst", name, rest @ ..] => {
                let bracketed = |open: char| rest.iter().find_map(|f| f.strip_prefix(open));
                let version = bracketed('(').unwrap_or_default().trim_end_matches(')');
                let deed = match bracketed('[').filter(|_| rest.first().is_some_and(|f| f.starts_with('['))) {
                    Some(_) if downgraded.contains(&plain(name)) => Deed::Downgrade,
                    Some(_) => Deed::Upgrade,
                    None => Deed::Install,
                };
                out.effect(deed, &plain(name), version);
            }
            ["Remv" | "Purg", name, rest @ ..] => {
                let version = rest.first().and_then(|f| f.strip_prefix('[')?.strip_suffix(']')).unwrap_or_default();
                out.effect(Deed::Remove, &plain(name), version);
            }
            ["Installing", name, "as", _, "of", of, ..] => {
                out.because.insert(plain(name), plain(of));
            }
            ["Considering", of, _, "as", "a", "solution", "to", name, ..] => {
                against.insert(plain(name), plain(of));
            }
            ["Removing", name, "rather", "than", "change", ..] => {
                let name = plain(name);
                if let Some(of) = against.get(&name) {
                    out.because.insert(name, of.clone());
                }
            }
            ["Fixing", of, "via", "remove", "of", name] => {
                out.because.insert(plain(name), plain(of));
            }
            _ if heading.contains("DOWNGRADED") && line.starts_with("  ") => {
                downgraded.extend(fields.iter().map(|f| plain(f)));
            }
            [name, ":", ..] if heading.contains("unmet dependencies") && line.starts_with(' ') => {
                out.refuse(&plain(name), &fields.join(" "));
                unmet = Some(plain(name));
            }
            _ if heading.contains("unmet dependencies") && line.starts_with("   ") => {
                if let Some(name) = &unmet {
                    out.refuse(name, &fields.join(" "));
                }
            }
            _ if heading.contains("held packages will be changed") && line.starts_with("  ") => {
                for name in &fields {
                    out.refuse(&plain(name), "it is on hold");
                }
            }
            _ => heading = "",
        }
    }
    if rehearsal.status == 0 {
        out.refused.clear();
    } else {
        // Nothing of it would come about.
        out.effects.clear();
        if out.refused.is_empty() {
            let said: Vec<&str> = rehearsal.lines.iter().filter_map(|l| l.strip_prefix("E: ")).collect();
            out.failed = Some(said.join(" "));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'a>(names: &[&'a str]) -> Vec<Word<'a>> {
        names
            .iter()
            .map(|name| Word { name, state: super::super::observed::State::Present, version: None, purge: false })
            .collect()
    }

    fn parse(names: &[&str], text: &str) -> Result<States, BadAnswer> {
        Apt.parse(&words(names), "amd64", &Answer::read(text)?)
    }

    #[test]
    fn dpkg_and_apt_are_read_as_they_are() {
        let text = "ii \tnginx\tamd64\t1.22.1-9\nhi \tjq\tamd64\t1.6-2.1\nrc \ttelnet\tall\t0.17\niF \tbroken\tamd64\t1\nii \tlibc6\tamd64\t2.36\n\
                    #lists \n#policy\nhtop:\n  Installed: (none)\n  Candidate: 3.2.2-2\n  Version table:\n     3.2.2-2 500\n        500 file:/srv/packages ./ Packages\n\
                    nginx:\n  Installed: 1.22.1-9\n  Candidate: 1.22.1-9\n  Version table:\n     1.24 -1\n *** 1.22.1-9 100\n        100 /var/lib/dpkg/status\n\
                    virtual:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\nwine32:i386:\n  Candidate: 8.0\n  Version table:\n     8.0 500\n#end\n";
        let names = ["nginx", "jq", "telnet", "broken", "libc6", "libc6:i386", "htop", "nowhere", "virtual", "wine32"];
        let states = parse(&names, text).unwrap();
        let installed = |n: &str| states.get(n).and_then(|s| s.installed.as_deref());
        assert_eq!(installed("nginx"), Some("1.22.1-9"));
        assert_eq!(installed("jq"), Some("1.6-2.1"));
        assert_eq!(installed("libc6"), Some("2.36"));
        assert_eq!(installed("libc6:i386"), None);
        assert_eq!((installed("telnet"), states["telnet"].config), (None, true));
        assert_eq!((installed("broken"), states["broken"].half), (None, true));
        assert_eq!(states["htop"].candidate.as_deref(), Some("3.2.2-2"));
        assert_eq!(states["nginx"].versions, ["1.24", "1.22.1-9"]);
        assert_eq!(states.get("nowhere"), None);
        assert_eq!((states["virtual"].listed, states["virtual"].candidate.is_some()), (true, false));
        assert_eq!(states["wine32"].candidate.as_deref(), Some("8.0"));
    }

    #[test]
    fn no_answer_is_reported() {
        assert!(parse(&["nginx"], "").is_err());
    }

    #[test]
    fn names_of_the_hosts_own_architecture_are_bare() {
        assert_eq!(
            ["tree", "tree:amd64", "tree:native", "tree:i386"].map(|n| Apt.canonical(n, "amd64")),
            ["tree", "tree", "tree", "tree:i386"]
        );
    }

    /// Recorded on a host of the fleet.
    const REMOVAL: &str = include_str!("recorded/apt-removal.txt");
    const UNMET: &str = include_str!("recorded/apt-unmet.txt");
    const HELD: &str = include_str!("recorded/apt-held.txt");

    fn rehearsed(text: &'static str, status: u8) -> Simulated {
        simulated(&Rehearsal { lines: text.lines().collect(), status }, "amd64")
    }

    #[test]
    fn what_a_simulation_says_is_read_with_its_reasons() {
        let out = rehearsed(REMOVAL, 0);
        let of = |deed| super::super::effects::listed(&out.effects, deed).unwrap_or_default();
        assert_eq!(of(Deed::Install), "libnl-3-200 3.7.0-0.2+b1, libnl-genl-3-200 3.7.0-0.2+b1, htop 3.2.2-2");
        assert!(
            of(Deed::Remove).starts_with("jq 1.6-2.1+deb12u2, libjq1 1.6-2.1+deb12u2, nginx-light 1.22.1-9+deb12u9")
        );
        let because = |name: &str| out.because.get(name).map(String::as_str);
        assert_eq!(because("libnl-3-200"), Some("htop"));
        assert_eq!((because("jq"), because("nginx")), (Some("libjq1"), Some("nginx-common")));
        assert_eq!(because("libnginx-mod-http-echo"), Some("nginx"));
        assert_eq!(because("nginx-light"), Some("libnginx-mod-http-echo"));
    }

    #[test]
    fn what_a_simulation_refuses_is_read() {
        let out = rehearsed(UNMET, 100);
        assert!(out.refused["nginx"].starts_with("nginx : Depends: nginx-common"), "{out:?}");
        assert_eq!(rehearsed(HELD, 100).refused["jq"], "it is on hold");
        let out = rehearsed("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", 100);
        assert!(out.refused.is_empty() && out.failed.is_some_and(|f| f.starts_with("dpkg was interrupted")));
    }
}
