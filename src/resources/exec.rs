//! Commands, for what no type has: run where a guard says so, on a refresh, or always.

use super::difference::{Action, Ahead, Brings, Difference, SECRET, Shown};
use super::{Due, Edges, Impossible, Orphaned, ResourceType, Want};
use crate::facts::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::model::body::Body;
use crate::model::id::visible;
use crate::model::secret::Secret;
use crate::shell::files::{self, FileState};
use crate::shell::frame::Frame;
use crate::shell::probe::{Answers, BadAnswer, FileQuestion, ProbeScript};
use crate::shell::quote::word;
use crate::shell::steps::{Command, Guards, Steps, Undo};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

pub struct Exec;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The command, run by `sh -c`. By default it is the title.
    pub command: Option<String>,
    /// A path: where it is there, the command is not run. By default none.
    pub creates: Option<String>,
    /// A command that looks: if it succeeds, the command is not run. It is run while planning, as whom the command is, so
    /// it must not change anything, and it has 40 seconds for that. By default none.
    pub unless: Option<String>,
    /// A command that looks: only if it succeeds, the command is run. It is run while planning, as whom the command is, so
    /// it must not change anything, and it has 40 seconds for that. By default none.
    pub onlyif: Option<String>,
    /// Whether it is run only when a resource notifies it. The default is `false`.
    #[serde(default)]
    pub refresh_only: bool,
    /// The folder it is run in. By default the connecting user's home.
    pub cwd: Option<String>,
    /// What it reads, on its standard input: the way for secrets. By default nothing.
    pub stdin: Option<Secret>,
    /// Variables of its environment. Not for secrets: an environment can be read.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The command that takes it back. Without one it cannot be undone, which a plan says.
    pub undo: Option<String>,
    /// Seconds until it is stopped. The default is 600.
    pub timeout_s: Option<u32>,
}

/// What the guards say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observed {
    creates: Option<bool>,
    unless: Option<Answer>,
    onlyif: Option<Answer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Yes,
    No,
    /// The guard gave no answer, and what was said of that.
    None(String),
}

impl Answer {
    fn of(frame: &Frame) -> Self {
        match frame.status {
            0 => Self::Yes,
            // A shell that finds no program says so; `command -v` says nothing.
            124..=127 if !frame.body.trim_ascii().is_empty() => {
                Self::None(String::from_utf8_lossy(frame.body.trim_ascii()).into_owned())
            }
            _ => Self::No,
        }
    }
}

fn command(want: &Want<Params>) -> &str {
    want.params.command.as_deref().unwrap_or(want.title())
}

fn guarded(params: &Params) -> bool {
    params.creates.is_some() || params.unless.is_some() || params.onlyif.is_some()
}

fn questions(wants: &[&Want<Params>]) -> Vec<FileQuestion> {
    let paths = wants.iter().filter_map(|w| w.params.creates.clone());
    paths.map(|path| FileQuestion { path, contents: None }).collect()
}

/// The program that takes it back: where and as whom the command itself has run, with its environment.
fn back(want: &Want<Params>, undo: &str) -> Vec<String> {
    let mut text = undo.to_owned();
    if !want.params.env.is_empty() {
        let set: Vec<String> = want.params.env.iter().map(|(name, value)| word(&format!("{name}={value}"))).collect();
        text = format!("env -- {} sh -c {}", set.join(" "), word(&text));
    }
    if let Some(cwd) = &want.params.cwd {
        text = format!("cd -- {} && {{ {text}\n}}", word(cwd));
    }
    let argv = match &want.become_user {
        None => vec!["sh", "-c", &text],
        Some(user) => vec!["sh", "-c", AS_USER, user, &text],
    };
    argv.into_iter().map(str::to_owned).collect()
}

/// Runs its argument as the user that it has as its name.
const AS_USER: &str = "if [ \"$(id -un)\" = \"$0\" ]; then exec sh -c \"$1\"; \
                       elif [ \"$(id -u)\" = 0 ]; then exec su -s /bin/sh -c \"$1\" -- \"$0\"; \
                       else exec sudo -n -H -u \"$0\" -- sh -c \"$1\"; fi";

impl Exec {
    fn run(want: &Want<Params>, steps: &mut Steps) {
        let sh = |text: &str| ["sh", "-c", text].map(str::to_owned).to_vec();
        let undo = match &want.params.undo {
            Some(undo) => Undo::Run(back(want, undo)),
            None => Undo::Irreversible("no `undo` is given for the command".into()),
        };
        let guards = match want.params.refresh_only {
            true => Guards::default(),
            false => Guards {
                creates: want.params.creates.clone(),
                unless: want.params.unless.clone(),
                onlyif: want.params.onlyif.clone(),
            },
        };
        let command = Command {
            guards,
            env: want.params.env.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            cwd: want.params.cwd.clone(),
            user: want.become_user.clone(),
            stdin: want.params.stdin.as_ref().map(|s| Body::held(s.expose().as_bytes(), true)),
            deadline: Some(Duration::from_secs(u64::from(want.params.timeout_s.unwrap_or(600)))),
            ..Command::new(sh(command(want)))
        };
        steps.run(&[&want.id], command, undo);
    }
}

impl ResourceType for Exec {
    const NAME: &'static str = "exec";
    const ABOUT: &'static str = "A command, for what no type has: with a guard, on a refresh, or always.";
    const EXAMPLE: &'static str = "- exec: build the index\n  command: make-index /srv/docs\n  creates: /srv/docs/index\n  undo: rm -f /srv/docs/index\n";
    const RUNS_AS: bool = true;
    const REFRESHES: bool = true;
    const SECRETS: &'static [&'static str] = &["stdin"];
    const ORPHANED: Orphaned = Orphaned::Stays("a command that was run leaves nothing that could be removed");

    type Params = Params;
    type Observed = Observed;

    fn check(&self, want: &Want<Params>, _: &Facts, out: &mut Diagnostics) {
        for (name, path) in [("creates", &want.params.creates), ("cwd", &want.params.cwd)] {
            if path.as_ref().is_some_and(|p| !p.starts_with('/')) {
                out.push(Diagnostic::error(
                    "wrong value",
                    Some(want.places.of(name)),
                    "an absolute path is wanted here",
                ));
            }
        }
        for name in want.params.env.keys() {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
                let label = format!("`{}` is no name of a variable", name.escape_debug());
                out.push(Diagnostic::error("wrong value", Some(want.places.of("env")), label));
            }
        }
        if want.params.refresh_only && guarded(&want.params) {
            let label = "what only a refresh runs has no guard";
            out.push(Diagnostic::error(
                "parameters that exclude one another",
                Some(want.places.of("refresh_only")),
                label,
            ));
        }
    }

    fn relate(&self, want: &Want<Params>, edges: &mut Edges) {
        if let Some(cwd) = &want.params.cwd {
            edges.require_at(&want.id, cwd);
            edges.require_parent(&want.id, cwd);
        }
        if let Some(creates) = &want.params.creates {
            edges.require_parent(&want.id, creates);
        }
        if let Some(user) = &want.become_user {
            edges.require(&want.id, "user", user.as_str());
        }
        // A script that the same catalog writes is there before it is run.
        if let Some(program) = command(want).split_whitespace().next().filter(|p| p.starts_with('/')) {
            edges.require_at(&want.id, program);
        }
    }

    fn probe(&self, wants: &[&Want<Params>], _: &Facts, probe: &mut ProbeScript) {
        probe.ask_files(&questions(wants));
        for want in wants {
            for guard in [&want.params.unless, &want.params.onlyif].into_iter().flatten() {
                let shown = if want.sensitive { SECRET } else { guard };
                probe.guard(guard, want.params.cwd.as_deref(), want.become_user.as_deref(), shown);
            }
        }
    }

    fn observe(&self, wants: &[&Want<Params>], _: &Facts, answers: &mut Answers) -> Vec<Result<Observed, BadAnswer>> {
        let files = answers.answer().map(|frame| files::parse(&questions(wants), &frame.body));
        let mut files = files.map(Vec::into_iter);
        wants
            .iter()
            .map(|want| {
                // All answers are taken, whatever is wrong with one, for the next guard's to be found.
                let mut guard = |given: &Option<String>| {
                    given.as_ref().map(|_| answers.answer().map(|f| Answer::of(&f))).transpose()
                };
                let (unless, onlyif) = (guard(&want.params.unless), guard(&want.params.onlyif));
                let creates = match (&want.params.creates, &mut files) {
                    (None, _) => None,
                    (Some(_), Ok(states)) => {
                        let state = states.next().unwrap_or_else(|| Err(BadAnswer("an answer is missing".into())))?;
                        Some(state != FileState::Absent)
                    }
                    (Some(_), Err(bad)) => return Err(bad.clone()),
                };
                Ok(Observed { creates, unless: unless?, onlyif: onlyif? })
            })
            .collect()
    }

    fn diff(&self, want: &Want<Params>, seen: &Observed, ahead: &Ahead<'_>) -> Result<Option<Difference>, Impossible> {
        if want.params.refresh_only
            || seen.creates == Some(true)
            || seen.unless == Some(Answer::Yes)
            || seen.onlyif == Some(Answer::No)
        {
            return Ok(None);
        }
        // If its folder or its user is made before it, it is asked again right before the command.
        let made = want.params.cwd.as_deref().is_some_and(|cwd| ahead.brings("directory", cwd))
            || want.become_user.as_deref().is_some_and(|user| ahead.brings("user", user) || ahead.may_bring_anything());
        for (name, answer) in [("unless", &seen.unless), ("onlyif", &seen.onlyif)] {
            if let Some(Answer::None(why)) = answer.as_ref().filter(|_| !made) {
                let why = if want.sensitive { SECRET } else { why };
                return Err(Impossible(format!("its guard `{name}` gives no answer: {}", visible(why))));
            }
        }
        let mut difference = Difference::new(Action::Run);
        difference.note("command", Shown::Absent, Shown::value(command(want)));
        if !guarded(&want.params) {
            difference
                .warnings
                .push("always runs: nothing tells whether it is needed (creates, unless, onlyif)".into());
        }
        Ok(Some(difference))
    }

    fn brings(&self, _: &Want<Params>, _: &Difference) -> Brings {
        Brings::Anything
    }

    /// A guard may look anywhere.
    fn sees(&self, want: &Want<Params>, _: &str) -> bool {
        guarded(&want.params)
    }

    fn predict(&self, want: &Want<Params>, _: &Observed) -> Observed {
        Observed {
            creates: want.params.creates.as_ref().map(|_| true),
            unless: want.params.unless.as_ref().map(|_| Answer::Yes),
            onlyif: want.params.onlyif.as_ref().map(|_| Answer::No),
        }
    }

    fn cuts_off(&self, want: &Want<Params>, _: &Difference) -> bool {
        super::lifeline::command(command(want))
    }

    /// `onlyif` says whether it is to be run, and not what it comes to.
    fn is_verifiable(&self, want: &Want<Params>) -> bool {
        want.params.creates.is_some() || want.params.unless.is_some()
    }

    fn apply(&self, _: &[&Want<Params>], due: &[Due<'_, Self>], _: &Facts, steps: &mut Steps) {
        due.iter().for_each(|d| Self::run(d.want, steps));
    }

    fn refresh(&self, want: &Want<Params>, changed: Option<&Difference>, _: &Facts, steps: &mut Steps) {
        // What has just run has seen the change.
        if changed.is_none() {
            Self::run(want, steps);
        }
    }
}
