//! What others have in the kernel beside our table: an accept of ours is no accept if another base chain drops.

use super::{Direction, Params};
use crate::model::id::visible;
use crate::resources::Want;
use crate::resources::firewall::rules::{self, Verdict};
use crate::resources::value::Presence;

/// A base chain that drops what none of its rules is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dropping {
    direction: Direction,
    /// As people know it: `chain input of table inet filter`.
    name: String,
}

/// Those that drop, in a ruleset as nft(8) lists it, but for our own table.
pub(super) fn dropping(ruleset: &str) -> Vec<Dropping> {
    let (mut table, mut chain, mut hook) = ("", "", None);
    let mut found: Vec<Dropping> = vec![];
    for line in ruleset.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("table ").and_then(|l| l.strip_suffix('{')) {
            table = name.trim();
        } else if let Some(name) = line.strip_prefix("chain ").and_then(|l| l.strip_suffix('{')) {
            (chain, hook) = (name.trim(), None);
        } else if let Some(base) = line.strip_prefix("type filter hook ") {
            hook = match base.split(' ').next() {
                Some("input") => Some(Direction::Input),
                Some("forward") => Some(Direction::Forward),
                Some("output") => Some(Direction::Output),
                _ => None,
            };
        }
        let family = table.split(' ').next().unwrap_or_default();
        let ours = table == "inet trueup" || !["ip", "ip6", "inet"].contains(&family);
        let Some(direction) = hook.filter(|_| !ours && (line.ends_with("policy drop;") || is_for_all(line))) else {
            continue;
        };
        let name = visible(&format!("chain {chain} of table {table}"));
        if !found.iter().any(|f| f.name == name) {
            found.push(Dropping { direction, name });
        }
    }
    found
}

/// Whether a rule refuses whatever comes to it.
fn is_for_all(rule: &str) -> bool {
    let rule = rule.strip_prefix("counter ").unwrap_or(rule);
    rule == "drop" || rule == "reject" || rule.starts_with("reject with ")
}

/// What to report of a resource that allows something in a direction in which another chain drops.
pub(super) fn remark(want: &Want<Params>, others: &[Dropping]) -> Option<String> {
    if want.params.state == Presence::Absent {
        return None;
    }
    let allows = |direction| {
        let rules = rules::of(&want.params);
        rules.iter().any(|rule| rule.direction == direction && rule.verdict == Verdict::Accept)
    };
    let names: Vec<&str> = others.iter().filter(|o| allows(o.direction)).map(|o| o.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        let names = names.join(" and ");
        format!("what it allows may be dropped all the same: {names}, which trueup has not made, drops what it does not accept itself")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_that_drop_are_found_by_their_policy_and_their_rules() {
        let ruleset = "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t\ttcp dport 22 accept\n\t}\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tct state invalid drop\n\t}\n}\ntable ip filter {\n\tchain OUTPUT {\n\t\ttype filter hook output priority filter; policy accept;\n\t\tcounter reject with icmp type port-unreachable\n\t}\n\tchain unused {\n\t\tdrop\n\t}\n}\ntable bridge b {\n\tchain c {\n\t\ttype filter hook input priority 0; policy drop;\n\t}\n}\ntable inet trueup {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n";
        let found: Vec<_> = dropping(ruleset).into_iter().map(|d| (d.direction, d.name)).collect();
        let is = |direction, name: &str| (direction, name.to_owned());
        assert_eq!(
            found,
            [
                is(Direction::Input, "chain input of table inet filter"),
                is(Direction::Output, "chain OUTPUT of table ip filter")
            ]
        );
        assert_eq!(dropping("table {\nchain {\ntype filter hook input\npolicy drop;\n}"), []);
    }
}
