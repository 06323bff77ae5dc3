//! All files of one target's cgroup, and those of the node, each read at its pace.

use super::cpu::CpuReader;
use super::memory::MemoryReader;
use super::pressure::PressureReader;
use super::source::{Fault, Source};
use crate::discover::Layout;
use crate::kept::Size;
use crate::parse;
use crate::sample::{NodeMemory, Pressure, Sample};
use std::path::Path;
use std::time::Duration;

/// The cgroup's files, as far as discovery has found their directories.
#[derive(Debug, Default)]
pub(super) struct CgroupFiles {
    layout: Layout,
    memory: Option<MemoryReader>,
    cpu: Option<CpuReader>,
    /// Memory, CPU, IO.
    pressure: Option<[PressureReader; 3]>,
}

impl CgroupFiles {
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Replaces the readers of what has moved and leaves the others with their history.
    pub(super) fn follow(&mut self, new: Layout) {
        if self.layout.memory != new.memory {
            self.memory = new.memory.as_ref().map(MemoryReader::new);
        }
        if (&self.layout.cpu, &self.layout.cpuacct) != (&new.cpu, &new.cpuacct) {
            let some = new.cpu.is_some() || new.cpuacct.is_some();
            self.cpu = some.then(|| CpuReader::new(new.cpu.as_ref(), new.cpuacct.as_ref()));
        }
        if self.layout.pressure != new.pressure {
            let files = ["memory.pressure", "cpu.pressure", "io.pressure"];
            self.pressure =
                new.pressure.as_ref().map(|own| files.map(|name| PressureReader::new(own.join(name))));
        }
        self.layout = new;
    }

    pub(super) fn read(&mut self, now: Duration, medium: bool, node_total: Option<u64>) {
        if let Some(memory) = &mut self.memory {
            if medium {
                memory.read_stat(now);
            }
            memory.read(now, node_total);
        }
        if let Some(cpu) = &mut self.cpu {
            if medium {
                cpu.read_quota(now);
            }
            cpu.read(now);
        }
        for pressure in self.pressure.iter_mut().flatten() {
            pressure.read(now);
        }
    }

    pub(super) fn fill(&self, sample: &mut Sample) {
        sample.memory = self.memory.as_ref().map(MemoryReader::values).unwrap_or_default();
        sample.cpu = self.cpu.as_ref().map(CpuReader::values).unwrap_or_default();
        [sample.memory_pressure, sample.cpu_pressure, sample.io_pressure] =
            self.pressure.as_ref().map(values).unwrap_or_default();
    }

    /// Whether any pressure of the cgroup itself is known.
    pub(super) fn has_pressure(&self) -> bool {
        self.pressure.iter().flatten().any(|reader| reader.fault().is_none())
    }

    pub(super) fn faults(&self) -> impl Iterator<Item = (&Path, Fault)> {
        let memory = self.memory.iter().flat_map(MemoryReader::faults);
        let pressure = self.pressure.iter().flatten().filter_map(PressureReader::fault);
        memory.chain(self.cpu.iter().flat_map(CpuReader::faults)).chain(pressure)
    }
}

/// What is there whatever the target.
#[derive(Debug)]
pub(super) struct NodeFiles {
    meminfo: Source,
    memory: NodeMemory,
    /// Memory, CPU, IO.
    pressure: [PressureReader; 3],
}

impl NodeFiles {
    pub(super) fn new(proc: &Path) -> Self {
        let pressure = proc.join("pressure");
        Self {
            meminfo: Source::new(proc.join("meminfo"), Size::Table),
            memory: NodeMemory::default(),
            pressure: [
                PressureReader::new(pressure.join("memory")),
                PressureReader::without_full(pressure.join("cpu")),
                PressureReader::new(pressure.join("io")),
            ],
        }
    }

    /// `all_pressure` is for a cgroup without pressure of its own, for which the node's has to stand in.
    pub(super) fn read(&mut self, now: Duration, medium: bool, all_pressure: bool) {
        let [memory, cpu, io] = &mut self.pressure;
        memory.read(now);
        if medium || all_pressure {
            cpu.read(now);
            io.read(now);
        }
        if medium {
            let info = self.meminfo.read(now, parse::meminfo).ok();
            self.memory = NodeMemory {
                at: info.map(|_| now).or(self.memory.at),
                total_bytes: info.map(|info| info.total_bytes),
                available_bytes: info.and_then(|info| info.available_bytes),
            };
        }
    }

    pub(super) fn total_bytes(&self) -> Option<u64> {
        self.memory.total_bytes
    }

    pub(super) fn fill(&self, sample: &mut Sample) {
        sample.node_memory = self.memory;
        [sample.node_memory_pressure, sample.node_cpu_pressure, sample.node_io_pressure] =
            values(&self.pressure);
    }

    pub(super) fn faults(&self) -> impl Iterator<Item = (&Path, Fault)> {
        self.pressure.iter().filter_map(PressureReader::fault).chain(self.meminfo.fault())
    }
}

fn values(readers: &[PressureReader; 3]) -> [Pressure; 3] {
    readers.each_ref().map(PressureReader::values)
}
