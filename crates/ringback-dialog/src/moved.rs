//! Our own address changes during calls: peers have to learn where requests and audio go from now on (RFC 3261 §12.2,
//! RFC 6141 §4).

use crate::audio::ice_credentials;
use crate::call::{Call, Stage};
use crate::calls::{Calls, Context};
use crate::{CallError, CallKey, EndedBy};
use ringback_message::{HeaderId, Host, StatusCode, UriBuf};
use ringback_sansio::Entropy;
use std::net::IpAddr;
use std::time::Instant;

/// What the peer knows of where we are. Counted, since we may move again while the peer is being told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Whereabouts {
    moves: u32,
    telling: u32,
    told: u32,
    /// Whether our audio has moved as well, so that an offer has to say so.
    pub(crate) audio: bool,
}

impl Whereabouts {
    /// Something changed that the peer has to hear of.
    pub(crate) fn moved(&mut self, audio: bool) {
        self.moves = self.moves.wrapping_add(1);
        self.audio |= audio;
    }

    /// Whether the peer has to be told.
    pub(crate) fn is_news(&self) -> bool {
        self.moves != self.told
    }

    /// A request with our new Contact is on its way.
    pub(crate) fn sent(&mut self) {
        self.telling = self.moves;
    }

    /// It was accepted.
    pub(crate) fn accepted(&mut self) {
        self.told = self.telling;
        self.audio &= self.is_news();
    }

    /// The peer cannot be told; whether there was anything to tell.
    pub(crate) fn give_up(&mut self) -> bool {
        let was_news = self.is_news();
        self.told = self.moves;
        self.audio = false;
        was_news
    }
}

impl<E: Entropy> Calls<E> {
    /// Answers a call with 302: the caller shall try `target` instead.
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless the peer's INVITE waits for its answer.
    pub fn redirect(&mut self, now: Instant, key: CallKey, target: &UriBuf) -> Result<(), CallError> {
        self.command(now, key, |call, cx| call.redirect(cx, target))
    }

    /// Our address `from` is gone and `to` has taken its place, with the same ports. Calls that are up tell their peers
    /// by re-INVITE, or by UPDATE where only Contact changes and the peer takes it; they go on trying after glare, and
    /// end where the peer does not answer or knows nothing of them. Calls that ring here go on and are answered from
    /// the new address. Calls of ours without an answer are cancelled: it would go to the old address.
    pub fn moved(&mut self, now: Instant, from: IpAddr, to: IpAddr) {
        let now = self.clamp(now);
        let keys: Vec<CallKey> = self.calls.iter().map(|(key, _)| CallKey(key)).collect();
        for key in keys {
            self.with(now, key, |call, cx| call.moved(cx, from, to));
        }
    }

    /// Begins ICE anew for the audio of a call, because the way that it had found is gone (RFC 8445 §9): by re-INVITE, now or
    /// when the change that is under way is done.
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless the call is up and has ICE.
    pub fn restart_ice(&mut self, now: Instant, key: CallKey) -> Result<(), CallError> {
        self.command(now, key, Call::restart_ice)
    }

    /// Tells the peer of a call our Contact anew, because that has changed and nothing else (RFC 3261 §12.2).
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless the call is up.
    pub fn refresh_target(&mut self, now: Instant, key: CallKey) -> Result<(), CallError> {
        self.command(now, key, Call::refresh_target)
    }
}

impl Call {
    /// Our address `from` is gone, and `to` has taken its place.
    pub(crate) fn moved(&mut self, cx: &mut Context<'_>, from: IpAddr, to: IpAddr) {
        let mut audio = false;
        if let Some(session) = self.session.as_mut().filter(|session| session.local_address() == from) {
            session.set_local_address(to);
            session.move_ice(from, to, || ice_credentials(cx.entropy));
            audio = true;
        }
        if let Some(before) = &mut self.before {
            before.moved(from, to);
        }
        match self.stage {
            // No answer finds the way back: responses go where the INVITE came from. The CANCEL does find its way.
            Stage::Inviting => drop(self.hangup(cx)),
            Stage::Ringing => {
                if let Some(theirs) = &mut self.theirs
                    && let Some(contact) = relocated(&theirs.contact, from, to)
                {
                    theirs.contact = contact;
                }
                // The answer says where requests go, but not where audio does if that was described before.
                if audio {
                    self.whereabouts.moved(true);
                }
            }
            Stage::Up => self.tell_whereabouts(cx, audio),
            Stage::Over => {}
        }
    }

    /// The peer shall learn our Contact anew; nothing else has changed.
    pub(crate) fn refresh_target(&mut self, cx: &mut Context<'_>) -> Result<(), CallError> {
        if self.stage != Stage::Up {
            return Err(CallError::WrongState);
        }
        self.tell_whereabouts(cx, false);
        Ok(())
    }

    /// Credentials for a restart of ICE that the peer begins are there before it does.
    pub(crate) fn stock_ice(&mut self, cx: &mut Context<'_>) {
        let previews = self.dialogs.iter_mut().filter_map(|dialog| dialog.preview.as_deref_mut());
        for session in self.session.iter_mut().chain(previews).filter(|it| it.wants_ice_credentials()) {
            session.stock_ice(|| ice_credentials(cx.entropy));
        }
    }

    /// Begins ICE anew: where we are for the peer is found out once more.
    pub(crate) fn restart_ice(&mut self, cx: &mut Context<'_>) -> Result<(), CallError> {
        let session = self.session.as_mut().filter(|_| self.stage == Stage::Up);
        let session = session.ok_or(CallError::WrongState)?;
        let with_ice = session.negotiated().iter().filter(|media| media.ice.is_some());
        let found: Vec<usize> = with_ice.filter_map(|media| media.local).collect();
        if found.is_empty() {
            return Err(CallError::WrongState);
        }
        for local in found {
            session.restart_ice(local, ice_credentials(cx.entropy));
        }
        self.tell_whereabouts(cx, true);
        Ok(())
    }

    fn tell_whereabouts(&mut self, cx: &mut Context<'_>, audio: bool) {
        self.whereabouts.moved(audio);
        self.tries = 0;
        self.settle(cx);
    }

    /// Answers the peer's INVITE with 302 (RFC 3261 §8.3, §21.3.3).
    pub(crate) fn redirect(&mut self, cx: &mut Context<'_>, target: &UriBuf) -> Result<(), CallError> {
        let theirs = self.waiting()?;
        let status = StatusCode::MOVED_TEMPORARILY;
        let moved = theirs.request.reply(status, Some(&self.ends.local_tag));
        let moved = moved.header(HeaderId::CONTACT, format_args!("<{target}>")).build()?;
        Self::respond(cx, theirs.key, moved);
        self.end(cx, EndedBy::Us, Some(status), status.reason());
        Ok(())
    }
}

/// A Contact of ours at another address. `None` where it names something else than `from`.
fn relocated(contact: &UriBuf, from: IpAddr, to: IpAddr) -> Option<UriBuf> {
    contact.as_sip().filter(|sip| sip.host() == Host::Ip(from))?;
    let text = contact.as_str();
    let (head, tail) = text.split_at(text.find('@').or_else(|| text.find(':'))? + 1);
    let tail = tail.strip_prefix(&Host::Ip(from).to_string())?;
    UriBuf::new(&format!("{head}{}{tail}", Host::Ip(to))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_moves_with_its_user_port_and_transport() {
        let moves = |contact: &str, from: &str, to: &str| {
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            relocated(&contact.parse().unwrap(), from, to).map(|uri| uri.to_string())
        };
        let contact = "sip:a@192.0.2.1:5070;transport=tcp";
        assert_eq!(
            moves(contact, "192.0.2.1", "2001:db8::1").as_deref(),
            Some("sip:a@[2001:db8::1]:5070;transport=tcp")
        );
        assert_eq!(
            moves("sips:[2001:db8::1]:5061", "2001:db8::1", "192.0.2.7").as_deref(),
            Some("sips:192.0.2.7:5061")
        );
        assert_eq!(moves(contact, "192.0.2.2", "192.0.2.3"), None);
    }

    #[test]
    fn a_move_while_the_last_one_is_told_is_told_as_well() {
        let mut whereabouts = Whereabouts::default();
        whereabouts.moved(true);
        whereabouts.sent();
        whereabouts.moved(false);
        whereabouts.accepted();
        assert!(whereabouts.is_news() && whereabouts.audio);
        whereabouts.sent();
        whereabouts.accepted();
        assert!(!whereabouts.is_news() && !whereabouts.audio && !whereabouts.give_up());
    }
}
