//! A client from its first byte to its last: the only place that waits for one.

use std::sync::Arc;
use std::time::Duration;

use setpoint_proto::message::{ToSdk, ToSidecar};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};

use super::conversation::Conversation;
use super::refusal::{Cause, Refusal};
use super::{Place, Registry};

/// A client has this long to say hello.
pub const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// What a client that does not read may cost us at the end of its session.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);

/// What a client said, or why the transport could not make sense of it. The end of the stream is the end of the client.
pub type Heard = Result<ToSidecar, Refusal>;
/// Where to say something. Its capacity is 1: what has been handed over can no longer be overtaken.
pub type Said = mpsc::Sender<Result<ToSdk, Refusal>>;

/// How a session ended without a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client said good-bye.
    Goodbye,
    /// The stream ended without a word.
    Lost,
    /// We said good-bye.
    Drained,
}

impl End {
    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Goodbye => "goodbye",
            Self::Lost => "lost",
            Self::Drained => "drained",
        }
    }
}

/// Serves one client until either side ends the session. `engaged` is called when the client has been admitted.
pub async fn serve<S, G>(registry: Registry, mut heard: S, said: Said, engaged: impl FnOnce() -> G)
where
    S: Stream<Item = Heard> + Unpin,
{
    let refusal = match begin(&registry, &mut heard).await {
        Ok(Some((mut conversation, _place))) => {
            let _engaged = engaged();
            conversation.until_end(&mut heard, &said).await
        }
        Ok(None) => None,
        Err(refusal) => Some(refusal),
    };
    if let Some(refusal) = refusal {
        registry.note_refused(&refusal);
        // The text is for people; a client that does not even read this only loses the text.
        let _ = tokio::time::timeout(LAST_WORD_WITHIN, said.send(Err(refusal))).await;
    }
}

/// Waits for the hello; `None` when the client leaves before it.
async fn begin<S>(registry: &Registry, heard: &mut S) -> Result<Option<(Conversation, Place)>, Refusal>
where
    S: Stream<Item = Heard> + Unpin,
{
    let first = tokio::time::timeout(HELLO_WITHIN, heard.next()).await;
    let late = || Refusal::new(Cause::HelloMissing, format!("hello: did not come within {HELLO_WITHIN:?}"));
    let hello = match first.map_err(|_| late())?.transpose()? {
        None => return Ok(None),
        Some(ToSidecar::Hello(hello)) => hello,
        Some(_) => return Err(Refusal::new(Cause::HelloOrder, "hello: must be the first message")),
    };
    let place = registry.admit(&hello)?;
    Ok(Some((Conversation::new(registry.clone(), Arc::clone(&place.session), &hello), place)))
}
