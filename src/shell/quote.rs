//! Text as data in a POSIX shell script. Source: POSIX.1-2017, Shell Command Language, 2.2.2.

/// Bytes of arguments for one process; the kernel's bound for all of them is 128 KiB at the very least.
const ARGUMENTS: usize = 96 * 1024;

/// `text` as one shell word that means exactly `text`.
///
/// NUL cannot be in a shell word; whoever takes text from outside refuses it before.
pub fn word(text: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '=' | ',' | '+' | '@' | '%');
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with(['=', '~']) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Words joined to one command line.
pub fn words<I: IntoIterator<Item = S>, S: AsRef<str>>(argv: I) -> String {
    argv.into_iter().map(|a| word(a.as_ref())).collect::<Vec<_>>().join(" ")
}

/// Without the comments, which are for who reads the source.
pub(super) fn uncommented(functions: &str) -> String {
    functions.lines().filter(|l| !l.trim_start().starts_with('#') && !l.is_empty()).map(|l| format!("{l}\n")).collect()
}

/// A `printf` format that prints exactly `bytes`, NUL and all, as a quoted word.
///
/// Octal escapes are the one way to any byte that POSIX gives every shell's builtin `printf`.
pub fn printf_format(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + bytes.len() / 8 + 2);
    out.push('\'');
    for (n, &b) in bytes.iter().enumerate() {
        match b {
            // A leading `-` would make the format an option.
            b'-' if n == 0 => out.push_str("\\055"),
            b'\'' => out.push_str(r"'\''"),
            b'\\' => out.push_str(r"\\"),
            b'%' => out.push_str("%%"),
            b'\n' | b'\t' | 0x20..=0x7e => out.push(char::from(b)),
            _ => out.push_str(&format!("\\{b:03o}")),
        }
    }
    out.push('\'');
    out
}

/// Arguments cut so that each command line fits; always at least one chunk.
pub(super) fn chunks(words: &[String]) -> Vec<&[String]> {
    let mut out = vec![];
    let (mut start, mut size) = (0, 0);
    for (n, w) in words.iter().enumerate() {
        // A pointer a word counts against the kernel's bound too.
        let cost = w.len() + 9;
        if size + cost > ARGUMENTS && n > start {
            out.push(&words[start..n]);
            (start, size) = (n, 0);
        }
        size += cost;
    }
    out.push(&words[start..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn sh(script: &str) -> Vec<u8> {
        Command::new("sh").arg("-c").arg(script).output().unwrap().stdout
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_comes_through_a_shell_unchanged(text in "[^\0]{0,40}") {
            prop_assert_eq!(sh(&format!("printf %s {}", word(&text))), text.as_bytes());
        }

        #[test]
        fn any_bytes_come_through_printf_unchanged(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(sh(&format!("printf {}", printf_format(&bytes))), bytes);
        }
    }

    #[test]
    fn what_a_shell_would_act_on_is_data() {
        for text in ["", "$(reboot)", "`id`", "a b", "it's", "-n", "~", "~root", "a\nb", "*", "!x", "a=b", "=x", "\\"] {
            assert_eq!(sh(&format!("printf '%s' {}", word(text))), text.as_bytes(), "{text:?}");
        }
    }
}
