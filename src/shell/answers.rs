//! What a host answered to a probe.

use super::frame::Frame;

/// A host's answer was not what its tool would say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAnswer(pub String);

/// The answers of one probe, in the order of its questions.
#[derive(Debug)]
pub struct Answers {
    frames: std::vec::IntoIter<Option<Frame>>,
}

impl Answers {
    /// Puts frames in the order of their slots, counted from `first`; a missing one is that question's error.
    pub fn new(frames: Vec<Frame>, first: u32, count: usize) -> Self {
        let mut slots: Vec<Option<Frame>> = vec![None; count];
        for frame in frames {
            let n = frame.slot.checked_sub(first).map(|n| n as usize);
            if let Some(slot) = n.and_then(|n| slots.get_mut(n)) {
                *slot = Some(frame);
            }
        }
        Self { frames: slots.into_iter() }
    }

    /// The next answer.
    ///
    /// # Errors
    /// Where the host gave none.
    pub fn answer(&mut self) -> Result<Frame, BadAnswer> {
        self.frames.next().flatten().ok_or_else(|| BadAnswer("the host gave no answer".into()))
    }

    /// The next answer as text; bytes that are no UTF-8 become replacement characters.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn text(&mut self) -> Result<String, BadAnswer> {
        Ok(String::from_utf8_lossy(&self.answer()?.body).into_owned())
    }
}
