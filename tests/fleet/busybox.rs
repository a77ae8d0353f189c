//! A host with busybox and an SSH server, and nothing else.

use crate::host::{Fleet, Kind};
use crate::trueup::{manifest, trueup};

#[test]
fn a_host_with_nothing_but_sh_converges() {
    let fleet = Fleet::up(&[("box", Kind::Busybox)]);
    let host = fleet.host("box");
    let site = manifest(
        &fleet,
        r#"
- hosts: all
  resources:
    - group: staff2
    - user: anna
      groups: [staff2]
      shell: /bin/sh
      authorized_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ anna"]
    - user: bert
      group: staff2
      create_home: false
    - directory: /srv/app
      parents: true
      owner: anna
      mode: "0750"
    - file: /srv/app/hello
      content: "hello from {{ facts.hostname }}, {{ facts.init_system }}\n"
      owner: anna
      mode: "0640"
    - symlink: /srv/app/link
      target: hello
    - exec: count
      command: wc -c < /srv/app/hello > /srv/app/count
      creates: /srv/app/count
    - exec: told
      command: echo told >> /srv/app/told
      refresh_only: true
      subscribe: file[/srv/app/hello]
"#,
    );
    trueup(&fleet, "plan", &site, &[]).code(2);
    trueup(&fleet, "apply", &site, &["--yes"]).code(0);
    let again = trueup(&fleet, "plan", &site, &["--json"]).code(0).json();
    assert_eq!(again["hosts"][0]["round_trips"], 1);
    assert_eq!(host.sh("cat /srv/app/hello").text(), "hello from box, none");
    assert_eq!(host.sh("cat /srv/app/told").text(), "told");
    assert_eq!(host.sh("stat -c '%a %U' /srv/app/hello").text(), "640 anna");
    assert_eq!(host.sh("grep ^staff2: /etc/group").text().split(':').next_back(), Some("anna"));
    assert_eq!(host.sh("stat -c %a /home/anna/.ssh/authorized_keys").text(), "600");

    let gone = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - user: anna\n      state: absent\n      remove_home: true\n    - group: staff2\n      groups_of: 1\n",
    );
    trueup(&fleet, "plan", &gone, &[]).code(1);
    let gone = manifest(
        &fleet,
        "- hosts: all\n  resources:\n    - user: anna\n      state: absent\n      remove_home: true\n",
    );
    trueup(&fleet, "apply", &gone, &["--yes"]).code(0);
    trueup(&fleet, "plan", &gone, &[]).code(0);
    assert_eq!(host.sh("grep -c ^anna: /etc/passwd || true").text(), "0");
    assert_eq!(host.sh("ls /home").text(), "");
}
