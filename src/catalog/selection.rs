//! Which of a catalog's resources are asked for by their tags, and what comes along with them.

use super::graph::Graph;

/// Which resources are asked for by their tags.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Empty: all.
    pub tags: Vec<String>,
    pub skip_tags: Vec<String>,
}

/// A resource as a selection sees it.
pub(super) struct Candidate<'a> {
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
            let whole: Vec<usize> =
                resources.iter().zip(&selected).filter(|(_, s)| **s).filter_map(|(r, _)| r.one_with).collect();
            for (r, s) in resources.iter().zip(&mut selected) {
                *s |= r.one_with.is_some_and(|ty| whole.contains(&ty));
            }
            if selected == before {
                return selected;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::{Edge, EdgeKind};
    use super::*;
    use crate::language::span::Span;

    /// Selects among a package, two resources made as one of which the second needs the package, and a file.
    fn select(tags: &[&str], skip_tags: &[&str]) -> Vec<bool> {
        let owned = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let named: Vec<Vec<String>> = ["tools", "base", "web", "other"].iter().map(|t| owned(&[t])).collect();
        let one_with = [None, Some(7), Some(7), None];
        let resources: Vec<_> =
            named.iter().zip(one_with).map(|(tags, one_with)| Candidate { tags, one_with }).collect();
        let mut graph = Graph::new(4);
        graph.add(0, 2, Edge { kind: EdgeKind::Require, span: Span::default() });
        let selection = Selection { tags: owned(tags), skip_tags: owned(skip_tags) };
        selection.of(&resources, &graph, &[0, 1, 2, 3])
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
