//! Latencies in 64 buckets, two to each doubling, from 16 us (2^14 ns) up.
//!
//! Coarse on purpose: it is written on the request path, costs 512 bytes in a shard, and is meant for percentiles that
//! are looked at by people, not for decisions; those rest on the exact sums.

use std::time::Duration;

/// Number of buckets.
pub(crate) const BUCKETS: usize = 64;

/// Everything below 2^14 ns is in the first bucket.
const FIRST_OCTAVE: u32 = 14;

/// The bucket of a latency in nanoseconds. The last one has no upper bound.
#[inline]
pub(crate) fn bucket(nanos: u64) -> usize {
    let octave = (nanos | 1).ilog2();
    if octave < FIRST_OCTAVE {
        return 0;
    }
    let upper_half = (nanos >> (octave - 1)) & 1;
    let bucket = 1 + 2 * u64::from(octave - FIRST_OCTAVE) + upper_half;
    (bucket as usize).min(BUCKETS - 1)
}

/// The shortest latency of a bucket.
pub(crate) const fn floor(bucket: usize) -> Duration {
    if bucket == 0 {
        return Duration::ZERO;
    }
    let octave = FIRST_OCTAVE + (bucket as u32 - 1) / 2;
    let half = (bucket as u64 - 1) % 2;
    Duration::from_nanos((2 + half) << (octave - 1))
}

#[cfg(all(test, not(setpoint_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floors_grow_and_belong_to_their_own_bucket() {
        assert_eq!(floor(1), Duration::from_nanos(16_384));
        assert_eq!(floor(3), Duration::from_nanos(32_768));
        for i in 1..BUCKETS {
            let floor_nanos = u64::try_from(floor(i).as_nanos()).unwrap();
            assert_eq!((bucket(floor_nanos), bucket(floor_nanos - 1)), (i, i - 1), "bucket {i}");
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BUCKETS - 1));
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_latency_within_half_an_octave(nanos in 16_384_u64..1 << 45) {
            let floor = floor(bucket(nanos)).as_nanos() as u64;
            prop_assert!(floor <= nanos && nanos < floor + floor / 2 + 1, "{floor} {nanos}");
        }
    }
}
