# shellcheck shell=bash
# What every host of the fleet is made from: a Debian root, a busybox root, and
# a package repository inside the Debian root, because hosts have no network.
# A change to this file is a change of the recipe and leads to a new build.

readonly RELEASE=bookworm
readonly BASE_PACKAGES=(
    systemd systemd-sysv dbus libpam-systemd openssh-server sudo nftables cron
    procps iproute2 ca-certificates kmod passwd tzdata acl
)
# Served to the hosts by the repository inside the base; none is installed.
readonly OFFERED_PACKAGES=(nginx-light htop tree jq curl tcsh zsh fish)
readonly BUSYBOX_PACKAGES=(
    busybox-static dropbear-bin libc6 zlib1g libcrypt1 libgmp10 libtomcrypt1 libtommath1
)
# They write to the disk at moments of their own, or slow the boot, and no test is about them.
readonly QUIET_UNITS=(
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
    e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer console-getty.service
    getty@tty1.service systemd-networkd-wait-online.service systemd-update-done.service
    systemd-pstore.service ldconfig.service
)

readonly CACHE=${TRUEUP_FLEET_CACHE:-/var/cache/trueup-fleet}

# The directory of the current recipe's roots, whether built or not.
generation() {
    local hash
    hash=$(sha256sum <"$HERE/base.sh")
    printf '%s/%s\n' "$CACHE" "${hash:0:16}"
}

# Builds the roots unless they are there. Parallel callers wait for the one that builds.
build_base() {
    local generation lock
    generation=$(generation)
    install_needs
    [[ -d $generation ]] && return
    mkdir -p "$CACHE"
    exec {lock}>"$CACHE/lock"
    flock "$lock"
    if [[ ! -d $generation ]]; then
        say "building the base hosts in $generation (about a minute, once)"
        rm -rf --one-file-system "$CACHE"/building.*
        drop_old_generations "$generation"
        # In a mount namespace of its own a build that dies leaves no mount behind.
        if ! unshare --mount --propagation private "$HERE/fleet" _build "$CACHE/building.$$" \
            >"$CACHE/build.log" 2>&1 {lock}>&-; then
            tail -n 30 "$CACHE/build.log" >&2
            die "the base could not be built; the whole log is $CACHE/build.log"
        fi
        mv "$CACHE/building.$$" "$generation"
    fi
    exec {lock}>&-
}

# Old recipes' roots go, except where a host still runs on one.
drop_old_generations() {
    local old
    for old in "$CACHE"/*/; do
        old=${old%/}
        [[ $old == "$1" || ! -d $old ]] && continue
        grep -qF "lowerdir=$old/" /proc/self/mounts || rm -rf --one-file-system "$old"
    done
}

# Installs what the harness runs, where the machine lacks it.
install_needs() {
    local pair missing=()
    for pair in debootstrap:debootstrap systemd-nspawn:systemd-container ip:iproute2 \
        dpkg-scanpackages:dpkg-dev ssh-keygen:openssh-client nsenter:util-linux flock:util-linux; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || die "missing here, and no apt-get to install it: ${missing[*]}"
    say "installing ${missing[*]}"
    apt-get update >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >&2
}

# The mirror this machine's own apt uses for the release, so that no host name is written here.
debian_mirror() {
    local mirror=${TRUEUP_FLEET_MIRROR:-}
    # shellcheck disable=SC2016 # apt's own placeholders, not the shell's
    [[ -n $mirror ]] || mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' \
        'Created-By: Packages' | awk -v release=$RELEASE '$1 == "Debian" && $2 == release { print $3; exit }')
    [[ -n $mirror ]] || die "apt knows no mirror of Debian $RELEASE here: run apt-get update, or set TRUEUP_FLEET_MIRROR"
    printf '%s\n' "${mirror%/}"
}

# Runs in the build's own mount namespace: makes $1/debian, $1/busybox and $1/tools.
build_roots() {
    local into=$1 root=$1/debian mirror proxy=
    mirror=$(debian_mirror)
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [[ -z $proxy || $proxy == DIRECT ]] || export http_proxy=${http_proxy:-$proxy}

    mkdir -p "$root/etc/dpkg/dpkg.cfg.d" "$into/login"
    printf '%s\n' force-unsafe-io path-exclude='/usr/share/doc/*' path-exclude='/usr/share/man/*' \
        path-exclude='/usr/share/locale/*' path-exclude='/usr/share/info/*' \
        >"$root/etc/dpkg/dpkg.cfg.d/fleet"
    # debootstrap fetches with wget, which knows a mirror's login from ~/.netrc alone.
    (umask 077 && cat /etc/apt/auth.conf /etc/apt/auth.conf.d/*.conf >"$into/login/.netrc" 2>/dev/null) || true
    HOME=$into/login debootstrap --variant=minbase \
        --include="$(IFS=,; echo "${BASE_PACKAGES[*]}")" "$RELEASE" "$root" "$mirror"

    borrow_machine_apt "$root" "$mirror"
    chroot "$root" apt-get update
    fill_repository "$root"
    fetch_busybox "$root" "$into"
    return_machine_apt "$root"
    rm -rf "$into/login"

    settle_apt "$root"
    settle_system "$root"
    settle_users "$root"
    sync -f "$into"
}

# The machine's way to its mirror (proxy, login, certificates, names), lent for the build alone.
borrow_machine_apt() {
    local root=$1 mirror=$2
    echo "deb $mirror $RELEASE main" >"$root/etc/apt/sources.list"
    apt-config dump | grep -E '^Acquire::(http|https|Check-)' >"$root/etc/apt/apt.conf.d/99borrowed" || true
    cp -L /etc/apt/auth.conf "$root/etc/apt/" 2>/dev/null || true
    cp -L /etc/apt/auth.conf.d/*.conf "$root/etc/apt/auth.conf.d/" 2>/dev/null || true
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    mkdir -p "$root/run/machine-certs"
    if [[ -r /etc/ssl/certs/ca-certificates.crt ]]; then
        cp -L /etc/ssl/certs/ca-certificates.crt "$root/run/machine-certs/"
        echo 'Acquire::https::CAInfo "/run/machine-certs/ca-certificates.crt";' >>"$root/etc/apt/apt.conf.d/99borrowed"
    fi
}

return_machine_apt() {
    local root=$1
    rm -rf "$root"/etc/apt/{sources.list,auth.conf,apt.conf.d/99borrowed} "$root"/etc/apt/auth.conf.d/*.conf \
        "$root"/run/machine-certs "$root"/etc/resolv.conf "$root"/etc/hosts
}

# Each offered package with what it depends on, and small packages of our own. /srv/more is a repository of newer ones
# that no host knows of until a test writes its source.
fill_repository() {
    local root=$1 packages=$1/srv/packages more=$1/srv/more package
    mkdir -p "$packages" "$more"
    for package in "${OFFERED_PACKAGES[@]}"; do
        chroot "$root" apt-get install -y --download-only --no-install-recommends "$package"
    done
    mv "$root"/var/cache/apt/archives/*.deb "$packages/"
    make_package trueup-probe 1.0 "$packages"
    make_package trueup-probe 1.1 "$packages"
    make_package trueup-lib 1.0 "$packages"
    make_package trueup-app 1.0 "$packages" 'Depends: trueup-lib'
    make_package trueup-rival 1.0 "$packages" 'Conflicts: trueup-lib'
    make_package trueup-probe 2.0 "$more"
    make_package trueup-extra 1.0 "$more"
    (cd "$packages" && dpkg-scanpackages --multiversion . >Packages)
    (cd "$more" && dpkg-scanpackages --multiversion . >Packages)
}

# make_package NAME VERSION DIRECTORY [FIELD]: it prints its version and owns a configuration file.
make_package() {
    local name=$1 version=$2 packages=$3 tree
    tree=$(mktemp -d "$packages/tree.XXXXXX")
    chmod 0755 "$tree"
    mkdir -p "$tree"/{DEBIAN,usr/bin,etc}
    printf '#!/bin/sh\necho %s\n' "$version" >"$tree/usr/bin/$name"
    chmod 0755 "$tree/usr/bin/$name"
    echo 'greeting=hello' >"$tree/etc/$name.conf"
    echo "/etc/$name.conf" >"$tree/DEBIAN/conffiles"
    printf '%s\n' "Package: $name" "Version: $version" 'Architecture: all' \
        'Maintainer: trueup fleet <root@localhost>' 'Section: admin' 'Priority: optional' \
        ${4:+"$4"} 'Description: package of the test fleet' >"$tree/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$tree" "$packages/${name}_${version}_all.deb"
    rm -rf "$tree"
}

# $2/busybox holds busybox, dropbear and the libraries dropbear loads, and nothing else;
# $2/tools keeps the unpacked packages for dropbearconvert, which hosts are not to have.
fetch_busybox() {
    local root=$1 tools=$2/tools busybox=$2/busybox deb library applet
    mkdir -p "$tools" "$busybox"/{bin,sbin,usr/bin,usr/sbin,etc/dropbear,root,tmp,var/log,proc,sys,dev,run}
    mkdir "$root/srv/fetched"
    chmod 0777 "$root/srv/fetched"
    chroot "$root" sh -c "cd /srv/fetched && apt-get download ${BUSYBOX_PACKAGES[*]}"
    for deb in "$root"/srv/fetched/*.deb; do
        dpkg-deb --extract "$deb" "$tools"
    done
    rm -rf "$root/srv/fetched"

    cp "$tools/bin/busybox" "$busybox/bin/"
    cp "$tools/usr/sbin/dropbear" "$busybox/usr/sbin/"
    chroot "$tools" sh -c 'true' 2>/dev/null || ln -sf busybox "$tools/bin/sh"
    # `--list` names the library, its arrow and its file; the loader itself stands alone.
    for library in $(chroot "$tools" "$(tools_loader "$tools")" --list /usr/sbin/dropbear | grep -o '/[^ ]*'); do
        (cd "$tools" && cp -L --parents ".$library" "$busybox/")
    done
    for applet in $(chroot "$tools" /bin/busybox --list); do
        case $applet in
        # Tools of a package manager there is no database for would be a false trail.
        busybox | dpkg | dpkg-deb | rpm | rpm2cpio) ;;
        init | reboot | poweroff | halt) ln -s ../bin/busybox "$busybox/sbin/$applet" ;;
        *) ln -s busybox "$busybox/bin/$applet" ;;
        esac
    done
    chmod 1777 "$busybox/tmp"
    chmod 0700 "$busybox/root"
    echo 'root:*:0:0:root:/root:/bin/sh' >"$busybox/etc/passwd"
    echo 'root:x:0:' >"$busybox/etc/group"
    cat >"$busybox/etc/inittab" <<'INITTAB'
::sysinit:/etc/network-up
::respawn:/usr/sbin/dropbear -F -s
INITTAB
}

# The dynamic loader's path inside the unpacked packages.
tools_loader() {
    local loader
    loader=$(cd "$1" && find . -name 'ld-linux*.so.*' | head -n 1)
    [[ -n $loader ]] || die "no dynamic loader among the unpacked packages"
    printf '%s\n' "${loader#.}"
}

# Turns a private OpenSSH key into dropbear's format.
convert_key_for_dropbear() {
    local tools
    tools=$(generation)/tools
    "$tools$(tools_loader "$tools")" \
        --library-path "$(find "$tools" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd:)" \
        "$tools/usr/bin/dropbearconvert" openssh dropbear "$1" "$2"
}

# Hosts install from their own disk, and the lists for it are there from the start.
settle_apt() {
    local root=$1
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/*.deb "$root"/var/cache/apt/*.bin
    echo 'deb [trusted=yes] file:/srv/packages ./' >"$root/etc/apt/sources.list"
    chroot "$root" apt-get update
    chroot "$root" apt-cache gencaches
}

settle_system() {
    local root=$1 unit
    rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/log/*.log "$root"/var/log/apt/* "$root"/etc/hostname
    # With an id missing, systemd would take the boot for a first one and preset every unit.
    echo uninitialized >"$root/etc/machine-id"
    for unit in "${QUIET_UNITS[@]}"; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    mkdir -p "$root/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=volatile\n' >"$root/etc/systemd/journald.conf.d/fleet.conf"
    rm -rf "$root/var/log/journal"
    # Login records are written only where the files are.
    rm -f "$root"/var/log/{wtmp,btmp,lastlog,faillog}
    sed -E '\#/var/log/(wtmp|btmp|lastlog)#d' "$root/usr/lib/tmpfiles.d/var.conf" >"$root/etc/tmpfiles.d/var.conf"
    chroot "$root" systemctl enable systemd-networkd.service ssh.service cron.service
    # One file for all users leaves ~/.ssh/authorized_keys to the tests.
    cat >"$root/etc/ssh/sshd_config.d/fleet.conf" <<'SSHD'
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/fleet_keys .ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication yes
UseDNS no
SSHD
}

settle_users() {
    local root=$1 user
    for user in admin pw nosudo; do
        chroot "$root" useradd --create-home --shell /bin/bash "$user"
    done
    echo 'pw:correct horse' | chroot "$root" chpasswd
    # sudo would record its lecture below /var/lib/sudo, and the first use by an `admin` in the home.
    cat >"$root/etc/sudoers.d/fleet" <<'SUDOERS'
Defaults lecture=never, !admin_flag
admin ALL=(ALL:ALL) NOPASSWD: ALL
pw ALL=(ALL:ALL) ALL
SUDOERS
    chmod 0440 "$root/etc/sudoers.d/fleet"
}
