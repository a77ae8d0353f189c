//! What OpenSSH's own configuration says of a destination.
//!
//! It is asked of `ssh -G`, for `ssh` alone reads all of ssh_config(5): `Include`, `Match`, its tokens, and the options
//! of a command line. What concerns where a host is, its keys, and the way there is taken from the answer.

use super::{Agent, Target};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// The system's configuration, and what it includes as distributions have it.
const SYSTEM: &str = "/etc/ssh/ssh_config";
const SYSTEM_MORE: &str = "/etc/ssh/ssh_config.d";
/// What in it makes a difference here.
const SPEAKS: &[&str] = &[
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "match",
    "port",
    "proxycommand",
    "proxyjump",
    "user",
];
/// Hosts on the way, one behind the other.
const MOST_HOPS: usize = 8;

/// Where a host is, as far as others than OpenSSH say it.
#[derive(Clone, Debug, Default)]
pub struct Destination {
    pub host: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// Where there are some, OpenSSH's usual ones are left out.
    pub key_files: Vec<PathBuf>,
    /// Words of an `ssh` command line.
    pub args: Vec<String>,
}

/// Why it is not known how a host is reached.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    #[error("`ssh` cannot be run, which reads its configuration: {0}")]
    NoSsh(std::io::Error),
    #[error("ssh refuses its configuration: {0}")]
    Refused(String),
    #[error("what ssh makes of its configuration has no {0}")]
    Without(&'static str),
    #[error("a ProxyCommand is not run: `{0}`")]
    Command(String),
    #[error("{0} is behind more than {MOST_HOPS} others, or behind itself")]
    Round(String),
}

impl ConfigurationError {
    /// What to do about it, where that can be said.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::NoSsh(_) => Some("install OpenSSH's client, or give `--ssh-config none`"),
            Self::Command(_) => Some("`ProxyJump HOST` does it, and so does `ssh -W %h:%p HOST` as the command"),
            _ => None,
        }
    }
}

/// OpenSSH's configuration, and the hosts on the way that it names.
#[derive(Debug, Default)]
pub struct Configuration {
    /// Read instead of the user's and the system's.
    file: Option<PathBuf>,
    /// Whether anything in it can concern how a host is reached.
    speaks: bool,
    home: PathBuf,
    /// Tried at hosts on the way as well.
    key_files: Vec<PathBuf>,
    /// By the words that `ssh` was asked with.
    hops: Mutex<HashMap<Vec<String>, Arc<Target>>>,
}

impl Configuration {
    /// The user's and the system's, or a file's (`none`: no file's). `key_files` are tried at hosts on the way, too.
    pub fn new(file: Option<PathBuf>, home: PathBuf, key_files: Vec<PathBuf>) -> Self {
        let speaks = match &file {
            Some(file) => file != Path::new("none"),
            None => home.join(".ssh/config").exists() || system_speaks(),
        };
        Self { file, speaks, home, key_files, hops: Mutex::default() }
    }

    /// Where a host is and how it is reached: without passwords, and as nobody else than who logs in. `None` where there
    /// is nothing to ask.
    ///
    /// # Errors
    /// Where `ssh` cannot be asked, or says something that cannot be done.
    pub fn target(&self, destination: &Destination) -> Result<Option<Target>, ConfigurationError> {
        if !self.speaks && destination.args.is_empty() {
            return Ok(None);
        }
        let mut args = destination.args.clone();
        let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
        if let Some(user) = &destination.user {
            option("-l", user.clone());
        }
        if let Some(port) = destination.port {
            option("-p", port.to_string());
        }
        for file in &destination.key_files {
            option("-i", file.display().to_string());
        }
        args.extend(["--".to_owned(), destination.host.clone()]);
        self.follow(&args, MOST_HOPS).map(Some)
    }

    /// What `ssh` makes of these words, with the hosts on the way.
    fn follow(&self, args: &[String], hops_left: usize) -> Result<Target, ConfigurationError> {
        let answer = Answer::parse(&self.ask(args)?);
        let mut target = answer.target(&self.home)?;
        let on_the_way = match answer.proxy {
            None => return Ok(target),
            Some(Proxy::Jump(list)) => jump(&list),
            Some(Proxy::Command(command)) => forwarding(&command).ok_or(ConfigurationError::Command(command))?,
        };
        let hops_left = hops_left.checked_sub(1).ok_or_else(|| ConfigurationError::Round(target.address.clone()))?;
        target.via = Some(self.hop(on_the_way, hops_left)?);
        Ok(target)
    }

    /// Asked once, however many hosts are behind it.
    fn hop(&self, mut args: Vec<String>, hops_left: usize) -> Result<Arc<Target>, ConfigurationError> {
        let keys = self.key_files.iter().flat_map(|k| ["-i".to_owned(), k.display().to_string()]);
        args.splice(0..0, keys);
        let known = self.hops.lock().unwrap_or_else(PoisonError::into_inner).get(&args).cloned();
        if let Some(hop) = known {
            return Ok(hop);
        }
        let hop = Arc::new(self.follow(&args, hops_left)?);
        let mut hops = self.hops.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(hops.entry(args).or_insert(hop).clone())
    }

    fn ask(&self, args: &[String]) -> Result<String, ConfigurationError> {
        let mut ssh = Command::new("ssh");
        // Without -T it complains of having no terminal.
        ssh.args(["-G", "-T"]);
        if let Some(file) = &self.file {
            ssh.arg("-F").arg(file);
        }
        let output = ssh.args(args).stdin(Stdio::null()).output().map_err(ConfigurationError::NoSsh)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<&str> = said.lines().map(str::trim).collect();
            return Err(ConfigurationError::Refused(lines.join("\n").trim().to_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Whether the system's configuration says anything of where hosts are, which as it is installed it does not.
fn system_speaks() -> bool {
    let more = std::fs::read_dir(SYSTEM_MORE).into_iter().flatten().flatten().map(|entry| entry.path());
    let texts = more.chain([PathBuf::from(SYSTEM)]).filter_map(|path| std::fs::read_to_string(path).ok());
    texts.into_iter().any(|text| speaks(&text))
}

fn speaks(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split(|c: char| c.is_whitespace() || c == '=').filter(|w| !w.is_empty());
        let keyword = words.next().unwrap_or_default().to_lowercase();
        match keyword.as_str() {
            "include" => words.any(|file| !file.starts_with(SYSTEM_MORE)),
            keyword => SPEAKS.contains(&keyword),
        }
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Proxy {
    /// Destinations, the first of them first.
    Jump(String),
    Command(String),
}

/// What of the answer of `ssh -G` is of use.
#[derive(Debug, Default)]
struct Answer {
    host: Option<String>,
    address: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    host_key_alias: Option<String>,
    identity_files: Vec<String>,
    identities_only: bool,
    agent: Option<String>,
    proxy: Option<Proxy>,
}

impl Answer {
    /// A keyword and its value on each line.
    fn parse(text: &str) -> Self {
        let mut answer = Self::default();
        for (keyword, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            let text = || Some(value.to_owned());
            match keyword {
                "host" => answer.host = text(),
                "hostname" => answer.address = text(),
                "port" => answer.port = value.parse().ok(),
                "user" => answer.user = text(),
                "hostkeyalias" => answer.host_key_alias = text(),
                "identityfile" => answer.identity_files.push(value.to_owned()),
                "identitiesonly" => answer.identities_only = value == "yes",
                "identityagent" => answer.agent = text(),
                "proxyjump" if value != "none" => answer.proxy = Some(Proxy::Jump(value.to_owned())),
                "proxycommand" if value != "none" => answer.proxy = Some(Proxy::Command(value.to_owned())),
                _ => {}
            }
        }
        answer
    }

    fn target(&self, home: &Path) -> Result<Target, ConfigurationError> {
        let address = self.address.clone().ok_or(ConfigurationError::Without("hostname"))?;
        let user = self.user.clone().ok_or(ConfigurationError::Without("user"))?;
        let port = self.port.ok_or(ConfigurationError::Without("port"))?;
        let mut target = Target {
            host_key_alias: self.host_key_alias.clone(),
            key_files: vec![],
            agent: Agent::default(),
            identities_only: self.identities_only,
            password: None,
            become_: None,
            via: None,
            address,
            port,
            user,
        };
        let path = |text: &str| expand(&self.without_tokens(text, &target, home), home);
        let agent = match self.agent.as_deref() {
            None | Some("SSH_AUTH_SOCK") => Agent::Environment,
            Some("none") => Agent::Nowhere,
            Some(other) => match other.strip_prefix('$') {
                Some(name) => std::env::var_os(name).map_or(Agent::Nowhere, |socket| Agent::Socket(socket.into())),
                None => Agent::Socket(path(other)),
            },
        };
        let there = |p: &PathBuf| p.exists() || PathBuf::from(format!("{}.pub", p.display())).exists();
        let key_files = self.identity_files.iter().map(|text| path(text)).filter(there).collect();
        (target.agent, target.key_files) = (agent, key_files);
        Ok(target)
    }

    /// Tokens that paths may hold, see TOKENS in ssh_config(5).
    fn without_tokens(&self, text: &str, target: &Target, home: &Path) -> String {
        let mut out = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('%') | None => out.push('%'),
                Some('d') => out += &home.display().to_string(),
                Some('h') => out += &target.address,
                Some('n') => out += self.host.as_ref().unwrap_or(&target.address),
                Some('p') => out += &target.port.to_string(),
                Some('r') => out += &target.user,
                Some(other) => out.extend(['%', other]),
            }
        }
        out
    }
}

fn expand(path: &str, home: &Path) -> PathBuf {
    path.strip_prefix("~/").map_or_else(|| path.into(), |rest| home.join(rest))
}

/// The words for `ssh` of the last host on the way; those before it are on the way to that one.
fn jump(list: &str) -> Vec<String> {
    let (before, last) = list.rsplit_once(',').map_or((None, list), |(before, last)| (Some(before), last));
    let mut args: Vec<String> = before.iter().flat_map(|list| ["-J", list]).map(str::to_owned).collect();
    let last = last.trim();
    let destination = if last.starts_with("ssh://") { last.to_owned() } else { format!("ssh://{last}") };
    args.extend(["--".to_owned(), destination]);
    args
}

/// The words for `ssh` of the host that such a command connects by, which OpenSSH's users wrote before there was
/// ProxyJump: `ssh -W %h:%p HOST`.
fn forwarding(command: &str) -> Option<Vec<String>> {
    // What a shell would make something of is left to it.
    if command.contains(['\'', '"', '\\', '$', '`', ';', '|', '&', '<', '>', '(', '*', '?', '~']) {
        return None;
    }
    let mut words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    if words.first().is_some_and(|w| w == "exec") {
        words.remove(0);
    }
    let ssh = words.first().is_some_and(|w| w == "ssh" || w.ends_with("/ssh"));
    let at = words.iter().position(|w| w == "-W")?;
    let passes_on = words.get(at + 1).is_some_and(|w| w == "%h:%p" || w == "[%h]:%p");
    if !ssh || !passes_on {
        return None;
    }
    words.drain(at..at + 2);
    words.remove(0);
    // Anything else of the destination would have to be put in first.
    (!words.is_empty() && words.iter().all(|w| !w.contains('%'))).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_ssh_says_of_a_destination_is_where_it_is() {
        let text = "host web1\nuser deploy\nhostname 10.0.0.1\nport 2222\nidentitiesonly yes\nhostkeyalias web\n\
                    identityagent none\nidentityfile /%r/%h/%n/%p/%%/%d/%z\nproxyjump me@b1:23,b2\nunheard of\n";
        let answer = Answer::parse(text);
        assert_eq!(answer.proxy, Some(Proxy::Jump("me@b1:23,b2".into())));
        let target = answer.target(Path::new("/home/me")).unwrap();
        assert_eq!(target.to_string(), "deploy@10.0.0.1:2222");
        assert_eq!(target.on_record(), ("web", 22));
        assert_eq!((target.agent.clone(), target.identities_only), (Agent::Nowhere, true));
        assert!(target.key_files.is_empty(), "what is not there is not tried");
        let path = answer.without_tokens(&answer.identity_files[0], &target, Path::new("/home/me"));
        assert_eq!(path, "/deploy/10.0.0.1/web1/2222/%//home/me/%z");
        assert_eq!(expand("~/.ssh/k", Path::new("/home/me")), Path::new("/home/me/.ssh/k"));
        let told = Answer::parse("user a\nport 1\n").target(Path::new("")).unwrap_err();
        assert!(matches!(told, ConfigurationError::Without("hostname")), "{told}");
    }

    #[test]
    fn the_last_jump_is_asked_for_with_those_before_it() {
        assert_eq!(jump("b"), words("-- ssh://b"));
        assert_eq!(jump("a@b:1,ssh://c:2, d"), words("-J a@b:1,ssh://c:2 -- ssh://d"));
    }

    #[test]
    fn a_command_that_only_passes_on_is_a_jump() {
        let of = |command: &str| forwarding(command).map(|w| w.join(" "));
        assert_eq!(of("ssh -W %h:%p -q me@jump").as_deref(), Some("-q me@jump"));
        assert_eq!(of("exec /usr/bin/ssh -p 23 jump -W [%h]:%p").as_deref(), Some("-p 23 jump"));
        for other in [
            "ssh jump nc %h %p",
            "nc -X 5 %h %p",
            "ssh -W %h:%p",
            "ssh -W x:1 jump",
            "ssh -W %h:%p $J",
            "ssh -W %h:%p %r@b",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn the_system_as_it_is_installed_says_nothing() {
        assert!(!speaks(
            "Include /etc/ssh/ssh_config.d/*.conf\nHost *\n# ProxyJump b\n  SendEnv LANG LC_*\nHashKnownHosts yes\n"
        ));
        for text in ["Host x\n\tproxyjump=b", "Include /opt/ssh", "ProxyCommand x", "Match all"] {
            assert!(speaks(text), "{text}");
        }
    }
}
