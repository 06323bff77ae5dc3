//! The files: `integration/conformance/README.md` describes them. A key that means nothing is an error.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::{NonFiniteFloatPolicy, Spanned};
use setpoint_policies::units;

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    pub shows: Vec<String>,
    pub knobs: Vec<KnobSpec>,
    pub steps: Vec<Spanned<Step>>,
}

/// What the service registers: a limiter, a rate or a knob.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnobSpec {
    pub limiter: Option<String>,
    pub rate: Option<String>,
    pub knob: Option<String>,
    pub bounds: (f64, f64),
    pub baseline: f64,
    #[serde(default)]
    pub step: f64,
    #[serde(default)]
    pub max_change_ratio: f64,
    #[serde(default)]
    pub min_dwell: Length,
    /// Its callback panics at these values.
    #[serde(default)]
    pub panics: Vec<f64>,
    /// And hangs at these, until it is released.
    #[serde(default)]
    pub hangs: Vec<f64>,
}

/// A duration with its unit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Length(pub Duration);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        units::duration(&text).map(Self).map_err(de::Error::custom)
    }
}

/// `true`.
#[derive(Debug)]
pub struct Yes;

impl<'de> Deserialize<'de> for Yes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let yes = bool::deserialize(deserializer)?.then_some(Self);
        yes.ok_or_else(|| de::Error::custom("true, or nothing"))
    }
}

/// Status and value read back, by knob.
pub type Results = BTreeMap<String, (String, f64)>;

/// What happens next.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    Hello(Hello),
    Welcome(Welcome),
    Push(Push),
    Again(Again),
    Beats(Beats),
    Beat(bool),
    Wait(Length),
    HangUp(Yes),
    Shut(bool),
    Drain(Length),
    Unknown(Yes),
    Disable(bool),
    Pin(BTreeMap<String, f64>),
    Unpin(String),
    Stop(Yes),
    Release(String),
    Register(KnobSpec),
    Announced(Vec<String>),
    Calls(Calls),
    Admits(BTreeMap<String, usize>),
    Report(BTreeMap<String, BTreeMap<Counter, u64>>),
    Expect(Expect),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    #[serde(default)]
    pub state: Results,
    #[serde(default)]
    pub knobs: Vec<String>,
    pub last_seq: Option<u64>,
    pub within: Option<Length>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    pub epoch: u64,
    pub protocol: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    pub seq: u64,
    #[serde(default)]
    pub channel: ChannelName,
    pub epoch: Option<u64>,
    #[serde(default)]
    pub atomic: bool,
    #[serde(default)]
    pub shadow: bool,
    #[serde(default)]
    pub lease: LeaseSpec,
    pub set: BTreeMap<String, Wanted>,
    pub ack: Results,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelName {
    Safety,
    #[default]
    Limits,
    Runtime,
    Custom,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseSpec {
    pub ttl: Option<Length>,
    pub hold: Option<Length>,
    pub decay: Option<Length>,
    #[serde(default)]
    pub on_expiry: Expiry,
    #[serde(default)]
    pub safe: f64,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    #[default]
    HoldThenDecay,
    Baseline,
    Safe,
    Keep,
}

/// A number, or the state of a breaker.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Wanted {
    Number(f64),
    State(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    #[serde(default)]
    pub channel: ChannelName,
    pub ack: Results,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Beats {
    Count(u64),
    Told { count: u64, advance: bool },
}

/// Calls of a limiter, one after the other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    pub limiter: String,
    pub outcome: Ending,
    pub count: usize,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Success,
    Ignore,
    Dropped,
    Failure,
}

/// A counter of a limiter in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counter {
    Arrived,
    Admitted,
    Completed,
    Cancelled,
    Dropped,
    Failed,
    Rejected,
    InFlight,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub health: Option<String>,
    #[serde(default)]
    pub values: BTreeMap<String, f64>,
    pub within: Option<Length>,
}

/// The scenario of that name.
pub fn load(name: &str) -> Scenario {
    let path = folder().join(name).with_extension("yaml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // What is not a number can be pushed, too.
    let options = serde_saphyr::options! { non_finite_float_policy: NonFiniteFloatPolicy::PassThrough };
    let scenario: Scenario = serde_saphyr::from_str_with_options(&text, options)
        .unwrap_or_else(|error| panic!("{name}.yaml: {error}"));
    let told = !scenario.name.is_empty() && !scenario.shows.is_empty();
    assert!(
        told && !scenario.knobs.is_empty() && !scenario.steps.is_empty(),
        "{name}.yaml: a scenario has a name, what it shows, knobs and steps"
    );
    scenario
}

/// All scenarios, in order.
pub fn names() -> Vec<String> {
    let entries = fs::read_dir(folder()).expect("the scenarios are beside the sources");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let scenarios = paths.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let mut names: Vec<String> =
        scenarios.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integration/conformance")
}
