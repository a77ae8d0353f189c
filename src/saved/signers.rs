//! Who may sign: OpenSSH's allowed_signers file, see ALLOWED SIGNERS in ssh-keygen(1).

use crate::model::utc::Utc;
use russh::keys::ssh_key::PublicKey;
use russh::keys::ssh_key::public::KeyData;

/// Those who may sign, a line each.
#[derive(Debug, Default)]
pub struct Signers {
    lines: Vec<Line>,
    /// Numbers of lines that cannot be read, and why.
    unreadable: Vec<(usize, String)>,
}

#[derive(Debug)]
struct Line {
    number: usize,
    principals: String,
    key: KeyData,
    options: Options,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    cert_authority: bool,
    namespaces: Option<String>,
    /// Seconds since 1970.
    after: Option<u64>,
    before: Option<u64>,
}

/// Why a key may not sign.
#[derive(Debug, thiserror::Error)]
pub enum SignersError {
    #[error("it is signed with {fingerprint}, by nobody who may sign{unreadable}")]
    Unknown { fingerprint: String, unreadable: String },
    #[error("it is signed with {fingerprint}, which may not sign: {why} (line {line} of the allowed signers)")]
    Refused { fingerprint: String, line: usize, why: String },
}

impl Signers {
    /// What cannot be read is told where no other line lets a key sign.
    pub fn parse(text: &str) -> Self {
        let mut this = Self::default();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse(line) {
                Ok((principals, options, key)) => this.lines.push(Line { number: n + 1, principals, key, options }),
                Err(why) => this.unreadable.push((n + 1, why)),
            }
        }
        this
    }

    /// The principals that this key signs for.
    ///
    /// # Errors
    /// Where no line lets it sign in this namespace at this time.
    pub(super) fn allow(
        &self,
        key: &KeyData,
        fingerprint: &str,
        namespace: &str,
        now: u64,
    ) -> Result<String, SignersError> {
        let mut refused = None;
        for line in self.lines.iter().filter(|l| l.key == *key) {
            match line.options.refusal(namespace, now) {
                None => return Ok(line.principals.clone()),
                Some(why) => {
                    let fingerprint = fingerprint.to_owned();
                    refused.get_or_insert(SignersError::Refused { fingerprint, line: line.number, why });
                }
            }
        }
        let lines =
            self.unreadable.iter().map(|(n, why)| format!("; line {n} of the allowed signers cannot be read: {why}"));
        Err(refused.unwrap_or_else(|| SignersError::Unknown {
            fingerprint: fingerprint.to_owned(),
            unreadable: lines.take(3).collect(),
        }))
    }
}

impl Options {
    fn refusal(&self, namespace: &str, now: u64) -> Option<String> {
        if self.cert_authority {
            return Some("it is a cert-authority, and certificates do not sign plans here: list the key itself".into());
        }
        if let Some(namespaces) = self.namespaces.as_ref().filter(|list| !matches(list, namespace)) {
            return Some(format!("its namespaces are {namespaces}, and {namespace} is not among them"));
        }
        if self.after.is_some_and(|after| now < after) {
            return Some("it is not valid yet".into());
        }
        self.before.is_some_and(|before| now > before).then(|| "it is not valid any more".into())
    }
}

fn parse(line: &str) -> Result<(String, Options, KeyData), String> {
    let (principals, rest) = field(line).ok_or("a quote is not closed")?;
    // Options stand before the key or not at all.
    let (options, key) = match PublicKey::from_openssh(rest) {
        Ok(key) => (Options::default(), key),
        Err(_) => {
            let (options, rest) = field(rest).ok_or("a quote is not closed")?;
            let key = PublicKey::from_openssh(rest).map_err(|e| format!("it holds no key that is known here ({e})"))?;
            (parse_options(options)?, key)
        }
    };
    let principals = principals.trim_matches('"');
    if principals.is_empty() {
        return Err("it names nobody".into());
    }
    Ok((principals.to_owned(), options, key.key_data().clone()))
}

/// Up to the first blank outside quotes, and what follows.
fn field(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                let (field, rest) = text.split_at_checked(at)?;
                return Some((field, rest.trim_start()));
            }
            _ => {}
        }
    }
    (!quoted).then_some((text, ""))
}

fn parse_options(text: &str) -> Result<Options, String> {
    let mut options = Options::default();
    let mut quoted = false;
    let split = text.split(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    for option in split {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        match name.to_ascii_lowercase().as_str() {
            "cert-authority" => options.cert_authority = true,
            "namespaces" => options.namespaces = Some(value.to_owned()),
            "valid-after" => options.after = Some(time(value)?),
            "valid-before" => options.before = Some(time(value)?),
            _ => return Err(format!("there is no option `{}`", name.escape_debug())),
        }
    }
    Ok(options)
}

/// `YYYYMMDD[HHMM[SS]]Z` as seconds since 1970.
fn time(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{}` is no time: YYYYMMDD[HHMM[SS]]Z", text.escape_debug());
    let local =
        || format!("`{}` is in a local time that is not known here: put a Z after it, for UTC", text.escape_debug());
    let Some(digits) = text.strip_suffix(['Z', 'z']) else {
        return Err(if text.bytes().all(|b| b.is_ascii_digit()) { local() } else { wrong() });
    };
    if ![8, 12, 14].contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or("00");
    let (day, clock) = ((part(0, 4), part(4, 6), part(6, 8)), (part(8, 10), part(10, 12), part(12, 14)));
    let text = format!("{}-{}-{}T{}:{}:{}Z", day.0, day.1, day.2, clock.0, clock.1, clock.2);
    Utc::parse(&text).map(|t| t.0).ok_or_else(wrong)
}

/// Whether a list of patterns takes a word: one does, and none that begins with `!` does.
fn matches(list: &str, word: &str) -> bool {
    let mut taken = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if glob(pattern.as_bytes(), word.as_bytes()) => return false,
            Some(_) => {}
            None => taken |= glob(pattern.as_bytes(), word.as_bytes()),
        }
    }
    taken
}

/// `*` stands for anything, `?` for one byte.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last `*` was, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b) if *b == b'?' || text.get(t) == Some(b) => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|b| *b == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(time("19700101Z"), Ok(0));
        assert_eq!(time("20260101Z"), Ok(1_767_225_600));
        assert_eq!(time("202402291200Z"), Ok(1_709_208_000));
        assert_eq!(time("20240229120001Z"), Ok(1_709_208_001));
        assert!(time("20260101").unwrap_err().contains("put a Z after it"));
        for wrong in ["", "Z", "2026Z", "20261301Z", "20260100Z", "2026010a", "20260101 Z", "19690101Z"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn patterns_are_those_of_ssh() {
        for (list, taken) in [
            ("trueup-plan", true),
            ("git,trueup-*", true),
            ("*", true),
            ("t*p*n", true),
            ("trueup-pla?", true),
            ("*,!trueup-plan", false),
            ("git", false),
            ("trueup", false),
            ("", false),
        ] {
            assert_eq!(matches(list, "trueup-plan"), taken, "{list}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_where_nobody_may_sign() {
        let key =
            PublicKey::from_openssh("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti")
                .unwrap();
        let signers = Signers::parse(
            "# who\n\nalice ssh-ed25519 nonsense\nbob colour=\"red\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti\n",
        );
        let told = signers.allow(key.key_data(), "SHA256:x", "trueup-plan", 0).unwrap_err().to_string();
        assert!(told.contains("line 3 of the allowed signers cannot be read"), "{told}");
        assert!(told.contains("there is no option `colour`"), "{told}");
    }

    proptest! {
        #[test]
        fn no_file_brings_it_down(text: String, options in "[a-z=\",-]{0,30}") {
            let _ = Signers::parse(&text);
            let _ = parse_options(&options);
        }
    }
}
