//! Base64 and digests.

use super::args::{Args, text};
use super::wrong;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
        "sha1" => hex(Sha1::digest(&bytes)),
        "sha224" => hex(Sha224::digest(&bytes)),
        "sha256" => hex(Sha256::digest(&bytes)),
        "sha384" => hex(Sha384::digest(&bytes)),
        "sha512" => hex(Sha512::digest(&bytes)),
        other => return Err(wrong(format!("`hashtype` is sha1, sha224, sha256, sha384 or sha512, not `{other}`"))),
    }))
}
