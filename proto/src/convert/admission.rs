//! What goes with a concurrency limit: the shares of the priorities and the latency without a queue.

use std::time::Duration;

use setpoint_policies::admission::{Admission, InvalidShares, Shares};
use setpoint_policies::totals::PRIORITIES;

use super::field::{self, At};
use super::{BadField, Problem};
use crate::v1::{self, setpoint::Value as Wire};

const FIELD: &str = "priority_share";

pub(super) fn admission(wire: Option<&Wire>) -> Result<Admission, BadField> {
    let Some(Wire::Limit(wire)) = wire else { return Ok(Admission::default()) };
    let baseline_latency = field::duration(wire.baseline_latency.as_ref()).at("baseline_latency");
    let baseline_latency = baseline_latency.at("limit")?;
    if baseline_latency.is_some_and(|latency| latency == Duration::ZERO) {
        return Err(Problem::OutOfRange("above 0")).at("baseline_latency").at("limit");
    }
    Ok(Admission { baseline_latency, shares: shares(&wire.priority_share).at("limit")? })
}

pub(super) const fn is_asked_for(wire: &v1::Limit) -> bool {
    wire.baseline_latency.is_some() || !wire.priority_share.is_empty()
}

/// Shares as a list; an empty one says nothing.
pub(super) fn shares(wire: &[f64]) -> Result<Option<Shares>, BadField> {
    if wire.is_empty() {
        return Ok(None);
    }
    let shares = <[f64; PRIORITIES]>::try_from(wire);
    let shares = shares.map_err(|_| Problem::OutOfRange("one share for each of 5 priorities")).at(FIELD)?;
    Shares::try_new(shares).map(Some).or_else(|invalid| match invalid {
        InvalidShares::Range(class) => Err(Problem::OutOfRange("above 0, at most 1")).at_index(FIELD, class),
        InvalidShares::Order(class) => {
            Err(Problem::OutOfRange("at most the share before")).at_index(FIELD, class)
        }
        _ => Err(Problem::OutOfRange("1 for the highest priority")).at_index(FIELD, 0),
    })
}

/// Puts what goes with it to an encoded value.
pub(super) fn encode(admission: &Admission, value: Wire) -> Wire {
    match value {
        Wire::Limit(limit) if limit.concurrency.is_some() => Wire::Limit(v1::Limit {
            priority_share: encode_shares(admission.shares),
            baseline_latency: admission.baseline_latency.and_then(field::encode_duration),
            ..limit
        }),
        other => other,
    }
}

pub(super) fn encode_shares(shares: Option<Shares>) -> Vec<f64> {
    shares.map_or(Vec::new(), |shares| shares.as_array().to_vec())
}
