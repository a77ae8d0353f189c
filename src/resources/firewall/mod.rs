//! The firewall: a host's rules together are one nftables table, replaced in one transaction, kept across reboot.
//!
//! The table is `inet trueup`; no other is touched. What the host is to load at boot stands in a file; what nft
//! printed of the table right after it was loaded stands beside it, so that a change made by hand to the running
//! rules is seen without having to read nft's language back.

mod access;
mod boot;
mod others;
mod rules;

use super::difference::{Action, Ahead, Difference, Shown};
use super::value::{Presence, Scalar};
use super::{Due, Edges, Impossible, Orphaned, ResourceType, Together, Want};
use crate::facts::{Facts, InitSystem};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::model::body::{Body, Digest};
use crate::shell::probe::{Answers, BadAnswer, ProbeScript, Query};
use crate::shell::steps::{Attributes, Command, Steps, Undo};
use rules::Verdict;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use std::fmt;
use std::hash::{Hash, Hasher};

pub struct Firewall;

const FOLDER: &str = "/etc/trueup";
const FILE: &str = "/etc/trueup/firewall.nft";
const LISTING: &str = "/etc/trueup/firewall.loaded";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    #[default]
    Input,
    Forward,
    Output,
}

impl Direction {
    fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
        }
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleParams {
    /// Ports and their protocol: `22`, `8080/tcp`, `80,443/tcp`, `6000-6010/udp`. Without a protocol it is tcp.
    pub port: Option<Scalar>,
    /// Where packets come from: an address or a network of IPv4 or IPv6, or a list of them.
    pub from: Option<OneOrMore>,
    /// Where packets go to, likewise.
    pub to: Option<OneOrMore>,
    /// The interface they come in through (or, with the direction output, leave by).
    pub interface: Option<String>,
    /// The protocol, where no port says it: tcp, udp, icmp, icmpv6, esp, …
    pub protocol: Option<String>,
    /// `input`, `forward` or `output`. The default is `input`.
    #[serde(default)]
    pub direction: Direction,
}

/// A text or a list of texts.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn list(&self) -> Vec<&str> {
        match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

/// A rule or a list of rules.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Rules {
    One(RuleParams),
    More(Vec<RuleParams>),
}

impl Rules {
    fn list(&self) -> Vec<&RuleParams> {
        match self {
            Self::One(rule) => vec![rule],
            Self::More(rules) => rules.iter().collect(),
        }
    }
}

// By hand, and not untagged: what is wrong is told of the form that was written.
impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address or a list of addresses")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore::One(text.to_owned()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<OneOrMore, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(OneOrMore::More)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Rules;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule such as {port: 80/tcp}, or a list of rules")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Rules, A::Error> {
                RuleParams::deserialize(de::value::MapAccessDeserializer::new(map)).map(Rules::One)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Rules, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Rules::More)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PolicyWord {
    Accept,
    Drop,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// For packets to the host. The default is `accept`.
    pub input: Option<PolicyWord>,
    /// For packets through the host. The default is `accept`.
    pub forward: Option<PolicyWord>,
    /// For packets from the host. The default is `accept`.
    pub output: Option<PolicyWord>,
}

/// A policy for each direction, or one word for input.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum PolicyParam {
    Input(PolicyWord),
    Each(Policy),
}

impl PolicyParam {
    fn of(&self, direction: Direction) -> Option<PolicyWord> {
        match (self, direction) {
            (Self::Input(word), Direction::Input) => Some(*word),
            (Self::Input(_), _) => None,
            (Self::Each(policy), Direction::Input) => policy.input,
            (Self::Each(policy), Direction::Forward) => policy.forward,
            (Self::Each(policy), Direction::Output) => policy.output,
        }
    }
}

impl<'de> Deserialize<'de> for PolicyParam {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = PolicyParam;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`accept` or `drop`, or a policy such as {input: drop}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PolicyParam, E> {
                PolicyWord::deserialize(de::value::StrDeserializer::new(text)).map(PolicyParam::Input)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<PolicyParam, A::Error> {
                Policy::deserialize(de::value::MapAccessDeserializer::new(map)).map(PolicyParam::Each)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What is let through: a rule or a list of rules. By default nothing.
    pub allow: Option<Rules>,
    /// What is dropped: a rule or a list of rules, which come before what is allowed. By default nothing.
    pub deny: Option<Rules>,
    /// What happens to packets that no rule is for: `accept` or `drop` for input, forward and output; one word alone is
    /// for input. By default they are accepted. They are dropped as soon as one resource of the host says so.
    pub policy: Option<PolicyParam>,
    /// Whether these rules are to be there. The default is `present`.
    #[serde(default)]
    pub state: Presence,
}

/// What there is of one resource's rules, and of the table they are all in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Its lines in the file that is loaded at boot.
    kept: Vec<String>,
    /// Its lines in the running table.
    running: Vec<String>,
    /// Its lines as they ran right after they were loaded.
    loaded: Vec<String>,
    /// For the first resource alone: the table as a whole.
    table: Option<Table>,
    nft: bool,
    /// What has to be told of access by SSH, whatever changes.
    access: Option<String>,
    /// What others do to what it allows.
    remark: Option<String>,
}

/// Without what is told of access, which is a matter of who looks, and from where, and of others.
impl Hash for Observed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.kept, &self.running, &self.loaded, &self.table, self.nft).hash(state);
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Table {
    present: bool,
    /// Lines that are no resource's: running, as loaded.
    others: (Vec<String>, Vec<String>),
    /// Lines of the kept file that are no resource's: there, wanted.
    frame: (Vec<String>, Vec<String>),
    /// Whether it is loaded at boot; `None` where nothing here can see to that.
    at_boot: Option<bool>,
    wanted: bool,
}

/// What tells one resource's rules from any others.
fn mark(lines: &[String]) -> String {
    Digest::of(lines.join("\n").as_bytes()).as_str().to_owned()
}

fn shown(lines: &[String]) -> Shown {
    if lines.is_empty() { Shown::Absent } else { Shown::Value(lines.join("; ")) }
}

impl ResourceType for Firewall {
    const NAME: &'static str = "firewall";
    const ABOUT: &'static str = "Rules of the firewall: a host's together are one nftables table, replaced at once.";
    const EXAMPLE: &'static str = "- firewall: base\n  policy: { input: drop }\n  allow:\n    - { port: 22/tcp, from: [10.0.0.0/8, \"2001:db8::/32\"] }\n    - { protocol: icmp }\n- firewall: web\n  allow: { port: \"80,443/tcp\" }\n";
    const TOGETHER: Together = Together::All;
    const ORPHANED: Orphaned = Orphaned::Removed("state: absent");

    type Params = Params;
    type Observed = Observed;

    fn check(&self, want: &Want<Params>, _: &Facts, out: &mut Diagnostics) {
        for (list, name, verdict) in
            [(&want.params.allow, "allow", Verdict::Accept), (&want.params.deny, "deny", Verdict::Drop)]
        {
            for rule in list.iter().flat_map(Rules::list) {
                if let Err((param, why)) = rules::read(rule, verdict) {
                    let label = format!("in `{param}`: {why}");
                    out.push(Diagnostic::error("wrong rule", Some(want.places.of(name)), label));
                }
            }
        }
        if want.params.allow.is_none()
            && want.params.deny.is_none()
            && want.params.policy.is_none()
            && want.params.state == Presence::Present
        {
            let label = "it neither allows nor denies anything, and sets no policy";
            out.push(Diagnostic::error("empty rules", Some(want.places.title), label));
        }
    }

    fn is_present(&self, want: &Want<Params>) -> bool {
        want.params.state == Presence::Present
    }

    fn mark(&self, want: &Want<Params>) -> Option<String> {
        Some(mark(&rules::lines_of(want)))
    }

    fn mark_seen(&self, _: &Want<Params>, seen: &Observed) -> Option<String> {
        Some(mark(&seen.kept))
    }

    fn relate(&self, want: &Want<Params>, edges: &mut Edges) {
        edges.require(&want.id, "package", "nftables");
    }

    fn probe(&self, _: &[&Want<Params>], _: &Facts, probe: &mut ProbeScript) {
        probe.ask(Query::Contents, [FILE]);
        probe.ask(Query::Contents, [LISTING]);
        probe.ask(Query::NftTable, ["trueup"]);
        probe.ask(Query::SystemctlShow, [boot::UNIT_NAME]);
        for file in boot::FILES {
            probe.ask(Query::Contents, [file]);
        }
        probe.ask(Query::NftRuleset, [""; 0]);
    }

    fn observe(
        &self,
        wants: &[&Want<Params>],
        facts: &Facts,
        answers: &mut Answers,
    ) -> Vec<Result<Observed, BadAnswer>> {
        // All of them are taken, whatever is wrong with one.
        let read: [_; 7] = std::array::from_fn(|_| answers.text());
        if facts.user.uid != 0 {
            // Anybody else is told of no table at all, which would look like one that is not there.
            let bad = || BadAnswer("only root is told of the firewall's rules; is `become` missing?".into());
            return wants.iter().map(|_| Err(bad())).collect();
        }
        let (kept, loaded, running, shown, unit, drop_in, all) = match read {
            [Ok(a), Ok(b), Ok(c), Ok(d), Ok(e), Ok(f), Ok(g)] => (a, b, c, d, e, f, g),
            read => {
                let bad = read.into_iter().find_map(Result::err).unwrap_or_else(|| BadAnswer(String::new()));
                return wants.iter().map(|_| Err(bad.clone())).collect();
            }
        };
        let others = others::dropping(&all);
        let titles: Vec<&str> =
            wants.iter().filter(|w| w.params.state == Presence::Present).map(|w| w.title()).collect();
        let ruleset = rules::ruleset(wants);
        let access = access::warning(wants, facts);
        let table = Table {
            present: running.contains("table inet trueup"),
            others: (rules::unmarked(&running, &titles), rules::unmarked(&loaded, &titles)),
            frame: (rules::unmarked(&kept, &titles), rules::unmarked(ruleset.as_deref().unwrap_or_default(), &titles)),
            at_boot: (facts.init_system == InitSystem::Systemd).then(|| match &ruleset {
                Some(_) => boot::is_kept(&shown, [&unit, &drop_in]),
                None => !unit.is_empty() || !drop_in.is_empty(),
            }),
            wanted: ruleset.is_some(),
        };
        let of = |(n, want): (usize, &&Want<Params>)| {
            Ok(Observed {
                kept: rules::marked(&kept, want.title()),
                running: rules::marked(&running, want.title()),
                loaded: rules::marked(&loaded, want.title()),
                table: (n == 0).then(|| table.clone()),
                nft: facts.tools.nft,
                access: access.clone(),
                remark: others::remark(want, &others),
            })
        };
        wants.iter().enumerate().map(of).collect()
    }

    fn diff(&self, want: &Want<Params>, seen: &Observed, ahead: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        let absent = want.params.state == Presence::Absent;
        let mut d = Difference::new(match () {
            () if absent => Action::Remove,
            () if seen.kept.is_empty() && seen.running.is_empty() => Action::Create,
            () => Action::Update,
        });
        let wanted = if absent { vec![] } else { rules::lines_of(want) };
        if seen.kept != wanted {
            d.note("rules", shown(&seen.kept), shown(&wanted));
        } else if seen.running != seen.loaded || (!absent && seen.running.is_empty() && !wanted.is_empty()) {
            // The file is as it should be, and yet the kernel has other rules: somebody changed them by hand.
            d.note("running rules", shown(&seen.running), shown(&wanted));
        }
        if let Some(table) = &seen.table {
            if table.wanted && table.frame.0 != table.frame.1 {
                d.note("chains", shown(&table.frame.0), shown(&table.frame.1));
            } else if table.wanted != table.present {
                let word = |b: bool| if b { Shown::value("loaded") } else { Shown::Absent };
                d.note("table", word(table.present), word(table.wanted));
            } else if table.wanted && table.others.0 != table.others.1 {
                d.note("running chains", shown(&table.others.0), shown(&table.others.1));
            }
            if let Some(at_boot) = table.at_boot.filter(|b| *b != table.wanted) {
                let word = |b| Shown::value(if b { "yes" } else { "no" });
                d.note("kept across reboot", word(at_boot), word(table.wanted));
            }
        }
        let Some(mut d) = d.unless_empty() else { return Ok(None) };
        if !seen.nft && !absent && !ahead.may_bring_anything() {
            return Err(Impossible("the host has no nft; a package[nftables] before it would bring it".into()));
        }
        d.warnings.extend(seen.access.clone());
        if seen.table.as_ref().is_some_and(|t| t.wanted && t.at_boot.is_none()) {
            let file = format!("the rules do not outlive a reboot: the host has no systemd to load {FILE} at boot");
            d.warnings.push(file);
        }
        Ok(Some(d))
    }

    fn remark(&self, _: &Want<Params>, seen: &Observed) -> Option<String> {
        seen.remark.clone()
    }

    fn cuts_off(&self, _: &Want<Params>, _: &Difference) -> bool {
        true
    }

    fn predict(&self, want: &Want<Params>, seen: &Observed) -> Observed {
        let lines = if want.params.state == Presence::Absent { vec![] } else { rules::lines_of(want) };
        let table = seen.table.as_ref().map(|t| Table {
            present: t.wanted,
            others: (t.frame.1.clone(), t.frame.1.clone()),
            frame: (t.frame.1.clone(), t.frame.1.clone()),
            at_boot: t.at_boot.map(|_| t.wanted),
            wanted: t.wanted,
        });
        Observed {
            kept: lines.clone(),
            running: lines.clone(),
            loaded: lines,
            table,
            nft: true,
            access: seen.access.clone(),
            remark: None,
        }
    }

    fn apply(&self, all: &[&Want<Params>], due: &[Due<'_, Self>], facts: &Facts, steps: &mut Steps) {
        let ids: Vec<_> = due.iter().map(|d| &d.want.id).collect();
        let Some(first) = due.first().map(|d| &d.want.id) else { return };
        let argv = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let there = due.iter().find_map(|d| d.seen.table.as_ref()).is_none_or(|t| t.present);
        let load = argv(&["nft", "-f", FILE]);
        let drop = argv(&["nft", "delete", "table", "inet", "trueup"]);
        let systemd = facts.init_system == InitSystem::Systemd;
        let root = || Some("root".to_owned());
        let attributes = |mode| Attributes { owner: root(), group: root(), mode: Some(mode) };
        let Some(ruleset) = rules::ruleset(all) else {
            // Where it is not enabled, its unit may not be there, and disabling that would fail.
            if systemd && due.iter().any(|d| d.difference.has("kept across reboot")) {
                boot::forget(&ids, first, steps);
            }
            if there {
                steps.run(&ids, Command::new(drop), Undo::Run(load));
            }
            steps.remove(first, FILE, false);
            steps.remove(first, LISTING, false);
            return;
        };
        steps.run(&ids, Command::new(["mkdir", "-p", "-m", "0755", FOLDER]), Undo::Nothing);
        if there {
            // First, so that its undo comes last: the rules of the file that was put back.
            steps.run(&ids, Command::new(["test", "-d", FOLDER]), Undo::Run(load.clone()));
        }
        let check = Some("nft -c -f %s".to_owned());
        steps.replace_file(first, FILE, Body::held(ruleset.into_bytes(), false), attributes(0o600), check, false);
        let undo = if there { Undo::Nothing } else { Undo::Run(drop) };
        steps.run(&ids, Command::new(load), undo);
        let list =
            format!("umask 077 && nft -s list table inet trueup >{LISTING}.new && mv -f {LISTING}.new {LISTING}");
        steps.run(&ids, Command::new(["sh", "-c", &list]), Undo::Nothing);
        if systemd && due.iter().any(|d| d.difference.has("kept across reboot")) {
            boot::keep(&ids, first, steps);
        }
    }
}
