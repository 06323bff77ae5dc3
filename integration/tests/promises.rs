//! What happens when something fails: every promise of ARCHITECTURE.md's table, kept by real processes.
//!
//! The sidecar is the real binary, always. The SDK runs in this process where its inside has to be seen (health, limit, breaker),
//! and in the real `demo-service` where the service itself has to be killed, stopped or put into a cgroup. Load is real HTTP.
//! Promises that need no second process (a hung loop behind a live stream, partitions) are tested beside the code under
//! paused time.
//!
//! Nearly all of the time is spent waiting: ten seconds in which a new sidecar learns, leases that run out. So the scenarios
//! that wait run at once, which the standard harness would not do on two cores, and those that press the machine hard come
//! after them, where they disturb nobody's latencies; the file is a program of its own, with the same command line. Figures
//! are printed as they come.

#![allow(clippy::unwrap_used, reason = "a test, helpers included")]

#[path = "promises/breakers.rs"]
mod breakers;
#[path = "promises/cgroups.rs"]
mod cgroups;
#[path = "promises/config.rs"]
mod config;
#[path = "promises/death.rs"]
mod death;
#[path = "promises/guards.rs"]
mod guards;
#[path = "promises/hang.rs"]
mod hang;
#[path = "promises/hostile.rs"]
mod hostile;
#[path = "promises/kill_switch.rs"]
mod kill_switch;
#[path = "promises/lanes.rs"]
mod lanes;
#[path = "promises/last_good.rs"]
mod last_good;
#[path = "promises/memory.rs"]
mod memory;
#[path = "promises/overload.rs"]
mod overload;
#[path = "promises/owner.rs"]
mod owner;
#[path = "promises/pools.rs"]
mod pools;
#[path = "promises/raw.rs"]
mod raw;
#[path = "promises/recorder.rs"]
mod recorder;
#[path = "promises/refusal.rs"]
mod refusal;
#[path = "promises/restart.rs"]
mod restart;
#[path = "promises/service.rs"]
mod service;
#[path = "promises/sidecar.rs"]
mod sidecar;
#[path = "promises/stall.rs"]
mod stall;
#[path = "promises/until.rs"]
mod until;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

macro_rules! scenarios {
    ($($module:ident::$name:ident),* $(,)?) => {
        vec![$(Trial::test(stringify!($name), || { run($module::$name()); Ok(()) })),*]
    };
}

fn main() -> ExitCode {
    let waiting = scenarios![
        death::l2_nobody_notices_the_death_of_the_sidecar,
        hang::l2_a_sidecar_that_hangs_is_as_good_as_dead,
        restart::l2_a_service_that_restarts_is_in_step_at_once,
        stall::l1_a_stall_of_the_service_moves_no_limit,
        refusal::l2_a_refused_value_is_not_sent_again,
        refusal::l2_a_callback_that_panics_keeps_the_previous_value,
        config::l4_a_bad_policy_file_changes_nothing,
        config::l4_a_missing_folder_is_taken_up_when_it_appears,
        config::l2_l4_edits_under_load_drop_no_request,
        last_good::l4_a_restart_with_a_bad_file_runs_the_last_good_one,
        last_good::l4_a_restart_without_a_good_file_and_a_sound_copy_only_observes,
        owner::l2_the_second_sidecar_leaves_the_socket_alone,
        pools::c6_pools_and_time_outs_are_set_by_zone_and_read_back,
        cgroups::s1_the_memory_limit_of_a_real_cgroup_is_followed,
        cgroups::s2_a_real_cpu_quota_shows_as_throttling,
        kill_switch::l2_the_disable_file_gives_everything_back,
        kill_switch::l2_a_service_can_be_started_without_us,
        guards::b3_a_task_leak_holds_new_work_back_and_a_probe_lets_it_in_again,
        guards::b5_pauses_turn_the_health_answer_and_nothing_keeps_it_turned,
        breakers::b1_a_callee_that_fails_is_left_alone_probed_and_taken_back,
        breakers::b2_a_callee_that_hangs_is_left_alone_probed_and_taken_back,
    ];
    let overload = scenarios![
        overload::c1_l2_a_protected_service_keeps_its_capacity,
        overload::c8_health_checks_pass_in_overload,
    ];
    let memory = scenarios![memory::c2_a_surge_does_not_kill_a_protected_service];
    let flood = scenarios![hostile::l2_hostile_clients_are_refused_and_bounded];
    setpoint_integration::process::raise_descriptor_limit();
    let failed = [waiting, overload, memory, flood].into_iter().fold(false, |failed, wave| {
        let mut arguments = Arguments::from_args();
        arguments.test_threads.get_or_insert(wave.len());
        libtest_mimic::run(&arguments, wave).has_failed() || failed
    });
    if failed { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

/// Each scenario has a runtime of its own on its own thread, from which its children are started.
fn run(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(scenario);
}
