//! Tells the story from beginning to end.

use std::io::Write;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::acts::{self, Findings};
use super::history::History;
use super::observer::Observer;
use super::report::{PhaseFigures, Report};
use super::screen::Screen;
use super::script::{Act, OVERLOAD, Phase, WARM_UP, story};
use super::stage::Stage;
use super::timeline::{Decisions, Events};
use super::verdict;
use super::{DemoError, Options};
use crate::load::{Slot, Tally};
use crate::units::milliseconds;

/// What was counted in one phase: one or more tallies per lane, protected first.
struct Counted {
    slots: Vec<[Slot; 2]>,
    began: Duration,
    lasted: Duration,
}

impl Counted {
    fn tally(&self, lane: usize) -> Tally {
        let mut whole = Tally::default();
        self.slots.iter().for_each(|pair| whole.merge(&pair[lane].snapshot()));
        whole
    }
}

/// Runs the whole demo and draws it on `screen`. Dropping the future kills every process and ends the load.
pub async fn run<W: Write>(options: &Options, mut screen: Screen<W>) -> Result<Report, DemoError> {
    let capacity_per_second = options.capacity_per_second();
    let story = story(options.quick);
    screen.say(&format!(
        "\nOne service twice: with setpoint and without. {} workers x {:?}: {capacity_per_second:.0}/s is all it can do.",
        options.workers, options.service_time
    ));
    let mut stage = Stage::set(options).await?;
    let measured_capacity_per_second = stage.measure_capacity(options).await?;

    let events = Events::begin();
    let views = |stage: &Stage| stage.lanes().map(super::stage::Lane::view);
    let status = stage.sidecar.status();
    let mut observer =
        Observer::new(&story, capacity_per_second, views(&stage), status, events.clone(), screen);
    let mut findings = Findings::default();
    let mut counted = Vec::new();
    for (index, phase) in story.iter().enumerate() {
        observer.enter(index, views(&stage));
        let (began, start) = (events.now(), Instant::now());
        events.add(format!("{}: {} ({}x)", phase.name, phase.caption, phase.load_ratio));
        let mut slots = vec![stage.lanes().map(|lane| lane.generator.begin_phase())];
        stage.load(phase.load_ratio * capacity_per_second);
        let act = acts::perform(phase, start + phase.lasts, &mut stage, options, &events, &mut findings);
        observer.during(act).await?;
        slots.append(&mut findings.splits);
        counted.push(Counted { slots, began, lasted: start.elapsed() });
        if phase.act == Act::RestartTheChoked {
            observer.during(restart_the_choked(&mut stage, options, &events)).await?;
        }
    }
    stage.load(0.0);
    sleep(options.deadline).await; // what is answered after this is late by definition
    let (history, decisions) = observer.end();
    let seen = Seen { story, counted, history, decisions, findings, events, measured_capacity_per_second };
    Ok(seen.report(options))
}

/// Restarts the unprotected service if it still has more jobs waiting than it can start at once.
async fn restart_the_choked(stage: &mut Stage, options: &Options, events: &Events) -> Result<(), DemoError> {
    if let Some(backlog) = stage.unprotected.backlog().filter(|jobs| *jobs > u64::from(options.workers)) {
        stage.restart_unprotected(options).await?;
        events.add(format!(
            "the service without setpoint still had {backlog} jobs queued: restarted by its operator"
        ));
    }
    Ok(())
}

/// All that a report is made of.
struct Seen {
    story: Vec<Phase>,
    counted: Vec<Counted>,
    history: History,
    decisions: Decisions,
    findings: Findings,
    events: Events,
    measured_capacity_per_second: f64,
}

impl Seen {
    fn report(self, options: &Options) -> Report {
        let capacity_per_second = options.capacity_per_second();
        let figures = |(phase, counted): (&Phase, &Counted)| {
            let side = |lane| verdict::side(&counted.tally(lane), counted.lasted, capacity_per_second);
            PhaseFigures {
                name: phase.name,
                load_ratio: phase.load_ratio,
                seconds: counted.lasted.as_secs_f64(),
                protected: side(0),
                unprotected: side(1),
            }
        };
        let phases: Vec<_> = self.story.iter().zip(&self.counted).map(figures).collect();
        let death = self.findings.death.as_ref().map(super::death::Death::toll).unwrap_or_default();
        let promises = verdict::promises(&self.story, &phases, &death, &self.findings.edits);
        Report {
            convergence_seconds: self.convergence(&phases, capacity_per_second),
            own_lateness_p99_ms: self.own_lateness().map(milliseconds),
            failed_by_sidecar: death.failed,
            decisions: self.decisions.all().to_vec(),
            decisions_dropped: self.decisions.dropped(),
            events: self.events.all(),
            edits: self.findings.edits,
            measured_capacity_per_second: self.measured_capacity_per_second,
            deadline_ms: milliseconds(options.deadline),
            seed: options.seed,
            phases,
            promises,
            death,
            capacity_per_second,
        }
    }

    fn convergence(&self, phases: &[PhaseFigures], capacity_per_second: f64) -> Option<f64> {
        let overload = self.story.iter().position(|phase| phase.name == OVERLOAD)?;
        let calm = phases.iter().find(|phase| phase.name == WARM_UP)?;
        let began = self.counted.get(overload)?.began;
        verdict::convergence(self.history.phase(overload), began, capacity_per_second, calm.protected.p99_ms)
    }

    /// The worst phase's, of either generator.
    fn own_lateness(&self) -> Option<Duration> {
        let of = |counted: &Counted| {
            [0, 1].into_iter().filter_map(|lane| counted.tally(lane).lateness(0.99)).max()
        };
        self.counted.iter().filter_map(of).max()
    }
}
