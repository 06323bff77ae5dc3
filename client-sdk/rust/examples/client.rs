//! An HTTP client whose calls are limited: hyper-util's here, and any other that takes and gives the types of `http`.
//!
//! `cargo run -p setpoint-sdk --example client -- http://localhost:8080/`.
//!
//! - From the outside in: retries (a budget for all of them), then for each attempt throttle, breaker, limit and rate, then the
//!   time-out, then the client. A time-out inside of the layer is seen by it, as an overload; one outside would be a cancelled
//!   call that says nothing.
//! - With reqwest, the service at the bottom is
//!   `service_fn(|request| async { Ok(http::Response::from(client.execute(request.try_into()?).await?)) })`,
//!   and `.classify_error(|error: &reqwest::Error| if error.is_timeout() { Outcome::Dropped } else { Outcome::Failure })`.

use std::future::{Ready, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use setpoint_sdk::{Rejected, RetryBudget, Setpoint};
use tower::retry::{Policy, RetryLayer};
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

/// Makes a call again if it failed in a way that another attempt may mend, the budget allows it, and we did not refuse it
/// ourselves.
#[derive(Clone, Copy)]
struct Retry(RetryBudget);

impl<B> Policy<Request<Empty<Bytes>>, Response<B>, BoxError> for Retry {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Empty<Bytes>>,
        result: &mut Result<Response<B>, BoxError>,
    ) -> Option<Ready<()>> {
        let again = match result {
            Ok(answer) => {
                answer.status().is_server_error() && answer.extensions().get::<Rejected>().is_none()
            }
            Err(_) => true,
        };
        (again && self.0.try_retry()).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Empty<Bytes>>) -> Option<Request<Empty<Bytes>>> {
        Some(request.clone())
    }
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "the answer is what it is run for")]
async fn main() -> Result<(), BoxError> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://localhost:8080/".to_owned());
    let sp = Setpoint::builder("caller").start();
    let budget = sp.retry_budget("shop");
    sp.breaker("shop").failures(5).wait_in_open(Duration::from_secs(1), Duration::from_secs(30)).register();
    let outgoing = sp
        .layer("shop")
        .throttle(sp.throttle("shop"))
        .rate(sp.rate("shop").bounds(1.0, 1000.0).baseline(100.0).register());
    let mut client = ServiceBuilder::new()
        .map_request(move |request: Request<Empty<Bytes>>| {
            budget.record_call();
            request
        })
        .layer(RetryLayer::new(Retry(budget)))
        .layer(outgoing)
        .layer(TimeoutLayer::new(Duration::from_secs(2)))
        .service(Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>());
    let answer = client.ready().await?.call(Request::get(&url).body(Empty::new())?).await?;
    println!("{}", answer.status());
    println!("{}", String::from_utf8_lossy(&answer.into_body().collect().await?.to_bytes()));
    Ok(())
}
