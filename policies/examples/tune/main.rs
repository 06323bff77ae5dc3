//! dev
use setpoint_policies::sim::{draw, link, score::{fixed::PhasedFixed, measure::Score, oracle, tally::Tally}, scenario::Scenario, law::Law};
use std::sync::{Arc, Mutex, atomic::{AtomicUsize, Ordering}};
mod named;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let seeds: Vec<u64> = (seed0()..seed0() + args.get(3).map_or(1, |s| s.parse().unwrap())).collect();
    let is_draw = args[1].parse::<u64>().is_ok();
    let all: Vec<(Scenario, Vec<f64>)> = if is_draw { let from: u64 = args[1].parse().unwrap(); let to: u64 = args[2].parse().unwrap(); (from..to).map(|n| (draw::scenario(n), vec![])).collect() }
      else { let want: Vec<&str> = args[1].split(',').collect(); named::all().into_iter().filter(|(s, _)| args[1] == "all" || want.contains(&s.name.as_str())).collect() };
    let (scenarios, limits): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    let next = AtomicUsize::new(0);
    let out = Mutex::new(vec![]);
    std::fs::create_dir_all("/tmp/oracle").unwrap();
    std::thread::scope(|s| for _ in 0..2 { s.spawn(|| loop {
        let i = next.fetch_add(1, Ordering::Relaxed);
        let Some(sc) = scenarios.get(i) else { break };
        let phases: Vec<f64> = if !limits[i].is_empty() { limits[i].clone() } else { let path = format!("/tmp/oracle/{}", sc.name);
        let phases: Vec<f64> = match std::fs::read_to_string(&path) { Ok(t) => t.split(' ').map(|x| x.parse().unwrap()).collect(), Err(_) => {
            let o = oracle::search(sc, &[1, 2]);
            std::fs::write(&path, o.phases.iter().map(|x| x.to_string()).collect::<Vec<_>>().join(" ")).unwrap(); o.phases } }; phases };
        let ot = Tally::run(sc, &seeds, &|_| PhasedFixed::fleet(sc, &phases));
        let mut sc2 = sc.clone(); if std::env::var_os("NODL").is_some() { sc2.deadline_known = false; }
        let pol = Arc::new(link::default_policies(&sc2));
        let t = Tally::run(sc, &seeds, &|seed| (0..sc.instances.len()).map(|k| Box::new(link::Connected::new(&sc2, &pol, k, seed)) as Box<dyn Law>).collect());
        let t = match std::env::var("STATIC") { Ok(l) => { let l: f64 = l.parse().unwrap(); Tally::run(sc, &seeds, &|_| PhasedFixed::fleet(sc, &[l, l, l])) } Err(_) => t };
        let score = Score::of(sc, &t, &ot);
        let os = Score::of(sc, &ot, &ot);
        out.lock().unwrap().push((sc.name.clone(), score, os, phases, sc.about.clone()));
    }); });
    let mut out = out.into_inner().unwrap();
    out.sort_by(|a, b| a.1.goodput_ratio.total_cmp(&b.1.goodput_ratio));
    for (n, s, o, p, about) in out.iter().take(400) {
        println!("{n} {:.3} phases {:?} fr {:.3}/{:.3} p99 {:.0}/{:.0} conv {} osc {:.2} oracle {p:?} {about}", s.goodput_ratio, s.phases.iter().map(|x| (x * 100.0).round()).collect::<Vec<_>>(), s.false_reject_ratio, o.false_reject_ratio, s.p99.unwrap_or(0.0) * 1e3, o.p99.unwrap_or(0.0) * 1e3, s.convergence.map_or(-1.0, |c| c), s.oscillation);
    }
    let g: Vec<f64> = out.iter().map(|x| x.1.goodput_ratio).collect();
    let n = g.len() as f64;
    println!("mean {:.4} worst {:.3} p10 {:.3} >=.95 {:.2} >=.90 {:.2} fr {:.4} / {:.4}", g.iter().sum::<f64>() / n, g[0], g[g.len() / 10], g.iter().filter(|x| **x >= 0.95).count() as f64 / n, g.iter().filter(|x| **x >= 0.90).count() as f64 / n,
      out.iter().map(|x| x.1.false_reject_ratio).sum::<f64>() / n, out.iter().map(|x| x.2.false_reject_ratio).sum::<f64>() / n);
}
fn seed0() -> u64 { std::env::var("SEED").map_or(100, |s| s.parse().unwrap()) }
