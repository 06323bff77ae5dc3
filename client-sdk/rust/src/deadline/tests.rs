use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use setpoint_policies::admission::Admission;

use super::*;
use crate::actuator::{Actuator, Inner};
use crate::clock::Hand;
use crate::limiter::{Limiter, LimiterBuilder};
use crate::permit::Permit;
use crate::priority::Priority;
use crate::rejected::{RejectReason, Rejected};

const MS: Duration = Duration::from_millis(1);

#[test]
fn c7_400_ms_of_500_are_ours_by_ratio_or_by_time() {
    let now = Instant::now();
    for (reserve, left_ms) in [
        (Reserve::Ratio(0.2), 400),
        (Reserve::Time(100 * MS), 400),
        (Reserve::Ratio(0.0), 500),
        (Reserve::Ratio(1.0), 0),
        (Reserve::Ratio(7.0), 0),
        (Reserve::Ratio(-1.0), 500),
        (Reserve::Ratio(f64::NAN), 500),
        (Reserve::Time(Duration::MAX), 0),
    ] {
        let budget = Deadline::after(now, 500 * MS);
        let ours = budget.less_at(reserve, now);
        assert_eq!(ours.left(now), Some(left_ms * MS), "{reserve:?}");
        assert_eq!(Deadline::NONE.less_at(reserve, now), Deadline::NONE);
    }
    let within = Deadline::within(500 * MS, Reserve::Ratio(0.2)).left(now).unwrap();
    assert!(within >= 400 * MS && within < 10_000 * MS, "{within:?}");
}

#[test]
fn c7_each_nested_call_gets_what_is_left_less_its_reserve() {
    let now = Instant::now();
    let request = Deadline::after(now, 400 * MS);
    let later = now + 150 * MS;
    let call = request.less_at(Reserve::Time(10 * MS), later);
    assert_eq!(call.left(later), Some(240 * MS));
    assert_eq!(call.less_at(Reserve::Ratio(0.5), later).left(later), Some(120 * MS));
    let over = now + 500 * MS;
    assert!(request.is_over(over) && !request.is_over(later));
    assert_eq!(
        (request.left(over), request.less_at(Reserve::Ratio(0.1), over)),
        (Some(Duration::ZERO), request)
    );
    assert_eq!(request.earlier(Deadline::NONE), request);
    assert_eq!(request.earlier(call).earlier(request), call);
    assert_eq!((Deadline::NONE.left(over), Deadline::NONE.is_over(over)), (None, false));
    assert_eq!(Deadline::after(now, Duration::MAX), Deadline::NONE, "too far to tell");
}

#[test]
fn c7_malformed_times_are_refused_and_sound_ones_read_exactly() {
    let secs = Duration::from_secs;
    for (text, time) in [
        ("1n", Duration::from_nanos(1)),
        ("100u", Duration::from_micros(100)),
        ("400m", 400 * MS),
        ("0S", secs(0)),
        ("00000007S", secs(7)),
        ("3M", secs(180)),
        ("99999999H", secs(99_999_999 * 3600)),
    ] {
        assert_eq!(parse_grpc_timeout(text), Ok(time), "{text}");
    }
    for text in [
        "",
        "m",
        "400",
        "400 m",
        " 400m",
        "400m ",
        "+4m",
        "-4m",
        "4.5m",
        "4e3m",
        "400s",
        "400h",
        "400ms",
        "123456789m",
        "٤m",
        "4é",
        "0x4m",
        "4m\n",
    ] {
        let error = parse_grpc_timeout(text).expect_err(text);
        assert_eq!(error.to_string(), "grpc-timeout: must be 1 to 8 digits and one of H, M, S, m, u, n");
    }
    assert_eq!((parse_timeout("400"), parse_timeout("99999999")), (Ok(400 * MS), Ok(99_999_999 * MS)));
    for text in ["", " 1", "1 ", "+1", "-1", "1.5", "1ms", "123456789", "٤"] {
        let error = parse_timeout(text).expect_err(text);
        assert_eq!(error.to_string(), "x-setpoint-timeout-ms: must be 1 to 8 digits");
    }
}

#[test]
fn c7_the_headers_of_a_request_carry_its_deadline_to_the_next_service() {
    let now = Instant::now();
    let deadline = Deadline::after(now, 240 * MS + Duration::from_micros(999));
    let mut plain = HeaderMap::new();
    deadline.write(&mut plain, now);
    assert_eq!(plain["x-setpoint-timeout-ms"], "240", "never more than there is");
    assert_eq!(Deadline::from_headers(&plain, now), Ok(Deadline::after(now, 240 * MS)));
    let mut grpc = HeaderMap::new();
    grpc.insert("content-type", HeaderValue::from_static("application/grpc+proto"));
    deadline.write(&mut grpc, now);
    assert_eq!((&grpc["grpc-timeout"], grpc.len()), (&HeaderValue::from_static("240999u"), 2));
    assert_eq!(Deadline::from_headers(&grpc, now), Ok(deadline));
    deadline.less_at(Reserve::Ratio(0.5), now).write(&mut grpc, now);
    assert_eq!(grpc.get_all("grpc-timeout").iter().count(), 1, "the caller's own is replaced");
    let mut none = HeaderMap::new();
    Deadline::NONE.write(&mut none, now);
    assert_eq!((none.len(), Deadline::from_headers(&none, now)), (0, Ok(Deadline::NONE)));
    Deadline::after(now, Duration::ZERO).write(&mut grpc, now);
    assert_eq!(grpc["grpc-timeout"], "1n");
}

#[test]
fn c7_of_two_headers_the_earlier_counts_and_one_that_is_wrong_is_told() {
    let now = Instant::now();
    let headers = |pairs: &[(&'static str, &'static [u8])]| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        Deadline::from_headers(&headers, now)
    };
    let both: [(&str, &[u8]); 2] = [("grpc-timeout", b"2S"), ("x-setpoint-timeout-ms", b"300")];
    assert_eq!(headers(&both), Ok(Deadline::after(now, 300 * MS)));
    for (pairs, said) in [
        (
            &[("grpc-timeout", &b"2S"[..]), ("grpc-timeout", b"1S")][..],
            "grpc-timeout: is there more than once",
        ),
        (
            &[("x-setpoint-timeout-ms", b"2"), ("x-setpoint-timeout-ms", b"2")],
            "x-setpoint-timeout-ms: is there more than once",
        ),
        (
            &[("grpc-timeout", b"2S"), ("x-setpoint-timeout-ms", b"soon")],
            "x-setpoint-timeout-ms: must be 1 to 8 digits",
        ),
        (&[("x-setpoint-timeout-ms", b"\xff")], "x-setpoint-timeout-ms: must be 1 to 8 digits"),
    ] {
        assert_eq!(headers(pairs).unwrap_err().to_string(), said);
    }
}

proptest! {
    #[test]
    fn c7_a_time_on_the_wire_is_never_longer_and_hardly_shorter(nanos in 1_u64..u64::MAX) {
        for nanos in [nanos, nanos >> 20, nanos >> 40] {
            let time = Duration::from_nanos(nanos.max(1));
            let text = grpc_timeout(time);
            let read = parse_grpc_timeout(&text).unwrap();
            // Eight digits, and units a thousand apart: where the coarser one begins it has five.
            prop_assert!(read <= time && read >= time.mul_f64(1.0 - 1e-5), "{time:?} {text}");
        }
    }

    #[test]
    fn c7_any_text_is_read_or_refused(text in ".{0,12}") {
        for time in [parse_grpc_timeout(&text), parse_timeout(&text)].into_iter().flatten() {
            prop_assert!(time <= Duration::from_secs(99_999_999 * 3600));
        }
    }
}

fn limiter(hand: &Hand, build: impl FnOnce(LimiterBuilder<'_>) -> LimiterBuilder<'_>) -> Limiter {
    let inner = Inner::new("test".into(), hand.clock(), 7);
    build(LimiterBuilder::new(&inner, "db").bounds(1, 1000).baseline(1)).register()
}

fn poll(waits: Pin<&mut impl Future<Output = Result<Permit, Rejected>>>) -> Poll<Result<Permit, Rejected>> {
    waits.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn c7_queued_work_whose_deadline_is_gone_is_dropped() {
    let hand = Hand::default();
    let limiter = limiter(&hand, |builder| builder.queue(10));
    limiter.close_slice(0);
    let held = limiter.try_acquire(Priority::Normal).unwrap();
    let by = Deadline::after(Instant::now(), Duration::from_secs(60));
    let mut waits = pin!(limiter.acquire_by(Priority::Normal, by));
    assert!(poll(waits.as_mut()).is_pending());
    hand.advance(Duration::from_secs(61));
    drop(held);
    let refused = poll(waits.as_mut());
    assert!(
        matches!(&refused, Poll::Ready(Err(rejected)) if rejected.reason == RejectReason::QueueWait),
        "{refused:?}"
    );
    assert_eq!(limiter.in_flight(), 0, "the place that became free was not given to it");
}

#[test]
fn c7_a_call_whose_deadline_is_over_is_not_begun_even_if_there_is_room() {
    let limiter = limiter(&Hand::default(), |builder| builder.queue(10));
    let over = Deadline::at(Instant::now());
    let rejected = limiter.try_acquire_by(Priority::Normal, over).unwrap_err();
    assert_eq!((rejected.limit, rejected.reason), ("limit.db", RejectReason::Deadline));
    let answer = poll(pin!(limiter.acquire_by(Priority::Normal, over)));
    assert!(matches!(answer, Poll::Ready(Err(Rejected { reason: RejectReason::Deadline, .. }))));
    let seen = limiter.totals(0, 0).unwrap();
    assert_eq!((seen.arrived, seen.limited), (0, false), "it says nothing about the limit");
    assert!(limiter.try_acquire_by(Priority::Normal, Deadline::NONE).is_ok());
    assert!(limiter.try_acquire_by(Priority::Exempt, over).is_ok(), "health checks pass always");
}

#[test]
fn c7_hopeless_calls_are_refused_only_if_that_was_asked_for() {
    let usual = Some(Admission { baseline_latency: Some(Duration::from_secs(100)), shares: None });
    let admitted = |limiter: Limiter, seconds: u64| {
        let by = Deadline::after(Instant::now(), Duration::from_secs(seconds));
        (0..32).filter(|_| limiter.try_acquire_by(Priority::Normal, by).is_ok()).count()
    };
    let patient = limiter(&Hand::default(), |builder| builder);
    patient.admit(usual);
    assert_eq!(admitted(patient, 50), 32);
    let strict = limiter(&Hand::default(), |builder| builder.refuse_hopeless());
    assert_eq!(admitted(strict, 50), 32, "nothing is known yet");
    strict.admit(usual);
    assert_eq!((admitted(strict, 50), admitted(strict, 200)), (2, 32), "one in 16 goes and sees");
    assert!(strict.try_acquire_by(Priority::Normal, Deadline::NONE).is_ok());
}
