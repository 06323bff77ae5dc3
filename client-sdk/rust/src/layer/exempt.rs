//! Which requests pass always: whoever watches a service must see it most of all when it is overloaded.

use std::sync::Arc;

use super::RequestHead;

/// Paths that are exempt without being asked for: what Kubernetes, gRPC, Prometheus, `pprof` and OpenTelemetry call them, and
/// the three plain words for the same that services use. Each is a name that ordinary work does not go by.
pub(super) const DEFAULT_PATHS: [&str; 11] = [
    "/healthz",
    "/livez",
    "/readyz",
    "/health",
    "/live",
    "/ready",
    "/metrics",
    "/debug/*",
    "/grpc.health.v1.Health/*",
    "/v1/traces",
    "/opentelemetry.proto.collector.trace.v1.TraceService/*",
];

type Predicate = dyn Fn(&RequestHead<'_>) -> bool + Send + Sync;

#[derive(Clone)]
pub(super) struct Exempt {
    exact: Vec<Box<str>>,
    /// With the closing slash.
    below: Vec<Box<str>>,
    predicate: Option<Arc<Predicate>>,
}

impl Default for Exempt {
    fn default() -> Self {
        let mut exempt = Self { exact: Vec::new(), below: Vec::new(), predicate: None };
        exempt.set_paths(&DEFAULT_PATHS);
        exempt
    }
}

impl Exempt {
    pub fn add_path(&mut self, path: &str) {
        match path.strip_suffix('*').filter(|prefix| prefix.ends_with('/')) {
            Some(prefix) => self.below.push(prefix.into()),
            None => self.exact.push(path.into()),
        }
    }

    /// These and no others.
    pub fn set_paths(&mut self, paths: &[&str]) {
        self.exact.clear();
        self.below.clear();
        paths.iter().for_each(|path| self.add_path(path));
    }

    pub fn set_predicate(&mut self, is_exempt: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static) {
        self.predicate = Some(Arc::new(is_exempt));
    }

    #[inline]
    pub fn covers(&self, head: &RequestHead<'_>) -> bool {
        let path = head.uri.path();
        self.exact.iter().any(|exact| **exact == *path)
            || self.below.iter().any(|prefix| path.starts_with(&**prefix))
            || self.predicate.as_ref().is_some_and(|is_exempt| is_exempt(head))
    }
}
