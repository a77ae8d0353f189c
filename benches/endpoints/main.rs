//! One controller and very many hosts: SSH endpoints in this process, so that the controller is what is measured.
//!
//! `cargo bench --bench endpoints -- fleet` plans 10, 1,000 and 10,000 hosts; `-- distance` plans one host behind round
//! trips of 20, 100 and 300 ms. All of 127.0.0.0/8 is this machine, so each host has an address of its own on one port.
//! Every 50th endpoint runs the scripts with a real `sh`; the others replay what one gave for the same script.

mod measure;
mod proxy;
mod server;

use measure::{Plan, Work};
use server::Endpoints;
use std::time::Duration;

const SIZES: [usize; 3] = [10, 1_000, 10_000];
const ROUND_TRIPS_MS: [u64; 4] = [0, 20, 100, 300];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` asks only whether it starts.
    if args.iter().any(|a| a == "--test") {
        return;
    }
    let has = |name: &str| args.iter().any(|a| a == name) || !args.iter().any(|a| a == "fleet" || a == "distance");
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    if has("fleet") {
        fleet(&runtime);
    }
    if has("distance") {
        distance(&runtime);
    }
}

fn fleet(runtime: &tokio::runtime::Runtime) {
    println!("| hosts | wall | controller CPU a host | peak memory | a host | fastest · median · slowest host |");
    println!("|---|---|---|---|---|---|");
    let mut base = None;
    for hosts in SIZES {
        let endpoints = Endpoints::start(runtime, Duration::ZERO);
        let work = Work::new(38);
        let inventory = work.inventory(&endpoints, hosts);
        // The first run gathers what the second remembers, and fills the replay.
        work.plan(&inventory, &endpoints);
        let plan = work.plan(&inventory, &endpoints);
        let (base_memory, base_hosts) = *base.get_or_insert((plan.peak_kib, hosts));
        let each = if hosts == base_hosts {
            "-".to_owned()
        } else {
            format!("{:.0} KiB", (plan.peak_kib.saturating_sub(base_memory)) as f64 / (hosts - base_hosts) as f64)
        };
        let spread = plan.spread(|_| true);
        println!(
            "| {hosts} | {:.2} s | {:.2} ms | {:.0} MiB | {each} | {} |",
            plan.wall.as_secs_f64(),
            plan.cpu.as_secs_f64() * 1e3 / hosts as f64,
            plan.peak_kib as f64 / 1024.0,
            spread
        );
    }
    // One host in a hundred answers 3 s late: the others must not wait for it.
    let hosts = 1_000;
    let endpoints = Endpoints::start(runtime, Duration::from_secs(3));
    let work = Work::new(38);
    let inventory = work.inventory(&endpoints, hosts);
    work.plan(&inventory, &endpoints);
    let plan = work.plan(&inventory, &endpoints);
    println!("\n{hosts} hosts, one in 100 of which answers 3 s late: {:.2} s in all;", plan.wall.as_secs_f64());
    println!(
        "the prompt ones took {}, the late ones {}",
        plan.spread(|n| !server::is_late(n)),
        plan.spread(server::is_late)
    );
}

fn distance(runtime: &tokio::runtime::Runtime) {
    println!("\n| resources | {} | round trips |", ROUND_TRIPS_MS.map(|ms| format!("{ms} ms")).join(" | "));
    println!("|---|{}---|", "---|".repeat(ROUND_TRIPS_MS.len()));
    for resources in [38, 3_800] {
        for remembers in [false, true] {
            let work = Work::new(resources);
            let endpoints = Endpoints::start(runtime, Duration::ZERO);
            let mut points = vec![];
            for ms in ROUND_TRIPS_MS {
                let port = proxy::start(runtime, endpoints.port, Duration::from_millis(ms));
                let inventory = work.inventory_at(&endpoints, port);
                work.plan(&inventory, &endpoints);
                let best = |p: Option<Plan>| {
                    (0..3).fold(p, |best, _| {
                        if !remembers {
                            work.forget();
                        }
                        let plan = work.plan(&inventory, &endpoints);
                        Some(best.filter(|b| b.wall <= plan.wall).unwrap_or(plan))
                    })
                };
                points.push((ms as f64 / 1e3, best(None).map(|p| p.wall.as_secs_f64()).unwrap_or_default()));
            }
            let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / points.len() as f64;
            let (x, y) = (mean(|p| p.0), mean(|p| p.1));
            let slope = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>()
                / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>();
            let walls: Vec<String> = points.iter().map(|(_, wall)| format!("{wall:.2} s")).collect();
            let how = if remembers { "facts remembered" } else { "first run" };
            println!("| {resources}, {how} | {} | {slope:.1} |", walls.join(" | "));
        }
    }
}
