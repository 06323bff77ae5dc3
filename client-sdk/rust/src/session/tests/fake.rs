//! A sidecar that does what a test says, and a service beside it.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use setpoint_policies::admission::Admission;
use setpoint_policies::knob::KnobName;
use setpoint_policies::lease::Lease;
use setpoint_policies::value::Value;
use setpoint_proto::convert;
use setpoint_proto::message::*;
use setpoint_proto::rpc::{ClientMessage, ServerMessage, Tuning, TuningServer};
use setpoint_proto::v1;
use tokio::io::DuplexStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status as Refusal, Streaming};

use crate::actuator::Inner;
use crate::builder::Options;
use crate::clock::Hand;
use crate::health::Health;
use crate::setpoint::Setpoint as Sdk;
use crate::transport::Dial;

/// The server: hands each session to the test.
pub struct Server {
    sessions: mpsc::Sender<Talk>,
    refuse: Option<Refusal>,
}

#[tonic::async_trait]
impl Tuning for Server {
    type SessionStream = ReceiverStream<Result<ServerMessage, Refusal>>;
    type ExplainStream = Pin<Box<dyn Stream<Item = Result<v1::Decision, Refusal>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::SessionStream>, Refusal> {
        if let Some(refusal) = &self.refuse {
            return Err(refusal.clone());
        }
        let (outgoing, stream) = mpsc::channel(4096);
        let talk = Talk::new(outgoing, request.into_inner());
        self.sessions.send(talk).await.expect("the test takes every session");
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn snapshot(
        &self,
        _: Request<v1::SnapshotRequest>,
    ) -> Result<Response<v1::SnapshotResponse>, Refusal> {
        Err(Refusal::unimplemented("not in these tests"))
    }

    async fn explain(
        &self,
        _: Request<v1::ExplainRequest>,
    ) -> Result<Response<Self::ExplainStream>, Refusal> {
        Err(Refusal::unimplemented("not in these tests"))
    }
}

/// Serves everybody who comes through a pipe. Connections end with the returned future.
pub async fn serve(
    mut pipes: mpsc::Receiver<DuplexStream>,
    sessions: mpsc::Sender<Talk>,
    refuse: Option<Refusal>,
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Some(pipe) = pipes.recv().await {
        let service = TuningServer::new(Server { sessions: sessions.clone(), refuse: refuse.clone() });
        let incoming = tokio_stream::once(Ok::<_, io::Error>(pipe));
        let server = tonic::transport::Server::builder().add_service(service);
        connections.spawn(server.serve_with_incoming(incoming));
    }
}

/// Where the SDK knocks: in-memory pipes to whatever the test puts behind them.
#[derive(Clone)]
pub struct Door {
    pub open: Arc<AtomicBool>,
    pub knocks: Arc<AtomicUsize>,
    pipes: mpsc::Sender<DuplexStream>,
}

impl Dial for Door {
    type Io = DuplexStream;

    async fn dial(&self) -> io::Result<DuplexStream> {
        self.knocks.fetch_add(1, Ordering::SeqCst);
        if !self.open.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        self.pipes.send(theirs).await.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(ours)
    }
}

/// A door, and the raw pipes behind it.
pub fn door() -> (Door, mpsc::Receiver<DuplexStream>) {
    let (pipes, raw) = mpsc::channel(16);
    (Door { open: Arc::new(AtomicBool::new(true)), knocks: Arc::default(), pipes }, raw)
}

/// A sidecar behind a door.
pub struct Sidecar {
    pub door: Door,
    sessions: mpsc::Receiver<Talk>,
    serving: JoinHandle<()>,
}

impl Sidecar {
    pub fn start() -> Self {
        Self::refusing(None)
    }

    pub fn refusing(refuse: Option<Refusal>) -> Self {
        let (door, raw) = door();
        let (to_test, sessions) = mpsc::channel(16);
        let serving = tokio::spawn(serve(raw, to_test, refuse));
        Self { door, sessions, serving }
    }

    /// The next session, before its welcome.
    pub async fn accept(&mut self) -> Talk {
        self.sessions.recv().await.expect("the server runs")
    }

    /// The next session, welcomed.
    pub async fn session(&mut self, epoch: u64) -> Talk {
        let mut talk = self.accept().await;
        talk.hello().await;
        talk.welcome(epoch).await;
        talk
    }

    /// As `kill -9`: connections break, nobody listens.
    pub fn kill(self, talk: Talk) {
        self.door.open.store(false, Ordering::SeqCst);
        self.serving.abort();
        drop(talk);
    }
}

/// The sidecar's end of one session.
pub struct Talk {
    outgoing: mpsc::Sender<Result<ServerMessage, Refusal>>,
    incoming: Option<Streaming<ClientMessage>>,
    heard: Option<mpsc::UnboundedReceiver<ToSidecar>>,
    pub epoch: u64,
    tick: u64,
    renew: Vec<(Channel, Version)>,
}

impl Talk {
    fn new(
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

    pub async fn report(&mut self) -> Report {
        loop {
            match self.hear().await {
                Some(ToSidecar::Report(report)) => return *report,
                Some(_) => {}
                None => panic!("the SDK hung up without a report"),
            }
        }
    }

    pub async fn say(&self, message: &ToSdk) {
        self.say_raw(convert::encode_to_sdk(message)).await;
    }

    pub async fn say_raw(&self, message: ServerMessage) {
        self.outgoing.send(Ok(message)).await.expect("the stream is open");
    }

    pub async fn welcome(&mut self, epoch: u64) {
        self.epoch = epoch;
        let welcome = Welcome {
            protocol: PROTOCOL,
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
        let version = Version { epoch: self.epoch, seq };
        self.renew.retain(|(other, _)| *other != channel);
        self.renew.push((channel, version));
        let setpoint = |&(knob, value): &(&str, Value)| Setpoint {
            knob: KnobName::try_new(knob).unwrap(),
            value,
            admission: Admission::default(),
            lease: Lease::default(),
            why: Arc::default(),
            decision_id: seq,
        };
        Frame {
            channel,
            nonce: seq,
            version,
            config_revision: "test".to_owned(),
            set: set.iter().map(setpoint).collect(),
            unsupported: Vec::new(),
            atomic: false,
            mode: Mode::Apply,
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

/// A service with the SDK in it, at a limit of 64 without a sidecar.
pub struct Service {
    pub sdk: Sdk,
    inner: Arc<Inner>,
    pub session: JoinHandle<()>,
}

impl Service {
    pub fn start(dial: impl Dial) -> Self {
        Self::with_options(dial, options())
    }

    pub fn with_socket(dial: impl Dial, socket: PathBuf) -> Self {
        Self::with_options(dial, Options { socket, ..options() })
    }

    pub fn in_runtime(dial: impl Dial, runtime: Handle) -> Self {
        Self::with_options(dial, Options { runtime: Some(runtime), ..options() })
    }

    pub fn on_clock(dial: impl Dial, hand: &Hand) -> Self {
        Self::with(dial, options(), hand)
    }

    fn with_options(dial: impl Dial, options: Options) -> Self {
        Self::with(dial, options, &Hand::default())
    }

    fn with(dial: impl Dial, options: Options, hand: &Hand) -> Self {
        let inner = Arc::new(Inner::new("checkout".to_owned(), hand.clock(), 42));
        let sdk = Sdk::new(inner.clone());
        sdk.limiter("db").bounds(4, 400).baseline(64).register();
        let own = inner.clone();
        let session = tokio::spawn(async move { crate::session::run(&own, &options, dial).await });
        Self { sdk, inner, session }
    }

    pub fn in_force(&self, knob: &str) -> f64 {
        let name = KnobName::try_new(knob).unwrap();
        self.inner.registry.find(&name).expect("registered").in_force().scalar()
    }

    pub fn limit(&self) -> f64 {
        self.in_force("limit.db")
    }

    pub fn health(&self) -> Health {
        self.sdk.health()
    }

    /// Asks the session to end.
    pub fn stop(self) -> JoinHandle<()> {
        self.sdk.stop();
        self.session
    }
}

fn options() -> Options {
    Options {
        socket: PathBuf::from("/nonexistent/setpoint.sock"),
        disabled: false,
        labels: [].into(),
        runtime: None,
    }
}

pub fn limit(limit: f64) -> Value {
    Value::Concurrency(limit)
}

pub async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
