//! The only `sh` in the tree: quoting, framed answers, and the two builders of scripts.

pub mod apply;
pub mod body;
pub mod facts;
pub mod files;
pub mod frame;
pub mod health;
pub mod history;
pub mod ledger;
pub mod packages;
pub mod probe;
pub mod quote;
pub mod state;
pub mod steps;
pub mod tree;

use frame::Nonce;

/// Without the comments, which are for who reads the source.
fn uncommented(functions: &str) -> String {
    functions.lines().filter(|l| !l.trim_start().starts_with('#') && !l.is_empty()).map(|l| format!("{l}\n")).collect()
}

/// The frame around every script: a fixed environment, the marks of frames, and no standard input for what it
/// runs, because the shell reads the script itself from there. One compound command, so that a shell has read all
/// of it before it runs any of it.
fn script(nonce: &Nonce, body: &str) -> Vec<u8> {
    format!("{} </dev/null\n", compound(nonce, &format!("{}{}{body}", files::FUNCTIONS, probe::FUNCTIONS))).into_bytes()
}

/// The same for a script whose standard input is its own to read.
fn listening(nonce: &Nonce, body: &str) -> Vec<u8> {
    format!("{}\n", compound(nonce, body)).into_bytes()
}

fn compound(nonce: &Nonce, body: &str) -> String {
    let n = nonce.as_str();
    format!(
        "{{\nPATH=\"${{PATH:-/usr/bin:/bin}}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\nLC_ALL=C\nexport PATH LC_ALL\numask 022\nknown=\nnl='\n'\ntab='\t'\nb() {{ printf '%s B %s\\n' {n} \"$1\"; }}\ne() {{ printf '\\n%s E %s %s\\n' {n} \"$1\" \"$2\"; }}\n{body}printf '%s Z\\n' {n}\n}}"
    )
}
