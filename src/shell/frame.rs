//! Framed answers: how a script's output is cut into the answers of its questions.
//!
//! A script prints, for each slot, a line `<nonce> B <slot>`, then any bytes, then a newline and a line
//! `<nonce> E <slot> <status>`; at the very end a line `<nonce> Z`. The nonce is fresh for each script, so
//! no content that was on the host before can look like a frame. What comes outside of frames (a login
//! banner, an rc file's chatter) is dropped.

use std::time::Duration;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub slot: u32,
    /// The exit status the script gave for it, 0 to 255.
    pub status: u8,
    pub body: Vec<u8>,
}

/// Takes answers as they come.
pub trait FrameSink: Send {
    /// A slot has begun: its command is running on the host.
    fn begin(&mut self, _slot: u32) {}
    fn frame(&mut self, frame: Frame);
}

impl FrameSink for Vec<Frame> {
    fn frame(&mut self, frame: Frame) {
        self.push(frame);
    }
}

/// What a host may send before it is cut off.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one answer.
    pub frame: usize,
    /// Bytes of all output, what is outside of frames included.
    pub total: usize,
    /// The longest silence: no byte for this long ends the connection.
    pub idle: Duration,
    /// The longest time for the whole script.
    pub total_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { frame: 64 << 20, total: 256 << 20, idle: Duration::from_secs(60), total_time: Duration::from_secs(600) }
    }
}

/// A script ready to send: its text, the nonce of its frames and what it may answer.
#[derive(Clone, Debug)]
pub struct Script {
    pub nonce: Nonce,
    pub text: Vec<u8>,
    pub limits: Limits,
}

/// Marks a script's frames: 32 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// From 16 random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(random.iter().map(|b| format!("{b:02x}")).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the host sent more than {limit} bytes in one answer")]
    FrameTooLarge { limit: usize },
    #[error("the host sent more than {limit} bytes in all")]
    TooMuch { limit: usize },
    #[error("the host's answer is malformed: {0}")]
    Malformed(&'static str),
}

/// Cuts a stream into frames as it comes.
pub struct FrameParser {
    nonce: Vec<u8>,
    limits: Limits,
    total: usize,
    /// Not yet consumed: the open frame's body and what follows.
    buffer: Vec<u8>,
    open: Option<u32>,
    /// Where in `buffer` no marker can start before.
    scanned: usize,
    finished: bool,
}

impl FrameParser {
    pub fn new(nonce: &Nonce, limits: Limits) -> Self {
        Self {
            nonce: nonce.0.clone().into_bytes(),
            limits,
            total: 0,
            buffer: vec![],
            open: None,
            scanned: 0,
            finished: false,
        }
    }

    /// Whether the script has said that it is at its end.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Takes what came and passes on each frame that it completes.
    ///
    /// # Errors
    /// Past a limit, or where frames do not nest as a script writes them; the connection is of no more use then.
    pub fn push(&mut self, bytes: &[u8], sink: &mut dyn FrameSink) -> Result<(), FrameError> {
        self.total = self.total.saturating_add(bytes.len());
        if self.total > self.limits.total {
            return Err(FrameError::TooMuch { limit: self.limits.total });
        }
        self.buffer.extend_from_slice(bytes);
        while let Some(at) = find(&self.buffer, &self.nonce, self.scanned) {
            // No mark is longer than the nonce and two short numbers, however much of it has come.
            let longest = self.nonce.len() + 32;
            let Some(length) = self.buffer[at..].iter().take(longest + 1).position(|&b| b == b'\n') else {
                if self.buffer.len() - at > longest {
                    return Err(FrameError::Malformed("a frame mark without an end"));
                }
                self.scanned = at;
                self.drop_between();
                return self.check_size();
            };
            let line = self.buffer[at + self.nonce.len()..at + length].to_vec();
            self.mark(at, &line, sink)?;
            self.buffer.drain(..=at + length);
            self.scanned = 0;
        }
        self.scanned = self.buffer.len().saturating_sub(self.nonce.len().saturating_sub(1));
        self.drop_between();
        self.check_size()
    }

    /// What has been looked through and stands in no frame.
    fn drop_between(&mut self) {
        if self.open.is_none() {
            self.buffer.drain(..self.scanned);
            self.scanned = 0;
        }
    }

    fn check_size(&self) -> Result<(), FrameError> {
        // The mark that ends a frame stands in the buffer too.
        if self.buffer.len() > self.limits.frame.saturating_add(self.nonce.len() + 40) {
            return Err(FrameError::FrameTooLarge { limit: self.limits.frame });
        }
        Ok(())
    }

    fn mark(&mut self, at: usize, line: &[u8], sink: &mut dyn FrameSink) -> Result<(), FrameError> {
        let line = std::str::from_utf8(line).map_err(|_| FrameError::Malformed("a frame mark that is no text"))?;
        let mut fields = line.split_ascii_whitespace();
        let kind = fields.next();
        let mut number = || fields.next().and_then(|n| n.parse::<u32>().ok());
        match (kind, self.open) {
            (Some("B"), None) => {
                let slot = number().ok_or(FrameError::Malformed("a frame without a number"))?;
                self.open = Some(slot);
                sink.begin(slot);
            }
            (Some("E"), Some(open)) => {
                if number() != Some(open) {
                    return Err(FrameError::Malformed("a frame that ends another"));
                }
                let status = number()
                    .and_then(|n| u8::try_from(n).ok())
                    .ok_or(FrameError::Malformed("a frame without a status"))?;
                // The newline before the end mark is the frame's own, not the answer's.
                let end = at.checked_sub(1).filter(|&n| self.buffer.get(n) == Some(&b'\n')).unwrap_or(at);
                if end > self.limits.frame {
                    return Err(FrameError::FrameTooLarge { limit: self.limits.frame });
                }
                self.open = None;
                sink.frame(Frame { slot: open, status, body: self.buffer[..end].to_vec() });
            }
            (Some("Z"), None) => self.finished = true,
            _ => return Err(FrameError::Malformed("frames out of order")),
        }
        Ok(())
    }
}

fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = from;
    while at + needle.len() <= haystack.len() {
        let window = haystack.get(at..=haystack.len() - needle.len())?;
        at += window.iter().position(|&b| b == first)?;
        if haystack.get(at..at + needle.len()) == Some(needle) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nonce() -> Nonce {
        Nonce::new([0xab; 16])
    }

    fn wire(frames: &[Frame]) -> Vec<u8> {
        let n = nonce();
        let mut out = b"Welcome to this host!\n".to_vec();
        for f in frames {
            out.extend(format!("{} B {}\n", n.as_str(), f.slot).bytes());
            out.extend(&f.body);
            out.extend(format!("\n{} E {} {}\n", n.as_str(), f.slot, f.status).bytes());
        }
        out.extend(format!("{} Z\n", n.as_str()).bytes());
        out
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting_of_the_stream(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..6),
            cut in 1usize..40,
        ) {
            let frames: Vec<_> = bodies.into_iter().zip(0..).map(|(body, slot)| Frame { slot, status: 3, body }).collect();
            let mut parser = FrameParser::new(&nonce(), Limits::default());
            let mut got: Vec<Frame> = vec![];
            for part in wire(&frames).chunks(cut) {
                parser.push(part, &mut got).unwrap();
            }
            prop_assert!(parser.is_finished());
            prop_assert_eq!(got, frames);
        }

        #[test]
        fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut with_marks = nonce().as_str().as_bytes().to_vec();
            with_marks.extend(&bytes);
            let mut got: Vec<Frame> = vec![];
            let _ = FrameParser::new(&nonce(), Limits::default()).push(&with_marks, &mut got);
        }
    }

    /// One that came in one piece was read, and the same cut in two was refused.
    #[test]
    fn a_mark_that_is_too_long_is_refused_however_it_comes() {
        let stream = format!("{} B 1{}\n", nonce().as_str(), " ".repeat(60));
        for cut in [1, 70, stream.len()] {
            let mut parser = FrameParser::new(&nonce(), Limits::default());
            let error = stream.as_bytes().chunks(cut).find_map(|part| parser.push(part, &mut vec![]).err());
            assert_eq!(error, Some(FrameError::Malformed("a frame mark without an end")), "{cut}");
        }
    }

    #[test]
    fn an_endless_answer_is_cut_off() {
        let limits = Limits { frame: 1000, total: 5000, ..Limits::default() };
        let mut parser = FrameParser::new(&nonce(), limits);
        let mut got: Vec<Frame> = vec![];
        parser.push(format!("{} B 0\n", nonce().as_str()).as_bytes(), &mut got).unwrap();
        let error = (0..100).find_map(|_| parser.push(&[b'x'; 100], &mut got).err());
        assert_eq!(error, Some(FrameError::FrameTooLarge { limit: 1000 }));
        let mut chatter = FrameParser::new(&nonce(), limits);
        let error = (0..100).find_map(|_| chatter.push(&[b'x'; 100], &mut got).err());
        assert_eq!(error, Some(FrameError::TooMuch { limit: 5000 }));
    }

    #[test]
    fn a_banner_counts_to_no_frame_though_the_first_mark_has_begun() {
        let limits = Limits { frame: 100, total: 5000, ..Limits::default() };
        let mut parser = FrameParser::new(&nonce(), limits);
        let mut got: Vec<Frame> = vec![];
        parser.push(format!("{}{} B", "x".repeat(300), nonce().as_str()).as_bytes(), &mut got).unwrap();
        parser.push(format!(" 4\nwell\n{} E 4 0\n", nonce().as_str()).as_bytes(), &mut got).unwrap();
        assert_eq!(got, [Frame { slot: 4, status: 0, body: b"well".to_vec() }]);
    }
}
