//! The parts put together, and the order in which they start and stop.
//!
//! Start: the lock on the socket comes first, so that a second sidecar fails before it has touched anything. Stop: no new
//! clients, good-bye to the old ones, the socket file last; the control loop ticks until the end. What fails takes back the files
//! that it made.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use crate::alarm::Alarm;
use crate::cli;
use crate::clock::Clock;
use crate::config::{LastGood, Reloader};
use crate::control::{Board, Control, Shared};
use crate::journal::Journal;
use crate::metrics::{Metrics, UPKEEP_EVERY};
use crate::pulse::Pulse;
use crate::record::Recorder;
use crate::reload::{Reload, Requests};
use crate::sense::sense;
use crate::sessions::Registry;
use crate::socket::{Socket, SocketError};
use crate::transport::accept::accept;
use crate::transport::connection::Allowed;
use crate::transport::rounds::Rounds;
use crate::watchdog::{Patience, Watchdog};
use crate::{admin, transport};

/// Clients have this long to leave after they were told to.
pub const DRAIN_WITHIN: Duration = Duration::from_secs(2);

/// Why the sidecar does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The socket is not ours.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The admin address cannot be had.
    #[error("cannot listen on the admin address {addr}")]
    Admin {
        /// Which.
        addr: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The system gave no thread or refused a listener.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// The control loop is gone: without it nothing else makes sense.
    #[error("the control loop has ended")]
    LoopEnded,
}

/// A sidecar that owns its addresses and has not started yet.
#[derive(Debug)]
pub struct Sidecar {
    socket: Socket,
    parts: Parts,
}

#[derive(Debug)]
struct Parts {
    shared: Shared,
    sdk: UnixListener,
    admin: TcpListener,
    reload: Reload,
    requests: Requests,
}

impl Sidecar {
    /// Takes the socket and the admin address. To be called within the runtime that will [`run`](Self::run) it.
    ///
    /// # Errors
    /// When one of them cannot be had.
    pub fn bind(options: &cli::Run) -> Result<Self, RunError> {
        let (socket, sdk) = Socket::bind(&options.socket)?;
        let refused = |source| RunError::Admin { addr: options.admin, source };
        let admin = match TcpListener::bind(options.admin).map_err(refused) {
            Ok(admin) => admin,
            Err(error) => {
                socket.withdraw();
                return Err(error);
            }
        };
        let (clock, pulse, metrics) = (Clock::start(), Arc::<Pulse>::default(), Metrics::new());
        let registry = Registry::new(random(), clock, Arc::clone(&pulse), metrics.clone());
        let journal = Arc::<Journal>::default();
        let (alerts, board, rounds) = (Arc::default(), Board::default(), Rounds::default());
        let disable_file = Arc::from(options.socket.with_file_name("disable"));
        let shared = Shared { clock, pulse, registry, journal, alerts, board, metrics, rounds, disable_file };
        let (reload, requests) = Reload::channel();
        Ok(Self { socket, parts: Parts { shared, sdk, admin, reload, requests } })
    }

    /// Asks for the policy file to be read now.
    pub fn reload(&self) -> Reload {
        self.parts.reload.clone()
    }

    /// Runs until `stop` is ready, then says good-bye to every client. `hung` is called, on a thread of its own and with
    /// the last tick, when the control loop hangs; it should end the process.
    ///
    /// # Errors
    /// When a part cannot start, or the control loop ends by itself.
    pub async fn run(
        self,
        options: &cli::Run,
        hung: impl FnOnce(u64) + Send + 'static,
        stop: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        let Self { socket, parts } = self;
        let ran = parts.run(options, hung, stop).await;
        match &ran {
            Ok(()) => socket.unlink(),
            Err(_) => socket.withdraw(),
        }
        ran
    }
}

impl Parts {
    async fn run(
        self,
        options: &cli::Run,
        hung: impl FnOnce(u64) + Send + 'static,
        stop: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        let Self { shared, sdk, admin, reload, requests } = self;
        let (sdk, admin) = (listener(sdk)?, tcp_listener(admin)?);
        let watchdog = Watchdog::start(Arc::clone(&shared.pulse), Patience::default(), hung);
        let _watchdog = watchdog.map_err(RunError::Start)?;
        // The port may have been left to the system.
        let admin_addr = admin.local_addr().unwrap_or(options.admin);
        let source = Reloader::new(options.config.clone());
        let recorder = recorder(options, &shared.metrics)?;
        let last_good = LastGood::start(&options.state_dir, &options.config, shared.metrics.clone());
        let last_good = last_good.map_err(RunError::Start)?;
        let control = Control::new(shared.clone(), source, sense(options), requests);
        let control = control.recording(recorder).keeping(last_good).woken_by(Alarm::of_kernel(shared.clock));
        let control = tokio::spawn(control.run());
        tokio::spawn(upkeep(shared.metrics.clone()));
        tokio::spawn(admin::serve(admin, shared.clone(), reload));

        let (connection, connections) = mpsc::channel(1);
        tokio::spawn(accept(
            sdk,
            allowed(options),
            shared.metrics.clone(),
            shared.rounds.clone(),
            connection,
        ));
        let (close, closing) = oneshot::channel::<()>();
        let closing = async { closing.await.unwrap_or(()) };
        let serving = transport::serve(ReceiverStream::new(connections), shared.clone(), closing);
        let serving = tokio::spawn(serving);

        let epoch = shared.registry.epoch();
        tracing::info!(socket = %options.socket.display(), %admin_addr, epoch, "sidecar started");
        tokio::select! {
            () = stop => {}
            _ = control => return Err(RunError::LoopEnded),
        }
        tracing::info!("sidecar stops");
        drop(close);
        shared.registry.drain();
        // Whoever has not left by then finds out when we are gone.
        let _ = tokio::time::timeout(DRAIN_WITHIN, serving).await;
        Ok(())
    }
}

fn listener(sdk: UnixListener) -> Result<tokio::net::UnixListener, RunError> {
    sdk.set_nonblocking(true).map_err(RunError::Start)?;
    tokio::net::UnixListener::from_std(sdk).map_err(RunError::Start)
}

fn tcp_listener(admin: TcpListener) -> Result<tokio::net::TcpListener, RunError> {
    admin.set_nonblocking(true).map_err(RunError::Start)?;
    tokio::net::TcpListener::from_std(admin).map_err(RunError::Start)
}

fn allowed(options: &cli::Run) -> Allowed {
    let mut allowed = Allowed::own();
    allowed.uids.extend(&options.allow_uid);
    allowed.gids.extend(&options.allow_gid);
    allowed
}

/// What writes the snapshots down, if that is wanted.
fn recorder(options: &cli::Run, metrics: &Metrics) -> Result<Option<Recorder>, RunError> {
    let start = |path: &PathBuf| Recorder::start(path.clone(), options.record_max_bytes, metrics.clone());
    options.record.as_ref().map(start).transpose().map_err(RunError::Start)
}

async fn upkeep(metrics: Metrics) {
    let mut due = tokio::time::interval(UPKEEP_EVERY);
    loop {
        due.tick().await;
        metrics.upkeep();
    }
}

/// A number that no other start of a sidecar has: the standard library seeds its hashers from the system. 53 bits, so that
/// JSON keeps it.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 11
}
