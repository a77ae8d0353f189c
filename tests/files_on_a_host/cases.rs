//! What was there, what is wanted, and what a plan says of it. Paths are those below the test's directory.

pub struct Case {
    pub name: &'static str,
    /// Shell text that makes what was there, in the directory.
    pub before: &'static str,
    pub kind: &'static str,
    pub title: &'static str,
    pub params: &'static str,
    pub content: Option<&'static str>,
    pub managed: &'static [&'static str],
    /// Each property with its values; or why it cannot be.
    pub told: &'static [&'static str],
    pub warned: &'static [&'static str],
}

pub const BLANK: Case = Case {
    name: "",
    before: "",
    kind: "file",
    title: "f",
    params: "{}",
    content: None,
    managed: &[],
    told: &[],
    warned: &[],
};

pub const CASES: &[Case] = &[
    Case {
        name: "a new file",
        params: "{mode: \"0640\", owner: root, group: \"0\"}",
        content: Some("a\nb\n"),
        told: &[
            "state: (absent) -> file",
            "content: (absent) -> 4 bytes, sha256 911169ddaaf1",
            "owner: (absent) -> root",
            "group: (absent) -> 0",
            "mode: (absent) -> 0640",
            "text: \"\" -> \"a\\nb\\n\"",
        ],
        ..BLANK
    },
    Case { name: "an empty file", params: "{state: empty}", told: &["state: (absent) -> file"], ..BLANK },
    Case {
        name: "an empty file where there is one with contents",
        before: "printf x >f; chmod 644 f",
        params: "{state: empty, mode: \"0600\"}",
        told: &["mode: 0644 -> 0600"],
        ..BLANK
    },
    Case {
        name: "a mode of what is not there",
        params: "{mode: \"0600\"}",
        told: &["impossible: f is not there, and no contents are given for it; `state: empty` makes an empty file"],
        ..BLANK
    },
    Case {
        name: "a file in line",
        before: "printf x >f; chmod 600 f",
        params: "{mode: \"0600\"}",
        content: Some("x"),
        ..BLANK
    },
    Case {
        name: "other contents",
        before: "printf old >f; chmod 751 f",
        content: Some("new!"),
        told: &["content: 3 bytes, sha256 cba06b5736fa -> 4 bytes, sha256 bdd1e524e5c9", "text: \"old\" -> \"new!\""],
        ..BLANK
    },
    Case {
        name: "a binary file has no text to show",
        before: "printf '\\0' >f",
        content: Some("t"),
        told: &["content: 1 byte, sha256 6e340b9cffb3 -> 1 byte, sha256 e3b98a4da31a"],
        ..BLANK
    },
    Case {
        name: "attributes alone",
        before: "printf old >f; chmod 4755 f",
        params: "{mode: \"0644\", owner: 12, group: daemon}",
        told: &["owner: 0 -> 12", "group: root -> daemon", "mode: 4755 -> 0644"],
        ..BLANK
    },
    Case {
        name: "a link is replaced by contents",
        before: "printf old >g; ln -s g f",
        content: Some("new"),
        told: &["state: symlink to g -> file", "content: (absent) -> 3 bytes, sha256 11507a0e2f5e"],
        warned: &["the symlink to g at f is replaced by a file"],
        ..BLANK
    },
    Case {
        name: "a link is not replaced by nothing",
        before: "ln -s g f",
        told: &["impossible: f is a symlink to g, and no contents are given to replace it with"],
        ..BLANK
    },
    Case {
        name: "a directory in the way",
        before: "mkdir f",
        content: Some("new"),
        told: &["impossible: f is a directory; it is replaced with `force: true` alone"],
        ..BLANK
    },
    Case {
        name: "a directory in the way, by force",
        before: "mkdir f; touch f/x",
        params: "{force: true, state: empty}",
        told: &["state: directory -> file"],
        warned: &["the directory f is removed with all that is in it"],
        ..BLANK
    },
    Case {
        name: "no parent",
        title: "no/f",
        told: &["impossible: the directory no is not there, and no resource before this one makes it"],
        ..BLANK
    },
    Case {
        name: "a file gone",
        before: "echo x >f",
        params: "{state: absent}",
        told: &["state: file -> (absent)"],
        ..BLANK
    },
    Case { name: "a file gone already", params: "{state: absent}", ..BLANK },
    Case {
        name: "an odd name",
        title: "-n $(id)\n'\"",
        before: "echo x >\"-n \\$(id)\n'\\\"\"",
        content: Some("y\n"),
        params: "{mode: \"0600\", validate: 'grep -q y %s'}",
        told: &[
            "content: 2 bytes, sha256 73cb3858a687 -> 2 bytes, sha256 3bb2abb69ebb",
            "mode: 0644 -> 0600",
            "text: \"x\\n\" -> \"y\\n\"",
        ],
        ..BLANK
    },
    Case {
        name: "a new directory",
        kind: "directory",
        params: "{mode: \"2770\", group: daemon}",
        told: &["state: (absent) -> directory", "group: (absent) -> daemon", "mode: (absent) -> 2770"],
        ..BLANK
    },
    Case {
        name: "a directory with its parents",
        kind: "directory",
        title: "a/b c/d",
        before: "mkdir a",
        params: "{parents: true, mode: \"0700\"}",
        told: &["state: (absent) -> directory", "parents: (absent) -> a/b c", "mode: (absent) -> 0700"],
        ..BLANK
    },
    Case {
        name: "set-id bits of a directory are taken away",
        kind: "directory",
        before: "mkdir f; chmod 2775 f",
        params: "{mode: \"0755\"}",
        told: &["mode: 2775 -> 0755"],
        ..BLANK
    },
    Case {
        name: "attributes below",
        kind: "directory",
        before: "mkdir -p f/d; touch f/run f/d/x f/own; chmod 700 f/run f/d; chmod 600 f/d/x f/own; ln -s /etc f/l",
        params: "{mode: \"0755\", owner: root, recurse: true}",
        managed: &["f/own"],
        told: &["mode below: another on 3 entries: d, d/x, run -> 0755"],
        ..BLANK
    },
    Case {
        name: "attributes of much below",
        kind: "directory",
        before: "mkdir -p f/d; for i in 1 2 3 4 5 6; do for j in 1 2 3 4 5 6 7 8 9; do : >f/d/$i$j; chmod 600 f/d/$i$j; done; done",
        params: "{mode: \"0755\", group: daemon, recurse: true}",
        told: &[
            "group: root -> daemon",
            "group below: another on 55 entries: d, d/11, d/12, … -> daemon",
            "mode below: another on 54 entries: d/11, d/12, d/13, … -> 0755",
        ],
        ..BLANK
    },
    Case {
        name: "purging",
        kind: "directory",
        before: "mkdir -p f/sub/deep f/managed f/old/x; touch f/a f/sub/keep f/sub/drop f/managed/stays 'f/new\nline'; ln -s /etc f/l",
        params: "{purge: true}",
        managed: &["f/sub/keep", "f/managed", "f/not yet"],
        told: &[
            "purged: file a -> (absent)",
            "purged: symlink l -> (absent)",
            "purged: file new\\nline -> (absent)",
            "purged: directory old -> (absent)",
            "purged: directory sub/deep -> (absent)",
            "purged: file sub/drop -> (absent)",
        ],
        ..BLANK
    },
    Case {
        name: "a directory gone",
        kind: "directory",
        before: "mkdir -p f/d; touch f/d/x; chmod 500 f/d",
        params: "{state: absent}",
        told: &["state: directory -> (absent)"],
        warned: &["f is removed with the 2 entries below it"],
        ..BLANK
    },
    Case {
        name: "a file where a directory is to be",
        kind: "directory",
        before: "touch f",
        told: &["impossible: f is a file, no directory; it is removed with `force: true` alone"],
        ..BLANK
    },
    Case {
        name: "a file where a directory is to be, by force",
        kind: "directory",
        before: "echo x >f",
        params: "{force: true}",
        told: &["state: file -> directory"],
        warned: &["the file f is removed"],
        ..BLANK
    },
    Case {
        name: "a new link",
        kind: "symlink",
        params: "{target: 'a b'}",
        told: &["target: (absent) -> a b"],
        ..BLANK
    },
    Case { name: "a link in line", kind: "symlink", before: "ln -s 'a b' f", params: "{target: 'a b'}", ..BLANK },
    Case {
        name: "a link to a directory is turned to another",
        kind: "symlink",
        before: "mkdir d e; ln -s d f",
        params: "{target: e}",
        told: &["target: d -> e"],
        ..BLANK
    },
    Case {
        name: "a file where a link is to be",
        kind: "symlink",
        before: "touch f",
        params: "{target: e}",
        told: &["impossible: f is a file, no symlink; it is removed with `force: true` alone"],
        ..BLANK
    },
    Case {
        name: "a directory where a link is to be, by force",
        kind: "symlink",
        before: "mkdir f; echo x >f/x",
        params: "{target: e, force: true}",
        told: &["state: directory -> symlink", "target: (absent) -> e"],
        warned: &["the directory f is removed with all that is in it"],
        ..BLANK
    },
    Case {
        name: "a link gone",
        kind: "symlink",
        before: "mkdir d; touch d/x; ln -s d f",
        params: "{state: absent}",
        told: &["state: symlink to d -> (absent)"],
        ..BLANK
    },
];
