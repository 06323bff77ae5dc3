//! A way to the fake sidecar that a test can shut, and a service at the other end of it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use setpoint_fake_sidecar::{Talk, serve};
use setpoint_policies::knob::KnobName;
use setpoint_policies::value::Value;
use tokio::io::DuplexStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::Status as Refusal;

use crate::actuator::Inner;
use crate::builder::Options;
use crate::clock::Hand;
use crate::health::Health;
use crate::setpoint::Setpoint;
use crate::transport::Dial;

/// For callbacks.
const PATIENCE: Duration = Duration::from_secs(1);

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

/// A service with the SDK in it, at a limit of 64 without a sidecar.
pub struct Service {
    pub sdk: Setpoint,
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
        Self::registered(dial, options, hand, |sdk| {
            sdk.limiter("db").bounds(4, 400).baseline(64).register();
        })
    }

    /// With what `register` registers before the session begins, and nothing else.
    pub fn registering(dial: impl Dial, socket: PathBuf, register: impl FnOnce(&Setpoint)) -> Self {
        Self::registered(dial, Options { socket, ..options() }, &Hand::default(), register)
    }

    fn registered(dial: impl Dial, options: Options, hand: &Hand, register: impl FnOnce(&Setpoint)) -> Self {
        let mut inner = Inner::new("checkout".to_owned(), hand.clock(), 42);
        // Callbacks run in real time; a busy machine must not make one of them late.
        inner.patience = PATIENCE;
        let inner = Arc::new(inner);
        let sdk = Setpoint::new(inner.clone());
        register(&sdk);
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
