//! Names of variables that trueup gives itself.

use crate::model::span::Spanned;

/// What trueup says of a host, and what a variable of the same name cannot change.
const NAMES: &[&str] = &["facts", "inventory_hostname", "group_names", "groups"];

pub(super) fn is_reserved(name: &Spanned<String>) -> bool {
    NAMES.contains(&name.value.as_str())
}
