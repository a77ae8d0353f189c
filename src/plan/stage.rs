//! The part of a plan that can be decided before anything further is applied. Pure.

use super::HostPlan;
use super::basis::Held;

impl HostPlan {
    /// The changes that are decided, with their steps, numbered from `first` on. What they refer to below `first` are
    /// changes of earlier stages. Those that are `held` are among them, for nothing more is decided of them; they come
    /// back by their new numbers.
    pub fn stage(&self, first: usize, held: &Held) -> (Self, Held) {
        let mut numbers: Vec<Option<usize>> = vec![];
        let mut next = first;
        let mut left = Held::new();
        for (n, change) in self.changes.iter().enumerate() {
            let is_in = change.decided_after.is_none() || held.contains_key(&n);
            numbers.push(is_in.then_some(next));
            left.extend(held.get(&n).map(|why| (next, why.clone())));
            next += usize::from(is_in);
        }
        let number = |old: &usize| match old.checked_sub(first) {
            None => Some(*old),
            Some(at) => numbers.get(at).copied().flatten(),
        };
        let all = |list: &[usize]| list.iter().filter_map(number).collect::<Vec<_>>();
        let mut changes = vec![];
        for (change, _) in self.changes.iter().zip(&numbers).filter(|(_, n)| n.is_some()) {
            let mut change = change.clone();
            change.decided_after = None;
            change.needs = all(&change.needs);
            change.refreshed_by = all(&change.refreshed_by);
            changes.push(change);
        }
        let decided = |serves: &[usize]| serves.iter().all(|n| number(n).is_some());
        let mut steps = vec![];
        for step in self.steps.iter().filter(|s| decided(&s.serves)) {
            let mut step = step.clone();
            step.serves = all(&step.serves);
            step.only_if_changed = all(&step.only_if_changed);
            steps.push(step);
        }
        (Self { changes, steps, ..Self::empty(&self.host) }, left)
    }

    /// Whether the host has to be probed again before all of it can be made.
    pub fn has_later_stages(&self) -> bool {
        self.changes.iter().any(|c| c.decided_after.is_some())
    }
}
