//! A vault as it is written: a header, and a body of hexadecimal digits.
//!
//! Source: Ansible's documentation, "Ansible Vault payload format 1.1 - 1.2", below
//! <https://docs.ansible.com/ansible/latest/vault_guide/vault_using_encrypted_content.html>. The body is hexadecimal
//! twice: the digits come to three lines, and each of those is digits again (salt, checksum, what was encrypted).

/// What every vault begins with.
pub const HEADER: &str = "$ANSIBLE_VAULT";
/// The one cipher there is; the first version of the format had another.
const CIPHER: &str = "AES256";
const VERSIONS: [&str; 2] = ["1.1", "1.2"];
/// Digits on a line.
const COLUMNS: usize = 80;
/// Bytes of an HMAC-SHA256.
pub const MAC: usize = 32;
/// Bytes of an AES block: what was encrypted is padded to whole ones.
pub const BLOCK: usize = 16;

/// A vault that has been read, and not opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Which password it is for, as whoever encrypted it calls that; a hint, and not covered by the checksum.
    pub id: Option<String>,
    pub salt: Vec<u8>,
    pub mac: [u8; MAC],
    /// Whole blocks, at least one.
    pub encrypted: Vec<u8>,
}

/// Why something is no vault. Nothing is quoted: who pasted a secret in the wrong place is told where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("a vault begins with `$ANSIBLE_VAULT;1.1;AES256`, or with 1.2 and an id")]
    Header,
    #[error("this version of the format is not known; 1.1 and 1.2 are")]
    Version,
    #[error("this cipher is not known; AES256 is the one there is")]
    Cipher,
    /// On this line of the vault, counted from one.
    #[error("line {0} of the vault holds something else than hexadecimal digits")]
    Digits(usize),
    #[error("the vault is damaged: it was cut short, or something is missing inside")]
    Damaged,
}

impl Malformed {
    /// Which line of the vault it speaks of, counted from one.
    pub fn line(self) -> usize {
        if let Self::Digits(line) = self { line } else { 1 }
    }

    pub fn help(self) -> &'static str {
        match self {
            Self::Cipher | Self::Version => "`ansible-vault rekey` with a current Ansible writes it anew",
            _ => "take the whole of what ansible-vault printed, from its first line to its last",
        }
    }
}

/// Whether contents are a vault's.
pub fn is_vault(bytes: &[u8]) -> bool {
    bytes.starts_with(HEADER.as_bytes())
}

impl Envelope {
    /// Reads a vault. White space around lines means nothing.
    ///
    /// # Errors
    /// Where it is none, or damaged as far as that shows without the password.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let mut lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
        let id = header(lines.next().unwrap_or_default())?;
        let mut digits = Vec::with_capacity(text.len());
        for (n, line) in lines.enumerate() {
            if !line.iter().all(u8::is_ascii_hexdigit) {
                return Err(Malformed::Digits(n + 2));
            }
            digits.extend_from_slice(line);
        }
        let inner = bytes(&digits)?;
        let mut parts = inner.splitn(3, |b| *b == b'\n');
        let mut part = || bytes(parts.next().unwrap_or_default());
        let (salt, mac, encrypted) = (part()?, part()?, part()?);
        let mac = mac.try_into().map_err(|_| Malformed::Damaged)?;
        if salt.is_empty() || encrypted.is_empty() || encrypted.len() % BLOCK != 0 {
            return Err(Malformed::Damaged);
        }
        Ok(Self { id, salt, mac, encrypted })
    }

    /// As ansible-vault writes it, with a line break at its end.
    pub fn to_text(&self) -> String {
        let inner = [hex(&self.salt), hex(&self.mac), hex(&self.encrypted)].join("\n");
        let mut text = match &self.id {
            Some(id) => format!("{HEADER};1.2;{CIPHER};{id}\n"),
            None => format!("{HEADER};1.1;{CIPHER}\n"),
        };
        for (n, digit) in hex(inner.as_bytes()).chars().enumerate() {
            if n > 0 && n % COLUMNS == 0 {
                text.push('\n');
            }
            text.push(digit);
        }
        text.push('\n');
        text
    }
}

/// The id of a header that can be read.
fn header(line: &[u8]) -> Result<Option<String>, Malformed> {
    let line = std::str::from_utf8(line).map_err(|_| Malformed::Header)?;
    let mut parts = line.splitn(4, ';').map(str::trim);
    if parts.next() != Some(HEADER) {
        return Err(Malformed::Header);
    }
    let version = parts.next().ok_or(Malformed::Header)?;
    if !VERSIONS.contains(&version) {
        return Err(Malformed::Version);
    }
    if parts.next().ok_or(Malformed::Header)? != CIPHER {
        return Err(Malformed::Cipher);
    }
    let id = parts.next().filter(|id| !id.is_empty());
    if id.is_some_and(|id| id.chars().any(char::is_control)) {
        return Err(Malformed::Header);
    }
    Ok(id.map(str::to_owned))
}

fn bytes(digits: &[u8]) -> Result<Vec<u8>, Malformed> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(value(*high)? << 4 | value(*low)?),
        _ => None,
    });
    pairs.collect::<Option<_>>().ok_or(Malformed::Damaged)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).filter_map(|n| char::from_digit(n.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: &str = include_str!("../../../tests/vault/data/default.yml");
    const LABELLED: &str = include_str!("../../../tests/vault/data/prod.yml");

    fn malformed(text: &str) -> Malformed {
        Envelope::parse(text.as_bytes()).err().unwrap()
    }

    #[test]
    fn what_ansible_vault_wrote_is_read_and_written_as_it_was() {
        for (text, id) in [(PLAIN, None), (LABELLED, Some("prod"))] {
            let envelope = Envelope::parse(text.as_bytes()).ok().unwrap();
            assert_eq!((envelope.id.as_deref(), envelope.salt.len()), (id, 32));
            assert_eq!(envelope.to_text(), text);
            let edited = text.replace('\n', " \r\n  ");
            assert!(Envelope::parse(edited.as_bytes()).is_ok_and(|e| e == envelope), "as an editor may leave it");
        }
    }

    #[test]
    fn what_is_no_vault_or_damaged_is_told() {
        let body = PLAIN.split_once('\n').unwrap().1;
        let with = |header: &str| malformed(&format!("{header}\n{body}"));
        assert_eq!(with(""), Malformed::Header);
        assert_eq!(with("$ANSIBLE_VAULT"), Malformed::Header);
        assert_eq!(with("$ANSIBLE_VAULT;1.2;AES256;a\u{1b}b"), Malformed::Header);
        assert_eq!(with("$ANSIBLE_VAULT;1.0;AES256"), Malformed::Version);
        assert_eq!(with("$ANSIBLE_VAULT;1.1;AES"), Malformed::Cipher);
        let lines: Vec<&str> = PLAIN.lines().collect();
        assert_eq!(malformed(&[lines[0], lines[1], "hunter2"].join("\n")), Malformed::Digits(3));
        for end in 1..lines.len() {
            // Where whole blocks are left, the checksum will tell.
            let cut = Envelope::parse(lines[..end].join("\n").as_bytes());
            assert!(cut.is_err_and(|e| e == Malformed::Damaged) || (end - 4) % 2 == 0, "{end}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
            let _ = Envelope::parse(&bytes);
            let _ = Envelope::parse(&[PLAIN.as_bytes(), &bytes].concat());
        }

        #[test]
        fn what_is_written_is_read_again(
            id in proptest::option::of("[a-z@_-]{1,9}"),
            salt in proptest::collection::vec(any::<u8>(), 1..40),
            mac in any::<[u8; MAC]>(),
            blocks in 1_usize..20,
        ) {
            let envelope = Envelope { id, salt, mac, encrypted: vec![7; blocks * BLOCK] };
            prop_assert!(Envelope::parse(envelope.to_text().as_bytes()).is_ok_and(|e| e == envelope));
        }
    }
}
