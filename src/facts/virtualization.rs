//! What a host runs in, told from what it shows of its hardware where `systemd-detect-virt` is not there to say.
//!
//! The names are those of systemd-detect-virt(1), so that a host's answer does not hang on its init system.

/// What a host shows; each empty where it shows nothing.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// `systemd-detect-virt`'s answer.
    pub told: String,
    /// The container's kind, as the container itself has it.
    pub container: String,
    /// The DMI table's vendor.
    pub vendor: String,
    /// The DMI table's product.
    pub product: String,
    /// The clocks that the kernel could use; each hypervisor has one of its own.
    pub clocks: String,
}

/// A part of the vendor or product, and what it stands for.
const MAKERS: &[(&str, &str)] = &[
    ("KVM", "kvm"),
    ("OpenStack", "kvm"),
    ("KubeVirt", "kvm"),
    ("Amazon EC2", "amazon"),
    ("Google Compute Engine", "google"),
    ("VMware", "vmware"),
    ("VMW", "vmware"),
    ("innotek GmbH", "oracle"),
    ("VirtualBox", "oracle"),
    ("Xen", "xen"),
    ("Bochs", "bochs"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Hyper-V", "microsoft"),
    ("Virtual Machine", "microsoft"),
    ("Apple Virtualization", "apple"),
];

/// The kinds of containers that have a name of their own.
const CONTAINERS: &[&str] =
    &["docker", "lxc", "lxc-libvirt", "openvz", "podman", "pouch", "proot", "rkt", "systemd-nspawn", "wsl"];

pub(super) fn of(shown: &Shown) -> String {
    if !shown.told.is_empty() {
        return shown.told.clone();
    }
    if !shown.container.is_empty() {
        let known = CONTAINERS.iter().find(|name| **name == shown.container);
        return known.map_or_else(|| "container-other".to_owned(), |name| (*name).to_owned());
    }
    let has = |part: &str| shown.vendor.contains(part) || shown.product.contains(part);
    let metal = has("Amazon EC2") && shown.product.contains(".metal");
    let maker = MAKERS.iter().find(|(part, _)| !metal && has(part)).map(|(_, name)| *name);
    let clock = |name: &str| shown.clocks.split_whitespace().any(|c| c == name);
    let name = match maker {
        Some(name) => name,
        None if clock("kvm-clock") => "kvm",
        None if clock("xen") => "xen",
        // QEMU's own table says nothing of who runs it.
        None if has("QEMU") => "qemu",
        None if shown.vendor.is_empty() && shown.product.is_empty() => "unknown",
        None => "none",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_tells_what_a_host_runs_in() {
        let cases = [
            (["", "", "", "", ""], "unknown"),
            (["none", "", "QEMU", "", ""], "none"),
            (["", "lxc", "Dell Inc.", "PowerEdge", "tsc hpet"], "lxc"),
            (["", "my-own", "Dell Inc.", "PowerEdge", "tsc hpet"], "container-other"),
            (["", "", "Dell Inc.", "PowerEdge", "tsc hpet acpi_pm"], "none"),
            (["", "", "QEMU", "Standard PC (Q35 + ICH9, 2009)", "kvm-clock tsc acpi_pm"], "kvm"),
            (["", "", "QEMU", "Standard PC (Q35 + ICH9, 2009)", "tsc acpi_pm"], "qemu"),
            (["", "", "innotek GmbH", "VirtualBox", "kvm-clock tsc"], "oracle"),
            (["", "", "Microsoft Corporation", "Virtual Machine", ""], "microsoft"),
            (["", "", "Microsoft Corporation", "Surface Laptop", "tsc"], "none"),
            (["", "", "Amazon EC2", "t3.micro", "kvm-clock tsc"], "amazon"),
            (["", "", "Amazon EC2", "m5.metal", "tsc"], "none"),
            (["", "", "VMware, Inc.", "VMware Virtual Platform", ""], "vmware"),
        ];
        for ([told, container, vendor, product, clocks], name) in cases {
            let [told, container, vendor, product, clocks] =
                [told, container, vendor, product, clocks].map(str::to_owned);
            let shown = Shown { told, container, vendor, product, clocks };
            assert_eq!(of(&shown), name, "{shown:?}");
        }
    }
}
