//! axum and tonic on one port, a limit for each, and a tonic client behind a layer of its own.
//!
//! `cargo run -p setpoint-sdk --example tonic` asks itself a few times and ends.
//!
//! - `limit.rpc` holds gRPC calls until their trailers, which is where their status is; `limit.web` holds pages. Both know
//!   health checks (`/grpc.health.v1.Health/*`, `/healthz`) and let them pass.
//! - The client's layer wraps the channel: limit and breaker of the callee, throttle, rate. A refusal is a `Status` with a
//!   push-back, so the code around a call stays as it is.
//! - Calls made here by hand are what generated code does: `Server` and `Client` with a codec.

use std::future::{Ready, ready};

use axum::{Router, routing::get};
use http::{Request, Response};
use setpoint_sdk::{Priority, Setpoint};
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Status, client, server};
use tonic_prost::ProstCodec;
use tower::{ServiceBuilder, service_fn};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "what happens is what it is run for")]
async fn main() -> Result<(), Error> {
    let sp = Setpoint::builder("shop").start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(async move { axum::serve(listener, service(&sp)).await });

    let sp = Setpoint::builder("till").start();
    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let outgoing = sp
        .layer("shop")
        .throttle(sp.throttle("shop"))
        .rate(sp.rate("shop").bounds(1.0, 1000.0).baseline(100.0).register());
    sp.breaker("shop").failures(5).register();
    let mut shop = client::Grpc::new(ServiceBuilder::new().layer(outgoing).service(channel));
    for order in ["tea", "coffee", ""] {
        shop.ready().await?;
        let codec = ProstCodec::<String, String>::default();
        let path = "/shop.Checkout/Order".parse()?;
        match shop.unary(tonic::Request::new(order.to_owned()), path, codec).await {
            Ok(answer) => println!("{}", answer.into_inner()),
            Err(status) => println!("{}: {}", status.code(), status.message()),
        }
    }
    serving.abort();
    Ok(())
}

/// Pages and calls, each below a layer of its own.
fn service(sp: &Setpoint) -> Router {
    let web = sp.layer("web");
    let rpc = sp.layer("rpc").priority_from("x-priority".parse().expect("a name"), Priority::High);
    let pages = Router::new()
        .route("/", get(|| async { "the shop\n" }))
        .route("/healthz", get(|| async { "ok" }))
        .layer(web);
    let calls = Router::new().route_service("/shop.Checkout/Order", service_fn(serve)).layer(rpc);
    pages.merge(calls)
}

/// What generated code does with a request.
async fn serve(request: Request<axum::body::Body>) -> Result<Response<Body>, std::convert::Infallible> {
    Ok(server::Grpc::new(ProstCodec::<String, String>::default()).unary(service_fn(order), request).await)
}

fn order(request: tonic::Request<String>) -> Ready<Result<tonic::Response<String>, Status>> {
    ready(match request.into_inner().as_str() {
        "" => Err(Status::invalid_argument("what?")),
        what => Ok(tonic::Response::new(format!("one {what}"))),
    })
}
