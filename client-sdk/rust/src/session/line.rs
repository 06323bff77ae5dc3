//! The way to the sidecar, from "wait before the next attempt" to an open session, as a small state machine.
//!
//! [`Line::next`] can be dropped and called again at any time, so that the session goes on looking after leases while a
//! connection hangs. What to do after each step is the session's to decide.

use std::pin::Pin;
use std::time::Duration;

use setpoint_proto::message::{PROTOCOL, ToSdk, ToSidecar, Welcome};
use tokio::time::{Instant, sleep_until, timeout};

use crate::transport::{Broken, Dial, Heard, Link, Wire};

/// The sidecar has this long to answer a hello.
const GREETING: Duration = Duration::from_secs(5);

type Attempt<T> = Pin<Box<dyn Future<Output = Result<T, Broken>> + Send>>;

/// Where on the way to the sidecar we are.
pub(super) enum Line {
    /// Before the next attempt.
    Waiting(Instant),
    /// Connecting.
    Dialling(Attempt<Wire>),
    /// The hello is said.
    Greeting(Attempt<(Box<Link>, Box<Welcome>)>),
    /// In session.
    Up(Box<Link>),
}

/// What happened on the way.
pub(super) enum Step {
    /// The wait is over.
    Rested,
    /// Connected: a hello may be said.
    Connected(Wire),
    /// The sidecar answered the hello.
    Welcomed(Box<Link>, Box<Welcome>),
    /// In session: something came in.
    Heard(Heard),
    /// An attempt failed.
    Failed(Broken),
}

impl Line {
    /// Waits for a while.
    pub(super) fn rest(wait: Duration) -> Self {
        Self::Waiting(Instant::now() + wait)
    }

    /// Connects.
    pub(super) fn dial<D: Dial>(dial: D) -> Self {
        Self::Dialling(Box::pin(Wire::connect(dial)))
    }

    /// Says hello and waits for the answer.
    pub(super) fn greet(wire: Wire, hello: ToSidecar) -> Self {
        let greeting = async move {
            timeout(GREETING, greeting(wire, &hello)).await.unwrap_or(Err(Broken::TimedOut(GREETING)))
        };
        Self::Greeting(Box::pin(greeting))
    }

    /// The next step. The caller replaces the line after each of them but [`Step::Heard`].
    pub(super) async fn next(&mut self) -> Step {
        match self {
            Self::Waiting(until) => {
                sleep_until(*until).await;
                Step::Rested
            }
            Self::Dialling(wire) => wire.await.map_or_else(Step::Failed, Step::Connected),
            Self::Greeting(link) => {
                link.await.map_or_else(Step::Failed, |(link, welcome)| Step::Welcomed(link, welcome))
            }
            Self::Up(link) => Step::Heard(link.hear().await),
        }
    }

    /// Queues a message. False when there is no session or no room.
    pub(super) fn send(&self, message: &ToSidecar) -> bool {
        matches!(self, Self::Up(link) if link.send(message))
    }
}

/// Messages of a kind that this build does not know may precede the welcome.
async fn greeting(wire: Wire, hello: &ToSidecar) -> Result<(Box<Link>, Box<Welcome>), Broken> {
    let mut link = Box::new(wire.open(hello).await?);
    loop {
        match link.hear().await {
            Heard::Message(ToSdk::Welcome(welcome)) if welcome.protocol == PROTOCOL => {
                return Ok((link, welcome));
            }
            Heard::Message(ToSdk::Welcome(welcome)) => {
                return Err(Broken::Denied(format!("it speaks protocol {}", welcome.protocol)));
            }
            Heard::Message(_) => return Err(Broken::Lost("the first answer was no welcome".to_owned())),
            Heard::Bad(bad, _) if bad.is_unknown_message() => {}
            Heard::Bad(bad, _) => return Err(Broken::Lost(bad.to_string())),
            Heard::Broken(broken) => return Err(broken),
        }
    }
}
