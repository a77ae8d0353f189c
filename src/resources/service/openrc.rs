//! OpenRC: rc-service(8), rc-update(8).

use super::{Observed, OnRefresh, Provider, Unit};
use crate::shell::probe::{Answers, BadAnswer, ProbeScript, Query};

pub(super) struct Openrc;

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|w| (*w).to_owned()).collect()
}

impl Provider for Openrc {
    fn unit(&self, title: &str) -> String {
        title.strip_suffix(".service").unwrap_or(title).to_owned()
    }

    fn probe(&self, units: &[String], probe: &mut ProbeScript) {
        probe.ask(Query::OpenrcStatus, units);
    }

    fn parse(&self, units: &[String], answers: &mut Answers) -> Result<Vec<Observed>, BadAnswer> {
        let text = answers.text()?;
        let of = |unit: &String| {
            let line = text
                .lines()
                .find_map(|l| l.split('\t').collect::<Vec<_>>().try_into().ok().filter(|f: &[&str; 3]| f[0] == unit));
            let [_, status, levels] = line.ok_or_else(|| BadAnswer(format!("OpenRC does not speak of {unit}")))?;
            Ok(match status {
                "none" => Observed::Absent,
                status => Observed::Unit(Unit {
                    running: status == "0",
                    word: match status {
                        "0" => "started",
                        "32" => "crashed",
                        _ => "stopped",
                    }
                    .into(),
                    enabled: Some(!levels.trim().is_empty()),
                    masked: false,
                    stale: false,
                }),
            })
        };
        units.iter().map(of).collect()
    }

    fn can_mask(&self) -> bool {
        false
    }

    fn reload_files(&self) -> Option<Vec<String>> {
        None
    }

    fn start(&self, unit: &str) -> Vec<String> {
        words(&["rc-service", unit, "start"])
    }

    fn stop(&self, unit: &str) -> Vec<String> {
        words(&["rc-service", unit, "stop"])
    }

    fn enable(&self, unit: &str) -> Vec<String> {
        words(&["rc-update", "add", unit, "default"])
    }

    fn disable(&self, unit: &str) -> Vec<String> {
        words(&["rc-update", "del", unit])
    }

    fn mask(&self, unit: &str) -> Vec<String> {
        self.disable(unit)
    }

    fn unmask(&self, unit: &str) -> Vec<String> {
        self.enable(unit)
    }

    fn refresh(&self, unit: &str, how: OnRefresh) -> Vec<String> {
        words(&["rc-service", unit, if how == OnRefresh::Reload { "reload" } else { "restart" }])
    }

    fn is_there(&self) -> &'static str {
        "[ -e \"/etc/init.d/$0\" ]"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::frame::Frame;

    #[test]
    fn each_service_has_a_line() {
        let text = "nginx\t0\t default\nsshd\t3\t\ngone\tnone\t\n";
        let frame = Frame { slot: 0, status: 0, body: text.as_bytes().to_vec() };
        let units = ["nginx", "sshd", "gone"].map(str::to_owned);
        let seen = Openrc.parse(&units, &mut Answers::new(vec![frame], 0, 1)).unwrap();
        assert!(matches!(&seen[0], Observed::Unit(u) if u.running && u.enabled == Some(true)));
        assert!(matches!(&seen[1], Observed::Unit(u) if !u.running && u.enabled == Some(false)));
        assert_eq!(seen[2], Observed::Absent);
    }
}
