//! The side that calls: what becomes of our INVITE (RFC 3261 §13.2.2), and of other requests of ours.

use crate::body::description;
use crate::call::{Call, MOST_DIALOGS, Purpose, Stage};
use crate::calls::Context;
use crate::dialog::{Dialog, cseq, to_tag};
use crate::early::wish;
use crate::field::{allows, value};
use crate::redirect;
use crate::reliable::is_required;
use crate::{CallEvent, DialogOutput, EndedBy, SendEnd, SendTag, Session};
use ringback_message::header::RSeq;
use ringback_message::{HeaderId, Method, Response, StatusCode};
use ringback_sdp::SessionDescription;

impl Call {
    pub(crate) fn on_response(&mut self, cx: &mut Context<'_>, tag: SendTag, response: &Response) {
        let Some((_, purpose)) = self.sends.iter().find(|(of, _)| *of == tag).copied() else { return };
        match purpose {
            Purpose::Invite if response.status().is_provisional() => self.on_progress(cx, response),
            Purpose::Invite if response.status().is_success() => self.on_success(cx, response),
            Purpose::Invite => self.on_failure(cx, response),
            Purpose::Reinvite => self.on_change_response(cx, response),
            Purpose::Update | Purpose::Prack if self.on_offer_response(cx, tag, purpose, response) => {}
            Purpose::Update => self.on_update_response(cx, response),
            Purpose::Refer => self.on_refer_response(cx, response),
            Purpose::Info => self.on_info_response(cx, tag, response),
            Purpose::Message => self.on_message_response(cx, tag, response),
            // RFC 6665 §4.2.2: who knows nothing of the subscription wants no more of it.
            Purpose::Notify if response.status().class() > 3 => self.referrals.clear(),
            // Rule 32: no answer to BYE is needed to be done with the call.
            Purpose::Bye | Purpose::Prack | Purpose::Notify => {}
        }
    }

    /// A 2xx after its transaction: a copy of one that was acknowledged, or one from another fork.
    pub(crate) fn on_late_success(&mut self, cx: &mut Context<'_>, response: &Response) {
        let is_ours = self.target.is_some() && self.stage != Stage::Inviting;
        if !self.repeat_ack(cx, response) && is_ours && !self.has_acknowledged(response) {
            self.turn_away(cx, response);
        }
    }

    pub(crate) fn on_ended(&mut self, cx: &mut Context<'_>, tag: SendTag, end: SendEnd) {
        let Some(at) = self.sends.iter().position(|(of, _)| *of == tag) else { return };
        let (_, purpose) = self.sends.remove(at);
        if self.lifetime.updating == Some(tag) {
            return self.on_update_lost(cx, lost(end));
        }
        if self.on_offer_lost(cx, tag, lost(end)) {
            return;
        }
        if purpose == Purpose::Info {
            return self.on_info_lost(cx, tag, lost(end));
        }
        if purpose == Purpose::Message {
            return self.on_message_lost(cx, tag, lost(end));
        }
        if purpose == Purpose::Refer && end != SendEnd::Completed {
            return self.on_refer_lost(cx, lost(end));
        }
        let waits = self.ours.as_ref().is_some_and(|ours| ours.tag == tag);
        if !waits {
            return;
        }
        let status = lost(end);
        match purpose {
            Purpose::Invite if self.try_elsewhere(cx, None) => {}
            Purpose::Invite => {
                self.ours = None;
                self.dialogs.clear();
                match (self.hanging_up, status) {
                    (true, _) => {
                        self.end(cx, EndedBy::Us, Some(StatusCode::REQUEST_TERMINATED), "cancelled");
                    }
                    (false, StatusCode::REQUEST_TIMEOUT) => {
                        self.end(cx, EndedBy::Network, Some(status), "no answer");
                    }
                    (false, _) => self.end(cx, EndedBy::Network, Some(status), "cannot be reached"),
                }
            }
            Purpose::Reinvite => self.on_change_lost(cx, status),
            Purpose::Bye
            | Purpose::Prack
            | Purpose::Update
            | Purpose::Refer
            | Purpose::Notify
            | Purpose::Info
            | Purpose::Message => {}
        }
    }

    fn on_progress(&mut self, cx: &mut Context<'_>, response: &Response) {
        if self.stage != Stage::Inviting || self.hanging_up {
            return;
        }
        if response.status() == StatusCode::TRYING {
            if !self.trying {
                self.trying = true;
                Self::tell(cx, CallEvent::Trying);
            }
            return;
        }
        let Some(tag) = to_tag(response) else {
            return Self::tell(cx, CallEvent::Ringing(response.status()));
        };
        let known = self.dialogs.iter().position(|dialog| dialog.remote_tag.as_deref() == Some(tag));
        let at = match known {
            Some(at) => at,
            None if self.dialogs.len() < MOST_DIALOGS => {
                // Rule 28: no Contact, no dialog; the call goes on all the same.
                let Some(dialog) = Dialog::of_response(response) else {
                    return Self::tell(cx, CallEvent::Ringing(response.status()));
                };
                self.dialogs.push(dialog);
                self.dialogs.len() - 1
            }
            None => return Self::tell(cx, CallEvent::Ringing(response.status())),
        };
        self.dialogs[at].is_muted = is_muted(response).unwrap_or(self.dialogs[at].is_muted);
        self.dialogs[at].updates = allows(response, &Method::UPDATE).unwrap_or(self.dialogs[at].updates);
        let rseq = value(response).filter(|_| is_required(response)).map(|RSeq(rseq)| rseq);
        // Rule 40: copies, and what comes out of order, say nothing new.
        if rseq.is_some_and(|rseq| !self.is_next(at, rseq)) {
            return;
        }
        Self::tell(cx, CallEvent::Ringing(response.status()));
        if rseq.is_some() {
            return self.on_reliable(cx, at, response);
        }
        // Rule 44: what an unreliable 1xx describes is only a preview of the answer.
        let offers = self.ours.as_ref().is_some_and(|ours| ours.offers);
        if self.dialogs[at].agreed {
            return self.tell_preview(cx, at);
        }
        if let (true, Ok(Some(answer)), Some(session)) = (offers, description(response), &self.session) {
            let mut preview = session.clone();
            if preview.receive_answer(&answer).is_ok() {
                self.dialogs[at].preview = Some(Box::new(preview));
            }
        }
        self.tell_preview(cx, at);
    }

    /// Tells of media before the answer, where that is news and the network lets them be heard.
    pub(crate) fn tell_preview(&mut self, cx: &mut Context<'_>, at: usize) {
        let dialog = &mut self.dialogs[at];
        let session = dialog.preview.as_deref().and_then(Session::of).filter(|_| !dialog.is_muted);
        if let Some(session) = session.filter(|session| dialog.told.as_deref() != Some(session)) {
            dialog.told = Some(Box::new(session.clone()));
            Self::tell(cx, CallEvent::EarlyMedia(session));
        }
    }

    fn on_success(&mut self, cx: &mut Context<'_>, response: &Response) {
        if self.repeat_ack(cx, response) || self.has_acknowledged(response) {
            return;
        }
        if self.stage != Stage::Inviting || self.hanging_up {
            self.turn_away(cx, response);
            if self.stage == Stage::Inviting {
                // Rule 15: the 2xx crossed our CANCEL.
                self.ours = None;
                self.end(cx, EndedBy::Us, Some(StatusCode::REQUEST_TERMINATED), "cancelled");
            }
            return;
        }
        let offers = self.ours.take().is_some_and(|ours| ours.offers);
        let Some(mut dialog) = Dialog::of_response(response) else {
            self.turn_away(cx, response);
            self.end(cx, EndedBy::Us, None, "the answer has no Contact");
            return;
        };
        let early = self.dialogs.iter_mut().find(|early| early.remote_tag == dialog.remote_tag);
        let (preview, is_agreed) = early.map_or((None, false), |early| {
            dialog.continues(early);
            (early.preview.take(), early.agreed)
        });
        self.invite = None;
        self.lifetime.take(response);
        if self.session.is_none() {
            return self.on_offered(cx, dialog, response);
        }
        let agreed = match (description(response), &mut self.session) {
            // A reliable response has said it before; what is said once more does not count (RFC 6337 §3.1).
            (_, session) if is_agreed && preview.is_some() => {
                *session = preview.map(|preview| *preview);
                Ok(None)
            }
            (Ok(Some(answer)), Some(session)) if offers => {
                session.receive_answer(&answer).map(|()| None).map_err(|error| error.to_string())
            }
            (Ok(Some(offer)), Some(session)) => {
                wish(session, self.wants_hold);
                let answered = session.receive_offer(&offer).and_then(|()| session.make_answer());
                answered.map(Some).map_err(|error| error.to_string())
            }
            // The answer was in a 1xx, where it does not count; but nothing else can be meant.
            (Ok(None), session) if offers && preview.is_some() => {
                *session = preview.map(|preview| *preview);
                Ok(None)
            }
            (Ok(_), _) => Err("the answer describes no session".to_owned()),
            (Err(error), _) => Err(error.to_string()),
        };
        let number = cseq(response).unwrap_or(self.cseq);
        let answer: Option<&SessionDescription> = agreed.as_ref().ok().and_then(Option::as_ref);
        self.acknowledge(cx, &mut dialog, number, answer);
        // The other forks are proxies' business now; a 2xx of theirs is turned away when it comes.
        self.dialogs = vec![dialog];
        let session = self.session.as_ref().and_then(Session::of);
        match (agreed, session) {
            (Ok(_), Some(session)) => {
                self.stage = Stage::Up;
                self.tell_answered(cx, session);
                self.wind_up(cx);
                self.settle(cx);
            }
            (Err(reason), _) => self.break_off(cx, EndedBy::Us, None, &reason),
            (Ok(_), None) => self.break_off(cx, EndedBy::Us, None, "the answer has no media"),
        }
    }

    fn on_failure(&mut self, cx: &mut Context<'_>, response: &Response) {
        let status = response.status();
        if status == StatusCode::SESSION_INTERVAL_TOO_SMALL && self.ask_for_longer(cx, response) {
            return;
        }
        if self.try_elsewhere(cx, Some(response)) {
            return;
        }
        self.advice = redirect::advice(response);
        self.ours = None;
        self.dialogs.clear();
        match self.hanging_up {
            true => self.end(cx, EndedBy::Us, Some(status), "cancelled"),
            false => self.end(cx, EndedBy::Peer, Some(status), &reason(response)),
        }
    }

    /// Sends the ACK again when its 2xx comes again.
    pub(crate) fn repeat_ack(&self, cx: &mut Context<'_>, response: &Response) -> bool {
        let (tag, number) = (to_tag(response), cseq(response).unwrap_or_default());
        let of = self.dialogs.iter().find(|dialog| dialog.remote_tag.as_deref() == tag);
        let Some((hop, request)) = of.and_then(|dialog| dialog.ack(number)) else { return false };
        cx.outputs.push_back(DialogOutput::Ack { call: cx.key, hop, request });
        true
    }

    /// Whether a 2xx is of a dialog that has moved on since, so that its ACK is not kept any more.
    fn has_acknowledged(&self, response: &Response) -> bool {
        let tag = to_tag(response);
        self.stage != Stage::Inviting && self.dialogs.iter().any(|dialog| dialog.remote_tag.as_deref() == tag)
    }

    /// Rule 27: ACK and BYE to a 2xx that nobody wants any more.
    fn turn_away(&mut self, cx: &mut Context<'_>, response: &Response) {
        let Some(mut dialog) =
            Dialog::of_response(response).or_else(|| Some(Dialog::towards(self.target.clone()?, response)))
        else {
            return;
        };
        let number = cseq(response).unwrap_or(self.cseq);
        self.acknowledge(cx, &mut dialog, number, None);
        self.bye(cx, &dialog);
        match self.stage {
            // No early dialog can be confirmed any more: a 2xx of another fork is to be turned away as well.
            Stage::Inviting => self.dialogs.clear(),
            Stage::Ringing | Stage::Over => {
                self.dialogs.retain(|other| other.remote_tag != dialog.remote_tag);
            }
            Stage::Up => {}
        }
        if self.dialogs.len() < MOST_DIALOGS {
            self.dialogs.push(dialog);
        }
    }
}

/// What stands for a final response that did not come.
fn lost(end: SendEnd) -> StatusCode {
    match end {
        // Completed, but by nothing that would count as an answer.
        SendEnd::TimedOut | SendEnd::Completed => StatusCode::REQUEST_TIMEOUT,
        SendEnd::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// What P-Early-Media says of media from the peer (RFC 5009 §2): whether they shall not be heard.
fn is_muted(response: &Response) -> Option<bool> {
    let mut says = None;
    for value in response.values(HeaderId::P_EARLY_MEDIA) {
        for word in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if word.eq_ignore_ascii_case(b"inactive") || word.eq_ignore_ascii_case(b"recvonly") {
                says = Some(true);
            } else if word.eq_ignore_ascii_case(b"sendrecv") || word.eq_ignore_ascii_case(b"sendonly") {
                says = Some(false);
            }
        }
    }
    says
}

/// The reason phrase, or that of the RFC where there is none.
pub(crate) fn reason(response: &Response) -> String {
    match String::from_utf8_lossy(response.reason()) {
        text if text.is_empty() => response.status().reason().to_owned(),
        text => text.into_owned(),
    }
}
