//! One step as the text of a subshell.

use super::{Act, ApplyPlan, ApplyStep, inline};
use crate::model::body::{Body, Digest};
use crate::shell::protected::{self, Way};
use crate::shell::quote::{printf_format, word, words};
use crate::shell::steps::{Attributes, Command, Step};
use std::fmt::Write as _;
use std::time::Duration;

/// Bytes of contents in one `printf`. Escaped it is four times as long at most.
const PIECE: usize = 8 * 1024;

pub(super) fn deadline(act: &Act) -> Option<Duration> {
    match act {
        Act::Step(Step::Run(command)) => command.deadline,
        _ => None,
    }
}

/// Whole seconds, one at the least.
pub(super) fn seconds(deadline: Duration) -> u64 {
    (deadline.as_secs() + u64::from(deadline.subsec_nanos() > 0)).max(1)
}

/// What is asked before it begins, where it may be needless by then; else nothing.
pub(super) fn needed(act: &Act, step_deadline: Duration) -> String {
    let Act::Step(Step::Run(Command { guards, cwd, user, .. })) = act else { return String::new() };
    if guards.is_none() {
        return String::new();
    }
    let given = [user, cwd, &guards.creates, &guards.unless, &guards.onlyif];
    let given = given.map(|text| text.clone().unwrap_or_default());
    format!("needed {} {}", seconds(step_deadline), words(given))
}

/// Lines of `sh` that end with the step's status.
pub(super) fn text(plan: &ApplyPlan, step: &ApplyStep) -> String {
    if let Err(why) = sound(&step.act) {
        return format!("refuse {}\n", word(&why));
    }
    let slot = step.slot;
    let mut out = String::new();
    if let Some((directory, name)) = path(&step.act).map(split) {
        let there = format!("[ -d {} ]", word(&format!("{directory}/")));
        let kept =
            |what: &str| if step.keep { format!("printf '' >\"$r/kept/{slot}.{what}\"; ") } else { String::new() };
        match &step.act {
            // Nothing is below what is not there.
            Act::Step(Step::Remove { .. }) => {
                let _ = writeln!(out, "if ! {there}; then {}exit 0; fi", kept("absent"));
            }
            Act::Restore { run, slot: of, .. } => {
                let of = format!("$s/runs/{run}/kept/{of}");
                let _ = writeln!(
                    out,
                    "if [ -e \"{of}.untouched\" ] || {{ [ -e \"{of}.absent\" ] && ! {there}; }}; then {}exit 0; fi",
                    kept("untouched")
                );
            }
            _ => {}
        }
        let directory = word(if directory.is_empty() { "/" } else { directory });
        let _ = writeln!(out, "at {directory} {} || {{ {}exit 1; }}", word(name), kept("untouched"));
    }
    if step.keep {
        match &step.act {
            Act::Step(Step::SetAttributes { recurse, .. }) => {
                let _ = writeln!(out, "keep_attributes {slot} {} || exit", if *recurse { "all" } else { "''" });
            }
            Act::Step(Step::MakeDirectory { .. }) => {
                let _ = writeln!(out, "keep_made {slot} || exit");
            }
            act if path(act).is_some() => {
                let _ = writeln!(out, "keep {slot} || exit");
            }
            _ => {}
        }
    }
    if let Some(before) = before(&step.act) {
        let _ = writeln!(out, "{} >\"$r/kept/{slot}\" || exit", words(before));
    }
    let beside = path(&step.act).map(|path| beside(path, plan, slot));
    let temporary = beside.as_deref().map(|b| word(split(b).1)).unwrap_or_default();
    if let Some(beside) = beside.filter(|_| replaced(&step.act)) {
        let _ = writeln!(out, "beside {slot} {}", word(&beside));
    }
    let _ = writeln!(out, "write_ahead {slot}");
    // Of what came since then an undo is to take back nothing.
    let after = before(&step.act).map(|before| {
        format!("z=$?\n{{ echo after; {}; }} >>\"$r/kept/{slot}\" 2>/dev/null\nexit \"$z\"\n", words(before))
    });
    let limit = seconds(deadline(&step.act).unwrap_or(plan.step_deadline));
    let _ = match &step.act {
        Act::Step(Step::Run(command)) => write!(out, "{}", run(command, limit)),
        Act::Step(Step::ReplaceFile { path, body, attributes, validate, fresh }) => {
            let umask = umask(attributes, body).unwrap_or_default();
            let _ = writeln!(out, "candidate {temporary} {umask}");
            if !inline(body) && used_once(plan, body) {
                let _ = writeln!(out, "adopt {} || exit", body.digest.as_str());
            } else {
                let full = "refuse 'the new contents could not be written beside it: is its file system full?' || exit";
                let _ = writeln!(out, "{{ {}; }} >&9 || {full}", contents(body));
            }
            if !inline(body) {
                out.push_str("stamp=$(stat -c %y -- \"$t\")\n");
            }
            let _ = writeln!(out, "complete {} {}", attribute_words(attributes), body.digest.as_str());
            if let Some(command) = validate {
                let name = word(split(path).1);
                let _ = writeln!(out, "check {limit} {name} {} || exit", words(command.split("%s")));
            }
            let _ = writeln!(out, "commit{}", if *fresh { " fresh" } else { "" });
            if !inline(body) {
                let _ = writeln!(out, "remember {}", body.digest.as_str());
            }
            Ok(())
        }
        Act::Step(Step::MakeDirectory { attributes, .. }) => {
            writeln!(out, "make_directory {}", attribute_words(attributes))
        }
        Act::Step(Step::SetAttributes { attributes, recurse: false, .. }) => {
            writeln!(out, "attribute_one \"$p\" {}", attribute_words(attributes))
        }
        Act::Step(Step::SetAttributes { attributes, recurse: true, .. }) => {
            // A set-ID bit is for directories.
            let of_files = |mask: u32| attributes.mode.map_or("''".to_owned(), |m| format!("{:05o}", m & mask));
            writeln!(out, "attribute_all {} {} {}", attribute_words(attributes), of_files(0o777), of_files(0o666))
        }
        Act::Step(Step::Symlink { target, .. }) => {
            writeln!(out, "stand {temporary} && link {}", word(target))
        }
        Act::Step(Step::Remove { recurse: false, .. }) => writeln!(out, "remove_one"),
        Act::Step(Step::Remove { recurse: true, .. }) => {
            writeln!(out, "if mounted \"$real\"; then exit 1; fi\nremove_all \"$p\"")
        }
        Act::RunOn { run, slot: of, argv, .. } => {
            writeln!(out, "limited {limit} {} <\"$s/runs/{run}/kept/{of}\"", words(argv))
        }
        Act::Restore { run, slot: of, .. } => writeln!(out, "restore {run} {of} {temporary}"),
    };
    out + &after.unwrap_or_default()
}

/// Finds out whether this shell's `printf` writes exactly what it is given, every byte there is. If there is one file
/// alone, it is as well to hash that.
pub(super) fn exact(plan: &ApplyPlan) -> String {
    let inlined = plan.steps.iter().filter_map(|s| super::body(&s.act)).filter(|body| inline(body));
    if inlined.count() < 2 {
        return "exact=\n".to_owned();
    }
    let all: Vec<u8> = (0..=255).chain(b"%s\\n%%-'".iter().copied()).collect();
    let sum = Digest::of(&all);
    format!("exact=\ncase $({{ {}; }} | sha256sum) in {}*) exact=1 ;; esac\n", prints(&all), sum.as_str())
}

/// For each step what goes before it: of files that follow one another in a directory, the first has it looked at for all
/// of them. Nothing else that may come between leaves it as it was for sure.
pub(super) fn sure(plan: &ApplyPlan) -> Vec<String> {
    const FEW: usize = 3;
    const MANY: usize = 200;
    let directory = |step: &ApplyStep| match &step.act {
        Act::Step(Step::ReplaceFile { path, validate: None, .. }) if !path.contains('\n') => {
            Some(split(path).0.to_owned()).filter(|directory| !directory.is_empty())
        }
        _ => None,
    };
    let mut out = vec![];
    let mut last_is_sure = false;
    for run in plan.steps.chunk_by(|a, b| directory(a).is_some() && directory(a) == directory(b)) {
        for run in run.chunks(MANY) {
            let sure = run.first().and_then(directory).filter(|_| run.len() >= FEW);
            out.push(match &sure {
                Some(directory) => {
                    let paths =
                        run.iter().filter_map(|s| Some(format!("{} {}", s.slot, beside(path(&s.act)?, plan, s.slot))));
                    format!("be_sure {} {}\n", word(directory), words(paths))
                }
                None if last_is_sure => "sure= listless=\n".to_owned(),
                None => String::new(),
            });
            last_is_sure = sure.is_some();
            out.extend(run.iter().skip(1).map(|_| String::new()));
        }
    }
    out
}

/// The umask that makes a new file with this mode: nothing of it is to be secret, or to be run.
fn umask(attributes: &Attributes, body: &Body) -> Option<String> {
    let mode = attributes.mode.unwrap_or(0o644);
    (!body.secret && mode & !0o666 == 0).then(|| format!("{:03o}", 0o666 & !mode))
}

/// The directory that it is in, and its name there.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// What is run first, to be kept.
fn before(act: &Act) -> Option<&[String]> {
    match act {
        Act::Step(Step::Run(command)) => command.before.as_deref(),
        Act::RunOn { before, .. } => Some(before),
        _ => None,
    }
}

fn path(act: &Act) -> Option<&str> {
    match act {
        Act::Step(step) => step.path(),
        Act::RunOn { .. } => None,
        Act::Restore { path, .. } => Some(path),
    }
}

/// Whether something takes the path's name that is made beside it, and can be on record: below a name with a line break
/// it stays if this run dies, as a hidden file.
fn replaced(act: &Act) -> bool {
    match act {
        Act::Step(Step::ReplaceFile { path, .. } | Step::Symlink { path, .. }) | Act::Restore { path, .. } => {
            !path.contains('\n')
        }
        _ => false,
    }
}

/// What a type's own checks let through all the same must not reach a host.
fn sound(act: &Act) -> Result<(), String> {
    if let Some(path) = path(act) {
        let parts: Vec<_> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
        if !path.starts_with('/') || path.ends_with('/') || parts.is_empty() || parts.contains(&"..") {
            return Err(format!("{} is no path that is changed", path.escape_debug()));
        }
        let way = match act {
            Act::Step(Step::Remove { recurse: true, .. }) => Some(Way::RemoveAll),
            Act::Step(Step::Remove { .. }) => Some(Way::Remove),
            Act::Step(Step::ReplaceFile { .. } | Step::Symlink { .. }) => Some(Way::Replace),
            Act::Step(Step::SetAttributes { recurse: true, .. }) => Some(Way::ChangeAll),
            _ => None,
        };
        if let Some(why) = way.and_then(|way| protected::refused(path, way)) {
            return Err(why);
        }
    }
    let nul = |text: &str| text.contains('\0');
    let of = |a: &Attributes| [&a.owner, &a.group].into_iter().flatten().any(|t| nul(t));
    let holds = path(act).is_some_and(nul)
        || match act {
            Act::Step(Step::Run(c)) => {
                c.argv.iter().any(|a| nul(a))
                    || c.env.iter().any(|(k, v)| nul(k) || nul(v))
                    || [&c.cwd, &c.user, &c.guards.creates, &c.guards.unless, &c.guards.onlyif]
                        .into_iter()
                        .flatten()
                        .any(|t| nul(t))
            }
            Act::Step(Step::ReplaceFile { attributes, validate, .. }) => {
                of(attributes) || validate.as_deref().is_some_and(nul)
            }
            Act::Step(Step::MakeDirectory { attributes, .. } | Step::SetAttributes { attributes, .. }) => {
                of(attributes)
            }
            Act::Step(Step::Symlink { target, .. }) => nul(target) || target.is_empty(),
            Act::RunOn { argv, before, .. } => argv.iter().chain(before).any(|a| nul(a)),
            Act::Step(Step::Remove { .. }) | Act::Restore { .. } => false,
        };
    match act {
        _ if holds => Err("it holds a NUL, which no program takes".into()),
        Act::Step(Step::Run(c)) if c.argv.is_empty() => Err("there is no program to run".into()),
        Act::Step(Step::Run(c)) if c.env.iter().any(|(k, _)| k.is_empty() || k.contains('=')) => {
            Err("an environment variable has a name that cannot be".into())
        }
        _ => Ok(()),
    }
}

/// A name in the same directory, which only this step has.
fn beside(path: &str, plan: &ApplyPlan, slot: u32) -> String {
    let (parent, name) = split(path);
    // A name has 255 bytes at most.
    let mut end = name.len().min(120);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{parent}/.{}.{}-{slot}.trueup", &name[..end], plan.run)
}

/// Owner, group and mode as three words. Five digits: with four, coreutils leaves a directory's set-id bits.
fn attribute_words(attributes: &Attributes) -> String {
    let text = |t: &Option<String>| word(t.as_deref().unwrap_or_default());
    let mode = attributes.mode.map_or("''".to_owned(), |m| format!("{m:05o}"));
    format!("{} {} {mode}", text(&attributes.owner), text(&attributes.group))
}

/// Whether contents that came ahead may be moved to where they belong, for no other step needs them.
fn used_once(plan: &ApplyPlan, body: &Body) -> bool {
    let used = plan.steps.iter().filter_map(|s| super::body(&s.act));
    used.filter(|b| b.digest == body.digest).count() == 1
}

/// Commands that print a body.
fn contents(body: &Body) -> String {
    match body.held_bytes() {
        Some([]) => ":".to_owned(),
        Some(bytes) if inline(body) => prints(bytes),
        _ => format!("cat -- \"$s/incoming/${{r##*/}}.{}\"", body.digest.as_str()),
    }
}

/// Commands that print some bytes, at least one.
pub(super) fn prints(bytes: &[u8]) -> String {
    let pieces: Vec<_> = bytes.chunks(PIECE).map(|p| format!("printf {}", printf_format(p))).collect();
    if pieces.is_empty() { ":".to_owned() } else { pieces.join(" && ") }
}

fn run(command: &Command, limit: u64) -> String {
    // Always by a program that looks it up: a name alone might be one of the shell's own words or functions.
    let mut call = vec!["env".to_owned(), "--".to_owned()];
    call.extend(command.env.iter().map(|(name, value)| format!("{name}={value}")));
    if command.argv.first().is_some_and(|program| program.contains('=')) {
        call.extend(["sh", "-c", "exec \"$0\" \"$@\""].map(str::to_owned));
    }
    call.extend(command.argv.iter().cloned());
    let cd = command.cwd.as_ref().map_or(String::new(), |d| format!("cd -- {} && ", word(d)));
    let runs = match &command.user {
        Some(user) => format!("as {limit} {} {}", word(user), word(&format!("{cd}exec {}", words(&call)))),
        None => format!("{cd}limited {limit} {}", words(&call)),
    };
    match &command.stdin {
        Some(body) if inline(body) => format!("{{ {}; }} | {{ {runs}; }}\n", contents(body)),
        Some(body) => {
            let digest = body.digest.as_str();
            format!(
                "whole \"$s/incoming/${{r##*/}}.{digest}\" {digest} large || exit\n{{ {runs}; }} <\"$s/incoming/${{r##*/}}.{digest}\"\n"
            )
        }
        None => format!("{runs}\n"),
    }
}
