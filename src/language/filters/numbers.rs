//! Numbers, and what is chosen by them. What is random has a seed: a template is to come to the same text each time.

use super::args::{Args, is_list, items};
use super::encoding::leading;
use super::wrong;
use minijinja::{Error, State, Value};
use sha2::{Digest, Sha256};

fn number(value: &Value) -> Result<f64, Error> {
    f64::try_from(value.clone()).map_err(|_| wrong("a number is wanted"))
}

fn finite(number: f64) -> Result<Value, Error> {
    if number.is_finite() { Ok(Value::from(number)) } else { Err(wrong("this comes to no number")) }
}

/// The logarithm, by default the natural one.
pub fn log(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let x = number(value)?;
    finite(match args.get("base").map(number).transpose()? {
        None => x.ln(),
        Some(10.0) => x.log10(),
        Some(2.0) => x.log2(),
        Some(base) => x.log(base),
    })
}

pub fn pow(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    finite(number(value)?.powf(number(args.required("exponent")?)?))
}

/// The root, by default the square root.
pub fn root(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let x = number(value)?;
    finite(match args.get("base").map(number).transpose()? {
        None | Some(2.0) => x.sqrt(),
        Some(3.0) => x.cbrt(),
        Some(base) => x.powf(1.0 / base),
    })
}

pub fn filesizeformat(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let binary = args.flag("binary", false)?;
    Ok(Value::from(minijinja_contrib::filters::filesizeformat(number(value)?, Some(binary))))
}

/// Numbers that follow from a seed, the same on each machine.
struct Random {
    seed: Vec<u8>,
    drawn: u64,
}

impl Random {
    fn new(args: &Args) -> Result<Self, Error> {
        match args.get("seed") {
            Some(seed) if !seed.is_none() => Ok(Self { seed: seed.to_string().into_bytes(), drawn: 0 }),
            _ => Err(wrong("give a `seed`, such as `seed=inventory_hostname`, or each plan finds another value")),
        }
    }

    /// Below `end`, which is not 0.
    fn below(&mut self, end: u64) -> u64 {
        let digest = Sha256::new().chain_update(self.drawn.to_be_bytes()).chain_update(&self.seed).finalize();
        self.drawn += 1;
        u64::try_from(leading(&digest) % u128::from(end.max(1))).unwrap_or_default()
    }
}

/// An item of a list, or a number from `start` to below the value in steps.
pub fn random(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let mut random = Random::new(args)?;
    if is_list(value) {
        let all = items(state, value)?;
        let at = random.below(all.len() as u64);
        return all.get(at as usize).cloned().ok_or_else(|| wrong("the list is empty"));
    }
    if let Some(text) = value.as_str() {
        let all: Vec<char> = text.chars().collect();
        let at = random.below(all.len() as u64);
        return all.get(at as usize).map(|c| Value::from(c.to_string())).ok_or_else(|| wrong("the text is empty"));
    }
    let whole =
        |value: &Value| value.as_i64().filter(|_| value.is_integer()).ok_or_else(|| wrong("a whole number is wanted"));
    let (end, start) = (whole(value)?, args.get("start").map(whole).transpose()?.unwrap_or_default());
    let step = args.get("step").map(whole).transpose()?.unwrap_or(1);
    let span = end.checked_sub(start).filter(|s| *s > 0 && step > 0);
    let span = span.ok_or_else(|| wrong("`start` is below the value, and `step` above 0"))?;
    let count = (span as u64).div_ceil(step as u64);
    Ok(Value::from(start + random.below(count) as i64 * step))
}

/// The list in another order.
pub fn shuffle(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let mut random = Random::new(args)?;
    let mut all = items(state, value)?;
    for n in (1..all.len()).rev() {
        all.swap(n, random.below(n as u64 + 1) as usize);
    }
    Ok(Value::from(all))
}

/// Whether a number is none.
pub fn is_nan(_: &State, value: &Value, _: &Args) -> Result<Value, Error> {
    Ok(Value::from(number(value)?.is_nan()))
}
