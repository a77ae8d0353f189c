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
    let text = super::uncommented(FUNCTIONS);
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
