//! What is around every script.

use super::files::FUNCTIONS;
use super::frame::Nonce;
use super::quote::uncommented;

/// Deadlines of programs.
const DEADLINE: &str = include_str!("deadline.sh");

/// Shell functions that a probe's snippets call.
const PROBE: &str = include_str!("probe.sh");

/// The frame around every script: a fixed environment, the marks of frames, and no standard input for what it
/// runs, because the shell reads the script itself from there. One compound command, so that a shell has read all
/// of it before it runs any of it.
pub(super) fn whole(nonce: &Nonce, body: &str) -> Vec<u8> {
    format!(
        "{} </dev/null\n",
        compound(
            nonce,
            &format!(
                "{}{}{}{}{body}",
                super::way::functions(),
                uncommented(FUNCTIONS),
                uncommented(DEADLINE),
                uncommented(PROBE)
            )
        )
    )
    .into_bytes()
}

/// The same for a script whose standard input is its own to read.
pub(super) fn listening(nonce: &Nonce, body: &str) -> Vec<u8> {
    format!("{}\n", compound(nonce, body)).into_bytes()
}

fn compound(nonce: &Nonce, body: &str) -> String {
    let n = nonce.as_str();
    format!(
        "{{\nPATH=\"${{PATH:-/usr/bin:/bin}}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\nLC_ALL=C\nexport PATH LC_ALL\numask 022\nknown=\nnl='\n'\ntab='\t'\nb() {{ printf '%s B %s\\n' {n} \"$1\"; }}\ne() {{ printf '\\n%s E %s %s\\n' {n} \"$1\" \"$2\"; }}\n{body}printf '%s Z\\n' {n}\n}}"
    )
}
