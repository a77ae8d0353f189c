//! One call of the program: who makes it, when, and what it is named on the hosts.

use super::output::CliError;
use crate::model::run_name::RunName;
use crate::model::utc::Utc;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The user's folder for what can be lost, as the XDG base directory specification has it.
pub fn cache_dir() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    Some(named.or_else(|| Some(home?.join(".cache")))?.join("trueup"))
}

/// `20261123T071500.123Z-3f2a`: sorts by time, UTC, and four random digits.
pub fn run_name() -> Result<RunName, CliError> {
    let mut random = [0; 2];
    getrandom::fill(&mut random).map_err(|e| CliError::Other(format!("no randomness: {e}")))?;
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_millis()).unwrap_or_default();
    let second = Utc(u64::try_from(millis / 1000).unwrap_or_default()).compact();
    let second = second.trim_end_matches('Z');
    let name = format!("{second}.{:03}Z-{:02x}{:02x}", millis % 1000, random[0], random[1]);
    RunName::parse(&name).ok_or_else(|| CliError::Other(format!("{name} is no name for a run")))
}

pub fn owner() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}@{}", local_user().unwrap_or_else(|| "somebody".into()), host.trim())
}

/// Who this process runs as, whatever its environment says.
pub fn local_user() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let uid = status.lines().find_map(|l| l.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.to_owned();
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut fields = passwd.lines().map(|l| l.split(':').collect::<Vec<_>>());
    fields.find(|f| f.get(2) == Some(&uid.as_str())).and_then(|f| f.first().map(|n| (*n).to_owned()))
}
