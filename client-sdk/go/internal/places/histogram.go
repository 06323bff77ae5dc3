package places

import (
	"math/bits"
	"time"
)

// Buckets of latency, two to each doubling, from 16 us (2^14 ns) up. Coarse on purpose: it is written on the request path and
// meant for people, not for decisions; those rest on the exact sums.
const Buckets = 64

// Everything below 2^14 ns is in the first bucket.
const firstOctave = 14

// bucket of a latency in nanoseconds. The last one has no upper bound.
func bucket(nanos uint64) int {
	octave := bits.Len64(nanos|1) - 1
	if octave < firstOctave {
		return 0
	}
	upperHalf := int(nanos>>(octave-1)) & 1
	return min(1+2*(octave-firstOctave)+upperHalf, Buckets-1)
}

// Floor is the shortest latency of a bucket.
func Floor(bucket int) time.Duration {
	if bucket == 0 {
		return 0
	}
	octave := firstOctave + (bucket-1)/2
	return time.Duration((2 + (bucket-1)%2) << (octave - 1))
}
