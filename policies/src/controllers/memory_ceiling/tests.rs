use super::*;
use proptest::prelude::*;

fn name() -> KnobName {
    KnobName::try_new("limit.x").expect("valid")
}

#[test]
fn wrong_parameters_are_named() {
    let field = |fill, floor| MemoryCeiling::try_new(name(), fill, floor).expect_err("wrong").field();
    for (fill, floor, blamed) in
        [(0.05, 4.0, "fill"), (f64::NAN, 4.0, "fill"), (0.99, 4.0, "fill"), (0.8, 0.0, "floor")]
    {
        assert_eq!(field(fill, floor), Some(blamed));
    }
}

/// A policy with these looks that reckons with `floor`.
fn policy(looks: &[(f64, f64)], floor: f64) -> MemoryCeilingPolicy {
    let mut policy = MemoryCeilingPolicy::new(MemoryCeiling::try_new(name(), 0.85, floor).expect("valid"));
    policy
        .looks
        .extend(looks.iter().map(|(held, working_set)| Look { held: *held, working_set: *working_set }));
    policy
}

proptest! {
    /// Never below the floor, never nonsense; more memory is never less room, neither is less of it in use or a smaller call.
    #[test]
    fn c2_room_is_monotone_and_above_the_floor(
        looks in prop::collection::vec((0.0f64..1e6, 0.0f64..1e12), 1..LOOKS),
        limit in 0.0f64..1e12, more in 0.0f64..1e12, per_call in 1.0f64..1e10, floor in 1.0f64..1e6,
    ) {
        let room = |policy: &MemoryCeilingPolicy, limit, per_call| policy.room(limit, per_call).expect("looked");
        let policy = policy(&looks, floor);
        let there = room(&policy, limit, per_call);
        prop_assert!(there.is_finite() && there >= floor);
        prop_assert!(room(&policy, limit + more, per_call) >= there);
        let lighter: Vec<_> = looks.iter().map(|(held, set)| (*held, set * 0.5)).collect();
        prop_assert!(room(&super::tests::policy(&lighter, floor), limit, per_call) >= there);
    }

    /// Down at once, up by a fifth and a call each second at most.
    #[test]
    fn c2_the_ceiling_falls_at_once_and_rises_slowly(rooms in prop::collection::vec((4.0f64..1e5, 1u64..5000), 2..50)) {
        let mut policy = policy(&[], 4.0);
        let (mut now, mut last) = (Timestamp::ZERO, None);
        for (room, wait) in rooms {
            let wait = Duration::from_millis(wait);
            now += wait;
            let paced = policy.paced(now, room);
            let most = last.map_or(room, |last| last + (0.2 * last + 1.0) * wait.as_secs_f64());
            prop_assert!((paced - room.min(most)).abs() < 1e-6 * most, "{} of {}", paced, room);
            last = Some(paced);
        }
    }
}
