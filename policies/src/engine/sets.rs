//! Breakers of one set hear what the others say.
//!
//! After the step, so that all hear the same; what they make of it shows in the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bound::Bound;
use crate::knob::KnobName;
use crate::policy::{Policy, Standing};
use crate::snapshot::InstanceId;

/// Shows every member of every set what all of them said. Costs next to nothing where there is no set.
pub(super) fn confer(knobs: &mut BTreeMap<(InstanceId, KnobName), Bound>) {
    let mut said = BTreeMap::<(InstanceId, Arc<str>), Vec<Standing>>::new();
    for ((instance, _), bound) in &*knobs {
        for standing in bound.policies().filter_map(Policy::standing) {
            said.entry((instance.clone(), Arc::clone(&standing.set))).or_default().push(standing);
        }
    }
    if said.is_empty() {
        return;
    }
    for ((instance, _), bound) in knobs {
        for policy in bound.policies_mut() {
            let set = policy.standing().map(|own| (instance.clone(), own.set));
            if let Some(peers) = set.and_then(|set| said.get(&set)) {
                policy.confer(peers);
            }
        }
    }
}
