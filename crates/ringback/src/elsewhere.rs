//! Calls whose audio is somebody else's: described later, described anew, and passed on to another call.

use crate::call::{Call, CallBuilder, MediaInfo};
use crate::place::Place;
use crate::{CallError, CommandError};
use ringback_ua::{LocalAudio, Opening, Session};

impl CallBuilder {
    /// Calls, and lets the other side describe its audio first: [`CallEvent::Offered`](crate::CallEvent::Offered).
    /// [`Call::answer_offer`] answers that, within half a minute. The audio is elsewhere, as
    /// [`Audio::elsewhere`](crate::Audio::elsewhere) has it; what [`audio`](Self::audio) said is not used.
    ///
    /// # Errors
    /// When the target is no SIP URI, or a header field is not the application's to write.
    pub async fn start_later(self) -> Result<Call, CallError> {
        let nowhere = LocalAudio::new(([0, 0, 0, 0], 0).into());
        self.invite(Opening::LaterAnswer, Place::Elsewhere(nowhere))
    }
}

impl Call {
    /// Answers what the other side has offered. [`CallEvent::Answered`](crate::CallEvent::Answered) follows.
    ///
    /// # Errors
    /// When no offer waits, or this is no answer to it.
    pub fn answer_offer(&self, audio: LocalAudio) -> Result<(), CommandError> {
        let key = self.key;
        self.endpoint.inner.command(|state, now| state.ua.answer_offer(now, key, audio))
    }

    /// Describes other audio than before to the other side, another address, other codecs, and holds it no longer.
    /// [`CallEvent::Changed`](crate::CallEvent::Changed) follows where it answers something else than before, or
    /// [`CallEvent::ChangeRefused`](crate::CallEvent::ChangeRefused).
    ///
    /// # Errors
    /// When the audio is not elsewhere, or the call is not up.
    pub fn redescribe(&self, audio: LocalAudio) -> Result<(), CallError> {
        if !self.is_elsewhere() {
            return Err(CallError::Elsewhere);
        }
        let key = self.key;
        self.endpoint.inner.command(|state, now| state.ua.redescribe(now, key, audio, false))?;
        Ok(())
    }
}

impl MediaInfo {
    /// The other side's audio as another may be told it in their place, so that the two hear each other without us between them.
    /// `None` where there is none, where it is encrypted, and where its address is a name.
    pub fn passed_on(&self) -> Option<LocalAudio> {
        let (held_by_us, held_by_them) = (self.held_by_us, self.held_by_them);
        Session { audio: self.agreed.clone(), video: None, text: None, held_by_us, held_by_them }.passed_on()
    }
}
