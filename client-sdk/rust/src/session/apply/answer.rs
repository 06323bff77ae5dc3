//! The lines of an ack: one for each setpoint of a frame, in the frame's order, the unreadable ones last.

use std::collections::BTreeMap;

use setpoint_policies::knob::KnobName;
use setpoint_proto::message::{Ack, Applied, Channel, Frame, Setpoint, Version};

use crate::session::tuned::Tuned;
use crate::session::verdict::Verdict;

/// What became of one setpoint: a final verdict, or (`None`) whatever that of its knob is when the ack is made.
pub(super) struct Line {
    knob: String,
    verdict: Option<Verdict>,
}

/// One line for each setpoint of `frame`.
pub(super) fn lines(frame: &Frame, mut verdict_of: impl FnMut(&Setpoint) -> Option<Verdict>) -> Vec<Line> {
    let readable = frame
        .set
        .iter()
        .map(|setpoint| Line { knob: setpoint.knob.as_str().to_owned(), verdict: verdict_of(setpoint) });
    let unreadable = frame
        .unsupported
        .iter()
        .map(|(knob, why)| Line { knob: knob.clone(), verdict: Some(Verdict::Unsupported(why.clone())) });
    readable.chain(unreadable).collect()
}

/// The lines of an atomic frame that was refused: the culprits say why, the others that it was not their fault.
pub(super) fn all_or_nothing(frame: &Frame, refusals: &[Option<Verdict>]) -> Vec<Line> {
    let mut refusals = refusals.iter();
    lines(frame, |_| {
        let other = || Verdict::Rejected("another setpoint of this atomic frame was refused".to_owned());
        Some(refusals.next().cloned().flatten().unwrap_or_else(other))
    })
}

/// The ack of a frame with these lines, as its knobs stand now.
pub(super) fn ack(
    channel: Channel,
    nonce: u64,
    lines: &[Line],
    tuned: &BTreeMap<KnobName, Tuned>,
    disabled: bool,
) -> Ack {
    let result = |line: &Line| {
        let knob = KnobName::try_new(&line.knob).ok().and_then(|name| tuned.get(&name));
        let effective = knob.map_or(0.0, Tuned::effective);
        let applied = match (&line.verdict, knob) {
            (Some(verdict), _) => verdict.result(&line.knob, effective),
            (None, Some(knob)) => standing(knob, disabled).result(&line.knob, effective),
            (None, None) => Verdict::Unsupported("withdrawn".to_owned()).result(&line.knob, effective),
        };
        Applied { shares: knob.and_then(|knob| knob.actuator().shares()), ..applied }
    };
    Ack { channel, nonce, results: lines.iter().map(result).collect() }
}

/// What is in force of every knob, for a hello.
pub(super) fn state(
    tuned: &BTreeMap<KnobName, Tuned>,
    disabled: bool,
    at: setpoint_policies::time::Timestamp,
) -> Vec<Applied> {
    let state = |(name, knob): (&KnobName, &Tuned)| Applied {
        version: knob.push().map(|push| push.version),
        lease_left: knob.push().map(|push| push.lease.left(at)),
        shares: knob.actuator().shares(),
        ..standing(knob, disabled).result(name.as_str(), knob.effective())
    };
    tuned.iter().map(state).collect()
}

/// The verdict of a knob, or that the kill switch stands above it.
fn standing(knob: &Tuned, disabled: bool) -> &Verdict {
    if disabled { &Verdict::LocalOverride } else { knob.verdict() }
}

/// The newest of the versions that knobs hold.
pub(super) fn newest(tuned: &BTreeMap<KnobName, Tuned>) -> Option<Version> {
    tuned.values().filter_map(|knob| Some(knob.push()?.version)).max_by_key(|version| version.seq)
}
