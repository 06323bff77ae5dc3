//! A tonic client and a tonic server, each behind a layer, without a network between them.

use tokio_stream::StreamExt;
use tonic::body::Body as GrpcBody;
use tonic::client::Grpc as Client;
use tonic::server::Grpc as Server;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use super::*;

type Answers = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<String, Status>> + Send>>;

/// One message, then what the request asks for: `ok`, a status code, or nothing ever.
fn messages(asked: String) -> Answers {
    let first = tokio_stream::once(Ok(asked.clone()));
    match asked.as_str() {
        "ok" => Box::pin(first),
        "hang" => Box::pin(first.chain(tokio_stream::pending())),
        code => {
            let mut status = Status::new(code.parse::<i32>().unwrap().into(), "as asked");
            status.metadata_mut().insert("grpc-retry-pushback-ms", "7000".parse().unwrap());
            Box::pin(first.chain(tokio_stream::once(Err(status))))
        }
    }
}

/// A server of which every call is a stream.
async fn serve(request: Request<GrpcBody>) -> Result<Response<GrpcBody>, Infallible> {
    let answer = service_fn(|request: tonic::Request<String>| {
        ready(Ok::<_, Status>(tonic::Response::new(messages(request.into_inner()))))
    });
    Ok(Server::new(ProstCodec::<String, String>::default()).server_streaming(answer, request).await)
}

/// A server of which every call has one answer: `ok`, or the status code that it asks for.
async fn serve_unary(request: Request<GrpcBody>) -> Result<Response<GrpcBody>, Infallible> {
    let answer = service_fn(|request: tonic::Request<String>| {
        let asked = request.into_inner();
        ready(match asked.parse::<i32>() {
            Ok(code) => Err(Status::new(code.into(), "as asked")),
            Err(_) => Ok(tonic::Response::new(asked)),
        })
    });
    Ok(Server::new(ProstCodec::<String, String>::default()).unary(answer, request).await)
}

/// Two rigs, the client's and the server's.
fn rigs() -> [Rig; 2] {
    [Rig::new(1), Rig::new(1)]
}

#[tokio::test]
async fn both_ends_see_the_status_in_the_trailers_and_hold_their_places_until_then() {
    for (asked, code, expected) in [
        ("ok", Code::Ok, [1, 0, 0, 0, 0]),
        ("8", Code::ResourceExhausted, [0, 1, 0, 0, 0]),
        ("14", Code::Unavailable, [0, 1, 0, 0, 0]),
        ("4", Code::DeadlineExceeded, [0, 1, 0, 0, 0]),
        ("13", Code::Internal, [0, 0, 1, 0, 0]),
        ("5", Code::NotFound, [0, 0, 0, 1, 0]),
    ] {
        let [outgoing, incoming] = rigs();
        let stack = outgoing.layer().layer(incoming.layer().layer(service_fn(serve)));
        let mut client = Client::new(stack);
        client.ready().await.unwrap();
        let request = tonic::Request::new(asked.to_owned());
        let path = "/shop.Checkout/Watch".parse().unwrap();
        let codec = ProstCodec::<String, String>::default();
        let mut stream = client.server_streaming(request, path, codec).await.unwrap().into_inner();
        for rig in [&outgoing, &incoming] {
            assert_eq!(rig.ends(), [0, 0, 0, 0, 1], "{asked}");
        }
        assert_eq!(stream.message().await.unwrap().as_deref(), Some(asked));
        let end = stream.message().await;
        assert_eq!(end.map_or_else(|status| status.code(), |_| Code::Ok), code);
        for rig in [&outgoing, &incoming] {
            assert_eq!(rig.ends(), expected, "{asked}");
        }
    }
}

#[tokio::test]
async fn a_call_with_one_answer_ends_on_both_ends_however_it_ends() {
    for (asked, expected) in [("ok", [1, 0, 0, 0, 0]), ("8", [0, 1, 0, 0, 0]), ("13", [0, 0, 1, 0, 0])] {
        let [outgoing, incoming] = rigs();
        let stack = outgoing.layer().layer(incoming.layer().queued().layer(service_fn(serve_unary)));
        let mut client = Client::new(stack);
        client.ready().await.unwrap();
        let request = tonic::Request::new(asked.to_owned());
        let codec = ProstCodec::<String, String>::default();
        let answer = client.unary(request, "/shop.Checkout/Order".parse().unwrap(), codec).await;
        assert_eq!(answer.is_ok(), asked == "ok");
        for rig in [&outgoing, &incoming] {
            assert_eq!(rig.ends(), expected, "{asked}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_its_reader_drops_is_cancelled_on_both_ends() {
    let [outgoing, incoming] = rigs();
    let mut client = Client::new(outgoing.layer().layer(incoming.layer().layer(service_fn(serve))));
    client.ready().await.unwrap();
    let request = tonic::Request::new("hang".to_owned());
    let codec = ProstCodec::<String, String>::default();
    let path = "/shop.Checkout/Watch".parse().unwrap();
    let mut stream = client.server_streaming(request, path, codec).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("hang"));
    drop(stream);
    for rig in [&outgoing, &incoming] {
        assert_eq!(rig.ends(), [0, 0, 0, 1, 0]);
    }
}

#[tokio::test]
async fn a_client_that_is_refused_gets_a_status_with_a_push_back_and_the_server_hears_nothing() {
    let [outgoing, incoming] = rigs();
    outgoing.limiter.breaker().pin(crate::BreakerSetpoint::Open { retry_after: Duration::from_millis(2500) });
    let mut client = Client::new(outgoing.layer().layer(incoming.layer().layer(service_fn(serve_unary))));
    client.ready().await.unwrap();
    let codec = ProstCodec::<String, String>::default();
    let request = tonic::Request::new("ok".to_owned());
    let status = client.unary(request, "/shop.Checkout/Order".parse().unwrap(), codec).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "breaker_open"));
    assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "2500");
    assert_eq!(incoming.totals().arrived, 0);
}

#[tokio::test]
async fn a_server_that_pushes_back_in_its_trailers_is_left_alone_for_as_long() {
    let [outgoing, incoming] = rigs();
    outgoing.sp.breaker("inbound").failures(1).register();
    let mut client = Client::new(outgoing.layer().layer(incoming.layer().layer(service_fn(serve))));
    client.ready().await.unwrap();
    let codec = ProstCodec::<String, String>::default();
    let request = tonic::Request::new("13".to_owned());
    let path = "/shop.Checkout/Watch".parse().unwrap();
    let mut stream = client.server_streaming(request, path, codec).await.unwrap().into_inner();
    while stream.message().await.is_ok() {}
    let refused = outgoing.limiter.try_acquire(Priority::Normal).unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_secs(7));
}

/// The server under a name, as generated code has it.
#[derive(Clone)]
struct Named;

impl tonic::server::NamedService for Named {
    const NAME: &'static str = "shop.Checkout";
}

impl Service<Request<GrpcBody>> for Named {
    type Response = Response<GrpcBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<GrpcBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<GrpcBody>) -> Self::Future {
        Box::pin(serve(request))
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_on_the_wire_gives_its_places_back() {
    let [outgoing, incoming] = rigs();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder().layer(incoming.layer()).add_service(Named);
    let serving = tokio::spawn(server.serve_with_incoming(connections));
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}")).unwrap();
    let channel = channel.connect().await.unwrap();
    let mut client = Client::new(outgoing.layer().layer(channel));
    for (asked, expected) in [("hang", [0, 0, 0, 1, 0]), ("13", [0, 0, 1, 1, 0]), ("ok", [1, 0, 1, 1, 0])] {
        client.ready().await.unwrap();
        let codec = ProstCodec::<String, String>::default();
        let path = "/shop.Checkout/Watch".parse().unwrap();
        let request = tonic::Request::new(asked.to_owned());
        let mut stream = client.server_streaming(request, path, codec).await.unwrap().into_inner();
        assert_eq!(stream.message().await.unwrap().as_deref(), Some(asked));
        if asked == "hang" {
            assert_eq!([outgoing.limiter.in_flight(), incoming.limiter.in_flight()], [1, 1]);
        } else {
            while let Ok(Some(_)) = stream.message().await {}
        }
        drop(stream);
        // The other end hears of it.
        let over = async {
            while incoming.ends() != expected {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), over).await.expect("the server has heard of it");
        assert_eq!(outgoing.ends(), expected, "{asked}");
    }
    serving.abort();
}
