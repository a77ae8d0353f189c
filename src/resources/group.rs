//! Groups of users.

use super::accounts::{self, Programs, database, is_name};
use super::difference::{Action, Ahead, Difference, Shown};
use super::value::Presence;
use super::{Due, Impossible, Orphaned, ResourceType, Want};
use crate::facts::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::model::id::visible;
use crate::shell::probe::{Answers, BadAnswer, ProbeScript, Query};
use crate::shell::steps::{Command, Steps, Undo};
use schemars::JsonSchema;
use serde::Deserialize;

pub struct Group;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Its number. By default the host chooses one.
    pub gid: Option<u32>,
    /// Whether a new group gets a number of the system's range. The default is `false`.
    #[serde(default)]
    pub system: bool,
    /// Whether the group is to be there. The default is `present`.
    #[serde(default)]
    pub state: Presence,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    Absent,
    Present { gid: u32 },
}

/// A group, and what else decides about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observed {
    seen: Seen,
    programs: Programs,
    /// Another group that has the number which is wanted.
    taken: Option<String>,
}

impl ResourceType for Group {
    const NAME: &'static str = "group";
    const ABOUT: &'static str = "A group of users.";
    const EXAMPLE: &'static str = "- group: deploy\n  system: true\n";
    const ORPHANED: Orphaned = Orphaned::Removed("state: absent");

    type Params = Params;
    type Observed = Observed;

    fn check(&self, want: &Want<Params>, _: &Facts, out: &mut Diagnostics) {
        if !is_name(want.title()) {
            let label = format!("`{}` is no name of a group", want.title().escape_debug());
            out.push(Diagnostic::error("wrong title", Some(want.places.title), label));
        }
    }

    fn is_present(&self, want: &Want<Params>) -> bool {
        want.params.state == Presence::Present
    }

    fn mark(&self, want: &Want<Params>) -> Option<String> {
        want.params.gid.map(|gid| gid.to_string())
    }

    fn mark_seen(&self, _: &Want<Params>, seen: &Observed) -> Option<String> {
        match seen.seen {
            Seen::Present { gid } => Some(gid.to_string()),
            Seen::Absent => None,
        }
    }

    fn probe(&self, _: &[&Want<Params>], _: &Facts, probe: &mut ProbeScript) {
        probe.ask(Query::Groups, [""; 0]);
    }

    fn observe(
        &self,
        wants: &[&Want<Params>],
        facts: &Facts,
        answers: &mut Answers,
    ) -> Vec<Result<Observed, BadAnswer>> {
        let text = match answers.text() {
            Ok(text) if text.contains(':') => text,
            Ok(_) => return wants.iter().map(|_| Err(BadAnswer("the host names no groups".into()))).collect(),
            Err(bad) => return wants.iter().map(|_| Err(bad.clone())).collect(),
        };
        let groups: Vec<(&str, u32)> = database(&text).map(|(name, gid, _)| (name, gid)).collect();
        let of = |want: &&Want<Params>| {
            let gid = groups.iter().find(|(name, _)| *name == want.title()).map(|(_, gid)| *gid);
            let other = |(name, gid): &&(&str, u32)| Some(*gid) == want.params.gid && *name != want.title();
            Ok(Observed {
                seen: gid.map_or(Seen::Absent, |gid| Seen::Present { gid }),
                programs: Programs::of(facts),
                taken: groups.iter().find(other).map(|(name, _)| (*name).to_owned()),
            })
        };
        wants.iter().map(of).collect()
    }

    fn diff(&self, want: &Want<Params>, seen: &Observed, ahead: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        let gid = want.params.gid;
        if let (Presence::Present, Some(gid), Some(other)) = (want.params.state, gid, &seen.taken)
            && seen.seen != (Seen::Present { gid })
            && !accounts::is_freed(ahead, Self::NAME, other, "gid")
        {
            return Err(Impossible(format!("the number {gid} is that of the group {}", visible(other))));
        }
        Ok(match (want.params.state, &seen.seen) {
            (Presence::Absent, Seen::Absent) => None,
            (Presence::Absent, Seen::Present { gid }) => {
                if *gid == 0 {
                    return Err(Impossible("the group with the number 0 is not removed".into()));
                }
                let mut d = Difference::new(Action::Remove);
                d.note("gid", Shown::value(gid), Shown::Absent);
                Some(d)
            }
            (Presence::Present, Seen::Absent) => {
                let mut d = Difference::new(Action::Create);
                d.note("gid", Shown::Absent, gid.map_or(Shown::Unknown("the host chooses it".into()), Shown::value));
                Some(d)
            }
            (Presence::Present, Seen::Present { gid: is }) => {
                let mut d = Difference::new(Action::Update);
                if let Some(gid) = gid {
                    d.compare("gid", is, &gid);
                }
                if !d.properties.is_empty() && seen.programs != Programs::Shadow {
                    return Err(Impossible("the host has no groupmod to change a group's number with".into()));
                }
                d.unless_empty()
            }
        })
    }

    fn predict(&self, want: &Want<Params>, seen: &Observed) -> Observed {
        let gid = match &seen.seen {
            Seen::Present { gid } => *gid,
            Seen::Absent => 999,
        };
        let after = match want.params.state {
            Presence::Absent => Seen::Absent,
            Presence::Present => Seen::Present { gid: want.params.gid.unwrap_or(gid) },
        };
        Observed { seen: after, programs: seen.programs, taken: None }
    }

    fn apply(&self, _: &[&Want<Params>], due: &[Due<'_, Self>], _: &Facts, steps: &mut Steps) {
        for Due { want, seen, .. } in due {
            let (id, name, programs) = (&want.id, want.title(), seen.programs);
            let argv = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
            let add = |gid: Option<u32>| accounts::add_group(programs, name, gid, want.params.system);
            let delete = accounts::delete_group(programs, name);
            // A user's own group goes with the user, who goes, or is taken back, before it.
            let where_there = ["sh", "-c", "if grep -q \"^$0:\" /etc/group; then exec \"$@\"; fi", name];
            let delete: Vec<String> = argv(&where_there).into_iter().chain(delete).collect();
            let number = |gid: u32| argv(&["groupmod", "-g", &gid.to_string(), name]);
            match (want.params.state, &seen.seen) {
                (Presence::Absent, Seen::Present { gid }) => {
                    steps.run(&[id], Command::new(delete), Undo::Run(add(Some(*gid))));
                }
                (Presence::Present, Seen::Absent) => {
                    steps.run(&[id], Command::new(add(want.params.gid)), Undo::Run(delete));
                }
                (Presence::Present, Seen::Present { gid }) => {
                    if let Some(wanted) = want.params.gid {
                        steps.run(&[id], Command::new(number(wanted)), Undo::Run(number(*gid)));
                    }
                }
                (Presence::Absent, Seen::Absent) => {}
            }
        }
    }
}
