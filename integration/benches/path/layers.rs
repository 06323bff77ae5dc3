//! What a layer costs around an HTTP service that answers at once, beside tower's own and another project's.
//!
//! `http-service` is the bare service: what a case takes more is the layer's. Answers are read to their end.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Body;
use setpoint_sdk::Setpoint;
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_resilience_adaptive::{AdaptiveLimiterLayer, Aimd};

use super::interleaved::Case;
use super::peers::finish;

const LIMIT: u32 = 1000;
type Asked = Request<Empty<Bytes>>;

fn plain() -> Asked {
    Request::new(Empty::new())
}

fn grpc() -> Asked {
    let mut request = plain();
    let kind = axum::http::HeaderValue::from_static("application/grpc");
    request.headers_mut().insert(axum::http::header::CONTENT_TYPE, kind);
    request
}

/// A call through a service; each thread has its own clone, as each connection of a server has.
fn http<S, B>(name: &'static str, ask: fn() -> Asked, service: S) -> Case
where
    S: Service<Asked, Response = Response<B>> + Clone + Send + Sync + 'static,
    B: Body<Data = Bytes> + Unpin,
{
    Case::new(name, move || {
        let mut service = service.clone();
        move || {
            let ready = std::future::poll_fn(|context| service.poll_ready(context));
            if finish(ready).is_ok()
                && let Ok(mut answer) = finish(service.call(ask()))
            {
                while !answer.body().is_end_stream() && finish(answer.frame()).is_some() {}
            }
        }
    })
}

fn work() -> impl Service<Asked, Response = Response<Full<Bytes>>, Error = Infallible, Future = impl Send>
+ Clone
+ Send
+ Sync {
    service_fn(|_: Asked| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done")))))
    })
}

/// Answers with a message and a status in its trailers.
fn grpc_work() -> impl Service<Asked, Response = Response<impl Body<Data = Bytes> + Unpin>, Error = Infallible>
+ Clone
+ Send
+ Sync {
    service_fn(|asked: Asked| {
        let status = std::future::ready(Some(Ok(axum::http::HeaderMap::from_iter([(
            axum::http::HeaderName::from_static("grpc-status"),
            axum::http::HeaderValue::from_static("0"),
        )]))));
        let mut answer = Response::new(Full::new(Bytes::from_static(b"done")).with_trailers(status));
        *answer.headers_mut() = asked.into_parts().0.headers;
        std::future::ready(Ok::<_, Infallible>(answer))
    })
}

/// All of them. The setpoint is to be kept while they run.
pub fn cases(setpoint: &Setpoint) -> anyhow::Result<Vec<Case>> {
    let layer = |name| {
        setpoint.limiter(name).bounds(0, LIMIT).baseline(LIMIT).queue(LIMIT).register();
        setpoint.layer(name)
    };
    let shed = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(LIMIT as usize))
        .service(work());
    let aimd = Aimd::builder()
        .initial_limit(LIMIT as usize)
        .min_limit(LIMIT as usize)
        .max_limit(LIMIT as usize)
        .latency_threshold(Duration::from_millis(100))
        .build()?;
    Ok(vec![
        http("http-service", plain, work()),
        http("http-layer", plain, layer("http").layer(work())),
        http("http-layer-queued", plain, layer("http-queued").queued().layer(work())),
        http("http-tower-limit-and-shed", plain, shed),
        http("http-tower-resilience-adaptive", plain, AdaptiveLimiterLayer::new(aimd).layer(work())),
        http("grpc-service", grpc, grpc_work()),
        http("grpc-layer", grpc, layer("grpc").layer(grpc_work())),
    ])
}
