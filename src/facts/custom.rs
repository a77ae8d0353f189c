//! Custom facts: what the host's own executables and JSON files in `/etc/trueup/facts.d` say.

use crate::shell::facts::{CUSTOM_SIZE, FIRST_CUSTOM, PAST_CUSTOM};
use crate::shell::frame::Frame;
use serde_json::{Map, Value};

/// The facts by file name without its extensions, and what is wrong with the others.
pub(super) fn custom(frames: &[Frame]) -> (Map<String, Value>, Vec<String>) {
    let (mut facts, mut wrong) = (Map::new(), vec![]);
    for frame in frames.iter().filter(|f| (FIRST_CUSTOM..=PAST_CUSTOM).contains(&f.slot)) {
        if frame.slot == PAST_CUSTOM {
            let most = PAST_CUSTOM - FIRST_CUSTOM;
            wrong.push(format!("there are more than {most} custom facts; the others are left out"));
            break;
        }
        let body = String::from_utf8_lossy(&frame.body);
        let (file, answer) = body.split_once('\n').unwrap_or((&body, ""));
        let name = file.split('.').next().filter(|n| !n.is_empty()).unwrap_or(file);
        let result = match value(answer) {
            Ok(_) if facts.contains_key(name) => Err("has the name of another one".to_owned()),
            result => result,
        };
        match result {
            Ok(value) => {
                facts.insert(name.to_owned(), value);
            }
            Err(why) => wrong.push(format!("the custom fact {} {why}", file.escape_debug())),
        }
    }
    // An object has no order, and some languages print another one each time.
    facts.sort_keys();
    facts.values_mut().for_each(Value::sort_all_objects);
    (facts, wrong)
}

fn value(answer: &str) -> Result<Value, String> {
    let ended = answer.rsplit_once('\n').and_then(|(json, status)| Some((json, status.trim().parse::<u8>().ok()?)));
    match ended {
        Some((json, _)) if json.len() > CUSTOM_SIZE => Err("is longer than 64 KiB".into()),
        None if answer.len() >= CUSTOM_SIZE => Err("is longer than 64 KiB".into()),
        None => Err("did not come to an end".into()),
        Some((json, 0)) => serde_json::from_str(json).map_err(|error| format!("is no JSON: {error}")),
        // `timeout` says 124; busybox's lets its signal's number be seen.
        Some((_, 124 | 143)) => Err("took longer than 10 s".into()),
        Some((_, status)) => Err(format!("failed with exit status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bodies: &[&str]) -> (Map<String, Value>, Vec<String>) {
        let frame = |(slot, body): (u32, &&str)| Frame { slot, status: 0, body: body.as_bytes().to_vec() };
        custom(&(FIRST_CUSTOM..).zip(bodies).map(frame).collect::<Vec<_>>())
    }

    #[test]
    fn sound_facts_are_taken_and_the_others_named() {
        let long = format!("long\n\"{}", "x".repeat(70_000));
        let (facts, wrong) = told(&[
            "site.json\n{\"rack\": 4, \"at\": [{\"y\": 1, \"x\": 2}]}\n\n0",
            "site.sh\n1\n0",
            "role\n\"db\"\n0",
            "no.json\nnot json\n0",
            "bad\n{}\n3",
            "slow\n\n124",
            "cut",
            &long,
            "\u{1b}[2J.json\n\n0",
        ]);
        assert_eq!(serde_json::to_string(&facts).unwrap(), r#"{"role":"db","site":{"at":[{"x":2,"y":1}],"rack":4}}"#);
        assert_eq!(
            wrong,
            [
                "the custom fact site.sh has the name of another one",
                "the custom fact no.json is no JSON: expected ident at line 1 column 2",
                "the custom fact bad failed with exit status 3",
                "the custom fact slow took longer than 10 s",
                "the custom fact cut did not come to an end",
                "the custom fact long is longer than 64 KiB",
                "the custom fact \\u{1b}[2J.json is no JSON: EOF while parsing a value at line 1 column 0",
            ]
        );
    }

    #[test]
    fn more_than_can_be_told_are_not_left_out_in_silence() {
        let frame = Frame { slot: PAST_CUSTOM, status: 0, body: vec![] };
        assert_eq!(custom(&[frame]).1, ["there are more than 128 custom facts; the others are left out"]);
    }
}
