//! The builder of scripts that only look.
//!
//! There is no way to write with it: its questions are a closed list of read-only tools, and what comes from
//! outside (names, paths) goes to them as quoted arguments. The guards of `exec` are the one exception, with a
//! method of their own, so that a plan can show them.

pub use super::answers::{Answers, BadAnswer};
pub use super::files::FileQuestion;
use super::frame::Nonce;
use super::packages::Manager;
use super::quote::{chunks, word, words};
use std::fmt::Write as _;

/// A question that a host's own tools can answer without writing. Arguments are data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    /// `systemctl show -p Id,… UNIT…`: blocks of `Key=value` lines, one a unit, blank line between.
    SystemctlShow,
    /// `rc-service`/`rc-update`: for each name a line `name TAB status-number TAB runlevels`.
    OpenrcStatus,
    /// `/etc/passwd`'s lines for the names (through NSS where `getent` is there; else the whole file).
    Passwd,
    /// `/etc/group`'s lines for the names, likewise.
    Group,
    /// `/etc/group`'s lines, the whole database: a user's groups stand in their members.
    Groups,
    /// For each user that exists a line `user TAB name TAB ssh` (`ssh` is `yes` where `~/.ssh` is there), and then a line
    /// `key TAB …` for each line of its `~/.ssh/authorized_keys`, or `bad TAB why` where that is not to be read.
    AuthorizedKeys,
    /// `nft -s list table inet NAME` for each name: the rules without their counters.
    NftTable,
    /// `nft -s list ruleset`, 1 MiB of it at most. Takes no arguments.
    NftRuleset,
    /// `/etc/shadow`, whole, where it can be read. Secret.
    Shadow,
    /// `sysctl KEY…`: a line `key = value` for each that exists.
    Sysctl,
    /// Directories and all below them, not crossing file systems; read by [`super::tree::parse`].
    Tree,
    /// The first 1 MiB of one file.
    Contents,
    /// The resources that are owed a refresh from an earlier run: an id a line. Takes no arguments.
    Owed,
    /// What trueup has made there, as [`crate::ledger`] reads it. Takes no arguments.
    Ledger,
    /// The last run, where it is not at its end, as [`crate::journal::unfinished`] reads it. Takes no arguments.
    Unfinished,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ask {
    text: String,
    /// What is asked later to see whether anything has changed since, where that is less.
    again: Option<String>,
}

impl From<String> for Ask {
    fn from(text: String) -> Self {
        Self { text, again: None }
    }
}

/// How long a guard may take. A host that is silent for longer than [`super::frame::Limits::idle`] is given up.
const GUARD_SECONDS: u32 = 40;

/// Builds one probe script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeScript {
    asks: Vec<Ask>,
    /// Whether any is about packages, whose functions are long.
    packages: bool,
    /// Guards of `exec`, as written: a plan shows them, for they are foreign commands.
    guards: Vec<String>,
}

impl ProbeScript {
    /// Asks one question about many things. Each call is one answer, in the order of the calls.
    pub fn ask<I, S>(&mut self, query: Query, args: I)
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        let args: Vec<String> = args.into_iter().map(|a| word(a.as_ref())).collect();
        let mut snippet = String::new();
        for chunk in chunks(&args) {
            let list = chunk.join(" ");
            let _ = match query {
                Query::SystemctlShow => writeln!(
                    snippet,
                    "systemctl show -p Id,Names,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,FragmentPath,CanReload -- {list} 2>/dev/null"
                ),
                Query::OpenrcStatus => writeln!(
                    snippet,
                    "for n in {list}; do if [ -e \"/etc/init.d/$n\" ]; then rc-service -q \"$n\" status >/dev/null 2>&1; s=$?; else s=none; fi; r=; for l in /etc/runlevels/*/; do if [ -e \"$l$n\" ]; then l=${{l%/}}; r=\"$r ${{l##*/}}\"; fi; done; printf '%s\\t%s\\t%s\\n' \"$n\" \"$s\" \"$r\"; done"
                ),
                Query::Passwd => writeln!(
                    snippet,
                    "if command -v getent >/dev/null; then getent passwd -- {list}; else cat /etc/passwd; fi 2>/dev/null"
                ),
                Query::Group => writeln!(
                    snippet,
                    "if command -v getent >/dev/null; then getent group -- {list}; else cat /etc/group; fi 2>/dev/null"
                ),
                Query::AuthorizedKeys => writeln!(snippet, "authorized_keys {list}"),
                Query::NftTable => writeln!(snippet, "nft -s list table inet {list} 2>/dev/null"),
                Query::Groups | Query::Shadow | Query::NftRuleset => Ok(()),
                Query::Owed | Query::Ledger | Query::Unfinished => Ok(()),
                Query::Sysctl => writeln!(snippet, "sysctl -- {list} 2>/dev/null"),
                Query::Tree => write!(snippet, "{}", super::tree::snippet(&list)),
                Query::Contents => writeln!(snippet, "head -c 1048576 -- {list} 2>/dev/null"),
            };
        }
        match query {
            Query::Groups => snippet
                .push_str("if command -v getent >/dev/null; then getent group; else cat /etc/group; fi 2>/dev/null\n"),
            Query::NftRuleset => snippet.push_str("nft -s list ruleset 2>/dev/null | head -c 1048576\n"),
            Query::Shadow => snippet.push_str("cat /etc/shadow 2>/dev/null\n"),
            Query::Owed => snippet.push_str(&owed(&super::state::StateDir::Usual)),
            Query::Unfinished => snippet.push_str(&super::unfinished::snippet(&super::state::StateDir::Usual)),
            Query::Ledger => snippet.push_str(&super::ledger::snippet(&super::state::StateDir::Usual)),
            _ => {}
        }
        self.asks.push(snippet.into());
    }

    /// As [`Query::Owed`], of a state directory elsewhere.
    pub fn ask_owed(&mut self, state_dir: &super::state::StateDir) {
        self.asks.push(owed(state_dir).into());
    }

    /// Asks about files: whether they are there, their attributes, digests, link targets, and the text of those
    /// that differ. One answer, for [`super::files::parse`].
    pub fn ask_files(&mut self, questions: &[FileQuestion]) {
        self.asks.push(super::files::snippet(questions).into());
    }

    /// Asks about packages: what is there, and if anything is due, what the lists have and what the package manager would
    /// do. `wants` are the words that `packages.sh` tells of, `arch` is the one that names of packages leave out.
    pub fn ask_packages(&mut self, manager: Manager, arch: &str, wants: &[String]) {
        let (mut text, mut again) = (String::new(), String::new());
        let quoted: Vec<String> = wants.iter().map(|w| word(w)).collect();
        for chunk in chunks(&quoted) {
            text.push_str(&manager.ask(arch, &chunk.join(" ")));
        }
        let names = wants.iter().map(|w| w.trim_start_matches(['+', '-', '!']).split('=').next().unwrap_or_default());
        let names: Vec<String> = names.map(word).collect();
        for chunk in chunks(&names) {
            again.push_str(&manager.ask_again(&chunk.join(" ")));
        }
        self.packages = true;
        self.asks.push(Ask { text, again: Some(again) });
    }

    /// Runs a guard: a foreign command that decides whether an `exec` has to run. Its exit status is the answer, and what
    /// it said of errors is the body if it could not be run (126, 127; 125 if its folder is not there; 124 if it was
    /// stopped at its deadline). `shown` is what a plan says of it.
    pub fn guard(&mut self, command: &str, cwd: Option<&str>, user: Option<&str>, shown: &str) {
        self.guards.push(shown.to_owned());
        // Whatever status it ends with, that of the deadline is the deadline's alone.
        let text = format!("( eval {} ); n=$?; if [ $n = 124 ]; then n=1; fi; exit $n", word(command));
        let given = [user.unwrap_or_default(), cwd.unwrap_or_default(), &text];
        self.asks.push(format!("guarded {GUARD_SECONDS} {}\n", words(given)).into());
    }

    /// The foreign commands this probe runs, as they are shown.
    pub fn guards(&self) -> &[String] {
        &self.guards
    }

    /// How many answers will come.
    pub fn len(&self) -> usize {
        self.asks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }

    /// The questions as the body of a script, numbered from `first`.
    pub(super) fn frames(&self, first: u32) -> String {
        let mut out = if self.packages { super::packages::functions() } else { String::new() };
        for (slot, ask) in (first..).zip(&self.asks) {
            // A question about nothing still has an answer, and an empty compound is a syntax error.
            let ask = if ask.text.is_empty() { ":\n" } else { ask.text.as_str() };
            let _ = writeln!(out, "b {slot}\n{{\n{ask}}}\ne {slot} $?");
        }
        out
    }

    /// The questions as they are asked again, without anything that differs from one script to the next.
    pub(super) fn unframed(&self) -> String {
        let again = self.asks.iter().map(|ask| ask.again.as_ref().unwrap_or(&ask.text));
        again.map(|ask| format!("{{\n:\n{ask}}}\n")).collect()
    }

    /// The whole script.
    pub fn into_text(self, nonce: &Nonce) -> Vec<u8> {
        super::script::whole(nonce, &self.frames(0))
    }
}

fn owed(state_dir: &super::state::StateDir) -> String {
    let each = "for i in \"$s\"/owed/*; do IFS= read -r l <\"$i\" && printf '%s\\n' \"$l\"; done 2>/dev/null";
    format!("{}{each}\n:\n", state_dir.locate())
}
