//! What a play says of its rollout: how many hosts at a time, how many may fail, and what shows that one is well.

use super::health;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::node::{Node, Yaml};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A number of hosts, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    Count(usize),
    /// 0 to 100.
    Percent(u8),
}

impl Amount {
    /// So many of `all`; a share is rounded down, as Ansible does.
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Count(n) => n,
            Self::Percent(p) => all.saturating_mul(p.into()) / 100,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a number of hosts nor a share of them, such as 25%")]
pub struct BadAmount(String);

impl FromStr for Amount {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let text = text.trim();
        let bad = || BadAmount(text.escape_debug().to_string());
        let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
        match text.strip_suffix('%') {
            Some(share) if plain(share) => share.parse().ok().filter(|p| *p <= 100).map(Self::Percent).ok_or_else(bad),
            None if plain(text) => text.parse().map(Self::Count).map_err(|_| bad()),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => write!(f, "{n}"),
            Self::Percent(p) => write!(f, "{p}%"),
        }
    }
}

/// The keys of a play that are read here.
pub const KEYS: &[&str] = &["serial", "max_fail", "health"];

/// How a play's hosts are come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Hosts at a time, the last repeated. Empty: all.
    pub serial: Vec<Amount>,
    /// How many of its hosts may fail before nothing new is started.
    pub max_fail: Option<Amount>,
    /// Checks that are run on each host after its changes, as written.
    #[serde(skip)]
    pub health: Vec<Node>,
}

impl Rollout {
    /// From a play's keys.
    pub fn read(play: &Node, found: &mut Diagnostics) -> Self {
        let serial = match play.get("serial") {
            None => vec![],
            Some(Node { value: Yaml::List(steps), .. }) => steps.iter().filter_map(|n| batch(n, found)).collect(),
            Some(one) => batch(one, found).into_iter().collect(),
        };
        Self {
            serial,
            max_fail: play.get("max_fail").and_then(|n| amount(n, found)),
            health: play.get("health").map(|n| health::read(n, found)).unwrap_or_default(),
        }
    }
}

fn amount(node: &Node, found: &mut Diagnostics) -> Option<Amount> {
    let (amount, said) = match &node.value {
        Yaml::Int(n) => (usize::try_from(*n).ok().map(Amount::Count), n.to_string()),
        Yaml::String(text) => (text.parse().ok(), text.clone()),
        other => (None, other.kind().to_owned()),
    };
    if amount.is_none() {
        let label = BadAmount(said.escape_debug().to_string()).to_string();
        found.push(Diagnostic::error("wrong value", Some(node.span), label));
    }
    amount
}

/// Of no host at all nothing would ever be done.
fn batch(node: &Node, found: &mut Diagnostics) -> Option<Amount> {
    let amount = amount(node, found)?;
    if amount == Amount::Count(0) {
        found.push(Diagnostic::error("wrong value", Some(node.span), "a wave of no hosts at all"));
        return None;
    }
    Some(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down() {
        let of = |text: &str, all| text.parse::<Amount>().unwrap().of(all);
        assert_eq!([of("25%", 10), of("25%", 3), of("100%", 7), of("3", 7), of("0", 7)], [2, 0, 7, 3, 0]);
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for wrong in ["", "%", "-1", "101%", "25.5%", "+3", "1,5", "99999999999999999999"] {
            assert!(wrong.parse::<Amount>().is_err(), "{wrong}");
        }
    }
}
