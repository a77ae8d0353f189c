//! Times as text. Always UTC: what a plan says is not to depend on where it is made.

use super::args::{Args, text};
use super::wrong;
use minijinja::{Error, State, Value};
use std::fmt::Write as _;

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A format of strftime(3) for a number of seconds since 1970.
pub fn strftime(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let format = text(value)?;
    let Some(second) = args.get("second").filter(|s| !s.is_none()) else {
        return Err(wrong("give the seconds since 1970; the time that it is would be another in each plan"));
    };
    let seconds = f64::try_from(second.clone()).ok().filter(|s| s.abs() < 1e12);
    let seconds = seconds.ok_or_else(|| wrong("`second` is a number of seconds since 1970"))?.floor() as i64;
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let weekday = (days + 4).rem_euclid(7);
    let of_year = days - days_to(year) + 1;
    let name =
        |all: &[&'static str], n: i64| usize::try_from(n).ok().and_then(|n| all.get(n).copied()).unwrap_or_default();
    let short = |name: &'static str| name.get(..3).unwrap_or(name);
    let mut out = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let _ = match rest.next() {
            Some('Y') => write!(out, "{year}"),
            Some('y') => write!(out, "{:02}", year.rem_euclid(100)),
            Some('m') => write!(out, "{month:02}"),
            Some('d') => write!(out, "{day:02}"),
            Some('e') => write!(out, "{day:2}"),
            Some('H') => write!(out, "{hour:02}"),
            Some('I') => write!(out, "{:02}", (hour + 11) % 12 + 1),
            Some('M') => write!(out, "{minute:02}"),
            Some('S') => write!(out, "{second:02}"),
            Some('p') => write!(out, "{}", if hour < 12 { "AM" } else { "PM" }),
            Some('j') => write!(out, "{of_year:03}"),
            Some('a') => write!(out, "{}", short(name(&DAYS, weekday))),
            Some('A') => write!(out, "{}", name(&DAYS, weekday)),
            Some('b' | 'h') => write!(out, "{}", short(name(&MONTHS, month - 1))),
            Some('B') => write!(out, "{}", name(&MONTHS, month - 1)),
            Some('u') => write!(out, "{}", if weekday == 0 { 7 } else { weekday }),
            Some('w') => write!(out, "{weekday}"),
            Some('F') => write!(out, "{year}-{month:02}-{day:02}"),
            Some('T') => write!(out, "{hour:02}:{minute:02}:{second:02}"),
            Some('R') => write!(out, "{hour:02}:{minute:02}"),
            Some('D') => write!(out, "{month:02}/{day:02}/{:02}", year.rem_euclid(100)),
            Some('s') => write!(out, "{seconds}"),
            Some('Z') => write!(out, "UTC"),
            Some('z') => write!(out, "+0000"),
            Some('n') => writeln!(out),
            Some('t') => write!(out, "\t"),
            Some('%') => write!(out, "%"),
            other => {
                let code = other.map(String::from).unwrap_or_default();
                return Err(wrong(format!("`%{code}` is not known in a format of time")));
            }
        };
    }
    Ok(Value::from(out))
}

/// Year, month and day of so many days since 1970. Source: "chrono-compatible low-level date algorithms", Howard Hinnant.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days from 1970 to a year's first.
fn days_to(year: i64) -> i64 {
    let before = year - 1;
    let leaps = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    (year - 1970) * 365 + leaps - 477
}
