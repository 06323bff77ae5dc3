use std::sync::mpsc::{Sender, channel};

use setpoint_proto::message::Why;

use super::*;
use crate::clock::Hand;

/// What was asked of it.
#[derive(Debug, PartialEq)]
enum Asked {
    Keep(Option<Duration>),
    GiveBack,
}

struct Fake {
    resident: u64,
    asked: Sender<Asked>,
}

impl Allocator for Fake {
    fn heap(&mut self) -> Option<HeapUse> {
        Some(HeapUse { resident_bytes: self.resident, live_bytes: 100, overhead_bytes: 10 })
    }

    fn keep_freed(&mut self, keep: Option<Duration>) {
        let _ = self.asked.send(Asked::Keep(keep));
    }

    fn give_back(&mut self) {
        let _ = self.asked.send(Asked::GiveBack);
        assert!(self.resident != 960, "a bug of an allocator");
    }
}

const LONG: Duration = Duration::from_secs(20);

fn inner() -> Inner {
    Inner::new("test".into(), Hand::default().clock(), 1)
}

fn push(memory: &Memory, target: GcTarget) {
    memory.apply(&Value::Gc(target), &Why::default()).expect("a target is what it takes");
}

#[test]
fn g1_a_target_acts_on_the_allocator_and_its_end_takes_everything_back() {
    let (asked, heard) = channel();
    let memory = Memory::registered(&inner(), Fake { resident: 950, asked });
    let next = || heard.recv_timeout(LONG).expect("it is asked");
    push(&memory, GcTarget::budget(1000));
    assert_eq!((next(), next()), (Asked::Keep(Some(Duration::ZERO)), Asked::GiveBack));
    assert_eq!((memory.pressure(), memory.signals().len()), (MemoryPressure::Shed, 3));
    let knob = memory.knob();
    memory.apply(&knob.baseline_value(), &Why::default()).expect("the baseline");
    assert_eq!(next(), Asked::Keep(None));
    // The kill switch does the same.
    push(&memory, GcTarget::budget(1000));
    assert_eq!(next(), Asked::Keep(Some(Duration::ZERO)));
    memory.enforce(false);
    assert_eq!(next(), Asked::Keep(None));
}

#[test]
fn an_allocator_that_panics_or_says_nothing_harms_nobody() {
    let (asked, heard) = channel();
    let memory = Memory::registered(&inner(), Fake { resident: 960, asked });
    push(&memory, GcTarget::budget(1000));
    let next = || heard.recv_timeout(LONG).expect("it is asked");
    assert_eq!((next(), next()), (Asked::Keep(Some(Duration::ZERO)), Asked::GiveBack));
    memory.enforce(false);
    assert_eq!(next(), Asked::Keep(None), "the thread goes on");
}

#[test]
fn the_thread_ends_with_the_last_handle() {
    let (asked, heard) = channel();
    let memory = Memory::registered(&inner(), Fake { resident: 1, asked });
    drop(memory);
    assert!(
        heard.recv_timeout(LONG).is_err_and(|end| end == std::sync::mpsc::RecvTimeoutError::Disconnected)
    );
}

#[test]
fn a_second_registration_finds_the_first() {
    let (asked, _heard) = channel();
    let inner = inner();
    let memory = Memory::registered(&inner, Fake { resident: 1, asked: asked.clone() });
    let again = Memory::registered(&inner, Fake { resident: 2, asked });
    assert!(Arc::ptr_eq(&memory.0, &again.0));
}
