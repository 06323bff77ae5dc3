//! A client that speaks the contract by hand, well or badly, over the real socket.

use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use setpoint_policies::knob::{Kind, Knob, KnobName};
use setpoint_policies::totals::Totals;
use setpoint_proto::convert;
use setpoint_proto::message::{Ack, Applied, Frame, Hello, PROTOCOL, Report, Status, ToSdk, ToSidecar};
use setpoint_proto::rpc::{ClientMessage, ServerMessage, TuningClient};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};

use crate::service::BASELINE;
use crate::sidecar::KNOB;
use crate::until::PATIENCE;

/// How the stream ended, as far as the client was told.
pub type Ended = tonic::Status;

/// One stream.
pub struct Raw {
    wire: mpsc::Sender<ClientMessage>,
    heard: Streaming<ServerMessage>,
    began: Instant,
    _channel: Channel,
}

impl Raw {
    /// Connects and opens a stream on which nothing was said yet.
    pub async fn open(socket: &Path) -> Self {
        let socket = socket.to_owned();
        let connector = tower::service_fn(move |_| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://sidecar");
        let channel = endpoint.connect_with_connector(connector).await.unwrap();
        let (wire, said) = mpsc::channel(8);
        let mut client = TuningClient::new(channel.clone()).max_encoding_message_size(usize::MAX);
        let heard = client.session(ReceiverStream::new(said)).await.unwrap().into_inner();
        Self { wire, heard, began: Instant::now(), _channel: channel }
    }

    /// A stream with a process of this name on it, that has one limit.
    pub async fn session(socket: &Path, instance: &str) -> Self {
        let raw = Self::open(socket).await;
        raw.say(&ToSidecar::Hello(Box::new(hello(instance)))).await;
        raw
    }

    /// Says something. A sidecar that has ended the stream does not hear it, which is seen in what comes back.
    pub async fn say(&self, message: &ToSidecar) {
        self.say_raw(convert::encode_to_sidecar(message)).await;
    }

    /// The same without any check.
    pub async fn say_raw(&self, message: ClientMessage) {
        let _ = self.wire.send(message).await;
    }

    /// Says that no call has come since the start.
    pub async fn report(&self) {
        let at_nanos = u64::try_from(self.began.elapsed().as_nanos()).unwrap();
        let totals = Totals { at_nanos, limit_in_force: BASELINE, ..Totals::default() };
        let totals = [(KnobName::try_new(KNOB).unwrap(), totals)].into();
        self.say(&ToSidecar::Report(Box::new(Report { at_nanos, totals, ..Report::default() }))).await;
    }

    /// Answers a frame: each knob with this status and this value in force.
    pub async fn answer(&self, frame: &Frame, status: Status, effective: f64) {
        let result = |knob: &KnobName| Applied {
            knob: knob.as_str().to_owned(),
            status,
            effective,
            detail: "said by hand".to_owned(),
            version: None,
            lease_left: None,
            shares: None,
        };
        let results = frame.set.iter().map(|setpoint| result(&setpoint.knob)).collect();
        self.say(&ToSidecar::Ack(Ack { channel: frame.channel, nonce: frame.nonce, results })).await;
    }

    /// The next message, if there is one within that time; `Err` when the stream has ended.
    pub async fn hear(&mut self, within: Duration) -> Option<Result<ToSdk, Ended>> {
        let message = timeout(within, self.heard.message()).await.ok()?;
        Some(message.and_then(|message| {
            let message = message.ok_or_else(|| Ended::new(Code::Ok, "the end"))?;
            Ok(convert::to_sdk(message).expect("the sidecar keeps to the contract"))
        }))
    }

    /// How the stream ends; everything before is skipped.
    pub async fn ended(&mut self) -> Ended {
        loop {
            match self.hear(PATIENCE).await {
                Some(Err(ended)) => return ended,
                Some(Ok(_)) => {}
                None => panic!("the stream goes on"),
            }
        }
    }
}

/// A process of service `raw` with one limit.
fn hello(instance: &str) -> Hello {
    let name = KnobName::try_new(KNOB).unwrap();
    Hello {
        protocol_min: PROTOCOL,
        protocol_max: PROTOCOL,
        service: "raw".to_owned(),
        instance_id: instance.to_owned(),
        incarnation: 1,
        sdk: "by-hand/1".to_owned(),
        runtime: String::new(),
        labels: [].into(),
        capabilities: [].into(),
        knobs: vec![Knob::try_new(name, Kind::ConcurrencyLimit, 4.0, 2000.0, BASELINE).unwrap()],
        unsupported: Vec::new(),
        last_applied: None,
        state: Vec::new(),
    }
}
