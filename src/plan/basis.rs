//! What a host's plan was made from; and whether the host still is as the plan saw it.

use super::probe::Seen;
use super::{Change, HostPlan};
use crate::catalog::Catalog;
use crate::catalog::parts::Parts;
use crate::facts::Facts;
use crate::model::body::Digest;
use crate::model::id::ResourceId;
use crate::resources::difference::{Action, Shown};
use std::collections::{BTreeMap, HashMap, HashSet};

/// All that is needed to look at a host again, and to apply its plan, where what was written is not at hand.
#[derive(Clone, Debug)]
pub struct Basis {
    pub parts: Parts,
    pub facts: Facts,
    /// The state that each change of the plan starts from; `None` where nobody could read it.
    pub states: Vec<Option<Digest>>,
}

/// A host's plan that was saved, with what it was made from.
#[derive(Clone, Debug)]
pub struct SavedHost {
    pub plan: HostPlan,
    pub basis: Basis,
}

/// Why a change is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// Its resource is not as the plan saw it.
    Moved,
    /// It comes after this one, which was to be in line and is not.
    Behind(ResourceId),
}

/// The changes that are left alone, by their numbers.
pub type Held = BTreeMap<usize, Left>;

/// A fact that a plan stands on and that is another by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedFact {
    pub name: &'static str,
    pub from: String,
    pub to: String,
}

impl Basis {
    pub fn of(catalog: &Catalog, seen: &Seen<'_>, plan: &HostPlan) -> Self {
        let state = |c: &Change| state(catalog, seen, c.resource);
        Self {
            parts: Parts::of(catalog),
            facts: catalog.facts.clone(),
            states: plan.changes.iter().map(state).collect(),
        }
    }

    /// What the machine is that the plan was made for, as far as its steps depend on it.
    pub fn moved_facts(&self, now: &Facts) -> Vec<MovedFact> {
        let of = |f: &Facts| {
            let os = format!("{} {} ({})", f.os.id, f.os.version, f.os.family);
            let user = format!("{} ({})", f.user.name, f.user.uid);
            [
                ("os", os),
                ("arch", f.arch.clone()),
                ("package_manager", format!("{:?}", f.package_manager).to_lowercase()),
                ("init_system", format!("{:?}", f.init_system).to_lowercase()),
                ("hostname", f.hostname.clone()),
                ("virtualization", f.virtualization.clone()),
                ("user", user),
            ]
        };
        let both = of(&self.facts).into_iter().zip(of(now));
        both.filter(|(a, b)| a != b).map(|((name, from), (_, to))| MovedFact { name, from, to }).collect()
    }
}

fn state(catalog: &Catalog, seen: &Seen<'_>, resource: usize) -> Option<Digest> {
    let resource = catalog.resources.get(resource)?;
    seen.batch(resource.batch)?.state(resource.index)
}

impl SavedHost {
    /// The saved plan, with what is told of it now, and the changes of it that have to be left alone. `now` is the plan
    /// that the host as it is would get.
    pub fn hold(&self, catalog: &Catalog, seen: &Seen<'_>, now: &HostPlan) -> (HostPlan, Held) {
        let mut plan = self.plan.clone();
        let by_resource: HashMap<usize, &Change> = now.changes.iter().map(|c| (c.resource, c)).collect();
        let unjudged: HashMap<&ResourceId, &str> = now.unjudged.iter().map(|u| (&u.id, u.reason.as_str())).collect();
        let mut held = Held::new();
        let mut told = vec![];
        for (n, change) in plan.changes.iter().enumerate() {
            let is = state(catalog, seen, change.resource);
            let owed = change.difference.action == Action::Refresh && change.refreshed_by.is_empty();
            let fresh = by_resource.get(&change.resource);
            let same = is.is_some() && self.basis.states.get(n) == Some(&is) && (fresh.is_some() || !owed);
            if !same {
                let why = match (unjudged.get(&change.id), fresh) {
                    (Some(reason), _) => (*reason).to_owned(),
                    (None, Some(fresh)) => moved(change, fresh),
                    (None, None) => "it is in line by now".to_owned(),
                };
                told.push(format!("{} has moved since the plan: {why}; it is left alone", change.id));
                held.insert(n, Left::Moved);
            }
        }
        self.behind(catalog, &by_resource, &unjudged, &mut held, &mut told);
        plan.warnings.extend(told);
        (plan, held)
    }

    /// Of a plan that was made after a stage, what the saved plan holds. The rest is left as it is, and reported.
    pub fn rest(&self, mut now: HostPlan) -> (HostPlan, Vec<String>) {
        let holds: HashSet<&ResourceId> = self.plan.changes.iter().map(|c| &c.id).collect();
        let mut dropped: HashSet<usize> = HashSet::new();
        let mut drift = vec![];
        let (first, count) = (now.first, now.changes.len());
        for n in 0..count {
            let Some(change) = now.changes.get_mut(n) else { continue };
            let waits = change.needs.iter().any(|need| need.checked_sub(first).is_some_and(|n| dropped.contains(&n)));
            if holds.contains(&change.id) && !waits {
                continue;
            }
            dropped.insert(n);
            drift.push(match waits {
                true => format!("{} is left as it is, for it comes after what the plan does not hold", change.id),
                false => format!("{} is drift that the plan does not hold: {}", change.id, properties(change)),
            });
            change.decided_after.get_or_insert_with(|| change.id.clone());
        }
        (now, drift)
    }

    /// What was in line when the plan was made and is not any more is left alone as well, and so is what comes after it.
    fn behind(
        &self,
        catalog: &Catalog,
        now: &HashMap<usize, &Change>,
        unjudged: &HashMap<&ResourceId, &str>,
        held: &mut Held,
        told: &mut Vec<String>,
    ) {
        let numbers: HashMap<usize, usize> =
            self.plan.changes.iter().enumerate().map(|(n, c)| (c.resource, n)).collect();
        let open: HashSet<&ResourceId> =
            self.plan.unjudged.iter().map(|u| &u.id).chain(self.plan.blocked.iter().map(|b| &b.id)).collect();
        let mut behind: HashMap<usize, ResourceId> = HashMap::new();
        for &n in &catalog.order {
            let Some(resource) = catalog.resources.get(n).filter(|r| r.selected && !open.contains(&r.id)) else {
                continue;
            };
            let because = catalog.graph.before(n).into_iter().find_map(|b| behind.get(&b).cloned());
            if let Some(change) = numbers.get(&n) {
                if let Some(because) = because {
                    held.entry(*change).or_insert(Left::Behind(because));
                }
                continue;
            }
            let drifted = now.get(&n).filter(|c| c.difference.action != Action::Refresh);
            let why = match (unjudged.get(&resource.id), drifted) {
                (Some(reason), _) => Some((*reason).to_owned()),
                (None, Some(change)) => Some(properties(change)),
                (None, None) => None,
            };
            if let Some(why) = why {
                told.push(format!("{} has moved since the plan, which saw it in line: {why}", resource.id));
                behind.insert(n, resource.id.clone());
            } else if let Some(because) = because {
                behind.insert(n, because);
            }
        }
    }
}

/// In what a resource has moved: the values that a change was to start from, then and now.
fn moved(planned: &Change, now: &Change) -> String {
    let before = |name: &str| planned.difference.properties.iter().find(|p| p.name == name).map(|p| &p.from);
    let mut parts = vec![];
    for p in now.difference.properties.iter().filter(|p| before(&p.name) != Some(&p.from)) {
        parts.push(match before(&p.name) {
            Some(was) => format!("{} was {was}, is {}", p.name, p.from),
            None => format!("{} is {}", p.name, p.from),
        });
    }
    if parts.is_empty() { "it is not as the plan saw it".to_owned() } else { parts.join(", ") }
}

fn properties(change: &Change) -> String {
    let shown = |from: &Shown, to: &Shown| format!("{from}, where {to} is wanted");
    let parts: Vec<String> =
        change.difference.properties.iter().map(|p| format!("{} is {}", p.name, shown(&p.from, &p.to))).collect();
    if parts.is_empty() { "it is not in line".to_owned() } else { parts.join("; ") }
}
