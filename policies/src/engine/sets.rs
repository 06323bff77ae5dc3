//! Breakers of one set hear what the others say.
//!
//! After the step, so that all hear the same; what they make of it shows in the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bound::Bound;
use crate::knob::KnobName;
use crate::policy::Standing;
use crate::snapshot::InstanceId;

/// Shows every member of every set what all of them said. Costs next to nothing where there is no set.
pub(super) fn confer(knobs: &mut BTreeMap<(InstanceId, KnobName), Bound>) {
    let mut said = BTreeMap::<(InstanceId, Arc<str>), Vec<Standing>>::new();
    for ((instance, _), bound) in &*knobs {
        for standing in bound.standings() {
            said.entry((instance.clone(), Arc::clone(&standing.set))).or_default().push(standing);
        }
    }
    if said.is_empty() {
        return;
    }
    for ((instance, _), bound) in knobs {
        let of_set = |own: &Standing| said.get(&(instance.clone(), Arc::clone(&own.set))).cloned();
        bound.confer(|own| of_set(own).unwrap_or_default());
    }
}
