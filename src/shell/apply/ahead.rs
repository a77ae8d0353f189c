//! Contents that are too large for a script travel ahead of it.

use crate::model::body::Body;
use crate::model::run_name::RunName;
use crate::shell::frame::Nonce;
use crate::shell::state::StateDir;

/// How contents travel ahead of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Plain,
    /// As gzip(1) makes it; the host has one to take it back with.
    Gzip,
}

/// A script that takes one body from its standard input, for a connection's `feed`. Its one frame is `slot`:
/// status 0 once the host has all of it; else the body of the frame says why not. Its digest is checked by the step that
/// uses it, once, for of large contents that is what takes long.
pub fn receive(
    run: &RunName,
    body: &Body,
    encoding: Encoding,
    state_dir: &StateDir,
    slot: u32,
    nonce: &Nonce,
) -> Vec<u8> {
    let (digest, size) = (body.digest.as_str(), body.size);
    let take = if encoding == Encoding::Gzip { "gzip -dc" } else { "cat" };
    let text = format!(
        "b {slot}\n(\n{}umask 077\nmkdir -p \"$s/incoming\" && chmod 0700 \"$s\" || exit\nt=$s/incoming/{run}.{digest}.$$\n\
         trap 'rm -f \"$t\"' EXIT\n{take} >\"$t\" || exit\nsize=$(stat -c %s \"$t\") || exit\n\
         if [ \"$size\" != {size} ]; then echo \"$size bytes came of {size}\"; exit 1; fi\n\
         mv -f \"$t\" \"$s/incoming/{run}.{digest}\"\n) 2>&1\ne {slot} $?\n",
        state_dir.locate()
    );
    crate::shell::script::listening(nonce, &text)
}
