//! The calls of a shard whose media are relayed.

use super::dialog::Dialog;
use super::engine::{CallPorts, StreamKey};
use super::{CallMedia, MediaEngine, MediaWishes};
use ringback_media::AudioFile;
use ringback_message::header::{self, CSeq, To};
use ringback_message::{HeaderId, Message, Method, Request};
use ringback_net::OsEntropy;
use ringback_proxy::Ownership;
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
    ownership: Ownership,
    calls: Map<Arc<[u8]>, Call>,
    swept: usize,
    /// What was heard in the calls that have just ended.
    ended: Vec<(Arc<[u8]>, CallMedia)>,
}

/// A call that is ended because a side of it has died.
pub(super) struct EndedSilent {
    /// The tag in From of who made it.
    pub(super) caller: Vec<u8>,
    /// What both sides are told, as far as it is known how to tell them.
    pub(super) byes: Vec<Request>,
}

struct Call {
    name: Arc<[u8]>,
    descriptions: RelayedCall<StreamKey>,
    /// What who is held hears.
    music: Option<AudioFile>,
    /// The tag in From of who made the call.
    caller: Vec<u8>,
    /// The tag in To of who took it.
    callee: Option<Vec<u8>>,
    /// What an offer in a call that is up changes, once it is answered.
    offered: Option<(Side, Vec<Change<StreamKey>>)>,
    /// What has to be known to end it.
    dialog: Option<Box<Dialog>>,
}

impl RelayedCalls {
    pub(crate) fn new(engine: Option<Arc<MediaEngine>>, ownership: Ownership) -> Self {
        Self { engine, ownership, calls: Map::default(), swept: SWEEP, ended: Vec::new() }
    }

    /// A new call, on its way to whom it is for. `sender` is the host that the INVITE came from; with `ends_encryption` each side has
    /// keys of its own, and `wishes` hold.
    pub(crate) fn begin(
        &mut self,
        request: &mut Request,
        sender: IpAddr,
        ends_encryption: bool,
        wishes: MediaWishes,
    ) -> Result<(), NotRelayed> {
        let (Some(engine), Method::INVITE) = (self.engine.clone(), request.method().clone()) else {
            return Ok(());
        };
        let Some(caller) = from_tag(request) else { return Ok(()) };
        let call_id: Arc<[u8]> = call_id(request).into();
        if self.calls.len() >= self.swept {
            self.calls.retain(|_, call| call.descriptions.streams().any(|stream| engine.is_open(stream)));
            self.swept = SWEEP.max(self.calls.len() * 2);
        }
        let converts = ends_encryption && engine.transcodes();
        let music = wishes.music.or_else(|| engine.music()).filter(|_| converts);
        let call = self.calls.entry(call_id.clone()).or_insert_with(|| Call {
            name: call_id.clone(),
            descriptions: match ends_encryption {
                true if converts => {
                    let call = RelayedCall::converting_audio(engine.told());
                    let call = if music.is_some() { call.with_hold_music() } else { call };
                    match wishes.codecs {
                        Some(codecs) => call.offering(codecs),
                        None => call,
                    }
                }
                true => RelayedCall::ending_encryption(engine.told()),
                false => RelayedCall::new(engine.told()),
            },
            music,
            caller,
            callee: None,
            offered: None,
            dialog: engine.ends_calls().then(Box::default),
        });
        if let Some(dialog) = &mut call.dialog {
            dialog.requested(Side::Caller, request);
        }
        let done = call.rewrite(&engine, request, Side::Caller, sender);
        if done.is_err() {
            self.end(&call_id);
        }
        done
    }

    /// A request within a dialog.
    pub(crate) fn request(&mut self, request: &mut Request, sender: IpAddr) -> Result<(), NotRelayed> {
        let Some((engine, call_id)) = self.known(request) else { return Ok(()) };
        let Some(call) = self.calls.get_mut(&*call_id) else { return Ok(()) };
        let side = if from_tag(request).as_ref() == Some(&call.caller) { Side::Caller } else { Side::Callee };
        if *request.method() == Method::BYE {
            let party = if side == Side::Caller { to_tag(request) } else { from_tag(request) };
            // Of several that answered, the caller sends all but one away.
            if call.callee.is_none() || call.callee == party {
                self.end(&call_id);
            }
            return Ok(());
        }
        if let Some(dialog) = &mut call.dialog {
            dialog.requested(side, request);
        }
        call.rewrite(&engine, request, side, sender)
    }

    /// A response, before it goes on. What cannot be read of it is not worth a call.
    pub(crate) fn response(&mut self, message: &mut Message, status: u16, sender: IpAddr) {
        let Some((engine, call_id)) = self.known(message) else { return };
        let Some(call) = self.calls.get_mut(&*call_id) else { return };
        let is_invite = cseq(message).is_some_and(|(_, method)| method == Method::INVITE);
        if status >= 300 {
            if is_invite && call.callee.is_some() {
                call.offered = None;
            }
            return;
        }
        let asked =
            if from_tag(message).as_ref() == Some(&call.caller) { Side::Caller } else { Side::Callee };
        let is_answer = is_invite && status >= 200 && call.callee.is_none();
        if is_answer {
            call.callee = to_tag(message);
        }
        // Of several that answered, all but the first are sent away.
        if let Some(dialog) =
            call.dialog.as_mut().filter(|_| status >= 200 && call.callee == to_tag_of(asked, message))
        {
            dialog.answered(asked.other(), message);
            if is_answer {
                dialog.established(message, &self.ownership);
            }
        }
        let _ = call.rewrite(&engine, message, asked.other(), sender);
        if is_answer {
            call.descriptions.streams().for_each(|stream| engine.answered(stream));
        }
    }

    /// What was heard in a call that is up, or has just ended: of its first medium. Those that have ended are then forgotten by
    /// [`forget_ended`](Self::forget_ended).
    pub(crate) fn heard(&self, call_id: &str) -> Option<CallMedia> {
        let ended = self.ended.iter().find(|(name, _)| **name == *call_id.as_bytes());
        ended
            .map(|(_, media)| *media)
            .or_else(|| self.calls.get(call_id.as_bytes())?.heard(self.engine.as_deref()?))
    }

    /// What was heard in calls that have ended has been told.
    pub(crate) fn forget_ended(&mut self) {
        self.ended.clear();
    }

    /// Ends a call in which a side is silent still.
    pub(super) fn end_silent(&mut self, call_id: &[u8], side: Side, reason: &str) -> Option<EndedSilent> {
        let (engine, call) = (self.engine.clone()?, self.calls.get(call_id)?);
        let is_silent = call
            .descriptions
            .streams()
            .any(|stream| engine.figures_of(stream).is_some_and(|figures| figures.is_silent(side)));
        if call.callee.is_none() || !is_silent {
            return None;
        }
        let dialog = call.dialog.as_ref()?;
        let byes = [Side::Caller, Side::Callee].into_iter().filter_map(|to| dialog.bye(to, call_id, reason));
        let byes = byes.collect();
        let ended = EndedSilent { caller: call.caller.clone(), byes };
        self.end(call_id);
        Some(ended)
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
        if is_invite && self.calls.get(&*call_id).is_some_and(|call| call.callee.is_none()) {
            self.end(&call_id);
        }
    }

    /// Whether the media of a call go through here.
    pub(crate) fn knows(&self, call_id: &[u8]) -> bool {
        !self.calls.is_empty() && self.calls.contains_key(call_id)
    }

    /// How many calls there are whose media do.
    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    fn known(&self, message: &Message) -> Option<(Arc<MediaEngine>, Vec<u8>)> {
        if self.calls.is_empty() {
            return None;
        }
        Some((self.engine.clone()?, call_id(message).to_vec()))
    }

    fn end(&mut self, call_id: &[u8]) {
        if let (Some(call), Some(engine)) = (self.calls.remove(call_id), &self.engine) {
            self.ended.extend(call.heard(engine).map(|heard| (call.name.clone(), heard)));
            call.descriptions.streams().for_each(|stream| engine.change(Change::Close(stream)));
        }
    }
}

impl Call {
    /// What was heard of its first medium.
    fn heard(&self, engine: &MediaEngine) -> Option<CallMedia> {
        engine.figures_of(self.descriptions.streams().next()?).map(|figures| figures.read())
    }

    /// Rewrites the description in a message of one side.
    fn rewrite(
        &mut self,
        engine: &MediaEngine,
        message: &mut Message,
        side: Side,
        sender: IpAddr,
    ) -> Result<(), NotRelayed> {
        if message.body().is_empty() || !is_description(message) {
            return Ok(());
        }
        let mut description = SessionDescription::parse(message.body()).map_err(|_| NotRelayed::Malformed)?;
        let (number, _) = cseq(message).ok_or(NotRelayed::Malformed)?;
        // Both sides count their requests for themselves.
        let asker = if message.is_request() { side } else { side.other() };
        let exchange = number.wrapping_mul(2).wrapping_add(asker.index() as u32);
        let mut ports = CallPorts { engine, call: &self.name, music: self.music.as_ref() };
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

/// The tag of the callee in a response to a request of `asked`.
fn to_tag_of(asked: Side, message: &Message) -> Option<Vec<u8>> {
    match asked {
        Side::Caller => to_tag(message),
        Side::Callee => from_tag(message),
    }
}

fn to_tag(message: &Message) -> Option<Vec<u8>> {
    let to = message.first::<To<'_>>()?.ok()?;
    Some(to.tag()?.as_bytes().to_vec())
}
