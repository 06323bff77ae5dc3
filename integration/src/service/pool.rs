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
    /// Exponential-like: many short, some long, up to 5.5 times the mean. Drawn in blocks that hold each quantile once, in
    /// a seeded order, so that the mean is exact within any [`STRATA`] arrivals and capacity is no matter of luck.
    Exp,
}

/// Arrivals within which the mean of the service times is exact. A power of two.
pub const STRATA: u64 = 128;

/// The `arrival`-th exponential-like time for `seed`, with mean 1.
fn exponential(seed: u64, arrival: u64) -> f64 {
    let mut rng = Rng::new(Rng::new(seed).next_u64() ^ Rng::new(arrival / STRATA).next_u64());
    // An odd factor and an offset permute the numbers below a power of two.
    let (factor, offset) = (rng.next_u64() | 1, rng.next_u64());
    let stratum = (arrival ^ rng.next_u64()).wrapping_mul(factor).wrapping_add(offset) % STRATA;
    // The mean of an exponential between two of its quantiles, so that the strata's own mean is 1.
    let integral = |from: f64| if from > 0.0 { from * (1.0 - from.ln()) } else { 0.0 };
    let (upper, lower) = ((stratum + 1) as f64 / STRATA as f64, stratum as f64 / STRATA as f64);
    (integral(upper) - integral(lower)) * STRATA as f64
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
            Jitter::Exp => self.service_time.mul_f64(exponential(self.seed, arrival)),
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

    #[test]
    fn exponential_times_follow_from_the_seed_and_keep_the_mean() {
        let times = |seed| (0..10 * STRATA).map(|n| exponential(seed, n)).collect::<Vec<_>>();
        let first = times(1);
        assert_eq!(first, times(1));
        assert_ne!(first, times(2));
        let blocks: Vec<_> = first.chunks(STRATA as usize).collect();
        for block in &blocks {
            let mean = block.iter().sum::<f64>() / block.len() as f64;
            assert!((mean - 1.0).abs() < 1e-9, "mean {mean}");
        }
        assert_ne!(blocks[0], blocks[1], "each block in another order");
        let variance = first.iter().map(|t| (t - 1.0) * (t - 1.0)).sum::<f64>() / first.len() as f64;
        assert!((0.9..1.0).contains(&variance), "an exponential's is 1, without its far tail: {variance}");
        let largest = first.iter().copied().fold(0.0, f64::max);
        assert!((5.0..6.0).contains(&largest), "{largest}");
    }
}
