//! How each host is reached: from the inventory's variables and the command line to a connection.

use super::args::ConnectionArgs;
use super::invocation::local_user;
use super::loaded::Loaded;
use super::output::CliError;
use super::prompt::ask;
use crate::engine::run::Connect;
use crate::engine::source::ManifestHost;
use crate::inventory::connection;
use crate::language::diagnostic::Diagnostic;
use crate::language::scope::Scope;
use crate::manifest::reserved;
use crate::model::secret::Secret;
use crate::saved::{Reach, SshPlace};
use crate::transport::openssh::{Configuration, Destination};
use crate::transport::ssh::{self, SshOptions};
use crate::transport::{Agent, Become, BoxFuture, Connection, Target, TransportError, local};
use minijinja::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// Passwords that were asked for, once for all hosts.
pub struct Asked {
    password: Option<Secret>,
    become_password: Option<Secret>,
}

impl Asked {
    pub fn new(args: &ConnectionArgs) -> Result<Self, CliError> {
        let password = if args.ask_pass { Some(ask("SSH password: ")?) } else { None };
        let become_password = match &args.become_password_file {
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|e| CliError::Other(format!("{}: {e}", path.display())))?;
                Some(Secret::new(text.lines().next().unwrap_or_default()))
            }
            None if args.ask_become_pass => Some(ask("sudo password: ")?),
            None => None,
        };
        Ok(Self { password, become_password })
    }
}

/// How one host is reached.
pub enum Way {
    Ssh(Target),
    Local(Option<Become>),
}

impl Way {
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Ssh(_))
    }
}

impl Way {
    /// As a plan holds it: without passwords.
    pub fn reach(&self) -> Reach {
        let become_user = |b: &Option<Become>| b.as_ref().map(|b| b.user.clone());
        match self {
            Self::Local(become_) => Reach::Local { become_user: become_user(become_) },
            Self::Ssh(t) => Reach::Ssh { place: place(t), become_user: become_user(&t.become_) },
        }
    }

    /// From what a plan holds and what is given now: passwords, and keys that the plan's machine may not have had.
    pub fn of(reach: &Reach, args: &ConnectionArgs, asked: &Asked) -> Self {
        let become_ = |user: &Option<String>| {
            let password = asked.become_password.clone();
            user.clone().map(|user| Become { user, password })
        };
        match reach {
            Reach::Local { become_user } => Self::Local(become_(become_user)),
            Reach::Ssh { place, become_user } => {
                let (password, become_) = (asked.password.clone(), become_(become_user));
                Self::Ssh(Target { password, become_, ..there(place, args) })
            }
        }
    }
}

fn place(target: &Target) -> SshPlace {
    SshPlace {
        address: target.address.clone(),
        port: target.port,
        user: target.user.clone(),
        host_key_alias: target.host_key_alias.clone(),
        key_files: target.key_files.clone(),
        identities_only: target.identities_only,
        via: target.via.as_ref().map(|hop| Box::new(place(hop))),
    }
}

fn there(place: &SshPlace, args: &ConnectionArgs) -> Target {
    let given = args.private_key.iter().chain(&place.key_files).map(|path| expand(path.clone()));
    let mut key_files: Vec<PathBuf> = given.filter(|p| p.exists()).collect();
    key_files.dedup();
    if key_files.is_empty() {
        key_files = usual_keys();
    }
    Target {
        address: place.address.clone(),
        port: place.port,
        user: place.user.clone(),
        host_key_alias: place.host_key_alias.clone(),
        key_files,
        agent: Agent::Environment,
        identities_only: place.identities_only,
        password: None,
        become_: None,
        via: place.via.as_ref().map(|hop| Arc::new(there(hop, args))),
    }
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default()
}

fn expand(path: PathBuf) -> PathBuf {
    match path.strip_prefix("~") {
        Ok(rest) => home().join(rest),
        Err(_) => path,
    }
}

/// Those that OpenSSH looks for, as far as they are there.
fn usual_keys() -> Vec<PathBuf> {
    let usual = ["id_ed25519", "id_ecdsa", "id_rsa"].iter().map(|n| home().join(".ssh").join(n));
    usual.filter(|p| p.exists()).collect()
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (place, become_) = match self {
            Self::Ssh(t) => (t.to_string(), &t.become_),
            Self::Local(become_) => ("local".to_owned(), become_),
        };
        match become_ {
            Some(b) => write!(f, "{place} as {}", b.user),
            None => f.write_str(&place),
        }
    }
}

pub struct Ways {
    pub ways: Vec<Way>,
    pub options: Arc<SshOptions>,
}

impl Connect for Ways {
    fn connect(&self, host: usize) -> BoxFuture<'_, Result<Box<dyn Connection>, TransportError>> {
        Box::pin(async move {
            match self.ways.get(host) {
                Some(Way::Ssh(target)) => {
                    let connection = ssh::connect(target, &self.options).await?;
                    Ok(Box::new(connection) as Box<dyn Connection>)
                }
                Some(Way::Local(become_)) => Ok(Box::new(local::connect(become_.clone())?) as Box<dyn Connection>),
                None => Err(TransportError::Local("there is no such host".into())),
            }
        })
    }
}

pub fn way(
    loaded: &Loaded,
    host: &ManifestHost,
    args: &ConnectionArgs,
    asked: &Asked,
    openssh: &Configuration,
    groups: &Value,
) -> Result<Way, Diagnostic> {
    let templates = &loaded.project.templates;
    let layers = host.vars.iter().chain([&loaded.project.extra_vars]).cloned().collect();
    let fixed = reserved::values(&host.name, &host.group_names, groups);
    let scope = Scope::new(templates.clone(), layers, fixed);
    let c = connection::read(&mut |name| scope.written(name).map(|node| templates.render(node, &scope)).transpose())?;
    let plays: Vec<_> = host.plays.iter().filter_map(|n| loaded.project.plays.get(*n)).collect();
    let becomes = args.become_
        || args.become_user.is_some()
        || c.become_ == Some(true)
        || plays.iter().any(|p| p.become_ == Some(true));
    let become_user = args
        .become_user
        .clone()
        .or_else(|| plays.iter().find_map(|p| p.become_user.clone()))
        .or(c.become_user)
        .unwrap_or_else(|| "root".into());
    let become_password = asked.become_password.clone().or(c.become_password);
    let become_ = |me: &str| {
        // Who is root already needs no sudo, and may well have none.
        let needed = becomes && me != become_user;
        needed.then(|| Become { user: become_user.clone(), password: become_password.clone() })
    };
    let me = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "root".into());
    if c.kind == connection::Kind::Local {
        return Ok(Way::Local(become_(&local_user().unwrap_or(me))));
    }
    let mut key_files: Vec<PathBuf> = c.key_file.into_iter().chain(args.private_key.clone()).map(expand).collect();
    key_files.dedup();
    let destination = Destination {
        host: c.address.unwrap_or_else(|| host.name.clone()),
        user: c.user.or_else(|| args.user.clone()),
        port: c.port,
        key_files,
        args: c.ssh_args.iter().map(|word| word.value.clone()).collect(),
    };
    let span = c.ssh_args.first().map(|word| word.span);
    let target = openssh.target(&destination).map_err(|e| {
        let d = Diagnostic::error("no way to a host", span, e.to_string());
        e.help().into_iter().fold(d, Diagnostic::help)
    })?;
    let target = target.unwrap_or_else(|| plain(destination, me));
    let (password, become_) = (asked.password.clone().or(c.password), become_(&target.user));
    Ok(Way::Ssh(Target { password, become_, ..target }))
}

/// Where nothing but the inventory and the command line says how a host is reached.
fn plain(destination: Destination, me: String) -> Target {
    let keys = destination.key_files;
    Target {
        address: destination.host,
        port: destination.port.unwrap_or(22),
        user: destination.user.unwrap_or(me),
        host_key_alias: None,
        key_files: if keys.is_empty() { usual_keys() } else { keys },
        agent: Agent::Environment,
        identities_only: false,
        password: None,
        become_: None,
        via: None,
    }
}

/// OpenSSH's configuration, as the command line names it.
pub fn openssh(args: &ConnectionArgs) -> Configuration {
    let key_files = args.private_key.clone().into_iter().map(expand).collect();
    Configuration::new(args.ssh_config.clone().map(expand), home(), key_files)
}
