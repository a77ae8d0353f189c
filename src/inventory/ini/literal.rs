//! Values as Ansible's INI form types them: what Python's `ast.literal_eval` takes is a literal, all else is text.
//! Source: the lexical analysis chapter of Python's language reference.

use crate::language::node::{Mapping, Node, Yaml};
use crate::model::span::{Span, Spanned};

/// Deeper lists stay text.
const MAX_DEPTH: usize = 32;

/// A value; all of it, and all in it, has the one place.
pub fn value(text: &str, span: Span) -> Node {
    let text = text.trim();
    // Ansible keeps these two as text, and its modules take that text for booleans. Parameters have real types here.
    match text {
        "true" => return Node::new(span, Yaml::Bool(true)),
        "false" => return Node::new(span, Yaml::Bool(false)),
        _ => {}
    }
    let mut reader = Reader { rest: text, span };
    let literal = reader.tuple().filter(|_| reader.at_end());
    literal.unwrap_or_else(|| Node::new(span, Yaml::String(text.to_owned())))
}

struct Reader<'a> {
    rest: &'a str,
    span: Span,
}

impl Reader<'_> {
    fn node(&self, value: Yaml) -> Node {
        Node::new(self.span, value)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty() || self.rest.starts_with('#')
    }

    /// `1, 2` without brackets is a tuple in Python, and so a list.
    fn tuple(&mut self) -> Option<Node> {
        let first = self.item(0)?;
        if !self.take(",") {
            return Some(first);
        }
        let mut items = vec![first];
        while !self.at_end() {
            items.push(self.item(0)?);
            if !self.take(",") {
                break;
            }
        }
        Some(self.node(Yaml::List(items)))
    }

    fn item(&mut self, depth: usize) -> Option<Node> {
        self.skip_space();
        if depth > MAX_DEPTH {
            return None;
        }
        match self.rest.chars().next()? {
            '[' => self.list("[", "]", depth),
            '(' => self.list("(", ")", depth),
            '{' => self.dict(depth),
            '\'' | '"' => self.strings(),
            _ => self.word(),
        }
    }

    fn list(&mut self, open: &str, close: &str, depth: usize) -> Option<Node> {
        self.take(open);
        let mut items = vec![];
        let mut commas = 0;
        while !self.take(close) {
            items.push(self.item(depth + 1)?);
            if self.take(",") {
                commas += 1;
            } else if !self.rest.trim_start().starts_with(close) {
                return None;
            }
        }
        // Parentheses around one value only group it.
        if open == "(" && commas == 0 && items.len() == 1 {
            return items.pop();
        }
        Some(self.node(Yaml::List(items)))
    }

    fn dict(&mut self, depth: usize) -> Option<Node> {
        self.take("{");
        let mut map: Mapping = vec![];
        while !self.take("}") {
            let item = self.item(depth + 1)?;
            let key = match (item.value, item.lost) {
                (Yaml::String(s), _) => s,
                (_, Some(written)) => written.into(),
                (Yaml::Int(n), _) => n.to_string(),
                (Yaml::Bool(b), _) => b.to_string(),
                _ => return None,
            };
            if !self.take(":") {
                return None;
            }
            let value = self.item(depth + 1)?;
            map.retain(|(k, _)| k.value != key);
            map.push((Spanned { value: key, span: self.span }, value));
            if !self.take(",") && !self.rest.trim_start().starts_with('}') {
                return None;
            }
        }
        Some(self.node(Yaml::Map(map)))
    }

    /// Strings side by side are one.
    fn strings(&mut self) -> Option<Node> {
        let mut out = String::new();
        loop {
            self.skip_space();
            let quote = match self.rest.chars().next() {
                Some(c @ ('"' | '\'')) => c,
                _ => return Some(self.node(Yaml::String(out))),
            };
            let mut chars = self.rest.char_indices().skip(1);
            let end = loop {
                match chars.next()? {
                    (at, c) if c == quote => break at + 1,
                    (_, '\\') => escape(&mut chars, &mut out)?,
                    (_, c) => out.push(c),
                }
            };
            self.rest = self.rest.get(end..)?;
        }
    }

    fn word(&mut self) -> Option<Node> {
        let end = self.rest.find([' ', '\t', ',', ']', ')', '}', ':', '#']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        let value = match word {
            "True" => Yaml::Bool(true),
            "False" => Yaml::Bool(false),
            "None" => Yaml::Null,
            _ => return Some(Node::written(self.span, number(word)?, word)),
        };
        Some(self.node(value))
    }
}

/// What stands after a backslash. Octal and named characters are left to text.
fn escape(chars: &mut impl Iterator<Item = (usize, char)>, out: &mut String) -> Option<()> {
    let (_, c) = chars.next()?;
    let mut code = |length: usize| {
        let digits: String = chars.take(length).map(|(_, c)| c).collect();
        u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == length).and_then(char::from_u32)
    };
    let meant = match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        '\\' | '\'' | '"' => c,
        'x' => code(2)?,
        'u' => code(4)?,
        'U' => code(8)?,
        'N' | '0'..='7' => return None,
        other => {
            out.push('\\');
            other
        }
    };
    out.push(meant);
    Some(())
}

/// Python's integers and floats. `0644` is none of them, so that a mode stays text.
fn number(word: &str) -> Option<Yaml> {
    let (negative, digits) = match word.split_at_checked(1)? {
        ("-", rest) => (true, rest),
        ("+", rest) => (false, rest),
        _ => (false, word),
    };
    let plain = without_underscores(digits)?;
    let radix = match plain.get(..2) {
        Some("0x" | "0X") => Some(16),
        Some("0o" | "0O") => Some(8),
        Some("0b" | "0B") => Some(2),
        _ => None,
    };
    if let Some(radix) = radix {
        let digits = plain.get(2..).filter(|d| d.chars().all(|c| c.is_digit(radix)))?;
        let n = i64::from_str_radix(digits, radix).ok()?;
        return Some(Yaml::Int(if negative { -n } else { n }));
    }
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !plain.chars().all(numeric) {
        return None;
    }
    if plain.bytes().all(|b| b.is_ascii_digit()) {
        // `00` is Python's one number with zeros in front.
        if plain.starts_with('0') && plain.bytes().any(|b| b != b'0') {
            return None;
        }
        let n: i64 = plain.parse().ok()?;
        return Some(Yaml::Int(if negative { -n } else { n }));
    }
    let n: f64 = plain.parse().ok()?;
    Some(Yaml::Float(if negative { -n } else { n }))
}

/// `1_000` is 1000; an underscore stands between digits alone.
fn without_underscores(digits: &str) -> Option<String> {
    let inside = |part: &str| !part.is_empty();
    digits.split('_').all(inside).then(|| digits.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(node: &Node) -> String {
        match &node.value {
            Yaml::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
            Yaml::Map(map) => {
                let pairs = map.iter().map(|(k, v)| format!("{}={}", k.value, shown(v)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(" "))
            }
            Yaml::String(s) => format!("{s:?}"),
            Yaml::Int(n) => n.to_string(),
            Yaml::Float(n) => format!("{n:?}"),
            Yaml::Bool(b) => b.to_string(),
            Yaml::Null => "null".into(),
            Yaml::Vault(sealed) => format!("{sealed:?}"),
        }
    }

    /// Each checked against `ast.literal_eval`; `true` and `false` are the exception.
    #[test]
    fn values_have_the_types_that_ansible_gives_them() {
        for (text, want) in [
            ("80", "80"),
            ("-1", "-1"),
            ("+1", "1"),
            ("0644", "\"0644\""),
            ("00", "0"),
            ("0x1f", "31"),
            ("0o17", "15"),
            ("1_000", "1000"),
            ("1__0", "\"1__0\""),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("1e3", "1000.0"),
            ("1.2.3", "\"1.2.3\""),
            ("10.0.0.1", "\"10.0.0.1\""),
            ("1-2", "\"1-2\""),
            ("12ab", "\"12ab\""),
            ("99999999999999999999", "\"99999999999999999999\""),
            ("True", "true"),
            ("False", "false"),
            ("None", "null"),
            ("true", "true"),
            ("yes", "\"yes\""),
            ("null", "\"null\""),
            ("inf", "\"inf\""),
            ("", "\"\""),
            ("'1'", "\"1\""),
            ("\"a\\tb\"", "\"a\\tb\""),
            ("'a' 'b'", "\"ab\""),
            ("'a", "\"'a\""),
            ("it's", "\"it's\""),
            ("'\\x41\\u00e9\\q'", "\"Aé\\\\q\""),
            ("5 # five", "5"),
            ("a # b", "\"a # b\""),
            ("http://x/#y", "\"http://x/#y\""),
            ("[1, 'a', True, None]", "[1 \"a\" true null]"),
            ("[1, [2, (3,)]]", "[1 [2 [3]]]"),
            ("[]", "[]"),
            ("[a, b]", "\"[a, b]\""),
            ("[1 2]", "\"[1 2]\""),
            ("[1,, 2]", "\"[1,, 2]\""),
            ("(1)", "1"),
            ("()", "[]"),
            ("1,2", "[1 2]"),
            ("1,", "[1]"),
            ("a,b", "\"a,b\""),
            ("{'a': 1, 'b': [1.0]}", "{a=1 b=[1.0]}"),
            ("{'a': 1, 'a': 2}", "{a=2}"),
            ("{}", "{}"),
            ("{{ x }}", "\"{{ x }}\""),
            ("{1}", "\"{1}\""),
        ] {
            assert_eq!(shown(&value(text, Span::default())), want, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let text = "[".repeat(100_000);
        assert_eq!(value(&text, Span::default()).as_str(), Some(text.as_str()));
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_no_panic(text in "[\\[\\](){}'\"\\\\,:#0-9a-fx_. é-]{0,40}") {
            value(&text, Span::default());
        }
    }
}
