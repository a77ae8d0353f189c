//! The pure core without a host: catalogs of a fleet, one very large catalog, and the plan of it.
//!
//! `cargo bench --bench core` prints criterion's figures, and then how each grows with its size: the exponent of a
//! straight line through the logarithms, 1 where twice the work takes twice the time.

use criterion::{BenchmarkId, Criterion, Throughput};
use rayon::prelude::*;
use std::hint::black_box;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use trueup::catalog::{Catalog, Selection};
use trueup::facts::Facts;
use trueup::language::diagnostic::Diagnostics;
use trueup::manifest::evaluate::{HostInput, compile};
use trueup::manifest::project::{self, Project};
use trueup::model::span::Sources;
use trueup::plan::past::Past;
use trueup::plan::{diff, probe};
use trueup::resources::types::TYPES;
use trueup::shell::frame::{Frame, FrameParser, Limits, Nonce};

const CATALOGS: [usize; 4] = [1_250, 2_500, 5_000, 10_000];
const RESOURCES: [usize; 4] = [2_500, 5_000, 10_000, 20_000];
const LINES: [usize; 4] = [12_500, 25_000, 50_000, 100_000];
/// As much as comes from a connection at once.
const CHUNK: usize = 32 * 1024;

/// 40 resources a host: loops, conditions, variables, a template.
const FLEET: &str = r#"
- hosts: all
  vars:
    port: "{{ 8000 + facts.cpus }}"
    names: [anna, bo, cai, dee, eli]
    title: "{{ inventory_hostname }} on {{ port }}"
  resources:
    - package: "{{ item }}"
      for_each: [nginx, curl, vim, git, rsync]
    - user: "{{ item }}"
      groups: [staff]
      for_each: "{{ names }}"
    - directory: "/srv/{{ item }}"
      owner: "{{ item }}"
      for_each: "{{ names }}"
    - file: "/srv/{{ item }}/profile"
      content: "{{ item | upper }} of {{ title }}\n"
      owner: "{{ item }}"
      mode: "0640"
      for_each: "{{ names }}"
    - file: "/etc/app/{{ item }}.conf"
      template: app.conf.j2
      when: facts.os.family == "debian"
      notify: service[app]
      for_each: "{{ range(15) }}"
    - sysctl: "net.ipv4.conf.eth{{ item }}.rp_filter"
      value: 1
      for_each: "{{ range(4) }}"
    - service: app
      state: running
"#;

const TEMPLATE: &str =
    "listen {{ port }}\nname {{ inventory_hostname }}\n{% for n in names %}user {{ n }}\n{% endfor %}part {{ item }}\n";

/// Files that each come after three others, the first of which all come after: 3 edges a resource.
fn large(resources: usize) -> String {
    let mut text = String::from("- hosts: all\n  resources:\n");
    for n in 0..resources {
        text.push_str(&format!("    - file: /trueup-bench-{n}\n      state: absent\n"));
        let after: Vec<String> = [1, 7, n]
            .iter()
            .filter(|d| (1..=n).contains(*d))
            .map(|d| format!("\"file[/trueup-bench-{}]\"", n - d))
            .collect();
        if !after.is_empty() {
            text.push_str(&format!("      require: [{}]\n", after.join(", ")));
        }
    }
    text
}

fn load(site: &str) -> Project {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("templates")).expect("a folder");
    std::fs::write(dir.path().join("site.yml"), site).expect("written");
    std::fs::write(dir.path().join("templates/app.conf.j2"), TEMPLATE).expect("written");
    let types: Vec<_> = TYPES.iter().map(|t| t.name()).collect();
    let loaded = project::load(
        &dir.path().join("site.yml"),
        vec![],
        &types,
        Arc::default(),
        Sources::default(),
        Diagnostics::default(),
    );
    loaded.unwrap_or_else(|e| panic!("{}", told(&e.found, &e.sources)))
}

fn told(found: &Diagnostics, sources: &Sources) -> String {
    found.iter().map(|d| d.render(sources, false)).collect::<Vec<_>>().join("\n")
}

fn catalog(project: &Project, name: &str) -> Catalog {
    let host = HostInput {
        name,
        group_names: &["web".to_owned()],
        vars: vec![],
        groups: &minijinja::Value::from_pairs([("web", vec![name.to_owned()])]),
        plays: project.plays.iter().collect(),
    };
    let made = compile(project, &host, Facts::sample(), &Selection::default());
    made.unwrap_or_else(|found| panic!("{}", told(&found, &project.templates.sources)))
}

/// Catalogs of so many hosts; each is let go as soon as it is made, as a probe's script is all that stays of it.
fn catalogs(project: &Project, hosts: usize) -> usize {
    (0..hosts).into_par_iter().map(|n| catalog(project, &format!("web{n}")).resources.len()).sum()
}

/// A real shell's answers to a catalog's probe.
fn answers(catalog: &Catalog) -> Vec<Frame> {
    let nonce = Nonce::new([7; 16]);
    let text = probe::all_and_kept(catalog).script.into_text(&nonce);
    let mut child = Command::new("sh").arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
    let mut stdin = child.stdin.take().expect("its input");
    let writer = std::thread::spawn(move || stdin.write_all(&text));
    let out = child.wait_with_output().expect("its output").stdout;
    writer.join().expect("no panic").expect("written");
    let mut frames: Vec<Frame> = vec![];
    FrameParser::new(&nonce, Limits::default()).push(&out, &mut frames).expect("frames");
    frames
}

fn changes(catalog: &Catalog, frames: &[Frame]) -> usize {
    let probe = probe::all_and_kept(catalog);
    let seen = probe::observe(catalog, &probe, frames.to_vec(), 0);
    let plan = diff::plan(catalog, &seen, vec![], &Past::default());
    assert!(plan.unjudged.is_empty() && plan.blocked.is_empty());
    plan.changes.len()
}

/// A file of so many lines, each made by an expression.
fn lines(count: usize) -> String {
    format!(
        "- hosts: all\n  resources:\n    - file: /etc/large\n      content: \"{{% for n in range({count}) %}}port {{{{ n + facts.cpus }}}}\\n{{% endfor %}}\"\n"
    )
}

/// What a host answers to a probe of so many files, in one frame, as it comes from a connection.
fn parsed(output: &[u8], nonce: &Nonce) -> usize {
    let mut parser = FrameParser::new(nonce, Limits::default());
    let mut frames: Vec<Frame> = vec![];
    for chunk in output.chunks(CHUNK) {
        parser.push(chunk, &mut frames).expect("frames");
    }
    frames.iter().map(|f| f.body.len()).sum()
}

fn best(mut work: impl FnMut()) -> Duration {
    let once = |work: &mut dyn FnMut()| {
        let begun = Instant::now();
        work();
        begun.elapsed()
    };
    (0..3).map(|_| once(&mut work)).min().unwrap_or_default()
}

/// The slope of a straight line through the logarithms of sizes and times.
fn exponent(points: &[(usize, Duration)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(n, t)| ((*n as f64).ln(), t.as_secs_f64().ln())).collect();
    let mean = |f: fn(&(f64, f64)) -> f64| logs.iter().map(f).sum::<f64>() / logs.len() as f64;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let over: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    over / logs.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

fn row(what: &str, points: &[(usize, Duration)]) {
    let times: Vec<String> = points.iter().map(|(n, t)| format!("{n}: {:.0} ms", t.as_secs_f64() * 1e3)).collect();
    println!("| {what} | {} | {:.2} |", times.join(", "), exponent(points));
}

fn main() {
    let fleet = load(FLEET);
    assert_eq!(catalog(&fleet, "web1").resources.len(), 40);
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let mut group = criterion.benchmark_group("catalogs of 40 resources");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("1000 hosts", |b| b.iter(|| black_box(catalogs(&fleet, 1_000))));
    group.finish();
    let mut group = criterion.benchmark_group("one catalog");
    for n in [2_500, 5_000] {
        let project = load(&large(n));
        let made = catalog(&project, "web1");
        let frames = answers(&made);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_with_input(BenchmarkId::new("compile", n), &n, |b, _| b.iter(|| catalog(&project, "web1")));
        group.bench_with_input(BenchmarkId::new("plan in line", n), &n, |b, _| b.iter(|| changes(&made, &frames)));
    }
    group.finish();
    if std::env::args().any(|a| a == "--test") {
        return;
    }

    println!("\n| work | times, best of 3 | exponent |\n|---|---|---|");
    let times = CATALOGS.map(|n| (n, best(|| assert_eq!(black_box(catalogs(&fleet, n)), n * 40))));
    row("catalogs of 40 resources, all cores", &times);
    let [alone, together] = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        best(|| assert_eq!(pool.install(|| catalogs(&fleet, 2_500)), 100_000))
    });
    let (mut loads, mut compiles, mut in_line, mut changed) = (vec![], vec![], vec![], vec![]);
    for n in RESOURCES {
        let text = large(n);
        loads.push((n, best(|| drop(black_box(load(&text))))));
        let project = load(&text);
        compiles.push((n, best(|| drop(black_box(catalog(&project, "web1"))))));
        let made = catalog(&project, "web1");
        let frames = answers(&made);
        in_line.push((n, best(|| assert_eq!(changes(&made, &frames), 0))));
        // The same with everything to be done.
        let project = load(&text.replace("state: absent", "content: x"));
        let made = catalog(&project, "web1");
        let frames = answers(&made);
        changed.push((n, best(|| assert_eq!(changes(&made, &frames), n))));
    }
    row("one catalog: reading the manifest", &loads);
    row("one catalog: compiling, with 3 edges a resource", &compiles);
    row("one catalog: plan of nothing to do", &in_line);
    row("one catalog: plan of everything to do", &changed);
    let rendered = LINES.map(|n| {
        let project = load(&lines(n));
        (n, best(|| drop(black_box(catalog(&project, "web1")))))
    });
    row("a template of so many lines: rendering", &rendered);
    let nonce = Nonce::new([7; 16]);
    let frames = LINES.map(|n| {
        let body = "regular 0644 0 0 root root 4096 /etc/app/part.conf\n".repeat(n);
        let output = format!("{0} B 0\n{body}\n{0} E 0 0\n{0} Z\n", nonce.as_str());
        (n, best(|| assert_eq!(black_box(parsed(output.as_bytes(), &nonce)), body.len())))
    });
    row("an answer of so many lines: cutting out its frame", &frames);
    println!("\n2500 catalogs: 2 threads {:.2} times as fast as one", alone.as_secs_f64() / together.as_secs_f64());
}
