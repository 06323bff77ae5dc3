//! How a value comes into force: at once, later, in steps, or not at all because the service has its own mind.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::*;

#[test]
fn a_value_that_has_to_wait_is_applied_when_its_dwell_is_over_and_answered_again() {
    let a = Fake::new(Knob {
        min_dwell: Duration::from_secs(3),
        ..Fake::limit("a").slot.knob().as_ref().clone()
    });
    let mut applier = applier(&[&a]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    assert_eq!(status(&applier.frame(&limits(2, &[("a", 20.0)]), at(1))), (Status::Deferred, 10.0));
    assert_eq!(applier.tick(at(2), at(2)), []);
    let acks = applier.tick(at(3), at(3));
    assert_eq!((acks.len(), status(&acks[0]), acks[0].nonce), (1, (Status::Applied, 20.0), 2));
    assert_eq!(status(&applier.frame(&limits(3, &[("a", 30.0)]), at(4))), (Status::Deferred, 20.0));
    assert_eq!(status(&applier.frame(&limits(4, &[("a", 5.0)]), at(5))), (Status::Applied, 5.0), "a cut");
    assert_eq!(applier.tick(at(9), at(9)), [], "what waited is no longer current");
    assert_eq!(a.calls(), [10.0, 20.0, 5.0]);
}

#[test]
fn a_move_that_is_cut_goes_on_step_by_step() {
    let a = Fake::new(Knob { max_change_ratio: 0.5, ..Fake::limit("a").slot.knob().as_ref().clone() });
    let mut applier = applier(&[&a]);
    assert_eq!(status(&applier.frame(&limits(1, &[("a", 150.0)]), at(0))), (Status::Clamped, 96.0));
    assert_eq!((applier.tick(at(0), at(0)), a.value()), (vec![], 96.0), "not at every tick");
    applier.tick(at(1), at(1));
    assert_eq!(a.value(), 144.0);
    let acks = applier.tick(at(2), at(2));
    assert_eq!(status(&acks[0]), (Status::Applied, 150.0));
}

#[test]
fn l2_a_refused_value_is_not_tried_again_until_it_changes() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    a.does().refuse = Some(20.0);
    let ack = applier.frame(&limits(2, &[("a", 20.0)]), at(1));
    assert_eq!((status(&ack), ack.results[0].detail.as_str()), ((Status::Rejected, 10.0), "no room"));
    applier.tick(at(2), at(2));
    assert_eq!(status(&applier.frame(&limits(3, &[("a", 20.0)]), at(3))), (Status::Rejected, 10.0));
    assert_eq!(a.calls(), [10.0, 20.0], "tried once");
    a.does().refuse = None;
    assert_eq!(status(&applier.frame(&limits(4, &[("a", 21.0)]), at(4))), (Status::Applied, 21.0));
}

#[test]
fn l2_a_previous_value_lives_on_while_the_new_one_is_refused() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    a.does().refuse = Some(20.0);
    for seq in 2..200 {
        applier.frame(&limits(seq, &[("a", 20.0)]), at(seq));
        applier.tick(at(seq), at(seq));
    }
    assert_eq!(a.value(), 10.0, "the sidecar is there, so nothing decays");
}

#[test]
fn l2_a_callback_that_panics_refuses_its_value_and_harms_nobody() {
    let (a, b) = (Fake::limit("a"), Fake::limit("b"));
    a.does().panic_at = Some(13.0);
    let mut applier = applier(&[&a, &b]);
    let ack = applier.frame(&limits(1, &[("a", 13.0), ("b", 13.0)]), at(0));
    assert_eq!(lines(&ack), [("a", Status::Rejected, 64.0), ("b", Status::Applied, 13.0)]);
    assert_eq!(ack.results[0].detail, "the callback panicked");
}

#[test]
fn a_pinned_knob_is_the_owners() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    a.does().pinned = true;
    let acks = applier.tick(at(1), at(1));
    assert_eq!(status(&acks[0]), (Status::LocalOverride, 10.0));
    a.does().pinned = false;
    assert_eq!(status(&applier.tick(at(2), at(2))[0]), (Status::Applied, 10.0));
}

#[test]
fn small_moves_are_told_once_they_add_up() {
    let a = Fake::limit("a");
    let (mut applier, told) = (applier(&[&a]), Told::default());
    let lines = tracing::subscriber::with_default(told.clone(), || {
        [40.0, 44.0, 48.0, 51.0, 42.0, 38.0].map(|limit| {
            let seq = a.calls().len() as u64 + 1;
            applier.frame(&limits(seq, &[("a", limit)]), at(0));
            told.0.load(Relaxed)
        })
    });
    assert_eq!((a.value(), lines), (38.0, [1, 1, 1, 2, 2, 3]));
}

/// Counts what the log tells people.
#[derive(Clone, Default)]
struct Told(Arc<AtomicU64>);

impl Subscriber for Told {
    fn enabled(&self, line: &Metadata<'_>) -> bool {
        *line.level() <= Level::INFO
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Relaxed);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
