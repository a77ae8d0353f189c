# shellcheck shell=bash
# One host's life: its address, its disk, its container, and its end.
#
# A host's directory, DIR/hosts/NAME, holds: kind, address, machine (its name
# towards the kernel: cgroups and links), lower (its base: a link), upper and
# work (overlay), root (the mount), supervisor and nspawn (process ids with
# their start times), console.log.

readonly RUN=/run/trueup-fleet
readonly BRIDGE=trueup0
readonly LIMIT=${TRUEUP_FLEET_LIMIT:-12}
readonly BOOT_SECONDS=${TRUEUP_FLEET_BOOT_SECONDS:-90}
readonly ROOM_SECONDS=${TRUEUP_FLEET_ROOM_SECONDS:-600}
readonly PASSPHRASE='open sesame'

# Polls until the command given holds; fails after the seconds given.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

# --- processes -------------------------------------------------------------

# When process $1 started, in clock ticks: with its id, what a process is known by.
started_at() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    read -ra fields <<<"${stat##*) }"
    # A zombie has ended; that its parent never collects it is not our affair.
    [[ ${fields[0]} == Z ]] || printf '%s\n' "${fields[19]}"
}

# The process whose id and start time are in file $1, or nothing once it is gone.
process_in() {
    local pid start
    read -r pid start 2>/dev/null <"$1" || return 0
    [[ -n $start && $(started_at "$pid") == "$start" ]] && printf '%s\n' "$pid"
    return 0
}

# Renamed into place: others read the file at any moment.
remember_process() {
    printf '%s %s\n' "$2" "$(started_at "$2")" >"$1.$BASHPID"
    mv "$1.$BASHPID" "$1"
}

# Process 1 of the host in directory $1, as this machine numbers it, or nothing.
leader() {
    local nspawn child line children=()
    nspawn=$(process_in "$1/nspawn")
    [[ -n $nspawn ]] || return 0
    read -ra children 2>/dev/null <"/proc/$nspawn/task/$nspawn/children" || true
    for child in "${children[@]}"; do
        line=$(grep NSpid "/proc/$child/status" 2>/dev/null) || continue
        if [[ $line == *$'\t'*$'\t'1 ]]; then
            printf '%s\n' "$child"
            return 0
        fi
    done
}

# --- cgroups ---------------------------------------------------------------

# The roots of this machine's hierarchies: of each v1 controller and the unified one, or of pure v2.
hierarchies() {
    local type path
    while read -r _ path type _; do
        case $type in cgroup | cgroup2) printf '%s\n' "$path" ;; esac
    done </proc/self/mounts | sort -u
}

# Puts this shell into a cgroup of machine $1's own in each hierarchy. Without that the systemds of
# all hosts share one tree and clear away each other's services.
enter_cgroups() {
    local hierarchy file
    for hierarchy in $(hierarchies); do
        [[ -w $hierarchy ]] || continue
        mkdir -p "$hierarchy/$1"
        # A new v1 cpuset has no cpus and takes nobody in until it has some.
        for file in cpuset.mems cpuset.cpus; do
            [[ -e $hierarchy/$file ]] && cat "$hierarchy/$file" >"$hierarchy/$1/$file"
        done
        echo "$BASHPID" >"$hierarchy/$1/cgroup.procs"
    done
}

members() {
    local hierarchy
    for hierarchy in $(hierarchies); do
        [[ -d $hierarchy/$1 ]] && find "$hierarchy/$1" -name cgroup.procs -exec cat {} + 2>/dev/null
    done | sort -un
}

has_no_members() { [[ -z $(members "$1") ]]; }

kill_members() {
    local pids
    mapfile -t pids < <(members "$1")
    ((${#pids[@]} == 0)) || kill -KILL "${pids[@]}" 2>/dev/null || true
    has_no_members "$1"
}

remove_cgroups() {
    local hierarchy
    for hierarchy in $(hierarchies); do
        [[ ! -d $hierarchy/$1 ]] || find "$hierarchy/$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
    [[ -z $(cgroups_of "$1") ]]
}

cgroups_of() {
    local hierarchy
    for hierarchy in $(hierarchies); do
        [[ ! -d $hierarchy/$1 ]] || printf '%s\n' "$hierarchy/$1"
    done
}

# --- addresses -------------------------------------------------------------

# Runs a function while no other call of the harness on this machine is in one.
locked() {
    local lock status=0
    mkdir -p "$RUN/hosts"
    exec {lock}>"$RUN/lock"
    flock "$lock"
    "$@" || status=$?
    exec {lock}>&-
    return $status
}

# Gives each name an address of its own, all or none of them; waits for room below the limit.
register() {
    (($# <= LIMIT)) || die "$# hosts are more than the limit of $LIMIT (TRUEUP_FLEET_LIMIT)"
    sweep
    wait_for "$ROOM_SECONDS" locked register_all "$@" ||
        die "no room for $# more hosts below the limit of $LIMIT after ${ROOM_SECONDS} s: $(cat "$RUN"/hosts/* | tr '\n' ' ')"
    locked make_bridge
}

register_all() {
    local taken name number=1 machine
    taken=("$RUN"/hosts/*)
    [[ -e ${taken[0]} ]] || taken=()
    ((${#taken[@]} + $# <= LIMIT)) || return 1
    for name in "$@"; do
        machine=
        while [[ -z $machine || -e $RUN/hosts/$machine ]]; do
            number=$((number + 1))
            machine=tu-$(printf %04x "$number")
        done
        mkdir -p "$DIR/hosts/$name"
        echo "$DIR/hosts/$name" >"$RUN/hosts/$machine"
        echo "$machine" >"$DIR/hosts/$name/machine"
        echo "198.18.$((number / 256)).$((number % 256))" >"$DIR/hosts/$name/address"
    done
}

make_bridge() {
    [[ ! -e /sys/class/net/$BRIDGE ]] || return 0
    # With an address of its own; otherwise it takes its ports' lowest, which changes as hosts come and go.
    ip link add "$BRIDGE" address 02:74:72:75:65:01 type bridge
    ip address add 198.18.0.1/15 dev "$BRIDGE"
    ip address add fd74:7275::1/64 dev "$BRIDGE" nodad 2>/dev/null || true
    ip link set "$BRIDGE" up
}

remove_idle_bridge() { locked remove_bridge_if_idle; }

remove_bridge_if_idle() {
    if [[ -z $(ls "$RUN/hosts") && -e /sys/class/net/$BRIDGE ]]; then
        ip link delete "$BRIDGE"
    fi
}

# Ends the fleets whose owner (the test that made them) died without ending them,
# and hosts whose fleet's directory was removed under them.
sweep() {
    local entry host fleet lock
    mkdir -p "$RUN/hosts"
    exec {lock}>"$RUN/sweep.lock"
    flock "$lock"
    for entry in "$RUN"/hosts/*; do
        host=$(cat "$entry" 2>/dev/null) || continue
        fleet=${host%/hosts/*}
        if [[ -e $fleet/owner ]] && is_gone "$fleet/owner"; then
            say "ending $fleet, whose owner is gone"
            end_fleet "$fleet"
        elif [[ ! -d $host ]]; then
            say "ending ${host##*/} of $fleet, which was removed"
            end_machine "${entry##*/}" "$host"
        fi
    done
    exec {lock}>&-
    remove_idle_bridge
}

# Ends all hosts of the fleet in directory $1 and removes what the harness made there.
end_fleet() {
    local host pids=() pid lock
    [[ -d $1 ]] || return 0
    # Ended twice at once, the slower one would meet machines whose names have new owners.
    exec {lock}<"$1"
    flock "$lock"
    for host in "$1"/hosts/*/; do
        [[ -d $host ]] || continue
        end_host "${host%/}" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || die "a host of $1 could not be ended"
    done
    rm -rf --one-file-system "$1"/{hosts,owner,known_hosts,hosts.yml,client_key{,.pub},locked_key{,.pub}}
    rmdir "$1" 2>/dev/null || true # what the owner put there stays
    exec {lock}>&-
    remove_idle_bridge
}

# --- keys and inventory ----------------------------------------------------

make_client_keys() {
    [[ -e $DIR/client_key ]] || ssh-keygen -q -t ed25519 -N '' -C fleet -f "$DIR/client_key"
    [[ -e $DIR/locked_key ]] || ssh-keygen -q -t ed25519 -N "$PASSPHRASE" -C fleet-locked -f "$DIR/locked_key"
}

write_known_hosts() {
    local host key
    for host in "$DIR"/hosts/*/; do
        read -r -a key <"$host/host_key.pub"
        printf '%s %s %s\n' "$(<"$host/address")" "${key[0]}" "${key[1]}"
    done >"$DIR/known_hosts.new"
    mv "$DIR/known_hosts.new" "$DIR/known_hosts"
}

write_inventory() {
    local host kind
    {
        printf '%s\n' 'all:' '  vars:' '    ansible_user: root' \
            "    ansible_ssh_private_key_file: $DIR/client_key" \
            "    ansible_ssh_common_args: -o UserKnownHostsFile=$DIR/known_hosts" '  children:'
        for kind in debian busybox; do
            grep -qsx "$kind" "$DIR"/hosts/*/kind || continue
            printf '%s\n' "    $kind:" '      hosts:'
            for host in "$DIR"/hosts/*/; do
                [[ $(<"$host/kind") == "$kind" ]] || continue
                host=${host%/}
                printf '        %s: { ansible_host: %s, ansible_port: 22 }\n' "${host##*/}" "$(<"$host/address")"
            done
        done
    } >"$DIR/hosts.yml.new"
    mv "$DIR/hosts.yml.new" "$DIR/hosts.yml"
}

# --- a host ----------------------------------------------------------------

# Makes the disk of host $1 of kind $2 and what is its own on it.
make_host() {
    local name=$1 kind=$2 host=$DIR/hosts/$1 address root
    address=$(<"$host/address")
    root=$host/root
    echo "$kind" >"$host/kind"
    ln -s "$(generation)/$kind" "$host/lower"
    mkdir -p "$host"/{upper,work,root}
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$host/host_key"
    mount_disk "$host"
    echo "$name" >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n%s %s\n' "$address" "$name" >"$root/etc/hosts"
    case $kind in
    debian)
        tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
        install -m 0600 "$host/host_key" "$root/etc/ssh/ssh_host_ed25519_key"
        cat "$DIR"/{client,locked}_key.pub >"$root/etc/ssh/fleet_keys"
        # Sorts before the file nspawn brings, which would wait for DHCP.
        printf '%s\n' '[Match]' 'Name=host0' '[Network]' "Address=$address/15" 'LinkLocalAddressing=no' \
            'LLDP=no' 'IPv6AcceptRA=no' >"$root/etc/systemd/network/10-fleet.network"
        ;;
    busybox)
        convert_key_for_dropbear "$host/host_key" "$root/etc/dropbear/dropbear_ed25519_host_key" 2>/dev/null
        install -d -m 0700 "$root/root/.ssh"
        cat "$DIR"/{client,locked}_key.pub >"$root/root/.ssh/authorized_keys"
        printf '%s\n' '#!/bin/sh' "hostname $name" 'ip link set lo up' "ip address add $address/15 dev host0" \
            'ip link set host0 up' >"$root/etc/network-up"
        chmod 0755 "$root/etc/network-up"
        ;;
    esac
}

# What upper holds is the host's whole difference from its base: with redirects or metacopy on,
# a rename or a chmod would leave there a reference in place of the thing.
mount_disk() {
    mountpoint -q "$1/root" && return
    mount -t overlay trueup-fleet \
        -o "lowerdir=$(readlink "$1/lower"),upperdir=$1/upper,workdir=$1/work,redirect_dir=nofollow,metacopy=off,index=off,xino=off" \
        "$1/root"
}

start_host() {
    local host=$DIR/hosts/$1
    [[ -z $(process_in "$host/supervisor") ]] || die "host '$1' is on already"
    mount_disk "$host"
    # A session of its own and no open file of ours: a test runner waits for neither.
    setsid "$HERE/fleet" _supervise "$host" </dev/null >>"$host/console.log" 2>&1 &
    remember_process "$host/supervisor" $!
}

# Runs as a process of its own for as long as the host is on. nspawn ends with 133 when the host
# reboots (it leaves the restart to its service manager, and here that is this loop).
supervise() {
    local host=$1 machine nspawn status=133
    machine=$(<"$host/machine")
    stopping=
    trap 'stopping=1' TERM
    while [[ -z $stopping ]] && ((status == 133)); do
        run_container "$host" "$machine" &
        nspawn=$!
        remember_process "$host/nspawn" $nspawn
        status=0
        wait $nspawn || status=$?
        # The signal ends the first wait before the container has ended.
        [[ -z $stopping ]] || wait $nspawn || true
        clear_machine "$machine"
    done
}

run_container() {
    local host=$1 machine=$2 payload=(--boot)
    [[ $(<"$host/kind") == debian ]] || payload=(/sbin/init)
    enter_cgroups "$machine"
    # /tmp stays on the host's disk: what a program leaves there is to be seen.
    export SYSTEMD_NSPAWN_TMPFS_TMP=0
    exec systemd-nspawn --quiet --keep-unit --register=no --machine="$machine" --directory="$host/root" \
        --network-bridge="$BRIDGE" --resolv-conf=off --timezone=off --link-journal=no "${payload[@]}"
}

# Ends what is left of machine $1 in the kernel: processes first, then what they held.
clear_machine() {
    wait_for 10 kill_members "$1" || die "processes of $1 do not end: $(members "$1" | tr '\n' ' ')"
    wait_for 10 remove_cgroups "$1" || die "cgroups stay: $(cgroups_of "$1" | tr '\n' ' ')"
    if [[ -e /sys/class/net/vb-$1 ]]; then
        ip link delete "vb-$1" 2>/dev/null || [[ ! -e /sys/class/net/vb-$1 ]]
    fi
    rm -rf "/run/systemd/nspawn/propagate/$1"
}

# Stops the container of the host in directory $1 as a power cut does.
stop_hard() {
    local host=$1 machine supervisor leader
    machine=$(<"$host/machine")
    supervisor=$(process_in "$host/supervisor")
    [[ -z $supervisor ]] || kill -TERM "$supervisor" 2>/dev/null || true
    # The death of its process 1 lets nspawn itself end in order and give back what it holds.
    leader=$(leader "$host")
    if [[ -n $leader ]]; then
        kill -KILL "$leader" 2>/dev/null || true
        wait_for 5 has_no_members "$machine" || true
    fi
    wait_for 10 is_stopped "$host" "$machine" || die "the supervisor of $host does not end"
    clear_machine "$machine"
    rm -f "$host"/{supervisor,nspawn}
}

# Killing again at each look: told to stop between two boots, the supervisor may have begun one more.
is_stopped() { kill_members "$2" && is_gone "$1/supervisor"; }

is_gone() { [[ -z $(process_in "$1") ]]; }

kill_host() { stop_hard "$DIR/hosts/$1"; }

# Ends the host in directory $1 for good. Works from any state a crash can leave.
end_host() {
    local machine
    machine=$(cat "$1/machine" 2>/dev/null) || true
    [[ -z $machine ]] || stop_hard "$1"
    end_machine "$machine" "$1"
}

# Takes away machine $1, its disk in directory $2, and gives its address back.
end_machine() {
    [[ -z $1 ]] || clear_machine "$1"
    unmount_below "$2"
    # After all that the name stands for, so that it cannot be met by the name's next owner; before
    # the directory, whose absence would have a sweep end the machine of that name.
    [[ -z $1 ]] || rm -f "$RUN/hosts/$1"
    rm -rf --one-file-system "$2"
}

unmount_below() {
    local path
    while read -r path; do
        wait_for 5 umount "$path" 2>/dev/null || die "cannot unmount $path"
    done < <(awk -v dir="$1/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | sort -r)
}

# Waits until the host answers and has finished booting.
wait_until_up() {
    local host=$DIR/hosts/$1
    wait_for "$BOOT_SECONDS" has_booted "$host" && return
    tail -n 20 "$host/console.log" >&2
    die "host '$1' was not up after $BOOT_SECONDS s; its console is above and in $host/console.log"
}

has_booted() {
    local state leader
    leader=$(leader "$1")
    # Asked first, because a connection sent too early is sent again only after a second.
    [[ -n $leader ]] && listens "$leader" && answers "$(<"$1/address")" || return 1
    [[ $(<"$1/kind") == debian ]] || return 0
    state=$(exec_in "$1" systemctl is-system-running 2>/dev/null) || true
    # Whether a service failed is for the test to judge: the host is up.
    [[ $state == running || $state == degraded ]]
}

# Whether something listens on port 22 of the host whose process 1 is $1.
listens() { grep -qs ':0016 [0:]* 0A ' "/proc/$1/net/tcp" "/proc/$1/net/tcp6"; }

# Whether a server of SSH greets on port 22 of address $1.
answers() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/22" && read -r line <&3 && [[ $line == SSH-* ]]' _ "$1" 2>/dev/null
}

# Runs a command as root inside the host in directory $1, past ssh.
exec_in() {
    local leader
    leader=$(leader "$1")
    [[ -n $leader ]] || die "host '${1##*/}' is off"
    shift
    # This machine's env, before entering: a busybox host has none at that path.
    env -i HOME=/root USER=root LOGNAME=root LANG=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        nsenter --target "$leader" --mount --uts --ipc --net --pid --root --wd -- "$@"
}

# Starts the reboot and returns once the old boot has ended, so that it is not taken for the new one.
reboot_host() {
    local host=$DIR/hosts/$1 before
    before=$(cat "$host/nspawn")
    # The host's end may take the command along; whether it went is asked next.
    exec_in "$host" reboot || true
    wait_for "$BOOT_SECONDS" has_left "$host" "$before" || die "host '$1' did not go down for its reboot"
}

has_left() { [[ $(cat "$1/nspawn") != "$2" ]]; }
