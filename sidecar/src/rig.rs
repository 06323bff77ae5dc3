//! What the tests of the shells share: a sidecar without sockets and a client that speaks the real gRPC over a pipe.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use setpoint_policies::admission::Admission;
use setpoint_policies::decision::{Action, Decision};
use setpoint_policies::engine::Step;
use setpoint_policies::knob::{Kind, Knob, KnobName};
use setpoint_policies::reason::Reason;
use setpoint_policies::signal::Signals;
use setpoint_policies::snapshot::{Instance, InstanceId};
use setpoint_policies::spec::{Mode, PolicySet};
use setpoint_policies::value::{Breaker, Value};
use setpoint_proto::convert;
use setpoint_proto::message::{
    Ack, Applied, Frame, Hello, PROTOCOL, SidecarBeat, Status, ToSdk, ToSidecar, Welcome,
};
use setpoint_proto::rpc::{ClientMessage, ServerMessage, TuningClient};
use std::sync::Arc;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};

use crate::clock::Clock;
use crate::control::{Board, Shared};
use crate::metrics::Metrics;
use crate::sessions::Registry;
use crate::transport::connection::{Allowed, Connection, Peer};

pub const EPOCH: u64 = 77;
/// Messages that a test skips while it waits for another one; beats come every second of its time.
const MOST_SKIPPED: usize = 100;
const OWNER: Peer = Peer { uid: 1000, gid: 1000 };

/// A served registry.
pub struct Rig {
    pub shared: Shared,
    connections: mpsc::Sender<Connection<DuplexStream>>,
    pub stop: Option<oneshot::Sender<()>>,
    pub serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

pub fn shared() -> Shared {
    let (clock, pulse, metrics) = (Clock::start(), Arc::default(), Metrics::new());
    let registry = Registry::new(EPOCH, clock, Arc::clone(&pulse), metrics.clone());
    let (journal, alerts, board) = (Arc::default(), Arc::default(), Board::default());
    let (rounds, disable_file) =
        (Default::default(), Arc::from(std::path::Path::new("/nonexistent/disable")));
    Shared { clock, pulse, registry, journal, alerts, board, metrics, rounds, disable_file }
}

impl Rig {
    pub fn start() -> Self {
        Self::serving(shared())
    }

    pub fn serving(shared: Shared) -> Self {
        let (connections, incoming) = mpsc::channel(1);
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or(()) };
        let incoming = ReceiverStream::new(incoming);
        let serving = tokio::spawn(crate::transport::serve(incoming, shared.clone(), stopped));
        Self { shared, connections, stop: Some(stop), serving }
    }

    /// The client's end of a new connection from `peer`.
    pub async fn pipe_from(&self, peer: Peer) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let allowed = Allowed { uids: vec![OWNER.uid], gids: vec![] };
        let connection = Connection::new(theirs, peer, &allowed, None);
        self.connections.send(connection).await.expect("served");
        ours
    }

    pub async fn pipe(&self) -> DuplexStream {
        self.pipe_from(OWNER).await
    }

    pub async fn channel(&self, endpoint: Endpoint) -> Channel {
        over(self.pipe().await, endpoint).await
    }

    /// A stream on which nothing was said yet.
    pub async fn open(&self) -> Sdk {
        Sdk::open(self.channel(endpoint()).await).await
    }

    /// A stream on which this was said first.
    pub async fn say(&self, first: ToSidecar) -> Sdk {
        let sdk = self.open().await;
        sdk.say(first).await;
        sdk
    }

    /// A session that has been welcomed.
    pub async fn session(&self, hello: Hello) -> Sdk {
        let mut sdk = self.say(ToSidecar::Hello(Box::new(hello))).await;
        sdk.welcome().await;
        sdk
    }

    /// Publishes decisions under an enforcing policy set, as a tick does.
    pub fn publish(&self, decisions: &[Decision]) {
        let set = PolicySet { mode: Mode::Enforce, ..PolicySet::observe_only() };
        let step = Step { decisions: decisions.to_vec(), ..Step::default() };
        self.shared.registry.publish(&step, &Arc::new(set), Signals::default());
    }

    pub fn metrics(&self) -> String {
        self.shared.metrics.render(&crate::view::status(&self.shared))
    }
}

pub fn endpoint() -> Endpoint {
    Endpoint::from_static("http://sidecar")
}

/// A channel over one end of a pipe.
pub async fn over(pipe: DuplexStream, endpoint: Endpoint) -> Channel {
    let mut pipe = Some(pipe);
    let connector = tower::service_fn(move |_| {
        let pipe = pipe.take().ok_or_else(|| std::io::Error::other("connects once"));
        async { pipe.map(TokioIo::new) }
    });
    endpoint.connect_with_connector(connector).await.expect("connects")
}

/// A client of one stream.
pub struct Sdk {
    wire: mpsc::Sender<ClientMessage>,
    pub heard: Streaming<ServerMessage>,
    _channel: Channel,
}

impl Sdk {
    pub async fn open(channel: Channel) -> Self {
        Self::try_open(channel).await.expect("opens")
    }

    pub async fn try_open(channel: Channel) -> Result<Self, tonic::Status> {
        let (wire, said) = mpsc::channel(256);
        let mut client = TuningClient::new(channel.clone());
        let heard = client.session(ReceiverStream::new(said)).await?.into_inner();
        Ok(Self { wire, heard, _channel: channel })
    }

    pub async fn say(&self, message: ToSidecar) {
        self.say_raw(convert::encode_to_sidecar(&message)).await;
    }

    pub async fn say_raw(&self, message: ClientMessage) {
        // A server that has ended the stream does not hear it, which the test then sees in what it hears.
        let _ = self.wire.send(message).await;
    }

    /// The next message; `Err` when the stream ends, with code `Ok` when it ends without an error.
    pub async fn next(&mut self) -> Result<ToSdk, tonic::Status> {
        let ended = || tonic::Status::new(Code::Ok, "the end");
        let message = self.heard.message().await?.ok_or_else(ended)?;
        Ok(convert::to_sdk(message).expect("what we send is sound"))
    }

    pub async fn welcome(&mut self) -> Welcome {
        match self.next().await.expect("goes on") {
            ToSdk::Welcome(welcome) => *welcome,
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// The next frame; beats are skipped.
    pub async fn frame(&mut self) -> Frame {
        for _ in 0..MOST_SKIPPED {
            match self.next().await.expect("goes on") {
                ToSdk::Frame(frame) => return *frame,
                ToSdk::Beat(_) => {}
                other => panic!("no frame but {other:?}"),
            }
        }
        panic!("no frame comes");
    }

    /// The next message, which must be a beat.
    pub async fn beat(&mut self) -> SidecarBeat {
        match self.next().await.expect("goes on") {
            ToSdk::Beat(beat) => beat,
            other => panic!("no beat but {other:?}"),
        }
    }

    /// How the stream ends; everything before is skipped.
    pub async fn end(&mut self) -> tonic::Status {
        for _ in 0..MOST_SKIPPED {
            if let Err(status) = self.next().await {
                return status;
            }
        }
        panic!("the stream does not end");
    }

    /// Acknowledges a frame; every knob is answered the same, with what was asked for.
    pub async fn ack(&self, frame: &Frame, status: Status) {
        let result = |knob: &KnobName, value: Value| applied(knob.as_str(), status, value.scalar());
        let results = frame.set.iter().map(|setpoint| result(&setpoint.knob, setpoint.value)).collect();
        self.ack_with(frame, results).await;
    }

    pub async fn ack_with(&self, frame: &Frame, results: Vec<Applied>) {
        let ack = Ack { channel: frame.channel, nonce: frame.nonce, results };
        self.say(ToSidecar::Ack(ack)).await;
    }
}

pub fn applied(knob: &str, status: Status, effective: f64) -> Applied {
    Applied {
        knob: knob.to_owned(),
        status,
        effective,
        detail: String::new(),
        version: None,
        lease_left: None,
        shares: None,
    }
}

/// A process of service `demo` with a limit and a breaker.
pub fn hello(instance: &str) -> Hello {
    let name = |name| KnobName::try_new(name).expect("valid");
    let limit =
        Knob::try_new(name("limit.inbound"), Kind::ConcurrencyLimit, 4.0, 400.0, 64.0).expect("valid");
    let breaker = Knob::try_new(name("breaker.db"), Kind::Breaker, 0.0, 4.0, 0.0).expect("valid");
    Hello {
        protocol_min: PROTOCOL,
        protocol_max: PROTOCOL,
        service: "demo".to_owned(),
        instance_id: instance.to_owned(),
        incarnation: 1,
        sdk: "test/1".to_owned(),
        runtime: String::new(),
        labels: Default::default(),
        capabilities: Default::default(),
        knobs: vec![limit, breaker],
        unsupported: Vec::new(),
        last_applied: None,
        state: Vec::new(),
    }
}

/// A process of service `demo` of which nothing is known but its name.
pub fn instance(id: &str) -> Instance {
    Instance {
        id: InstanceId(id.into()),
        service: "demo".into(),
        incarnation: 1,
        labels: Default::default(),
        knobs: Vec::new(),
        in_force: Default::default(),
        totals: Default::default(),
        signals: Default::default(),
    }
}

pub fn decision(instance: &str, knob: &str, to: Value) -> Decision {
    Decision {
        id: 1,
        instance: InstanceId(format!("demo/{instance}").into()),
        knob: KnobName::try_new(knob).expect("valid"),
        from: to,
        to,
        admission: Admission::default(),
        action: Action::Decrease,
        policy: "p".into(),
        reason: Reason::Calm,
        guarded: None,
        overruled: Vec::new(),
    }
}

pub fn limit(instance: &str, to: f64) -> Decision {
    decision(instance, "limit.inbound", Value::Concurrency(to))
}

pub fn open_breaker(instance: &str) -> Decision {
    let open = Breaker::Open { retry_after: Duration::from_secs(1) };
    decision(instance, "breaker.db", Value::Breaker(open))
}
