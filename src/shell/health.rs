//! Whether a host is well: checks that are run on it after its changes.

use super::frame::Nonce;
use super::quote::{word, words};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

/// A check that holds once it has held, within its tries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthCheck {
    pub asks: Asks,
    /// Tries after the first.
    pub retries: u32,
    /// Seconds between two tries.
    pub delay: u32,
    /// Seconds of one try.
    pub timeout: u32,
}

/// What is asked of the host, on the host itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Asks {
    /// A command of `sh` that is to succeed.
    Command(String),
    /// Something is to listen on this TCP port.
    Port(u16),
    /// This is to be answered with success, as `curl` or `wget` see it.
    Url(String),
}

impl fmt::Display for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "{}", command.trim_end()),
            Self::Port(port) => write!(f, "port {port}"),
            Self::Url(url) => f.write_str(url),
        }
    }
}

impl HealthCheck {
    /// The longest that it is silent.
    pub fn at_most(&self) -> Duration {
        // What does not end at its time is killed a while later.
        let one = u64::from(self.timeout) + 12;
        Duration::from_secs((u64::from(self.retries) + 1) * (one + u64::from(self.delay)))
    }
}

// proc_net_tcp: the local address as hexadecimal digits, and 0A for a socket that listens.
const FUNCTIONS: &str = r#"
listens() {
  if [ -r /proc/net/tcp ]; then
    grep -qs "^ *[0-9]*: [0-9A-F]*:$2 [0-9A-F:]* 0A " /proc/net/tcp /proc/net/tcp6 && return
  elif command -v nc >/dev/null; then
    nc -z 127.0.0.1 "$1" && return
  else
    echo 'neither /proc/net/tcp nor nc is here to tell'
    return 1
  fi
  echo "nothing listens on port $1"
  return 1
}
if timeout -k 1 5 true 2>/dev/null; then T='timeout -k 10'; elif timeout 5 true 2>/dev/null; then T=timeout; else T=; fi
"#;

const FETCH: &str = r#"if command -v curl >/dev/null; then exec curl -fsS -o /dev/null --max-time "$2" "$1"; fi
if command -v wget >/dev/null; then exec wget -q -O /dev/null -T "$2" "$1"; fi
echo 'neither curl nor wget is here'; exit 127"#;

/// The script that runs the checks in order, until one does not hold: a frame each, numbered from 0, with the status of
/// its last try and the end of what that said.
pub fn script(checks: &[HealthCheck], nonce: &Nonce) -> Vec<u8> {
    let mut out = format!("(\n{FUNCTIONS}");
    for (slot, check) in checks.iter().enumerate() {
        let seconds = check.timeout;
        let limited = |argv: &[&str]| format!("${{T:+$T {seconds}}} {}", words(argv));
        let ask = match &check.asks {
            Asks::Command(command) => limited(&["sh", "-c", command]),
            Asks::Port(port) => format!("listens {port} {}", word(&format!("{port:04X}"))),
            Asks::Url(url) => limited(&["sh", "-c", FETCH, "sh", url, &seconds.to_string()]),
        };
        let (retries, delay) = (check.retries, check.delay);
        let _ = write!(
            out,
            "b {slot}\nn=0\nwhile :; do\n\
             o=$({{ {ask} 2>&1; printf '\\n%s' $?; }} </dev/null | tail -c 4096)\n\
             f=${{o##*\"$nl\"}} o=${{o%\"$nl\"*}}\n\
             case $f in '' | *[!0-9]*) f=1 ;; esac\n\
             if [ $f = 0 ] || [ $n -ge {retries} ]; then break; fi\n\
             n=$((n + 1))\nsleep {delay}\ndone\n\
             printf %s \"$o\"\ne {slot} $f\nif [ $f != 0 ]; then exit 0; fi\n"
        );
    }
    out.push_str(")\n");
    super::script::whole(nonce, &out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::frame::{Frame, FrameParser, Limits};
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    fn check(asks: Asks, retries: u32) -> HealthCheck {
        HealthCheck { asks, retries, delay: 0, timeout: 5 }
    }

    fn run(checks: &[HealthCheck]) -> Vec<(u8, String)> {
        let nonce = Nonce::new([7; 16]);
        let mut shell = Command::new("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        shell.stdin.take().unwrap().write_all(&script(checks, &nonce)).unwrap();
        let said = shell.wait_with_output().unwrap().stdout;
        let mut frames: Vec<Frame> = vec![];
        let mut parser = FrameParser::new(&nonce, Limits::default());
        parser.push(&said, &mut frames).unwrap();
        assert!(parser.is_finished());
        frames.into_iter().map(|f| (f.status, String::from_utf8(f.body).unwrap())).collect()
    }

    #[test]
    fn the_first_check_that_does_not_hold_is_the_last() {
        let command = |text: &str| check(Asks::Command(text.into()), 0);
        let said = run(&[command("echo \"it's well\""), command("echo no >&2; exit 7"), command("true")]);
        assert_eq!(said, [(0, "it's well\n".to_owned()), (7, "no\n".to_owned())]);
    }

    #[test]
    fn a_check_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("echo x >>{0}/n; test $(wc -l <{0}/n) -ge 3", dir.path().display());
        assert_eq!(run(&[check(Asks::Command(text.clone()), 1)])[0].0, 1);
        assert_eq!(run(&[check(Asks::Command(text), 1)])[0].0, 0);
    }

    #[test]
    fn a_port_is_open_once_something_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(run(&[check(Asks::Port(port), 0)]), [(0, String::new())]);
        drop(listener);
        assert_eq!(run(&[check(Asks::Port(port), 0)]), [(1, format!("nothing listens on port {port}\n"))]);
    }

    #[test]
    fn a_url_is_fetched_or_not() {
        let said = run(&[check(Asks::Url("http://127.0.0.1:1/'$(id)".into()), 0)]);
        assert_ne!(said[0].0, 0);
    }
}
