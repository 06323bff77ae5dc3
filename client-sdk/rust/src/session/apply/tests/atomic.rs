//! All or nothing.

use super::*;

#[test]
fn an_atomic_frame_is_all_or_nothing() {
    let (a, b, c) = (Fake::limit("a"), Fake::limit("b"), Fake::limit("c"));
    let mut applier = applier(&[&a, &b, &c]);
    let atomic = |seq, set| Frame { atomic: true, ..limits(seq, set) };
    let ack = applier.frame(&atomic(1, &[("a", 10.0), ("b", 10.0), ("c", 10.0)]), at(0));
    assert!(ack.results.iter().all(|line| line.status == Status::Applied), "{ack:?}");

    b.does().refuse = Some(20.0);
    let ack = applier.frame(&atomic(2, &[("a", 20.0), ("b", 20.0)]), at(1));
    assert_eq!(lines(&ack), [("a", Status::Rejected, 10.0), ("b", Status::Rejected, 10.0)]);
    assert_eq!(ack.results[1].detail, "no room");
    assert_eq!(
        [&a, &b, &c].map(|fake| fake.value()),
        [10.0; 3],
        "the one that was applied is back, and so is the absent one"
    );
    let calls = b.calls().len();
    applier.frame(&atomic(3, &[("a", 20.0), ("b", 20.0)]), at(2));
    assert_eq!(
        (b.calls().len(), a.value()),
        (calls, 10.0),
        "the refusal is remembered: nothing is even tried"
    );

    let ack = applier.frame(&atomic(4, &[("a", 30.0), ("nobody", 30.0)]), at(3));
    assert_eq!(lines(&ack), [("a", Status::Rejected, 10.0), ("nobody", Status::Unsupported, 0.0)]);
    let mut unreadable = atomic(5, &[("a", 30.0)]);
    unreadable.unsupported.push(("gc".to_owned(), "not in this build".to_owned()));
    assert_eq!(applier.frame(&unreadable, at(3)).results[0].status, Status::Rejected);
    assert_eq!(a.value(), 10.0);
}

#[test]
fn an_atomic_frame_waits_for_all_of_its_knobs() {
    let slow = Fake::new(Knob {
        min_dwell: Duration::from_secs(3),
        ..Fake::limit("slow").slot.knob().as_ref().clone()
    });
    let a = Fake::limit("a");
    let mut applier = applier(&[&a, &slow]);
    applier.frame(&limits(1, &[("a", 10.0), ("slow", 10.0)]), at(0));
    let frame = Frame { atomic: true, ..limits(2, &[("a", 20.0), ("slow", 20.0)]) };
    let ack = applier.frame(&frame, at(1));
    assert_eq!(lines(&ack), [("a", Status::Deferred, 10.0), ("slow", Status::Deferred, 10.0)]);
    assert_eq!(applier.tick(at(2), at(2)), []);
    let acks = applier.tick(at(3), at(3));
    assert_eq!(lines(&acks[0]), [("a", Status::Applied, 20.0), ("slow", Status::Applied, 20.0)]);
}

#[test]
fn an_atomic_frame_that_is_taken_back_takes_back_what_goes_with_the_limit() {
    let (a, b) = (Fake::limit("a"), Fake::limit("b"));
    b.does().refuse = Some(20.0);
    let mut applier = applier(&[&a, &b]);
    let mut frame = Frame { atomic: true, ..limits(1, &[("a", 10.0), ("b", 20.0)]) };
    frame.set[0].admission.baseline_latency = Some(Duration::from_millis(20));
    let admission = frame.set[0].admission;
    applier.frame(&frame, at(0));
    assert_eq!(a.does().admitted, [Some(admission), None]);
}
