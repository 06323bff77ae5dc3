//! What several processes under one memory limit tell each other.
//!
//! Each process has a policy of its own for its heap, and sees its own signals alone. Where processes share a limit, each
//! has to know how much memory of the group is the others' heaps, and how much those are worth; otherwise it would take a
//! managed neighbour for memory that nobody can give back. The engine collects a [`Claim`] from every policy that makes
//! one and tells it what the others of the group claim, one tick later.

use std::collections::BTreeMap;

use crate::snapshot::InstanceId;

/// What one process claims of a limit. Bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Claim {
    /// Processes with the same number share the limit.
    pub group: u64,
    /// What it holds now of the memory that its runtime manages.
    pub held: f64,
    /// What it cannot do without: live heap and overhead.
    pub fixed: f64,
    /// Its live heap.
    pub live: f64,
    /// The weight of its share of the rest.
    pub weight: f64,
}

/// The sum of what the other processes of a group claim; all zero for a process alone.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Others {
    /// See [`Claim`], each.
    pub held: f64,
    /// See [`Claim`].
    pub fixed: f64,
    /// See [`Claim`].
    pub live: f64,
    /// See [`Claim`].
    pub weight: f64,
    /// How many they are.
    pub processes: u32,
}

/// The claims of one tick.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    by_process: BTreeMap<InstanceId, Claim>,
    sums: BTreeMap<u64, Others>,
}

impl Claims {
    /// Takes a process's claim; the first one counts.
    pub(crate) fn add(&mut self, process: &InstanceId, claim: Claim) {
        if self.by_process.contains_key(process) {
            return;
        }
        self.by_process.insert(process.clone(), claim);
        let sum = self.sums.entry(claim.group).or_default();
        sum.held += claim.held;
        sum.fixed += claim.fixed;
        sum.live += claim.live;
        sum.weight += claim.weight;
        sum.processes += 1;
    }

    /// What the others of its group claim.
    pub(crate) fn others(&self, process: &InstanceId) -> Others {
        let Some(own) = self.by_process.get(process) else { return Others::default() };
        let Some(sum) = self.sums.get(&own.group).filter(|sum| sum.processes > 1) else {
            return Others::default();
        };
        // Differences of sums may be a rounding error below zero.
        Others {
            held: (sum.held - own.held).max(0.0),
            fixed: (sum.fixed - own.fixed).max(0.0),
            live: (sum.live - own.live).max(0.0),
            weight: (sum.weight - own.weight).max(0.0),
            processes: sum.processes - 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_are_those_of_the_same_group() {
        let claim = |group, held| Claim { group, held, fixed: held, live: held, weight: held };
        let id = |name: &str| InstanceId(name.into());
        let mut claims = Claims::default();
        claims.add(&id("a"), claim(1, 10.0));
        claims.add(&id("b"), claim(1, 20.0));
        claims.add(&id("b"), claim(1, 99.0));
        claims.add(&id("c"), claim(2, 40.0));
        let others = |name| claims.others(&id(name));
        assert_eq!((others("a").held, others("a").processes), (20.0, 1));
        assert_eq!((others("b").weight, others("b").processes), (10.0, 1));
        assert_eq!(others("c"), Others::default(), "alone");
        assert_eq!(others("d"), Others::default(), "claims nothing");
    }
}
