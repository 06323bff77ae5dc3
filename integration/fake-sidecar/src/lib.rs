//! A sidecar that does what a test says: it speaks the contract and decides nothing.
//!
//! The SDK's own tests put it at the end of an in-memory pipe, tests of whole services on a socket. It knows neither the SDK
//! nor the sidecar, so both may depend on it in their tests. What goes wrong in it fails the test, by a panic.

mod talk;

use std::io;
use std::path::Path;
use std::pin::Pin;

use setpoint_proto::rpc::{ClientMessage, ServerMessage, Tuning, TuningServer};
use setpoint_proto::v1;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status as Refusal, Streaming};

pub use talk::Talk;

/// Sessions and connections that wait for the test to take them.
const WAITING: usize = 16;

/// Listens on `socket`, for as long as the runtime lives; every session comes out of the receiver.
///
/// # Errors
/// The socket cannot be bound.
pub fn listen(socket: &Path) -> io::Result<mpsc::Receiver<Talk>> {
    let listener = UnixListener::bind(socket)?;
    let (to_server, pipes) = mpsc::channel(WAITING);
    let (to_test, talks) = mpsc::channel(WAITING);
    tokio::spawn(serve(pipes, to_test, None));
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            if to_server.send(connection).await.is_err() {
                return;
            }
        }
    });
    Ok(talks)
}

/// Serves everybody who comes through a pipe and hands each session to the test; with `refuse` there are none, and this is
/// the answer. Connections end with the returned future.
pub async fn serve<Io>(mut pipes: mpsc::Receiver<Io>, sessions: mpsc::Sender<Talk>, refuse: Option<Refusal>)
where
    Io: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
{
    let mut connections = tokio::task::JoinSet::new();
    while let Some(pipe) = pipes.recv().await {
        let service = TuningServer::new(Server { sessions: sessions.clone(), refuse: refuse.clone() });
        let incoming = tokio_stream::once(Ok::<_, io::Error>(pipe));
        let server = tonic::transport::Server::builder().add_service(service);
        connections.spawn(server.serve_with_incoming(incoming));
    }
}

struct Server {
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
