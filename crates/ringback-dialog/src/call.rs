//! One call: its state, and the small steps that all its roles share.
//!
//! What the caller does with responses is in [`crate::caller`], what either side does with requests of the peer in
//! [`crate::callee`], and how a session is changed in [`crate::change`].

use crate::body::SDP;
use crate::calls::{Context, Timer};
use crate::dialog::{Dialog, Ends};
use crate::info::Digits;
use crate::late::{Before, Owed};
use crate::moved::Whereabouts;
use crate::redirect::Redirects;
use crate::reliable::Reliable;
use crate::text::Texts;
use crate::timer::Lifetime;
use crate::transfer::Referral;
use crate::{
    Advice, CallEvent, CallKey, DialogOutput, EndedBy, Ending, LocalAudio, SendTag, Session, TransferKey,
};
use ringback_message::header::CSeq;
use ringback_message::{HeaderId, Method, Request, Response, StatusCode, UriBuf};
use ringback_sdp::{OfferAnswer, SessionDescription};
use ringback_transaction::ServerKey;
use std::time::{Duration, Instant};

/// More forks than any call has; what comes beyond is turned away without being remembered.
pub(crate) const MOST_DIALOGS: usize = 32;

/// Who made the call, and so the Call-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Caller,
    Callee,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Our INVITE has no final response yet.
    Inviting,
    /// The peer's INVITE has none yet.
    Ringing,
    /// Both sides have agreed to talk.
    Up,
    /// The application knows that it is over; requests may still be on their way.
    Over,
}

/// What a request of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Invite,
    Reinvite,
    Bye,
    Prack,
    Refer,
    Notify,
    Update,
    Info,
    Message,
}

/// An INVITE of ours that waits for its final response.
#[derive(Clone, Debug)]
pub(crate) struct Ours {
    pub(crate) tag: SendTag,
    /// Whether it carries an offer; else the 2xx does.
    pub(crate) offers: bool,
}

/// An INVITE of the peer, from when it comes until our response to it is acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Theirs {
    pub(crate) key: ServerKey,
    pub(crate) number: u32,
    pub(crate) request: Request,
    /// Our Contact on the way that it came.
    pub(crate) contact: UriBuf,
    /// Whether it began the call.
    pub(crate) is_first: bool,
    /// Our 2xx, which is repeated until the ACK comes.
    pub(crate) accepted: Option<Accepted>,
    /// Our last provisional response that asks for a PRACK.
    pub(crate) reliable: Option<Reliable>,
    /// Whether the application has answered, while a PRACK has to come first.
    pub(crate) answer_waits: bool,
}

impl Theirs {
    pub(crate) fn new(
        key: ServerKey,
        number: u32,
        request: Request,
        contact: UriBuf,
        is_first: bool,
    ) -> Self {
        Self { key, number, request, contact, is_first, accepted: None, reliable: None, answer_waits: false }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) response: Response,
    pub(crate) gap: Duration,
    /// Whether the 2xx carries an offer, so that the ACK must carry the answer.
    pub(crate) offers: bool,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) side: Side,
    pub(crate) ends: Ends,
    pub(crate) stage: Stage,
    /// Counts all requests of ours, in whichever dialog.
    pub(crate) cseq: u32,
    /// The Request-URI of our INVITE.
    pub(crate) target: Option<UriBuf>,
    /// Early ones; once the call is up, the first is the confirmed one and the others are turned away.
    pub(crate) dialogs: Vec<Dialog>,
    /// The credentials of our last INVITE, which its ACK carries too (rule 16).
    pub(crate) credentials: Vec<(HeaderId, Vec<u8>)>,
    /// `None` on the callee's side until it answers.
    pub(crate) session: Option<OfferAnswer>,
    pub(crate) told: Option<Box<Session>>,
    pub(crate) ours: Option<Ours>,
    /// The offer of the peer that waits for our answer, and its 2xx for the ACK.
    pub(crate) owed: Option<Box<Owed>>,
    /// What is to be described next.
    pub(crate) wanted: Option<Box<LocalAudio>>,
    /// What we described before that which the peer is being told.
    pub(crate) before: Option<Box<Before>>,
    pub(crate) theirs: Option<Box<Theirs>>,
    pub(crate) sends: Vec<(SendTag, Purpose)>,
    /// Whether the application has given up; what it waits for is the chance to say so to the peer.
    pub(crate) hanging_up: bool,
    pub(crate) trying: bool,
    /// Whether the application wants to hold the peer.
    pub(crate) wants_hold: bool,
    /// Whether that was agreed.
    pub(crate) holds: bool,
    /// How often a change was put off (rule 34).
    pub(crate) tries: u32,
    pub(crate) lifetime: Lifetime,
    pub(crate) whereabouts: Whereabouts,
    /// Who we are, where the INVITE was meant for somebody else.
    pub(crate) identity: Option<String>,
    /// Whether the peer understands that our address changes within the call.
    pub(crate) peer_follows: bool,
    /// Digits that go by INFO.
    pub(crate) digits: Digits,
    /// Messages that go within the call.
    pub(crate) texts: Texts,
    /// Whether a machine answers, where the caller wants to know (RFC 5373).
    pub(crate) is_automatic: bool,
    /// The number of our REFER whose outcome is not known yet.
    pub(crate) referring: Option<u32>,
    /// Where a transfer of ours leads that waits for the ACK to our first 2xx.
    pub(crate) put_off: Option<String>,
    /// Transfers that the peer waits to hear of.
    pub(crate) referrals: Vec<Referral>,
    /// The transfer that this call was made for.
    pub(crate) transfer: Option<TransferKey>,
    /// The call that this one replaces once it is answered.
    pub(crate) replaces: Option<CallKey>,
    /// The status that the call ended with.
    pub(crate) last_status: Option<StatusCode>,
    pub(crate) redirects: Redirects,
    /// What the refusal that ends the call advises.
    pub(crate) advice: Option<Advice>,
    /// Our first INVITE until it is answered, to be sent again in another way.
    pub(crate) invite: Option<Box<Request>>,
}

impl Call {
    pub(crate) fn new(side: Side, ends: Ends, stage: Stage, cseq: u32, lifetime: Lifetime) -> Self {
        Self {
            side,
            ends,
            stage,
            cseq,
            target: None,
            dialogs: Vec::new(),
            credentials: Vec::new(),
            session: None,
            told: None,
            ours: None,
            owed: None,
            wanted: None,
            before: None,
            theirs: None,
            sends: Vec::new(),
            hanging_up: false,
            trying: false,
            wants_hold: false,
            holds: false,
            tries: 0,
            lifetime,
            whereabouts: Whereabouts::default(),
            identity: None,
            peer_follows: false,
            digits: Digits::default(),
            texts: Texts::default(),
            is_automatic: false,
            referring: None,
            put_off: None,
            referrals: Vec::new(),
            transfer: None,
            replaces: None,
            last_status: None,
            redirects: Redirects::new(0),
            advice: None,
            invite: None,
        }
    }

    /// The number of the next request.
    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.cseq = CSeq::next_number(self.cseq);
        self.cseq
    }

    pub(crate) fn send(
        &mut self,
        cx: &mut Context<'_>,
        purpose: Purpose,
        hop: Option<UriBuf>,
        request: Request,
    ) -> SendTag {
        *cx.serial += 1;
        let tag = SendTag(*cx.serial);
        cx.senders.insert(tag, cx.key);
        self.sends.push((tag, purpose));
        cx.outputs.push_back(DialogOutput::Send { tag, call: cx.key, hop, request });
        tag
    }

    /// Sends BYE in a dialog.
    pub(crate) fn bye(&mut self, cx: &mut Context<'_>, dialog: &Dialog) {
        let number = self.next_cseq();
        let (hop, bye) = dialog.request(&self.ends, Method::BYE, number);
        // What came from the peer was read, so it can be written; if not, the peer will notice by itself.
        if let Ok(bye) = bye.build() {
            self.send(cx, Purpose::Bye, Some(hop), bye);
        }
    }

    /// Sends the ACK to a 2xx, with an answer where the 2xx made an offer, and keeps it to be repeated.
    pub(crate) fn acknowledge(
        &self,
        cx: &mut Context<'_>,
        dialog: &mut Dialog,
        number: u32,
        answer: Option<&SessionDescription>,
    ) {
        let (hop, mut ack) = dialog.request(&self.ends, Method::ACK, number);
        for (id, value) in &self.credentials {
            ack = ack.header(*id, value.as_slice());
        }
        if let Some(answer) = answer {
            ack = ack.body(SDP, answer.to_bytes());
        }
        if let Ok(request) = ack.build() {
            dialog.keep_ack(number, hop.clone(), &request);
            cx.outputs.push_back(DialogOutput::Ack { call: cx.key, hop, request });
        }
    }

    pub(crate) fn respond(cx: &mut Context<'_>, key: ServerKey, response: Response) {
        cx.outputs.push_back(DialogOutput::Respond(key, response));
    }

    /// Responds without anything special; what cannot be built is left to the transaction's end.
    pub(crate) fn respond_plain(cx: &mut Context<'_>, key: ServerKey, request: &Request, status: StatusCode) {
        if let Ok(response) = request.reply(status, None).build() {
            Self::respond(cx, key, response);
        }
    }

    pub(crate) fn tell(cx: &mut Context<'_>, event: CallEvent) {
        cx.outputs.push_back(DialogOutput::Event(cx.key, event));
    }

    /// Tells that both sides talk, and what they have agreed on.
    pub(crate) fn tell_answered(&mut self, cx: &mut Context<'_>, mut session: Session) {
        if let Some(dialog) = self.dialogs.first().filter(|dialog| dialog.offered.is_some()) {
            session.held_by_us = dialog.holds;
        }
        self.holds = session.held_by_us;
        self.told = Some(Box::new(session.clone()));
        Self::tell(cx, CallEvent::Answered(session));
    }

    /// Tells of the session where it is not what was told before.
    pub(crate) fn tell_change(&mut self, cx: &mut Context<'_>) {
        // Before the answer it is only a preview of what will be agreed.
        let Some(session) = self.session.as_ref().and_then(Session::of).filter(|_| self.stage == Stage::Up)
        else {
            return;
        };
        self.holds = session.held_by_us;
        if self.told.as_deref() != Some(&session) {
            self.told = Some(Box::new(session.clone()));
            Self::tell(cx, CallEvent::Changed(session));
        }
    }

    /// Ends the call for the application. What is still to be said to the peer must be said before or after by
    /// the one who ends it.
    pub(crate) fn end(
        &mut self,
        cx: &mut Context<'_>,
        by: EndedBy,
        status: Option<StatusCode>,
        reason: &str,
    ) {
        if self.stage == Stage::Over {
            return;
        }
        if let (Stage::Up, Some(ours)) = (self.stage, &self.ours) {
            // A peer that has left the call repeats no 2xx: if the first one got lost, a change of ours that was
            // answered 100 would wait for ever.
            cx.outputs.push_back(DialogOutput::Cancel(ours.tag));
        }
        self.acknowledge_owed(cx, None);
        self.stage = Stage::Over;
        self.last_status = status;
        self.drop_theirs(cx);
        // For half a minute it only answers what comes late.
        (self.invite, self.session, self.told) = (None, None, None);
        for dialog in &mut self.dialogs {
            (dialog.preview, dialog.told) = (None, None);
        }
        for timer in [Timer::Glare, Timer::StillRinging, Timer::Refresh, Timer::Expire] {
            cx.timers.cancel((cx.key, timer));
        }
        let reason = reason.to_owned();
        Self::tell(cx, CallEvent::Ended(Ending { by, status, reason, advice: self.advice.take() }));
    }

    /// Ends the call and tells the peer by BYE.
    pub(crate) fn break_off(
        &mut self,
        cx: &mut Context<'_>,
        by: EndedBy,
        status: Option<StatusCode>,
        reason: &str,
    ) {
        self.acknowledge_owed(cx, None);
        if let Some(dialog) = self.dialogs.first().cloned() {
            self.bye(cx, &dialog);
        }
        self.end(cx, by, status, reason);
    }

    /// Forgets the peer's INVITE: it is acknowledged, or nobody cares any more.
    pub(crate) fn drop_theirs(&mut self, cx: &mut Context<'_>) {
        if let Some(theirs) = self.theirs.take() {
            cx.servers.remove(&theirs.key);
        }
        cx.timers.cancel((cx.key, Timer::Repeat));
        cx.timers.cancel((cx.key, Timer::GiveUp));
        cx.timers.cancel((cx.key, Timer::RepeatRinging));
    }

    /// Whether nothing more can come for it.
    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Over && self.sends.is_empty()
    }

    /// When to repeat something first, and when to give it up.
    pub(crate) fn schedule(cx: &mut Context<'_>, timer: Timer, after: Duration) {
        let at: Instant = cx.now + after;
        cx.timers.set((cx.key, timer), at);
    }
}
