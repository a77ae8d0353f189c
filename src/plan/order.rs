//! Which changes are made together, and in what order.

use crate::resources::Together;

/// A change as far as ordering goes.
#[derive(Clone, Debug)]
pub struct Node {
    /// Numbers of the changes it comes after; each is less than its own.
    pub needs: Vec<usize>,
    pub kind: &'static str,
    pub together: Together,
}

/// Groups of changes, in order: every change once, and after all it needs.
///
/// Those of [`Together::Ready`] come together where they wait for exactly the same, so that what skips one skips
/// all; those of [`Together::All`] as soon as every one of them is ready, or nothing else is.
pub fn groups(nodes: &[Node]) -> Vec<Vec<usize>> {
    let mut done = vec![false; nodes.len()];
    let mut groups = vec![];
    loop {
        let is_ready = |n: usize, done: &[bool]| {
            done.get(n) == Some(&false)
                && nodes.get(n).is_some_and(|node| node.needs.iter().all(|&m| done.get(m).copied().unwrap_or(true)))
        };
        let same_kind = |a: usize, b: usize| nodes.get(a).map(|n| n.kind) == nodes.get(b).map(|n| n.kind);
        let mut chosen: Option<Vec<usize>> = None;
        let mut fallback: Option<Vec<usize>> = None;
        let first_left = done.iter().position(|d| !d).unwrap_or(nodes.len());
        for n in first_left..nodes.len() {
            if !is_ready(n, &done) {
                continue;
            }
            let Some(node) = nodes.get(n) else { continue };
            match node.together {
                Together::Each => chosen = Some(vec![n]),
                Together::Ready => {
                    let alike = |&m: &usize| {
                        same_kind(n, m)
                            && is_ready(m, &done)
                            && nodes.get(m).is_some_and(|other| other.needs == node.needs)
                    };
                    chosen = Some((n..nodes.len()).filter(alike).collect());
                }
                Together::All => {
                    let left: Vec<_> =
                        (0..nodes.len()).filter(|&m| same_kind(n, m) && done.get(m) == Some(&false)).collect();
                    let ready: Vec<_> = left.iter().copied().filter(|&m| is_ready(m, &done)).collect();
                    if ready.len() == left.len() {
                        chosen = Some(ready);
                    } else {
                        fallback.get_or_insert(ready);
                        continue;
                    }
                }
            }
            break;
        }
        let Some(group) = chosen.or(fallback) else { return groups };
        for &n in &group {
            if let Some(d) = done.get_mut(n) {
                *d = true;
            }
        }
        groups.push(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(kind: &'static str, together: Together, needs: &[usize]) -> Node {
        Node { needs: needs.to_vec(), kind, together }
    }

    #[test]
    fn packages_that_wait_for_the_same_are_one_transaction() {
        use Together::*;
        let nodes = [
            node("package", Ready, &[]),
            node("file", Each, &[]),
            node("package", Ready, &[1]),
            node("package", Ready, &[]),
            node("package", Ready, &[1]),
        ];
        assert_eq!(groups(&nodes), [vec![0, 3], vec![1], vec![2, 4]]);
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
