//! Who has answered, a person or a machine, where the caller wants to know (RFC 5373).

use crate::call::{Call, Theirs};
use crate::calls::Calls;
use crate::{CallError, CallKey};
use ringback_message::{HeaderId, ResponseBuilder};
use ringback_sansio::Entropy;
use std::time::Instant;

impl<E: Entropy> Calls<E> {
    /// Lets the answer say that nobody has given it: the call is answered without anybody doing that. Only callers with an
    /// Answer-Mode hear of it.
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless the peer's INVITE waits for its answer.
    pub fn answers_by_itself(&mut self, now: Instant, key: CallKey) -> Result<(), CallError> {
        self.command(now, key, |call, _| {
            call.waiting()?;
            call.is_automatic = true;
            Ok(())
        })
    }
}

impl Call {
    /// Adds to our 2xx which mode it is, in the field that the caller has asked by (RFC 5373 §4.2.3).
    pub(crate) fn with_answer_mode(&self, theirs: &Theirs, ok: ResponseBuilder) -> ResponseBuilder {
        let mode = if self.is_automatic { "Auto" } else { "Manual" };
        let asked = [HeaderId::ANSWER_MODE, HeaderId::PRIV_ANSWER_MODE];
        let asked = asked.into_iter().filter(|id| theirs.request.has(*id));
        asked.fold(ok, |ok, id| ok.header(id, mode))
    }
}
