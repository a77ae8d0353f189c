//! The script that gathers facts: constant, read-only, and content with a bare `sh`.
//!
//! What a tool gives is taken where the tool is there; a missing one leaves its fact empty. Files are read by the
//! shell itself where they are a line or two, for each process costs a host about a millisecond.

use super::frame::Nonce;

/// The slot of the answer; those of custom facts follow it. Far above any probe's, so that both can travel together.
pub const FIRST_SLOT: u32 = 1 << 30;

/// Sections of `key value` lines, then one frame for each custom fact: its name, a line break, its JSON.
const GATHER: &str = r#"
first=1073741824
one() { v=; { IFS= read -r v <"$2"; } 2>/dev/null; printf '%s %s\n' "$1" "$v"; }
has() { if command -v "$1" >/dev/null 2>&1; then printf 'has %s\n' "$1"; fi; }
b $first
one hostname /proc/sys/kernel/hostname
one kernel /proc/sys/kernel/osrelease
one boot_id /proc/sys/kernel/random/boot_id
one uptime /proc/uptime
one memory /proc/meminfo
one cpus /sys/devices/system/cpu/online
printf 'machine %s\n' "$(uname -m 2>/dev/null)"
printf 'id %s\n' "$(id 2>/dev/null)"
for t in apt-get dnf apk systemctl openrc-run rc-service gzip nft timeout useradd adduser visudo; do has "$t"; done
if [ -d /run/systemd/system ]; then printf 'init systemd\n'; elif [ -d /run/openrc ]; then printf 'init openrc\n'; fi
if [ -e /run/reboot-required ] || [ -e /var/run/reboot-required ]; then printf 'reboot required\n'; fi
if command -v systemd-detect-virt >/dev/null 2>&1; then
  printf 'virt %s\n' "$(systemd-detect-virt 2>/dev/null)"
else
  one container /run/systemd/container
  one product /sys/class/dmi/id/product_name
  if [ -e /.dockerenv ]; then printf 'container docker\n'; fi
fi
c=${SSH_CONNECTION-}
p=$PPID
i=0
# sudo and su strip the variable, but whoever started them still has it.
while [ -z "$c" ] && [ $i -lt 4 ] && [ "${p:-0}" -gt 1 ] && [ -r "/proc/$p/environ" ]; do
  c=$(tr '\000' '\n' <"/proc/$p/environ" 2>/dev/null | while IFS= read -r l; do case $l in SSH_CONNECTION=*) printf %s "${l#*=}"; break ;; esac; done)
  l=
  { IFS= read -r l <"/proc/$p/stat"; } 2>/dev/null
  l=${l##*) }
  l=${l#* }
  p=${l%% *}
  i=$((i + 1))
done
printf 'ssh %s\n' "$c"
for n in /sys/class/net/*; do
  if [ -e "$n/address" ]; then one "mac ${n##*/}" "$n/address"; one "state ${n##*/}" "$n/operstate"; fi
done
printf 'release\n'
cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release 2>/dev/null
printf '\nmounts\n'
cat /proc/self/mounts 2>/dev/null
printf '\naddresses\n'
ip -o addr show 2>/dev/null
printf '\nroutes\n'
ip -4 route show default 2>/dev/null
printf '\nhosts\n'
head -n 200 /etc/hosts 2>/dev/null
e $first 0
n=$first
for f in /etc/trueup/facts.d/*; do
  if [ ! -f "$f" ] || [ ! -r "$f" ]; then continue; fi
  n=$((n + 1))
  b $n
  printf '%s\n' "${f##*/}"
  if [ -x "$f" ]; then
    if command -v timeout >/dev/null 2>&1; then timeout 10 "$f"; else "$f"; fi 2>/dev/null | head -c 65536
  else
    head -c 65536 "$f"
  fi
  e $n 0
done
"#;

/// The whole script.
pub fn script(nonce: &Nonce) -> Vec<u8> {
    super::script(nonce, GATHER)
}
