//! What an operator comes in by: files and services that, when wrong, lock everybody out.

/// Folders and files, with all that is below them.
const PATHS: &[&str] = &[
    "/etc/ssh",
    "/etc/dropbear",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/pam.d",
    "/etc/pam.conf",
    "/etc/security",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/sssd",
    "/etc/hosts.allow",
    "/etc/hosts.deny",
    "/etc/network",
    "/etc/netplan",
    "/etc/systemd/network",
    "/etc/NetworkManager",
    "/etc/sysconfig/network-scripts",
    "/etc/resolv.conf",
    "/etc/wireguard",
    "/etc/nftables.conf",
    "/etc/nftables.d",
    "/etc/iptables",
    "/etc/ufw",
    "/etc/firewalld",
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

/// Whether this file, directory or link is part of a way in.
pub fn path(path: &str) -> bool {
    let below = |top: &str| path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    PATHS.iter().any(|top| below(top)) || path.contains("/.ssh/") || path.ends_with("/.ssh")
}

pub fn service(name: &str) -> bool {
    let name = name.strip_suffix(".service").or(name.strip_suffix(".socket")).unwrap_or(name);
    SERVICES.contains(&name) || name.starts_with("wg-quick@")
}

/// Packages that a way in consists of; removing one closes it.
pub fn package(name: &str) -> bool {
    matches!(
        name,
        "openssh-server" | "dropbear" | "dropbear-bin" | "sudo" | "ifupdown" | "network-manager" | "netplan.io"
    )
}

/// Kernel parameters that decide what comes through.
pub fn sysctl(name: &str) -> bool {
    name.starts_with("net.") || name.starts_with("net/")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_way_in_is_known_and_its_neighbours_are_not_taken_for_one() {
        for path in
            ["/etc/ssh/sshd_config", "/etc/sudoers", "/etc/sudoers.d/x", "/root/.ssh/authorized_keys", "/home/a/.ssh"]
        {
            assert!(super::path(path), "{path}");
        }
        for path in ["/etc/sshx", "/etc/ssh_other/config", "/srv/ssh", "/etc/hosts"] {
            assert!(!super::path(path), "{path}");
        }
        assert!(super::service("ssh.service") && super::service("ssh.socket") && !super::service("nginx"));
    }
}
