//! How a host is reached, from its `ansible_…` variables.

use crate::language::diagnostic::{Diagnostic, did_you_mean};
use crate::language::node::{Node, Yaml};
use crate::language::secret::Secret;
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
}

/// Reads them. `value` gives a variable's final value.
///
/// # Errors
/// A value that does not fit, at its place.
pub fn read(value: &mut dyn FnMut(&str) -> Result<Option<Node>, Diagnostic>) -> Result<ConnectionVars, Diagnostic> {
    let mut get = |names: &[&str]| {
        for name in names {
            if let Some(node) = value(name)? {
                return Ok(Some(node));
            }
        }
        Ok(None)
    };
    let text = |node: Option<Node>| match node {
        None => Ok(None),
        Some(node) => match node.value {
            Yaml::Null => Ok(None),
            Yaml::String(s) => Ok(Some(s)),
            Yaml::Int(n) => Ok(Some(n.to_string())),
            other => Err(wrong(
                &Node::new(node.span, other.clone()),
                &format!("text is wanted here, this is {}", other.kind()),
            )),
        },
    };
    let kind = match get(&["ansible_connection"])? {
        None => Kind::Ssh,
        Some(node) => match node.as_str() {
            Some("ssh" | "smart" | "paramiko" | "ansible.builtin.ssh") => Kind::Ssh,
            Some("local" | "ansible.builtin.local") => Kind::Local,
            _ => {
                let d = Diagnostic::error("unknown connection", Some(node.span), "no such kind of connection");
                let near = node.as_str().and_then(|s| did_you_mean(s, ["ssh", "local"]));
                return Err(match near {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d.help("it can be: ssh, local"),
                });
            }
        },
    };
    let port = match get(&["ansible_port", "ansible_ssh_port"])? {
        None => None,
        Some(node) => {
            let port = match &node.value {
                Yaml::Int(n) => u16::try_from(*n).ok(),
                Yaml::String(s) => s.trim().parse().ok(),
                _ => None,
            };
            Some(port.filter(|p| *p > 0).ok_or_else(|| wrong(&node, "a port is a number from 1 to 65535"))?)
        }
    };
    let become_ = match get(&["ansible_become"])? {
        None => None,
        Some(node) => match &node.value {
            Yaml::Bool(b) => Some(*b),
            Yaml::String(s) if ["yes", "true", "True"].contains(&s.as_str()) => Some(true),
            Yaml::String(s) if ["no", "false", "False"].contains(&s.as_str()) => Some(false),
            _ => return Err(wrong(&node, "ansible_become is true or false")),
        },
    };
    if let Some(node) = get(&["ansible_become_method"])?
        && !matches!(node.as_str(), Some("sudo" | "ansible.builtin.sudo"))
    {
        return Err(wrong(&node, "the one method there is is sudo"));
    }
    let secret = |text: Option<String>| text.map(Secret::new);
    Ok(ConnectionVars {
        kind,
        port,
        become_,
        address: text(get(&["ansible_host", "ansible_ssh_host"])?)?,
        user: text(get(&["ansible_user", "ansible_ssh_user"])?)?,
        password: secret(text(get(&["ansible_password", "ansible_ssh_pass"])?)?),
        key_file: text(get(&["ansible_ssh_private_key_file", "ansible_private_key_file"])?)?.map(PathBuf::from),
        become_user: text(get(&["ansible_become_user"])?)?,
        become_password: secret(text(get(&["ansible_become_password", "ansible_become_pass"])?)?),
    })
}

fn wrong(node: &Node, label: &str) -> Diagnostic {
    Diagnostic::error("wrong value", Some(node.span), label)
}
