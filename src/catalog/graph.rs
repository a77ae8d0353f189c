//! The order of a catalog's resources: edges, the shortest cycle, manifest order between the unordered.

use crate::model::id::ResourceId;
use crate::model::span::Span;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::collections::VecDeque;

/// Why one resource comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// `require` or `before`.
    Require,
    /// `notify` or `subscribe`: the later one is refreshed when the earlier one changes.
    Notify,
    /// The type implies it; it yields where it would close a cycle.
    Implied,
}

impl EdgeKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Notify => "notify",
            Self::Implied => "implied",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Edge {
    pub kind: EdgeKind,
    /// Where it was written; for an implied one, the resource that it was implied for.
    pub span: Span,
}

/// Resources by their number in the manifest, and what comes before what.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    graph: DiGraph<usize, Edge>,
}

/// A cycle, each edge with the resource it leaves from.
pub type Cycle = Vec<(usize, Edge)>;

impl Graph {
    pub fn new(resources: usize) -> Self {
        let mut graph = DiGraph::with_capacity(resources, resources * 2);
        for n in 0..resources {
            graph.add_node(n);
        }
        Self { graph }
    }

    /// `first` comes before `then`. A second edge between the same two adds nothing, unless it notifies.
    pub fn add(&mut self, first: usize, then: usize, edge: Edge) {
        let (a, b) = (NodeIndex::new(first), NodeIndex::new(then));
        let says_it =
            |kind: EdgeKind| kind == edge.kind || (edge.kind != EdgeKind::Notify && kind != EdgeKind::Implied);
        // From both ends at once, until the shorter list is through: thousands may come after one, or before one.
        let mut leaving = self.graph.edges(a);
        let mut coming = self.graph.edges_directed(b, petgraph::Direction::Incoming);
        while let (Some(out), Some(into)) = (leaving.next(), coming.next()) {
            let there = (out.target() == b && says_it(out.weight().kind))
                || (into.source() == a && says_it(into.weight().kind));
            if there {
                return;
            }
        }
        self.graph.add_edge(a, b, edge);
    }

    /// Direct predecessors, in order, each once.
    pub fn before(&self, n: usize) -> Vec<usize> {
        self.sources(n, |_| true)
    }

    /// Those that refresh this one when they change, in order, each once.
    pub fn notified_by(&self, n: usize) -> Vec<usize> {
        self.sources(n, |e| e.kind == EdgeKind::Notify)
    }

    /// Those that are refreshed when this one changes, in order, each once.
    pub fn notifies(&self, n: usize) -> Vec<usize> {
        let edges = self.graph.edges(NodeIndex::new(n)).filter(|e| e.weight().kind == EdgeKind::Notify);
        let mut out: Vec<_> = edges.map(|e| e.target().index()).collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    fn sources(&self, n: usize, keep: impl Fn(&Edge) -> bool) -> Vec<usize> {
        let edges = self.graph.edges_directed(NodeIndex::new(n), petgraph::Direction::Incoming);
        let mut out: Vec<_> = edges.filter(|e| keep(e.weight())).map(|e| e.source().index()).collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Every edge: from, to, why.
    pub fn edges(&self) -> impl Iterator<Item = (usize, usize, Edge)> {
        self.graph.edge_references().map(|e| (e.source().index(), e.target().index(), *e.weight()))
    }

    /// An order that respects every edge: depth-first in the manifest's order. What a resource comes after is pulled
    /// forward to it; nothing is pushed behind what was written after it.
    ///
    /// Where there is a cycle, implied edges on it are given up one after another; what an author wrote is not.
    ///
    /// # Errors
    /// The shortest cycle of written edges.
    pub fn order(&mut self) -> Result<Vec<usize>, Cycle> {
        loop {
            let free = self.free_of_cycles();
            if free.len() == self.graph.node_count() {
                return Ok(self.depth_first());
            }
            let cycle = self.shortest_cycle(&free);
            let implied: Vec<_> = cycle.iter().filter(|(_, e)| e.kind == EdgeKind::Implied).collect();
            if implied.is_empty() {
                return Err(cycle);
            }
            let from: Vec<_> = implied.iter().map(|(n, _)| *n).collect();
            let on_cycle: Vec<_> = cycle.iter().map(|(n, _)| *n).collect();
            self.graph.retain_edges(|g, e| {
                let Some((a, b)) = g.edge_endpoints(e) else { return true };
                !(g[e].kind == EdgeKind::Implied && from.contains(&a.index()) && on_cycle.contains(&b.index()))
            });
        }
    }

    /// The nodes that neither stand on a cycle nor come after one: Kahn's algorithm (CACM 5/11, 1962).
    fn free_of_cycles(&self) -> Vec<usize> {
        let mut waiting: Vec<usize> = self
            .graph
            .node_indices()
            .map(|n| self.graph.edges_directed(n, petgraph::Direction::Incoming).count())
            .collect();
        let mut free: Vec<usize> = waiting.iter().enumerate().filter(|(_, w)| **w == 0).map(|(n, _)| n).collect();
        let mut at = 0;
        while let Some(&n) = free.get(at) {
            at += 1;
            for edge in self.graph.edges(NodeIndex::new(n)) {
                let m = edge.target().index();
                if let Some(w) = waiting.get_mut(m) {
                    *w -= 1;
                    if *w == 0 {
                        free.push(m);
                    }
                }
            }
        }
        free
    }

    /// Each node after all that it comes after, which are visited by their numbers. There is no cycle.
    fn depth_first(&self) -> Vec<usize> {
        let mut visited = vec![false; self.graph.node_count()];
        let mut order = Vec::with_capacity(visited.len());
        // A stack of its own: a chain may be longer than the thread's.
        let mut stack: Vec<(usize, std::vec::IntoIter<usize>)> = vec![];
        for root in 0..visited.len() {
            let mut next = Some(root);
            loop {
                if let Some(n) = next.take()
                    && let Some(seen) = visited.get_mut(n).filter(|seen| !**seen)
                {
                    *seen = true;
                    stack.push((n, self.before(n).into_iter()));
                }
                let Some((n, before)) = stack.last_mut() else { break };
                next = before.next();
                if next.is_none() {
                    order.push(*n);
                    stack.pop();
                }
            }
        }
        order
    }

    /// Breadth-first from each node that could not be ordered; the shortest way back to itself.
    fn shortest_cycle(&self, ordered: &[usize]) -> Cycle {
        let mut done = vec![false; self.graph.node_count()];
        for &n in ordered {
            if let Some(d) = done.get_mut(n) {
                *d = true;
            }
        }
        // Two passes: a cycle of written edges alone is the author's to mend, so it is looked for first.
        let find = |written: bool| {
            let mut best: Option<Cycle> = None;
            for start in self.graph.node_indices().filter(|n| !done.get(n.index()).copied().unwrap_or(true)) {
                let limit = best.as_ref().map_or(usize::MAX, Vec::len);
                if let Some(cycle) = self.way_back(start, limit, written) {
                    best = Some(cycle);
                }
            }
            best
        };
        find(true).or_else(|| find(false)).unwrap_or_default()
    }

    /// The shortest cycle through `start` that is shorter than `limit`.
    fn way_back(&self, start: NodeIndex, limit: usize, written: bool) -> Option<Cycle> {
        let mut came: Vec<Option<(NodeIndex, Edge)>> = vec![None; self.graph.node_count()];
        let mut queue = VecDeque::from([(start, 0)]);
        while let Some((n, depth)) = queue.pop_front() {
            if depth + 1 >= limit {
                return None;
            }
            for edge in self.graph.edges(n).filter(|e| !written || e.weight().kind != EdgeKind::Implied) {
                let m = edge.target();
                if m == start {
                    let mut cycle = vec![(n.index(), *edge.weight())];
                    let mut at = n;
                    while let Some((previous, edge)) = came.get(at.index()).copied().flatten() {
                        cycle.push((previous.index(), edge));
                        at = previous;
                    }
                    cycle.reverse();
                    return Some(cycle);
                }
                if let Some(slot) = came.get_mut(m.index()).filter(|s| s.is_none()) {
                    *slot = Some((n, *edge.weight()));
                    queue.push_back((m, depth + 1));
                }
            }
        }
        None
    }
}

/// `a[x] → b[y] → a[x]`.
pub fn cycle_text(cycle: &Cycle, id: impl Fn(usize) -> ResourceId) -> String {
    let names: Vec<_> = cycle.iter().map(|(n, _)| id(*n).to_string()).collect();
    names.iter().chain(names.first()).cloned().collect::<Vec<_>>().join(" → ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edge(kind: EdgeKind) -> Edge {
        Edge { kind, span: Span::default() }
    }

    fn graph(n: usize, edges: &[(usize, usize)], kind: EdgeKind) -> Graph {
        let mut g = Graph::new(n);
        for &(a, b) in edges {
            g.add(a, b, edge(kind));
        }
        g
    }

    #[test]
    fn the_unordered_keep_the_manifests_order() {
        assert_eq!(graph(4, &[], EdgeKind::Require).order().unwrap(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_dependency_is_pulled_forward_to_its_first_dependent() {
        assert_eq!(graph(4, &[(3, 0)], EdgeKind::Require).order().unwrap(), [3, 0, 1, 2]);
        assert_eq!(graph(5, &[(4, 1), (3, 4), (2, 1)], EdgeKind::Require).order().unwrap(), [0, 2, 3, 4, 1]);
    }

    #[test]
    fn a_chain_of_any_length_is_ordered() {
        let edges: Vec<_> = (1..200_000).map(|n| (n, n - 1)).collect();
        let order = graph(200_000, &edges, EdgeKind::Require).order().unwrap();
        assert_eq!((order[0], order[199_999]), (199_999, 0));
    }

    #[test]
    fn the_shortest_cycle_is_told() {
        let mut g = graph(6, &[(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 4)], EdgeKind::Require);
        let nodes: Vec<_> = g.order().unwrap_err().into_iter().map(|(n, _)| n).collect();
        assert_eq!(nodes, [4, 5]);
    }

    #[test]
    fn a_second_edge_adds_nothing_unless_it_notifies() {
        use EdgeKind::{Implied, Notify, Require};
        let mut g = Graph::new(4);
        // Others at both ends, so that neither list is but the edge itself.
        for (a, b) in [(0, 2), (0, 3), (3, 1), (2, 1)] {
            g.add(a, b, edge(Require));
        }
        for (kind, kinds) in
            [(Implied, 1), (Implied, 1), (Require, 2), (Require, 2), (Notify, 3), (Notify, 3), (Implied, 3)]
        {
            g.add(0, 1, edge(kind));
            assert_eq!(g.edges().filter(|(a, b, _)| (*a, *b) == (0, 1)).count(), kinds, "{kind:?}");
        }
        assert_eq!((g.before(1), g.notified_by(1)), (vec![0, 2, 3], vec![0]));
    }

    #[test]
    fn an_implied_edge_yields_to_a_written_one() {
        let mut g = graph(2, &[(0, 1)], EdgeKind::Implied);
        g.add(1, 0, edge(EdgeKind::Require));
        assert_eq!(g.order().unwrap(), [1, 0]);
    }

    proptest! {
        #[test]
        fn an_order_respects_every_edge(edges in proptest::collection::vec((0usize..30, 0usize..30), 0..80)) {
            let forward: Vec<_> = edges.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.min(b), a.max(b))).collect();
            // Numbers shuffled, so that the order is not the numbers' own.
            let swap = |n: usize| (n * 7) % 31;
            let shuffled: Vec<_> = forward.iter().map(|&(a, b)| (swap(a), swap(b))).collect();
            let order = graph(31, &shuffled, EdgeKind::Require).order().unwrap();
            let place = |n: usize| order.iter().position(|&m| m == n).unwrap();
            for (a, b) in shuffled {
                prop_assert!(place(a) < place(b));
            }
        }

        #[test]
        fn any_graph_is_ordered_or_has_a_true_cycle(edges in proptest::collection::vec((0usize..12, 0usize..12), 0..40)) {
            let mut g = graph(12, &edges, EdgeKind::Require);
            if let Err(cycle) = g.order() {
                prop_assert!(!cycle.is_empty());
                for (n, (a, _)) in cycle.iter().enumerate() {
                    let b = cycle[(n + 1) % cycle.len()].0;
                    prop_assert!(edges.contains(&(*a, b)));
                }
            }
        }
    }
}
