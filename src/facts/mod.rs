//! What a host is: gathered by a script of plain `sh`, read into types.
//!
//! Facts are canonical: lists are sorted and hold nothing twice, an address has one spelling, a thing one word. So the
//! facts of a host that has not changed are equal, whichever tools and files they were read with.

mod bounds;
mod custom;
mod mounts;
mod network;
mod os;
pub mod parse;
#[cfg(test)]
mod tests;
mod virtualization;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of one host. In templates it stands under `facts`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Facts {
    /// The name up to the first dot.
    pub hostname: String,
    /// The full name, where `/etc/hosts` or the kernel has one; else the hostname. No name server is asked.
    pub fqdn: String,
    /// The machine's architecture as `uname -m` has it: `x86_64`, `aarch64`.
    pub arch: String,
    /// The kernel's release as `uname -r` has it.
    pub kernel: String,
    /// Processors online.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Seconds since boot.
    pub uptime_s: u64,
    /// `none`, or what the host runs in as systemd-detect-virt(1) names it: `kvm`, `systemd-nspawn`, `docker`, …;
    /// `unknown` where it cannot be told.
    pub virtualization: String,
    /// Another after each boot; empty where the host has none.
    pub boot_id: String,
    /// Whether the host says that it wants a reboot.
    pub reboot_required: bool,
    pub os: Os,
    /// Who the connection runs as.
    pub user: User,
    /// How packages are managed.
    pub package_manager: PackageManager,
    /// The machine's architecture as the names of packages have it: `amd64` for apt, `x86_64` for dnf and apk.
    pub package_arch: String,
    /// How services are managed.
    pub init_system: InitSystem,
    pub network: Network,
    /// File systems that hold files, by path; the kernel's own and those in memory are left out, and so is one that
    /// another hides.
    pub mounts: Vec<Mount>,
    /// The connection that this run came through, where it is SSH.
    pub ssh_connection: Option<SshConnection>,
    /// Programs that a step may make use of where they are there.
    pub tools: Tools,
    /// What the host's own executables and `*.json` files in `/etc/trueup/facts.d` say, by file name without its
    /// extension. An executable prints JSON, at most 64 KiB, within 10 s; it runs whenever facts are gathered, and so must
    /// not change anything. A broken one is a warning.
    pub custom: serde_json::Map<String, serde_json::Value>,
}

/// The operating system, as `/etc/os-release` has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Os {
    /// `debian`, `ubuntu`, `fedora`, `alpine`, …
    pub id: String,
    pub version: String,
    pub codename: String,
    /// `debian`, `redhat`, `alpine`, `suse`, `arch`, or the id itself.
    pub family: String,
    /// The name for people.
    pub name: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PackageManager {
    Apt,
    Dnf,
    Apk,
    #[default]
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InitSystem {
    Systemd,
    Openrc,
    #[default]
    None,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Network {
    /// The interface of the default route.
    pub default_interface: Option<String>,
    /// The address that the default route leaves from: the route's own source, or else the interface's first address in
    /// the network of the gateway.
    pub default_ipv4: Option<String>,
    /// By name.
    pub interfaces: Vec<Interface>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Interface {
    pub name: String,
    pub mac: Option<String>,
    pub up: bool,
    /// Addresses with their prefix, lowest first: `10.0.0.5/24`.
    pub ipv4: Vec<String>,
    pub ipv6: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Mount {
    pub path: String,
    pub device: String,
    pub fstype: String,
    /// By name.
    pub options: Vec<String>,
}

/// The two ends of the SSH connection, as the host sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SshConnection {
    pub client_address: String,
    pub client_port: u16,
    pub server_address: String,
    pub server_port: u16,
}

/// Whether a program is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Tools {
    pub gzip: bool,
    pub nft: bool,
    pub timeout: bool,
    pub useradd: bool,
    /// Busybox's, or Debian's.
    pub adduser: bool,
    pub visudo: bool,
}

/// A user of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct User {
    pub name: String,
    pub uid: u32,
}

impl Facts {
    /// Those of a plain Debian host, for checking what is written without a host at hand.
    pub fn sample() -> Self {
        let text = |s: &str| s.to_owned();
        Self {
            hostname: text("sample"),
            fqdn: text("sample.example"),
            arch: text("x86_64"),
            kernel: text("6.1.0"),
            cpus: 2,
            memory_mb: 4096,
            uptime_s: 3600,
            virtualization: text("none"),
            boot_id: text("00000000-0000-0000-0000-000000000000"),
            reboot_required: false,
            os: Os {
                id: text("debian"),
                version: text("12"),
                codename: text("bookworm"),
                family: text("debian"),
                name: text("Debian GNU/Linux 12 (bookworm)"),
            },
            user: User { name: text("root"), uid: 0 },
            package_manager: PackageManager::Apt,
            package_arch: text("amd64"),
            init_system: InitSystem::Systemd,
            network: Network {
                default_interface: Some(text("eth0")),
                default_ipv4: Some(text("192.0.2.10")),
                interfaces: vec![Interface {
                    name: text("eth0"),
                    mac: Some(text("00:00:5e:00:53:01")),
                    up: true,
                    ipv4: vec![text("192.0.2.10/24")],
                    ipv6: vec![],
                }],
            },
            mounts: vec![],
            ssh_connection: None,
            tools: Tools { gzip: true, nft: true, timeout: true, useradd: true, adduser: true, visudo: true },
            custom: serde_json::Map::new(),
        }
    }
}
