//! What comes in: calls and messages.

use crate::CallError;
use crate::audio::Audio;
use crate::call::Call;
use crate::endpoint::Endpoint;
use crate::place::Place;
use crate::port::Port;
use crate::session::{self, Side};
use crate::video::Video;
use bytes::Bytes;
use ringback_message::{HeaderId, StatusCode};
use ringback_ua::{CommandError, Ending, Incoming, LocalAudio, ReceiptWish, UaEvent};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A call that waits for the application.
pub(crate) struct Arrival {
    pub(crate) incoming: Incoming,
    pub(crate) events: mpsc::Receiver<Box<UaEvent>>,
}

/// An instant message that somebody sent us.
#[derive(Clone, Debug)]
pub struct ReceivedMessage {
    /// Who sent it, as the From field says.
    pub from: String,
    /// What the body is, such as `text/plain`.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
    /// The Call-ID of the call that it came in; `None` where it came by itself.
    pub call_id: Option<String>,
    /// What the sender wants to hear of it.
    pub(crate) wish: Option<ReceiptWish>,
}

/// A call for us that nobody has answered yet. Dropping it declines the call.
pub struct IncomingCall {
    endpoint: Endpoint,
    is_automatic: bool,
    /// `None` once it was answered or declined.
    arrival: Option<Arrival>,
    /// Where the audio will come in, once the caller was told.
    line: Option<Port>,
}

impl IncomingCall {
    pub(crate) fn new(endpoint: Endpoint, arrival: Arrival) -> Self {
        Self { endpoint, is_automatic: false, arrival: Some(arrival), line: None }
    }

    fn incoming(&self) -> &Incoming {
        &self.arrival.as_ref().expect("it is taken only by methods that consume the call").incoming
    }

    /// Who calls, as the From field says.
    pub fn from(&self) -> &str {
        &self.incoming().from
    }

    /// Who calls as our own server says (P-Asserted-Identity, RFC 3325), else as the From field does, which nothing proves.
    pub fn caller(&self) -> &str {
        self.incoming().asserted.as_deref().unwrap_or(self.from())
    }

    /// After how long the caller wants it answered without anybody doing that: `Answer-Mode: Auto` (RFC 5373), and what phones
    /// invented in Call-Info and Alert-Info. Whether to do so is for the application to decide: it opens a microphone.
    pub fn auto_answer(&self) -> Option<Duration> {
        self.incoming().auto_answer
    }

    /// Whom they call, as the To field says.
    pub fn to(&self) -> &str {
        &self.incoming().to
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        &self.incoming().call_id
    }

    /// The value of a header field of the request, by name in any letter case; the first where there are several. `None` as well
    /// when it is no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let request = &self.incoming().request;
        let id = HeaderId::from_name(name.as_bytes());
        let value = if id == HeaderId::OTHER { request.other(name) } else { request.values(id).next() };
        std::str::from_utf8(value?).ok()
    }

    /// Whether it takes the place of a call that is up, as in an attended transfer. That one ends when this one is
    /// answered.
    pub fn is_replacement(&self) -> bool {
        self.incoming().replaces.is_some()
    }

    /// Lets it ring at the caller.
    ///
    /// # Errors
    /// When the caller has given up.
    pub fn ring(&self) -> Result<(), CommandError> {
        let call = self.incoming().call;
        self.endpoint.inner.command(|state, now| state.ua.ring(now, call))
    }

    /// Lets it ring, and has the caller acknowledge that (RFC 3262): both sides know then where their audio goes before
    /// the call is answered. Callers that do not know how just hear it ring. No server is asked where we are seen, as
    /// [`answer`](Self::answer) does without this.
    ///
    /// # Errors
    /// When the caller has given up, or no socket is to be had.
    pub fn ring_reliably(&mut self) -> Result<(), CallError> {
        let call = self.incoming().call;
        let line = match self.line.take() {
            Some(line) => line,
            None => self.endpoint.inner.open_port_at_once().map_err(CallError::Socket)?,
        };
        let local = line.local.clone();
        self.line = Some(line);
        self.endpoint.inner.command(|state, now| state.ua.ring_reliably(now, call, Some(local)))?;
        Ok(())
    }

    /// Waits until the caller gives up. Cancel safe.
    pub async fn cancelled(&mut self) -> Ending {
        let arrival = self.arrival.as_mut().expect("it is taken only by methods that consume the call");
        loop {
            match arrival.events.recv().await {
                Some(event) => {
                    if let UaEvent::Ended { ending, .. } = *event {
                        return ending;
                    }
                }
                // The endpoint is gone.
                None => std::future::pending().await,
            }
        }
    }

    /// Says that nobody answers it but a program, to a caller that wants to know (RFC 5373).
    #[must_use]
    pub fn automatically(mut self) -> Self {
        self.is_automatic = true;
        self
    }

    /// What the caller wants to be heard while it rings, in place of the usual tone: the URI of Alert-Info (RFC 3261 §20.4).
    /// Where it leads nobody has looked, and an application need not.
    pub fn alert(&self) -> Option<&str> {
        let value = self.header("Alert-Info")?.trim_start().strip_prefix('<')?;
        value.split_once('>').map(|(uri, _)| uri)
    }

    fn accept(&self, audio: LocalAudio) -> Result<(), CommandError> {
        let (call, is_automatic) = (self.incoming().call, self.is_automatic);
        self.endpoint.inner.command(|state, now| match is_automatic {
            true => state.ua.answer_by_itself(now, call, audio),
            false => state.ua.answer(now, call, audio),
        })
    }

    /// Answers.
    ///
    /// # Errors
    /// When the caller has given up, a file of `audio` cannot be used or no socket is to be had. The call is declined
    /// then.
    pub async fn answer(self, audio: Audio) -> Result<Call, CallError> {
        self.answer_with(audio, None).await
    }

    /// Answers with pictures, where the caller has offered them, and else without. They come too late for a call that
    /// [rings reliably](Self::ring_reliably), which was described without.
    ///
    /// # Errors
    /// As [`answer`](Self::answer), and when a call has those pictures already.
    pub async fn answer_with_video(self, audio: Audio, video: Video) -> Result<Call, CallError> {
        self.answer_with(audio, Some(video)).await
    }

    async fn answer_with(mut self, audio: Audio, video: Option<Video>) -> Result<Call, CallError> {
        let call = self.incoming().call;
        let place = Place::open(audio, video, self.line.take(), &self.endpoint.inner).await?;
        let local = place.local();
        self.accept(local)?;
        let arrival = self.arrival.take().expect("it is taken only by methods that consume the call");
        let side = Side { call, call_id: arrival.incoming.call_id, begun: Instant::now() };
        Ok(session::spawn(self.endpoint.clone(), side, arrival.events, place))
    }

    /// Declines with a status of 300 to 699.
    ///
    /// # Errors
    /// When the caller has given up.
    pub fn reject(mut self, status: StatusCode) -> Result<(), CommandError> {
        let arrival = self.arrival.take().expect("it is taken only by methods that consume the call");
        self.endpoint.inner.command(|state, now| state.ua.reject(now, arrival.incoming.call, status))
    }
}

impl Drop for IncomingCall {
    fn drop(&mut self) {
        if let Some(arrival) = self.arrival.take() {
            let call = arrival.incoming.call;
            // Gone means that the caller was faster.
            let _ = self
                .endpoint
                .inner
                .command(|state, now| state.ua.reject(now, call, StatusCode::TEMPORARILY_UNAVAILABLE));
        }
    }
}
