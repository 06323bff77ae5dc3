//! What the service has registered.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};

use crate::session::tests::conformance::scenario::KnobSpec;
use crate::{Limiter, NumericKnob, Rate, Setpoint};

/// What the service registered.
#[derive(Default)]
pub(super) struct Registered {
    pub limiters: BTreeMap<String, Limiter>,
    pub rates: BTreeMap<String, Rate>,
    pub knobs: BTreeMap<String, NumericKnob>,
    pub latches: BTreeMap<String, Arc<Latch>>,
    pub baselines: BTreeMap<String, f64>,
}

impl Registered {
    pub fn register(&mut self, sdk: &Setpoint, spec: &KnobSpec) {
        let (lowest, highest) = spec.bounds;
        let name = match (&spec.limiter, &spec.rate, &spec.knob) {
            (Some(name), None, None) => {
                let builder = sdk.limiter(name).bounds(lowest as u32, highest as u32);
                let builder = builder.baseline(spec.baseline as u32);
                let limiter = builder.pace(spec.max_change_ratio, spec.min_dwell.0).register();
                self.limiters.insert(format!("limit.{name}"), limiter);
                format!("limit.{name}")
            }
            (None, Some(name), None) => {
                let builder = sdk.rate(name).bounds(lowest, highest).baseline(spec.baseline);
                let rate = builder.pace(spec.max_change_ratio, spec.min_dwell.0).register();
                self.rates.insert(format!("rate.{name}"), rate);
                format!("rate.{name}")
            }
            (None, None, Some(name)) => {
                let latch = Arc::<Latch>::default();
                self.knobs.insert(name.clone(), knob(sdk, name, spec, latch.clone()));
                self.latches.insert(name.clone(), latch);
                name.clone()
            }
            _ => panic!("a limiter, a rate or a knob: {spec:?}"),
        };
        self.baselines.insert(name, spec.baseline);
    }
}

fn knob(sdk: &Setpoint, name: &str, spec: &KnobSpec, latch: Arc<Latch>) -> NumericKnob {
    let (panics, hangs) = (spec.panics.clone(), spec.hangs.clone());
    let builder = sdk.knob(name).bounds(spec.bounds.0, spec.bounds.1).baseline(spec.baseline);
    let builder = builder.step(spec.step).pace(spec.max_change_ratio, spec.min_dwell.0);
    let callback = move |_, new, _: &_| {
        if hangs.contains(&new) {
            latch.pass();
        }
        assert!(!panics.contains(&new), "as the scenario says");
    };
    builder.on_change(callback).register()
}

/// Where a callback hangs until it is opened, once for each that comes.
#[derive(Default)]
pub(super) struct Latch {
    open: Mutex<usize>,
    opened: Condvar,
}

impl Latch {
    fn pass(&self) {
        let open = self.open.lock().unwrap();
        *self.opened.wait_while(open, |open| *open == 0).unwrap() -= 1;
    }

    pub fn open(&self) {
        *self.open.lock().unwrap() += 1;
        self.opened.notify_one();
    }
}
