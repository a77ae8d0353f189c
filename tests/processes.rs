//! What a plan costs a host: the number of processes grows with the types of resources, not with their number.

mod here;

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
    "sync",
    "mv",
    "chmod",
    "chown",
    "cp",
    "rm",
    "awk",
    "xargs",
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

/// What a plan cost.
struct Cost {
    /// How often each tool ran.
    processes: BTreeMap<String, usize>,
    round_trips: u64,
    bytes_sent: u64,
}

/// The first and the second plan of so many resources of each of four types.
fn plans(count: usize) -> [Cost; 2] {
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
    [(); 2].map(|()| plan(dir.path(), &manifest, &path, count * 4))
}

fn plan(dir: &Path, manifest: &Path, path: &str, count: usize) -> Cost {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
    command.args(["plan", "--json"]).arg(manifest).env("PATH", path).env("XDG_CACHE_HOME", dir);
    let (cost, json) = cost(&mut command, dir);
    assert_eq!(json["hosts"][0]["plan"]["in_line"], count);
    cost
}

fn cost(command: &mut Command, dir: &Path) -> (Cost, serde_json::Value) {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut counts = BTreeMap::new();
    for tool in std::fs::read_to_string(dir.join("log")).unwrap().lines() {
        *counts.entry(tool.to_owned()).or_insert(0) += 1;
    }
    std::fs::remove_file(dir.join("log")).unwrap();
    let number = |name: &str| json["hosts"][0][name].as_u64().unwrap();
    let cost = Cost { processes: counts, round_trips: number("round_trips"), bytes_sent: number("bytes_sent") };
    (cost, json)
}

#[test]
fn more_resources_cost_no_more_processes_and_no_more_round_trips() {
    let few = plans(5);
    let many = plans(200);
    for (few, many) in few.iter().zip(&many) {
        assert_eq!(few.processes, many.processes);
        assert_eq!(few.round_trips, many.round_trips);
        assert!(
            few.processes.contains_key("stat") && few.processes.values().sum::<usize>() < 40,
            "{:?}",
            few.processes
        );
    }
    // Once the facts are known, they travel with the probe.
    assert_eq!(many.each_ref().map(|c| c.round_trips), [2, 1]);
    assert_eq!(few[0].processes, few[1].processes);
    // The scripts around the questions are sent twice or once; a question costs its names and little more.
    let each = (many[1].bytes_sent - few[1].bytes_sent) / (4 * 195);
    assert!(few[1].bytes_sent < 40_000 && each < 60, "{} bytes, {each} more a resource", few[1].bytes_sent);
}

/// A plan on a host that has made so many files before, half of which left the manifest.
fn with_a_ledger(count: usize) -> Cost {
    let dir = tempfile::tempdir().unwrap();
    let manifest = dir.path().join("site.yml");
    let site = |count: usize| {
        let out = dir.path().join("out").display().to_string();
        let site = format!(
            "- hosts: localhost\n  resources:\n    - directory: {out}\n    - file: {out}/{{{{ item }}}}\n      state: empty\n      for_each: \"{{{{ range({count}) }}}}\"\n"
        );
        std::fs::write(&manifest, site).unwrap();
    };
    site(count);
    assert!(here::trueup(dir.path()).args(["apply", "--yes"]).arg(&manifest).status().unwrap().success());
    let bin = counting(dir.path());
    site(count / 2);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let cost = cost(here::trueup(dir.path()).args(["plan", "--json"]).arg(&manifest).env("PATH", path), dir.path());
    assert_eq!(cost.1["hosts"][0]["plan"]["orphans"].as_array().unwrap().len(), count - count / 2);
    cost.0
}

#[test]
fn what_left_the_manifest_costs_no_process_and_no_round_trip() {
    let (few, many) = (with_a_ledger(4), with_a_ledger(200));
    assert_eq!(few.processes, many.processes);
    assert_eq!((few.round_trips, many.round_trips), (1, 1));
}

#[test]
fn a_file_that_is_in_line_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let bin = counting(dir.path());
    let contents: Vec<u8> = (0..5_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::create_dir(dir.path().join("files")).unwrap();
    for name in ["files/large", "there"] {
        std::fs::write(dir.path().join(name), &contents).unwrap();
    }
    let there = dir.path().join("there");
    let manifest = dir.path().join("site.yml");
    let site = format!("- hosts: localhost\n  resources:\n    - file: {}\n      source: large\n", there.display(),);
    std::fs::write(&manifest, site).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let costs = [(); 2].map(|()| plan(dir.path(), &manifest, &path, 1));
    assert_eq!(costs.each_ref().map(|c| c.round_trips), [2, 1]);
    for cost in costs {
        assert!(cost.bytes_sent < 100_000, "{} bytes", cost.bytes_sent);
        assert_eq!(cost.processes["sha256sum"], 1, "{:?}", cost.processes);
    }
}

/// What each of many new files of one directory costs a host: its journal and its contents on the disk, and its name.
/// Nothing is looked at or hashed file by file.
#[test]
fn a_new_file_costs_two_processes() {
    let processes = |count: usize| {
        let dir = tempfile::tempdir().unwrap();
        let bin = counting(dir.path());
        let out = dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let files: String = (0..count)
            .map(|n| format!("    - file: {}/f{n}\n      content: \"{n}\"\n      mode: \"0644\"\n", out.display()))
            .collect();
        std::fs::write(dir.path().join("site.yml"), format!("- hosts: localhost\n  resources:\n{files}")).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let ran = here::trueup(dir.path()).args(["apply", "--yes"]).env("PATH", path).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), count);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for tool in std::fs::read_to_string(dir.path().join("log")).unwrap().lines() {
            *counts.entry(tool.to_owned()).or_default() += 1;
        }
        counts
    };
    // For a later rollback they are looked at in forty groups, however many they are.
    let (few, many) = (processes(40), processes(80));
    let more: BTreeMap<&str, usize> = many
        .iter()
        .map(|(tool, count)| (tool.as_str(), count - few.get(tool).copied().unwrap_or_default()))
        // A watch over what steps say looks every two seconds.
        .filter(|(tool, count)| *count > 0 && *tool != "find")
        .collect();
    assert_eq!(more, BTreeMap::from([("mv", 40), ("sync", 40)]));
}
