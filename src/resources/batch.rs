//! Types erased behind `dyn`, in one place: a batch knows its type, so that nothing is ever downcast.

use super::difference::{Ahead, Brings, Difference, Shown};
use super::{Departed, Due, Edges, Impossible, Made, Orphaned, Places, ResourceType, Together, Want, state};
use crate::facts::Facts;
use crate::language::de::from_node;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::node::{Node, Yaml};
use crate::model::body::{Body, Digest};
use crate::model::id::ResourceId;
use crate::shell::probe::{Answers, BadAnswer, ProbeScript};
use crate::shell::steps::Steps;

/// A resource as a manifest declares it, all templates rendered.
#[derive(Clone, Debug)]
pub struct Declared {
    pub title: String,
    /// A mapping of the type's own parameters.
    pub params: Node,
    pub body: Option<Body>,
    pub sensitive: bool,
    pub become_user: Option<String>,
    pub places: Places,
    /// As [`Want::managed_below`].
    pub managed_below: Vec<String>,
    pub departed: Option<Departed>,
}

impl Declared {
    /// Whether anything of it must not be read by anybody. `secrets`: as [`Type::secrets`].
    pub fn holds_secret(&self, secrets: &[String]) -> bool {
        self.sensitive
            || self.params.holds_secret()
            || self.body.as_ref().is_some_and(|b| b.secret)
            || secrets.iter().any(|name| self.params.get(name).is_some())
    }
}

/// A resource type, whatever its parameters.
pub trait Type: Sync {
    fn name(&self) -> &'static str;
    fn about(&self) -> &'static str;
    fn example(&self) -> &'static str;
    fn together(&self) -> Together;
    fn has_body(&self) -> bool;
    fn runs_as(&self) -> bool;
    fn refreshes(&self) -> bool;
    fn orphaned(&self) -> Orphaned;
    fn goes_empty(&self) -> bool;
    fn path(&self, key: &str) -> Option<String>;
    fn stands_on(&self, title: &str, kind: &str, key: &str) -> bool;
    /// The parameters' JSON Schema.
    fn schema(&self) -> schemars::Schema;
    /// The parameters that are secret whoever writes them: those that the schema lets be written alone.
    fn secrets(&self) -> Vec<String> {
        let schema = self.schema();
        let properties = schema.get("properties").and_then(serde_json::Value::as_object).into_iter().flatten();
        let secret = properties.filter(|(_, p)| p.get("writeOnly") == Some(&true.into()));
        secret.map(|(name, _)| name.clone()).collect()
    }
    /// Types the declarations; `None` where any of them is wrong, which `out` tells.
    fn batch(&'static self, declared: &[Declared], facts: &Facts, out: &mut Diagnostics) -> Option<Box<dyn Batch>>;
}

/// All of one host's resources of one type.
pub trait Batch: Send + Sync {
    fn ty(&self) -> &'static dyn Type;
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Identity on the host of the i-th.
    fn key(&self, i: usize) -> String;
    /// Whether there is anything of the i-th on the host once it is in line.
    fn is_present(&self, i: usize) -> bool;
    /// What tells later whether somebody else has changed the i-th since.
    fn mark(&self, i: usize) -> Option<String>;
    /// The path that the i-th manages.
    fn makes(&self, i: usize) -> Option<Made<'_>>;
    /// A directory that comes with the i-th.
    fn home(&self, i: usize) -> Option<String>;
    /// Whether the i-th has to know what below its path is managed.
    fn wants_managed_below(&self, i: usize) -> bool;
    fn tell_managed_below(&mut self, i: usize, paths: Vec<String>);
    fn relate(&self, edges: &mut Edges);
    /// Asks about those of these indices.
    fn probe(&self, which: &[usize], facts: &Facts, probe: &mut ProbeScript);
    /// Reads the answers to a probe of the same indices.
    fn observe<'a>(&'a self, which: &[usize], facts: &Facts, answers: &mut Answers) -> Box<dyn Observed + 'a>;
}

/// What a probe saw of a batch, or of a part of it.
pub trait Observed: Send + Sync {
    /// The difference of the resource with this index in the batch.
    fn diff(&self, i: usize, ahead: &Ahead<'_>) -> Result<Option<Difference>, Unjudged>;
    /// The difference once more, of what a probe would see after applying.
    fn diff_after(&self, i: usize, ahead: &Ahead<'_>) -> Result<Option<Difference>, Unjudged>;
    /// A fingerprint of what was seen; `None` where that cannot be read.
    fn state(&self, i: usize) -> Option<Digest>;
    fn apply(&self, due: &[(usize, &Difference)], facts: &Facts, steps: &mut Steps);
    /// Whether a probe can tell, once it is applied, that it is in line.
    fn is_verifiable(&self, i: usize) -> bool;
    fn cuts_off(&self, i: usize, difference: &Difference) -> bool;
    /// What has to be reported of it, also if it is in sync.
    fn remark(&self, i: usize) -> Option<String>;
    /// What this change can bring besides itself.
    fn brings(&self, i: usize, difference: &Difference) -> Brings;
    /// Whether what comes to stand at this path, or below it, can change what there is to be done.
    fn sees(&self, i: usize, path: &str) -> bool;
    /// Whether its values are never shown, nor what its steps say.
    fn is_sensitive(&self, i: usize) -> bool;
    fn refresh(&self, i: usize, changed: Option<&Difference>, facts: &Facts, steps: &mut Steps);
}

/// Why there is no saying whether a resource is in line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unjudged {
    #[error("{0}")]
    BadAnswer(#[from] BadAnswer),
    #[error(transparent)]
    Impossible(#[from] Impossible),
}

struct Asked<T: ResourceType> {
    ty: &'static T,
    wants: Vec<Want<T::Params>>,
    /// Their identities on the host.
    keys: Vec<String>,
}

struct Seen<'a, T: ResourceType> {
    asked: &'a Asked<T>,
    /// All of the batch.
    all: Vec<&'a Want<T::Params>>,
    /// By index in the batch; `None` for what was not asked about.
    seen: Vec<Option<Result<T::Observed, BadAnswer>>>,
}

impl<T: ResourceType> Type for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn about(&self) -> &'static str {
        T::ABOUT
    }

    fn example(&self) -> &'static str {
        T::EXAMPLE
    }

    fn together(&self) -> Together {
        T::TOGETHER
    }

    fn has_body(&self) -> bool {
        T::HAS_BODY
    }

    fn runs_as(&self) -> bool {
        T::RUNS_AS
    }

    fn refreshes(&self) -> bool {
        T::REFRESHES
    }

    fn orphaned(&self) -> Orphaned {
        T::ORPHANED
    }

    fn goes_empty(&self) -> bool {
        T::GOES_EMPTY
    }

    fn path(&self, key: &str) -> Option<String> {
        ResourceType::path(self, key)
    }

    fn stands_on(&self, title: &str, kind: &str, key: &str) -> bool {
        ResourceType::stands_on(self, title, kind, key)
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(T::Params)
    }

    fn batch(&'static self, declared: &[Declared], facts: &Facts, out: &mut Diagnostics) -> Option<Box<dyn Batch>> {
        let mut wants = Vec::with_capacity(declared.len());
        let mut found = Diagnostics::default();
        for d in declared {
            if let Some(diagnostic) = misplaced_secret::<T>(&d.params) {
                found.push(diagnostic);
                continue;
            }
            let params: T::Params = match from_node(&d.params) {
                Ok(params) => params,
                Err(diagnostic) => {
                    found.push(diagnostic);
                    continue;
                }
            };
            let secret = d.params.holds_secret() || d.body.as_ref().is_some_and(|b| b.secret);
            let want = Want {
                id: ResourceId::new(T::NAME, d.title.clone()),
                params,
                body: d.body.clone(),
                sensitive: d.sensitive || secret,
                become_user: d.become_user.clone(),
                managed_below: d.managed_below.clone(),
                departed: d.departed.clone(),
                places: Places {
                    title: d.places.title,
                    params: match &d.params.value {
                        Yaml::Map(map) => map.iter().map(|(k, v)| (k.value.clone(), v.span)).collect(),
                        _ => vec![],
                    },
                },
            };
            self.check(&want, facts, &mut found);
            wants.push(want);
        }
        let sound = !found.has_errors();
        out.extend(found);
        let keys = wants.iter().map(|w| self.key(w, facts).into_owned()).collect();
        sound.then(|| Box::new(Asked { ty: self, wants, keys }) as Box<dyn Batch>)
    }
}

impl<T: ResourceType> Asked<T> {
    fn pick(&self, which: &[usize]) -> Vec<&Want<T::Params>> {
        which.iter().filter_map(|&i| self.wants.get(i)).collect()
    }
}

impl<T: ResourceType> Batch for Asked<T> {
    fn ty(&self) -> &'static dyn Type {
        self.ty
    }

    fn len(&self) -> usize {
        self.wants.len()
    }

    fn key(&self, i: usize) -> String {
        self.keys.get(i).cloned().unwrap_or_default()
    }

    fn is_present(&self, i: usize) -> bool {
        self.wants.get(i).is_some_and(|w| self.ty.is_present(w))
    }

    fn mark(&self, i: usize) -> Option<String> {
        self.ty.mark(self.wants.get(i)?)
    }

    fn makes(&self, i: usize) -> Option<Made<'_>> {
        self.ty.makes(self.wants.get(i)?)
    }

    fn home(&self, i: usize) -> Option<String> {
        self.ty.home(self.wants.get(i)?)
    }

    fn wants_managed_below(&self, i: usize) -> bool {
        self.wants.get(i).is_some_and(|w| self.ty.wants_managed_below(w))
    }

    fn tell_managed_below(&mut self, i: usize, paths: Vec<String>) {
        if let Some(want) = self.wants.get_mut(i) {
            want.managed_below = paths;
        }
    }

    fn relate(&self, edges: &mut Edges) {
        for want in &self.wants {
            self.ty.relate(want, edges);
        }
    }

    fn probe(&self, which: &[usize], facts: &Facts, probe: &mut ProbeScript) {
        self.ty.probe(&self.pick(which), facts, probe);
    }

    fn observe<'a>(&'a self, which: &[usize], facts: &Facts, answers: &mut Answers) -> Box<dyn Observed + 'a> {
        let mut seen: Vec<_> = self.wants.iter().map(|_| None).collect();
        let results = self.ty.observe(&self.pick(which), facts, answers);
        for (&i, result) in which.iter().zip(results) {
            if let Some(slot) = seen.get_mut(i) {
                *slot = Some(result);
            }
        }
        Box::new(Seen { asked: self, all: self.wants.iter().collect(), seen })
    }
}

impl<T: ResourceType> Seen<'_, T> {
    fn get(&self, i: usize) -> Result<(&Want<T::Params>, &T::Observed), BadAnswer> {
        let want = self.asked.wants.get(i);
        let seen = self.seen.get(i).and_then(Option::as_ref);
        match (want, seen) {
            (Some(want), Some(Ok(seen))) => Ok((want, seen)),
            (_, Some(Err(bad))) => Err(bad.clone()),
            _ => Err(BadAnswer("it was not looked at".into())),
        }
    }
}

impl<T: ResourceType> Observed for Seen<'_, T> {
    fn diff(&self, i: usize, ahead: &Ahead<'_>) -> Result<Option<Difference>, Unjudged> {
        let (want, seen) = self.get(i)?;
        let difference = self.asked.ty.diff(want, seen, ahead)?;
        if let (Some(_), Some(departed)) = (&difference, &want.departed)
            && !departed.force
            && departed.mark.is_some()
            && self.asked.ty.mark_seen(want, seen) != departed.mark
        {
            let why = "somebody else has changed it since; with `--force` it is removed all the same";
            return Err(Impossible(why.into()).into());
        }
        Ok(shown(want.sensitive, difference))
    }

    fn diff_after(&self, i: usize, ahead: &Ahead<'_>) -> Result<Option<Difference>, Unjudged> {
        let (want, seen) = self.get(i)?;
        let after = self.asked.ty.predict(want, seen);
        Ok(shown(want.sensitive, self.asked.ty.diff(want, &after, ahead)?))
    }

    fn state(&self, i: usize) -> Option<Digest> {
        self.get(i).ok().map(|(_, seen)| state::of(seen))
    }

    fn apply(&self, due: &[(usize, &Difference)], facts: &Facts, steps: &mut Steps) {
        let due: Vec<Due<'_, T>> = due
            .iter()
            .filter_map(|&(i, difference)| {
                let (want, seen) = self.get(i).ok()?;
                Some(Due { want, seen, difference })
            })
            .collect();
        self.asked.ty.apply(&self.all, &due, facts, steps);
    }

    fn is_verifiable(&self, i: usize) -> bool {
        self.asked.wants.get(i).is_none_or(|want| self.asked.ty.is_verifiable(want))
    }

    fn remark(&self, i: usize) -> Option<String> {
        let (want, seen) = self.get(i).ok()?;
        self.asked.ty.remark(want, seen)
    }

    fn cuts_off(&self, i: usize, difference: &Difference) -> bool {
        self.asked.wants.get(i).is_some_and(|want| self.asked.ty.cuts_off(want, difference))
    }

    fn brings(&self, i: usize, difference: &Difference) -> Brings {
        self.asked.wants.get(i).map(|want| self.asked.ty.brings(want, difference)).unwrap_or_default()
    }

    fn sees(&self, i: usize, path: &str) -> bool {
        self.asked.wants.get(i).is_some_and(|want| self.asked.ty.sees(want, path))
    }

    fn is_sensitive(&self, i: usize) -> bool {
        self.asked.wants.get(i).is_none_or(|want| want.sensitive)
    }

    fn refresh(&self, i: usize, changed: Option<&Difference>, facts: &Facts, steps: &mut Steps) {
        if let Some(want) = self.asked.wants.get(i) {
            self.asked.ty.refresh(want, changed, facts, steps);
        }
    }
}

/// A secret in a parameter that is none for secrets.
fn misplaced_secret<T: ResourceType>(params: &Node) -> Option<Diagnostic> {
    let given = params.as_map().into_iter().flatten();
    let (name, value) = given.into_iter().find(|(k, v)| v.holds_secret() && !T::SECRETS.contains(&k.value.as_str()))?;
    let label = format!("others on the host could see `{}` of {}, or find it in a record", name.value, T::NAME);
    let d = Diagnostic::error("a secret in the open", Some(value.span), label);
    Some(match T::SECRETS {
        [] => d.help("write it to a file with `content` and the mode \"0600\", and let the host read it from there"),
        some => d.help(format!("of what {} takes, this may be secret: {}", T::NAME, some.join(", "))),
    })
}

/// Without its values, where they are secret. The one place where it is decided, so that no type can forget it.
fn shown(sensitive: bool, difference: Option<Difference>) -> Option<Difference> {
    let mut difference = difference?;
    if sensitive {
        difference.text = None;
        for property in &mut difference.properties {
            let hide = |shown: &mut Shown| {
                if matches!(shown, Shown::Value(_)) {
                    *shown = Shown::Secret;
                }
            };
            hide(&mut property.from);
            hide(&mut property.to);
        }
    }
    Some(difference)
}
