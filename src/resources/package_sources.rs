//! Where package managers read what they fetch packages from. Files there decide what packages there are to be had.

use super::attributes::is_at_or_below;
use super::difference::Brings;

const FOLDERS: &[&str] = &["/etc/apt", "/etc/yum.repos.d", "/etc/dnf", "/etc/apk"];

/// Whether what stands at a path says where packages come from.
pub(super) fn is_one(path: &str) -> bool {
    FOLDERS.iter().any(|top| is_at_or_below(path, top))
}

/// What a change at a path brings besides: by other sources, other packages are to be had.
pub(super) fn brings(path: &str) -> Brings {
    if is_one(path) { Brings::Below(path.to_owned()) } else { Brings::Nothing }
}
