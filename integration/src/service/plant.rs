//! A scenario's server in real time: calls enter and are answered when the scenario's server would answer them.
//!
//! One thread owns the [`Works`] and sleeps until what is due next. It is a thread and not a task because tokio's timers have
//! a resolution of a millisecond, which is half of the work of a call in some scenarios, and because it must not wait its
//! turn behind requests.

pub mod works;

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use setpoint_policies::sim::scenario::Server;
use tokio::sync::oneshot;

use works::Works;

/// The way to a running plant. The plant ends when the last one is gone.
#[derive(Clone, Debug)]
pub struct Plant(Sender<Call>);

/// A call on its way into the plant; dropping the receiver of `done` leaves its work to be done.
struct Call {
    at: Instant,
    work: f64,
    done: oneshot::Sender<()>,
}

impl Plant {
    /// Starts the thread; the scenario begins at `start`, now or in the past.
    ///
    /// # Errors
    /// No thread.
    pub fn start(server: &Server, seed: u64, start: Instant) -> std::io::Result<Self> {
        let (sender, calls) = mpsc::channel();
        let works = Works::new(server, seed);
        let running = Running { works, start, calls: HashMap::new(), next: 0 };
        std::thread::Builder::new().name("plant".to_owned()).spawn(move || running.run(&calls))?;
        Ok(Self(sender))
    }

    /// One call with so many seconds of work, until it is answered. Dropping the future leaves it in the plant.
    pub async fn call(&self, work: f64) {
        let (done, answer) = oneshot::channel();
        // Neither can fail while the plant runs, which it does as long as we can ask it.
        let _ = self.0.send(Call { at: Instant::now(), work, done });
        let _ = answer.await;
    }
}

struct Running {
    works: Works,
    start: Instant,
    calls: HashMap<u32, oneshot::Sender<()>>,
    next: u32,
}

impl Running {
    fn run(mut self, calls: &Receiver<Call>) {
        loop {
            let call = match self.until_next() {
                None => calls.recv().map_err(RecvTimeoutError::from),
                Some(wait) => calls.recv_timeout(wait),
            };
            match call {
                Ok(Call { at, work, done }) => {
                    let at = self.seconds(at);
                    self.calls.insert(self.next, done);
                    let Self { works, calls, next, .. } = &mut self;
                    works.enter(at, *next, work, &mut |call, _| answer(calls, call));
                    self.next = self.next.wrapping_add(1);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let now = self.seconds(Instant::now());
                    let Self { works, calls, .. } = &mut self;
                    works.advance(now, &mut |call, _| answer(calls, call));
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// How long until something is due by itself; `None` for ever.
    fn until_next(&self) -> Option<Duration> {
        let next = Duration::try_from_secs_f64(self.works.next()).ok()?;
        Some(next.saturating_sub(self.start.elapsed()))
    }

    fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.start).as_secs_f64()
    }
}

fn answer(calls: &mut HashMap<u32, oneshot::Sender<()>>, call: u32) {
    if let Some(done) = calls.remove(&call) {
        let _ = done.send(()); // the caller may have gone: nobody here notices
    }
}

#[cfg(test)]
mod tests {
    use setpoint::simulate::scenario_file;

    use super::*;

    fn plant(server: &str) -> Plant {
        let text = format!(
            "version: setpoint/v1\nkind: Scenario\nname: test\nduration: 1s\nclients: {{rate: 1}}\ndeadline: 1s\nserver: {server}\n"
        );
        let scenario = scenario_file::parse("test.yaml", text.as_bytes()).unwrap();
        Plant::start(&scenario.server, 1, Instant::now()).unwrap()
    }

    #[tokio::test]
    async fn calls_take_their_work_their_turn_and_the_dependency_s_time() {
        let plant = plant("{workers: 2, work: {fixed: 1ms}, delay: {fixed: 30ms}}");
        let began = Instant::now();
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let plant = plant.clone();
                tokio::spawn(async move { plant.call(0.02).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        // Two rounds of two, then the dependency. There is no upper bound on a machine that does other work.
        assert!(began.elapsed() >= Duration::from_millis(69), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn work_for_a_caller_that_has_gone_is_done_all_the_same() {
        let plant = plant("{workers: 1, work: {fixed: 1ms}}");
        let began = Instant::now();
        tokio::select! {
            biased;
            () = plant.call(0.05) => unreachable!("takes 50 ms"),
            () = std::future::ready(()) => {}
        }
        plant.call(0.0).await;
        assert!(began.elapsed() >= Duration::from_millis(49), "{:?}", began.elapsed());
    }
}
