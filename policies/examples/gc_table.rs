//! Every tuner on every workload of the heap plant, as a Markdown table:
//! `cargo run -p setpoint-policies --features sim --example gc_table [WORKLOAD ...]`.

#![allow(clippy::print_stdout, reason = "it prints a table")]

use setpoint_policies::sim::heap::hands::{NAMES, hand};
use setpoint_policies::sim::heap::run::{Outcome, run};
use setpoint_policies::sim::heap::scenario::{MI, Workload};

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let workloads = [
        ("w1 live 20 MiB", Workload::w1(20.0)),
        ("w1 live 100 MiB", Workload::w1(100.0)),
        ("w1 live 250 MiB", Workload::w1(250.0)),
        ("w2 growing cache", Workload::w2()),
        ("w3 bursts", Workload::w3()),
        ("w4 leak 1 MiB/s", Workload::w4(1.0)),
        ("w4 leak 4 MiB/s", Workload::w4(4.0)),
        ("w4 leak 12 MiB/s", Workload::w4(12.0)),
        ("w5 neighbour", Workload::w5()),
        ("w6 overload x1.5", Workload::w6(1.5)),
        ("w6 overload x3", Workload::w6(3.0)),
        ("w7 limit resized", Workload::w7()),
        ("w10 idle, then a neighbour", Workload::w10(20.0)),
    ];
    for (title, workload) in workloads {
        if !wanted.is_empty() && !wanted.iter().any(|name| title.starts_with(name.as_str())) {
            continue;
        }
        let live = 100.0 * workload.live_over_limit();
        println!("\n{title}: live sets up to {live:.0} % of {:.0} MiB\n", workload.limit.at(0.0) / MI);
        println!(
            "| tuner | end | collections | GC CPU % | bad s | in time % | p50 ms | p99 ms | peak % | pushes |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|");
        for name in NAMES {
            println!("| {name} | {} |", row(&run(&workload, hand(name, &workload), 1)));
        }
    }
    threads_tables(&wanted);
}

fn threads_tables(wanted: &[String]) {
    let workloads = [
        ("w8 quota 2 of 8", Workload::w8(2.0, 0.6)),
        ("w8 quota 0.5 of 8", Workload::w8(0.5, 0.5)),
        ("w8 quota 2 of 8, calls hang in the kernel", Workload::w8_stalled()),
    ];
    for (title, workload) in workloads {
        if !wanted.is_empty() && !wanted.iter().any(|name| title.starts_with(name.as_str())) {
            continue;
        }
        println!("\n{title}\n");
        println!("| threads | throttled % | in time % | p50 ms | p99 ms | threads at the end | pushes |");
        println!("|---|---|---|---|---|---|---|");
        for threads in [8, 4, 3, 2, 1] {
            let workload = workload.clone().with_threads(threads);
            threads_row(&threads.to_string(), &run(&workload, hand("automemlimit", &workload), 1));
        }
        threads_row("setpoint", &run(&workload, hand("setpoint-cores", &workload), 1));
    }
}

fn threads_row(title: &str, outcome: &Outcome) {
    println!(
        "| {title} | {:.1} | {:.1} | {:.0} | {:.0} | {} | {} |",
        100.0 * outcome.throttled,
        100.0 * outcome.in_time,
        1e3 * outcome.p50,
        1e3 * outcome.p99,
        outcome.threads.last().copied().unwrap_or_default(),
        outcome.pushes,
    );
}

fn row(outcome: &Outcome) -> String {
    let end = match (outcome.killed_at, outcome.drained_at) {
        (Some(at), _) => format!("**killed {at:.0} s**"),
        (_, Some(at)) => format!("drained {at:.0} s"),
        _ => "ok".to_owned(),
    };
    format!(
        "{end} | {} | {:.1} | {} | {:.1} | {:.1} | {:.0} | {:.0} | {}",
        outcome.cycles,
        100.0 * outcome.gc_ratio,
        outcome.bad_seconds,
        100.0 * outcome.in_time,
        1e3 * outcome.p50,
        1e3 * outcome.p99,
        100.0 * outcome.peak,
        outcome.pushes,
    )
}
