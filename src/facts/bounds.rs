//! How much of a host's answer is kept: what is read of it is untrusted.

/// A list from a host is cut here: no sane host has more.
pub(super) const MANY: usize = 4096;
/// A name or value from a host is cut after so many characters.
const LONG: usize = 1024;

pub(super) fn clipped(text: &str) -> String {
    text.chars().take(LONG).collect()
}
