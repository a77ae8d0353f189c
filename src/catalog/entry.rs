//! What is declared of one resource: what its type knows, and what any resource takes.

use crate::language::node::Node;
use crate::resources::batch::Declared;

/// A declared resource, as a draft takes it.
pub struct Entry {
    pub declared: Declared,
    /// For people, where it has one.
    pub name: Option<String>,
    pub tags: Vec<String>,
    pub controls: Vec<String>,
    pub references: References,
    /// What a reference calls it along with others, such as `module[web]`.
    pub within: Vec<String>,
}

/// What a declaration refers to, by the words it is written under.
#[derive(Clone, Default)]
pub struct References {
    pub require: Vec<Node>,
    pub before: Vec<Node>,
    pub notify: Vec<Node>,
    pub subscribe: Vec<Node>,
}

impl References {
    pub fn extend(&mut self, other: &Self) {
        self.require.extend_from_slice(&other.require);
        self.before.extend_from_slice(&other.before);
        self.notify.extend_from_slice(&other.notify);
        self.subscribe.extend_from_slice(&other.subscribe);
    }
}
