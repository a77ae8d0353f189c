//! Variables that are given to a host or a group, one after another.

use crate::language::node::Mapping;

/// Sets variables, the later over the earlier.
pub(super) fn set(vars: &mut Mapping, more: Mapping) {
    for (key, mut value) in more {
        value.secret |= is_password(&key.value);
        match vars.iter_mut().find(|(k, _)| k.value == key.value) {
            Some(slot) => *slot = (key, value),
            None => vars.push((key, value)),
        }
    }
}

/// Ansible's own variables for passwords are secret however they are written.
fn is_password(name: &str) -> bool {
    name.starts_with("ansible_") && name.contains("_pass")
}
