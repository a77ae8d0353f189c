//! Mounted file systems, from `/proc/self/mounts`. Source: fstab(5), proc_pid_mounts(5).

use super::Mount;
use super::bounds::{MANY, clipped};
use std::collections::{BTreeMap, BTreeSet};

/// File systems that hold no one's files.
const PSEUDO: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

pub(super) fn mounts(text: &str) -> Vec<Mount> {
    // Of several on one path, the last hides the others.
    let by_path: BTreeMap<String, Mount> =
        text.lines().filter_map(mount).take(MANY).map(|m| (m.path.clone(), m)).collect();
    by_path.into_values().collect()
}

fn mount(line: &str) -> Option<Mount> {
    let mut fields = line.split(' ');
    let (device, path, fstype, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let options = || options.split(',').filter(|o| !o.is_empty()).take(MANY).map(unescaped).collect::<BTreeSet<_>>();
    (!PSEUDO.contains(&fstype)).then(|| Mount {
        path: unescaped(path),
        device: unescaped(device),
        fstype: clipped(fstype),
        options: options().into_iter().collect(),
    })
}

/// White space, `\` and `#` stand as three octal digits after a backslash.
fn unescaped(text: &str) -> String {
    let mut out = vec![];
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    clipped(&String::from_utf8_lossy(&out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_file_systems_are_kept_and_their_names_made_plain() {
        let text = "proc /proc proc rw,relatime 0 0\n/dev/vda1 / ext4 rw,discard 0 0\n\
            //nas/a\\040b /mnt/it\\134040s\\011\\043 cifs rw 0 0\ntmpfs /run tmpfs rw 0 0\nshort\n";
        let found = mounts(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].options, ["discard", "rw"]);
        assert_eq!((found[1].device.as_str(), found[1].path.as_str()), ("//nas/a b", "/mnt/it\\040s\t#"));
    }
    #[test]
    fn the_order_of_mounting_makes_no_difference_but_what_is_hidden_is_left_out() {
        let (root, data) = ("/dev/vda1 / ext4 rw,discard 0 0\n", "/dev/vdb /data xfs discard,rw,rw,a\\040b 0 0\n");
        let one = mounts(&[root, data].concat());
        assert_eq!(one, mounts(&[data, root].concat()));
        assert_eq!(one[1].options, ["a b", "discard", "rw"]);
        let hidden = mounts(&[data, root, "/dev/vdc /data ext4 ro 0 0\n"].concat());
        assert_eq!(hidden.iter().map(|m| m.device.as_str()).collect::<Vec<_>>(), ["/dev/vda1", "/dev/vdc"]);
    }
}
