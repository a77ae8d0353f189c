//! Hosts that are not as most are.

use crate::host::{Fleet, Kind};
use crate::trueup::{manifest, on, run, trueup, with_inventory};

/// A manifest with contents that are streamed, a command, a guard and a secret.
fn of_all_kinds(fleet: &Fleet) -> std::path::PathBuf {
    let files = fleet.dir().join("files");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("large"), vec![b'\0'; 200 << 10]).unwrap();
    manifest(
        fleet,
        "- hosts: all\n  resources:\n    - file: /opt/large\n      source: large\n      mode: \"0600\"\n    - file: \"/opt/it's $HOME!\"\n      content: \"a\\\\b\\n!c\\n\"\n    - exec: \"echo 'x!' >/opt/ran\"\n      unless: test -e /opt/ran\n    - exec: cat >/opt/read\n      stdin: !secret \"p'w!\\\\\"\n      creates: /opt/read\n",
    )
}

#[test]
fn whatever_the_login_shell_is() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tcsh zsh fish").text();
    let site = of_all_kinds(&fleet);
    for shell in ["bash", "tcsh", "zsh", "fish"] {
        host.sh(&format!("usermod -s $(command -v {shell}) admin; rm -rf /opt/*")).text();
        // What a shell's own start says is no answer.
        host.sh("echo 'echo hello from cshrc' >~admin/.cshrc; echo 'echo hello' | tee ~admin/.zshenv ~admin/.bashrc >/dev/null; mkdir -p ~admin/.config/fish; echo 'echo hello' >~admin/.config/fish/config.fish").text();
        let inventory = fleet.dir().join("admin.ini");
        std::fs::write(&inventory, format!("web1 ansible_host={} ansible_user=admin\n", host.address)).unwrap();
        let inventory = inventory.display().to_string();
        let with = |command: &str, more: &[&str]| {
            with_inventory(&fleet, command, &site, &inventory, &[&["--become"], more].concat())
        };
        with("apply", &["--yes"]).code(0);
        with("plan", &[]).code(0);
        assert_eq!(
            host.sh("cd /opt; stat -c %s large; cat 'it'\\''s $HOME!' ran read").text(),
            "204800\na\\b\n!c\nx!\np'w!\\",
            "{shell}"
        );
    }
}

#[test]
fn two_projects_on_one_host_leave_each_other_alone() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let project = |name: &str, text: &str| {
        let dir = fleet.dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("trueup.toml"), format!("[project]\nname = \"{name}\"\n")).unwrap();
        std::fs::write(dir.join("site.yml"), format!("- hosts: all\n  resources:\n{text}")).unwrap();
        dir.join("site.yml")
    };
    let base = project("base", "    - directory: /srv/shared\n    - file: /srv/shared/base\n      content: base\n");
    let app = project("app", "    - directory: /srv/shared\n    - file: /srv/shared/app\n      content: app\n");
    trueup(&fleet, "apply", &base, &["--yes"]).code(0);
    trueup(&fleet, "apply", &app, &["--yes"]).code(0);
    // What one project has no more is its own to remove, and nothing of the other.
    let app = project("app", "    - file: /srv/other\n      content: app\n");
    let plan = trueup(&fleet, "plan", &app, &[]).code(2);
    assert!(
        plan.stdout.contains("file[/srv/shared/app]") && !plan.stdout.contains("/srv/shared/base"),
        "{}",
        plan.stdout
    );
    trueup(&fleet, "apply", &app, &["--yes", "--prune"]).code(0);
    let host = fleet.host("web1");
    assert_eq!(host.sh("ls /srv/shared; cat /srv/other").text(), "base\napp");
    trueup(&fleet, "plan", &base, &[]).code(0);
    // Both at once: one waits for the other, or is told.
    let outputs = std::thread::scope(|scope| {
        let both: Vec<_> = [&base, &app]
            .map(|site| scope.spawn(|| trueup(&fleet, "apply", site, &["--yes", "--lock-timeout", "60"])))
            .into_iter()
            .collect();
        both.into_iter().map(|t| t.join().unwrap().code).collect::<Vec<_>>()
    });
    assert_eq!(outputs, [0, 0]);
}

#[test]
fn a_package_manager_that_is_busy_is_waited_for_and_accounts_are_many() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("i=3000; while [ $i -lt 8000 ]; do echo \"u$i:x:$i:$i:Ünï \\\"quoted\\\" & %s \\\\ 'gecos',,,:/nonexistent:/usr/sbin/nologin\"; i=$((i + 1)); done >>/etc/passwd; i=3000; while [ $i -lt 8000 ]; do echo \"u$i:x:$i:\"; i=$((i + 1)); done >>/etc/group").text();
    let site = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - user: u3001\n      comment: new \"name\" & more\n    - user: u7999\n    - package: tree\n    - user: mary\n      groups: [u3001, u3002]\n",
    );
    // As unattended-upgrades would hold it, until the run is under way.
    let before = host.sh("getent passwd u3001").text();
    trueup(&fleet, "plan", &site, &[]).code(2);
    host.sh("flock /var/lib/dpkg/lock-frontend sh -c 'touch /srv/held; until [ -e /var/lib/trueup/lock ] || [ -L /var/lib/trueup/lock ]; do sleep 0.1; done; sleep 3' >/dev/null 2>&1 </dev/null & until [ -e /srv/held ]; do sleep 0.1; done").text();
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
    assert_eq!(
        host.sh("getent passwd u3001 | cut -d: -f5; id -nG mary").text(),
        "new \"name\" & more\nmary u3001 u3002"
    );
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(host.sh("getent passwd u3001").text(), before);
}

#[test]
fn a_clock_that_jumps_and_a_name_that_changes_while_a_run_goes_on_do_no_harm() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("box", Kind::Busybox)]);
    let site = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - file: /etc/one\n      content: one\n    - exec: hostname other-name\n      creates: /etc/renamed\n    - exec: \"hostname other-name; touch -d '2001-01-01' /etc/one /etc/renamed\"\n      unless: test -e /etc/renamed\n    - file: /etc/two\n      content: two\n",
    );
    trueup(&fleet, "apply", &site, &["--yes"]);
    for host in fleet.hosts() {
        assert_eq!(host.sh("cat /etc/one /etc/two; hostname").text(), "onetwoother-name", "{}", host.name);
    }
    trueup(&fleet, "plan", &site, &[]).code(0);
    on(&fleet, &["rollback", "last", "--yes"]);
    for host in fleet.hosts() {
        assert_eq!(host.sh("ls /etc/one /etc/two 2>/dev/null | wc -l").text().trim(), "0", "{}", host.name);
    }
}

#[test]
fn a_host_that_has_ipv6_alone() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let number = host.address.replace("198.18.", "").replace('.', ":");
    let address = format!("fd74:7275::{number}");
    host.sh(&format!("ip -6 address add {address}/64 dev host0 nodad; ip -4 address flush dev host0")).text();
    let site = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - firewall: base\n      policy: drop\n      allow:\n        - { port: 22, from: \"fd74:7275::/64\" }\n        - { protocol: icmpv6 }\n    - file: /srv/f\n      content: x\n",
    );
    let inventory = fleet.dir().join("six.ini");
    std::fs::write(&inventory, format!("web1 ansible_host={address} ansible_user=root\n")).unwrap();
    let with = |command: &str, more: &[&str]| {
        let mut args = vec![command.to_owned(), site.display().to_string()];
        args.extend(["-i".to_owned(), inventory.display().to_string()]);
        args.extend(["--known-hosts".to_owned(), fleet.dir().join("known_six").display().to_string()]);
        args.extend(["--private-key".to_owned(), fleet.key().display().to_string()]);
        args.extend(more.iter().map(|a| (*a).to_owned()));
        run(&args)
    };
    let plan = with("plan", &["--accept-new"]).code(2);
    assert!(!plan.stdout.contains("will be refused"), "{}", plan.stdout);
    with("apply", &["--yes"]).code(0);
    with("plan", &[]).code(0);
}

#[test]
fn a_host_behind_two_bastions_each_with_a_user_of_its_own() {
    let fleet = Fleet::up(&[("outer", Kind::Debian), ("inner", Kind::Debian), ("web1", Kind::Debian)]);
    let (outer, inner, web) = (fleet.host("outer"), fleet.host("inner"), fleet.host("web1"));
    let only_from = |host: &crate::host::Host, address: &str| {
        host.sh(&format!("nft 'add table inet door; add chain inet door in {{ type filter hook input priority 0; }}; add rule inet door in tcp dport 22 ip saddr != {address} drop'")).text();
    };
    only_from(inner, &outer.address);
    only_from(web, &inner.address);
    let site = of_all_kinds(&fleet);
    let place = format!("web1 ansible_host={} ansible_user=admin ansible_become=true", web.address);
    let config = fleet.dir().join("two_config");
    std::fs::write(
        &config,
        format!(
            "Host out\n  HostName {}\n  User nosudo\nHost in\n  HostName {}\n  User admin\n  ProxyJump out\nHost {}\n  ProxyJump in\n",
            outer.address, inner.address, web.address
        ),
    )
    .unwrap();
    let jump = format!("-J nosudo@{},admin@{}", outer.address, inner.address);
    for (args, config) in [
        (String::new(), config.display().to_string()),
        (format!(" ansible_ssh_common_args='{jump}'"), "none".to_owned()),
    ] {
        let inventory = fleet.dir().join("two.ini");
        std::fs::write(&inventory, format!("{place}{args}\n")).unwrap();
        let inventory = inventory.display().to_string();
        let with = |command: &str, more: &[&str]| {
            with_inventory(&fleet, command, &site, &inventory, &[&["--ssh-config", &config], more].concat())
        };
        web.sh("rm -rf /opt/*").text();
        with("apply", &["--yes"]).code(0);
        with("plan", &[]).code(0);
    }
    assert_eq!(outer.sh("journalctl -q -u ssh | grep -c 'Accepted publickey for nosudo'; true").text(), "4");
}

/// A file system of the group's own limit, as a quota is: writing fails in the middle, with room left for others.
#[test]
fn a_user_whose_quota_is_used_up() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    host.sh("mkdir /srv/q; mount -t tmpfs -o size=256k tmpfs /srv/q; chown admin /srv/q; head -c 230k /dev/zero >/srv/q/ballast; echo old >/srv/q/f").text();
    let large = "x".repeat(60_000);
    let site = manifest(
        &fleet,
        &format!(
            "- hosts: all\n  resources:\n    - file: /srv/q/f\n      content: \"{large}\"\n    - file: /srv/q/small\n      content: y\n    - file: /srv/beside\n      content: z\n"
        ),
    );
    let said = trueup(&fleet, "apply", &site, &["--yes"]).code(3);
    assert!(said.stdout.contains("is its file system full?"), "{}", said.stdout);
    assert_eq!(host.sh("cat /srv/q/f /srv/q/small /srv/beside; ls -A /srv/q").text(), "old\nyzballast\nf\nsmall");
}

#[test]
fn units_by_odd_names() {
    let fleet = Fleet::up(&[("web1", Kind::Debian)]);
    let host = fleet.host("web1");
    let site = manifest(
        &fleet,
        r#"- hosts: all
  resources:
    - file: /etc/systemd/system/esc@.service
      content: "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
    - service: esc@a\x2db.c:d
      state: running
      enabled: true
      subscribe: file[/etc/systemd/system/esc@.service]
    - service: esc@plain.service
      state: running
"#,
    );
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    trueup(&fleet, "plan", &site, &[]).code(0);
    assert_eq!(
        host.sh(
            r"systemctl is-active 'esc@a\x2db.c:d' esc@plain; ls /etc/systemd/system/multi-user.target.wants | grep esc"
        )
        .text(),
        "active\nactive\nesc@a\\x2db.c:d.service"
    );
    on(&fleet, &["rollback", "last", "--yes"]).code(0);
    assert_eq!(
        host.sh(r"systemctl is-active 'esc@a\x2db.c:d' esc@plain; ls /etc/systemd/system | grep -c esc; true").text(),
        "inactive\ninactive\n0"
    );
}
