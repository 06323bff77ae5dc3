//! The generator against small servers that misbehave in one way each.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use axum::http::{StatusCode, header::RETRY_AFTER};
use axum::response::IntoResponse;
use axum::{Router, routing::get};
use tokio::time::{Instant, sleep};

use super::*;

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    at
}

fn options(at: SocketAddr, rate_per_second: f64) -> Options {
    Options {
        target: Target::new(at, "/"),
        rate_per_second,
        arrivals: Arrivals::Uniform,
        seed: 1,
        deadline: Duration::from_millis(250),
        max_outstanding: 500,
    }
}

/// Runs `rate` for `duration`, then waits until everything sent has ended.
async fn run(options: Options, duration: Duration) -> Tally {
    let generator = Generator::start(options).unwrap();
    let slot = generator.begin_phase();
    sleep(duration).await;
    generator.rate(0.0);
    let until = Instant::now() + Duration::from_secs(10);
    while slot.snapshot().unanswered() > 0 {
        assert!(Instant::now() < until, "never settles: {:?}", slot.snapshot().unanswered());
        sleep(Duration::from_millis(5)).await;
    }
    slot.snapshot()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_is_charged_to_every_request_that_was_due_in_it() {
    let stalled = Arc::new(AtomicBool::new(false));
    let gate = Arc::new(tokio::sync::Mutex::new(()));
    let app = Router::new().route(
        "/",
        get(move || {
            let (stalled, gate) = (Arc::clone(&stalled), Arc::clone(&gate));
            async move {
                let _turn = gate.lock().await;
                if !stalled.swap(true, SeqCst) {
                    sleep(Duration::from_millis(500)).await;
                }
            }
        }),
    );
    // 1.5 s at 200/s: 100 of 300 requests were due during the stall. A closed loop would have seen one slow request.
    let tally = run(options(serve(app).await, 200.0), Duration::from_millis(1500)).await;
    let p99 = tally.latency(0.99).unwrap();
    assert!(p99 >= Duration::from_millis(450), "p99 {p99:?}");
    assert!((35..=75).contains(&tally.late), "half of the 100 waited longer than 250 ms: {}", tally.late);
    assert_eq!(tally.failed() + tally.rejected + tally.shed_by_client, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_answer_is_counted_as_what_it_is() {
    let calls = Arc::new(AtomicU64::new(0));
    let app = Router::new().route(
        "/",
        get(move || {
            let call = calls.fetch_add(1, SeqCst);
            async move {
                match call % 4 {
                    0 => StatusCode::OK.into_response(),
                    1 => StatusCode::TOO_MANY_REQUESTS.into_response(),
                    2 => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response(),
                    _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
                }
            }
        }),
    );
    let tally = run(options(serve(app).await, 200.0), Duration::from_millis(500)).await;
    assert!(tally.sent >= 80, "{}", tally.sent);
    let quarter = tally.sent / 4;
    assert!(tally.ok.abs_diff(quarter) <= 1 && tally.failed_status.abs_diff(quarter) <= 1, "{tally:?}");
    assert!(tally.rejected.abs_diff(quarter * 2) <= 2, "{}", tally.rejected);
    assert_eq!(tally.failed_socket, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_and_refusals_are_socket_failures() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let slamming = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let tally = run(options(at, 100.0), Duration::from_millis(300)).await;
    assert!(tally.sent > 0 && tally.failed_socket == tally.sent, "{tally:?}");
    slamming.abort();
    let _ = slamming.await;
    let tally = run(options(at, 100.0), Duration::from_millis(300)).await;
    assert!(tally.sent > 0 && tally.failed_socket == tally.sent, "nobody listens: {tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_its_bound_the_client_sheds_and_says_so() {
    let app = Router::new().route("/", get(|| async { sleep(Duration::from_millis(400)).await }));
    let options = Options { max_outstanding: 5, ..options(serve(app).await, 100.0) };
    let tally = run(options, Duration::from_millis(350)).await;
    assert_eq!(tally.sent, 5);
    assert_eq!(tally.scheduled, tally.sent + tally.shed_by_client);
    assert!(tally.shed_by_client >= 20, "{}", tally.shed_by_client);
    assert_eq!((tally.ok, tally.late), (0, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phase_keeps_settling_after_the_next_has_begun() {
    let app = Router::new().route("/", get(|| async { sleep(Duration::from_millis(150)).await }));
    let generator = Generator::start(options(serve(app).await, 100.0)).unwrap();
    let first = generator.begin_phase();
    sleep(Duration::from_millis(300)).await;
    let second = generator.begin_phase();
    generator.rate(0.0);
    let at_the_change = first.snapshot();
    assert!(at_the_change.unanswered() > 0, "{at_the_change:?}");
    while first.snapshot().unanswered() > 0 {
        sleep(Duration::from_millis(5)).await;
    }
    let settled = first.snapshot();
    assert_eq!((settled.ok, settled.scheduled), (at_the_change.sent, at_the_change.scheduled));
    assert!(second.snapshot().scheduled <= 1, "all but a last one were the first phase's");
    assert!(generator.window().ok >= settled.ok, "the live window counts by completion");
    assert_eq!(generator.window().ok, 0, "and begins anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirected_generator_leaves_nothing_to_the_old_target() {
    let served = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
    let app = |count: &Arc<AtomicU64>| {
        let count = Arc::clone(count);
        let answer = move || {
            count.fetch_add(1, SeqCst);
            async {}
        };
        Router::new().route("/", get(answer))
    };
    let [old, new] = [serve(app(&served[0])).await, serve(app(&served[1])).await];
    let generator = Generator::start(options(old, 200.0)).unwrap();
    let slot = generator.begin_phase();
    while slot.snapshot().ok < 10 {
        sleep(Duration::from_millis(5)).await;
    }
    generator.redirect(Target::new(new, "/"));
    while served[1].load(SeqCst) < 20 || slot.snapshot().unanswered() > 0 {
        sleep(Duration::from_millis(5)).await;
    }
    let settled = slot.snapshot();
    assert_eq!(settled.failed(), 0);
    let by_old = served[0].load(SeqCst);
    assert!(by_old < 10 + 10, "kept connections lead back to the old one: {by_old}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_loop_finds_the_capacity() {
    let slots = Arc::new(tokio::sync::Semaphore::new(4));
    let app = Router::new().route(
        "/",
        get(move || {
            let slots = Arc::clone(&slots);
            async move {
                let _slot = slots.acquire().await;
                sleep(Duration::from_millis(20)).await;
            }
        }),
    );
    let target = Target::new(serve(app).await, "/");
    let rate = capacity::measure_capacity(&target, 12, Duration::from_secs(1)).await.unwrap();
    assert!((150.0..=201.0).contains(&rate), "4 slots of 20 ms: {rate}");
    let nobody = Target::new("127.0.0.1:1", "/");
    assert!(capacity::measure_capacity(&nobody, 1, Duration::from_secs(1)).await.is_err());
}
