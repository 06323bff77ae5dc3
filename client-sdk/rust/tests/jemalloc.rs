//! A garbage-collection target acts on jemalloc: a process of its own, because the allocator is the whole process's.

#![allow(clippy::unwrap_used, reason = "a test, helpers included")]

use std::time::{Duration, Instant};

use setpoint_fake_sidecar::Talk;
use setpoint_policies::envelope::GcTarget;
use setpoint_policies::signal::Signal;
use setpoint_policies::value::Value;
use setpoint_proto::message::Status;
use setpoint_sdk::jemalloc::{GlobalJemalloc, Jemalloc};
use setpoint_sdk::{Allocator, MemoryPressure, Setpoint};

#[global_allocator]
static ALLOCATOR: GlobalJemalloc = GlobalJemalloc;

const MI: u64 = 1024 * 1024;
const GARBAGE_BYTES: u64 = 64 * MI;
const OBJECT_BYTES: usize = 400;
const LONG: Duration = Duration::from_secs(30);

/// What the kernel charges this process with; `None` where it does not say.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

/// Allocates objects and frees them again: jemalloc keeps the memory.
fn make_garbage() {
    let objects: Vec<_> =
        (0..GARBAGE_BYTES / OBJECT_BYTES as u64).map(|_| vec![1_u8; OBJECT_BYTES]).collect();
    drop(std::hint::black_box(objects));
}

fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < LONG, "not within {LONG:?}: {what}");
        std::thread::yield_now();
    }
}

/// One test, because what it measures is the whole process's.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn g1_freed_memory_goes_back_to_the_system_when_the_budget_is_nearly_used() {
    let Some(idle) = resident_bytes() else {
        eprintln!("NOT RUN: no /proc/self/statm here");
        return;
    };
    freed_memory_goes_at_once(idle);

    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("setpoint.sock");
    let mut sessions = setpoint_fake_sidecar::listen(&socket).unwrap();
    let sp = Setpoint::builder("checkout").socket(&socket).start();
    let memory = sp.memory(Jemalloc::of_this_process().unwrap());
    let mut talk = sessions.recv().await.unwrap();
    assert!(talk.hello().await.knobs.iter().any(|knob| knob.name.as_str() == "gc"));
    talk.welcome(1).await;

    make_garbage();
    let kept = resident_bytes().unwrap();
    assert!(kept > idle + GARBAGE_BYTES / 2, "jemalloc keeps what is freed: {kept} after {idle}");
    until("the allocator is asked", || {
        memory.heap().is_some_and(|heap| heap.kept_bytes() > GARBAGE_BYTES / 2)
    });
    reported(&mut talk).await;

    push(&mut talk, 1, GcTarget::budget(10 * kept)).await;
    assert_eq!(memory.pressure(), MemoryPressure::Normal);
    assert!(resident_bytes().unwrap() > idle + GARBAGE_BYTES / 2, "there is room, so it is kept");
    let resident = memory.heap().unwrap().resident_bytes;
    push(&mut talk, 2, GcTarget::budget(resident + resident / 50)).await;
    until("it is given back", || resident_bytes().unwrap() < idle + GARBAGE_BYTES / 4);
    assert_eq!(memory.pressure(), MemoryPressure::Shed);
    sp.stop();
    until("nothing outlives the session", || memory.pressure() == MemoryPressure::Normal);
}

/// The allocator's own side: what is kept, and for how long.
fn freed_memory_goes_at_once(idle: u64) {
    let mut jemalloc = Jemalloc::of_this_process().expect("it is the allocator of this process");
    make_garbage();
    let kept = resident_bytes().unwrap();
    assert!(kept > idle + GARBAGE_BYTES / 2, "{kept} after {idle}");
    jemalloc.give_back();
    assert!(resident_bytes().unwrap() < idle + GARBAGE_BYTES / 4);
    make_garbage();
    assert!(
        resident_bytes().unwrap() > idle + GARBAGE_BYTES / 2,
        "giving back once changes nothing for later"
    );
    jemalloc.keep_freed(Some(Duration::ZERO));
    assert!(resident_bytes().unwrap() < idle + GARBAGE_BYTES / 4, "existing arenas are set, too");
    make_garbage();
    assert!(resident_bytes().unwrap() < idle + GARBAGE_BYTES / 4, "nothing is kept any more");
    jemalloc.keep_freed(None);
    make_garbage();
    assert!(resident_bytes().unwrap() > idle + GARBAGE_BYTES / 2, "as at the start");
    jemalloc.give_back();
}

async fn reported(talk: &mut Talk) {
    let needed = [Signal::RuntimeMemoryBytes, Signal::HeapLiveBytes, Signal::RuntimeOverheadBytes];
    loop {
        let report = talk.report().await;
        if needed.iter().all(|signal| report.signals.iter().any(|(told, _)| told == signal)) {
            return;
        }
    }
}

async fn push(talk: &mut Talk, seq: u64, target: GcTarget) {
    let ack = talk.push(seq, &[("gc", Value::Gc(target))]).await;
    assert_eq!((ack.nonce, ack.results[0].status), (seq, Status::Applied), "{ack:?}");
}
