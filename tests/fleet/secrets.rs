//! What others on a host can see of a run, and of what it leaves behind.

use crate::host::{Fleet, Host, Kind};
use crate::trueup::{manifest, trueup};

/// Looks at every process's arguments and environment, again and again, while `act` goes on; gives all that was seen.
fn watched(host: &Host, act: impl FnOnce()) -> String {
    let look = "for p in /proc/[0-9]*; do tr '\\000' '\\n' <$p/cmdline; tr '\\000' '\\n' <$p/environ; done";
    let watch =
        format!("rm -f /run/stop; while [ ! -e /run/stop ]; do {look}; done >/run/seen 2>/dev/null; : >/run/done");
    host.sh(&format!("sh -c '{}' >/dev/null 2>&1 </dev/null &", watch.replace('\'', "'\\''"))).text();
    act();
    host.sh("touch /run/stop; while [ ! -e /run/done ]; do sleep 0.1; done; rm /run/done; sort -u /run/seen").text()
}

#[test]
fn a_secret_is_seen_by_nobody_on_the_host() {
    let fleet = Fleet::up(&[("web1", Kind::Debian), ("box", Kind::Busybox)]);
    let hash = "$6$saltsalt$hunter2qmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/";
    let text = format!(
        "\
- hosts: all
  vars: {{ hash: !secret {hash}, token: !secret hunter2 }}
  resources:
    - directory: /srv
    - file: /srv/token
      content: \"{{{{ token }}}}\"
      mode: \"0600\"
      validate: grep -q -e . -- %s && sleep 1
    - file: /srv/large
      content: \"{{{{ (token ~ ' ') * 50000 }}}}\"
      mode: \"0600\"
    - user: anna
      password: \"{{{{ hash }}}}\"
      when: facts.hostname == 'web1'
    - exec: read it
      command: cat >/root/read && sleep 1
      stdin: \"{{{{ token }}}}\"
"
    );
    let site = manifest(&fleet, &text);
    let [web1, small] = ["web1", "box"].map(|name| fleet.host(name));
    let mut on_small = String::new();
    let on_web1 = watched(web1, || {
        on_small = watched(small, || {
            trueup(&fleet, "apply", &site, &["--yes"]).code(0);
        });
    });
    for (host, seen) in [(small, on_small), (web1, on_web1)] {
        assert!(seen.lines().any(|l| l.contains("sleep")), "the run was looked at");
        let told: Vec<_> = seen.lines().filter(|l| l.contains("hunter2")).collect();
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(host.sh("cat /srv/token; cat /root/read; wc -c </srv/large").text(), "hunter2hunter2400000");
        let elsewhere =
            "find /tmp /var/tmp /run /var/log /var/lib/trueup -type f -exec grep -l hunter2 {} + 2>/dev/null | wc -l";
        assert_eq!(host.sh(elsewhere).text(), "0", "and nothing of it lies about");
    }
    // What was replaced is kept, and is as secret as it was.
    trueup(&fleet, "apply", &manifest(&fleet, &text.replace("hunter2", "hunter3")), &["--yes"]).code(0);
    for host in [web1, small] {
        assert_eq!(host.sh("grep -l hunter2 /var/lib/trueup/runs/*/kept/* | wc -l").text(), "2");
        let open = "find /var/lib/trueup -path '*/kept/*' -prune -o ! -type l -perm +077 -print";
        let open = if host.name == "web1" { open.replace("+077", "/077") } else { open.to_owned() };
        assert_eq!(host.sh(&open).text(), "", "all is root's alone");
        assert_eq!(host.sh("find /var/lib/trueup ! -user root -print").text(), "");
    }
    web1.sh("useradd -m eve").text();
    let look = "ls -R /var/lib/trueup; cd /var/lib/trueup && cat runs/*/kept/* runs/*/record lock";
    let look = format!("su -s /bin/sh -c '{look}' eve 2>/dev/null");
    assert_eq!(web1.sh(&look).stdout, "", "and eve sees nothing");
}
