//! The script that gathers facts: constant, read-only, and content with a bare `sh`.
//!
//! What a tool gives is taken where the tool is there; a missing one leaves its fact empty. Files are read by the
//! shell itself where they are short, for each process costs a host about a millisecond.

use super::frame::Nonce;
use super::probe::ProbeScript;

/// The slot of the first answer. Far above any probe's, so that facts and a probe can travel in one script.
pub const FIRST_SLOT: u32 = 1 << 30;

/// What one answer holds; its slot is [`Answer::slot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Lines of a key, a space and a value.
    Values,
    /// `/etc/os-release`.
    Release,
    /// `/proc/self/mounts`.
    Mounts,
    /// `ip -o addr show`.
    Addresses,
    /// `ip -4 route show default`.
    Routes,
    /// `/etc/hosts`.
    Hosts,
    /// `/proc/net/route`; this and what follows only where `ip` gave nothing.
    KernelRoutes,
    /// `/proc/net/fib_trie`.
    KernelAddresses,
    /// `/proc/net/if_inet6`.
    KernelAddresses6,
}

impl Answer {
    pub const fn slot(self) -> u32 {
        FIRST_SLOT + self as u32
    }
}

/// The slot of the first custom fact: its name, a line break, its JSON, a line break, its exit status.
pub const FIRST_CUSTOM: u32 = FIRST_SLOT + 16;
/// The slot that is used where a host has more custom facts than can be told.
pub const PAST_CUSTOM: u32 = FIRST_CUSTOM + 128;
/// Bytes of one custom fact.
pub const CUSTOM_SIZE: usize = 65536;

const FUNCTIONS: &str = r#"
one() { v=; { IFS= read -r v <"$2"; } 2>/dev/null; printf '%s %s\n' "$1" "$v"; }
has() { if command -v "$1" >/dev/null 2>&1; then printf 'has %s\n' "$1"; fi; }
lines() {
  if [ ! -r "$1" ]; then return 0; fi
  n=0
  while [ $n -lt 200 ] && { IFS= read -r l || [ -n "$l" ]; }; do printf '%s\n' "$l"; n=$((n + 1)); done <"$1"
}
variable() {
  w=$1
  shift
  if [ $# -eq 0 ]; then return 0; fi
  cat "$@" 2>/dev/null | tr '\n\000' ' \n' 2>/dev/null | while IFS= read -r l; do
    case $l in "$w="*) printf %s "${l#*=}"; break ;; esac
  done
}
# sudo and su strip the variable, but whoever started them still has it.
came_through() {
  p=$PPID
  set --
  i=0
  while [ $i -lt 4 ] && [ "${p:-0}" -gt 1 ] 2>/dev/null; do
    if [ -r "/proc/$p/environ" ]; then set -- "$@" "/proc/$p/environ"; fi
    l=
    { IFS= read -r l <"/proc/$p/stat"; } 2>/dev/null
    l=${l##*) }
    l=${l#* }
    p=${l%% *}
    i=$((i + 1))
  done
  variable SSH_CONNECTION "$@"
}
bounded() {
  d=$1
  shift
  if command -v timeout >/dev/null 2>&1; then timeout "$d" "$@"; else "$@"; fi
}
"#;

const VALUES: &str = r#"
one hostname /proc/sys/kernel/hostname
one domain /proc/sys/kernel/domainname
one kernel /proc/sys/kernel/osrelease
one boot_id /proc/sys/kernel/random/boot_id
one uptime /proc/uptime
one memory /proc/meminfo
one cpus /sys/devices/system/cpu/online
if [ -z "$v" ] && [ -r /proc/cpuinfo ]; then
  while IFS= read -r l; do case $l in processor*) printf 'processor\n' ;; esac; done </proc/cpuinfo
fi
printf 'uname '
uname -snrm 2>/dev/null || printf '\n'
printf 'id '
id 2>/dev/null || printf '\n'
for t in apt-get dnf apk gzip nft timeout useradd adduser visudo; do has "$t"; done
if [ -r /var/lib/dpkg/arch ]; then
  one packages /var/lib/dpkg/arch
elif [ -r /etc/apk/arch ]; then
  one packages /etc/apk/arch
else
  for f in /var/lib/dpkg/info/libc6:*.list; do
    if [ -e "$f" ]; then f=${f#*libc6:}; printf 'packages %s\n' "${f%.list}"; break; fi
  done
fi
if [ -d /run/systemd/system ]; then printf 'init systemd\n'; elif [ -d /run/openrc ]; then printf 'init openrc\n'; fi
if [ -e /run/reboot-required ] || [ -e /var/run/reboot-required ]; then printf 'reboot required\n'; fi
v=
if command -v systemd-detect-virt >/dev/null 2>&1; then v=$(systemd-detect-virt 2>/dev/null); fi
if [ -n "$v" ]; then
  printf 'virt %s\n' "$v"
else
  one container /run/systemd/container
  if [ -e /.dockerenv ]; then v=docker; elif [ -e /run/.containerenv ]; then v=podman; elif [ -d /proc/vz ] && [ ! -d /proc/bc ]; then v=openvz; fi
  printf 'container %s\n' "$v"
  if [ -z "$v" ] && [ -r /proc/1/environ ]; then printf 'container '; variable container /proc/1/environ; printf '\n'; fi
  one vendor /sys/class/dmi/id/sys_vendor
  one product /sys/class/dmi/id/product_name
  one clocks /sys/devices/system/clocksource/clocksource0/available_clocksource
fi
printf 'ssh '
if [ -n "${SSH_CONNECTION-}" ]; then printf %s "$SSH_CONNECTION"; else came_through; fi
printf '\n'
for f in /sys/class/net/*; do
  if [ -e "$f/address" ]; then one "mac ${f##*/}" "$f/address"; one "state ${f##*/}" "$f/operstate"; fi
done
"#;

/// Each answer with what gives it.
const ANSWERS: &[(Answer, &str)] = &[
    (Answer::Values, VALUES),
    (Answer::Release, "if [ -r /etc/os-release ]; then lines /etc/os-release; else lines /usr/lib/os-release; fi\n"),
    (Answer::Mounts, "head -n 4096 /proc/self/mounts 2>/dev/null\n"),
    (Answer::Addresses, "if ip -o addr show 2>/dev/null; then tables=; else tables=1; fi\n"),
    (Answer::Routes, "if [ -z \"$tables\" ]; then ip -4 route show default 2>/dev/null; fi\n"),
    (Answer::Hosts, "lines /etc/hosts\n"),
    (Answer::KernelRoutes, "if [ -n \"$tables\" ]; then lines /proc/net/route; fi\n"),
    (Answer::KernelAddresses, "if [ -n \"$tables\" ]; then head -n 4096 /proc/net/fib_trie 2>/dev/null; fi\n"),
    (Answer::KernelAddresses6, "if [ -n \"$tables\" ]; then lines /proc/net/if_inet6; fi\n"),
];

/// `head` is bounded too: a daemon that a fact has left behind may hold the pipe open for ever. It has longer than the
/// fact itself, so that a fact's end is still told.
const CUSTOM: &str = r#"
for f in /etc/trueup/facts.d/*; do
  if [ ! -f "$f" ] || [ ! -r "$f" ]; then continue; fi
  if [ ! -x "$f" ]; then case $f in *.json) ;; *) continue ;; esac; fi
  b $slot
  if [ $slot -ge $past ]; then e $slot 0; break; fi
  printf '%s\n' "${f##*/}"
  { if [ -x "$f" ]; then bounded 10 "$f"; else cat "$f"; fi; printf '\n%s' $?; } | bounded 15 head -c 65600
  e $slot 0
  slot=$((slot + 1))
done 2>/dev/null
"#;

/// The questions as the body of a script.
fn frames() -> String {
    let mut out = FUNCTIONS.to_owned();
    for (answer, ask) in ANSWERS {
        let slot = answer.slot();
        out.push_str(&format!("b {slot}\n{ask}e {slot} 0\n"));
    }
    out.push_str(&format!("slot={FIRST_CUSTOM}\npast={PAST_CUSTOM}{CUSTOM}"));
    out
}

/// The whole script.
pub fn script(nonce: &Nonce) -> Vec<u8> {
    super::script::whole(nonce, &frames())
}

/// Facts and a probe in one script; the probe's slots are below [`FIRST_SLOT`].
pub fn script_with(probe: &ProbeScript, nonce: &Nonce) -> Vec<u8> {
    super::script::whole(nonce, &format!("{}{}", frames(), probe.frames(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::frame::{Frame, FrameParser, Limits};
    use crate::shell::probe::{Answers, Query};
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    #[test]
    fn facts_and_a_probe_travel_in_one_script() {
        let nonce = Nonce::new([5; 16]);
        let mut probe = ProbeScript::default();
        probe.ask(Query::Contents, ["/proc/sys/kernel/ostype"]);
        let script = script_with(&probe, &nonce);
        let mut child = Command::new("sh").arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&script).unwrap();
        let mut frames: Vec<Frame> = vec![];
        let mut parser = FrameParser::new(&nonce, Limits::default());
        parser.push(&child.wait_with_output().unwrap().stdout, &mut frames).unwrap();
        assert!(parser.is_finished());
        for (answer, _) in ANSWERS {
            assert_eq!(frames.iter().filter(|f| f.slot == answer.slot()).count(), 1, "{answer:?}");
        }
        assert_eq!(Answers::new(frames, 0, 1).text().unwrap().trim(), "Linux");
    }
}
