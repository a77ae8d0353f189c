//! How a run is named.

use std::fmt;

/// Names one apply: letters, digits, `.`, `_` and `-`, at most 64 of them. Names sort by time, for the oldest
/// runs are forgotten first.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String")]
pub struct RunName(String);

impl TryFrom<String> for RunName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no name of a run")
    }
}

impl RunName {
    /// `None` for what is no such name.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let sound = (1..=64).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(['.', '-']);
        sound.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_name_is_a_file_name() {
        for wrong in ["", "..", "-a", "a/b", "a b", "a\n", "ü", &"x".repeat(65)] {
            assert_eq!(RunName::parse(wrong), None, "{wrong:?}");
        }
        assert!(RunName::parse("2024-05-01T10.00.00-3f2a").is_some());
    }
}
