//! A host line's words, cut as Python's `shlex` cuts them in POSIX mode.

/// One word, its quotes taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    /// Bytes of the line that it was written in, quotes included.
    pub start: usize,
    pub end: usize,
}

/// A line's words, and what was odd about its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    pub words: Vec<Word>,
    /// Where a `#` that stands right after text cuts that text off.
    pub cut: Option<usize>,
}

/// Cuts a line.
///
/// # Errors
/// Where the quote stands that nothing closes.
pub fn split(line: &str) -> Result<Words, usize> {
    let mut out = Words::default();
    let mut word: Option<Word> = None;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c.is_whitespace() => out.words.extend(word.take()),
            '#' => {
                out.cut = word.is_some().then_some(at);
                break;
            }
            _ => {
                let word = word.get_or_insert(Word { text: String::new(), start: at, end: at });
                match c {
                    '\'' | '"' => quoted(c, &mut chars, &mut word.text).ok_or(at)?,
                    '\\' => word.text.extend(chars.next().map(|(_, c)| c)),
                    c => word.text.push(c),
                }
                word.end = chars.offset();
            }
        }
    }
    out.words.extend(word);
    Ok(out)
}

/// Up to the closing quote; `None` where there is none.
fn quoted(quote: char, chars: &mut std::str::CharIndices<'_>, text: &mut String) -> Option<()> {
    loop {
        match chars.next()?.1 {
            c if c == quote => return Some(()),
            // In double quotes a backslash is for a quote or a backslash, and itself before all else.
            '\\' if quote == '"' => match chars.next()?.1 {
                c @ ('"' | '\\') => text.push(c),
                c => text.extend(['\\', c]),
            },
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).unwrap().words.into_iter().map(|w| w.text).collect()
    }

    #[test]
    fn words_are_cut_as_shlex_cuts_them() {
        assert_eq!(texts("web1  a=1\tb='x y'"), ["web1", "a=1", "b=x y"]);
        assert_eq!(texts(r#"a="it's" b='say "hi"' c=x\ y"#), ["a=it's", r#"b=say "hi""#, "c=x y"]);
        assert_eq!(texts(r#"a="\"\\\n""#), [r#"a="\\n"#]);
        assert_eq!(texts("a='' b"), ["a=", "b"]);
        assert_eq!(texts("web1 # all else"), ["web1"]);
        assert_eq!(texts("p='a#b'"), ["p=a#b"]);
        assert_eq!(split("web1 p=ab#cd").unwrap().cut, Some(9));
        assert_eq!(split("web1 p=\"ab"), Err(7));
    }

    proptest! {
        #[test]
        fn words_lie_in_the_line(line in "[a-z='\"\\\\# é]{0,40}") {
            for word in split(&line).unwrap_or_default().words {
                prop_assert!(line.get(word.start..word.end).is_some());
            }
        }
    }
}
