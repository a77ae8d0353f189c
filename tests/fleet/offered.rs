//! Packages of a test's own, made on the host and offered to apt there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::host::Host;

/// What lies in a package. Paths are absolute.
#[derive(Debug, Clone, Default)]
pub struct Offered {
    pub name: String,
    pub version: String,
    /// More fields of its control file, such as `Depends: other`.
    pub fields: Vec<String>,
    /// Path and text. What lies in `/etc` is a configuration file, what lies in `/usr/bin` can be run.
    pub files: Vec<(String, String)>,
    /// Name (such as `postinst`) and text.
    pub scripts: Vec<(String, String)>,
}

/// Makes the packages, and has apt know of them.
#[track_caller]
pub fn offer(host: &Host, packages: &[Offered]) {
    for (n, package) in packages.iter().enumerate() {
        let tree = host.root.join(format!("srv/packages/tree.{n}"));
        package.write(&tree);
    }
    let build = r#"set -e
cd /srv/packages
for tree in tree.*; do
  chmod 0755 "$tree"
  f=$(dpkg-deb --root-owner-group --build "$tree" . | sed "s/.* in '\(.*\)'\.$/\1/")
  { echo; dpkg-deb -f "$f"; echo "Filename: $f"; echo "Size: $(stat -c %s "$f")"
    echo "SHA256: $(sha256sum "$f" | cut -d' ' -f1)"; } >>Packages
  rm -rf "$tree"
done
apt-get update -qq
"#;
    host.sh(build).text();
}

impl Offered {
    fn write(&self, tree: &Path) {
        let write = |path: &str, text: &str, mode: u32| {
            let path = tree.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("a folder")).expect("the package's folder");
            fs::write(&path, text).expect("the package's file");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        };
        let mut control = format!(
            "Package: {}\nVersion: {}\nArchitecture: all\nMaintainer: fleet <root@localhost>\nDescription: {0}\n",
            self.name, self.version
        );
        for field in &self.fields {
            control.push_str(&format!("{field}\n"));
        }
        write("DEBIAN/control", &control, 0o644);
        let mut configuration = String::new();
        for (path, text) in &self.files {
            if path.starts_with("/etc/") {
                configuration.push_str(&format!("{path}\n"));
            }
            write(path, text, if path.starts_with("/usr/bin/") { 0o755 } else { 0o644 });
        }
        write("DEBIAN/conffiles", &configuration, 0o644);
        for (name, text) in &self.scripts {
            write(&format!("DEBIAN/{name}"), text, 0o755);
        }
    }
}
