//! The program under test, with this machine as its host.

use std::path::Path;
use std::process::Command;

/// Runs the program in a folder that all it keeps is in: what it remembers, and what it keeps on this machine as on a
/// host. For root that is a place of the system's, so that two tests would wait for one another; a mount hides it.
pub fn trueup(dir: &Path) -> Command {
    beside(dir, PROGRAM)
}

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_trueup");

/// Likewise another program, which calls it.
pub fn beside(dir: &Path, program: &str) -> Command {
    let host = dir.join(".host");
    std::fs::create_dir_all(&host).unwrap();
    const BELOW: &str = r#"mkdir -p /var/lib/trueup && mount --bind "$0" /var/lib/trueup && exec "$@""#;
    let hidden = || {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", BELOW]).arg(&host);
        command
    };
    let can_hide = hidden().arg("true").output().is_ok_and(|o| o.status.success());
    let mut command = if can_hide { hidden() } else { Command::new("env") };
    command
        .arg(program)
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .env("XDG_CACHE_HOME", dir.join(".cache"))
        .env("XDG_STATE_HOME", dir.join(".state"))
        .stdin(std::process::Stdio::null());
    command
}
