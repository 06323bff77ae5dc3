//! Which moves of a knob are news for people who read the log of the service.
//!
//! A law moves a knob by many small steps: one that is far from what the log had last is news. A decay moves it with every
//! tick: its beginning and its end are news, what is between is not. The sidecar's log goes by the same rule.

use setpoint_policies::value::Value;

/// What the log had last.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    value: Option<Value>,
    /// The last move was one of a lease that is over.
    decaying: bool,
}

impl Told {
    /// Whether a move to this value is news; then it counts as told. `decaying`: its lease is over.
    pub(super) fn is_news(&mut self, to: &Value, decaying: bool, baseline: f64) -> bool {
        let began = std::mem::replace(&mut self.decaying, decaying);
        let news = match (decaying, began) {
            (true, true) => to.scalar() == baseline,
            (true, false) => true,
            (false, _) => self.value.is_none_or(|told| to.is_far_from(&told)),
        };
        if news {
            self.value = Some(*to);
        }
        news
    }
}
