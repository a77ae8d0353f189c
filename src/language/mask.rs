//! What was written as errors may show it: an error shows its whole line, and a password may stand on it.

use super::vault::envelope::{HEADER, is_vault};

/// The text with secrets blotted out, byte for byte, so that all places stay what they are. What stands after one on
/// its line goes too: where a password ends is for a parser to know, and the line may be the one that is malformed.
pub fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // The indentation that a secret block of YAML has to exceed.
    let mut block: Option<usize> = None;
    let whole_vault = is_vault(text.as_bytes());
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if whole_vault || block.is_some_and(|outer| indent > outer || line.trim().is_empty()) {
            if is_encrypted(line) {
                out.push_str(line)
            } else {
                blot(line, &mut out)
            }
            continue;
        }
        block = None;
        let Some(at) = secret_at(line) else {
            out.push_str(line);
            continue;
        };
        let (shown, hidden) = line.split_at_checked(at).unwrap_or((line, ""));
        out.push_str(shown);
        let value = hidden.trim();
        // A tag may stand between: `password: !vault |`.
        let value =
            if value.starts_with('!') { value.split_once(' ').map_or("", |(_, v)| v.trim_start()) } else { value };
        if value.is_empty() || value.starts_with(['|', '>']) {
            block = Some(indent);
        }
        blot(hidden, &mut out);
    }
    out
}

/// Whether a line is one of a vault's. What is encrypted can be shown; what somebody pasted there in clear cannot.
fn is_encrypted(line: &str) -> bool {
    let line = line.trim();
    line.starts_with(HEADER) || line.len() >= 40 && line.bytes().all(|b| b.is_ascii_hexdigit())
}

fn blot(text: &str, out: &mut String) {
    for c in text.chars() {
        if c.is_whitespace() { out.push(c) } else { out.extend(std::iter::repeat_n('*', c.len_utf8())) }
    }
}

/// Where the first secret of a line begins: after `!secret` or `!vault`, or after `password:`, or after `ansible_…_pass…` with its `=` or
/// `:`.
fn secret_at(line: &str) -> Option<usize> {
    let tag = ["!secret", "!vault-encrypted", "!vault"].iter().find_map(|tag| Some(line.find(tag)? + tag.len()));
    let password = line.match_indices("ansible_").find_map(|(at, _)| {
        let rest = line.get(at..)?;
        let name = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let after = rest.get(name..)?.trim_start_matches(['"', '\'', ' ', '\t']);
        let passes = rest.get(..name)?.contains("_pass");
        (passes && after.starts_with(['=', ':'])).then(|| line.len() - after.len() + 1)
    });
    let own = line.match_indices("password").find_map(|(at, word)| {
        let (before, after) = (line.get(..at)?, line.get(at + word.len()..)?);
        let after = after.trim_start_matches(['"', '\'', ' ', '\t']);
        let begins = before.is_empty() || before.ends_with([' ', '\t', '{', ',', '"', '\'']);
        (begins && after.starts_with(':')).then(|| line.len() - after.len() + 1)
    });
    [tag, password, own].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::masked;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_blotted_out_and_nothing_moves() {
        assert_eq!(masked("w1 ansible_password=é2 x=1\nw2 x=1\n"), "w1 ansible_password=*** ***\nw2 x=1\n");
        assert_eq!(masked("a:\n  \"ansible_become_pass\": \"b c\"\n"), "a:\n  \"ansible_become_pass\": ** **\n");
        assert_eq!(masked("k: !secret |\n  one\n\n  two\nl: 1\n"), "k: !secret *\n  ***\n\n  ***\nl: 1\n");
        assert_eq!(masked("password: !secret |\n  one\nl: 1\n"), "password: ******* *\n  ***\nl: 1\n");
        assert_eq!(masked("ansible_password:\n  one\nl: 1\n"), "ansible_password:\n  ***\nl: 1\n");
        assert_eq!(masked("- user: a\n  password: b\n"), "- user: a\n  password: *\n");
        assert_eq!(masked("{user: a, \"password\": b}\n"), "{user: a, \"password\": **\n");
        assert_eq!(masked("# a password is set\n"), "# a password is set\n");
        assert_eq!(masked("ansible_passive: 1\n"), "ansible_passive: *\n");
        assert_eq!(masked("ansible_host=x # of ansible_pass\n"), "ansible_host=x # of ansible_pass\n");
    }

    #[test]
    fn of_a_vault_only_what_is_encrypted_is_shown() {
        let digits = "0123456789".repeat(8);
        let text = format!("$ANSIBLE_VAULT;1.1;AES256\n{digits}\nhunter2\n");
        assert_eq!(masked(&text), text.replace("hunter2", "*******"));
        let text = format!("a: !vault |\n  $ANSIBLE_VAULT;1.2;AES256;prod\n  {digits}\n  hunter2\nb: 1\n");
        assert_eq!(masked(&text), text.replace("hunter2", "*******").replace('|', "*"));
        assert_eq!(masked("a: !vault hunter2\n"), "a: !vault *******\n");
    }

    proptest! {
        #[test]
        fn length_and_lines_stay(text in "(ansible_pass|!secret|!vault|\\$ANSIBLE_VAULT|[=: |\"é\na-c]){0,30}") {
            let shown = masked(&text);
            prop_assert_eq!(shown.len(), text.len());
            prop_assert_eq!(shown.lines().count(), text.lines().count());
        }
    }
}
