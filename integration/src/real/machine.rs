//! How busy the machine was, with us and with others: a comparison of clocks means little on a machine that does other work.

use std::fs;
use std::time::Duration;

/// CPU time since the start of the machine or of a process, in the kernel's ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Spent {
    /// By all cores together, idle or not.
    all: u64,
    /// Of that, idle.
    idle: u64,
    /// Of that, by our own processes.
    ours: u64,
}

/// How busy the machine was during a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Busy {
    /// Share of all CPU time that load generator, services and sidecar took.
    pub ours_ratio: f64,
    /// Share that everybody else took, hypervisor included.
    pub others_ratio: f64,
    /// Mean of the load averages over a minute.
    pub load_average: f64,
}

/// Looks at the machine while a run lasts.
#[derive(Debug)]
pub struct Watch {
    processes: Vec<u32>,
    began: Spent,
    loads: Vec<f64>,
}

impl Watch {
    /// Begins; `processes` are ours beside this one, and must be running still when the watch ends.
    pub fn begin(processes: Vec<u32>) -> Self {
        Self { began: spent(&processes), processes, loads: Vec::new() }
    }

    /// Takes a sample of the load average, which it returns.
    pub fn look(&mut self) -> Option<f64> {
        let load = load_average(&fs::read_to_string("/proc/loadavg").ok()?)?;
        self.loads.push(load);
        Some(load)
    }

    /// What it has seen.
    pub fn end(self) -> Busy {
        let (began, ended) = (self.began, spent(&self.processes));
        let all = ended.all.saturating_sub(began.all).max(1) as f64;
        let share = |from: u64, to: u64| to.saturating_sub(from) as f64 / all;
        let ours_ratio = share(began.ours, ended.ours);
        Busy {
            ours_ratio,
            others_ratio: (1.0 - share(began.idle, ended.idle) - ours_ratio).max(0.0),
            load_average: self.loads.iter().sum::<f64>() / self.loads.len().max(1) as f64,
        }
    }
}

impl Busy {
    /// Whether others took so much that figures of time are not to be trusted.
    pub fn is_disturbed(&self, lateness: Option<Duration>) -> bool {
        self.others_ratio > OTHERS || lateness.is_none_or(|lateness| lateness > LATENESS)
    }

    /// Whether we take so much that the rig itself may be what is measured.
    pub fn is_crowded(&self) -> bool {
        self.ours_ratio > OURS
    }
}

/// More than this share of the CPU time for others is a disturbance.
pub const OTHERS: f64 = 0.1;
/// More than this share for ourselves is too much.
pub const OURS: f64 = 0.3;
/// So late at the 99th percentile is the load generator when it has to wait for a CPU.
pub const LATENESS: Duration = Duration::from_millis(5);

fn spent(processes: &[u32]) -> Spent {
    let (all, idle) =
        fs::read_to_string("/proc/stat").ok().and_then(|text| machine(&text)).unwrap_or_default();
    let own = ["self".to_owned()].into_iter().chain(processes.iter().map(u32::to_string));
    let stats = own.filter_map(|process| fs::read_to_string(format!("/proc/{process}/stat")).ok());
    Spent { all, idle, ours: stats.filter_map(|text| process(&text)).sum() }
}

/// All and idle ticks, of the first line of `/proc/stat`. Guests are in the other columns already.
fn machine(text: &str) -> Option<(u64, u64)> {
    let columns: Vec<u64> =
        text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().map_while(|n| n.parse().ok()).collect();
    let [_user, _nice, _system, idle, wait, ..] = columns[..] else { return None };
    Some((columns.iter().take(8).sum(), idle + wait))
}

/// Ticks in user and kernel mode, of `/proc/PID/stat`.
fn process(text: &str) -> Option<u64> {
    let mut after_name = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || after_name.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

fn load_average(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_by_table() {
        let stat = "cpu  100 10 50 800 40 0 5 20 3 1\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(machine(stat), Some((1025, 840)));
        assert_eq!(process("7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20"), Some(300));
        assert_eq!(load_average("0.41 0.63 0.96 1/200 4711\n"), Some(0.41));
        for broken in ["", "cpu", "cpu  1 2", "7 (x", "7 (x) S 1 2"] {
            assert_eq!((machine(broken), process(broken)), (None, None), "{broken:?}");
        }
        assert_eq!(load_average("busy"), None);
    }

    #[test]
    fn this_process_costs_time_and_shares_do_not_pass_one() {
        let mut watch = Watch::begin(Vec::new());
        assert!(watch.look().is_some());
        let busy = watch.end();
        assert!(
            (0.0..=1.0).contains(&busy.ours_ratio) && (0.0..=1.0).contains(&busy.others_ratio),
            "{busy:?}"
        );
    }

    #[test]
    fn disturbance_is_others_or_lateness() {
        let calm = Busy { ours_ratio: 0.1, others_ratio: 0.02, load_average: 0.4 };
        let (soon, late) = (Some(Duration::from_millis(1)), Some(Duration::from_millis(20)));
        assert!(!calm.is_disturbed(soon) && !calm.is_crowded());
        assert!(calm.is_disturbed(late) && calm.is_disturbed(None));
        assert!(Busy { others_ratio: 0.3, ..calm }.is_disturbed(soon));
        assert!(Busy { ours_ratio: 0.4, ..calm }.is_crowded());
    }
}
