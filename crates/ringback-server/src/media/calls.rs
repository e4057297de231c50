//! The calls of a shard whose media are relayed.

use super::MediaEngine;
use super::engine::{CallPorts, StreamKey};
use ringback_message::header::{self, CSeq, To};
use ringback_message::{HeaderId, Message, Method, Request};
use ringback_net::OsEntropy;
use ringback_relay::{Change, RelayedCall, Side};
use ringback_sansio::Map;
use ringback_sdp::SessionDescription;
use std::net::IpAddr;
use std::sync::Arc;

/// From so many calls on it is looked which of them have ended unheard, each time that their number has doubled.
const SWEEP: usize = 64;

/// There are no ports, or the description cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRelayed {
    /// 503: all ports are taken.
    NoPorts,
    /// 400: whoever is to get this would read what we cannot.
    Malformed,
}

/// The relayed calls of a shard, by Call-ID.
pub(crate) struct RelayedCalls {
    engine: Option<Arc<MediaEngine>>,
    calls: Map<Vec<u8>, Call>,
    swept: usize,
}

struct Call {
    descriptions: RelayedCall<StreamKey>,
    /// The tag in From of who made the call.
    caller: Vec<u8>,
    /// The tag in To of who took it.
    callee: Option<Vec<u8>>,
    /// What an offer in a call that is up changes, once it is answered.
    offered: Option<(Side, Vec<Change<StreamKey>>)>,
}

impl RelayedCalls {
    pub(crate) fn new(engine: Option<Arc<MediaEngine>>) -> Self {
        Self { engine, calls: Map::default(), swept: SWEEP }
    }

    /// A new call, on its way to whom it is for. `sender` is the host that the INVITE came from; with `ends_encryption` each side has
    /// keys of its own.
    pub(crate) fn begin(
        &mut self,
        request: &mut Request,
        sender: IpAddr,
        ends_encryption: bool,
    ) -> Result<(), NotRelayed> {
        let (Some(engine), Method::INVITE) = (self.engine.clone(), request.method().clone()) else {
            return Ok(());
        };
        let Some(caller) = from_tag(request) else { return Ok(()) };
        let call_id = call_id(request).to_vec();
        if self.calls.len() >= self.swept {
            self.calls.retain(|_, call| call.descriptions.streams().any(|stream| engine.is_open(stream)));
            self.swept = SWEEP.max(self.calls.len() * 2);
        }
        let call = self.calls.entry(call_id.clone()).or_insert_with(|| Call {
            descriptions: match ends_encryption {
                true => RelayedCall::ending_encryption(engine.told()),
                false => RelayedCall::new(engine.told()),
            },
            caller,
            callee: None,
            offered: None,
        });
        let done = call.rewrite(&engine, request, Side::Caller, sender, &call_id);
        if done.is_err() {
            self.end(&call_id);
        }
        done
    }

    /// A request within a dialog.
    pub(crate) fn request(&mut self, request: &mut Request, sender: IpAddr) -> Result<(), NotRelayed> {
        let Some((engine, call_id)) = self.known(request) else { return Ok(()) };
        let Some(call) = self.calls.get_mut(&call_id) else { return Ok(()) };
        let side = if from_tag(request).as_ref() == Some(&call.caller) { Side::Caller } else { Side::Callee };
        if *request.method() == Method::BYE {
            let party = if side == Side::Caller { to_tag(request) } else { from_tag(request) };
            // Of several that answered, the caller sends all but one away.
            if call.callee.is_none() || call.callee == party {
                self.end(&call_id);
            }
            return Ok(());
        }
        call.rewrite(&engine, request, side, sender, &call_id)
    }

    /// A response, before it goes on. What cannot be read of it is not worth a call.
    pub(crate) fn response(&mut self, message: &mut Message, status: u16, sender: IpAddr) {
        let Some((engine, call_id)) = self.known(message) else { return };
        let Some(call) = self.calls.get_mut(&call_id) else { return };
        let is_invite = cseq(message).is_some_and(|(_, method)| method == Method::INVITE);
        if status >= 300 {
            if is_invite && call.callee.is_some() {
                call.offered = None;
            }
            return;
        }
        let asked =
            if from_tag(message).as_ref() == Some(&call.caller) { Side::Caller } else { Side::Callee };
        if is_invite && status >= 200 && call.callee.is_none() {
            call.callee = to_tag(message);
        }
        let _ = call.rewrite(&engine, message, asked.other(), sender, &call_id);
    }

    /// A response that goes back to who asked: the call has failed where it is the last word on its INVITE.
    pub(crate) fn answered(&mut self, bytes: &[u8]) {
        let refuses = matches!(bytes.strip_prefix(b"SIP/2.0 "), Some([b'3'..=b'6', ..]));
        if !refuses || self.calls.is_empty() {
            return;
        }
        let Ok(message) = Message::parse(bytes.to_vec()) else { return };
        let call_id = call_id(&message).to_vec();
        let is_invite = cseq(&message).is_some_and(|(_, method)| method == Method::INVITE);
        if is_invite && self.calls.get(&call_id).is_some_and(|call| call.callee.is_none()) {
            self.end(&call_id);
        }
    }

    fn known(&self, message: &Message) -> Option<(Arc<MediaEngine>, Vec<u8>)> {
        if self.calls.is_empty() {
            return None;
        }
        Some((self.engine.clone()?, call_id(message).to_vec()))
    }

    fn end(&mut self, call_id: &[u8]) {
        if let (Some(call), Some(engine)) = (self.calls.remove(call_id), &self.engine) {
            call.descriptions.streams().for_each(|stream| engine.change(Change::Close(stream)));
        }
    }
}

impl Call {
    /// Rewrites the description in a message of one side.
    fn rewrite(
        &mut self,
        engine: &MediaEngine,
        message: &mut Message,
        side: Side,
        sender: IpAddr,
        call_id: &[u8],
    ) -> Result<(), NotRelayed> {
        if message.body().is_empty() || !is_description(message) {
            return Ok(());
        }
        let mut description = SessionDescription::parse(message.body()).map_err(|_| NotRelayed::Malformed)?;
        let (number, _) = cseq(message).ok_or(NotRelayed::Malformed)?;
        // Both sides count their requests for themselves.
        let asker = if message.is_request() { side } else { side.other() };
        let exchange = number.wrapping_mul(2).wrapping_add(asker.index() as u32);
        let name = String::from_utf8_lossy(call_id);
        let mut ports = CallPorts { engine, call: &name };
        let (sender, mut entropy) = (sender.to_canonical(), OsEntropy::new());
        let changes =
            self.descriptions.rewrite(side, exchange, sender, &mut description, &mut ports, &mut entropy);
        match self.offered.take() {
            // The answer: what both sides said holds from now on.
            Some((offerer, offered)) if offerer != side => {
                offered.into_iter().chain(changes).for_each(|change| engine.change(change));
            }
            _ if self.callee.is_some() && message.is_request() && !is_answer(message) => {
                self.offered = Some((side, changes));
            }
            _ => changes.into_iter().for_each(|change| engine.change(change)),
        }
        if self.descriptions.is_short() {
            return Err(NotRelayed::NoPorts);
        }
        message.set_body(None, description.to_bytes()).map_err(|_| NotRelayed::Malformed)
    }
}

/// Whether a request with a description answers an offer: that of an INVITE without one, or in a reliable response.
fn is_answer(message: &Message) -> bool {
    cseq(message).is_some_and(|(_, method)| method == Method::ACK)
}

fn is_description(message: &Message) -> bool {
    let kind = message.values(HeaderId::CONTENT_TYPE).next().unwrap_or_default();
    let name = kind.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
    name.eq_ignore_ascii_case(b"application/sdp")
}

fn call_id(message: &Message) -> &[u8] {
    crate::shard::call_id(message)
}

fn cseq(message: &Message) -> Option<(u32, Method)> {
    let cseq = message.first::<CSeq>()?.ok()?;
    Some((cseq.number, cseq.method))
}

fn from_tag(message: &Message) -> Option<Vec<u8>> {
    let from = message.first::<header::From<'_>>()?.ok()?;
    Some(from.tag()?.as_bytes().to_vec())
}

fn to_tag(message: &Message) -> Option<Vec<u8>> {
    let to = message.first::<To<'_>>()?.ok()?;
    Some(to.tag()?.as_bytes().to_vec())
}
