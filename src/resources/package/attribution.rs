//! Whose the effects of a transaction are, and whether they go against what is wanted of another package.

use super::answer::{Answer, Lists};
use super::effects::{Deed, MANY, SENTENCE, Simulated, clipped};
use super::observed::{Observed, State, States, Word};
use std::collections::{HashMap, HashSet};

/// Which of the wanted are due, as far as a probe can tell before it is judged.
fn is_due(word: &Word<'_>, seen: &Observed) -> bool {
    match (word.state, &seen.installed, word.version) {
        (State::Absent, None, _) => seen.half,
        (State::Absent, Some(_), _) => true,
        (State::Present, Some(has), Some(version)) => has != version,
        (State::Latest, Some(has), _) => seen.candidate.as_ref().is_some_and(|c| c != has),
        (_, installed, _) => installed.is_none(),
    }
}

/// Notes at each due package what else it brings, and whether that goes against what is wanted of another.
pub(super) fn attribute(words: &[Word<'_>], answer: &Answer<'_>, simulated: Vec<Simulated>, states: &mut States) {
    let due: Vec<&Word<'_>> =
        words.iter().filter(|w| is_due(w, states.get(w.name).unwrap_or(&Observed::default()))).collect();
    let names: HashSet<&str> = due.iter().map(|w| w.name).collect();
    let present: HashSet<&str> = words.iter().filter(|w| w.state != State::Absent).map(|w| w.name).collect();
    let absent: HashSet<&str> = words.iter().filter(|w| w.state == State::Absent).map(|w| w.name).collect();
    let stale = answer.lists.is_none_or(Lists::stale);
    for one in simulated {
        for effect in one.effects.iter().filter(|e| !names.contains(e.name.as_str())) {
            let root = root(&effect.name, &one.because, &names);
            let clash = match effect.deed {
                Deed::Remove => present.contains(effect.name.as_str()).then_some("remove"),
                _ => absent.contains(effect.name.as_str()).then_some("install"),
            };
            if let Some(deed) = clash {
                let wanted = if deed == "remove" { "installed" } else { "absent" };
                let why = format!("the package manager would {deed} {} with it, which is to be {wanted}", effect.name);
                // Whose it is may not be known; then none of them can be trusted.
                let whose = due.iter().filter(|w| root.is_none_or(|r| r == w.name));
                whose.for_each(|w| refuse(states, w.name, &why));
            }
            if let Some(name) = root.or_else(|| due.first().map(|w| w.name)) {
                states.entry(name.to_owned()).or_default().effects.push(effect.clone());
            }
        }
        let named = one.refused.keys().any(|name| names.contains(name.as_str()));
        for (name, why) in &one.refused {
            let said = format!("the package manager refuses it: {}", clipped(why, SENTENCE));
            for word in due.iter().filter(|w| if named { w.name == name } else { true }) {
                match stale {
                    // What is missing may be there once the lists are fetched.
                    true => warn(states, word.name, format!("by the lists as they are, {said}")),
                    false => refuse(states, word.name, &said),
                }
            }
        }
        if let (Some(why), Some(first)) = (&one.failed, due.first()) {
            warn(states, first.name, format!("what else changes is not known: {}", clipped(why, SENTENCE)));
        }
    }
    for state in states.values_mut() {
        state.effects.sort_by(|a, b| (a.deed, &a.name).cmp(&(b.deed, &b.name)));
    }
}

fn refuse(states: &mut States, name: &str, why: &str) {
    let state = states.entry(name.to_owned()).or_default();
    state.refused.get_or_insert_with(|| why.to_owned());
}

fn warn(states: &mut States, name: &str, why: String) {
    states.entry(name.to_owned()).or_default().warnings.push(why);
}

/// The due package that it comes or goes because of.
fn root<'a>(name: &str, because: &'a HashMap<String, String>, due: &HashSet<&'a str>) -> Option<&'a str> {
    let mut at = name;
    for _ in 0..64 {
        at = because.get(at)?;
        if let Some(found) = due.get(at) {
            return Some(found);
        }
    }
    None
}

/// Of names, the nearest to one that there is not.
pub(super) fn near(name: &str, names: &[&str]) -> Option<String> {
    let most = if name.chars().count() < 4 { 1 } else { 2 };
    let close = names.iter().filter(|n| n.len().abs_diff(name.len()) <= most && n.len() < 100).take(MANY);
    let best = close.map(|n| (distance(name, n), *n)).filter(|(d, _)| *d <= most).min()?;
    Some(best.1.to_owned())
}

/// Levenshtein's.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |r: &[usize], n: usize| r.get(n).copied().unwrap_or(usize::MAX - 1);
            let best = (at(&row, j) + usize::from(x != *y)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            next.push(best);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
