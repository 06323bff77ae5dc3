//! A cache whose budget the sidecar lowers while memory is short, and a heap that gives back what is freed.
//!
//! ```sh
//! cargo run -p setpoint-sdk --example cache
//! ```
//!
//! The callback sets the new budget and evicts at once; a cache that would have to copy much had better evict with the next
//! inserts, and say with `read_back` what it still holds.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use setpoint_sdk::Setpoint;

const MI: usize = 1024 * 1024;

/// The oldest entry goes first.
struct Cache(Mutex<Entries>);

struct Entries {
    budget_bytes: usize,
    held_bytes: usize,
    bodies: VecDeque<Vec<u8>>,
}

impl Cache {
    fn new(budget_bytes: usize) -> Self {
        Self(Mutex::new(Entries { budget_bytes, held_bytes: 0, bodies: VecDeque::new() }))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Entries) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn insert(&self, body: Vec<u8>) {
        self.with(|entries| {
            entries.held_bytes += body.len();
            entries.bodies.push_back(body);
            entries.evict();
        });
    }

    fn set_budget(&self, bytes: usize) {
        self.with(|entries| {
            entries.budget_bytes = bytes;
            entries.evict();
        });
    }

    fn held_bytes(&self) -> usize {
        self.with(|entries| entries.held_bytes)
    }
}

impl Entries {
    fn evict(&mut self) {
        while self.held_bytes > self.budget_bytes {
            let Some(oldest) = self.bodies.pop_front() else { return };
            self.held_bytes -= oldest.len();
        }
    }
}

fn main() {
    let sp = Setpoint::builder("checkout").start();
    let cache = Arc::new(Cache::new(64 * MI));
    let (tuned, held) = (cache.clone(), cache.clone());
    let budget = sp
        .memory_budget("bodies")
        .bounds(4.0 * MI as f64, 256.0 * MI as f64)
        .baseline(64.0 * MI as f64)
        .on_change(move |_, bytes, _| tuned.set_budget(bytes as usize))
        .read_back(move || held.held_bytes() as f64)
        .register();

    (0..100).for_each(|_| cache.insert(vec![0; MI]));
    assert_eq!(cache.held_bytes(), 64 * MI);
    // As the sidecar does when memory is short; here the service's owner does it.
    budget.pin(16.0 * MI as f64);
    assert_eq!(cache.held_bytes(), 16 * MI);
    budget.unpin();
    sp.stop();
}
