# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what the parts use, and what run sets
# What every part of `run` needs: hosts, peers, and runs that are timed and checked.

readonly HOSTS=(h01 h02 h03 h04 h05 h06 h07 h08 h09 h10)
readonly CACHE=${TRUEUP_BENCH_CACHE:-/var/cache/trueup-bench}
readonly VENV=$CACHE/venv

say() { printf 'bench: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# Makes the program and the folder of this run. Peers are made where a part needs them.
prepare() {
  trueup=${TRUEUP:-}
  if [ -z "$trueup" ]; then
    (cd "$root" && cargo build --release --quiet)
    trueup=${CARGO_TARGET_DIR:-$root/target}/release/trueup
  fi
  dir=$(mktemp -d)
  fleet=$dir/fleet
  trap 'fleet_down; rm -rf "$dir"' EXIT
  # What is remembered between runs is this bench's own.
  export XDG_CACHE_HOME=$dir/cache XDG_STATE_HOME=$dir/state
}

need_peers() {
  if [ ! -x "$VENV/bin/ansible-playbook" ]; then
    python3 -m venv "$VENV"
    "$VENV/bin/pip" -q install 'ansible-core==2.19.*' 'pyinfra==3.10.*' 'mitogen==0.3.54'
  fi
}

# Boots ten fresh hosts; what was up goes first.
fleet_up() {
  fleet_down
  rm -rf "$dir/cache"
  "$root/tests/fleet/fleet" up --dir "$fleet" --owner $$ "${HOSTS[@]}" >"$dir/list"
  mapfile -t addresses < <(awk '{print $2}' "$dir/list")
  key=$fleet/client_key
  known=$fleet/known_hosts
  ssh_options=(-i "$key" -o "UserKnownHostsFile=$known" -o StrictHostKeyChecking=yes -o LogLevel=ERROR -o BatchMode=yes)
  trueup_options=(-i "$fleet/hosts.yml" --private-key "$key" --known-hosts "$known")
  # Scripts, so that a measured command is a process of its own.
  write_parallel floor "ssh ${ssh_options[*]} root@ADDRESS sh -s <$here/floor-probe.sh >/dev/null"
}

fleet_down() {
  if [ -d "$fleet" ]; then "$root/tests/fleet/fleet" down --dir "$fleet" >/dev/null; fi
}

on() { "$root/tests/fleet/fleet" exec --dir "$fleet" "$@"; }

# write_parallel NAME COMMAND: a script NAME.sh that runs the command for all addresses at once, and fails where one does.
write_parallel() {
  local a
  {
    echo 'pids=; failed=0'
    for a in "${addresses[@]}"; do echo "${2//ADDRESS/$a} & pids=\"\$pids \$!\""; done
    # shellcheck disable=SC2016 # for the script
    echo 'for p in $pids; do wait "$p" || failed=1; done; exit $failed'
  } >"$dir/$1.sh"
}

# Ansible needs Python on its targets; trueup does not. It is put there past the fleet's own packages.
give_python() {
  mkdir -p "$CACHE/python"
  if ! ls "$CACHE"/python/distro-info-data*.deb >/dev/null 2>&1; then
    (cd "$CACHE/python" && apt-get update -qq && apt-get download -qq python3 python3-minimal python3.11 python3.11-minimal \
      libpython3-stdlib libpython3.11-stdlib libpython3.11-minimal libexpat1 media-types libsqlite3-0 libreadline8 \
      libncursesw6 libffi8 libbz2-1.0 liblzma5 libdb5.3 libuuid1 python3-apt python-apt-common libnsl2 libtirpc3 \
      libtirpc-common readline-common libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libkeyutils1 libcom-err2 distro-info-data)
  fi
  local a
  for a in "${addresses[@]}"; do
    tar -C "$CACHE" -cf - python | ssh "${ssh_options[@]}" "root@$a" 'tar -C /root -xf - && dpkg --force-depends -i /root/python/*.deb >/root/python.log 2>&1; python3 -c "import apt" && apt-get check -qq' ||
      die "Python is not whole on $a"
  done
}

# The peers' settings and inventories of the hosts that are up.
write_inventories() {
  local i a
  cat >"$dir/ansible.cfg" <<CFG
[defaults]
host_key_checking = True
forks = 20
pipelining = True
interpreter_python = /usr/bin/python3
[ssh_connection]
pipelining = True
ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=$known
CFG
  {
    echo '[debian]'
    for i in "${!addresses[@]}"; do
      echo "${HOSTS[$i]} ansible_host=${addresses[$i]} ansible_user=root ansible_ssh_private_key_file=$key"
    done
  } >"$dir/hosts.ini"
  {
    echo 'hosts = ['
    for a in "${addresses[@]}"; do
      echo "    (\"$a\", {\"ssh_user\": \"root\", \"ssh_key\": \"$key\", \"ssh_known_hosts_file\": \"$known\"}),"
    done
    echo ']'
  } >"$dir/inventory.py"
}

# measure NAME COMMAND...: appends `wall cpu rss load` to NAME.times: seconds, seconds of this side's processes, peak MiB,
# the machine's load before. A command that fails ends the bench. Its output is NAME.log.
measure() {
  local name=$1 load
  shift
  read -r load _ </proc/loadavg
  say "$name (load $load)"
  python3 - "$dir/$name" "$load" "$@" <<'PY' || { tail -n 20 "$dir/$name.log" >&2; die "failed: $name"; }
import os, sys, time
name, load, *command = sys.argv[1:]
begun = time.monotonic()
pid = os.fork()
if pid == 0:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    out = os.open(name + ".log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.execvp(command[0], command)
_, status, usage = os.wait4(pid, 0)
wall = time.monotonic() - begun
with open(name + ".times", "a") as times:
    print(f"{wall:.3f} {usage.ru_utime + usage.ru_stime:.3f} {usage.ru_maxrss / 1024:.1f} {load}", file=times)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
PY
}

# median NAME COLUMN: of NAME.times; column 1 is wall, 2 CPU, 3 memory.
median() {
  cut -d' ' -f"$2" "$dir/$1.times" | sort -n |
    awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}

# ratio A B: the median wall of A as a multiple of B's.
ratio() { awk "BEGIN {printf \"%.2f\", $(median "$1" 1) / $(median "$2" 1)}"; }

# The highest load at which one of these was begun.
worst_load() {
  local name
  for name; do cut -d' ' -f4 "$dir/$name.times"; done | sort -n | tail -n 1
}

# Bytes that went to the hosts so far, by the counters of their links.
bytes_to_hosts() {
  local name machine sum=0
  for name in "${HOSTS[@]}"; do
    machine=$(<"$fleet/hosts/$name/machine")
    sum=$((sum + $(<"/sys/class/net/vb-$machine/statistics/tx_bytes")))
  done
  echo "$sum"
}
