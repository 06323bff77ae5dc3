//! Plays one scenario: the service with the SDK in it at one end of a pipe, what the file says at the other.

mod calls;
mod service;
mod wire;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use setpoint_fake_sidecar::Talk;
use setpoint_policies::admission::Admission;
use setpoint_policies::knob::KnobName;
use setpoint_proto::message::{Ack, Applied, Frame, Mode, PROTOCOL, Setpoint, ToSdk, ToSidecar};
use setpoint_proto::rpc::ServerMessage;
use tempfile::TempDir;
use tokio::time::Instant;

use super::super::fake::{Service, Sidecar};
use super::scenario::{
    self, Again, Beats, Expect, Hello, KnobSpec, LeaseSpec, Push, Results, Step, Wanted, Welcome,
};
use crate::Limiter;
use service::Registered;
use wire::{channel, terms, value};

/// Long enough for whatever is under way to be over, and no time at all for a lease.
const SETTLED: Duration = Duration::from_millis(1);
/// An SDK that says nothing for so long has nothing to say.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays the scenario of that name. What is not as expected is a panic that names the line.
pub async fn play(name: &str) {
    let scenario = scenario::load(name);
    let mut stage = Stage::set(&scenario.knobs);
    for step in &scenario.steps {
        stage.line = format!("{name}.yaml:{}", step.referenced.line());
        stage.play(&step.value).await;
    }
}

struct Stage {
    line: String,
    directory: TempDir,
    sidecar: Sidecar,
    service: Service,
    registered: Registered,
    talk: Option<Talk>,
    /// How far the loop of each epoch has come.
    ticks: HashMap<u64, u64>,
    nonce: u64,
    started: Instant,
}

impl Stage {
    fn set(knobs: &[KnobSpec]) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let socket = directory.path().join("setpoint.sock");
        let (sidecar, mut registered) = (Sidecar::start(), Registered::default());
        let service = Service::registering(sidecar.door.clone(), socket, |sdk| {
            knobs.iter().for_each(|spec| registered.register(sdk, spec));
        });
        let (line, talk, ticks, nonce) = (String::new(), None, HashMap::new(), 0);
        Self { line, directory, sidecar, service, registered, talk, ticks, nonce, started: Instant::now() }
    }

    fn talk(&mut self) -> &mut Talk {
        self.talk.as_mut().unwrap_or_else(|| panic!("{}: there is no stream", self.line))
    }

    async fn play(&mut self, step: &Step) {
        match step {
            Step::Hello(hello) => self.hello(hello).await,
            Step::Welcome(welcome) => self.welcome(welcome).await,
            Step::Push(push) => self.push(push).await,
            Step::Again(again) => self.again(again).await,
            Step::Beats(Beats::Count(count)) => self.talk().beats(*count, true).await,
            Step::Beats(Beats::Told { count, advance }) => self.talk().beats(*count, *advance).await,
            Step::Beat(advance) => {
                self.talk().beat(*advance).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Step::Wait(length) => tokio::time::sleep(length.0).await,
            Step::HangUp(_) => self.hang_up(),
            Step::Shut(shut) => self.sidecar.door.open.store(!shut, Ordering::SeqCst),
            Step::Drain(wait) => {
                let drain = ToSdk::Drain { retry_after: wait.0, why: "as the scenario says".to_owned() };
                self.talk().say(&drain).await;
            }
            Step::Unknown(_) => self.talk().say_raw(ServerMessage::default()).await,
            Step::Disable(disable) => self.disable(*disable),
            Step::Pin(pins) => pins.iter().for_each(|(knob, value)| self.pin(knob, Some(*value))),
            Step::Unpin(knob) => self.pin(knob, None),
            Step::Stop(_) => self.stop().await,
            Step::Release(knob) => self.release(knob),
            Step::Register(spec) => self.registered.register(&self.service.sdk, spec),
            Step::Announced(knobs) => self.announced(knobs).await,
            Step::Calls(calls) => self.calls(calls),
            Step::Admits(expected) => self.admits(expected),
            Step::Report(expected) => self.report(expected).await,
            Step::Expect(expected) => self.expect(expected).await,
        }
    }

    /// A loop that is called again is where it was.
    fn hang_up(&mut self) {
        if let Some(talk) = self.talk.take() {
            self.ticks.insert(talk.epoch, talk.tick());
        }
    }

    async fn hello(&mut self, expected: &Hello) {
        let within = expected.within.map_or(PATIENCE, |length| length.0);
        let talk = tokio::time::timeout(within, self.sidecar.accept()).await;
        let mut talk = talk.unwrap_or_else(|_| panic!("{}: nobody called", self.line));
        let said = talk.hello().await;
        self.hang_up();
        self.talk = Some(talk);
        self.compare(&said.state, &expected.state);
        for knob in &expected.knobs {
            let named = said.knobs.iter().any(|said| said.name.as_str() == knob);
            assert!(named, "{}: {knob} is not in the hello", self.line);
        }
        if expected.last_seq.is_some() {
            let last = said.last_applied.map(|version| version.seq);
            assert_eq!(last, expected.last_seq, "{}: the last seq applied", self.line);
        }
    }

    async fn welcome(&mut self, told: &Welcome) {
        let tick = self.ticks.get(&told.epoch).copied().unwrap_or_default();
        let talk = self.talk();
        talk.set_tick(tick);
        talk.welcome_as(told.epoch, told.protocol.unwrap_or(PROTOCOL)).await;
        tokio::time::sleep(SETTLED).await;
    }

    async fn push(&mut self, told: &Push) {
        self.nonce += 1;
        let nonce = self.nonce;
        let set: Vec<Setpoint> =
            told.set.iter().map(|(knob, wanted)| self.setpoint(knob, wanted, &told.lease)).collect();
        let talk = self.talk();
        let frame = talk.frame_on(channel(told.channel), told.seq, set);
        let mut frame = Frame { nonce, atomic: told.atomic, ..frame };
        frame.mode = if told.shadow { Mode::Shadow } else { Mode::Apply };
        frame.version.epoch = told.epoch.unwrap_or(frame.version.epoch);
        talk.say(&ToSdk::Frame(Box::new(frame))).await;
        let ack = loop {
            let ack = self.ack().await;
            if ack.nonce == nonce {
                break ack;
            }
        };
        assert_eq!(ack.results.len(), told.set.len(), "{}: {ack:?}", self.line);
        self.compare(&ack.results, &told.ack);
    }

    async fn ack(&mut self) -> Ack {
        let line = self.line.clone();
        let ack = tokio::time::timeout(PATIENCE, self.talk().ack()).await;
        ack.unwrap_or_else(|_| panic!("{line}: no such ack"))
    }

    fn setpoint(&self, knob: &str, wanted: &Wanted, lease: &LeaseSpec) -> Setpoint {
        Setpoint {
            knob: KnobName::try_new(knob).unwrap_or_else(|error| panic!("{}: {error}", self.line)),
            value: value(knob, wanted),
            admission: Admission::default(),
            lease: terms(lease),
            why: Arc::default(),
            decision_id: self.nonce,
        }
    }

    async fn again(&mut self, expected: &Again) {
        for _ in 0..100 {
            let ack = self.ack().await;
            if ack.channel == channel(expected.channel) && problem(&ack.results, &expected.ack).is_none() {
                return;
            }
        }
        panic!("{}: a hundred other acks", self.line);
    }

    fn compare(&self, said: &[Applied], expected: &Results) {
        if let Some(problem) = problem(said, expected) {
            panic!("{}: {problem} in {said:?}", self.line);
        }
    }

    fn disable(&self, disable: bool) {
        let file = self.directory.path().join("disable");
        let done = if disable { fs::write(file, "") } else { fs::remove_file(file) };
        done.unwrap_or_else(|error| panic!("{}: {error}", self.line));
    }

    fn pin(&self, knob: &str, value: Option<f64>) {
        let Registered { limiters, rates, knobs, .. } = &self.registered;
        match (limiters.get(knob), rates.get(knob), knobs.get(knob), value) {
            (Some(limiter), .., Some(value)) => _ = limiter.pin(value),
            (Some(limiter), .., None) => limiter.unpin(),
            (_, Some(rate), _, Some(value)) => _ = rate.pin(value),
            (_, Some(rate), _, None) => rate.unpin(),
            (.., Some(knob), Some(value)) => _ = knob.pin(value),
            (.., Some(knob), None) => knob.unpin(),
            (None, None, None, _) => panic!("{}: no knob {knob} that can be pinned", self.line),
        }
    }

    /// The callback comes back, in real time.
    fn release(&self, knob: &str) {
        let (latch, knob) = (self.registered.latches.get(knob), self.registered.knobs.get(knob));
        let (Some(latch), Some(knob)) = (latch, knob) else { panic!("{}: no knob {knob:?}", self.line) };
        latch.open();
        knob.until_told();
    }

    async fn announced(&mut self, knobs: &[String]) {
        let mut missing: BTreeSet<&str> = knobs.iter().map(String::as_str).collect();
        let line = self.line.clone();
        let told = async {
            while !missing.is_empty() {
                match self.talk().hear().await {
                    Some(ToSidecar::Knobs(update)) => {
                        update.add.iter().for_each(|knob| _ = missing.remove(knob.name.as_str()));
                    }
                    Some(_) => {}
                    None => panic!("{line}: the SDK hung up"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{line}: not announced"));
    }

    fn limiter(&self, name: &str) -> Limiter {
        let limiter = self.registered.limiters.get(&format!("limit.{name}"));
        *limiter.unwrap_or_else(|| panic!("{}: no limiter {name}", self.line))
    }

    async fn stop(&mut self) {
        self.service.sdk.stop();
        let line = self.line.clone();
        loop {
            match self.talk().hear().await {
                Some(ToSidecar::Goodbye { .. }) => break,
                Some(_) => {}
                None => panic!("{line}: no goodbye"),
            }
        }
        self.hang_up();
        (&mut self.service.session).await.expect("the session ends by itself");
        let values = self.registered.baselines.clone();
        self.expect(&Expect { health: None, values, within: None }).await;
    }

    async fn expect(&self, expected: &Expect) {
        tokio::time::sleep(SETTLED).await;
        if let Some(within) = expected.within {
            assert!(self.started.elapsed() <= within.0, "{}: {:?}", self.line, self.started.elapsed());
        }
        if let Some(health) = &expected.health {
            assert_eq!(self.service.health().name(), health, "{}", self.line);
        }
        for (knob, value) in &expected.values {
            assert_eq!(self.value(knob).round(), *value, "{}: {knob}", self.line);
        }
    }

    /// What the service itself sees; of a breaker, what is pushed.
    fn value(&self, knob: &str) -> f64 {
        let Registered { limiters, rates, knobs, .. } = &self.registered;
        match (limiters.get(knob), rates.get(knob), knobs.get(knob)) {
            (Some(limiter), ..) => limiter.limit(),
            (_, Some(rate), _) => rate.per_second(),
            (.., Some(knob)) => knob.value(),
            _ => self.service.in_force(knob),
        }
    }
}

/// What does not agree.
fn problem(said: &[Applied], expected: &Results) -> Option<String> {
    expected.iter().find_map(|(knob, (status, value))| {
        let Some(line) = said.iter().find(|line| line.knob == *knob) else {
            return Some(format!("{knob} is missing"));
        };
        let (got, effective) = (line.status.name(), line.effective);
        (got != status || effective != *value).then(|| format!("{knob} is [{got}, {effective}]"))
    })
}
