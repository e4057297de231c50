//! What the events of the user agent mean to the application.

use crate::call::{CallEvent, MediaInfo, Summary};
use crate::endpoint::{Endpoint, Inner};
use crate::transfer::Transfer;
use ringback_ua::{Session, UaEvent};
use std::sync::Weak;
use std::time::Instant;
use tokio::sync::mpsc;

/// What an event tells the application; nothing for some, and for the end, which needs more than the event says. `agree` hears of
/// each session that was agreed.
pub(crate) fn translate(
    event: UaEvent,
    inner: &Weak<Inner>,
    mut agree: impl FnMut(&Session) -> MediaInfo,
) -> Option<CallEvent> {
    Some(match event {
        UaEvent::Trying { .. } => CallEvent::Trying,
        UaEvent::Ringing { status, .. } => CallEvent::Ringing(status),
        UaEvent::Redirected { target, .. } => CallEvent::Redirected(target.as_str().to_owned()),
        UaEvent::EarlyMedia { session, .. } => CallEvent::EarlyMedia(agree(&session)),
        UaEvent::Answered { session, .. } => CallEvent::Answered(agree(&session)),
        UaEvent::SessionChanged { session, .. } => CallEvent::Changed(agree(&session)),
        UaEvent::ChangeRefused { status, reason, .. } => CallEvent::ChangeRefused(status, reason),
        UaEvent::TransferRequested { transfer, target, by, .. } => {
            let endpoint = Endpoint { inner: inner.upgrade()? };
            let target = target.as_str().to_owned();
            CallEvent::TransferRequested(Transfer::new(endpoint, transfer, target, by))
        }
        UaEvent::TransferProgress { status, .. } => CallEvent::TransferProgress(status),
        UaEvent::TransferEnded { status, .. } => CallEvent::TransferEnded(status),
        UaEvent::Connected { identity, .. } => CallEvent::Connected(identity),
        UaEvent::Digit { digit, .. } => CallEvent::Digit(digit),
        UaEvent::DigitsSent { status, .. } if status.is_success() => CallEvent::DigitsSent,
        UaEvent::DigitsSent { status, .. } => CallEvent::DigitsRefused(status),
        UaEvent::MessageSent { status, .. } => CallEvent::MessageSent(status),
        UaEvent::Offered { audio, .. } => CallEvent::Offered(audio),
        _ => return None,
    })
}

/// The events of a call whose audio is elsewhere: no task stands between the user agent and the application.
pub(crate) struct Unheard {
    inner: Weak<Inner>,
    events: mpsc::Receiver<Box<UaEvent>>,
    begun: Instant,
    answered: Option<Instant>,
}

impl Unheard {
    pub(crate) fn new(inner: Weak<Inner>, events: mpsc::Receiver<Box<UaEvent>>, begun: Instant) -> Self {
        Self { inner, events, begun, answered: None }
    }

    /// The next event. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<CallEvent> {
        loop {
            let event = *self.events.recv().await?;
            if let UaEvent::Ended { ending, .. } = event {
                let summary = Summary {
                    ending,
                    setup: self.answered.map(|answered| answered.duration_since(self.begun)),
                    talk: self.answered.map(|answered| answered.elapsed()),
                    media: None,
                    recorded: None,
                    fault: None,
                };
                return Some(CallEvent::Ended(Box::new(summary)));
            }
            if matches!(event, UaEvent::Answered { .. }) {
                self.answered.get_or_insert_with(Instant::now);
            }
            if let Some(told) = translate(event, &self.inner, MediaInfo::new) {
                return Some(told);
            }
        }
    }
}
