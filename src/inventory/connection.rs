//! How a host is reached, from its `ansible_…` variables.

use super::ini::words;
use crate::language::diagnostic::{Diagnostic, did_you_mean};
use crate::language::node::{Node, Yaml};
use crate::model::secret::Secret;
use crate::model::span::{Span, Spanned};
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Ssh,
    Local,
}

/// What the inventory says on a connection; `None` where it says nothing.
#[derive(Clone, Debug, Default)]
pub struct ConnectionVars {
    pub kind: Kind,
    pub address: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub key_file: Option<PathBuf>,
    pub become_: Option<bool>,
    pub become_user: Option<String>,
    pub become_password: Option<Secret>,
    /// Words for an `ssh` command line, of `ansible_ssh_common_args` and `ansible_ssh_extra_args`, each with the place
    /// of the variable that it stands in.
    pub ssh_args: Vec<Spanned<String>>,
}

/// Ansible's names for one thing; where a host has several of them, the last one counts.
const ADDRESS: &[&str] = &["ansible_host", "ansible_ssh_host"];
const PORT: &[&str] = &["ansible_port", "ansible_ssh_port"];
const USER: &[&str] = &["ansible_user", "ansible_ssh_user"];
const PASSWORD: &[&str] = &["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"];
const KEY_FILE: &[&str] = &["ansible_private_key_file", "ansible_ssh_private_key_file"];
const BECOME_PASSWORD: &[&str] = &["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"];
const SSH_ARGS: &[&str] = &["ansible_ssh_common_args", "ansible_ssh_extra_args"];

/// Reads them. `value` gives a variable's final value.
///
/// # Errors
/// A value that does not fit, at its place.
pub fn read(value: &mut dyn FnMut(&str) -> Result<Option<Node>, Diagnostic>) -> Result<ConnectionVars, Diagnostic> {
    let mut get = |names: &[&str]| -> Result<Option<Node>, Diagnostic> {
        for name in names.iter().rev() {
            // A variable that is set to nothing is as good as none.
            if let Some(node) = value(name)?.filter(|n| n.value != Yaml::Null) {
                return Ok(Some(node));
            }
        }
        Ok(None)
    };
    let mut ssh_args = vec![];
    for name in SSH_ARGS {
        ssh_args.extend(get(&[name])?.map(|n| args(&n)).transpose()?.unwrap_or_default());
    }
    if let Some(node) = get(&["ansible_become_method"])? {
        become_method(&node)?;
    }
    Ok(ConnectionVars {
        kind: get(&["ansible_connection"])?.map_or(Ok(Kind::Ssh), |n| kind(&n))?,
        port: get(PORT)?.map(|n| port(&n)).transpose()?,
        become_: get(&["ansible_become"])?.map(|n| yes_or_no(&n)).transpose()?,
        address: get(ADDRESS)?.map(text).transpose()?,
        user: get(USER)?.map(text).transpose()?,
        password: get(PASSWORD)?.map(text).transpose()?.map(Secret::new),
        key_file: get(KEY_FILE)?.map(text).transpose()?.map(PathBuf::from),
        become_user: get(&["ansible_become_user"])?.map(text).transpose()?,
        become_password: get(BECOME_PASSWORD)?.map(text).transpose()?.map(Secret::new),
        ssh_args,
    })
}

fn text(node: Node) -> Result<String, Diagnostic> {
    // A password of digits and a user `007` are what was written.
    if let Some(written) = node.lost {
        return Ok(written.into());
    }
    match node.value {
        Yaml::String(s) => Ok(s),
        Yaml::Int(n) => Ok(n.to_string()),
        other => Err(wrong(node.span, format!("text is wanted here, this is {}", other.kind()))),
    }
}

fn kind(node: &Node) -> Result<Kind, Diagnostic> {
    let name = node.as_str().unwrap_or_default();
    match name.strip_prefix("ansible.builtin.").unwrap_or(name) {
        "ssh" | "smart" | "paramiko" | "paramiko_ssh" => Ok(Kind::Ssh),
        "local" => Ok(Kind::Local),
        other => {
            let label = format!("`{other}` is no kind of connection");
            let d = Diagnostic::error("unknown connection", Some(node.span), label);
            Err(match did_you_mean(other, ["ssh", "local"]) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d.help("it is ssh or local"),
            })
        }
    }
}

fn port(node: &Node) -> Result<u16, Diagnostic> {
    let port = match &node.value {
        Yaml::Int(n) => u16::try_from(*n).ok(),
        Yaml::String(s) => s.trim().parse().ok(),
        _ => None,
    };
    port.filter(|p| *p > 0).ok_or_else(|| wrong(node.span, "a port is a number from 1 to 65535"))
}

/// The words that Ansible takes for a boolean, for older inventories are full of them.
fn yes_or_no(node: &Node) -> Result<bool, Diagnostic> {
    let word = match &node.value {
        Yaml::Bool(b) => return Ok(*b),
        Yaml::Int(n) => n.to_string(),
        Yaml::String(s) => s.trim().to_lowercase(),
        _ => String::new(),
    };
    match word.as_str() {
        "yes" | "true" | "on" | "y" | "t" | "1" => Ok(true),
        "no" | "false" | "off" | "n" | "f" | "0" => Ok(false),
        _ => Err(wrong(node.span, "ansible_become is true or false")),
    }
}

fn become_method(node: &Node) -> Result<(), Diagnostic> {
    match node.as_str() {
        Some("sudo" | "ansible.builtin.sudo") => Ok(()),
        _ => Err(wrong(node.span, "the one method there is is sudo")),
    }
}

fn args(node: &Node) -> Result<Vec<Spanned<String>>, Diagnostic> {
    let text = text(node.clone())?;
    let split = words::split(&text).map_err(|_| wrong(node.span, "a quote in it is not closed"))?;
    Ok(split.words.into_iter().map(|w| Spanned { value: w.text, span: node.span }).collect())
}

fn wrong(span: Span, label: impl Into<String>) -> Diagnostic {
    Diagnostic::error("wrong value", Some(span), label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::span::Sources;

    /// From a mapping of variables.
    fn connection(text: &str) -> Result<ConnectionVars, String> {
        let mut sources = Sources::default();
        let file = sources.add("host_vars/web1.yml", text);
        let vars = crate::language::yaml::parse_one(text, file).unwrap().unwrap();
        read(&mut |name| Ok(vars.get(name).cloned())).map_err(|d| d.render(&sources, false))
    }

    #[test]
    fn all_of_ansibles_names_are_known() {
        let c = connection(
            "ansible_host: 10.0.0.1\nansible_port: '2222'\nansible_ssh_user: me\nansible_ssh_pass: 1234\n\
             ansible_ssh_private_key_file: ~/k\nansible_become: yes\nansible_become_user: app\n\
             ansible_become_pass: b\nansible_become_method: sudo\nansible_connection: smart\n\
             ansible_ssh_common_args: -o 'ProxyCommand=ssh -W %h:%p jump' -4\nansible_ssh_extra_args: -C\n",
        )
        .unwrap();
        assert_eq!((c.kind, c.port, c.become_), (Kind::Ssh, Some(2222), Some(true)));
        assert_eq!(c.address.as_deref(), Some("10.0.0.1"));
        assert_eq!((c.user.as_deref(), c.become_user.as_deref()), (Some("me"), Some("app")));
        assert_eq!(c.password.unwrap().expose(), "1234");
        assert_eq!(c.become_password.unwrap().expose(), "b");
        assert_eq!(c.key_file, Some("~/k".into()));
        let words: Vec<_> = c.ssh_args.iter().map(|w| w.value.as_str()).collect();
        assert_eq!(words, ["-o", "ProxyCommand=ssh -W %h:%p jump", "-4", "-C"]);
    }

    #[test]
    fn the_last_of_several_names_counts() {
        let c = connection("ansible_ssh_port: 2\nansible_port: 1\nansible_host: a\nansible_ssh_host: null\n").unwrap();
        assert_eq!((c.port, c.address.as_deref()), (Some(2), Some("a")));
    }

    #[test]
    fn values_that_do_not_fit_are_told() {
        let texts = [
            "ansible_port: ssh",
            "ansible_port: 70000",
            "ansible_connection: lokal",
            "ansible_connection: winrm",
            "ansible_become: maybe",
            "ansible_become_method: doas",
            "ansible_host: [a]",
            "ansible_ssh_common_args: -o 'x",
        ];
        let told: Vec<_> = texts.iter().map(|t| connection(t).unwrap_err()).collect();
        insta::assert_snapshot!(told.join("\n\n"));
    }
}
