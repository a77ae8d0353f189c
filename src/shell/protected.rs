//! What of a host belongs to the system. A mistake in a manifest is not to cost the host.

/// What a host cannot do without.
const SYSTEM: &[&str] = &[
    "bin",
    "boot",
    "dev",
    "etc",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "proc",
    "run",
    "sbin",
    "sys",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib64",
    "usr/local",
    "usr/sbin",
    "usr/share",
    "var",
    "var/lib",
    "var/log",
];

/// What holds the belongings of others.
const TOP: &[&str] = &["home", "media", "mnt", "opt", "root", "srv", "tmp", "var/cache", "var/spool", "var/tmp"];

/// What is to happen to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It goes, as a file, a link or an empty directory does.
    Remove,
    /// It goes with all that is in it.
    RemoveAll,
    /// What is in it goes, but for what is managed.
    Empty,
    /// A file or a link takes its place.
    Replace,
    /// It gets an owner or a mode, and so does all that is below it.
    ChangeAll,
}

/// Why that does not happen to this path, if it does not.
pub fn refused(path: &str, way: Way) -> Option<String> {
    let parts: Vec<_> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    let plain = parts.join("/");
    let system = parts.is_empty() || SYSTEM.contains(&plain.as_str());
    let (is_refused, what) = match way {
        Way::Remove => (system, "it is not removed"),
        Way::RemoveAll => (system || TOP.contains(&plain.as_str()), "it is not removed with all that is in it"),
        Way::Empty => (system || TOP.contains(&plain.as_str()), "it is not emptied"),
        Way::Replace => (system, "nothing takes its place"),
        Way::ChangeAll => (system, "it is not changed with all that is in it"),
    };
    is_refused.then(|| format!("/{plain} belongs to the system: {what}"))
}

#[cfg(test)]
mod tests {
    use super::{Way, refused};

    #[test]
    fn no_way_leads_to_a_host_that_is_gone() {
        for path in ["/", "/etc", "/usr/", "//usr/./lib", "/bin", "/var/lib"] {
            for way in [Way::Remove, Way::RemoveAll, Way::Empty, Way::Replace, Way::ChangeAll] {
                assert!(refused(path, way).is_some(), "{path} {way:?}");
            }
        }
        assert!(refused("/home", Way::RemoveAll).is_some() && refused("/srv", Way::Empty).is_some());
        assert!(refused("/srv", Way::ChangeAll).is_none() && refused("/srv", Way::Replace).is_none());
        for path in ["/etc/cron.d", "/srv/www", "/home/anna", "/etcetera"] {
            assert!(refused(path, Way::Empty).is_none() && refused(path, Way::RemoveAll).is_none(), "{path}");
        }
    }
}
