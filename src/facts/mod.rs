//! What a host is: gathered by a script of plain `sh`, read into types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of one host. In templates it stands under `facts`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Facts {
    /// The name up to the first dot.
    pub hostname: String,
    /// The full name, where the host knows one; else the hostname.
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
    /// `none`, or what the host runs in: `kvm`, `systemd-nspawn`, `docker`, …; `unknown` where it cannot be told.
    pub virtualization: String,
    /// Another after each boot; empty where the host has none.
    pub boot_id: String,
    /// Whether the host says that it wants a reboot.
    pub reboot_required: bool,
    pub os: Os,
    /// How packages are managed.
    pub package_manager: PackageManager,
    /// How services are managed.
    pub init_system: InitSystem,
    pub network: Network,
    pub mounts: Vec<Mount>,
    /// The connection that this run came through, where it is SSH.
    pub ssh_connection: Option<SshConnection>,
    /// Programs that a step may make use of where they are there.
    pub tools: Tools,
    /// What the host's own executables and JSON files in `/etc/trueup/facts.d` say, by file name.
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
    /// The address that the default route leaves from.
    pub default_ipv4: Option<String>,
    /// In the kernel's order.
    pub interfaces: Vec<Interface>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Interface {
    pub name: String,
    pub mac: Option<String>,
    pub up: bool,
    /// Addresses with their prefix: `10.0.0.5/24`.
    pub ipv4: Vec<String>,
    pub ipv6: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Mount {
    pub path: String,
    pub device: String,
    pub fstype: String,
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
    pub visudo: bool,
}
