//! Rules as they are written, and as nft(8) takes them.

use super::{Direction, Params, RuleParams};
use crate::resources::Want;
use crate::resources::value::Presence;
use std::fmt::Write as _;
use std::net::IpAddr;

/// What a rule does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    Drop,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
        }
    }
}

/// An address with its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Network {
    /// `10.0.0.0/8`, `10.0.0.1`, `2001:db8::/32`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr =
            address.parse().map_err(|_| format!("`{text}` is no address: write 10.0.0.0/8 or 2001:db8::/32"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(p) => {
                p.parse().ok().filter(|p| *p <= most).ok_or_else(|| format!("`/{p}` is no prefix: 0 to {most}"))?
            }
        };
        Ok(Self { address: mask(address, prefix), prefix })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && mask(address, self.prefix) == self.address
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The address with all bits behind the prefix cleared, as nft wants it.
fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(a) => {
            let bits = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((u32::from(a) & bits).into())
        }
        IpAddr::V6(a) => {
            let bits = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((u128::from(a) & bits).into())
        }
    }
}

/// One rule, all values read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub direction: Direction,
    pub verdict: Verdict,
    /// `tcp`, `udp`, `icmp`, …; `None` is any.
    pub protocol: Option<String>,
    /// Ranges of ports, both ends taken in; empty is any.
    pub ports: Vec<(u16, u16)>,
    /// Empty is any.
    pub from: Vec<Network>,
    pub to: Vec<Network>,
    pub interface: Option<String>,
}

/// Names and numbers (IANA, Assigned Internet Protocol Numbers): nft asks `/etc/protocols` for the names, which a
/// small host lacks.
const PROTOCOLS: &[(&str, u8)] = &[
    ("tcp", 6),
    ("udp", 17),
    ("sctp", 132),
    ("dccp", 33),
    ("icmp", 1),
    ("icmpv6", 58),
    ("esp", 50),
    ("ah", 51),
    ("gre", 47),
    ("vrrp", 112),
    ("igmp", 2),
];

/// Reads one rule.
///
/// # Errors
/// The parameter that is wrong, and how.
pub(super) fn read(params: &RuleParams, verdict: Verdict) -> Result<Rule, (&'static str, String)> {
    let mut protocol = params.protocol.as_ref().map(|p| p.to_lowercase());
    let mut ports = vec![];
    if let Some(text) = &params.port {
        let (list, named) =
            text.0.split_once('/').map_or((text.0.as_str(), None), |(l, p)| (l, Some(p.to_lowercase())));
        for part in list.split(',').map(str::trim) {
            let number = |t: &str| {
                let n = t.trim().parse::<u16>().ok().filter(|n| *n > 0);
                n.ok_or_else(|| ("port", format!("`{t}` is no port: 1 to 65535, as in 8080/tcp or 6000-6010/udp")))
            };
            let (a, b) = match part.split_once('-') {
                Some((a, b)) => (number(a)?, number(b)?),
                None => (number(part)?, number(part)?),
            };
            if a > b {
                return Err(("port", format!("`{part}` runs backwards")));
            }
            ports.push((a, b));
        }
        match (&protocol, named) {
            (Some(given), Some(named)) if *given != named => {
                return Err(("protocol", format!("`port` says {named}, this says {given}")));
            }
            (None, named) => protocol = Some(named.unwrap_or_else(|| "tcp".into())),
            _ => {}
        }
        if !protocol.as_deref().is_some_and(|p| ["tcp", "udp", "sctp", "dccp"].contains(&p)) {
            return Err(("port", "only tcp, udp, sctp and dccp have ports".into()));
        }
    }
    if let Some(p) = protocol.as_deref().filter(|p| !PROTOCOLS.iter().any(|(n, _)| n == p)) {
        let names: Vec<&str> = PROTOCOLS.iter().map(|(n, _)| *n).collect();
        return Err(("protocol", format!("no protocol `{p}`: it can be {}", names.join(", "))));
    }
    let networks = |list: &Option<super::OneOrMore>, name: &'static str| {
        let texts: Vec<&str> = list.as_ref().map(super::OneOrMore::list).unwrap_or_default();
        texts.into_iter().map(|t| Network::parse(t).map_err(|e| (name, e))).collect::<Result<Vec<_>, _>>()
    };
    let (from, to) = (networks(&params.from, "from")?, networks(&params.to, "to")?);
    let families =
        |list: &[Network]| (list.iter().any(|n| n.address.is_ipv4()), list.iter().any(|n| n.address.is_ipv6()));
    if let ((true, false), (false, true)) | ((false, true), (true, false)) = (families(&from), families(&to)) {
        return Err(("to", "`from` and `to` are of different families: no packet is both".into()));
    }
    if let Some(name) = &params.interface {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*' | ':');
        // nft takes a star at the end alone, and none by itself.
        let stem = name.strip_suffix('*').unwrap_or(name);
        if stem.is_empty() || stem.contains('*') || name.len() > 15 || !name.chars().all(plain) {
            let help = "a name such as eth0, or its beginning and a star";
            return Err(("interface", format!("`{}` is no name of an interface: {help}", name.escape_debug())));
        }
    }
    Ok(Rule { direction: params.direction, verdict, protocol, ports, from, to, interface: params.interface.clone() })
}

/// A resource's rules, what denies before what allows.
pub(super) fn of(params: &Params) -> Vec<Rule> {
    let list = |rules: &Option<super::Rules>, verdict| {
        let given: Vec<&RuleParams> = rules.as_ref().map(super::Rules::list).unwrap_or_default();
        given.into_iter().filter_map(|r| read(r, verdict).ok()).collect::<Vec<_>>()
    };
    let mut all = list(&params.deny, Verdict::Drop);
    all.extend(list(&params.allow, Verdict::Accept));
    all
}

/// What marks a rule as a resource's own, in nft's comment: at most 128 bytes of plain text.
pub(super) fn mark(title: &str) -> String {
    let plain: String = title
        .chars()
        .take(80)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ' | ':' | '/') { c } else { '_' })
        .collect();
    if plain == title {
        return format!("trueup:{plain}");
    }
    // Titles that come to the same plain text are still told apart.
    let digest = crate::model::body::Digest::of(title.as_bytes());
    format!("trueup:{plain}#{}", digest.as_str().get(..8).unwrap_or_default())
}

/// A rule in nft's language, one line for each family where it needs two.
fn lines(rule: &Rule, title: &str) -> Vec<String> {
    let families: Vec<Option<bool>> = if rule.from.is_empty() && rule.to.is_empty() {
        vec![None]
    } else {
        let any = |v4: bool| {
            let fits = |list: &[Network]| list.is_empty() || list.iter().any(|n| n.address.is_ipv4() == v4);
            fits(&rule.from) && fits(&rule.to)
        };
        [true, false].into_iter().filter(|v4| any(*v4)).map(Some).collect()
    };
    families.into_iter().map(|family| line(rule, family, title)).collect()
}

fn line(rule: &Rule, v4: Option<bool>, title: &str) -> String {
    let mut out = String::new();
    if let Some(interface) = &rule.interface {
        let key = if rule.direction == Direction::Output { "oifname" } else { "iifname" };
        let _ = write!(out, "{key} \"{interface}\" ");
    }
    for (list, key) in [(&rule.from, "saddr"), (&rule.to, "daddr")] {
        let of_family: Vec<String> =
            list.iter().filter(|n| v4.is_none_or(|v4| n.address.is_ipv4() == v4)).map(ToString::to_string).collect();
        if let (false, Some(v4)) = (of_family.is_empty(), v4) {
            let family = if v4 { "ip" } else { "ip6" };
            let _ = write!(out, "{family} {key} {{ {} }} ", of_family.join(", "));
        }
    }
    match (&rule.protocol, rule.ports.is_empty()) {
        (Some(protocol), false) => {
            let port = |(a, b): &(u16, u16)| if a == b { a.to_string() } else { format!("{a}-{b}") };
            let ports: Vec<String> = rule.ports.iter().map(port).collect();
            let _ = write!(out, "{protocol} dport {{ {} }} ", ports.join(", "));
        }
        (Some(protocol), true) => {
            let number = PROTOCOLS.iter().find(|(n, _)| n == protocol).map(|(_, number)| *number);
            let _ = write!(out, "meta l4proto {} ", number.unwrap_or_default());
        }
        (None, _) => {}
    }
    format!("{out}{} comment \"{}\"", rule.verdict.as_str(), mark(title))
}

/// The lines of one resource, as they stand in the ruleset.
pub(super) fn lines_of(want: &Want<Params>) -> Vec<String> {
    of(&want.params)
        .iter()
        .flat_map(|r| lines(r, want.title()).into_iter().map(|l| (r.direction, l)).collect::<Vec<_>>())
        .map(|(d, l)| format!("{}: {l}", d.as_str()))
        .collect()
}

/// Those that are to be there, each once: what is declared twice alike is one resource, and comes here twice.
fn present<'a>(wants: &[&'a Want<Params>]) -> Vec<&'a Want<Params>> {
    let mut seen = std::collections::HashSet::new();
    wants.iter().copied().filter(|w| w.params.state == Presence::Present && seen.insert(w.title())).collect()
}

/// What happens to a packet that no rule is for: it is dropped as soon as one resource says so.
pub(super) fn policy(wants: &[&Want<Params>], direction: Direction) -> Verdict {
    let drops = present(wants)
        .iter()
        .any(|w| w.params.policy.as_ref().and_then(|p| p.of(direction)) == Some(super::PolicyWord::Drop));
    if drops { Verdict::Drop } else { Verdict::Accept }
}

/// The whole ruleset, to be loaded in one transaction; `None` where no resource is to be present.
pub(super) fn ruleset(wants: &[&Want<Params>]) -> Option<String> {
    let wants = present(wants);
    if wants.is_empty() {
        return None;
    }
    // `table` twice: deleting what is not there would fail.
    let mut out = "# Made by trueup from the host's firewall resources. Changes made here are drift.\n\
                   table inet trueup\ndelete table inet trueup\n\ntable inet trueup {\n"
        .to_owned();
    for direction in [Direction::Input, Direction::Forward, Direction::Output] {
        let policy = policy(&wants, direction);
        let rules: Vec<String> = wants
            .iter()
            .flat_map(|w| of(&w.params).into_iter().map(|r| (r, w.title())))
            .filter(|(r, _)| r.direction == direction)
            .flat_map(|(r, title)| lines(&r, title))
            .collect();
        if rules.is_empty() && policy == Verdict::Accept && direction != Direction::Input {
            continue;
        }
        let name = direction.as_str();
        let _ = writeln!(
            out,
            "  chain {name} {{\n    type filter hook {name} priority filter; policy {};",
            policy.as_str()
        );
        out.push_str("    ct state established,related accept\n    ct state invalid drop\n");
        match direction {
            Direction::Input => out.push_str("    iif \"lo\" accept\n"),
            Direction::Output => out.push_str("    oif \"lo\" accept\n"),
            Direction::Forward => {}
        }
        if policy == Verdict::Drop && direction != Direction::Forward {
            // Without these no neighbour is found, and IPv6 is dead.
            out.push_str("    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert, packet-too-big } accept\n");
        }
        for rule in rules {
            let _ = writeln!(out, "    {rule}");
        }
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    Some(out)
}

/// The lines of a ruleset, or of nft's listing, that carry a resource's mark, each with its chain.
pub(super) fn marked(text: &str, title: &str) -> Vec<String> {
    let mark = format!("comment \"{}\"", mark(title));
    chains(text)
        .into_iter()
        .filter(|(_, line)| line.contains(&mark))
        .map(|(chain, line)| format!("{chain}: {line}"))
        .collect()
}

/// What carries no resource's mark, of the resources named.
pub(super) fn unmarked(text: &str, titles: &[&str]) -> Vec<String> {
    let marks: Vec<String> = titles.iter().map(|t| format!("comment \"{}\"", mark(t))).collect();
    let lines = chains(text).into_iter().filter(|(_, l)| !marks.iter().any(|m| l.contains(m)));
    lines.map(|(chain, line)| format!("{chain}: {line}")).collect()
}

/// Lines inside of chains, each with its chain's name.
fn chains(text: &str) -> Vec<(String, String)> {
    let mut chain = String::new();
    let mut out = vec![];
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("chain ").and_then(|l| l.strip_suffix(" {")) {
            chain = name.to_owned();
        } else if line == "}" {
            chain.clear();
        } else if !chain.is_empty() && !line.is_empty() {
            out.push((chain.clone(), line.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn networks_are_masked_and_checked() {
        assert_eq!(Network::parse("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(Network::parse("0.0.0.0/0").unwrap().to_string(), "0.0.0.0/0");
        assert_eq!(Network::parse("2001:db8::1/32").unwrap().to_string(), "2001:db8::/32");
        assert!(Network::parse("10.0.0.0/33").is_err() && Network::parse("10.0.0").is_err());
        assert!(Network::parse("10.0.0.0/8").unwrap().contains("10.9.9.9".parse().unwrap()));
        assert!(!Network::parse("10.0.0.0/8").unwrap().contains("11.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_rule_with_both_families_is_two_lines() {
        let params: RuleParams =
            serde_json::from_value(serde_json::json!({"port": "80,443/tcp", "from": ["10.0.0.0/8", "2001:db8::/32"]}))
                .unwrap();
        let rule = read(&params, Verdict::Accept).unwrap();
        assert_eq!(
            lines(&rule, "web"),
            [
                "ip saddr { 10.0.0.0/8 } tcp dport { 80, 443 } accept comment \"trueup:web\"",
                "ip6 saddr { 2001:db8::/32 } tcp dport { 80, 443 } accept comment \"trueup:web\""
            ]
        );
    }

    #[test]
    fn an_interface_is_a_name_or_the_beginning_of_one() {
        let read_on = |interface: &str| {
            read(&serde_json::from_value(serde_json::json!({"interface": interface})).unwrap(), Verdict::Accept)
        };
        assert!(["eth0", "eth*", "br-1a2b.100", "wg_0"].iter().all(|i| read_on(i).is_ok()));
        // nft refuses the first, and takes the second for a name.
        assert!(["*", "e*h", "**", "", "abcdefghijklmnop", "eth 0", "a\"b"].iter().all(|i| read_on(i).is_err()));
    }

    #[test]
    fn a_policy_is_a_word_or_one_for_each_direction() {
        let policy = |policy: serde_json::Value| {
            let params: Params = serde_json::from_value(serde_json::json!({"policy": policy})).ok()?;
            let of = |d| params.policy.as_ref().and_then(|p| p.of(d)) == Some(super::super::PolicyWord::Drop);
            Some([Direction::Input, Direction::Forward, Direction::Output].map(of))
        };
        assert_eq!(policy("drop".into()), Some([true, false, false]));
        assert_eq!(policy(serde_json::json!({"forward": "drop", "input": "accept"})), Some([false, true, false]));
        assert_eq!(policy("dorp".into()), None);
        assert_eq!(policy(serde_json::json!({"inputs": "drop"})), None);
    }

    proptest! {
        #[test]
        fn any_title_is_a_plain_mark(title in "\\PC{1,200}") {
            let mark = mark(&title);
            prop_assert!(mark.len() <= 128 && !mark.contains(['"', '\\', '\n']));
        }
    }
}
