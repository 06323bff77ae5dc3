//! How long things take, as a file says it.

use setpoint_policies::sim::distribution::Distribution;

use super::values::{SECONDS, SHARE, Take, items, shares, whole};
use crate::yaml::{Fields, NUMBER};

/// Most parts of a mixture.
const PARTS: usize = 16;
/// Longest mean of anything that is drawn, seconds.
const LONGEST_DRAW: f64 = 600.0;

/// A distribution of durations.
pub(super) fn distribution(fields: &mut Fields<'_>, field: &'static str) -> Option<Distribution> {
    let entry = fields.entry(field)?;
    let mut inner = fields.inside(field, entry)?;
    let mut read = None;
    for (name, _) in inner.choice(&["fixed", "exponential", "erlang", "lognormal", "mixture"]) {
        let this = match name {
            "fixed" => inner.take(name, &SECONDS, 0.0..=LONGEST_DRAW).map(Distribution::Fixed),
            "exponential" => inner.take(name, &SECONDS, 0.0..=LONGEST_DRAW).map(Distribution::Exponential),
            "erlang" => inner.section(name, erlang),
            "lognormal" => inner.section(name, lognormal),
            _ => mixture(&mut inner),
        };
        read = read.or(this);
    }
    inner.finish().then_some(read).flatten()
}

fn erlang(mut fields: Fields<'_>) -> Option<Distribution> {
    fields.needed("shape");
    let shape = whole(&mut fields, "shape", 1.0..=100.0);
    let mean = fields.must("mean", &SECONDS, 0.0..=LONGEST_DRAW);
    fields.finish().then_some(Distribution::Erlang { shape: shape?, mean: mean? })
}

fn lognormal(mut fields: Fields<'_>) -> Option<Distribution> {
    let mean = fields.must("mean", &SECONDS, 0.0..=LONGEST_DRAW);
    let sigma = fields.must("sigma", &NUMBER, 0.0..=4.0);
    fields.finish().then_some(Distribution::Lognormal { mean: mean?, sigma: sigma? })
}

fn mixture(fields: &mut Fields<'_>) -> Option<Distribution> {
    let at = fields.entry("mixture")?.at;
    let (mut parts, found) = (Vec::new(), fields.findings.found());
    items(fields, "mixture", PARTS, |part, _| {
        let share = part.must("share", &SHARE, 0.0..=1.0);
        part.needed("of");
        let of = distribution(part, "of");
        parts.extend(share.zip(of));
    });
    if fields.findings.found() == found {
        shares(fields, "mixture", at, parts.iter().map(|(share, _)| *share));
    }
    (fields.findings.found() == found).then_some(Distribution::Mixture(parts))
}
