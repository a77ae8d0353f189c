//! The main job: a web tier on three hosts, from nothing to in line, and back after drift and reboot.

use crate::host::{Fleet, Kind};
use crate::trueup::{example, trueup};
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

fn web_group(fleet: &Fleet, hosts: &[&str]) -> String {
    let path = fleet.dir().join("web.ini");
    std::fs::write(&path, format!("[web]\n{}\n", hosts.join("\n"))).unwrap();
    path.display().to_string()
}

fn connect(address: &str, port: u16) -> std::io::Result<TcpStream> {
    let at = (address, port).to_socket_addrs()?.next().unwrap();
    TcpStream::connect_timeout(&at, Duration::from_secs(2))
}

fn page(address: &str) -> String {
    let mut stream = connect(address, 8080).expect("nginx listens");
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_web_tier_converges_stays_in_line_and_comes_back_after_drift() {
    let names = ["web1", "web2", "web3"];
    let fleet = Fleet::up(&names.map(|n| (n, Kind::Debian)));
    let group = web_group(&fleet, &names);
    let site = example("web-tier");
    let more = ["-i", group.as_str()];

    // Planning writes nothing, nowhere.
    let before: Vec<_> = names.iter().map(|n| fleet.host(n).snapshot()).collect();
    trueup(&fleet, "plan", &site, &more).code(2).says("+ package[nginx-light]").says("3 hosts: web1, web2, web3");
    for (name, before) in names.iter().zip(&before) {
        before.assert_same(&fleet.host(name).snapshot());
    }

    trueup(&fleet, "apply", &site, &[&more[..], &["--yes"]].concat()).code(0).says("3 brought in line");
    let again = trueup(&fleet, "plan", &site, &[&more[..], &["--json"]].concat()).code(0).json();
    assert_eq!(again["totals"]["in_line"], 3, "{again}");
    for host in again["hosts"].as_array().unwrap() {
        assert_eq!(host["round_trips"], 1, "facts and probe together, and nothing else");
        assert!(host["bytes_sent"].as_u64().unwrap() < 40_000, "{}", host["bytes_sent"]);
    }
    trueup(&fleet, "apply", &site, &[&more[..], &["--yes"]].concat()).code(0).says("3 in line");

    // It does what it is for: the page through the firewall, and nothing else.
    for name in names {
        let host = fleet.host(name);
        let text = page(&host.address);
        assert!(text.contains("200 OK") && text.contains(&format!("This is {name}, one of 3")), "{text}");
        host.sh("systemd-run --quiet --unit listener nc -l -p 9999 2>/dev/null || true");
        assert!(connect(&host.address, 9999).is_err(), "a port that is not allowed is closed");
        assert_eq!(host.sh("systemctl is-enabled nginx").text(), "enabled");
        assert_eq!(host.sh("stat -c '%a %U' /etc/sudoers.d/deploy").text(), "440 root");
    }

    // Drift made by hand, in each type, is seen property by property.
    let web1 = fleet.host("web1");
    web1.sh("echo '# by hand' >> /etc/nginx/sites-available/www").text();
    web1.sh("chmod 600 /srv/www/index.html && chown root /srv/www/index.html").text();
    web1.sh("rm /etc/nginx/sites-enabled/www").text();
    web1.sh("systemctl disable nginx 2>/dev/null; systemctl stop nginx").text();
    web1.sh("usermod -s /bin/bash deploy").text();
    web1.sh("sysctl -qw net.ipv4.tcp_syncookies=0").text();
    web1.sh("echo '* * * * * root true' > /etc/cron.d/rotate-www").text();
    web1.sh("nft add rule inet trueup input tcp dport 9999 accept").text();
    web1.sh("chmod 755 /srv/www && chmod 700 /srv/www").text();
    let drift = trueup(&fleet, "plan", &site, &[&more[..], &["--json", "--limit", "web1"]].concat()).code(2).json();
    let changes = drift["hosts"][0]["plan"]["changes"].as_array().unwrap();
    let seen: Vec<String> = changes
        .iter()
        .flat_map(|c| {
            let id = c["id"].as_str().unwrap().to_owned();
            let properties = c["difference"]["properties"].as_array().unwrap().clone();
            properties.into_iter().map(move |p| format!("{id} {}", p["name"].as_str().unwrap()))
        })
        .collect();
    for expected in [
        "file[/etc/nginx/sites-available/www] content",
        "file[/srv/www/index.html] mode",
        "file[/srv/www/index.html] owner",
        "symlink[/etc/nginx/sites-enabled/www] target",
        "service[nginx] state",
        "service[nginx] enabled",
        "user[deploy] shell",
        "sysctl[net.ipv4.tcp_syncookies] value",
        "cron[rotate-www] entry",
        "firewall[base] running chains",
        "directory[/srv/www] mode",
    ] {
        assert!(seen.iter().any(|s| s == expected), "{expected} is not among {seen:#?}");
    }
    trueup(&fleet, "apply", &site, &[&more[..], &["--yes"]].concat())
        .code(0)
        .says("1 brought in line")
        .says("2 in line");
    trueup(&fleet, "plan", &site, &more).code(0);
    assert!(page(&web1.address).contains("This is web1"));

    // All of it outlives a reboot.
    fleet.host("web2").reboot();
    trueup(&fleet, "plan", &site, &more).code(0).says("3 in line");
    assert!(page(&fleet.host("web2").address).contains("This is web2"));
}
