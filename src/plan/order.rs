//! Which changes are made together, and in what order.

use crate::resources::Together;
use std::collections::{BTreeMap, BTreeSet};

/// A change as far as ordering goes.
#[derive(Clone, Debug)]
pub struct Node {
    /// Numbers of the changes it comes after; each is less than its own.
    pub needs: Vec<usize>,
    pub kind: &'static str,
    pub together: Together,
    /// It is a removal of what has left the manifest, which comes together with its like alone.
    pub departed: bool,
}

/// Groups of changes, in order: every change once, and after all it needs.
///
/// Those of [`Together::Ready`] come together where they stand next to one another, so that none jumps ahead of what was
/// declared before it, and wait for exactly the same, so that what skips one skips all; those of [`Together::All`] as
/// soon as every one of them is ready, or nothing else is.
pub fn groups(nodes: &[Node]) -> Vec<Vec<usize>> {
    let mut queue = Queue::new(nodes);
    let mut groups = vec![];
    while let Some(group) = queue.next() {
        for &n in &group {
            queue.done(n);
        }
        groups.push(group);
    }
    groups
}

/// What is ready, by how it comes together; everything is looked at once, however many there are.
struct Queue<'a> {
    nodes: &'a [Node],
    /// How many of its needs are left, by node.
    waits_for: Vec<usize>,
    /// The nodes that come after it, by node.
    before: Vec<Vec<usize>>,
    /// Ready, and not of [`Together::All`].
    ready: BTreeSet<usize>,
    /// Types of [`Together::All`]: how many are left, and which are ready.
    whole: BTreeMap<&'a str, (usize, BTreeSet<usize>)>,
}

impl<'a> Queue<'a> {
    fn new(nodes: &'a [Node]) -> Self {
        let mut queue = Self {
            nodes,
            waits_for: vec![0; nodes.len()],
            before: vec![vec![]; nodes.len()],
            ready: BTreeSet::new(),
            whole: BTreeMap::new(),
        };
        for (n, node) in nodes.iter().enumerate() {
            for need in node.needs.iter().copied().collect::<BTreeSet<_>>() {
                if let (Some(after), Some(count)) = (queue.before.get_mut(need), queue.waits_for.get_mut(n)) {
                    after.push(n);
                    *count += 1;
                }
            }
            if node.together == Together::All {
                queue.whole.entry(node.kind).or_default().0 += 1;
            }
        }
        for n in 0..nodes.len() {
            if queue.waits_for.get(n) == Some(&0) {
                queue.is_ready(n);
            }
        }
        queue
    }

    fn is_ready(&mut self, n: usize) {
        let Some(node) = self.nodes.get(n) else { return };
        if node.together == Together::All {
            self.whole.entry(node.kind).or_default().1.insert(n);
        } else {
            self.ready.insert(n);
        }
    }

    /// The nodes from this one on that are made in one transaction with it.
    fn alike(&self, first: usize, node: &Node) -> Vec<usize> {
        let same = |m: &Node| {
            m.together == Together::Ready && m.kind == node.kind && m.departed == node.departed && m.needs == node.needs
        };
        // What is made all together has a place of its own.
        let rest = self.nodes.iter().enumerate().skip(first).filter(|(_, m)| m.together != Together::All);
        rest.take_while(|(n, m)| same(m) && self.ready.contains(n)).map(|(n, _)| n).collect()
    }

    /// The next group: the one of the first node that is ready. What comes all together waits until it is whole, as long
    /// as there is anything else to do.
    fn next(&mut self) -> Option<Vec<usize>> {
        let first = |(_, (left, ready)): (_, &(usize, BTreeSet<usize>)), whole: bool| {
            ready.first().copied().filter(|_| !whole || *left == ready.len())
        };
        let single = self.ready.first().copied();
        let whole = self.whole.iter().filter_map(|entry| first(entry, true)).min();
        let n = match (single, whole) {
            (None, None) => self.whole.iter().filter_map(|entry| first(entry, false)).min()?,
            (single, whole) => single.into_iter().chain(whole).min()?,
        };
        let node = self.nodes.get(n)?;
        Some(match node.together {
            Together::Each => vec![n],
            Together::Ready => self.alike(n, node),
            Together::All => self.whole.get(node.kind)?.1.iter().copied().collect(),
        })
    }

    fn done(&mut self, n: usize) {
        let Some(node) = self.nodes.get(n) else { return };
        self.ready.remove(&n);
        if let Some((left, ready)) = self.whole.get_mut(node.kind).filter(|_| node.together == Together::All) {
            *left -= 1;
            ready.remove(&n);
        }
        for after in self.before.get_mut(n).map(std::mem::take).unwrap_or_default() {
            let Some(count) = self.waits_for.get_mut(after) else { continue };
            *count -= 1;
            if *count == 0 {
                self.is_ready(after);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(kind: &'static str, together: Together, needs: &[usize]) -> Node {
        Node { needs: needs.to_vec(), kind, together, departed: false }
    }

    #[test]
    fn packages_next_to_one_another_that_wait_for_the_same_are_one_transaction() {
        use Together::*;
        let nodes = [
            node("package", Ready, &[]),
            node("package", Ready, &[]),
            node("file", Each, &[]),
            node("package", Ready, &[2]),
            node("firewall", All, &[]),
            node("package", Ready, &[2]),
            node("package", Ready, &[]),
        ];
        assert_eq!(groups(&nodes), [vec![0, 1], vec![2], vec![3, 5], vec![4], vec![6]]);
    }

    #[test]
    fn one_ruleset_waits_until_all_of_it_is_ready() {
        use Together::*;
        let nodes = [
            node("firewall", All, &[]),
            node("package", Ready, &[]),
            node("firewall", All, &[1]),
            node("service", Each, &[2]),
        ];
        assert_eq!(groups(&nodes), [vec![1], vec![0, 2], vec![3]]);
    }

    proptest! {
        #[test]
        fn every_change_stands_once_and_after_what_it_needs(
            raw in proptest::collection::vec((0usize..3, proptest::collection::vec(0usize..40, 0..4)), 0..40),
        ) {
            let kinds = [("each", Together::Each), ("ready", Together::Ready), ("all", Together::All)];
            let nodes: Vec<_> = raw
                .iter()
                .enumerate()
                .map(|(n, (k, needs))| {
                    let needs: Vec<_> = needs.iter().copied().filter(|m| *m < n).collect();
                    node(kinds[*k].0, kinds[*k].1, &needs)
                })
                .collect();
            let order: Vec<usize> = groups(&nodes).into_iter().flatten().collect();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..nodes.len()).collect::<Vec<_>>());
            let place = |n: usize| order.iter().position(|&m| m == n).unwrap();
            for (n, node) in nodes.iter().enumerate() {
                prop_assert!(node.needs.iter().all(|&m| place(m) < place(n)));
            }
        }
    }
}
