//! A bounded pool of workers behind an unbounded queue, as most services have one somewhere.
//!
//! Two properties matter. First, it is oblivious: a job whose caller has gone is worked off all the same, so work done for
//! nobody grows with the queue (what turns overload into collapse). Second, its capacity is *exactly* `workers /
//! service_time`, on any machine: each worker keeps a virtual clock and begins a job at `max(when the last one was over, when
//! this one arrived)`, so a timer that fires a millisecond late does not make the job longer. Otherwise the true capacity,
//! against which every goodput is measured, would depend on timer slack.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::rng::Rng;

/// How service times spread around their mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Jitter {
    /// All equal.
    None,
    /// Exponentially distributed: many short, some long.
    Exp,
}

struct Job {
    arrived: Instant,
    takes: Duration,
    done: oneshot::Sender<()>,
}

type Jobs = Arc<Mutex<mpsc::UnboundedReceiver<Job>>>;

/// The pool. Its workers end when it is dropped and the queue is worked off.
#[derive(Debug)]
pub struct Pool {
    jobs: mpsc::UnboundedSender<Job>,
    waiting: Arc<AtomicUsize>,
    arrivals: AtomicU64,
    service_time: Duration,
    jitter: Jitter,
    seed: u64,
}

impl Pool {
    /// Starts `workers` tasks on the current runtime.
    pub fn start(workers: usize, service_time: Duration, jitter: Jitter, seed: u64) -> Self {
        let (jobs, queue) = mpsc::unbounded_channel();
        let queue: Jobs = Arc::new(Mutex::new(queue));
        let waiting = Arc::new(AtomicUsize::new(0));
        for _ in 0..workers {
            tokio::spawn(worker(Arc::clone(&queue), Arc::clone(&waiting)));
        }
        Self { jobs, waiting, arrivals: AtomicU64::new(0), service_time, jitter, seed }
    }

    /// Queues a job and waits until a worker has done it. Dropping the future leaves the job in the queue.
    pub async fn run(&self) {
        let (done, answer) = oneshot::channel();
        let takes = self.service_time_of(self.arrivals.fetch_add(1, Relaxed));
        self.waiting.fetch_add(1, Relaxed);
        let job = Job { arrived: Instant::now(), takes, done };
        // Neither can fail while the pool lives: workers end only when `jobs` is dropped.
        let _ = self.jobs.send(job);
        let _ = answer.await;
    }

    /// Jobs that wait for a worker.
    pub fn queue(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// The n-th arrival takes the same time in every run with the same seed.
    fn service_time_of(&self, arrival: u64) -> Duration {
        match self.jitter {
            Jitter::None => self.service_time,
            Jitter::Exp => {
                let mut rng = Rng::new(Rng::new(self.seed).next_u64() ^ Rng::new(arrival).next_u64());
                self.service_time.mul_f64(rng.exponential())
            }
        }
    }
}

async fn worker(queue: Jobs, waiting: Arc<AtomicUsize>) {
    let mut free_at = Instant::now();
    loop {
        let job = queue.lock().await.recv().await;
        let Some(job) = job else { return };
        waiting.fetch_sub(1, Relaxed);
        free_at = free_at.max(job.arrived) + job.takes;
        sleep_until(free_at).await;
        let _ = job.done.send(()); // the caller may have gone: nobody here notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(jitter: Jitter, seed: u64) -> Pool {
        Pool::start(8, Duration::from_millis(20), jitter, seed)
    }

    #[tokio::test(start_paused = true)]
    async fn capacity_is_workers_by_service_time() {
        let pool = pool(Jitter::None, 0);
        let start = Instant::now();
        let mut jobs: Vec<_> = (0..80).map(|_| Box::pin(pool.run())).collect();
        for job in &mut jobs {
            job.await;
        }
        // Awaited one after the other, each job arrives when its predecessor is done: 80 x 20 ms.
        assert_eq!(start.elapsed(), Duration::from_millis(1600));
    }

    #[tokio::test(start_paused = true)]
    async fn eight_at_a_time_share_the_work() {
        let pool = Arc::new(pool(Jitter::None, 0));
        let start = Instant::now();
        let mut jobs = tokio::task::JoinSet::new();
        for _ in 0..80 {
            let pool = Arc::clone(&pool);
            jobs.spawn(async move { pool.run().await });
        }
        jobs.join_all().await;
        assert_eq!(start.elapsed(), Duration::from_millis(200));
        assert_eq!(pool.queue(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_leaves_does_not_take_its_job_along() {
        let pool = pool(Jitter::None, 0);
        for _ in 0..80 {
            tokio::select! {
                biased;
                () = pool.run() => unreachable!("takes 20 ms"),
                () = std::future::ready(()) => {}
            }
        }
        assert_eq!(pool.queue(), 80);
        let start = Instant::now();
        pool.run().await;
        assert_eq!(start.elapsed(), Duration::from_millis(220), "waits for 80 jobs of nobody");
    }

    #[tokio::test]
    async fn exponential_times_follow_from_the_seed_and_keep_the_mean() {
        let times = |seed| {
            let pool = pool(Jitter::Exp, seed);
            (0..20_000).map(|n| pool.service_time_of(n)).collect::<Vec<_>>()
        };
        let first = times(1);
        assert_eq!(first, times(1));
        assert_ne!(first, times(2));
        let mean = first.iter().sum::<Duration>().as_secs_f64() / first.len() as f64;
        assert!((mean / 0.020 - 1.0).abs() < 0.03, "mean {mean}");
    }
}
