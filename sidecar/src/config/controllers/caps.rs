//! `memory_cap` and `scheduler_cap`.

use setpoint_policies::controllers::memory_cap::MemoryCap;
use setpoint_policies::controllers::scheduler_cap::SchedulerCap;
use setpoint_policies::spec::Controller;

use super::{LIMIT, MEMORY};
use crate::yaml::{DURATION, Fields, RATIO};

pub(super) fn memory_cap(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        MemoryCap::try_new(
            fields.knob_of(&[LIMIT, MEMORY]),
            fields.optional("start", &RATIO, MemoryCap::START),
            fields.optional("full", &RATIO, MemoryCap::FULL),
            fields.optional("floor", &RATIO, MemoryCap::FLOOR),
        )
    })?;
    Some(Controller::MemoryCap(spec))
}

pub(super) fn scheduler_cap(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        SchedulerCap::try_new(
            fields.knob(LIMIT),
            fields.optional("runtime_delay", &DURATION, SchedulerCap::RUNTIME_DELAY),
            fields.optional("run_delay", &DURATION, SchedulerCap::RUN_DELAY),
            fields.optional("cpu_some", &RATIO, SchedulerCap::CPU_SOME),
            fields.optional("floor", &RATIO, SchedulerCap::FLOOR),
        )
    })?;
    Some(Controller::SchedulerCap(spec))
}
