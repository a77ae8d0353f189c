//! The builder of what writes: steps, each with its undo.
//!
//! Steps are made when planning and are plain data in the plan; applying runs exactly those.

use crate::model::body::Body;
use crate::model::id::ResourceId;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a step is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// By this program.
    Run(Vec<String>),
    /// By this program, whose standard input is what [`Command::before`] said: before, and behind a line `after`, which a
    /// run that died has not written, after.
    RunOn(Vec<String>),
    /// From the copy that the host keeps of what was there.
    Kept,
    /// It changes nothing that lasts: a refreshed index, a reload.
    Nothing,
    /// It cannot, and why.
    Irreversible(String),
}

/// Owner, group and mode to be set; what is `None` stays as it is (on a new file: as the system's defaults have it).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// A name or a number.
    pub owner: Option<String>,
    pub group: Option<String>,
    /// Permission bits.
    pub mode: Option<u32>,
}

/// A foreign program to be run. `B`: contents, or what stands for them in a saved plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command<B = Body> {
    pub argv: Vec<String>,
    /// Added to the environment. Never a secret: an environment can be read.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The user to run as, where it is not the connection's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What it reads: the way for secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<B>,
    /// Run before it and, whatever came of it, after it; what it says is kept for the undo. It only looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Vec<String>>,
    /// Killed after this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// Asked right before it is run: it is left out if it is not needed any more.
    #[serde(default, skip_serializing_if = "Guards::is_none")]
    pub guards: Guards,
}

/// What says whether a command is needed, in the command's own folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guards {
    /// A path that makes it needless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creates: Option<String>,
    /// A shell command whose success makes it needless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unless: Option<String>,
    /// A shell command whose failure makes it needless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onlyif: Option<String>,
}

impl Guards {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl<B> Default for Command<B> {
    fn default() -> Self {
        Self {
            argv: vec![],
            env: vec![],
            cwd: None,
            user: None,
            stdin: None,
            before: None,
            deadline: None,
            guards: Guards::default(),
        }
    }
}

impl Command {
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// One thing done on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step<B = Body> {
    Run(Command<B>),
    /// Writes beside it, sets attributes, validates, renames: never a half file.
    ReplaceFile {
        path: String,
        body: B,
        attributes: Attributes,
        /// A shell command in which `%s` is the candidate's path; the file is replaced only where it succeeds.
        validate: Option<String>,
        /// Whether nothing was there when the plan was made: what has come since is left alone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        fresh: bool,
    },
    /// Makes one directory; its parent is there.
    MakeDirectory {
        path: String,
        attributes: Attributes,
    },
    /// Of a file or directory that is there; `recurse` takes in all that is below it, links themselves excepted.
    SetAttributes {
        path: String,
        attributes: Attributes,
        recurse: bool,
    },
    /// Makes or replaces a symbolic link in one rename.
    Symlink {
        path: String,
        target: String,
    },
    /// Removes a file, a link or an empty directory, or with `recurse` a directory with all that is in it.
    Remove {
        path: String,
        recurse: bool,
    },
}

impl<B> Step<B> {
    /// The one path that it changes; none of a program.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Run(_) => None,
            Self::ReplaceFile { path, .. }
            | Self::MakeDirectory { path, .. }
            | Self::SetAttributes { path, .. }
            | Self::Symlink { path, .. }
            | Self::Remove { path, .. } => Some(path),
        }
    }

    /// What it writes.
    pub fn body(&self) -> Option<&B> {
        match self {
            Self::Run(command) => command.stdin.as_ref(),
            Self::ReplaceFile { body, .. } => Some(body),
            Self::MakeDirectory { .. } | Self::SetAttributes { .. } | Self::Symlink { .. } | Self::Remove { .. } => {
                None
            }
        }
    }

    /// The same with other contents.
    ///
    /// # Errors
    /// Those of `with`.
    pub fn map<C, E>(self, with: impl FnOnce(B) -> Result<C, E>) -> Result<Step<C>, E> {
        Ok(match self {
            Self::Run(Command { argv, env, cwd, user, stdin, before, deadline, guards }) => {
                let stdin = stdin.map(with).transpose()?;
                Step::Run(Command { argv, env, cwd, user, stdin, before, deadline, guards })
            }
            Self::ReplaceFile { path, body, attributes, validate, fresh } => {
                Step::ReplaceFile { path, body: with(body)?, attributes, validate, fresh }
            }
            Self::MakeDirectory { path, attributes } => Step::MakeDirectory { path, attributes },
            Self::SetAttributes { path, attributes, recurse } => Step::SetAttributes { path, attributes, recurse },
            Self::Symlink { path, target } => Step::Symlink { path, target },
            Self::Remove { path, recurse } => Step::Remove { path, recurse },
        })
    }
}

/// A step in a plan: whose it is, and how it is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep<B = Body> {
    /// The resources it serves; where it fails, those have failed.
    pub serves: Vec<ResourceId>,
    pub step: Step<B>,
    pub undo: Undo,
}

/// Collects a resource type's steps, in the order they are to run.
#[derive(Clone, Debug, Default)]
pub struct Steps(Vec<PlannedStep>);

impl Steps {
    /// A foreign program. Its undo is an argument, so that it cannot be forgotten.
    pub fn run(&mut self, serves: &[&ResourceId], command: Command, undo: Undo) {
        self.push(serves, Step::Run(command), undo);
    }

    /// A whole file, in one rename. The host keeps the old one; with `fresh` there is none, and one that comes meanwhile
    /// is left alone.
    pub fn replace_file(
        &mut self,
        id: &ResourceId,
        path: &str,
        body: Body,
        attributes: Attributes,
        validate: Option<String>,
        fresh: bool,
    ) {
        let path = path.to_owned();
        self.push(&[id], Step::ReplaceFile { path, body, attributes, validate, fresh }, Undo::Kept);
    }

    /// The host notes whether it was there.
    pub fn make_directory(&mut self, id: &ResourceId, path: &str, attributes: Attributes) {
        self.push(&[id], Step::MakeDirectory { path: path.to_owned(), attributes }, Undo::Kept);
    }

    /// The host keeps the old attributes.
    pub fn set_attributes(&mut self, id: &ResourceId, path: &str, attributes: Attributes, recurse: bool) {
        self.push(&[id], Step::SetAttributes { path: path.to_owned(), attributes, recurse }, Undo::Kept);
    }

    pub fn symlink(&mut self, id: &ResourceId, path: &str, target: &str) {
        self.push(&[id], Step::Symlink { path: path.to_owned(), target: target.to_owned() }, Undo::Kept);
    }

    /// The host keeps what was there.
    pub fn remove(&mut self, id: &ResourceId, path: &str, recurse: bool) {
        self.push(&[id], Step::Remove { path: path.to_owned(), recurse }, Undo::Kept);
    }

    fn push(&mut self, serves: &[&ResourceId], step: Step, undo: Undo) {
        self.0.push(PlannedStep { serves: serves.iter().map(|id| (*id).clone()).collect(), step, undo });
    }

    pub fn into_vec(self) -> Vec<PlannedStep> {
        self.0
    }
}
