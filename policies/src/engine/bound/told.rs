//! Which policies move the knob, and what all of them have to tell.

use std::sync::Arc;

use super::{Bound, Running};
use crate::alert::Firing;
use crate::knob::Knob;
use crate::snapshot::Instance;

impl Bound {
    /// Those that may move the knob: the first ones.
    pub(super) fn movers(&self) -> impl Iterator<Item = &Running> + Clone {
        self.policies.iter().take_while(|running| running.spec.controller.moves())
    }

    /// What its policies have to tell now.
    pub(in crate::engine) fn alerts(&self, instance: &Instance, knob: &Knob) -> impl Iterator<Item = Firing> {
        self.policies.iter().filter_map(move |running| {
            let (since, alert) = running.alert?;
            Some(Firing {
                instance: instance.id.clone(),
                policy: Arc::clone(&running.spec.name),
                knob: Some(knob.name.clone()).filter(|name| !name.is_process()),
                since,
                alert,
            })
        })
    }
}
