//! Endpoints of one set: only so many of them may be open at once.
//!
//! When most endpoints of a service look bad, the fault is more likely ours, or everybody's, than theirs; to open all of their
//! breakers would turn a partial outage into a whole one. So an endpoint that trips asks for a seat, and the seats go to the
//! worst; those that get none stay closed and say so. Who is open keeps its seat until it recovers: to take it away for a worse
//! one would make both flap.
//!
//! The breakers of a set know of each other through the engine: after each step it shows every member what all of them
//! said. All rank the same list in the same way, so they agree without a leader. A trip in a set takes one step longer.

use super::spec::Set;
use crate::knob::KnobName;
use crate::policy::Standing;

/// The answer to who would trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    Granted,
    /// So many of the set are open.
    Refused {
        open: usize,
        members: usize,
    },
}

/// Whether the breaker `knob` of the set may open.
pub(super) fn ask(set: &Set, knob: &KnobName, peers: &[Standing]) -> Seat {
    let (open, members) = (peers.iter().filter(|peer| peer.open).count(), peers.len());
    let allowed = ((set.max_open * members as f64) as usize).max(1);
    let own = peers.iter().find(|peer| peer.knob == *knob).and_then(|peer| peer.trips).unwrap_or(0.0);
    let before = |peer: &&Standing| {
        let worse = |trips: f64| trips > own || (trips == own && peer.knob < *knob);
        !peer.open && peer.trips.is_some_and(worse)
    };
    let rank = peers.iter().filter(before).count();
    if open + rank < allowed { Seat::Granted } else { Seat::Refused { open, members } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(name: &str, open: bool, trips: Option<f64>) -> Standing {
        let knob = KnobName::try_new(name).expect("valid");
        Standing { set: "s".into(), knob, open, trips }
    }

    #[test]
    fn the_worst_get_the_seats_and_who_is_open_keeps_its_own() {
        let peers = [
            standing("a", false, Some(0.6)),
            standing("b", false, Some(0.9)),
            standing("c", true, None),
            standing("d", false, Some(0.6)),
            standing("e", false, None),
        ];
        for (share, granted) in
            [(0.2, vec![]), (0.4, vec!["b"]), (0.6, vec!["a", "b"]), (1.0, vec!["a", "b", "d"])]
        {
            let set = Set::try_new("s", share).expect("sound");
            let tripping = peers.iter().filter(|peer| peer.trips.is_some());
            let seated = tripping.filter(|peer| ask(&set, &peer.knob, &peers) == Seat::Granted);
            assert_eq!(seated.map(|peer| peer.knob.as_str()).collect::<Vec<_>>(), granted, "{share}");
        }
    }

    #[test]
    fn one_may_always_open() {
        let set = Set::try_new("s", 0.01).expect("sound");
        let alone = standing("a", false, Some(1.0));
        assert_eq!(ask(&set, &alone.knob, std::slice::from_ref(&alone)), Seat::Granted);
        let peers = [alone.clone(), standing("b", true, None)];
        assert_eq!(ask(&set, &alone.knob, &peers), Seat::Refused { open: 1, members: 2 });
    }
}
