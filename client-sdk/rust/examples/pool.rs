//! A pool of connections whose size is a knob: deadpool, resized while it is in use. No database is needed.
//!
//! `cargo run -p setpoint-sdk --example pool`.
//!
//! - `sp.pool_size("db")` is the knob `pool.db`; its callback tells the pool. Here the service moves it itself (`pin`); with a
//!   sidecar a policy that names `pool.db` does.
//! - Connections in use survive a smaller pool; they are closed when they are given back.
//! - sqlx's pool has no resize: build it with the most connections that the database bears, and put a limiter in front of it
//!   (`sp.limiter("db")`), whose limit moves instead. Two pools' worth of connections are never open.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use deadpool::managed::{Manager, Metrics, Pool, RecycleResult};
use setpoint_sdk::Setpoint;

/// Makes connections that are numbers.
struct Numbers(AtomicUsize);

impl Manager for Numbers {
    type Type = usize;
    type Error = Infallible;

    async fn create(&self) -> Result<usize, Infallible> {
        Ok(self.0.fetch_add(1, Ordering::Relaxed))
    }

    async fn recycle(&self, _: &mut usize, _: &Metrics) -> RecycleResult<Infallible> {
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "what happens is what it is run for")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sp = Setpoint::builder("checkout").start();
    let pool = Pool::<Numbers>::builder(Numbers(AtomicUsize::new(0))).max_size(20).build()?;
    let resized = pool.clone();
    let size = sp
        .pool_size("db")
        .bounds(2.0, 50.0)
        .baseline(20.0)
        .on_change(move |_, connections, _| resized.resize(connections as usize))
        .register();

    let mut in_use = Vec::new();
    for _ in 0..5 {
        in_use.push(pool.get().await?);
    }
    println!("as built:         {:?}", pool.status());
    size.pin(3.0);
    println!("smaller, in use:  {:?}", pool.status());
    drop(in_use);
    println!("given back:       {:?}", pool.status());
    size.unpin();
    println!("as built again:   {:?}", pool.status());
    assert_eq!(pool.status().max_size, 20);
    Ok(())
}
