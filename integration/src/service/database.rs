//! A database behind a pool of connections, called the way blocking drivers are: a thread waits for a connection, for as long
//! as it takes, and then for the answer.
//!
//! No deadline, no bound on who waits, and a query whose caller has gone is made all the same: these are the defaults of many
//! drivers and pools. The threads are those of the runtime, 512 unless it is told otherwise, and they are everybody's: files,
//! names and passwords are looked up, read and hashed on them too. So a database that has become slow can stop work that has
//! nothing to do with it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;

/// The pool and what is behind it. Clones share them.
#[derive(Clone, Debug)]
pub struct Database(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    idle: Mutex<usize>,
    freed: Condvar,
    query_micros: AtomicU64,
    pending: AtomicUsize,
}

impl Database {
    /// A pool of so many connections to a database that answers after `query`.
    pub fn new(connections: usize, query: Duration) -> Self {
        Self(Arc::new(Connections {
            idle: Mutex::new(connections),
            freed: Condvar::new(),
            query_micros: AtomicU64::new(query.as_micros() as u64),
            pending: AtomicUsize::new(0),
        }))
    }

    /// How long queries that begin now take.
    pub fn takes(&self) -> Duration {
        Duration::from_micros(self.0.query_micros.load(Relaxed))
    }

    /// Changes that for queries that begin from now on.
    pub fn set_query(&self, takes: Duration) {
        self.0.query_micros.store(takes.as_micros() as u64, Relaxed);
    }

    /// Queries that wait for a thread, wait for a connection, or are being answered.
    pub fn pending(&self) -> usize {
        self.0.pending.load(Relaxed)
    }

    /// One query. Dropping the future does not take it back.
    pub async fn query(&self) {
        let connections = Arc::clone(&self.0);
        connections.pending.fetch_add(1, Relaxed);
        // It fails only if the query panics, which it does not, or when the runtime ends.
        let _ = spawn_blocking(move || connections.query()).await;
    }
}

impl Connections {
    #[expect(
        clippy::disallowed_methods,
        reason = "a blocking driver blocks its thread: that is what is to be shown"
    )]
    fn query(&self) {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut idle = self.freed.wait_while(idle, |idle| *idle == 0).unwrap_or_else(PoisonError::into_inner);
        *idle -= 1;
        drop(idle);
        std::thread::sleep(Duration::from_micros(self.query_micros.load(Relaxed)));
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.freed.notify_one();
        self.pending.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn no_more_queries_at_once_than_connections_and_each_takes_the_time_of_the_moment() {
        let database = Database::new(2, Duration::from_millis(500));
        database.set_query(Duration::from_millis(20));
        assert_eq!(database.takes(), Duration::from_millis(20));
        let began = Instant::now();
        let queries: Vec<_> = (0..4)
            .map(|_| {
                let database = database.clone();
                tokio::spawn(async move { database.query().await })
            })
            .collect();
        for query in queries {
            query.await.unwrap();
        }
        // Two rounds of two. There is no upper bound on a machine that does other work.
        assert!(began.elapsed() >= Duration::from_millis(40), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_query_whose_caller_has_gone_is_made_all_the_same() {
        let database = Database::new(0, Duration::ZERO);
        tokio::select! {
            biased;
            () = database.query() => unreachable!("there is no connection"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(database.pending(), 1);
        *database.0.idle.lock().unwrap() = 1;
        database.0.freed.notify_one();
        while database.pending() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
