//! What a frame says, what it does not say, and what is answered.

use super::*;

#[test]
fn l2_a_frame_is_put_in_force_and_answered_with_what_was_read_back() {
    let (a, b) = (Fake::limit("a"), Fake::limit("b"));
    b.does().cap = Some(20.0);
    let mut applier = applier(&[&a, &b]);
    let ack = applier.frame(&limits(1, &[("a", 10.0), ("b", 30.0)]), at(0));
    assert_eq!((ack.channel, ack.nonce), (Channel::Limits, 1));
    assert_eq!(lines(&ack), [("a", Status::Applied, 10.0), ("b", Status::Clamped, 20.0)]);
    assert_eq!(ack.results[1].detail, "cut by the service");
}

#[test]
fn l2_the_owners_bounds_and_quantum_hold_whatever_is_pushed() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    for (seq, (pushed, status_and_value)) in
        [(9999.0, (Status::Clamped, 400.0)), (0.0, (Status::Clamped, 4.0)), (7.4, (Status::Clamped, 7.0))]
            .into_iter()
            .enumerate()
    {
        let frame = limits(seq as u64 + 1, &[("a", pushed)]);
        assert_eq!(status(&applier.frame(&frame, at(0))), status_and_value, "{pushed}");
    }
}

#[test]
fn an_unchanged_value_is_not_applied_again() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    for seq in 1..5 {
        assert_eq!(status(&applier.frame(&limits(seq, &[("a", 10.0)]), at(seq))), (Status::Applied, 10.0));
        applier.tick(at(seq), at(seq));
    }
    assert_eq!(a.calls(), [10.0]);
    // Something in the service has moved it: a new frame puts it right, a mere tick leaves it alone.
    a.does().value = Some(Value::Concurrency(5.0));
    applier.tick(at(5), at(5));
    assert_eq!(a.value(), 5.0);
    applier.frame(&limits(5, &[("a", 10.0)]), at(5));
    assert_eq!(a.value(), 10.0);
}

#[test]
fn a_knob_that_a_frame_names_no_more_goes_back_to_its_baseline() {
    let (a, b) = (Fake::limit("a"), Fake::limit("b"));
    let mut applier = applier(&[&a, &b]);
    applier.frame(&limits(1, &[("a", 10.0), ("b", 11.0)]), at(0));
    let other_channel = Frame { channel: Channel::Custom, ..limits(1, &[]) };
    applier.frame(&other_channel, at(0));
    assert_eq!((a.value(), b.value()), (10.0, 11.0), "another channel's frame says nothing about these");
    let ack = applier.frame(&limits(2, &[("b", 11.0)]), at(1));
    assert_eq!((a.value(), b.value(), ack.results.len()), (64.0, 11.0, 1));
}

#[test]
fn only_a_newer_frame_of_this_stream_counts() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    applier.frame(&limits(5, &[("a", 10.0)]), at(0));
    for (seq, what) in [(4, "older"), (5, "a repetition")] {
        let ack = applier.frame(&limits(seq, &[("a", 99.0)]), at(1));
        assert_eq!(status(&ack), (Status::Rejected, 10.0), "{what}");
    }
    let mut foreign = limits(9, &[("a", 99.0)]);
    foreign.version.epoch = EPOCH + 1;
    assert_eq!(status(&applier.frame(&foreign, at(1))), (Status::Rejected, 10.0));
    // The sidecar has been restarted: its numbering starts again, and nothing has jumped.
    applier.start_stream(EPOCH + 1);
    assert_eq!(a.value(), 10.0);
    foreign.version.seq = 1;
    assert_eq!(status(&applier.frame(&foreign, at(1))), (Status::Applied, 99.0));
}

#[test]
fn what_a_knob_cannot_take_is_unsupported_and_the_rest_is_applied() {
    let a = Fake::limit("a");
    let cold = Fake::new(Knob { hot: false, ..knob("cold", Kind::ConcurrencyLimit, 1.0, 9.0, 5.0) });
    let mut applier = applier(&[&a, &cold]);
    let mut frame = limits(1, &[("a", 10.0), ("nobody", 1.0), ("cold", 2.0)]);
    frame.unsupported.push(("gc".to_owned(), "not in this build".to_owned()));
    let ack = applier.frame(&frame, at(0));
    let unsupported = |knob| (knob, Status::Unsupported, if knob == "cold" { 5.0 } else { 0.0 });
    let expected =
        [("a", Status::Applied, 10.0), unsupported("nobody"), unsupported("cold"), unsupported("gc")];
    assert_eq!(lines(&ack), expected);

    frame = limits(2, &[]);
    frame.set = vec![setpoint("a", Value::Switch(true))];
    assert_eq!(status(&applier.frame(&frame, at(1))), (Status::Unsupported, 10.0), "{:?}", ack.results);
    frame = limits(3, &[("a", f64::NAN)]);
    assert_eq!(status(&applier.frame(&frame, at(1))), (Status::Rejected, 10.0));
}

#[test]
fn a_shadow_frame_moves_nothing() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    let shadow = Frame { mode: Mode::Shadow, ..limits(2, &[("a", 30.0), ("nobody", 1.0)]) };
    let ack = applier.frame(&shadow, at(1));
    assert_eq!(lines(&ack), [("a", Status::Shadowed, 10.0), ("nobody", Status::Unsupported, 0.0)]);
    applier.tick(at(2), at(2));
    assert_eq!(a.calls(), [10.0]);
}

#[test]
fn a_hello_says_what_is_in_force() {
    let (a, b) = (Fake::limit("a"), Fake::limit("b"));
    let mut applier = applier(&[&a, &b]);
    applier.frame(&limits(3, &[("a", 10.0)]), at(0));
    let state = applier.state(at(2));
    assert_eq!((state[0].effective, state[1].effective), (10.0, 64.0));
    assert_eq!(state[0].version, Some(Version { epoch: EPOCH, seq: 3 }));
    assert_eq!((state[0].lease_left, state[1].lease_left), (Some(Duration::from_secs(3)), None));
    assert_eq!(applier.last_applied(), state[0].version);
    applier.set_disabled(true);
    assert_eq!(applier.state(at(2))[0].status, Status::LocalOverride);
    assert_eq!(status(&applier.acks()[0]).0, Status::LocalOverride);
}

#[test]
fn knobs_come_and_go_within_the_bound() {
    let fakes: Vec<Arc<Fake>> = (0..300).map(|i| Fake::limit(&format!("k{i:03}"))).collect();
    let all = || fakes.iter().map(|fake| fake.clone() as Arc<dyn Actuator>).collect::<Vec<_>>();
    let mut applier = Applier::default();
    let update = applier.sync(all()[250..].to_vec());
    assert_eq!((update.add.len(), update.remove.len()), (50, 0));
    let update = applier.sync(all());
    assert_eq!((update.add.len(), update.remove.len()), (206, 0), "those that were announced stay");
    let update = applier.sync(all()[..250].to_vec());
    assert_eq!((update.add.len(), update.remove.len()), (44, 50));
}

#[test]
fn what_policies_watch_is_known_to_every_limiter_of_the_resource_and_ends_with_its_sidecar() {
    let (db, other, late) = (Fake::limit("limit.db"), Fake::limit("limit.other"), Fake::limit("queue.db"));
    let mut applier = applier(&[&db, &other]);
    let watching = |seq, seconds: &[u64]| {
        let watch = |after: &u64| Watch { resource: "db".into(), after: Duration::from_secs(*after) };
        let watched = seconds.iter().map(watch).collect();
        Frame { channel: Channel::Safety, mode: Mode::Shadow, watched, ..limits(seq, &[]) }
    };
    applier.frame(&watching(2, &[3, 1]), Timestamp::ZERO);
    assert_eq!((&db.does().watched, &other.does().watched), (&vec![3, 1], &vec![]), "in shadow as well");
    applier.frame(&watching(1, &[9]), Timestamp::ZERO);
    assert_eq!(db.does().watched, [3, 1], "an older frame says nothing");
    applier.frame(&limits(3, &[]), Timestamp::ZERO);
    assert_eq!(db.does().watched, [3, 1], "nor does another channel");
    applier.sync([&db, &other, &late].map(|fake| fake.clone() as Arc<dyn Actuator>).into());
    assert_eq!(late.does().watched, [3, 1], "who comes later is told");
    applier.start_stream(EPOCH);
    assert_eq!(db.does().watched, [3, 1], "the same sidecar");
    applier.start_stream(EPOCH + 1);
    assert_eq!((&db.does().watched, &late.does().watched), (&vec![], &vec![]), "another one");
}
