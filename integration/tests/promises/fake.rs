//! A sidecar that says what a test wants, on a real socket: for setpoints that no policy makes yet.

use std::path::Path;
use std::pin::Pin;

use setpoint_proto::convert;
use setpoint_proto::message::{Ack, ToSdk, ToSidecar};
use setpoint_proto::rpc::{ClientMessage, ServerMessage, Tuning, TuningServer};
use setpoint_proto::v1;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::until::PATIENCE;

/// The sidecar's end of one session.
pub struct Talk {
    said: mpsc::Sender<Result<ServerMessage, Status>>,
    heard: Streaming<ClientMessage>,
}

/// Listens on `socket`; every session comes out of the receiver.
pub fn listen(socket: &Path) -> mpsc::Receiver<Talk> {
    let listener = UnixListener::bind(socket).unwrap();
    let (to_test, talks) = mpsc::channel(1);
    let server = Server::builder().add_service(TuningServer::new(Fake(to_test)));
    tokio::spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));
    talks
}

impl Talk {
    pub async fn say(&self, message: &ToSdk) {
        self.said.send(Ok(convert::encode_to_sdk(message))).await.unwrap();
    }

    /// What the SDK says next.
    pub async fn hear(&mut self) -> ToSidecar {
        let message = timeout(PATIENCE, self.heard.message()).await.expect("the SDK says something");
        convert::to_sidecar(message.unwrap().expect("the SDK goes on"))
            .expect("the SDK keeps to the contract")
    }

    /// The next ack, past whatever else is said.
    pub async fn ack(&mut self) -> Ack {
        loop {
            if let ToSidecar::Ack(ack) = self.hear().await {
                return ack;
            }
        }
    }
}

struct Fake(mpsc::Sender<Talk>);

#[tonic::async_trait]
impl Tuning for Fake {
    type SessionStream = ReceiverStream<Result<ServerMessage, Status>>;
    type ExplainStream = Pin<Box<dyn Stream<Item = Result<v1::Decision, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (said, answers) = mpsc::channel(8);
        let talk = Talk { said, heard: request.into_inner() };
        self.0.send(talk).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn snapshot(
        &self,
        _: Request<v1::SnapshotRequest>,
    ) -> Result<Response<v1::SnapshotResponse>, Status> {
        Err(Status::unimplemented("no test asks"))
    }

    async fn explain(&self, _: Request<v1::ExplainRequest>) -> Result<Response<Self::ExplainStream>, Status> {
        Err(Status::unimplemented("no test asks"))
    }
}
