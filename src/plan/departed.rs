//! What has left the manifest and stays all the same, known before anything is judged. Pure.

use super::probe::Seen;
use crate::catalog::{Catalog, Resource};
use crate::model::id::ResourceId;
use crate::resources::difference::Ahead;
use crate::resources::{Edges, Need, Orphaned};
use std::collections::{BTreeMap, HashMap};

/// Resources by their numbers, each with why it is left alone: what is still in the manifest needs it by its type, or it
/// would end because of something that stays.
pub(super) fn left(catalog: &Catalog, seen: &Seen<'_>) -> BTreeMap<usize, String> {
    let departed: HashMap<(&str, &str), usize> = catalog
        .resources
        .iter()
        .enumerate()
        .filter(|(_, r)| r.departed)
        .map(|(n, r)| ((r.id.kind.as_str(), r.key.as_str()), n))
        .collect();
    if departed.is_empty() {
        return BTreeMap::new();
    }
    let places: HashMap<&str, (usize, bool)> = departed
        .values()
        .filter_map(|&n| {
            let resource = catalog.resources.get(n)?;
            let made = catalog.batches.get(resource.batch)?.makes(resource.index)?;
            Some((made.path, (n, made.holds)))
        })
        .collect();
    let mut left = BTreeMap::new();
    let mut edges = Edges::default();
    catalog.batches.iter().for_each(|b| b.relate(&mut edges));
    let stays: HashMap<&ResourceId, &Resource> =
        catalog.resources.iter().filter(|r| !r.departed && is_present(catalog, r)).map(|r| (&r.id, r)).collect();
    for (id, need) in &edges.0 {
        if !stays.contains_key(id) {
            continue;
        }
        let needed = match need {
            Need::Resource { kind, key } => departed.get(&(*kind, key.as_str())).copied(),
            Need::At(path) => places.get(path.as_str()).map(|(n, _)| *n),
            Need::Parent(path) => {
                above(path).find_map(|at| places.get(at).filter(|(_, holds)| *holds).map(|(n, _)| *n))
            }
            // A home stays where its user goes, unless that asks for more.
            Need::Home(_) => None,
        };
        if let Some(n) = needed {
            left.entry(n).or_insert_with(|| format!("{id} is still in the manifest and needs it"));
        }
    }
    for &n in departed.values() {
        if let Some(resource) = catalog.resources.get(n)
            && let Some(Err(_)) = seen.diff(resource, &Ahead::default())
            && !catalog.batches.get(resource.batch).is_some_and(|b| b.ty().goes_empty())
        {
            // Why is told when it is judged.
            left.entry(n).or_default();
        }
    }
    let ends: Vec<(usize, String)> = departed.values().filter_map(|&n| Some((n, ends(catalog, n, &left)?))).collect();
    left.retain(|_, why| !why.is_empty());
    left.extend(ends);
    left
}

/// Of what ends with something that stays: that.
fn ends(catalog: &Catalog, n: usize, left: &BTreeMap<usize, String>) -> Option<String> {
    let resource = catalog.resources.get(n)?;
    let ty = catalog.batches.get(resource.batch)?.ty();
    if !matches!(ty.orphaned(), Orphaned::Ended(..)) {
        return None;
    }
    let bases: Vec<(usize, &Resource)> = catalog
        .resources
        .iter()
        .enumerate()
        .filter(|(_, r)| r.departed && ty.stands_on(&resource.id.title, r.id.kind.as_str(), &r.key))
        .collect();
    let goes = bases.iter().any(|(n, _)| !left.contains_key(n));
    let (_, stays) = bases.first().filter(|_| !goes)?;
    Some(format!("{}, which it stands on, is left alone", stays.id))
}

fn is_present(catalog: &Catalog, resource: &Resource) -> bool {
    catalog.batches.get(resource.batch).is_some_and(|b| b.is_present(resource.index))
}

/// The directories above a path, the nearest first.
fn above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/').map(|(at, _)| at), |at| at.rsplit_once('/').map(|(at, _)| at))
        .filter(|at| !at.is_empty())
}
