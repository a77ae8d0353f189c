//! What hosts are asked about packages, and the scripts that their package managers are run by.

use super::quote::words;

/// How a host manages its packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manager {
    Apt,
    Dnf,
    Apk,
}

/// Of apt: what decides which lists there are, and whether they can be fetched. As words of a shell.
const APT_SOURCES: &str = "/etc/apt /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/sources.list.d/* /etc/apt/auth.conf \
    /etc/apt/auth.conf.d/* /etc/apt/trusted.gpg /etc/apt/trusted.gpg.d/* /etc/apt/keyrings/*";
const DNF_SOURCES: &str = "/etc/dnf/dnf.conf /etc/yum.repos.d /etc/yum.repos.d/*";
const APK_SOURCES: &str = "/etc/apk /etc/apk/repositories /etc/apk/repositories.d/* /etc/apk/keys/*";

const FUNCTIONS: &str = include_str!("packages.sh");

/// The functions that a probe of packages calls.
pub(super) fn functions() -> String {
    let text = super::quote::uncommented(FUNCTIONS);
    let sources = [("APT_SOURCES", APT_SOURCES), ("DNF_SOURCES", DNF_SOURCES), ("APK_SOURCES", APK_SOURCES)];
    sources.iter().fold(text, |text, (name, words)| text.replace(name, words))
}

impl Manager {
    /// Asks what is there, what is due, and what the package manager would do then.
    pub(super) fn ask(self, arch: &str, wants: &str) -> String {
        let function = match self {
            Self::Apt => "apt_packages",
            Self::Dnf => "dnf_packages",
            Self::Apk => "apk_packages",
        };
        format!("{function} {} {wants}\n", super::quote::word(arch))
    }

    /// Asks what is there, and nothing that changes by itself.
    pub(super) fn ask_again(self, names: &str) -> String {
        match self {
            Self::Apt => format!(
                "dpkg-query -W -f '${{db:Status-Abbrev}}\\t${{Package}}\\t${{Architecture}}\\t${{Version}}\\n' -- {names} 2>/dev/null\n"
            ),
            Self::Dnf => format!("rpm -q --qf '%{{NAME}}\\t%{{EVR}}\\t%{{ARCH}}\\n' -- {names} 2>/dev/null\n"),
            Self::Apk => format!("apk info -e -v {names} 2>/dev/null\n"),
        }
    }

    /// Fetches the lists by `argv`, and notes of what sources they are, and what could not be fetched. It fails if
    /// nothing could: a mirror that is down is a matter of the packages that it has.
    pub fn fetch(self, argv: Vec<String>) -> Vec<String> {
        let sources = match self {
            Self::Apt => APT_SOURCES,
            Self::Dnf => DNF_SOURCES,
            Self::Apk => APK_SOURCES,
        };
        let script = FETCH.replace("SOURCES", sources);
        ["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()].into_iter().chain(argv).collect()
    }
}

const FETCH: &str = r#"
umask 077
sum=$(cksum SOURCES 2>/dev/null)
out=$("$@" 2>&1)
status=$?
printf '%s\n' "$out"
failed=$(printf '%s\n' "$out" | sed -n -e 's/^[EW]: Failed to fetch \([^ ]*\).*/failed \1/p' -e 's/^\(WARNING\|ERROR\): .*\(http[^ :]*:[^ :]*\).*/failed \2/p' | head -n 20)
if [ "$status" -ne 0 ] || [ -n "$failed" ]; then
  printf '%s\n' "$out" | grep -q -e '^Hit:' -e '^Get:.*\[' -e '^OK:' || exit "$((status ? status : 1))"
fi
mkdir -p /var/lib/trueup
printf '%s\n' "$sum" ${failed:+"$failed"} >/var/lib/trueup/package-lists.new
mv -f /var/lib/trueup/package-lists.new /var/lib/trueup/package-lists
"#;

/// Where a transaction of several packages leaves a mark that not all of it came about.
const MARK: &str = "/var/lib/trueup/package-failed";

const SEVERAL: &str = r#"
list() { dpkg-query -W -f '${db:Status-Abbrev} ${binary:Package} ${Version}\n' -- $names 2>/dev/null; }
rm -f MARK
names=$1 unsure=$2
shift 2
if [ -n "$unsure" ]; then
  known=$(apt-cache policy -- $(for w in $unsure; do printf '%s ' "${w%%=*}"; done) 2>/dev/null | awk '
    /^[^ ].*:$/ { p = substr($0, 1, length($0) - 1) }
    /^  Candidate: / && $2 != "(none)" { print p }
    /^     [^ ]/ { print p "=" $1 }
    /^ \*\*\* / { print p "=" $2 }')
  all=
  for w in $unsure; do
    if printf '%s\n' "$known" | grep -qxF -e "$w"; then all="$all $w"; else printf '%s is not in the lists\n' "$w"; : >MARK; fi
  done
  n=$#
  for w do
    case " $unsure " in
      *" $w "*) case " $all " in *" $w "*) set -- "$@" "$w" ;; esac ;;
      *) set -- "$@" "$w" ;;
    esac
  done
  shift "$n"
  # Of none that is known nothing is asked.
  for w do last=$w; done
  if [ "$last" = -- ]; then exit 0; fi
fi
before=$(list)
"$@" && exit
status=$?
# What has come about is another's success; which has failed, the steps of each tell.
if [ "$(list)" = "$before" ]; then exit "$status"; fi
: >MARK
"#;

/// A transaction of several packages by apt that comes about for those for which it can. `words` are what `argv` ends
/// with; `unsure` are those of which it is not known that the lists have them. A step of [`one`] for each tells then
/// which have failed.
pub fn several(names: &[&str], unsure: &[String], argv: Vec<String>) -> Vec<String> {
    let script = SEVERAL.replace("MARK", MARK);
    ["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned(), names.join(" "), unsure.join(" ")]
        .into_iter()
        .chain(argv)
        .collect()
}

/// Of a transaction of several that has not come about as a whole, one package by itself.
pub fn one(argv: &[String]) -> Vec<String> {
    let script = format!("if [ -e {MARK} ]; then {}; fi", words(argv));
    vec!["sh".to_owned(), "-c".to_owned(), script]
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Frame, FrameParser, Limits, Nonce};
    use super::super::probe::{Answers, ProbeScript};
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    /// The shells that this machine has, `sh` at least.
    fn shells() -> impl Iterator<Item = &'static [&'static str]> {
        const SHELLS: [&[&str]; 4] = [&["sh"], &["dash"], &["bash"], &["busybox", "sh"]];
        let path = std::env::var_os("PATH").unwrap();
        SHELLS.into_iter().filter(move |argv| std::env::split_paths(&path).any(|dir| dir.join(argv[0]).exists()))
    }

    /// A host on which `jq` and `tree` are installed and `gone` is not, `jq` has a newer version, and `new` is known.
    fn host(dir: &Path) {
        let bin = dir.join("bin");
        std::fs::create_dir(&bin).unwrap();
        let tools = [
            ("dpkg-query", "printf 'ii \\tjq\\tamd64\\t1\\nii \\ttree\\tamd64\\t2\\n'"),
            (
                "apt-cache",
                "case $* in *pkgnames*) printf 'jq\\nno-such\\n' ;; *) printf 'jq:\\n  Candidate: 2\\n     2 500\\n *** 1 100\\nnew:\\n  Candidate: 7\\n     7 500\\n' ;; esac",
            ),
            ("apt-get", "for w do :; done; printf '%s\\n' \"$*\" | sed 's/.*-- /would /'; exit 3"),
        ];
        for (name, text) in tools {
            let path = bin.join(name);
            std::fs::write(&path, format!("#!/bin/sh\necho {name} >>{}/log\n{text}\n", dir.display())).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        for folder in ["var/lib/apt/lists", "var/lib/trueup", "etc/apt"] {
            std::fs::create_dir_all(dir.join(folder)).unwrap();
        }
        std::fs::write(dir.join("var/lib/apt/lists/x_Packages"), "").unwrap();
    }

    /// The answer, and the tools of the package manager that ran.
    fn asked(shell: &[&str], dir: &Path, wants: &[&str]) -> (String, Vec<String>) {
        let nonce = Nonce::new([9; 16]);
        let mut probe = ProbeScript::default();
        probe.ask_packages(Manager::Apt, "amd64", &wants.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        let script = String::from_utf8(probe.into_text(&nonce)).unwrap();
        let at = dir.display();
        let script =
            script.replace("/var/lib/", &format!("{at}/var/lib/")).replace("/etc/apt", &format!("{at}/etc/apt"));
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env("PATH", format!("{at}/bin:{}", std::env::var("PATH").unwrap()));
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let mut frames: Vec<Frame> = vec![];
        FrameParser::new(&nonce, Limits::default())
            .push(&child.wait_with_output().unwrap().stdout, &mut frames)
            .unwrap();
        let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
        let _ = std::fs::remove_file(dir.join("log"));
        (Answers::new(frames, 0, 1).text().unwrap(), log.lines().map(str::to_owned).collect())
    }

    #[test]
    fn a_host_in_sync_starts_one_process_and_only_what_is_due_is_simulated() {
        let dir = tempfile::tempdir().unwrap();
        host(dir.path());
        for shell in shells() {
            let ask = |wants: &[&str]| asked(shell, dir.path(), wants);
            let (text, ran) = ask(&["-gone", "jq", "jq=1", "!purged", "tree"]);
            assert_eq!((ran, text.lines().count()), (vec!["dpkg-query".to_owned()], 3), "{shell:?} {text}");
            assert!(text.trim_end().ends_with("#end"));
            let (text, ran) = ask(&["+jq", "new=7", "new", "-tree", "unknown=1", "new=8"]);
            assert_eq!(ran, ["dpkg-query", "apt-cache", "apt-cache", "apt-cache", "apt-get"], "{shell:?}");
            assert!(text.contains("\nwould new=7 new jq tree-\n#status 3\n#end"), "{shell:?} {text}");
            let (_, ran) = ask(&["+tree"]);
            assert_eq!(ran, ["dpkg-query", "apt-cache"], "{shell:?}");
        }
    }

    #[test]
    fn what_makes_lists_stale_is_found_and_a_fetch_of_the_same_sources_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        host(dir.path());
        let source = dir.path().join("etc/apt/sources.list");
        let set = |path: &Path, days: i64| {
            let when = std::time::SystemTime::now();
            let day = std::time::Duration::from_secs(86_400);
            let when = if days < 0 { when - day * days.unsigned_abs() as u32 } else { when + day * days as u32 };
            std::fs::File::open(path).unwrap().set_modified(when).unwrap();
        };
        let at = |path: &str| dir.path().join(path);
        for shell in shells() {
            let lists = || {
                let text = asked(shell, dir.path(), &["new"]).0;
                text.lines()
                    .find_map(|l| l.strip_prefix("#lists"))
                    .unwrap()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let _ = std::fs::remove_file(at("var/lib/trueup/package-lists"));
            std::fs::write(&source, "deb a\n").unwrap();
            [at("etc/apt"), source.clone()].iter().for_each(|p| set(p, -9));
            set(&at("var/lib/apt/lists"), 0);
            assert_eq!(lists(), "", "{shell:?}");
            set(&at("var/lib/apt/lists"), -3);
            assert_eq!(lists(), "old", "{shell:?}");
            set(&source, 300);
            assert_eq!(lists(), "sources old", "{shell:?}");
            // A fetch notes the sources' sums; that the time is in the future is the same ever after.
            let fetch = Manager::Apt.fetch(["echo", "Hit:1 a"].map(str::to_owned).to_vec());
            let script = fetch[2].replace("/var/lib/", &format!("{}/var/lib/", dir.path().display()));
            let script = script.replace("/etc/apt", &format!("{}/etc/apt", dir.path().display()));
            let run = |argv: &[&str]| {
                Command::new(shell[0]).args(&shell[1..]).args(["-c", &script, "sh"]).args(argv).output().unwrap()
            };
            assert!(run(&["echo", "Hit:1 a"]).status.success());
            assert_eq!(lists(), "", "{shell:?}");
            std::fs::write(&source, "deb b\n").unwrap();
            set(&source, 300);
            assert_eq!(lists(), "sources", "{shell:?}");
            // A mirror that is down is noted; if none can be reached, it fails and notes nothing.
            assert!(!run(&["echo", "W: Failed to fetch http://m/x  no"]).status.success());
            assert_eq!(lists(), "sources", "{shell:?}");
            assert!(run(&["printf", "%s\n", "Hit:1 a", "W: Failed to fetch http://m/x  no"]).status.success());
            let text = asked(shell, dir.path(), &["new"]).0;
            assert!(text.contains("#lists \n#failed http://m/x\n"), "{shell:?} {text}");
        }
    }
}
