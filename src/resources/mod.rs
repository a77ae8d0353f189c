//! The types of things that can be managed: one file each, one line each in [`types::TYPES`].

mod accounts;
mod attributes;
pub mod batch;
pub mod cron;
pub mod difference;
pub mod directory;
pub mod exec;
pub mod file;
pub mod firewall;
pub mod group;
pub mod lifeline;
mod owners;
pub mod package;
mod package_sources;
pub mod service;
mod state;
pub mod symlink;
pub mod sysctl;
pub mod timezone;
pub mod types;
pub mod user;
pub mod value;

use crate::facts::Facts;
use crate::language::diagnostic::Diagnostics;
use crate::model::body::Body;
use crate::model::id::ResourceId;
use crate::model::span::Span;
use crate::shell::probe::{Answers, BadAnswer, ProbeScript};
use crate::shell::steps::Steps;
use difference::{Ahead, Brings, Difference};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::hash::Hash;

/// What one resource is to be: its parameters, all values final.
#[derive(Clone, Debug)]
pub struct Want<P> {
    pub id: ResourceId,
    pub params: P,
    /// What `content`, `source` or `template` come to, for a type that has a body.
    pub body: Option<Body>,
    /// Neither its values nor its contents are ever shown.
    pub sensitive: bool,
    /// The user its commands run as, where it is not the connection's own.
    pub become_user: Option<String>,
    pub places: Places,
    /// Where [`ResourceType::wants_managed_below`]: the paths below its own that the catalog's resources make.
    pub managed_below: Vec<String>,
    /// It has left the manifest, and is removed for that: with nothing that trueup has not made.
    pub departed: Option<Departed>,
}

/// How a resource that has left the manifest is removed.
#[derive(serde::Serialize, serde::Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Departed {
    /// As [`ResourceType::mark`] gave it when it was applied.
    pub mark: Option<String>,
    /// Also where somebody else has changed it since.
    pub force: bool,
}

impl<P> Want<P> {
    pub fn title(&self) -> &str {
        &self.id.title
    }
}

/// Where a resource and its parameters were written.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The title.
    pub title: Span,
    /// Parameter names and their values' places.
    pub params: Vec<(String, Span)>,
}

impl Places {
    pub fn has(&self, param: &str) -> bool {
        self.params.iter().any(|(name, _)| name == param)
    }

    /// Where a parameter's value stands; the title's place where it is not given.
    pub fn of(&self, param: &str) -> Span {
        self.params.iter().find(|(name, _)| name == param).map_or(self.title, |(_, span)| *span)
    }
}

/// A resource that is to be changed, with what was seen of it.
pub struct Due<'a, T: ResourceType + ?Sized> {
    pub want: &'a Want<T::Params>,
    pub seen: &'a T::Observed,
    pub difference: &'a Difference,
}

/// How due resources of one type come together in one call of [`ResourceType::apply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// Each by itself.
    Each,
    /// Those that are ready at the same time and wait for the same things: one transaction of many packages.
    Ready,
    /// All of the host's, once all are ready: one ruleset.
    All,
}

/// What becomes of a resource that the manifest no longer has, when what has left it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphaned {
    /// It is brought away by these parameters, as a manifest has them, where trueup has made it.
    Removed(&'static str),
    /// It is ended by these parameters where what it stands on goes, as [`ResourceType::stands_on`] says; else it stays as
    /// it is, and why.
    Ended(&'static str, &'static str),
    /// It stays as it is, and why.
    Stays(&'static str),
}

/// The edges that a type implies.
#[derive(Clone, Debug, Default)]
pub struct Edges(pub(crate) Vec<(ResourceId, Need)>);

/// What a resource comes after, if the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// One resource, by type and key.
    Resource { kind: &'static str, key: String },
    /// What stands at this path.
    At(String),
    /// The nearest resource above this path that others can stand in, and the one whose home that path is in.
    Parent(String),
    /// The resource whose home this path is.
    Home(String),
}

/// A path that a resource manages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made<'a> {
    pub path: &'a str,
    /// Whether others can stand in it.
    pub holds: bool,
}

impl Edges {
    /// `of` comes after the resource of type `kind` with this key. Where the catalog has none, nothing is meant.
    pub fn require(&mut self, of: &ResourceId, kind: &'static str, key: impl Into<String>) {
        self.0.push((of.clone(), Need::Resource { kind, key: key.into() }));
    }

    /// `of` comes after whatever stands at `path`.
    pub fn require_at(&mut self, of: &ResourceId, path: &str) {
        self.0.push((of.clone(), Need::At(path.to_owned())));
    }

    /// `of` comes after whatever makes the directory that `path` stands in.
    pub fn require_parent(&mut self, of: &ResourceId, path: &str) {
        self.0.push((of.clone(), Need::Parent(path.to_owned())));
    }

    /// `of` comes after whatever brings the directory at `path` as a home.
    pub fn require_home(&mut self, of: &ResourceId, path: &str) {
        self.0.push((of.clone(), Need::Home(path.to_owned())));
    }
}

/// What a contributor implements: one type of resource. All methods are pure.
pub trait ResourceType: Sync + 'static {
    /// As it is written in a manifest.
    const NAME: &'static str;
    /// One sentence for `trueup doc`.
    const ABOUT: &'static str;
    /// A list of resources as it stands under `resources:`; a test validates it.
    const EXAMPLE: &'static str;
    const TOGETHER: Together = Together::Each;
    /// Whether it takes `content`, `source` and `template`, which come to [`Want::body`].
    const HAS_BODY: bool = false;
    /// Whether it takes `become_user`.
    const RUNS_AS: bool = false;
    /// Whether `notify` can reach it.
    const REFRESHES: bool = false;
    /// The parameters that may hold a secret: those whose values reach the host as a body, or as what a program reads.
    /// Any other ends in an argument or an environment, which others on the host can see, or in a record of the run.
    const SECRETS: &'static [&'static str] = &[];

    /// What becomes of one that has left the manifest.
    const ORPHANED: Orphaned;
    /// Whether one that has left the manifest can go only once others have, so that there is no judging it before that.
    const GOES_EMPTY: bool = false;

    /// Unknown keys denied; the fields' docs are what `trueup doc` and the editor's schema say, so that they cannot disagree.
    type Params: DeserializeOwned + JsonSchema + Send + Sync;
    /// What a probe saw: an enum with `Absent`, never a null. A saved plan tells by its hash whether a resource is still
    /// as it was, so what comes and goes by itself is no part of that.
    type Observed: Hash + Send + Sync;

    /// What the types of the parameters cannot say. Errors stand at a parameter's place.
    fn check(&self, _want: &Want<Self::Params>, _facts: &Facts, _out: &mut Diagnostics) {}

    /// Identity on the host; equal keys are duplicates, whatever their titles.
    fn key<'a>(&self, want: &'a Want<Self::Params>, _facts: &Facts) -> Cow<'a, str> {
        Cow::Borrowed(&want.id.title)
    }

    /// Whether there is anything of it on the host once it is in line. What is to be absent leaves nothing that could
    /// become an orphan.
    fn is_present(&self, _want: &Want<Self::Params>) -> bool {
        true
    }

    /// What tells later, when it has left the manifest, whether somebody else has changed it since: a digest, a number.
    /// `None` where nothing does.
    fn mark(&self, _want: &Want<Self::Params>) -> Option<String> {
        None
    }

    /// The same of what is there now.
    fn mark_seen(&self, _want: &Want<Self::Params>, _seen: &Self::Observed) -> Option<String> {
        None
    }

    /// Whether one of this title stands on that resource, and so ends with it: a service on its unit file.
    fn stands_on(&self, _title: &str, _kind: &str, _key: &str) -> bool {
        false
    }

    /// Where one with this key stands among the host's files, if it is one.
    fn path(&self, _key: &str) -> Option<String> {
        None
    }

    /// The path that it manages as a file, a directory or a link, whether that is to be there or not.
    fn makes<'a>(&self, _want: &'a Want<Self::Params>) -> Option<Made<'a>> {
        None
    }

    /// A directory that comes with it, and that may have a resource of its own besides: a user's home. What stands in
    /// it comes after it.
    fn home(&self, _want: &Want<Self::Params>) -> Option<String> {
        None
    }

    /// Whether [`Want::managed_below`] is to be told to it.
    fn wants_managed_below(&self, _want: &Want<Self::Params>) -> bool {
        false
    }

    /// The edges the type implies; one to what the catalog lacks is dropped.
    fn relate(&self, _want: &Want<Self::Params>, _edges: &mut Edges) {}

    /// Asks about all of them at once.
    fn probe(&self, wants: &[&Want<Self::Params>], facts: &Facts, probe: &mut ProbeScript);

    /// One result a want, in order, taking as many answers as [`Self::probe`] asked questions. A malformed answer is
    /// that resource's error and no other's; never a panic.
    fn observe(
        &self,
        wants: &[&Want<Self::Params>],
        facts: &Facts,
        answers: &mut Answers,
    ) -> Vec<Result<Self::Observed, BadAnswer>>;

    /// `None` where it is in line. `ahead` is what earlier changes of this plan will have brought.
    ///
    /// # Errors
    /// Where the resource cannot be brought in line, and why: a package that no source has, a service whose unit
    /// nothing brings. Told in the plan, before anything is changed.
    fn diff(
        &self,
        want: &Want<Self::Params>,
        seen: &Self::Observed,
        ahead: &Ahead<'_>,
    ) -> Result<Option<Difference>, Impossible>;

    /// What this change, or a refresh, can bring besides itself. After a change that brings anything the host is probed
    /// again before what comes later is judged.
    fn brings(&self, _want: &Want<Self::Params>, _difference: &Difference) -> Brings {
        Brings::Nothing
    }

    /// Whether what comes to stand at this path, or below it, can change what there is to be done.
    fn sees(&self, _want: &Want<Self::Params>, _path: &str) -> bool {
        false
    }

    /// What a probe would see once the difference is applied: the difference after that is empty.
    fn predict(&self, want: &Want<Self::Params>, seen: &Self::Observed) -> Self::Observed;

    /// The steps for those that are due together; `all` are all of the host's of this type, in line or not.
    fn apply(&self, all: &[&Want<Self::Params>], due: &[Due<'_, Self>], facts: &Facts, steps: &mut Steps);

    /// Whether a probe can tell, once it is applied, that it is in line. What runs anew each time cannot be.
    fn is_verifiable(&self, _want: &Want<Self::Params>) -> bool {
        true
    }

    /// What has to be reported of it although nothing can be done about it, also if it is in sync.
    fn remark(&self, _want: &Want<Self::Params>, _seen: &Self::Observed) -> Option<String> {
        None
    }

    /// Whether this change, or a refresh, may keep the operator from coming back: a firewall, sshd, keys, sudo, the
    /// network. Such a change is taken back by the host itself unless a new connection confirms it. Said too often it
    /// costs a connection, said too seldom a drive to the data centre.
    fn cuts_off(&self, _want: &Want<Self::Params>, _difference: &Difference) -> bool {
        false
    }

    /// The steps of a refresh. `changed`: the resource itself is changed in the same run, just before.
    fn refresh(&self, _want: &Want<Self::Params>, _changed: Option<&Difference>, _facts: &Facts, _steps: &mut Steps) {}
}

/// Why a resource cannot be brought in line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Impossible(pub String);
