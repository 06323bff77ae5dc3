//! How the service stands with its sidecar, in one word.
//!
//! | health | when |
//! |---|---|
//! | disabled | the kill switch is on |
//! | decaying, held | some lease is, whatever else is well: the least fresh knob tells |
//! | synced | the loop lives and the leases are valid, or nothing was pushed |
//! | quiet | no sign of life for two beats, or no stream, but the leases are still valid |
//! | baseline | no sidecar and no lease, or every lease is over |

use setpoint_policies::lease::Phase;
use setpoint_policies::time::Timestamp;

use super::lease::Liveness;
use crate::health::Health;

/// The health at the instant `at`, of leases in these phases and of the stream, if one is up.
pub(super) fn standing(
    disabled: bool,
    phases: impl Iterator<Item = Phase>,
    stream: Option<&Liveness>,
    at: Timestamp,
) -> Health {
    let (mut valid, mut held, mut decaying, mut over) = (false, false, false, false);
    for phase in phases {
        match phase {
            Phase::Valid => valid = true,
            Phase::Held => held = true,
            Phase::Decaying(_) => decaying = true,
            Phase::Over => over = true,
        }
    }
    let fresh = stream.is_some_and(|stream| stream.fresh(at));
    let lost = stream.is_none_or(|stream| stream.lost(at));
    if disabled {
        Health::Disabled
    } else if decaying {
        Health::Decaying
    } else if held {
        Health::Held
    } else if fresh && (valid || !over) {
        Health::Synced
    } else if valid || !(lost || over) {
        Health::Quiet
    } else {
        Health::Baseline
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_least_fresh_knob_tells() {
        use Phase::{Decaying, Held, Over, Valid};
        let start = Timestamp::ZERO;
        let stream = Liveness::start(Duration::from_secs(1), Duration::from_secs(5), None, start);
        let at = |seconds| start + Duration::from_secs(seconds);
        let table: [(&[Phase], Option<u64>, Health); 13] = [
            (&[], Some(0), Health::Synced),
            (&[], Some(3), Health::Quiet),
            (&[], Some(6), Health::Baseline),
            (&[], None, Health::Baseline),
            (&[Valid], Some(0), Health::Synced),
            (&[Valid], Some(3), Health::Quiet),
            (&[Valid], None, Health::Quiet),
            (&[Valid, Held], Some(0), Health::Held),
            (&[Decaying(0.5), Held], None, Health::Decaying),
            (&[Over, Valid], Some(0), Health::Synced),
            (&[Over], Some(0), Health::Baseline),
            (&[Over], Some(3), Health::Baseline),
            (&[Over], None, Health::Baseline),
        ];
        for (phases, silent_for, expected) in table {
            let (stream, now) = (silent_for.map(|_| &stream), at(silent_for.unwrap_or(0)));
            let health = standing(false, phases.iter().copied(), stream, now);
            assert_eq!(health, expected, "{phases:?}, silent for {silent_for:?} s");
            assert_eq!(standing(true, phases.iter().copied(), stream, now), Health::Disabled);
        }
    }
}
