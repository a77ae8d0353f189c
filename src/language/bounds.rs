//! How large what an expression or a template comes to may be. Names that stand for one another double with each level,
//! so a page of variables can come to more than any machine holds.

use minijinja::{Error, ErrorKind, Template, Value};
use std::io::{self, Write};

/// Bytes, of one text or of one value with all that is in it.
pub(super) const LARGEST: usize = 32 << 20;
/// What each value and each key of a mapping counts for beside its text, in bytes.
const ITEM: usize = 64;

/// What is left for one value.
pub(super) struct Room(usize);

impl Room {
    pub fn new() -> Self {
        Self(LARGEST)
    }

    /// # Errors
    /// A value or a key with so many bytes of text is more than what is left.
    pub fn take(&mut self, bytes: usize) -> Result<(), Error> {
        self.0 = self.0.checked_sub(bytes.saturating_add(ITEM)).ok_or_else(too_large)?;
        Ok(())
    }
}

/// A template's text.
///
/// # Errors
/// What is wrong with the template, and a text that is too large.
pub(super) fn render(template: &Template<'_, '_>, context: Value) -> Result<String, Error> {
    let mut text = Text::default();
    match template.render_captured_to(context, &mut text) {
        Err(_) if text.full => Err(too_large()),
        Err(error) => Err(error),
        Ok(_) => String::from_utf8(text.bytes)
            .map_err(|_| Error::new(ErrorKind::InvalidOperation, "this comes to bytes that are no text")),
    }
}

fn too_large() -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("this comes to more than {} MiB", LARGEST >> 20))
}

#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    full: bool,
}

impl Write for Text {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > LARGEST {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
