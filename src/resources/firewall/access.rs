//! Whether whoever applies a firewall can log in again afterwards.

use super::rules::{self, Verdict};
use super::{Direction, Params};
use crate::facts::Facts;
use crate::resources::Want;
use crate::resources::value::Presence;
use std::net::IpAddr;

/// What to tell before a ruleset is agreed to, where it would refuse new SSH connections from where this one comes.
pub(super) fn warning(wants: &[&Want<Params>], facts: &Facts) -> Option<String> {
    let connection = facts.ssh_connection.as_ref()?;
    let client: IpAddr = connection.client_address.parse().ok()?;
    let server: IpAddr = connection.server_address.parse().ok()?;
    let port = connection.server_port;
    let own = |address: &String| address.split('/').next() == Some(connection.server_address.as_str());
    let interface =
        facts.network.interfaces.iter().find(|i| i.ipv4.iter().chain(&i.ipv6).any(own)).map(|i| i.name.as_str());
    if client.is_loopback() {
        return None;
    }
    for want in wants.iter().filter(|w| w.params.state == Presence::Present) {
        for rule in rules::of(&want.params).iter().filter(|r| r.direction == Direction::Input) {
            let protocol = rule.protocol.as_deref().is_none_or(|p| p == "tcp");
            let ports = rule.ports.is_empty() || rule.ports.iter().any(|(a, b)| (*a..=*b).contains(&port));
            let from = rule.from.is_empty() || rule.from.iter().any(|n| n.contains(client));
            let to = rule.to.is_empty() || rule.to.iter().any(|n| n.contains(server));
            // Where the interface is not known, only what it refuses is counted.
            let on = match (&rule.interface, interface) {
                (None, _) => true,
                (Some(wanted), Some(is)) => wanted == is || wanted.strip_suffix('*').is_some_and(|p| is.starts_with(p)),
                (Some(_), None) => rule.verdict == Verdict::Drop,
            };
            if protocol && ports && from && to && on {
                return (rule.verdict == Verdict::Drop).then(|| told(&connection.client_address, port));
            }
        }
    }
    (rules::policy(wants, Direction::Input) == Verdict::Drop).then(|| told(&connection.client_address, port))
}

fn told(client: &str, port: u16) -> String {
    format!(
        "new SSH connections from {client} to port {port} will be refused: this run's connection lives on, but nobody \
         can log in from there afterwards; allow the port to keep access"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::SshConnection;
    use crate::model::id::ResourceId;
    use crate::resources::Places;

    /// Whether somebody from 198.18.0.1, at port 22 of the sample's eth0, is told of being locked out by these rules.
    fn is_told(rules: serde_json::Value) -> bool {
        let want = Want {
            id: ResourceId::new("firewall", "base".to_owned()),
            params: serde_json::from_value(rules).unwrap(),
            body: None,
            sensitive: false,
            become_user: None,
            places: Places::default(),
            managed_below: vec![],
            departed: None,
        };
        let connection = SshConnection {
            client_address: "198.18.0.1".into(),
            client_port: 40000,
            server_address: "192.0.2.10".into(),
            server_port: 22,
        };
        warning(&[&want], &Facts { ssh_connection: Some(connection), ..Facts::sample() }).is_some()
    }

    #[test]
    fn whoever_would_be_locked_out_is_told() {
        use serde_json::json;
        assert!(is_told(json!({"policy": "drop"})));
        assert!(is_told(json!({"policy": {"input": "drop"}, "allow": {"port": "2222"}})));
        assert!(is_told(json!({"policy": "drop", "allow": {"port": "22/udp"}})));
        assert!(is_told(json!({"policy": "drop", "allow": {"port": "22", "from": "203.0.113.0/24"}})));
        assert!(is_told(json!({"policy": "drop", "allow": {"port": "22", "to": "192.0.2.11"}})));
        assert!(is_told(json!({"policy": "drop", "allow": {"port": "22", "interface": "wg0"}})));
        assert!(is_told(json!({"policy": "drop", "allow": {"port": "22", "direction": "output"}})));
        // What denies comes before what allows.
        assert!(is_told(json!({"allow": {"port": "22"}, "deny": {"from": "198.18.0.0/15"}})));
    }

    #[test]
    fn whoever_can_come_back_is_told_nothing() {
        use serde_json::json;
        assert!(!is_told(json!({"allow": {"port": "80"}})));
        assert!(!is_told(json!({"policy": {"forward": "drop", "output": "drop"}})));
        assert!(!is_told(json!({"policy": "drop", "allow": {"port": "20-30/tcp", "from": "198.18.0.0/15"}})));
        assert!(!is_told(json!({"policy": "drop", "allow": [{"port": "80"}, {"port": "22", "interface": "eth*"}]})));
        assert!(!is_told(json!({"policy": "drop", "allow": {"from": "198.18.0.1"}})));
        assert!(!is_told(json!({"policy": "drop", "state": "absent"})));
    }
}
