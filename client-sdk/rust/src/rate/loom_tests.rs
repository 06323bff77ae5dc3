use std::sync::Arc;
use std::time::Duration;

use super::terms::{Asked, Terms};
use super::word::Word;
use crate::clock::Hand;
use crate::sync::{ModelledMutex, explore, locked_modelled};

type InForce = ModelledMutex<Arc<Terms<&'static Word>>>;

/// A slow rate takes the place of a fast one, and time goes on, while callers take: nobody gets more than there was, and
/// nobody leaves the bucket spent up to a time that is still to come.
#[test]
fn loom_c4_a_swap_loses_no_call_and_shuts_no_bucket() {
    explore(|| {
        let hand = Hand::default();
        let word: &'static Word = Box::leak(Box::new(Word::full()));
        let fast = Asked { per_second: 1e6, burst: 2.0 };
        let slow = Asked { per_second: 1.0, burst: 2.0 };
        let in_force = loom::sync::Arc::new(InForce::new(Arc::new(Terms::start(word, fast, &hand.clock()))));
        let take = |in_force: &InForce| {
            let terms = Arc::clone(&locked_modelled(in_force));
            u32::from(terms.take(&(), 1).is_ok())
        };
        let taker = {
            let in_force = in_force.clone();
            loom::thread::spawn(move || take(&in_force) + take(&in_force))
        };
        let next = Arc::clone(&locked_modelled(&in_force)).followed_by(word, slow);
        *locked_modelled(&in_force) = Arc::new(next);
        // A caller that still holds the old terms is far behind by now.
        hand.advance(Duration::from_millis(1));
        let own = take(&in_force) + take(&in_force);
        let taken = own + taker.join().expect("no panic");
        assert!(
            (2..=4).contains(&taken),
            "two were there, and two and more dripped in before the swap: {taken}"
        );
        let terms = Arc::clone(&locked_modelled(&in_force));
        assert!(word.spent() <= terms.now(), "spent up to a time that is still to come");
    });
}
