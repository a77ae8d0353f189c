//! Passwords of vaults: from files, from what executables print, or asked for.

use super::output::{CliError, Output};
use super::prompt::ask;
use crate::language::settings::{Settings, resolve};
use crate::language::vault::{DEFAULT_ID, Keyring, Password};
use crate::report::say;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use zeroize::Zeroizing;

/// More than any password.
const LONGEST: u64 = 64 << 10;

/// How what ansible-vault encrypted is opened.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct VaultArgs {
    /// A password of what ansible-vault encrypted: what stands in a file, or what an executable prints. Can be given
    /// again.
    #[arg(long, alias = "vault-pass-file", value_name = "FILE")]
    vault_password_file: Vec<PathBuf>,
    /// Likewise for a vault id, LABEL@FILE, or LABEL@prompt to be asked. Can be given again.
    #[arg(long, value_name = "LABEL@SOURCE")]
    vault_id: Vec<String>,
    /// Ask for the password of what ansible-vault encrypted.
    #[arg(short = 'J', long, alias = "ask-vault-password")]
    ask_vault_pass: bool,
}

/// Where a password comes from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Prompt,
    File(PathBuf),
}

impl VaultArgs {
    /// The passwords that are given, and then those of the settings. Of these it is told only where one is needed that
    /// it is not to be had: not everyone who works on a project opens all of it.
    pub fn keyring(&self, settings: &Settings, output: &Output) -> Result<Arc<Keyring>, CliError> {
        let (mut passwords, mut missing) = (vec![], vec![]);
        for (id, source) in self.given() {
            let failed = |why| CliError::Other(format!("no password for the vault id {id}: {why}"));
            passwords.push(password(&id, &source, output).map_err(failed)?);
        }
        let below = settings.root.as_deref().unwrap_or(Path::new(""));
        let configured = settings.vault.ids.iter().map(|text| match labelled(text) {
            (id, Source::File(path)) => (id, Source::File(resolve(&path, below))),
            prompt => prompt,
        });
        let file = settings.vault.password_file.clone().filter(|_| !self.names_a_password());
        for (id, source) in configured.chain(file.map(|f| (DEFAULT_ID.to_owned(), Source::File(f)))) {
            match password(&id, &source, output) {
                Ok(password) => passwords.push(password),
                Err(why) => missing.push((id, why)),
            }
        }
        Ok(Arc::new(Keyring::new(passwords, missing)))
    }

    fn names_a_password(&self) -> bool {
        self.ask_vault_pass || !self.vault_password_file.is_empty()
    }

    fn given(&self) -> Vec<(String, Source)> {
        let ids = self.vault_id.iter().map(|text| labelled(text));
        let files = self.vault_password_file.iter().map(|path| Source::File(path.clone()));
        let asked = self.ask_vault_pass.then_some(Source::Prompt);
        ids.chain(files.chain(asked).map(|source| (DEFAULT_ID.to_owned(), source))).collect()
    }
}

/// `LABEL@SOURCE`, or a source alone, as Ansible has them.
fn labelled(text: &str) -> (String, Source) {
    let (id, source) = text.split_once('@').unwrap_or((DEFAULT_ID, text));
    let id = if id.is_empty() { DEFAULT_ID } else { id };
    let source = if source == "prompt" { Source::Prompt } else { Source::File(source.into()) };
    (id.to_owned(), source)
}

fn password(id: &str, source: &Source, output: &Output) -> Result<Password, String> {
    let bytes = match source {
        Source::Prompt => {
            let asked = ask(&format!("Vault password ({id}): ")).map_err(|e| e.to_string())?;
            Zeroizing::new(asked.expose().trim().as_bytes().to_vec())
        }
        Source::File(path) => {
            let place = |error| format!("{}: {error}", path.display());
            let mode = std::fs::metadata(path).map_err(place)?.permissions().mode();
            if mode & 0o111 != 0 && path.is_file() { printed(id, path)? } else { written(path, mode, output)? }
        }
    };
    if bytes.is_empty() {
        let place = match source {
            Source::Prompt => "what was typed".to_owned(),
            Source::File(path) => path.display().to_string(),
        };
        return Err(format!("{place} is empty"));
    }
    Ok(Password { id: id.to_owned(), bytes })
}

/// What stands in a file, without white space around it.
fn written(path: &Path, mode: u32, output: &Output) -> Result<Zeroizing<Vec<u8>>, String> {
    let place = |error| format!("{}: {error}", path.display());
    let mut bytes = Zeroizing::new(vec![]);
    std::fs::File::open(path).and_then(|f| f.take(LONGEST).read_to_end(&mut bytes)).map_err(place)?;
    if mode & 0o007 != 0 && !output.quiet {
        let path = path.display();
        say!("warning: everyone on this machine can reach the vault password in {path}: chmod 600 {path}");
    }
    Ok(Zeroizing::new(bytes.trim_ascii().to_vec()))
}

/// What an executable prints. It may ask a person itself, so it has the terminal, and all the time it takes.
fn printed(id: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    // Without a slash it would be looked for in PATH.
    let program = if path.components().count() > 1 { path.to_path_buf() } else { PathBuf::from(".").join(path) };
    let place = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let mut command = Command::new(&program);
    // By its name, as in Ansible: one that knows several passwords is told which is meant.
    if path.file_stem().and_then(|s| s.to_str()).is_some_and(|s| s.ends_with("-client")) {
        command.args(["--vault-id", id]);
    }
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|e| place(&format_args!("it cannot be run ({e}); if it is none, chmod -x it")))?;
    let mut bytes = Zeroizing::new(vec![]);
    let read = child.stdout.take().map_or(Ok(0), |out| out.take(LONGEST).read_to_end(&mut bytes));
    let status = child.wait().map_err(|e| place(&e))?;
    read.map_err(|e| place(&e))?;
    if !status.success() {
        return Err(place(&format_args!("it ended with {status}")));
    }
    let ends = |b: &u8| matches!(b, b'\r' | b'\n');
    let from = bytes.iter().position(|b| !ends(b)).unwrap_or(bytes.len());
    let to = bytes.iter().rposition(|b| !ends(b)).map_or(from, |n| n + 1);
    Ok(Zeroizing::new(bytes.get(from..to).unwrap_or_default().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_id_is_a_label_and_a_source() {
        let file = |path: &str| Source::File(path.into());
        for (text, id, source) in [
            ("prod@prompt", "prod", Source::Prompt),
            ("prod@dir/a@b", "prod", file("dir/a@b")),
            ("pass.txt", "default", file("pass.txt")),
            ("prompt", "default", Source::Prompt),
            ("@pass.txt", "default", file("pass.txt")),
        ] {
            assert_eq!(labelled(text), (id.to_owned(), source), "{text}");
        }
    }
}
