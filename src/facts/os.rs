//! The operating system, from `/etc/os-release`. Source: os-release(5).

use super::Os;
use super::bounds::clipped;

pub(super) fn os(text: &str) -> Os {
    let of = |key: &str| {
        // As a shell that reads the file has it: of several assignments, the last.
        let value = text.lines().rev().find_map(|l| l.strip_prefix(key)?.strip_prefix('='))?;
        Some(clipped(&unquoted(value.trim()))).filter(|v| !v.is_empty())
    };
    let id = of("ID").unwrap_or_default();
    let family = family(&id, &of("ID_LIKE").unwrap_or_default());
    // Older Debian has its codename there alone: `9 (stretch)`.
    let in_version = || {
        let version = of("VERSION").filter(|_| family == "debian")?;
        let name = version.split_once('(')?.1.split_once(')')?.0;
        (!name.contains(char::is_whitespace)).then(|| name.to_owned())
    };
    Os {
        codename: of("VERSION_CODENAME").or_else(in_version).unwrap_or_default(),
        family,
        version: of("VERSION_ID").unwrap_or_default(),
        name: of("PRETTY_NAME").or_else(|| of("NAME")).unwrap_or_default(),
        id,
    }
}

/// Its own id decides before what it says it is like, nearest first.
fn family(id: &str, like: &str) -> String {
    let known = [id].into_iter().chain(like.split_whitespace()).find_map(|id| match id {
        "debian" | "alpine" | "arch" => Some(id),
        "rhel" | "fedora" | "centos" => Some("redhat"),
        _ if id.contains("suse") => Some("suse"),
        _ => None,
    });
    known.unwrap_or(id).to_owned()
}

/// One shell word's value: in single quotes all is itself, in double quotes a backslash frees `$ " \ `` ` `` alone.
fn unquoted(word: &str) -> String {
    if let Some(bare) = word.strip_prefix('\'').and_then(|w| w.strip_suffix('\'')) {
        return bare.to_owned();
    }
    let within = word.strip_prefix('"').and_then(|w| w.strip_suffix('"'));
    let mut out = String::new();
    let mut chars = within.unwrap_or(word).chars();
    while let Some(c) = chars.next() {
        match (c, within) {
            ('\\', None) => out.extend(chars.next()),
            ('\\', Some(_)) => match chars.next() {
                Some(freed @ ('$' | '"' | '\\' | '`')) => out.push(freed),
                other => {
                    out.push('\\');
                    out.extend(other);
                }
            },
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_follow_what_a_system_is_like() {
        let family = |text: &str| os(text).family;
        assert_eq!(family("ID=ubuntu\nID_LIKE=debian"), "debian");
        assert_eq!(family("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\""), "redhat");
        assert_eq!(family("ID=\"ol\"\nID_LIKE=\"fedora\""), "redhat");
        assert_eq!(family("ID=alpine"), "alpine");
        assert_eq!(family("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\""), "suse");
        assert_eq!(family("ID=manjaro\nID_LIKE=arch"), "arch");
        assert_eq!(family("ID=void"), "void");
        assert_eq!(family(""), "");
    }

    #[test]
    fn values_are_unquoted_as_a_shell_would() {
        for (written, value) in [
            ("plain", "plain"),
            ("\"two words\"", "two words"),
            (r#""a \"b\" \$c \n""#, r#"a "b" $c \n"#),
            (r"'a \n $b'", r"a \n $b"),
            (r"a\ b", "a b"),
            ("\"open", "\"open"),
            ("\"", "\""),
        ] {
            assert_eq!(os(&format!("PRETTY_NAME=wrong\nPRETTY_NAME={written}\n")).name, value, "{written}");
        }
    }

    #[test]
    fn an_old_debians_codename_stands_in_its_version() {
        assert_eq!(os("ID=debian\nVERSION=\"9 (stretch)\"").codename, "stretch");
        assert_eq!(os("ID=fedora\nVERSION=\"40 (Cloud)\"").codename, "");
    }
}
