//! Filters and tests beyond the template engine's own.

/// Their names, for suggestions.
pub const NAMES: &[&str] = &["default", "upper", "lower", "join", "to_json"];

pub fn add_to(_env: &mut minijinja::Environment<'static>) {}
