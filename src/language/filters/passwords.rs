//! Passwords' hashes as `/etc/shadow` has them.
//!
//! Source: "Unix crypt using SHA-256 and SHA-512", Ulrich Drepper, 2008. The numbers of rounds are those of Ansible.

use super::args::{Args, text};
use super::wrong;
use minijinja::{Error, State, Value};
use sha_crypt::{Params, sha256_crypt, sha512_crypt};

const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// A crypt without a number has so many.
const UNSAID: u32 = 5000;
const MOST: usize = 10_000_000;

/// A hash of a password. A salt is needed: a template is to come to the same text each time.
pub fn password_hash(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let kind = args.text_or("hashtype", "sha512")?;
    let (id, usual) = match kind.as_ref() {
        "sha512" => ('6', 656_000),
        "sha256" => ('5', 535_000),
        other => return Err(wrong(format!("`hashtype` is sha512 or sha256, not `{other}`"))),
    };
    let password = text(value)?;
    let Some(salt) = args.get("salt") else {
        return Err(wrong("give a `salt` that stays, or each plan finds another hash"));
    };
    let salt = text(salt)?;
    if salt.is_empty() || salt.len() > 16 || !salt.bytes().all(|b| DIGITS.contains(&b)) {
        return Err(wrong("`salt` is 1 to 16 letters, digits, dots and slashes"));
    }
    let rounds = args.number("rounds", MOST)?.map_or(usual, |n| u32::try_from(n).unwrap_or(u32::MAX));
    let params = Params::new(rounds).map_err(|_| wrong("`rounds` is 1000 at the least"))?;
    let hash = if id == '6' {
        let hash = sha512_crypt(password.as_bytes(), salt.as_bytes(), params);
        encoded(&hash, |a, b, c| (b, c, a))
    } else {
        let hash = sha256_crypt(password.as_bytes(), salt.as_bytes(), params);
        encoded(&hash, |a, b, c| (c, a, b))
    };
    let rounds = if rounds == UNSAID { String::new() } else { format!("rounds={rounds}$") };
    Ok(Value::from(format!("${id}${rounds}{salt}${hash}")))
}

/// Three bytes are four digits, the lowest first. The bytes are taken from three thirds of the hash, whose order changes from
/// one group to the next as `turn` has it; what is left over comes last.
fn encoded(hash: &[u8], turn: fn(usize, usize, usize) -> (usize, usize, usize)) -> String {
    let third = hash.len() / 3;
    let byte = |at: usize| u32::from(hash.get(at).copied().unwrap_or_default());
    let mut out = String::new();
    let mut put = |mut bits: u32, digits: usize| {
        for _ in 0..digits {
            out.push(DIGITS.get((bits & 63) as usize).copied().unwrap_or_default().into());
            bits >>= 6;
        }
    };
    let (mut a, mut b, mut c) = (0, third, 2 * third);
    for _ in 0..third {
        put(byte(a) << 16 | byte(b) << 8 | byte(c), 4);
        let (x, y, z) = turn(a, b, c);
        (a, b, c) = (x + 1, y + 1, z + 1);
    }
    match hash.len() - 3 * third {
        1 => put(byte(hash.len() - 1), 2),
        _ => put(byte(hash.len() - 1) << 8 | byte(hash.len() - 2), 3),
    }
    out
}
