//! The sidecar's end of one session.

use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::admission::Admission;
use setpoint_policies::knob::KnobName;
use setpoint_policies::lease::Lease;
use setpoint_policies::value::Value;
use setpoint_proto::convert;
use setpoint_proto::message::{
    Ack, Channel, Frame, Hello, Mode, PROTOCOL, Report, Setpoint, SidecarBeat, ToSdk, ToSidecar, Version,
    Welcome,
};
use setpoint_proto::rpc::{ClientMessage, ServerMessage};
use tokio::sync::mpsc;
use tonic::{Status as Refusal, Streaming};

/// The sidecar's end of one session.
pub struct Talk {
    outgoing: mpsc::Sender<Result<ServerMessage, Refusal>>,
    incoming: Option<Streaming<ClientMessage>>,
    heard: Option<mpsc::UnboundedReceiver<ToSidecar>>,
    /// Of the welcome.
    pub epoch: u64,
    tick: u64,
    renew: Vec<(Channel, Version)>,
}

impl Talk {
    pub(crate) fn new(
        outgoing: mpsc::Sender<Result<ServerMessage, Refusal>>,
        incoming: Streaming<ClientMessage>,
    ) -> Self {
        Self { outgoing, incoming: Some(incoming), heard: None, epoch: 0, tick: 0, renew: Vec::new() }
    }

    /// What the SDK says next. The first call starts to read; a sidecar that never calls it never reads.
    pub async fn hear(&mut self) -> Option<ToSidecar> {
        if let Some(mut incoming) = self.incoming.take() {
            let (to_test, heard) = mpsc::unbounded_channel();
            self.heard = Some(heard);
            tokio::spawn(async move {
                while let Ok(Some(message)) = incoming.message().await {
                    let message = convert::to_sidecar(message).expect("the SDK keeps to the contract");
                    if to_test.send(message).is_err() {
                        return;
                    }
                }
            });
        }
        self.heard.as_mut()?.recv().await
    }

    /// The hello, which comes first.
    pub async fn hello(&mut self) -> Hello {
        match self.hear().await {
            Some(ToSidecar::Hello(hello)) => *hello,
            other => panic!("a hello comes first, not {other:?}"),
        }
    }

    /// The next ack, past whatever else is said.
    pub async fn ack(&mut self) -> Ack {
        loop {
            match self.hear().await {
                Some(ToSidecar::Ack(ack)) => return ack,
                Some(_) => {}
                None => panic!("the SDK hung up without an ack"),
            }
        }
    }

    /// The next report, past whatever else is said.
    pub async fn report(&mut self) -> Report {
        loop {
            match self.hear().await {
                Some(ToSidecar::Report(report)) => return *report,
                Some(_) => {}
                None => panic!("the SDK hung up without a report"),
            }
        }
    }

    /// Says something.
    pub async fn say(&self, message: &ToSdk) {
        self.say_raw(convert::encode_to_sdk(message)).await;
    }

    /// Says something that may break the contract.
    pub async fn say_raw(&self, message: ServerMessage) {
        self.outgoing.send(Ok(message)).await.expect("the stream is open");
    }

    /// Welcomes the SDK, with the default periods.
    pub async fn welcome(&mut self, epoch: u64) {
        self.welcome_as(epoch, PROTOCOL).await;
    }

    /// The same, in another protocol.
    pub async fn welcome_as(&mut self, epoch: u64, protocol: u32) {
        self.epoch = epoch;
        let welcome = Welcome {
            protocol,
            epoch,
            capabilities: [].into(),
            beat_every: Duration::from_secs(1),
            lost_after: Duration::from_secs(5),
            report_every: Duration::from_millis(100),
            unbound: Vec::new(),
            missing: Vec::new(),
            config_revision: "test".to_owned(),
        };
        self.say(&ToSdk::Welcome(Box::new(welcome))).await;
    }

    /// A frame of the channel of its values; beats renew it from now on.
    pub fn frame(&mut self, seq: u64, set: &[(&str, Value)]) -> Frame {
        let channel = set.first().map_or(Channel::Limits, |(_, value)| Channel::of(value));
        let setpoint = |&(knob, value): &(&str, Value)| Setpoint {
            knob: KnobName::try_new(knob).expect("a valid name"),
            value,
            admission: Admission::default(),
            lease: Lease::default(),
            why: Arc::default(),
            decision_id: seq,
        };
        self.frame_on(channel, seq, set.iter().map(setpoint).collect())
    }

    /// A frame of this channel; beats renew it from now on.
    pub fn frame_on(&mut self, channel: Channel, seq: u64, set: Vec<Setpoint>) -> Frame {
        let version = Version { epoch: self.epoch, seq };
        self.renew.retain(|(other, _)| *other != channel);
        self.renew.push((channel, version));
        Frame {
            channel,
            nonce: seq,
            version,
            config_revision: "test".to_owned(),
            set,
            unsupported: Vec::new(),
            atomic: false,
            mode: Mode::Apply,
            watched: Vec::new(),
        }
    }

    /// Pushes values and returns the answer.
    pub async fn push(&mut self, seq: u64, set: &[(&str, Value)]) -> Ack {
        let frame = self.frame(seq, set);
        self.say(&ToSdk::Frame(Box::new(frame))).await;
        self.ack().await
    }

    /// How far the loop has come.
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// The loop is here, whatever was told before.
    pub fn set_tick(&mut self, tick: u64) {
        self.tick = tick;
    }

    /// A beat. The loop has moved since the one before if `alive`.
    pub async fn beat(&mut self, alive: bool) {
        self.tick += u64::from(alive);
        let beat = SidecarBeat {
            n: self.tick,
            loop_tick: self.tick,
            loop_age: Duration::ZERO,
            oldest_signal_age: None,
            renew: self.renew.clone(),
        };
        self.say(&ToSdk::Beat(beat)).await;
    }

    /// A beat each second.
    pub async fn beats(&mut self, seconds: u64, alive: bool) {
        for _ in 0..seconds {
            self.beat(alive).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
