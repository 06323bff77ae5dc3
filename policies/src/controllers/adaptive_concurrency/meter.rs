//! From reports to samples.
//!
//! A report that says nothing new waits for more of its kind, up to a second, because the belief costs the same to tell
//! whatever it is told; that is what makes a calm limiter cheap. The first one that does say something ends the wait, and is
//! looked at by itself.

use std::sync::Arc;

use super::sample::Sample;
use crate::totals::Totals;

/// Reports that say nothing new make a sample when they span so long, about a second.
const TOGETHER_NANOS: u64 = 950_000_000;

/// What came of a report.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Observed {
    /// The report is known already, or says nothing new.
    Nothing,
    /// The process stood still: proves nothing.
    Stalled,
    /// What happened while nothing was new, if that is over, and what happened since.
    Complete(Option<Box<Sample>>, Sample),
}

/// Turns reports into samples. Those that say nothing new make one sample together, for what it costs to look at each.
#[derive(Debug, Default)]
pub(super) struct Meter {
    newest: Option<Arc<Totals>>,
    /// Where those began that wait, and the most calls in flight since.
    waiting: Option<(Arc<Totals>, f64)>,
}

impl Meter {
    /// Takes a report; `is_calm`: says nothing new.
    pub(super) fn observe(&mut self, totals: &Arc<Totals>, is_calm: impl Fn(&Sample) -> bool) -> Observed {
        let Some(earlier) = self.newest.replace(Arc::clone(totals)) else { return Observed::Nothing };
        if earlier.at_nanos == totals.at_nanos {
            return Observed::Nothing;
        }
        let sample = match Sample::between(&earlier, totals) {
            // The clock went back: another life, or a machine that was restored.
            None => return self.forget(Observed::Nothing),
            Some((_, true)) => return self.forget(Observed::Stalled),
            Some((sample, false)) => sample,
        };
        if is_calm(&sample) {
            return self.wait(earlier, totals, sample.peak);
        }
        let before = self.waiting.take().and_then(|(first, peak)| together(&first, &earlier, peak));
        Observed::Complete(before.map(Box::new), sample)
    }

    fn forget(&mut self, observed: Observed) -> Observed {
        self.waiting = None;
        observed
    }

    fn wait(&mut self, earlier: Arc<Totals>, totals: &Arc<Totals>, peak: f64) -> Observed {
        let (first, most) = self.waiting.take().unwrap_or((earlier, 0.0));
        let peak = peak.max(most);
        if totals.at_nanos - first.at_nanos >= TOGETHER_NANOS
            && let Some(sample) = together(&first, totals, peak)
        {
            return Observed::Complete(None, sample);
        }
        self.waiting = Some((first, peak));
        Observed::Nothing
    }
}

fn together(first: &Totals, last: &Totals, peak: f64) -> Option<Sample> {
    let (sample, stalled) = Sample::between(first, last)?;
    (!stalled).then_some(Sample { peak, ..sample })
}
