//! Messages within a call (RFC 3428 §4): one after the other, so that they arrive in the order in which they were written.

use crate::call::{Call, Purpose, Stage};
use crate::caller::reason;
use crate::calls::{Calls, Context};
use crate::{CallError, CallEvent, CallKey, EndedBy, SendTag};
use bytes::Bytes;
use ringback_message::{Method, Response, StatusCode};
use ringback_sansio::Entropy;
use std::collections::VecDeque;
use std::time::Instant;

/// More than anybody writes before the peer has answered once.
const MOST_TEXTS: usize = 64;

/// Messages of ours on their way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    waiting: VecDeque<Text>,
    /// The MESSAGE that waits for its response.
    sending: Option<SendTag>,
    /// How many there were.
    count: u64,
}

#[derive(Clone, Debug)]
struct Text {
    number: u64,
    content_type: String,
    body: Bytes,
}

impl<E: Entropy> Calls<E> {
    /// Sends a message to exactly the peer of a call, and numbers it. One
    /// [`CallEvent::MessageSent`](crate::CallEvent::MessageSent) tells what became of it; what still waits when the call ends
    /// is not sent.
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless the call is up, or when 64 wait; [`CallError::Invalid`] when the type cannot stand in
    /// a message.
    pub fn message(
        &mut self,
        now: Instant,
        key: CallKey,
        content_type: &str,
        body: Bytes,
    ) -> Result<u64, CallError> {
        let mut number = 0;
        self.command(now, key, |call, cx| {
            number = call.write(cx, content_type, body)?;
            Ok(())
        })?;
        Ok(number)
    }
}

impl Call {
    fn write(&mut self, cx: &mut Context<'_>, content_type: &str, body: Bytes) -> Result<u64, CallError> {
        if self.stage != Stage::Up || self.hanging_up || self.texts.waiting.len() >= MOST_TEXTS {
            return Err(CallError::WrongState);
        }
        let number = self.texts.count;
        self.texts.count += 1;
        self.texts.waiting.push_back(Text { number, content_type: content_type.to_owned(), body });
        self.send_next_text(cx).inspect_err(|_| drop(self.texts.waiting.pop_back()))?;
        Ok(number)
    }

    fn send_next_text(&mut self, cx: &mut Context<'_>) -> Result<(), CallError> {
        // As with INFO: before the ACK the peer may not have a dialog that a request could be in.
        let is_confirmed = self.theirs.as_ref().is_none_or(|theirs| !theirs.is_first) && self.owed.is_none();
        if self.stage != Stage::Up || self.texts.sending.is_some() || !is_confirmed {
            return Ok(());
        }
        let Some(Text { content_type, body, .. }) = self.texts.waiting.front().cloned() else {
            return Ok(());
        };
        let number = self.next_cseq();
        let Some(dialog) = self.dialogs.first() else { return Ok(()) };
        let (hop, message) = dialog.request(&self.ends, Method::MESSAGE, number);
        let message = message.body(&content_type, body).build()?;
        self.texts.sending = Some(self.send(cx, Purpose::Message, Some(hop), message));
        Ok(())
    }

    /// The ACK is here: sends the messages that waited for it.
    pub(crate) fn write_at_last(&mut self, cx: &mut Context<'_>) {
        while self.send_next_text(cx).is_err() {
            self.text_is_done(cx, StatusCode::BAD_REQUEST);
        }
    }

    pub(crate) fn on_message_response(&mut self, cx: &mut Context<'_>, tag: SendTag, response: &Response) {
        let status = response.status();
        if self.texts.sending != Some(tag) || status.is_provisional() {
            return;
        }
        self.texts.sending = None;
        match status {
            _ if self.stage != Stage::Up => {}
            // Rule 32.
            StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => {
                self.break_off(cx, EndedBy::Peer, Some(status), &reason(response));
            }
            _ => {
                self.text_is_done(cx, status);
                self.write_at_last(cx);
            }
        }
    }

    pub(crate) fn on_message_lost(&mut self, cx: &mut Context<'_>, tag: SendTag, status: StatusCode) {
        if self.texts.sending != Some(tag) {
            return;
        }
        self.texts.sending = None;
        match (self.stage, status) {
            (Stage::Up, StatusCode::REQUEST_TIMEOUT) => {
                self.break_off(cx, EndedBy::Network, Some(status), "no answer within the call");
            }
            (Stage::Up, _) => {
                self.text_is_done(cx, status);
                self.write_at_last(cx);
            }
            _ => {}
        }
    }

    fn text_is_done(&mut self, cx: &mut Context<'_>, status: StatusCode) {
        if let Some(text) = self.texts.waiting.pop_front() {
            Self::tell(cx, CallEvent::MessageSent(text.number, status));
        }
    }
}
