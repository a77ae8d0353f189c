//! Debian and its kin: dpkg-query(1), apt-cache(8), apt-get(8).

use super::{Item, Provider, States};
use crate::shell::probe::{Answers, BadAnswer, ProbeScript, Query};

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

/// Brings the packages back to the list on its standard input, in one transaction: `NAME-` is removed, `NAME=VERSION`
/// installed. Configuration files stay, for a purge would take more than the package has brought.
const BACK: &str = r#"
set -f
list=$({ cat; echo now; dpkg-query -W -f '${db:Status-Status} ${binary:Package} ${Version}\n'; } | awk '
  $0 == "now" { now = 1; next }
  $1 == "not-installed" || $1 == "config-files" { next }
  { whole = $1 == "installed" || $1 ~ /^triggers-/ }
  !now { if (whole) was[$2] = $3; next }
  { is[$2] = 1; if (!($2 in was)) print $2 "-"; else if (was[$2] != $3 || !whole) print $2 "=" was[$2] }
  END { for (p in was) if (!(p in is)) print p "=" was[p] }
') || exit
if [ -z "$list" ]; then exit 0; fi
DEBIAN_FRONTEND=noninteractive exec "$@" $list </dev/null
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
    fn probe(&self, names: &[(&str, bool)], probe: &mut ProbeScript) {
        let argument = |(name, newest): &(&str, bool)| if *newest { format!("+{name}") } else { (*name).to_owned() };
        probe.ask(Query::AptPackages, names.iter().map(argument));
    }

    fn parse(&self, names: &[(&str, bool)], answers: &mut Answers) -> Result<States, BadAnswer> {
        let text = answers.text()?;
        let mut states = States::new();
        let mut policy = false;
        let mut section: Option<&str> = None;
        let mut any = false;
        for line in text.lines() {
            if line == "policy" {
                (policy, section, any) = (true, None, true);
            } else if line.contains('\t') {
                status(line, names, &mut states)?;
                policy = false;
            } else if policy {
                match line.strip_suffix(':').filter(|l| !l.starts_with(' ')) {
                    Some(name) => section = Some(name),
                    None => {
                        let candidate =
                            line.trim().strip_prefix("Candidate:").map(str::trim).filter(|c| *c != "(none)");
                        if let (Some(candidate), Some(name)) = (candidate, section) {
                            candidate_of(name, candidate, names, &mut states);
                        }
                    }
                }
            }
        }
        if any { Ok(states) } else { Err(BadAnswer("dpkg and apt gave no answer".into())) }
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
        let purge = items.iter().any(|i| i.purge);
        let mut argv = apt_get(if purge { &["purge", "--"] } else { &["remove", "--"] });
        argv.extend(items.iter().map(|i| i.name.to_owned()));
        argv
    }

    fn remove_alone(&self, items: &[Item<'_>]) -> Vec<String> {
        let names = items.iter().map(|i| i.name.to_owned());
        ["dpkg", "--remove", "--"].map(str::to_owned).into_iter().chain(names).collect()
    }

    fn note(&self) -> Option<(Vec<String>, Vec<String>)> {
        let list = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${binary:Package} ${Version}\\n"];
        let back = ["sh", "-c", BACK, "sh"].map(str::to_owned).into_iter();
        // What a transaction that died has left half unpacked goes as well.
        let half = "Dpkg::Options::=--force-remove-reinstreq";
        let install = apt_get(&["-o", half, "--allow-downgrades", "install", "--"]);
        Some((list.map(str::to_owned).to_vec(), finish_first(back.chain(install).collect())))
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

/// The names that mean a package of this architecture.
fn meant<'a>(names: &[(&'a str, bool)], name: &str, arch: &str) -> Vec<&'a str> {
    let same = |n: &&str| match n.split_once(':') {
        Some((bare, of)) => bare == name && (of == arch || of == "any" || arch.is_empty()),
        None => *n == name,
    };
    names.iter().map(|(n, _)| *n).filter(same).collect()
}

/// A line `status TAB name TAB arch TAB version`.
fn status(line: &str, names: &[(&str, bool)], states: &mut States) -> Result<(), BadAnswer> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [status, name, arch, version] = fields.as_slice() else {
        return Err(BadAnswer("a line of dpkg's is not as it should be".into()));
    };
    for meant in meant(names, name, arch) {
        let state = states.entry(meant.to_owned()).or_default();
        // The second letter is what is: installed, or only its configuration left.
        match status.as_bytes().get(1) {
            Some(b'i') => state.installed = Some((*version).to_owned()),
            Some(b'c') => state.config = true,
            // Half-installed, unpacked or waiting for triggers: installing it again mends that.
            _ => {}
        }
    }
    Ok(())
}

fn candidate_of(name: &str, candidate: &str, names: &[(&str, bool)], states: &mut States) {
    let (bare, arch) = name.split_once(':').unwrap_or((name, ""));
    for meant in meant(names, bare, arch) {
        let state = states.entry(meant.to_owned()).or_default();
        state.candidate = Some(candidate.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::frame::Frame;

    fn parse(names: &[(&str, bool)], text: &str) -> Result<States, BadAnswer> {
        let frame = Frame { slot: 0, status: 0, body: text.as_bytes().to_vec() };
        Apt.parse(names, &mut Answers::new(vec![frame], 0, 1))
    }

    #[test]
    fn dpkg_and_apt_are_read_as_they_are() {
        let text = "ii \tnginx\tamd64\t1.22.1-9\nhi \tjq\tamd64\t1.6-2.1\nrc \ttelnet\tall\t0.17\niF \tbroken\tamd64\t1\nii \tlibc6\tamd64\t2.36\npolicy\n\
                    htop:\n  Installed: (none)\n  Candidate: 3.2.2-2\n  Version table:\n     3.2.2-2 500\nnowhere:\n  Installed: (none)\n  Candidate: (none)\n";
        let names =
            ["nginx", "jq", "telnet", "broken", "libc6:amd64", "libc6:i386", "htop", "nowhere"].map(|n| (n, false));
        let states = parse(&names, text).unwrap();
        let installed = |n: &str| states.get(n).and_then(|s| s.installed.as_deref());
        assert_eq!(installed("nginx"), Some("1.22.1-9"));
        assert_eq!(installed("jq"), Some("1.6-2.1"));
        assert_eq!(installed("libc6:amd64"), Some("2.36"));
        assert_eq!(installed("libc6:i386"), None);
        assert_eq!((installed("telnet"), states["telnet"].config), (None, true));
        assert_eq!(installed("broken"), None);
        assert_eq!(states["htop"].candidate.as_deref(), Some("3.2.2-2"));
        assert_eq!(states.get("nowhere"), None);
    }

    #[test]
    fn no_answer_is_told() {
        assert!(parse(&[("nginx", false)], "").is_err());
    }
}
