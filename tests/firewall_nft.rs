//! A firewall in a real kernel: what nft makes of the rules is in line with them, and what is not is told.
//!
//! It runs in namespaces of its own, with its own network and with a `/etc`, `/var/lib` and `/run` that end with it,
//! so that nothing of the machine is touched. Where that cannot be (no root, no nft), there is nothing to test.

use std::process::{Command, Output};

/// `sh -c NAMESPACE sh DIR PROGRAM…`, inside of `unshare -m -n`: 99 where the machine does not allow it.
const NAMESPACE: &str = r#"
dir=$1; shift
{
  mount --make-rprivate / && mount -t tmpfs none "$dir" || exit 99
  for d in etc var/lib; do
    mkdir -p "$dir/$d/upper" "$dir/$d/work" || exit 99
    mount -t overlay none -o "lowerdir=/$d,upperdir=$dir/$d/upper,workdir=$dir/$d/work" "/$d" || exit 99
  done
  # Another apply to this machine may be under way outside.
  rm -rf /var/lib/trueup || exit 99
  # Without it no init system is found, and none is asked to enable anything.
  mount -t tmpfs none /run && ip link set lo up || exit 99
} 2>/dev/null
exec "$@"
"#;

/// Runs a script with `$trueup` and `site.yml` at hand; `None` where the machine does not allow it.
fn inside(site: &str, script: &str) -> Option<Output> {
    let dir = tempfile::tempdir().unwrap();
    let (project, mounts) = (dir.path().join("project"), dir.path().join("mounts"));
    std::fs::create_dir(&project).unwrap();
    std::fs::create_dir(&mounts).unwrap();
    std::fs::write(project.join("site.yml"), site).unwrap();
    let output = Command::new("unshare")
        .args(["-m", "-n", "sh", "-c", NAMESPACE, "sh"])
        .arg(&mounts)
        .args(["sh", "-c", &format!("command -v nft >/dev/null || exit 99\n{script}")])
        .current_dir(&project)
        .env("trueup", env!("CARGO_BIN_EXE_trueup"))
        .env("XDG_CACHE_HOME", dir.path())
        .env("XDG_STATE_HOME", dir.path())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .ok()?;
    let is_ours = output.status.code() == Some(99) || !String::from_utf8_lossy(&output.stderr).contains("unshare:");
    (is_ours && output.status.code() != Some(99)).then_some(output)
}

/// What was printed; the script has to come to its end.
fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    out
}

/// nft prints much of this otherwise than it is written: merged, without braces, by name.
const MANY: &str = r#"
- hosts: localhost
  resources:
    - firewall: base
      policy: drop
      allow:
        - { port: 22 }
        - { protocol: icmp }
        - { protocol: icmpv6 }
        - { port: "80,80,8000-8100,8050,443/tcp", from: [10.0.0.0/8, 10.1.0.0/16, "2001:db8::/32"] }
        - { port: 53/udp, interface: "eth*" }
        - { from: 0.0.0.0/0, port: 1-65535/tcp }
        - { from: [192.0.2.0/25, 192.0.2.128/25], to: 192.0.2.1, protocol: esp }
      deny: { from: "2001:db8:bad::/48" }
    - firewall: "a title with \"quotes\", ünïcode and\na line break"
      policy: { forward: drop, output: accept }
      allow: { port: 2000/sctp, direction: output }
    - firewall: the same twice
      allow: { port: 7/tcp }
    - firewall: the same twice
      allow: { port: 7/tcp }
"#;

#[test]
fn what_nft_makes_of_the_rules_is_in_line() {
    let script = r#"
        "$trueup" plan >/dev/null; [ $? = 2 ] || { echo "no drift at first"; exit 1; }
        "$trueup" apply --yes || exit
        "$trueup" plan || exit
        nft -f /etc/trueup/firewall.nft && "$trueup" plan
    "#;
    let Some(output) = inside(MANY, script) else { return };
    assert!(text(&output).contains("localhost  in line (3 resources)"), "{}", text(&output));
}

#[test]
fn what_was_changed_by_hand_is_drift_and_mended() {
    let script = r#"
        "$trueup" apply --yes >/dev/null || exit
        drift() { "$trueup" plan; [ $? = 2 ] || { echo "no drift after: $1"; exit 1; }; "$trueup" apply --yes >/dev/null || exit; "$trueup" plan >/dev/null || exit; }
        nft add table inet other
        nft add rule inet trueup input tcp dport 4444 accept; drift "a rule of nobody's"
        nft flush chain inet trueup input; drift "a flushed chain"
        nft delete table inet trueup; drift "a deleted table"
        nft 'chain inet trueup input { policy accept; }'; drift "a policy"
        rm /etc/trueup/firewall.nft; drift "no file for the next boot"
        nft list table inet other >/dev/null || { echo "the table of others is gone"; exit 1; }
    "#;
    let Some(output) = inside(MANY, script) else { return };
    text(&output);
}

#[test]
fn a_part_of_the_resources_leaves_the_rules_of_the_rest() {
    let site = "- hosts: localhost\n  resources:\n    - { firewall: base, tags: [base], policy: drop, allow: { port: 22 } }\n    \
                - { firewall: web, tags: [web], allow: { port: 80 } }\n";
    let script = r#"
        "$trueup" plan --tags web
        "$trueup" apply --yes --tags web >/dev/null || exit
        "$trueup" plan || exit
        "$trueup" plan --tags web && "$trueup" plan --skip-tags base
    "#;
    let Some(output) = inside(site, script) else { return };
    let text = text(&output);
    // The plan of a part names all that its apply writes.
    assert!(text.contains("+ firewall[base]") && text.contains("policy drop"), "{text}");
}

#[test]
fn absent_rules_leave_nothing_behind() {
    let script = r#"
        "$trueup" apply --yes >/dev/null || exit
        sed 's/^\(    - firewall: .*\)$/\1\n      state: absent/' site.yml >absent.yml
        "$trueup" apply --yes absent.yml || exit
        "$trueup" plan absent.yml || exit
        ls /etc/trueup; nft list tables
    "#;
    let site = "- hosts: localhost\n  resources:\n    - firewall: base\n      allow: { port: 22 }\n    - firewall: web\n      allow: { port: 80 }\n";
    let Some(output) = inside(site, script) else { return };
    let text = text(&output);
    assert!(!text.contains("firewall.nft") && !text.contains("table inet trueup"), "{text}");
}
