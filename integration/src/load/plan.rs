//! Load by a plan: each request has its own time and its own path, and each end is told on its own.
//!
//! The generator of this module's parent draws its arrivals as it goes and adds up what becomes of them. A plan is for runs
//! that have to be the same calls as somebody else's, and whose ends are added up in another way later. The rules are those of
//! the generator: an open loop, and latency from the scheduled time.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::StartError;
use super::connections::Connections;
use super::outcome::{Outcome, classify};
use super::tally::locked;
use crate::http::Target;

/// Requests that are sent in a row before answers get a turn, when the plan has fallen behind.
const BURST: usize = 64;

/// A request to come.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// When it is due, since the start.
    pub at: Duration,
    /// What is asked for, beginning with `/`.
    pub path: String,
}

/// What is to be sent, and how patiently.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `host:port`.
    pub authority: String,
    /// In the order of their times.
    pub requests: Vec<Planned>,
    /// An answer later than this after the scheduled time counts as late. It is still read.
    pub deadline: Duration,
    /// Most requests (and so connections) open at once. What is due beyond it is not sent.
    pub max_outstanding: usize,
    /// Answers are waited for until then, since the start.
    pub until: Duration,
}

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End {
    /// When it was due, since the start.
    pub scheduled: Duration,
    /// How much later it ended.
    pub latency: Duration,
    /// How.
    pub outcome: Outcome,
}

/// What became of a plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ends {
    /// Requests that ended in time to be seen, in the order in which they did.
    pub seen: Vec<End>,
    /// Requests that were sent: when they were due, and how much later than that they were sent, the load's own fault.
    pub sent: Vec<(Duration, Duration)>,
    /// Due, but not sent because too many were open already: scheduled times.
    pub shed: Vec<Duration>,
}

/// Runs a plan on a thread of its own that starts at `start`; the thread gives what became of it.
///
/// # Errors
/// No thread, or no runtime for it.
pub fn follow(plan: Plan, start: Instant) -> Result<JoinHandle<Ends>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let follow = move || runtime.block_on(Follower::run(plan, start));
    Ok(std::thread::Builder::new().name("load".to_owned()).spawn(follow)?)
}

struct Follower {
    authority: String,
    deadline: Duration,
    start: Instant,
    connections: Connections,
    open: AtomicUsize,
    seen: Mutex<Vec<End>>,
}

impl Follower {
    async fn run(plan: Plan, start: Instant) -> Ends {
        let follower = Arc::new(Self {
            authority: plan.authority,
            deadline: plan.deadline,
            start,
            connections: Connections::default(),
            open: AtomicUsize::new(0),
            seen: Mutex::default(),
        });
        let mut ends = Ends::default();
        let mut in_a_row = 0;
        for Planned { at, path } in plan.requests {
            let due = start + at;
            if due > Instant::now() {
                sleep_until(due).await;
                in_a_row = 0;
            } else if in_a_row == BURST {
                tokio::task::yield_now().await;
                in_a_row = 0;
            }
            in_a_row += 1;
            if follower.open.load(Relaxed) >= plan.max_outstanding {
                ends.shed.push(at);
                continue;
            }
            ends.sent.push((at, due.elapsed()));
            follower.open.fetch_add(1, Relaxed);
            tokio::spawn(Arc::clone(&follower).request(at, path));
        }
        sleep_until(start + plan.until).await;
        ends.seen = std::mem::take(&mut locked(&follower.seen));
        ends
    }

    async fn request(self: Arc<Self>, scheduled: Duration, path: String) {
        let target = Target { authority: self.authority.clone(), path };
        let (result, connection) = self.connections.exchange(&target).await;
        let latency = self.start.elapsed().saturating_sub(scheduled);
        let outcome = classify(&result, latency, self.deadline);
        locked(&self.seen).push(End { scheduled, latency, outcome });
        self.open.fetch_sub(1, Relaxed);
        self.connections.keep(connection, || true).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use axum::Router;
    use axum::extract::Path;
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::*;

    /// Answers `/ok/N`, rejects `/no/N`, never answers `/never/N`; adds up the N that were asked for.
    async fn serve(sum: Arc<AtomicU64>) -> String {
        let no = Arc::clone(&sum);
        let add = |sum: Arc<AtomicU64>, n: u64| {
            sum.fetch_add(n, Relaxed);
        };
        let app = Router::new()
            .route("/ok/{n}", get(async move |Path(n): Path<u64>| add(sum, n)))
            .route(
                "/no/{n}",
                get(async move |Path(n): Path<u64>| {
                    add(no, n);
                    StatusCode::TOO_MANY_REQUESTS
                }),
            )
            .route("/never/{n}", get(std::future::pending::<()>));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        at.to_string()
    }

    fn planned(paths: &[&str]) -> Vec<Planned> {
        let at = |number| Duration::from_millis(5 * number as u64);
        paths.iter().enumerate().map(|(n, path)| Planned { at: at(n), path: (*path).to_owned() }).collect()
    }

    async fn run(plan: Plan) -> Ends {
        let thread = follow(plan, Instant::now()).unwrap();
        tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn each_request_is_sent_once_and_each_end_is_told() {
        let sum = Arc::new(AtomicU64::new(0));
        let plan = Plan {
            authority: serve(Arc::clone(&sum)).await,
            requests: planned(&["/ok/1", "/no/10", "/never/0", "/ok/100"]),
            deadline: Duration::from_secs(60),
            max_outstanding: 10,
            until: Duration::from_secs(1),
        };
        let ends = run(plan).await;
        assert_eq!(sum.load(Relaxed), 111);
        let due: Vec<u128> = ends.sent.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!((due, ends.shed.len()), (vec![0, 5, 10, 15], 0));
        let mut seen: Vec<_> = ends.seen.iter().map(|end| (end.scheduled.as_millis(), end.outcome)).collect();
        seen.sort_by_key(|(at, _)| *at);
        assert_eq!(seen, [(0, Outcome::Ok), (5, Outcome::Rejected), (15, Outcome::Ok)]);
    }

    #[tokio::test]
    async fn what_would_be_one_too_many_is_not_sent_and_what_is_past_the_deadline_is_late() {
        let plan = Plan {
            authority: serve(Arc::default()).await,
            requests: planned(&["/never/0", "/ok/1"]),
            deadline: Duration::ZERO,
            max_outstanding: 1,
            until: Duration::from_millis(50),
        };
        let ends = run(plan.clone()).await;
        assert_eq!((ends.sent.len(), ends.shed, ends.seen), (1, vec![Duration::from_millis(5)], vec![]));
        let late = run(Plan { requests: planned(&["/ok/1"]), until: Duration::from_secs(1), ..plan }).await;
        assert_eq!(late.seen.iter().map(|end| end.outcome).collect::<Vec<_>>(), [Outcome::Late]);
    }
}
