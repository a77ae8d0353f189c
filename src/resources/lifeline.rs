//! What an operator comes in by: files and services that, when wrong, lock everybody out.

/// Folders and files, with all that is below them.
const PATHS: &[&str] = &[
    // Who is let in, and as whom.
    "/etc/ssh",
    "/etc/dropbear",
    "/etc/default/ssh",
    "/etc/default/dropbear",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/doas.conf",
    "/etc/pam.d",
    "/etc/pam.conf",
    "/etc/security",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/login.defs",
    "/etc/shells",
    "/etc/nologin",
    "/run/nologin",
    "/var/run/nologin",
    "/etc/nsswitch.conf",
    "/etc/nslcd.conf",
    "/etc/ldap",
    "/etc/krb5.conf",
    "/etc/sssd",
    "/etc/polkit-1",
    "/etc/selinux",
    "/etc/apparmor.d",
    "/etc/crypto-policies",
    "/etc/ssl/openssl.cnf",
    "/etc/hosts.allow",
    "/etc/hosts.deny",
    // What a login runs, and with what.
    "/etc/environment",
    "/etc/profile",
    "/etc/profile.d",
    "/etc/bash.bashrc",
    "/etc/zsh",
    "/etc/zshenv",
    "/etc/fish",
    "/etc/csh.cshrc",
    "/etc/csh.login",
    "/etc/ld.so.preload",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/bin",
    "/sbin",
    "/lib/openssh",
    "/lib/security",
    "/usr/bin",
    "/usr/sbin",
    // The network.
    "/etc/network",
    "/etc/netplan",
    "/etc/systemd/network",
    "/etc/systemd/networkd.conf",
    "/etc/systemd/logind.conf",
    "/etc/systemd/system.conf",
    "/etc/NetworkManager",
    "/etc/sysconfig/network",
    "/etc/sysconfig/network-scripts",
    "/etc/dhcp",
    "/etc/udev",
    "/etc/resolv.conf",
    "/etc/wireguard",
    "/etc/openvpn",
    "/etc/nftables.conf",
    "/etc/nftables.d",
    "/etc/iptables",
    "/etc/ufw",
    "/etc/firewalld",
    "/etc/fail2ban",
];

/// Units are no part of a way in because of where they are, but because of what they are.
const UNITS: &[&str] = &["/etc/systemd/system/", "/run/systemd/system/", "/lib/systemd/system/", "/etc/init.d/"];

/// What shells and logins read in a home, wherever that is.
const STARTUP: &[&str] = &[
    ".ssh",
    ".profile",
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".zshenv",
    ".zprofile",
    ".zshrc",
    ".zlogin",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".kshrc",
    ".mkshrc",
    ".pam_environment",
    ".rhosts",
    ".shosts",
    ".k5login",
    "config.fish",
];

/// Units by the name without `.service`.
const SERVICES: &[&str] = &[
    "ssh",
    "sshd",
    "dropbear",
    "networking",
    "network",
    "NetworkManager",
    "systemd-networkd",
    "systemd-resolved",
    "wpa_supplicant",
    "nftables",
    "iptables",
    "ip6tables",
    "netfilter-persistent",
    "ufw",
    "firewalld",
    "fail2ban",
    "sssd",
];

/// Whether this file or link is part of a way in.
pub fn path(path: &str) -> bool {
    let path = path.strip_prefix("/usr").filter(|rest| rest.starts_with("/lib/")).unwrap_or(path);
    let unit = |folder: &&str| path.strip_prefix(*folder);
    if let Some(unit) = UNITS.iter().find_map(unit) {
        return unit.split('/').any(|part| service(part.trim_end_matches(".d").trim_end_matches(".wants")));
    }
    PATHS.iter().any(|top| is_below(path, top))
        || path.starts_with("/lib") && path.rsplit('/').next().is_some_and(|name| name.contains(".so"))
        || !path.starts_with("/etc/skel/") && path.split('/').any(|part| STARTUP.contains(&part))
}

/// Whether this directory is, or what is below it: sshd refuses the keys of a home that others can write to, and all that
/// is above it.
pub fn directory(title: &str) -> bool {
    let home = |rest: &str| !rest.contains('/');
    path(title)
        || ["/lib", "/lib64", "/usr/lib"].contains(&title)
        || PATHS.iter().any(|part| is_below(part, title))
        || is_below("/root", title)
        || title.strip_prefix("/home").is_some_and(|rest| rest.is_empty() || rest.strip_prefix('/').is_some_and(home))
}

fn is_below(path: &str, top: &str) -> bool {
    top == "/" || path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub fn service(name: &str) -> bool {
    let name = [".service", ".socket"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    SERVICES.contains(&name) || ["wg-quick@", "ssh@", "sshd@", "openvpn"].iter().any(|start| name.starts_with(start))
}

/// Packages that a way in consists of, and those that could close one.
pub fn package(name: &str) -> bool {
    const EXACTLY: &[&str] = &[
        "bash",
        "dash",
        "fail2ban",
        "firewalld",
        "iproute2",
        "isc-dhcp-client",
        "libc6",
        "login",
        "netfilter-persistent",
        "netplan.io",
        "network-manager",
        "nftables",
        "passwd",
        "resolvconf",
        "sudo",
        "systemd",
        "ufw",
        "wpasupplicant",
    ];
    const BEGINNINGS: &[&str] =
        &["dropbear", "ifupdown", "iptables", "libnss-", "libpam", "libssl", "openssh-server", "selinux", "sssd"];
    EXACTLY.contains(&name) || BEGINNINGS.iter().any(|start| name.starts_with(start))
}

/// Whether a command speaks of a way in. What a program does beyond its words is not known.
pub fn command(text: &str) -> bool {
    const PROGRAMS: &[&str] = &[
        "chpasswd",
        "chsh",
        "deluser",
        "firewall-cmd",
        "halt",
        "ifconfig",
        "ifdown",
        "ifup",
        "ip",
        "ip6tables",
        "iptables",
        "iptables-restore",
        "kexec",
        "netplan",
        "networkctl",
        "nft",
        "nmcli",
        "pam-auth-update",
        "passwd",
        "poweroff",
        "reboot",
        "route",
        "setenforce",
        "setfacl",
        "shutdown",
        "tc",
        "telinit",
        "update-alternatives",
        "userdel",
        "usermod",
        "visudo",
    ];
    let words = text.split(|c: char| c.is_whitespace() || "\"'`$(){}[]<>|&;=,".contains(c)).filter(|w| !w.is_empty());
    words.into_iter().any(|word| {
        let program = word.rsplit('/').next().unwrap_or(word);
        PROGRAMS.contains(&program) || service(program) || (word.starts_with('/') && speaks_of(word))
    })
}

/// Of a path that a command names: the programs in `/bin` are what any command consists of.
fn speaks_of(path: &str) -> bool {
    let program = ["/bin", "/sbin", "/usr/bin", "/usr/sbin"].iter().any(|top| is_below(path, top));
    !program && path.len() > 1 && (self::path(path) || directory(path))
}

/// Kernel parameters that decide what comes through.
pub fn sysctl(name: &str) -> bool {
    name.starts_with("net.") || name.starts_with("net/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_in_is_known_and_its_neighbours_are_not_taken_for_one() {
        for path in [
            "/etc/ssh/sshd_config",
            "/etc/sudoers",
            "/etc/sudoers.d/x",
            "/etc/pam.d/sshd",
            "/etc/nologin",
            "/etc/environment",
            "/etc/profile.d/x.sh",
            "/root/.ssh/authorized_keys",
            "/root/.bashrc",
            "/srv/deploy/.profile",
            "/home/a/.ssh",
            "/usr/bin/bash",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/etc/systemd/system/ssh.service",
            "/etc/systemd/system/ssh.service.d/override.conf",
            "/usr/lib/systemd/system/sshd@.service",
            "/etc/init.d/networking",
        ] {
            assert!(super::path(path), "{path}");
        }
        for path in [
            "/etc/sshx",
            "/etc/ssh_other/config",
            "/srv/ssh",
            "/etc/hosts",
            "/etc/skel/.bashrc",
            "/etc/systemd/system/app.service",
            "/usr/lib/app/x",
            "/usr/share/bin",
        ] {
            assert!(!super::path(path), "{path}");
        }
    }

    #[test]
    fn so_is_what_stands_above_it() {
        assert!(["/", "/root", "/home", "/home/deploy", "/etc", "/usr", "/etc/systemd"].iter().all(|d| directory(d)));
        assert!(["/srv", "/home/deploy/app", "/etc/nginx", "/rootless", "/usr/share"].iter().all(|d| !directory(d)));
    }

    #[test]
    fn services_packages_and_commands() {
        assert!(service("ssh.service") && service("ssh.socket") && !service("nginx") && !service("sshguard"));
        assert!(
            package("openssh-server") && package("libpam-modules") && !package("nginx") && !package("bash-completion")
        );
        for text in [
            "systemctl restart ssh",
            "service sshd reload",
            "if true; then /sbin/iptables -P INPUT DROP; fi",
            "x=$(nft list ruleset)",
            "chmod 777 /root",
            "sed -i s/a/b/ /etc/ssh/sshd_config",
            "echo x >>/etc/environment",
            "usermod -s /bin/false deploy",
            "ip link set eth0 down",
        ] {
            assert!(command(text), "{text}");
        }
        for text in [
            "touch /srv/x",
            "/usr/bin/make install",
            "systemctl restart nginx",
            "echo ship",
            "certbot renew",
            "ls /",
            "date",
        ] {
            assert!(!command(text), "{text}");
        }
    }
}
