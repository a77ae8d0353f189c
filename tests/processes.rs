//! What a plan costs a host: the number of processes grows with the types of resources, not with their number.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

const TOOLS: &[&str] = &[
    "stat",
    "sha256sum",
    "readlink",
    "head",
    "wc",
    "dpkg-query",
    "apt-cache",
    "systemctl",
    "getent",
    "cat",
    "sysctl",
    "nft",
    "find",
    "uname",
    "id",
    "ip",
    "tr",
    "grep",
];

/// A folder of programs that note that they were run, and then run what they stand for.
fn counting(dir: &Path) -> std::path::PathBuf {
    let bin = dir.join("bin");
    std::fs::create_dir(&bin).unwrap();
    for tool in TOOLS {
        let text = format!(
            "#!/bin/bash\necho {tool} >>{log}\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
             if command -v {tool} >/dev/null; then exec {tool} \"$@\"; fi\nexit 127\n",
            log = dir.join("log").display()
        );
        let path = bin.join(tool);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    bin
}

/// How often each tool ran in a plan of so many resources of each of four types.
fn plan(count: usize) -> (BTreeMap<String, usize>, u64) {
    let dir = tempfile::tempdir().unwrap();
    let bin = counting(dir.path());
    let site = format!(
        "- hosts: localhost\n  resources:\n    - file: /srv/none/{{{{ item }}}}\n      state: absent\n      for_each: \"{{{{ range({count}) }}}}\"\n    \
         - user: nobody{{{{ item }}}}\n      state: absent\n      for_each: \"{{{{ range({count}) }}}}\"\n    \
         - cron: job-{{{{ item }}}}\n      state: absent\n      for_each: \"{{{{ range({count}) }}}}\"\n    \
         - symlink: /srv/none/l{{{{ item }}}}\n      state: absent\n      for_each: \"{{{{ range({count}) }}}}\"\n"
    );
    let manifest = dir.path().join("site.yml");
    std::fs::write(&manifest, site).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new(env!("CARGO_BIN_EXE_trueup"))
        .args(["plan", "--json"])
        .arg(&manifest)
        .env("PATH", path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["hosts"][0]["plan"]["in_line"], count * 4);
    let mut counts = BTreeMap::new();
    for tool in std::fs::read_to_string(dir.path().join("log")).unwrap().lines() {
        *counts.entry(tool.to_owned()).or_insert(0) += 1;
    }
    (counts, json["hosts"][0]["round_trips"].as_u64().unwrap())
}

#[test]
fn more_resources_cost_no_more_processes_and_no_more_round_trips() {
    let (few, trips) = plan(5);
    let (many, more_trips) = plan(200);
    assert_eq!(few, many);
    assert_eq!((trips, more_trips), (2, 2));
    assert!(few.contains_key("stat") && few.values().sum::<usize>() < 40, "{few:?}");
}
