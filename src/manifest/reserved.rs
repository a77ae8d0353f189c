//! Names of variables that trueup gives itself.

use crate::language::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::language::node::Mapping;

/// What trueup says of a host, and what a variable of the same name cannot change.
const NAMES: &[&str] = &["facts", "inventory_hostname", "inventory_hostname_short", "group_names", "groups"];

/// Tells of each variable by such a name.
pub fn find(vars: &Mapping, severity: Severity, found: &mut Diagnostics) {
    for (name, _) in vars.iter().filter(|(name, _)| NAMES.contains(&name.value.as_str())) {
        let label = format!("`{}` is a name of trueup's own, whose value no variable changes", name.value);
        let d = Diagnostic::error("reserved name", Some(name.span), label).help("give the variable another name");
        found.push(Diagnostic { severity, ..d });
    }
}
