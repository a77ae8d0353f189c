//! Whether a host's key is the one on record. Format: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::Certificate;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::{Algorithm, HashAlg, PublicKey};
use sha1::Sha1;
use std::collections::HashMap;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// What the record says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Known,
    Unknown,
    /// Another key is on record, at `file:line`.
    Changed {
        at: String,
    },
    /// Marked as revoked, at `file:line`.
    Revoked {
        at: String,
    },
}

/// Lines of known_hosts files, as far as they can be read.
#[derive(Clone, Debug, Default)]
pub struct KnownHosts {
    entries: Vec<Entry>,
    /// Entries by the plain names they are for. A fleet's hosts are looked up one by one, and most entries are plain.
    named: HashMap<String, Vec<usize>>,
    /// Entries whose names are hashed, or have wildcards or exceptions.
    matched: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Entry {
    marker: Marker,
    /// In lower case, but for a hashed name.
    hosts: String,
    key: PublicKey,
    at: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    None,
    Authority,
    Revoked,
}

impl KnownHosts {
    /// Reads files; one that is not there holds nothing.
    ///
    /// # Errors
    /// A file that is there and cannot be read: going on without it could make a known host an unknown one.
    pub fn load(paths: &[PathBuf]) -> std::io::Result<Self> {
        let mut this = Self::default();
        for path in paths {
            match std::fs::read(path) {
                Ok(text) => this.add(path, &String::from_utf8_lossy(&text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
            }
        }
        Ok(this)
    }

    /// Takes in a file's text. A line that is no entry is passed over, as OpenSSH does.
    pub fn add(&mut self, path: &Path, text: &str) {
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (marker, rest) = match line.split_once(char::is_whitespace) {
                Some(("@cert-authority", rest)) => (Marker::Authority, rest.trim_start()),
                Some(("@revoked", rest)) => (Marker::Revoked, rest.trim_start()),
                _ if line.starts_with('@') => continue,
                _ => (Marker::None, line),
            };
            let Some((hosts, key)) = rest.split_once(char::is_whitespace) else { continue };
            let Ok(key) = PublicKey::from_openssh(key.trim()) else { continue };
            let hosts = if hosts.starts_with('|') { hosts.to_owned() } else { hosts.to_lowercase() };
            if hosts.starts_with('|') || hosts.contains(['*', '?', '!']) {
                self.matched.push(self.entries.len());
            } else {
                for name in hosts.split(',') {
                    self.named.entry(name.to_owned()).or_default().push(self.entries.len());
                }
            }
            self.entries.push(Entry { marker, hosts, key, at: format!("{}:{}", path.display(), n + 1) });
        }
    }

    /// All that is on record of a host, found in one pass: a hashed name costs two SHA-1 a time.
    pub fn of(&self, host: &str, port: u16) -> HostRecord {
        let (name, plain) = (record_name(host, port), record_name(host, 22));
        let mut record = HostRecord { host: host.to_lowercase(), ..HostRecord::default() };
        let named = self.named.get(&name).into_iter().flatten().map(|n| (*n, true));
        // As OpenSSH does, a key on record for the host at its usual port is taken at another, too.
        let unported = self.named.get(&plain).into_iter().flatten().filter(|_| name != plain).map(|n| (*n, false));
        let matched = self.matched.iter().filter_map(|n| {
            let entry = self.entries.get(*n)?;
            let exact = matches(&entry.hosts, &name);
            (exact || (name != plain && matches(&entry.hosts, &plain))).then_some((*n, exact))
        });
        let mut found: Vec<(usize, bool)> = named.chain(unported).chain(matched).collect();
        found.sort_unstable();
        found.dedup_by_key(|(n, _)| *n);
        for (n, exact) in found {
            let Some(entry) = self.entries.get(n) else { continue };
            let entry = (entry.key.clone(), entry.at.clone());
            match self.entries.get(n).map(|e| e.marker) {
                Some(Marker::Revoked) => record.revoked.push(entry),
                Some(Marker::Authority) => record.authorities.push(entry),
                Some(Marker::None) if exact => record.keys.push(entry),
                _ => record.unported.push(entry),
            }
        }
        record
    }

    /// What is on record of this plain key.
    pub fn check(&self, host: &str, port: u16, key: &PublicKey) -> Verdict {
        self.of(host, port).check(key)
    }
}

/// What is on record of one host: keys, each with its `file:line`.
#[derive(Clone, Debug, Default)]
pub struct HostRecord {
    host: String,
    keys: Vec<(PublicKey, String)>,
    unported: Vec<(PublicKey, String)>,
    authorities: Vec<(PublicKey, String)>,
    revoked: Vec<(PublicKey, String)>,
}

impl HostRecord {
    /// Judges a plain key.
    pub fn check(&self, key: &PublicKey) -> Verdict {
        let same = |entry: &&(PublicKey, String)| entry.0.key_data() == key.key_data();
        if let Some((_, at)) = self.revoked.iter().find(same) {
            return Verdict::Revoked { at: at.clone() };
        }
        if self.keys.iter().chain(&self.unported).any(|e| same(&e)) {
            return Verdict::Known;
        }
        match self.keys.first() {
            Some((_, at)) => Verdict::Changed { at: at.clone() },
            None => Verdict::Unknown,
        }
    }

    /// Judges a certificate at this time, in seconds since 1970. One that does not hold is no better than its key.
    pub fn check_certificate(&self, certificate: &Certificate, now: u64) -> Verdict {
        let key = PublicKey::new(certificate.public_key().clone(), "");
        let revoked =
            self.revoked.iter().find(|(k, _)| [key.key_data(), certificate.signature_key()].contains(&k.key_data()));
        if let Some((_, at)) = revoked {
            return Verdict::Revoked { at: at.clone() };
        }
        let authorities: Vec<_> = self.authorities.iter().map(|(k, _)| k.fingerprint(HashAlg::Sha256)).collect();
        let principals = certificate.valid_principals();
        let names_it = principals.is_empty() || principals.iter().any(|p| wildcard(&p.to_lowercase(), &self.host));
        let holds = certificate.cert_type() == CertType::Host
            && certificate.critical_options().is_empty()
            && certificate.validate_at(now, &authorities).is_ok();
        if names_it && holds { Verdict::Known } else { self.check(&key) }
    }

    /// Whether an authority could vouch for this host.
    pub fn has_authority(&self) -> bool {
        !self.authorities.is_empty()
    }

    /// Where its first key is on record.
    pub fn at(&self) -> Option<&str> {
        self.keys.first().map(|(_, at)| at.as_str())
    }

    /// The algorithms of the keys on record. A host that is asked for another one would show a key that cannot be
    /// checked, and somebody in between could choose that.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut out: Vec<Algorithm> = vec![];
        for (key, _) in &self.keys {
            if !out.contains(&key.algorithm()) {
                out.push(key.algorithm());
            }
        }
        out
    }
}

/// The name a host is on record under: with its port where that is not 22.
pub fn record_name(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// A line that puts a key on record.
pub fn record(host: &str, port: u16, key: &PublicKey) -> Option<String> {
    let mut key = key.clone();
    key.set_comment("");
    Some(format!("{} {}\n", record_name(host, port), key.to_openssh().ok()?.trim()))
}

/// Adds a line in one write, so that others may add theirs at the same time; a file that is not there is made for its
/// owner alone.
///
/// # Errors
/// Where the file cannot be read or written.
pub fn append(path: &Path, line: &str) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    if let Some(dir) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let mut file = std::fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut text = line.to_owned();
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        // An editor may have left the last entry without its end; both would be lost in one line.
        if last != *b"\n" {
            text.insert(0, '\n');
        }
    }
    file.write_all(text.as_bytes())
}

/// Whether a list of patterns, or a hashed name, means this name.
fn matches(hosts: &str, name: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return hashed.split_once('|').is_some_and(|(salt, hash)| is_hash_of(name, salt, hash));
    }
    let mut found = false;
    for pattern in hosts.split(',') {
        let (negated, pattern) = pattern.strip_prefix('!').map_or((false, pattern), |p| (true, p));
        if wildcard(pattern, name) {
            if negated {
                return false;
            }
            found = true;
        }
    }
    found
}

/// HMAC-SHA1 of the name with the salt as its key.
fn is_hash_of(name: &str, salt: &str, hash: &str) -> bool {
    let (Ok(salt), Ok(hash)) = (STANDARD.decode(salt), STANDARD.decode(hash)) else { return false };
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&salt) else { return false };
    mac.update(name.as_bytes());
    mac.verify_slice(&hash).is_ok()
}

/// `*` is any text, `?` any one character. Goes back to the last `*` only, so that it is never exponential.
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const ED2: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    fn known(text: &str) -> KnownHosts {
        let mut k = KnownHosts::default();
        k.add(Path::new("known_hosts"), text);
        k
    }

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    fn changed(line: usize) -> Verdict {
        Verdict::Changed { at: format!("known_hosts:{line}") }
    }

    #[test]
    fn a_key_is_known_changed_unknown_or_revoked() {
        let k = known(&format!("# a comment\nweb1,10.0.0.1 {ED}\n[web2]:2222 {ED}\n@revoked * {ED2}\n"));
        assert_eq!(k.check("web1", 22, &key(ED)), Verdict::Known);
        assert_eq!(k.check("WEB1", 22, &key(ED)), Verdict::Known);
        assert_eq!(k.check("10.0.0.1", 22, &key(ED)), Verdict::Known);
        assert_eq!(k.check("web2", 2222, &key(ED)), Verdict::Known);
        assert_eq!(k.check("web2", 22, &key(ED)), Verdict::Unknown);
        assert_eq!(k.check("web1", 22, &key(ED2)), Verdict::Revoked { at: "known_hosts:4".into() });
        assert_eq!(known(&format!("web1 {ED2}\n")).check("web1", 22, &key(ED)), changed(1));
    }

    #[test]
    fn wildcards_and_negation_hold() {
        let k = known(&format!("*.example.net,!bad.example.net {ED}\n"));
        assert_eq!(k.check("a.example.net", 22, &key(ED)), Verdict::Known);
        assert_eq!(k.check("bad.example.net", 22, &key(ED)), Verdict::Unknown);
        assert_eq!(k.check("example.net", 22, &key(ED)), Verdict::Unknown);
    }

    #[test]
    fn hashed_names_are_found() {
        let mut mac = Hmac::<Sha1>::new_from_slice(b"01234567890123456789").unwrap();
        mac.update(b"[web9]:2222");
        let hash = STANDARD.encode(mac.finalize().into_bytes());
        let k = known(&format!("|1|{}|{hash} {ED}\n", STANDARD.encode(b"01234567890123456789")));
        assert_eq!(k.check("web9", 2222, &key(ED)), Verdict::Known);
        assert_eq!(k.check("web9", 22, &key(ED)), Verdict::Unknown);
    }

    #[test]
    fn authorities_are_told_apart_from_keys() {
        let k = known(&format!("@cert-authority *.example.net {ED}\n"));
        assert_eq!(k.check("a.example.net", 22, &key(ED)), Verdict::Unknown);
        assert!(k.of("a.example.net", 22).has_authority());
        assert!(k.of("A.example.net", 2222).has_authority());
        assert!(!k.of("a.example.org", 22).has_authority());
    }

    #[test]
    fn a_key_for_the_usual_port_is_good_at_another_and_no_reason_to_refuse_there() {
        let k = known(&format!("web1 {ED}\n"));
        assert_eq!(k.check("web1", 2222, &key(ED)), Verdict::Known);
        assert_eq!(k.check("web1", 2222, &key(ED2)), Verdict::Unknown);
        assert!(k.of("web1", 2222).algorithms().is_empty());
    }

    #[test]
    fn a_line_is_added_whole_even_to_a_file_without_an_end() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/known_hosts");
        append(&path, "a\n").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "a").unwrap();
        append(&path, "b\n").unwrap();
        append(&path, "c\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\nc\n");
        std::thread::scope(|s| {
            for n in 0..8 {
                let path = &path;
                s.spawn(move || append(path, &format!("host{n} {}\n", "x".repeat(200))).unwrap());
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().filter(|l| l.starts_with("host") && l.len() == 206).count(), 8);
    }

    /// The sample file of sshd(8), with keys that are whole.
    #[test]
    fn the_manuals_example_is_read() {
        let k = known(&format!(
            "# Comments allowed at start of line\n\
             cvs.example.net,192.0.2.10 {ED}\n\
             # A revoked key\n\
             @revoked * {ED2}\n\
             # A CA key, accepted for any host in *.mydomain.com or *.mydomain.org\n\
             @cert-authority *.mydomain.org,*.mydomain.com {ED}\n"
        ));
        assert_eq!(k.check("cvs.example.net", 22, &key(ED)), Verdict::Known);
        assert_eq!(k.check("192.0.2.10", 22, &key(ED)), Verdict::Known);
        assert_eq!(k.check("any.where", 22, &key(ED2)), Verdict::Revoked { at: "known_hosts:4".into() });
        assert!(k.of("a.mydomain.com", 22).has_authority() && k.of("a.mydomain.org", 22).has_authority());
        assert!(!k.of("cvs.example.net", 22).has_authority());
    }

    #[test]
    fn what_is_recorded_is_known() {
        let line = record("Web1", 2222, &key(ED)).unwrap();
        assert_eq!(known(&line).check("web1", 2222, &key(ED)), Verdict::Known);
    }

    proptest! {
        #[test]
        fn arbitrary_files_are_no_panic(text in "(?s).{0,200}", name in "\\PC{0,20}") {
            let _ = known(&text).check(&name, 22, &key(ED));
        }

        #[test]
        fn a_pattern_of_stars_ends(stars in 0usize..30, text in "[ab]{0,40}") {
            let pattern = format!("{}c", "a*".repeat(stars));
            let _ = wildcard(&pattern, &text);
        }
    }
}
