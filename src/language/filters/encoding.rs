//! Base64 and digests.

use super::args::{Args, text};
use super::wrong;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use minijinja::{Error, State, Value};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

enum Encoding {
    Utf8,
    Utf16Le,
}

fn encoding(args: &Args) -> Result<Encoding, Error> {
    let name = args.text_or("encoding", "utf-8")?.to_ascii_lowercase().replace('_', "-");
    match name.as_str() {
        "utf-8" | "utf8" => Ok(Encoding::Utf8),
        "utf-16-le" | "utf-16le" => Ok(Encoding::Utf16Le),
        other => Err(wrong(format!("`encoding` is utf-8 or utf-16-le, not `{other}`"))),
    }
}

fn bytes(value: &Value, encoding: Encoding) -> Result<Vec<u8>, Error> {
    if let Some(bytes) = value.as_bytes().filter(|_| value.as_str().is_none()) {
        return Ok(bytes.to_vec());
    }
    let text = text(value)?;
    Ok(match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    })
}

pub fn b64encode(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    Ok(Value::from(STANDARD.encode(bytes(value, encoding(args)?)?)))
}

pub fn b64decode(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let encoded: String = text(value)?.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(encoded).map_err(|error| wrong(format!("this is no base64: {error}")))?;
    let text = match encoding(args)? {
        Encoding::Utf8 => String::from_utf8(bytes).ok(),
        Encoding::Utf16Le => {
            let (units, rest) = bytes.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|u| u16::from_le_bytes(*u)).collect();
            String::from_utf16(&units).ok().filter(|_| rest.is_empty())
        }
    };
    text.map(Value::from).ok_or_else(|| wrong("what was encoded is not text of this encoding"))
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// A digest in hexadecimal. The default is Ansible's, for names and the like; for anything that must withstand an
/// attacker there is sha256.
pub fn hash(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let bytes = bytes(value, Encoding::Utf8)?;
    state.consume_fuel(bytes.len() as u64 / 64)?;
    Ok(Value::from(match args.text_or("hashtype", "sha1")?.as_ref() {
        "md5" => hex(Md5::digest(&bytes)),
        "sha1" => hex(Sha1::digest(&bytes)),
        "sha224" => hex(Sha224::digest(&bytes)),
        "sha256" => hex(Sha256::digest(&bytes)),
        "sha384" => hex(Sha384::digest(&bytes)),
        "sha512" => hex(Sha512::digest(&bytes)),
        other => {
            return Err(wrong(format!("`hashtype` is md5, sha1, sha224, sha256, sha384 or sha512, not `{other}`")));
        }
    }))
}

/// A digest's first 16 bytes as a number.
pub fn leading(digest: &[u8]) -> u128 {
    digest.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

/// For what others have named by it: it withstands nobody.
pub fn md5(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    Ok(Value::from(hex(Md5::digest(bytes(value, Encoding::Utf8)?))))
}

/// The namespace of Ansible's own identifiers.
const NAMESPACE: &str = "361e6d51-faec-444a-9079-341386da8e2e";

/// A name as a version 5 UUID, RFC 9562.
pub fn to_uuid(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let namespace: String = args.text_or("namespace", NAMESPACE)?.chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&namespace, 16).ok().filter(|_| namespace.len() == 32);
    let number = number.ok_or_else(|| wrong("`namespace` is no UUID"))?;
    let digest = Sha1::new().chain_update(number.to_be_bytes()).chain_update(bytes(value, Encoding::Utf8)?).finalize();
    let uuid = leading(&digest) & !(0xf << 76) & !(0x3 << 62) | 5 << 76 | 2 << 62;
    let text = format!("{uuid:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| text.get(range).unwrap_or_default());
    Ok(Value::from(parts.join("-")))
}
