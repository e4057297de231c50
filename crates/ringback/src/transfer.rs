//! Transfers that the other side of a call asks for.

use crate::audio::Audio;
use crate::call::Call;
use crate::endpoint::Endpoint;
use crate::place::Place;
use crate::session::{self, Side};
use crate::{CallError, CommandError};
use ringback_ua::TransferKey;
use std::fmt;
use std::time::Instant;

/// The wish of the other side of a call that we call somebody else. Dropping it refuses.
pub struct Transfer {
    endpoint: Endpoint,
    /// `None` once it was decided.
    key: Option<TransferKey>,
    target: String,
    by: Option<String>,
}

impl Transfer {
    pub(crate) fn new(endpoint: Endpoint, key: TransferKey, target: String, by: Option<String>) -> Self {
        Self { endpoint, key: Some(key), target, by }
    }

    /// Whom to call.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Who asks, as Referred-By says.
    pub fn by(&self) -> Option<&str> {
        self.by.as_deref()
    }

    /// Calls, and lets the other side know what becomes of it. The call that the wish came in goes on until it is ended;
    /// who has asked mostly does so.
    ///
    /// # Errors
    /// When a file of `audio` cannot be used, no socket is to be had, or the call that it came in is over.
    pub async fn accept(mut self, audio: Audio) -> Result<Call, CallError> {
        let place = Place::open(audio, None, None, &self.endpoint.inner).await?;
        let local = place.local();
        let begun = Instant::now();
        let transfer = self.key.ok_or(CallError::Command(CommandError::Gone))?;
        let (call, call_id, events) = self.endpoint.inner.command(|state, now| {
            let call = state.ua.accept_transfer(now, transfer, local)?;
            let call_id = state.ua.call_id(call).unwrap_or_default().to_owned();
            Ok::<_, CommandError>((call, call_id, state.follow(call)))
        })?;
        self.key = None;
        let side = Side { call, call_id, begun };
        Ok(session::spawn(self.endpoint.clone(), side, events, place))
    }

    /// Does not call.
    pub fn refuse(self) {
        drop(self);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(transfer) = self.key.take() {
            self.endpoint.inner.command(|state, now| state.ua.refuse_transfer(now, transfer));
        }
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer").field("target", &self.target).field("by", &self.by).finish_non_exhaustive()
    }
}
