//! What the sidecar itself reads: of the process or cgroup that it was pointed at, else of the node alone. Its own cgroup would say
//! nothing about the service.
//!
//! A target that is not there is no reason not to start: it may come, and what SDKs report of themselves is enough for most
//! policies. But a wrong number or path must not go unnoticed, so what is lost is said when it is found out, and again when
//! that changes: once, not with every tick.

use setpoint_policies::signal::Signal;
use setpoint_signals::discover::DiscoverError;
use setpoint_signals::{Layout, ReadError, Roots, Sampler, Target};

use crate::cli;
use crate::control::Sense;
use crate::signals;

const OF_PROCESS: [Signal; 3] = [Signal::RunDelayPerSlice, Signal::RunDelayCores, Signal::BlockedThreads];
const OF_MEMORY: [Signal; 7] = [
    Signal::MemoryWorkingSetRatio,
    Signal::MemoryLimitBytes,
    Signal::MemoryHighBytes,
    Signal::MemoryInactiveFileBytes,
    Signal::RefaultsPerSecond,
    Signal::LimitHitsPerSecond,
    Signal::OomKills,
];
const OF_CPU: [Signal; 4] =
    [Signal::ThrottledRatio, Signal::ThrottledTimeRatio, Signal::CpuQuotaCores, Signal::CpuUsedCores];

/// Reads what these options point at.
pub fn sense(options: &cli::Run) -> Sense {
    let roots = Roots { proc: options.proc.clone(), sys: options.sys.clone() };
    let target = match (options.pid.map(Target::pid), &options.cgroup) {
        (Some(process), Some(cgroup)) => process.with_cgroup(cgroup),
        (Some(process), None) => process,
        (None, Some(cgroup)) => Target::cgroup(cgroup),
        (None, None) => Target::node(),
    };
    let (mut sampler, mut told) = (Sampler::new(roots, target), Lost::default());
    let (pid, cgroup) = (options.pid, options.cgroup.as_ref().map(|path| path.display().to_string()));
    let watches = pid.is_some() || cgroup.is_some();
    Box::new(move |now| {
        let sample = sampler.sample(now);
        if watches {
            let lost = Lost::of(sampler.layout(), sampler.process_error());
            if lost != told {
                lost.tell(pid, cgroup.as_deref());
                told = lost;
            }
        }
        signals::signals(&sample)
    })
}

/// What was to be watched and is not there.
#[derive(Debug, Default, PartialEq)]
struct Lost {
    process: Option<ReadError>,
    cgroup: Option<DiscoverError>,
    signals: Vec<Signal>,
}

impl Lost {
    /// Holds no memory where nothing is lost: it is asked with every tick.
    fn of(layout: Result<&Layout, &DiscoverError>, process: Option<ReadError>) -> Self {
        let mut lost = Self { process, cgroup: layout.err().cloned(), signals: Vec::new() };
        let has = |group: fn(&Layout) -> bool| layout.is_ok_and(group);
        for (there, signals) in [
            (process.is_none(), &OF_PROCESS[..]),
            (has(|layout| layout.memory.is_some()), &OF_MEMORY),
            (has(|layout| layout.cpu.is_some()), &OF_CPU),
        ] {
            if !there {
                lost.signals.extend(signals);
            }
        }
        lost
    }

    fn why(&self) -> String {
        match (&self.process, &self.cgroup) {
            (Some(error), _) => format!("the process of --pid: {error}"),
            (None, Some(error)) => format!("--cgroup: {error}"),
            (None, None) => "its cgroup is not visible from here".to_owned(),
        }
    }

    fn tell(&self, pid: Option<u32>, cgroup: Option<&str>) {
        if *self == Self::default() {
            tracing::info!(pid, cgroup, "what is to be watched is there now");
            return;
        }
        let missing = self.signals.iter().map(|signal| signal.name()).collect::<Vec<_>>().join(", ");
        let why = self.why();
        tracing::warn!(
            pid,
            cgroup,
            why,
            missing,
            "what is to be watched is not there: it is looked for, and till then policies go without its signals"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_told_by_the_names_of_the_signals() {
        let all = Layout { memory: Some(group()), cpu: Some(group()), ..Layout::default() };
        let no_memory = Layout { memory: None, ..all.clone() };
        let (gone, nowhere) = (ReadError::NotFound, DiscoverError::NotACgroup("/nope".into()));
        let hidden = DiscoverError::Process(gone);
        for (layout, process, signals, why) in [
            (Ok(&all), None, 0, "its cgroup is not visible from here"),
            (Ok(&no_memory), None, OF_MEMORY.len(), "its cgroup is not visible from here"),
            (Ok(&all), Some(gone), OF_PROCESS.len(), "the process of --pid: no such file"),
            (Err(&nowhere), None, 11, "--cgroup: /nope is not a cgroup directory"),
            (Err(&hidden), Some(gone), 14, "the process of --pid: no such file"),
        ] {
            let lost = Lost::of(layout, process);
            assert_eq!((lost.signals.len(), lost.why().as_str()), (signals, why));
            assert_eq!(lost == Lost::default(), signals == 0);
        }
    }

    fn group() -> setpoint_signals::discover::Group {
        let version = setpoint_signals::discover::Version::V2;
        setpoint_signals::discover::Group { version, levels: vec!["/sys/fs/cgroup".into()] }
    }
}
