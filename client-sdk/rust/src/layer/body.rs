//! The body of an answer, and the end of its call where that is in it.
//!
//! The status of a gRPC call comes in its trailers, after the messages. So the body of such an answer is watched for its end;
//! that of others only if asked for. Frames pass as they are: nothing is buffered, boxed or copied.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::call::{Right, Verdict};
use super::holds::Ticket;
use super::refusal;
use super::settings::{Meaning, Settings};
use super::unwind::{Watch, contained};
use crate::classify::Ending;
use crate::outcome::Outcome;

/// What is known of a call when its body begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub status: StatusCode,
    pub meaning: Option<Meaning>,
    /// What it means if the body ends well; `None`: that is in the trailers of a gRPC call.
    pub verdict: Option<Verdict>,
}

/// A call that ends with its body. Dropped before that, it is cancelled, unless it was known to have gone wrong.
#[derive(Debug)]
pub(super) struct Hold {
    settings: Arc<Settings>,
    /// `None`: it has ended.
    ticket: Option<Ticket>,
    expected: Expected,
}

impl Hold {
    pub fn new(settings: Arc<Settings>, right: Right, expected: Expected) -> Self {
        let ticket = Some(settings.hold(right));
        Self { settings, ticket, expected }
    }

    /// The body has ended.
    pub fn end(mut self, trailers: Option<&HeaderMap>) {
        let Expected { status, meaning, verdict } = self.expected;
        let none = HeaderMap::new();
        let read = || self.settings.read(meaning, &Ending::grpc(status, trailers.unwrap_or(&none)));
        let verdict = verdict.unwrap_or_else(read);
        self.finish(verdict);
    }

    /// The body cannot be read to its end.
    fn fail(mut self, error: &dyn Any) {
        let verdict = self.settings.read_error(error);
        self.finish(verdict);
    }

    fn finish(&mut self, verdict: Verdict) {
        // There may be nothing left to end: it was overdue.
        let right = self.ticket.take().and_then(|ticket| self.settings.take(ticket));
        right.into_iter().for_each(|right| right.finish(verdict));
    }

    /// Whether the end of the body can say that it panicked.
    fn contains_panics(&self) -> bool {
        self.expected.verdict.is_none() && self.settings.contain
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let known = self.expected.verdict.filter(|verdict| verdict.outcome != Outcome::Success);
        let panicked = std::thread::panicking().then_some(Verdict::plain(Outcome::Failure));
        self.finish(panicked.or(known).unwrap_or(Verdict::NONE));
    }
}

pin_project! {
    /// The body of a limited answer: that of the wrapped service, or the one word of a refusal.
    #[derive(Debug)]
    pub struct LimitBody<B> {
        #[pin]
        content: Content<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = Projected]
    enum Content<B> {
        // Boxed: most bodies hold nothing, and every answer is moved a few times.
        Inner { #[pin] body: B, hold: Option<Box<Hold>> },
        Own { word: Bytes },
    }
}

impl<B> LimitBody<B> {
    pub(super) const fn new(body: B, hold: Option<Box<Hold>>) -> Self {
        Self { content: Content::Inner { body, hold } }
    }

    pub(super) const fn own(word: Bytes) -> Self {
        Self { content: Content::Own { word } }
    }
}

/// An empty body.
impl<B> Default for LimitBody<B> {
    fn default() -> Self {
        Self::own(Bytes::new())
    }
}

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

impl<B> Body for LimitBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<B> {
        let mut content = self.project().content;
        let (body, hold) = match content.as_mut().project() {
            Projected::Inner { body, hold: None } => return body.poll_frame(cx),
            Projected::Inner { body, hold } => (body, hold),
            Projected::Own { word } => {
                let word = std::mem::take(word);
                return Poll::Ready((!word.is_empty()).then(|| Ok(Frame::data(word.into()))));
            }
        };
        if !hold.as_ref().is_some_and(|hold| hold.contains_panics()) {
            let mut guard = Watch::over(hold);
            let polled = watch(body, guard.held(), cx);
            guard.passed();
            return polled;
        }
        contained(hold, |hold| watch(body, hold, cx)).unwrap_or_else(|| {
            content.set(Content::Own { word: Bytes::new() });
            Poll::Ready(Some(Ok(Frame::trailers(refusal::panicked_trailers()))))
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Inner { body, .. } => body.is_end_stream(),
            Content::Own { word } => word.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Inner { body, .. } => body.size_hint(),
            Content::Own { word } => SizeHint::with_exact(word.len() as u64),
        }
    }
}

/// Polls a body and ends its call with it.
fn watch<B>(mut body: Pin<&mut B>, hold: &mut Option<Box<Hold>>, cx: &mut Context<'_>) -> Polled<B>
where
    B: Body,
    B::Error: 'static,
{
    let frame = ready!(body.as_mut().poll_frame(cx));
    let trailers = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.trailers_ref());
    match (&frame, hold.take()) {
        (Some(Err(error)), Some(held)) => held.fail(error),
        // Whoever reads a body need not ask for more once it says that it is at its end.
        (_, Some(held)) if trailers.is_some() || frame.is_none() || body.is_end_stream() => {
            held.end(trailers);
        }
        (_, held) => *hold = held,
    }
    Poll::Ready(frame)
}
