//! A host's answer about packages, cut into its parts. `shell/packages.sh` says what they are.

use crate::shell::probe::BadAnswer;

/// Why a host's package lists are not current.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lists {
    /// The host was not asked, for nothing seemed due.
    pub unasked: bool,
    /// There are none.
    pub none: bool,
    /// The sources have changed since.
    pub sources: bool,
    /// They are older than a day.
    pub old: bool,
}

impl Lists {
    pub fn stale(self) -> bool {
        self.unasked || self.none || self.sources || self.old
    }

    /// Whether the newest version that they have is not that of the sources.
    pub fn changed(self) -> bool {
        self.none || self.sources
    }
}

/// What a package manager said that it would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rehearsal<'a> {
    pub lines: Vec<&'a str>,
    pub status: u8,
}

/// The parts of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    /// What is there.
    pub there: Vec<&'a str>,
    /// What the lists have.
    pub policy: Vec<&'a str>,
    pub lists: Option<Lists>,
    /// What could not be fetched with the lists.
    pub failed: Vec<&'a str>,
    /// Names that begin like one that is unknown.
    pub names: Vec<&'a str>,
    /// A name that packages go by, and one that does.
    pub provides: Vec<(&'a str, &'a str)>,
    pub rehearsals: Vec<Rehearsal<'a>>,
}

impl<'a> Answer<'a> {
    /// # Errors
    /// If it is not whole.
    pub fn read(text: &'a str) -> Result<Self, BadAnswer> {
        let mut out = Self::default();
        let (mut part, mut ended) = ("", false);
        for line in text.lines() {
            let Some(mark) = line.strip_prefix('#') else {
                match part {
                    "" => out.there.push(line),
                    "policy" => out.policy.push(line),
                    "names" => out.names.push(line),
                    "provides" => out.provides.extend(line.split_once(' ')),
                    "changes" => out.rehearsals.last_mut().into_iter().for_each(|r| r.lines.push(line)),
                    _ => {}
                }
                continue;
            };
            let (word, rest) = mark.split_once(' ').unwrap_or((mark, ""));
            part = word;
            match word {
                // Of many packages, each part may come more than once.
                "end" => (part, ended) = ("", true),
                "lists" => {
                    let has = |word: &str| rest.split(' ').any(|w| w == word);
                    let lists = out.lists.get_or_insert_default();
                    lists.none |= has("none");
                    lists.sources |= has("sources");
                    lists.old |= has("old");
                }
                "failed" => out.failed.push(rest),
                "changes" => out.rehearsals.push(Rehearsal::default()),
                "status" => {
                    if let Some(rehearsal) = out.rehearsals.last_mut() {
                        rehearsal.status = rest.parse().unwrap_or(u8::MAX);
                    }
                }
                _ => {}
            }
        }
        if ended { Ok(out) } else { Err(BadAnswer("the package manager gave no whole answer".into())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_cut_into_its_parts() {
        let text = "ii \tjq\tamd64\t1\n#lists  sources old\n#failed http://x/\n#policy\njq:\n#names\njqq\n#changes\nInst a\n#status 100\n#end\n";
        let answer = Answer::read(text).unwrap();
        assert_eq!((answer.there.as_slice(), answer.policy.as_slice()), (&["ii \tjq\tamd64\t1"][..], &["jq:"][..]));
        assert_eq!(answer.lists, Some(Lists { sources: true, old: true, ..Lists::default() }));
        assert_eq!((answer.failed.as_slice(), answer.names.as_slice()), (&["http://x/"][..], &["jqq"][..]));
        assert_eq!(answer.rehearsals, [Rehearsal { lines: vec!["Inst a"], status: 100 }]);
        assert!(Answer::read("ii \tjq\tamd64\t1\n").is_err());
    }
}
