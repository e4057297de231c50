//! Transfer (RFC 3515, RFC 5589, rule 38): REFER within a call and the NOTIFYs that tell what became of it, both sides.

use crate::call::{Call, Purpose, Stage};
use crate::calls::{Calls, Context};
use crate::dialog::{Dialog, Ends, cseq};
use crate::events::{Standing, Termination, state_value, told};
use crate::field::value;
use crate::{CallError, CallEvent, EndedBy, TransferKey};
use ringback_message::body::{Fragment, FragmentBuf, SIPFRAG};
use ringback_message::header::{CSeq, CallId, Event, From, Header as _, ReferSub, ReferTo, Replaces, To};
use ringback_message::{
    HeaderId, Method, ParamsBuf, Request, RequestBuilder, Response, SipUriBuf, StatusCode, UriBuf,
};
use ringback_sansio::Entropy;
use ringback_transaction::ServerKey;
use std::time::Instant;

/// More than one peer can sensibly ask for at a time.
const MOST_REFERRALS: usize = 4;

/// A transfer that the peer has asked for.
#[derive(Clone, Debug)]
pub(crate) struct Referral {
    /// The number of the REFER, which is the `id` of its subscription.
    pub(crate) id: u32,
    /// Whom we are to call.
    pub(crate) target: UriBuf,
    /// Whether the peer wants to hear of it (RFC 4488).
    pub(crate) is_followed: bool,
    /// The dialog of the REFER, where it came outside of the call (RFC 4538).
    beside: Option<Box<Beside>>,
}

/// A dialog that a REFER has made beside that of the call which it named.
#[derive(Clone, Debug)]
pub(crate) struct Beside {
    ends: Ends,
    dialog: Dialog,
    cseq: u32,
}

/// Tells what came beside a call from what came in it.
const BESIDE: u32 = 1 << 31;

impl<E: Entropy> Calls<E> {
    /// Takes a REFER without To tag, which passed the inspection of RFC 3261 §8.2. It counts as one of the call that it names
    /// (Target-Dialog, RFC 4538), and the outcome is told in a dialog of its own; one that names none of ours is answered 481.
    pub fn referred(&mut self, now: Instant, key: ServerKey, contact: &UriBuf, refer: &Request) {
        let now = self.clamp(now);
        let tag = self.tag();
        let beside = self.target_dialog(refer).and_then(|call| Some((call, Beside::new(refer, tag)?)));
        match beside {
            Some((call, beside)) => {
                self.with(now, call, |call, cx| call.on_refer_in(cx, key, contact, refer, Some(beside)));
            }
            None => self.respond_outside(key, refer, StatusCode::CALL_DOES_NOT_EXIST),
        }
    }
}

impl Beside {
    fn new(refer: &Request, tag: String) -> Option<Self> {
        let (from, to) = (value::<From<'_>>(refer)?, value::<To<'_>>(refer)?);
        let call_id = value::<CallId<'_>>(refer)?.0.to_owned();
        let ends = Ends { call_id, local: to.address(), local_tag: tag, remote: from.address() };
        Some(Self { ends, dialog: Dialog::of_request(refer)?, cseq: 0 })
    }
}

// ---- the side that transfers

impl Call {
    /// Asks the peer to call `refer_to`, the value of Refer-To.
    pub(crate) fn refer(&mut self, cx: &mut Context<'_>, refer_to: &str) -> Result<(), CallError> {
        let is_free = self.referring.is_none() && self.put_off.is_none() && self.owed.is_none();
        if self.stage != Stage::Up || self.hanging_up || !is_free {
            return Err(CallError::WrongState);
        }
        if self.theirs.as_ref().is_some_and(|theirs| theirs.is_first) {
            // The 2xx may be lost, and then the peer has no dialog yet that a REFER could be in. It would answer 481.
            self.put_off = Some(refer_to.to_owned());
            return Ok(());
        }
        let number = self.next_cseq();
        let dialog = self.dialogs.first().ok_or(CallError::WrongState)?;
        let (hop, refer) = dialog.request(&self.ends, Method::REFER, number);
        let refer = refer
            .header(HeaderId::REFER_TO, format_args!("<{refer_to}>"))
            .header(HeaderId::REFERRED_BY, self.ends.local.as_str())
            .build()?;
        self.send(cx, Purpose::Refer, Some(hop), refer);
        self.referring = Some(number);
        Ok(())
    }

    /// The ACK is here: sends the REFER that waited for it.
    pub(crate) fn refer_at_last(&mut self, cx: &mut Context<'_>) {
        if let Some(refer_to) = self.put_off.take()
            && self.refer(cx, &refer_to).is_err()
        {
            Self::tell(cx, CallEvent::TransferEnded(StatusCode::BAD_REQUEST));
        }
    }

    pub(crate) fn on_refer_response(&mut self, cx: &mut Context<'_>, response: &Response) {
        let status = response.status();
        if status.is_provisional() || self.stage != Stage::Up || self.referring.is_none() {
            return;
        }
        let refuses_to_tell = value(response).is_some_and(|told: ReferSub<'_>| !told.is_wanted());
        match status {
            _ if status.is_success() && refuses_to_tell => {
                self.referring = None;
                Self::tell(cx, CallEvent::TransferEnded(status));
            }
            _ if status.is_success() => {
                // The request may have got another number when it was sent again with credentials.
                self.referring = cseq(response);
            }
            // Rule 32.
            StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => {
                self.break_off(cx, EndedBy::Peer, Some(status), &crate::caller::reason(response));
            }
            _ => self.transfer_ended(cx, status),
        }
    }

    pub(crate) fn on_refer_lost(&mut self, cx: &mut Context<'_>, status: StatusCode) {
        if self.stage == Stage::Up && self.referring.is_some() {
            self.transfer_ended(cx, status);
        }
    }

    fn transfer_ended(&mut self, cx: &mut Context<'_>, status: StatusCode) {
        self.referring = None;
        Self::tell(cx, CallEvent::TransferEnded(status));
        if status.is_success() {
            // RFC 5589 §6.1: the peer talks to somebody else now.
            self.break_off(cx, EndedBy::Us, None, "transferred");
        }
    }

    /// The peer tells what became of a transfer. It may come before the answer to the REFER (rule 39).
    pub(crate) fn on_notify(&mut self, cx: &mut Context<'_>, key: ServerKey, notify: &Request) {
        let event = value::<Event<'_>>(notify).filter(|event| event.value == "refer");
        let is_refer = event.is_some();
        let id = event.and_then(|event| event.id()).map(str::parse::<u32>);
        let is_ours = is_refer && self.referring.is_some_and(|ours| id.is_none_or(|id| id == Ok(ours)));
        if !is_ours {
            let status = if is_refer { StatusCode::CALL_DOES_NOT_EXIST } else { StatusCode::BAD_EVENT };
            return Self::respond_plain(cx, key, notify, status);
        }
        Self::respond_plain(cx, key, notify, StatusCode::OK);
        let is_over = told(notify).is_some_and(|told| matches!(told.standing, Standing::Terminated(_)));
        match (told_status(notify), is_over) {
            (Some(status), _) if status.is_final() => self.transfer_ended(cx, status),
            // It ended without saying how.
            (_, true) => self.transfer_ended(cx, StatusCode::REQUEST_TIMEOUT),
            (Some(status), false) => Self::tell(cx, CallEvent::TransferProgress(status)),
            (None, false) => {}
        }
    }
}

// ---- the side that is transferred

impl Call {
    pub(crate) fn on_refer(
        &mut self,
        cx: &mut Context<'_>,
        key: ServerKey,
        contact: &UriBuf,
        refer: &Request,
    ) {
        self.on_refer_in(cx, key, contact, refer, None);
    }

    fn on_refer_in(
        &mut self,
        cx: &mut Context<'_>,
        key: ServerKey,
        contact: &UriBuf,
        refer: &Request,
        beside: Option<Beside>,
    ) {
        let tag = beside.as_ref().map(|beside| beside.ends.local_tag.clone());
        let tag = tag.as_deref();
        let refuse = |cx: &mut Context<'_>, status| {
            if let Ok(refusal) = refer.reply(status, tag).build() {
                Self::respond(cx, key, refusal);
            }
        };
        let mut targets = refer.all::<ReferTo<'_>>();
        // RFC 3515 §2.4.2: exactly one.
        let target = match (targets.next(), targets.next()) {
            (Some(Ok(target)), None) => target.uri.to_owned(),
            _ => return refuse(cx, StatusCode::BAD_REQUEST),
        };
        if !cx.accepts_transfers || target.as_sip().is_none() {
            return refuse(cx, StatusCode::DECLINE);
        }
        let id = cseq(refer).unwrap_or_default() | if beside.is_some() { BESIDE } else { 0 };
        let is_known = self.referrals.iter().any(|referral| referral.id == id);
        if self.stage != Stage::Up || self.referrals.len() >= MOST_REFERRALS || is_known {
            return refuse(cx, StatusCode::SERVER_INTERNAL_ERROR);
        }
        let is_followed = value(refer).is_none_or(|asked: ReferSub<'_>| asked.is_wanted());
        let accepted = refer.reply(StatusCode::ACCEPTED, tag).copy(refer, HeaderId::RECORD_ROUTE);
        let accepted = accepted.header(HeaderId::CONTACT, format_args!("<{contact}>"));
        let accepted = if is_followed { accepted } else { accepted.with(ReferSub::new("false")) };
        let Ok(accepted) = accepted.build() else { return };
        Self::respond(cx, key, accepted);
        let beside = beside.map(Box::new);
        self.referrals.push(Referral { id, target: target.clone(), is_followed, beside });
        // §2.4.4: at once.
        self.notify(cx, id, StatusCode::TRYING);
        let by = refer.values(HeaderId::REFERRED_BY).next();
        let by = by.map(|value| String::from_utf8_lossy(value).into_owned());
        let transfer = TransferKey { call: cx.key, id };
        Self::tell(cx, CallEvent::TransferRequested { transfer, target, by });
    }

    /// Tells the peer how far the transfer is; a final status is the last word.
    pub(crate) fn notify(&mut self, cx: &mut Context<'_>, id: u32, status: StatusCode) {
        let Some(at) = self.referrals.iter().position(|referral| referral.id == id) else { return };
        let is_followed = self.referrals[at].is_followed && self.stage == Stage::Up;
        let begun = is_followed.then(|| self.begin_notify(at)).flatten();
        if status.is_final() {
            self.referrals.remove(at);
        }
        let (Some((hop, event, notify)), Ok(told)) = (begun, FragmentBuf::status(status).build()) else {
            return;
        };
        let state = match status.is_final() {
            true => state_value(&Standing::Terminated(Termination::NoResource), None),
            false => state_value(&Standing::Active, Some(180)),
        };
        let notify = notify
            .header(HeaderId::EVENT, event)
            .header(HeaderId::SUBSCRIPTION_STATE, state)
            .body(SIPFRAG, told);
        if let Ok(notify) = notify.build() {
            self.send(cx, Purpose::Notify, Some(hop), notify);
        }
    }

    /// Begins a NOTIFY in the dialog of the REFER; its next hop, and the value of Event.
    fn begin_notify(&mut self, at: usize) -> Option<(UriBuf, String, RequestBuilder)> {
        let Referral { id, beside, .. } = &mut self.referrals[at];
        if let Some(beside) = beside {
            beside.cseq = CSeq::next_number(beside.cseq);
            let (hop, notify) = beside.dialog.request(&beside.ends, Method::NOTIFY, beside.cseq);
            return Some((hop, "refer".to_owned(), notify));
        }
        let event = format!("refer;id={id}");
        let number = self.next_cseq();
        let (hop, notify) = self.dialogs.first()?.request(&self.ends, Method::NOTIFY, number);
        Some((hop, event, notify))
    }

    /// Names this call as one that the peer of another may take over: the value of Refer-To (RFC 5589 §7).
    pub(crate) fn as_replaceable(&self) -> Option<UriBuf> {
        let dialog = self.dialogs.first().filter(|_| self.stage == Stage::Up)?;
        let target = dialog.remote_target.as_sip()?.as_request_uri();
        // Seen by the peer of this call, ours is the remote tag.
        let (to_tag, from_tag) = (dialog.remote_tag.as_deref()?, &self.ends.local_tag);
        let params = ParamsBuf::new().with("to-tag", to_tag).with("from-tag", from_tag);
        let replaces = Replaces::new(&self.ends.call_id).with(params.as_params()).to_string();
        SipUriBuf::from(target.as_sip()?).header("Replaces", replaces).build().ok()
    }
}

/// The status in a NOTIFY about a transfer.
fn told_status(notify: &Request) -> Option<StatusCode> {
    let told = notify.entity().select(&|part| part.is("message", "sipfrag")).ok()?;
    Fragment::parse(told.first()?.body()).ok()?.status()
}

/// The one header of a Refer-To URI that is copied into the INVITE (rule 83).
pub(crate) fn replaces_of(target: &UriBuf) -> Option<String> {
    let (_, value) = target.as_sip()?.honoured().find(|(id, _)| *id == HeaderId::REPLACES)?;
    let value = String::from_utf8(value.into_owned()).ok()?;
    Replaces::parse(value.as_bytes()).is_ok().then_some(value)
}
