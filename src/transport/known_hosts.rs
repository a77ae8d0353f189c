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
///
/// A name is looked up, not searched for: ten thousand hosts have ten thousand entries. Only wildcards and hashed names
/// have to be tried one after another.
#[derive(Clone, Debug, Default)]
pub struct KnownHosts {
    entries: Vec<Entry>,
    /// Entries' numbers by each name that is written out, or that a hash was found to be of.
    named: HashMap<String, Vec<usize>>,
    /// Entries with a wildcard or a negation, with their patterns in lower case.
    patterned: Vec<(usize, String)>,
    /// Entries whose name has not been found out yet, in their order.
    hashed: Vec<Hashed>,
    /// How many entries there were when a name was last tried on the hashed ones.
    tried: HashMap<String, usize>,
}

#[derive(Clone)]
struct Hashed {
    entry: usize,
    /// HMAC-SHA1 with the salt as its key, before any name.
    keyed: Hmac<Sha1>,
    hash: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Entry {
    marker: Marker,
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
            let at = format!("{}:{}", path.display(), n + 1);
            self.index(hosts);
            self.entries.push(Entry { marker, key, at });
        }
    }

    /// Makes the next entry one that is found by its names.
    fn index(&mut self, hosts: &str) {
        let entry = self.entries.len();
        if let Some(hashed) = hosts.strip_prefix("|1|") {
            self.hashed.extend(Hashed::read(entry, hashed));
        } else if hosts.contains(['*', '?', '!']) {
            self.patterned.push((entry, hosts.to_lowercase()));
        } else {
            for name in hosts.split(',') {
                self.named.entry(name.to_lowercase()).or_default().push(entry);
            }
        }
    }

    /// What is on record of this plain key.
    pub fn check(&mut self, host: &str, port: u16, key: &PublicKey) -> Verdict {
        let same = |e: &&Entry| e.key.key_data() == key.key_data();
        if let Some(entry) = self.of(host, port, Marker::Revoked).find(same) {
            return Verdict::Revoked { at: entry.at.clone() };
        }
        let mut other = None;
        for entry in self.of(host, port, Marker::None) {
            if same(&entry) {
                return Verdict::Known;
            }
            other.get_or_insert(entry);
        }
        match other {
            Some(entry) => Verdict::Changed { at: entry.at.clone() },
            None => Verdict::Unknown,
        }
    }

    /// What is on record of this certificate, at a time in seconds since 1970. One that does not hold is no better than
    /// the plain key in it.
    pub fn check_certificate(&mut self, host: &str, port: u16, certificate: &Certificate, now: u64) -> Verdict {
        let key = PublicKey::new(certificate.public_key().clone(), "");
        let keys = [key.key_data(), certificate.signature_key()];
        if let Some(entry) = self.of(host, port, Marker::Revoked).find(|e| keys.contains(&e.key.key_data())) {
            return Verdict::Revoked { at: entry.at.clone() };
        }
        let (host_name, principals) = (host.to_lowercase(), certificate.valid_principals());
        let named = principals.is_empty() || principals.iter().any(|p| wildcard(&p.to_lowercase(), &host_name));
        // No critical option is known for hosts, and one that is not known is a reason to refuse.
        let holds = certificate.cert_type() == CertType::Host
            && certificate.critical_options().is_empty()
            && certificate.validate_at(now, &self.authorities(host, port)).is_ok();
        if named && holds { Verdict::Known } else { self.check(host, port, &key) }
    }

    /// Fingerprints of the authorities that may sign certificates for this host, the revoked ones excepted.
    pub fn authorities(&mut self, host: &str, port: u16) -> Vec<russh::keys::ssh_key::Fingerprint> {
        let revoked: Vec<_> = self.of(host, port, Marker::Revoked).map(|e| e.key.key_data().clone()).collect();
        let sound = self.of(host, port, Marker::Authority).filter(|e| !revoked.contains(e.key.key_data()));
        sound.map(|e| e.key.fingerprint(HashAlg::Sha256)).collect()
    }

    /// The algorithms of the keys on record. A host that is asked for another one would show a key that cannot be
    /// checked, and somebody in between could choose that.
    pub fn algorithms(&mut self, host: &str, port: u16) -> Vec<Algorithm> {
        let mut out: Vec<Algorithm> = vec![];
        for entry in self.of(host, port, Marker::None) {
            if !out.contains(&entry.key.algorithm()) {
                out.push(entry.key.algorithm());
            }
        }
        out
    }

    /// Where the first key is on record.
    pub fn place(&mut self, host: &str, port: u16) -> Option<String> {
        self.of(host, port, Marker::None).next().map(|e| e.at.clone())
    }

    /// The entries of a name, in their order.
    fn of(&mut self, host: &str, port: u16, marker: Marker) -> impl Iterator<Item = &Entry> {
        let name = record_name(host, port);
        self.try_hashed(&name);
        let patterned = self.patterned.iter().filter(|(_, patterns)| matches(patterns, &name)).map(|(n, _)| n);
        let mut numbers: Vec<usize> = self.named.get(&name).into_iter().flatten().chain(patterned).copied().collect();
        numbers.sort_unstable();
        let entries = &self.entries;
        numbers.into_iter().filter_map(|n| entries.get(n)).filter(move |e| e.marker == marker)
    }

    /// Finds the hashed entries of a name. A hash is tried once for each name, and not at all once its own is found.
    fn try_hashed(&mut self, name: &str) {
        let end = self.entries.len();
        if self.hashed.is_empty() || self.tried.get(name) == Some(&end) {
            return;
        }
        let from = self.tried.insert(name.to_owned(), end).unwrap_or_default();
        let named = &mut self.named;
        self.hashed.retain(|hashed| {
            let found = hashed.entry >= from && hashed.is_of(name);
            if found {
                named.entry(name.to_owned()).or_default().push(hashed.entry);
            }
            !found
        });
    }
}

impl Hashed {
    /// Reads `SALT|HASH`, both in base64; sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
    fn read(entry: usize, text: &str) -> Option<Self> {
        let (salt, hash) = text.split_once('|')?;
        let keyed = Hmac::<Sha1>::new_from_slice(&STANDARD.decode(salt).ok()?).ok()?;
        Some(Self { entry, keyed, hash: STANDARD.decode(hash).ok()? })
    }

    fn is_of(&self, name: &str) -> bool {
        let mut mac = self.keyed.clone();
        mac.update(name.as_bytes());
        mac.verify_slice(&self.hash).is_ok()
    }
}

impl std::fmt::Debug for Hashed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hashed({})", self.entry)
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

/// Whether a list of patterns in lower case means this name.
fn matches(patterns: &str, name: &str) -> bool {
    let mut found = false;
    for pattern in patterns.split(',') {
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
        let mut k = known(&format!("# a comment\nweb1,10.0.0.1 {ED}\n[web2]:2222 {ED}\n@revoked * {ED2}\n"));
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
        let mut k = known(&format!("*.example.net,!bad.example.net {ED}\n"));
        assert_eq!(k.check("a.example.net", 22, &key(ED)), Verdict::Known);
        assert_eq!(k.check("bad.example.net", 22, &key(ED)), Verdict::Unknown);
        assert_eq!(k.check("example.net", 22, &key(ED)), Verdict::Unknown);
    }

    #[test]
    fn hashed_names_are_found() {
        let mut k = known(&hashed("[web9]:2222", b"01234567890123456789"));
        assert_eq!(k.check("web9", 2222, &key(ED)), Verdict::Known);
        assert_eq!(k.check("web9", 22, &key(ED)), Verdict::Unknown);
    }

    fn hashed(name: &str, salt: &[u8]) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(salt).unwrap();
        mac.update(name.as_bytes());
        format!("|1|{}|{} {ED}\n", STANDARD.encode(salt), STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// Every lookup went through all entries once: ten thousand hosts took minutes.
    #[test]
    fn of_many_names_only_those_are_tried_that_may_match() {
        let text: String = (0..20_000).map(|n| format!("web{n},10.1.{}.{} {ED}\n", n / 250, n % 250)).collect();
        let mut k = known(&text);
        assert!(k.patterned.is_empty() && k.hashed.is_empty());
        assert!(k.named.values().all(|entries| entries.len() == 1));
        assert!((0..20_000).all(|n| k.check(&format!("web{n}"), 22, &key(ED)) == Verdict::Known));
        assert_eq!(k.check("10.1.79.249", 22, &key(ED2)), changed(20_000));
        assert_eq!(k.check("web20000", 22, &key(ED)), Verdict::Unknown);
    }

    #[test]
    fn a_hashed_name_is_found_out_once() {
        let mut k = known(&(0..50).map(|n| hashed(&format!("web{n}"), &[n; 20])).collect::<String>());
        assert_eq!(k.check("web7", 22, &key(ED2)), changed(8));
        assert_eq!((k.hashed.len(), k.named["web7"].as_slice()), (49, &[7][..]));
        assert_eq!(k.check("web7", 22, &key(ED)), Verdict::Known);
        assert_eq!(k.check("elsewhere", 22, &key(ED)), Verdict::Unknown);
        // What is put on record meanwhile is found too.
        k.add(
            Path::new("known_hosts"),
            &format!("{}@revoked {}", hashed("elsewhere", &[1; 20]), hashed("web7", &[2; 20])),
        );
        assert_eq!(k.check("elsewhere", 22, &key(ED)), Verdict::Known);
        assert_eq!(k.check("web7", 22, &key(ED)), Verdict::Revoked { at: "known_hosts:2".into() });
    }

    #[test]
    fn entries_hold_in_their_order_whatever_their_form() {
        let lines = [&format!("*.net {ED}\n"), &hashed("a.net", &[3; 20]), &format!("a.net {ED}\n")];
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            let mut k = known(&order.map(|n| lines[n].as_str()).concat());
            assert_eq!(k.check("a.net", 22, &key(ED2)), changed(1));
        }
    }

    #[test]
    fn authorities_are_told_apart_from_keys() {
        let mut k = known(&format!("@cert-authority *.example.net {ED}\n"));
        assert_eq!(k.check("a.example.net", 22, &key(ED)), Verdict::Unknown);
        assert_eq!(k.authorities("a.example.net", 22).len(), 1);
        assert!(k.authorities("a.example.org", 22).is_empty());
        assert!(known(&format!("@cert-authority * {ED}\n@revoked * {ED}\n")).authorities("x", 22).is_empty());
    }

    #[test]
    fn what_is_recorded_is_known() {
        let line = record("Web1", 2222, &key(ED)).unwrap();
        assert_eq!(known(&line).check("web1", 2222, &key(ED)), Verdict::Known);
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
    }

    #[test]
    fn a_certificate_holds_for_its_names_and_time_and_not_past_a_revocation() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let keygen = |args: &[&str]| {
            let made = std::process::Command::new("ssh-keygen").args(args).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        };
        keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", &path("ca")]);
        keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", &path("host")]);
        let validity = "20300101000000Z:20310101000000Z";
        keygen(&["-s", &path("ca"), "-I", "x", "-h", "-n", "*.example.net", "-V", validity, &path("host.pub")]);
        let (within, past) = (1_900_000_000, 1_990_000_000);
        let certificate = russh::keys::load_openssh_certificate(Path::new(&path("host-cert.pub"))).unwrap();
        let [ca, host] = ["ca.pub", "host.pub"].map(|n| std::fs::read_to_string(path(n)).unwrap().trim().to_owned());
        let trusted = format!("@cert-authority * {ca}\n");
        let check = |text: &str, name: &str, now| known(text).check_certificate(name, 22, &certificate, now);
        assert_eq!(check(&trusted, "a.example.net", within), Verdict::Known);
        assert_eq!(check(&trusted, "a.example.org", within), Verdict::Unknown);
        assert_eq!(check(&trusted, "a.example.net", past), Verdict::Unknown);
        assert_eq!(check("", "a.example.net", within), Verdict::Unknown);
        let revoked = Verdict::Revoked { at: "known_hosts:2".into() };
        assert_eq!(check(&format!("{trusted}@revoked * {host}\n"), "a.example.net", within), revoked);
        assert_eq!(check(&format!("{trusted}@revoked * {ca}\n"), "a.example.net", within), revoked);
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
