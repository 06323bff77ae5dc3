use loom::sync::Arc;

use super::*;
use crate::sync::explore;

/// Two threads come and go before a gate for one that is closed and opened: never two inside, and every place comes back.
#[test]
fn loom_c3_never_above_the_limit_and_no_place_is_lost() {
    explore(|| {
        let count = Arc::new(Count::new(1));
        let inside = Arc::new(AtomicU64::new(0));
        let come_and_go = |count: &Count, inside: &AtomicU64| {
            if count.enter(0) {
                assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "above the limit");
                inside.fetch_sub(1, Ordering::Relaxed);
                count.leave();
            }
        };
        let other = {
            let (count, inside) = (count.clone(), inside.clone());
            loom::thread::spawn(move || {
                come_and_go(&count, &inside);
                come_and_go(&count, &inside);
            })
        };
        count.limit(0);
        come_and_go(&count, &inside);
        count.limit(1);
        come_and_go(&count, &inside);
        other.join().expect("no panic");
        assert_eq!(count.inside(), 0);
        assert!(count.enter(0), "a place was lost");
    });
}
