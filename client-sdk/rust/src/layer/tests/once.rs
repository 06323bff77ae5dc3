//! Whatever happens to calls, and in whatever order: each gives its place back exactly once.

use proptest::prelude::*;

use super::bodies::{Scripted, Step, grpc_answer, http_answer};
use super::*;

type Limited = Result<Response<LimitBody<Scripted>>, &'static str>;
type Answer = Result<Response<Scripted>, &'static str>;

/// What the wrapped service does with a request.
#[derive(Debug, Clone)]
struct Script {
    waits: usize,
    head: Head,
    body: Vec<Step>,
    grpc: bool,
    queued: bool,
    until: Until,
    contain: bool,
}

#[derive(Debug, Clone, Copy)]
enum Head {
    Status(u16),
    Error,
    Panic,
    PanicInCall,
}

/// What happens next.
#[derive(Debug, Clone)]
enum Event {
    Start(Script),
    Poll(usize),
    Drop(usize),
    Advance(u64),
    Pin(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Data),
        2 => prop_oneof![Just("0"), Just("8"), Just("13"), Just("?")].prop_map(Step::Trailers),
        1 => Just(Step::NoTrailers),
        1 => Just(Step::Error),
        1 => Just(Step::Panic),
        2 => Just(Step::Wait),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let head = prop_oneof![
        6 => prop_oneof![Just(200), Just(101), Just(404), Just(503)].prop_map(Head::Status),
        1 => Just(Head::Error),
        1 => Just(Head::Panic),
        1 => Just(Head::PanicInCall),
    ];
    let until = prop_oneof![Just(Until::Status), Just(Until::Head), Just(Until::Body)];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (0..3_usize, head, prop::collection::vec(step(), 0..4), flags, until).prop_map(
        |(waits, head, body, (grpc, queued, contain), until)| Script {
            waits,
            head,
            body,
            grpc,
            queued,
            until,
            contain,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => script().prop_map(Event::Start),
        6 => (0..8_usize).prop_map(Event::Poll),
        2 => (0..8_usize).prop_map(Event::Drop),
        1 => (0..8000_u64).prop_map(Event::Advance),
        1 => (0..4_u32).prop_map(Event::Pin),
    ]
}

/// A call that has begun and not ended.
enum Live {
    Future(Pin<Box<dyn Future<Output = Limited>>>),
    Body(Pin<Box<LimitBody<Scripted>>>),
}

fn start(rig: &Rig, script: Script) -> Live {
    let Script { waits, head, body, grpc, queued, until, contain } = script;
    let mut layer = rig.layer().until(move |_| until).hold_at_most(Duration::from_secs(5));
    if contain {
        layer = layer.contain_panics();
    }
    let inner = service_fn(move |_: Request<Body>| {
        assert!(!matches!(head, Head::PanicInCall), "in the call");
        let body = body.clone();
        async move {
            for _ in 0..waits {
                tokio::task::yield_now().await;
            }
            let answer: Answer = match head {
                Head::Status(200) if grpc => Ok(grpc_answer(&body)),
                Head::Status(status) => Ok(http_answer(status, &body)),
                Head::Error => Err("reset"),
                Head::Panic | Head::PanicInCall => panic!("in the future"),
            };
            answer
        }
    });
    let request = if grpc { grpc_request() } else { request("/") };
    if queued {
        Live::Future(Box::pin(layer.queued().layer(inner).oneshot(request)))
    } else {
        Live::Future(Box::pin(layer.layer(inner).oneshot(request)))
    }
}

/// `None`: it has ended.
fn poll(live: Live) -> Option<Live> {
    let cx = &mut Context::from_waker(Waker::noop());
    match live {
        Live::Future(mut future) => match future.as_mut().poll(cx) {
            Poll::Pending => Some(Live::Future(future)),
            Poll::Ready(Ok(response)) => Some(Live::Body(Box::pin(response.into_body()))),
            Poll::Ready(Err(_)) => None,
        },
        Live::Body(mut body) => match http_body::Body::poll_frame(body.as_mut(), cx) {
            Poll::Ready(None | Some(Err(_))) => None,
            _ => Some(Live::Body(body)),
        },
    }
}

fn check(rig: &Rig, alive: usize) {
    let seen = rig.totals();
    let ended = seen.completed + seen.dropped + seen.failed + seen.cancelled;
    assert_eq!(seen.admitted, ended + rig.limiter.in_flight(), "no call ends twice");
    assert!(rig.limiter.in_flight() <= alive as u64, "a call that is gone has no place");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn every_call_gives_its_place_back_exactly_once(events in prop::collection::vec(event(), 1..60)) {
        let rig = Rig::new(3);
        let mut live: Vec<Live> = Vec::new();
        for event in events {
            match event {
                Event::Start(script) => live.push(start(&rig, script)),
                Event::Poll(index) if index < live.len() => {
                    let taken = live.swap_remove(index);
                    // A panic that is not contained ends the call like any other.
                    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(taken)));
                    live.extend(polled.ok().flatten());
                }
                Event::Drop(index) if index < live.len() => drop(live.swap_remove(index)),
                Event::Advance(millis) => {
                    rig.hand.advance(Duration::from_millis(millis));
                    rig.limiter.watch(rig.hand.clock().now());
                }
                Event::Pin(limit) => _ = rig.limiter.pin(limit.into()),
                Event::Poll(_) | Event::Drop(_) => {}
            }
            check(&rig, live.len());
        }
        live.clear();
        check(&rig, 0);
    }
}
