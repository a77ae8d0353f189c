//! Which of a catalog's resources are asked for by their tags, and what comes along with them.

use super::graph::Graph;
use crate::language::diagnostic::{Diagnostic, did_you_mean};
use crate::model::id::ResourceId;
use std::collections::BTreeSet;

/// Which resources are asked for by their tags.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Empty: all.
    pub tags: Vec<String>,
    pub skip_tags: Vec<String>,
    /// The resource to start at, as it is written in a reference: what comes before it is left out.
    pub start_at: Option<String>,
}

/// Resources that are named before the rest is counted.
const SHOWN: usize = 8;

/// A resource as a selection sees it.
pub(super) struct Candidate<'a> {
    pub id: &'a ResourceId,
    pub tags: &'a [String],
    /// The type's place in `TYPES`, where all of a host's resources of that type are made as one.
    pub one_with: Option<usize>,
}

impl Selection {
    fn names(&self, tags: &[String]) -> bool {
        let always = tags.iter().any(|t| t == "always");
        (self.tags.is_empty() || always || tags.iter().any(|t| self.tags.contains(t))) && !self.skips(tags)
    }

    fn skips(&self, tags: &[String]) -> bool {
        tags.iter().any(|t| self.skip_tags.contains(t))
    }

    /// For each resource whether it is selected: those that are named; what they come after, unless it is skipped by
    /// name; and with one of those that are made as one, all of them, skipped or not. A ruleset that is written whole
    /// would else lose rules that nobody saw, or gain some that no plan had shown.
    pub(super) fn of(&self, resources: &[Candidate<'_>], graph: &Graph, order: &[usize]) -> Vec<bool> {
        let mut selected: Vec<bool> = resources.iter().map(|r| self.names(r.tags)).collect();
        loop {
            let before = selected.clone();
            for &n in order.iter().rev() {
                if selected.get(n) != Some(&true) {
                    continue;
                }
                for needed in graph.before(n) {
                    let skipped = resources.get(needed).is_some_and(|r| self.skips(r.tags));
                    if let Some(s) = selected.get_mut(needed).filter(|_| !skipped) {
                        *s = true;
                    }
                }
            }
            let whole: BTreeSet<usize> =
                resources.iter().zip(&selected).filter(|(_, s)| **s).filter_map(|(r, _)| r.one_with).collect();
            for (r, s) in resources.iter().zip(&mut selected) {
                *s |= r.one_with.is_some_and(|ty| whole.contains(&ty));
            }
            if selected == before {
                return selected;
            }
        }
    }

    /// Leaves out what comes before the resource to start at, and says what that is. What is made as one stays whole.
    ///
    /// # Errors
    /// Where there is no such resource: nothing is done on the host then.
    pub(super) fn start(
        &self,
        resources: &[Candidate<'_>],
        order: &[usize],
        selected: &mut [bool],
    ) -> Result<Option<String>, Diagnostic> {
        let Some(start) = &self.start_at else { return Ok(None) };
        let id = |n: usize| resources.get(n).map(|r| r.id.to_string()).unwrap_or_default();
        let Some(at) = order.iter().position(|n| id(*n) == *start) else {
            let d =
                Diagnostic::error("unknown resource", None, format!("there is no {start} to start at on this host"));
            let all: Vec<String> = order.iter().map(|n| id(*n)).collect();
            return Err(match did_you_mean(start, all.iter().map(String::as_str)) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d.help("name one as in service[nginx], and narrow the run with --limit to hosts that have it"),
            });
        };
        let (before, after) = order.split_at(at);
        let whole: Vec<usize> = after
            .iter()
            .filter(|n| selected.get(**n) == Some(&true))
            .filter_map(|n| resources.get(*n)?.one_with)
            .collect();
        let mut skipped = vec![];
        for &n in before {
            let stays = resources.get(n).and_then(|r| r.one_with).is_some_and(|ty| whole.contains(&ty));
            if let Some(s) = selected.get_mut(n).filter(|s| **s && !stays) {
                *s = false;
                skipped.push(n);
            }
        }
        let named: Vec<String> = skipped.iter().take(SHOWN).map(|n| id(*n)).collect();
        let more = skipped.len() - named.len();
        let more = if more > 0 { format!(", … {more} more") } else { String::new() };
        let noun = if skipped.len() == 1 { "resource" } else { "resources" };
        let text = format!("--start-at leaves out {} {noun}: {}{more}", skipped.len(), named.join(", "));
        Ok((!skipped.is_empty()).then_some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::{Edge, EdgeKind};
    use super::*;
    use crate::model::span::Span;

    /// Selects among a package, two resources made as one of which the second needs the package, and a file.
    fn select(tags: &[&str], skip_tags: &[&str]) -> Vec<bool> {
        let owned = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let ids = ["tools", "base", "web", "other"].map(|t| ResourceId::new("firewall", t));
        let named: Vec<Vec<String>> = ["tools", "base", "web", "other"].iter().map(|t| owned(&[t])).collect();
        let one_with = [None, Some(7), Some(7), None];
        let resources: Vec<_> = ids
            .iter()
            .zip(&named)
            .zip(one_with)
            .map(|((id, tags), one_with)| Candidate { id, tags, one_with })
            .collect();
        let mut graph = Graph::new(4);
        graph.add(0, 2, Edge { kind: EdgeKind::Require, span: Span::default() });
        let selection = Selection { tags: owned(tags), skip_tags: owned(skip_tags), start_at: None };
        selection.of(&resources, &graph, &[0, 1, 2, 3])
    }

    #[test]
    fn what_comes_before_the_start_is_left_out() {
        let ids = ["a", "b", "c", "d"].map(|t| ResourceId::new("file", t));
        let one_with = [None, Some(7), None, Some(7)];
        let start = |at: &str, order: &[usize], selected: [bool; 4]| {
            let resources: Vec<_> =
                ids.iter().zip(one_with).map(|(id, one_with)| Candidate { id, tags: &[], one_with }).collect();
            let selection = Selection { start_at: Some(at.into()), ..Selection::default() };
            let mut left = selected;
            selection.start(&resources, order, &mut left).map(|said| (left, said)).map_err(|d| d.label.clone())
        };
        let said = |text: &str| Some(format!("--start-at leaves out {text}"));
        let all = [true; 4];
        assert_eq!(start("file[a]", &[0, 1, 2, 3], all), Ok((all, None)));
        assert_eq!(start("file[c]", &[0, 1, 2, 3], all), Ok(([false, true, true, true], said("1 resource: file[a]"))));
        let last = start("file[a]", &[3, 2, 1, 0], all);
        assert_eq!(last, Ok(([true, false, false, false], said("3 resources: file[d], file[c], file[b]"))));
        let two = start("file[c]", &[0, 1, 2, 3], [false, false, true, false]);
        assert_eq!(two, Ok(([false, false, true, false], None)));
        assert!(start("file[x]", &[0, 1, 2, 3], all).is_err());
    }

    #[test]
    fn what_is_made_as_one_is_selected_as_one() {
        assert_eq!(select(&["other"], &[]), [false, false, false, true]);
        assert_eq!(select(&["web"], &[]), [true, true, true, false]);
        // Taken in, and then what it needs.
        assert_eq!(select(&["base"], &[]), [true, true, true, false]);
        assert_eq!(select(&[], &["base"]), [true, true, true, true]);
        assert_eq!(select(&[], &["base", "web"]), [true, false, false, true]);
        assert_eq!(select(&["base"], &["tools"]), [false, true, true, false]);
    }
}
