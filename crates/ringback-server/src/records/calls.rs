//! Following calls: from INVITE to BYE, as the messages that pass tell.
//!
//! No I/O and no clock. What is followed is bounded, and every call ends: by a final status, by BYE, when its session timer
//! (RFC 4028) or its greatest age is over, or when the server ends.

use super::{CallRecord, EndedBy};
use crate::CallMedia;
use ringback_message::header::{From, Reason, SessionExpires, To};
use ringback_message::{HeaderId, Message, Method, Request, Response};
use ringback_sansio::{Epoch, Flow, Hasher, Map, TimerQueue};
use ringback_transaction::{ClientKey, ServerKey};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::time::{Duration, Instant};

/// The longest text of a record, in octets.
const LONGEST: usize = 512;
/// How much longer than its session timer a call may stay silent: two requests that time out.
const GRACE: Duration = Duration::from_secs(64);

/// A dialog, by a hash of its Call-ID and the tag of one of its ends.
type Dialog = u64;

/// The calls of one shard.
#[derive(Debug)]
pub(crate) struct Calls {
    hasher: Hasher,
    epoch: Epoch,
    max_age: Duration,
    most: usize,
    /// Those without an answer, by their INVITE.
    pending: Map<ServerKey, Pending>,
    by_dialog: Map<Dialog, ServerKey>,
    /// Those that were answered, by Call-ID and tag of the caller.
    up: Map<Dialog, Up>,
    ends: TimerQueue<Dialog>,
    records: VecDeque<CallRecord>,
    not_followed: u64,
    setup: Setup,
}

/// How long answers took, in the buckets of a histogram.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) counts: [u64; SETUP.len() + 1],
    pub(crate) total: Duration,
}

/// The upper bounds of the buckets, in milliseconds: from machines that answer to people who do.
pub(crate) const SETUP: [u32; 10] = [5, 25, 100, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000];

#[derive(Debug)]
struct Pending {
    record: CallRecord,
    dialog: Dialog,
    began: Instant,
    is_cancelled: bool,
    /// Where it was sent, by branch.
    targets: SmallVec<[(ClientKey, String); 1]>,
}

#[derive(Debug)]
struct Up {
    record: CallRecord,
    answered: Instant,
    /// How long it may be silent.
    silence: Duration,
    is_by_session_timer: bool,
}

/// A call that is up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpCall {
    /// Its Call-ID.
    pub call_id: String,
    /// Who called.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// For so many seconds.
    pub seconds: u64,
    /// What was heard of both sides so far, where the server relays their media.
    #[serde(default)]
    pub media: Option<CallMedia>,
}

impl Calls {
    /// Follows at most `most` calls. `hasher` is under a key that nobody foretells.
    pub(crate) fn new(hasher: Hasher, epoch: Epoch, max_age: Duration, most: usize) -> Self {
        Self {
            hasher,
            epoch,
            max_age,
            most,
            pending: Map::default(),
            by_dialog: Map::default(),
            up: Map::default(),
            ends: TimerQueue::new(),
            records: VecDeque::new(),
            not_followed: 0,
            setup: Setup::default(),
        }
    }

    /// A request that is new to the transactions.
    pub(crate) fn requested(&mut self, now: Instant, key: ServerKey, flow: &Flow, request: &Request) {
        let call_id = request.values(HeaderId::CALL_ID).next().unwrap_or_default();
        let (Some(Ok(from)), Some(Ok(to))) = (request.first::<From<'_>>(), request.first::<To<'_>>()) else {
            return;
        };
        let by_caller = self.dialog(call_id, from.tag());
        match to.tag() {
            None if *request.method() == Method::INVITE => {
                if self.pending.len() + self.up.len() >= self.most {
                    self.not_followed += 1;
                    return;
                }
                let started_ms = self.unix(now);
                let record = CallRecord {
                    call_id: short(call_id),
                    from: short(from.uri.as_str().as_bytes()),
                    to: short(to.uri.as_str().as_bytes()),
                    request_uri: short(request.uri_bytes()),
                    target: None,
                    source: flow.peer.to_string(),
                    transport: flow.protocol.as_param().to_owned(),
                    route: None,
                    started_ms,
                    answered_ms: None,
                    ended_ms: started_ms,
                    status: 0,
                    ended_by: EndedBy::Server,
                    reason: None,
                    media: None,
                };
                let pending = Pending {
                    record,
                    dialog: by_caller,
                    began: now,
                    is_cancelled: false,
                    targets: SmallVec::new(),
                };
                self.pending.insert(key, pending);
                self.by_dialog.insert(by_caller, key);
            }
            None => {}
            Some(tag) => {
                let by_callee = self.dialog(call_id, Some(tag));
                let (dialog, who) = match self.up.contains_key(&by_caller) {
                    true => (by_caller, EndedBy::Caller),
                    false => (by_callee, EndedBy::Callee),
                };
                if *request.method() == Method::BYE {
                    let reason = reason(request);
                    self.hang_up(now, dialog, who, reason);
                } else if let Some(up) = self.up.get(&dialog) {
                    // Whatever is said in it, it is alive.
                    self.ends.set(dialog, now + up.silence);
                }
            }
        }
    }

    /// The route that an INVITE takes.
    pub(crate) fn routed(&mut self, key: ServerKey, route: &str) {
        if let Some(pending) = self.pending.get_mut(&key) {
            pending.record.route = Some(short(route.as_bytes()));
        }
    }

    /// An INVITE leaves for one of its targets.
    pub(crate) fn sent_on(&mut self, client: ClientKey, bytes: &[u8]) {
        let Some(rest) = bytes.strip_prefix(b"INVITE ") else { return };
        let Ok(message) = Message::parse(bytes.to_vec()) else { return };
        let (Some(Ok(from)), Some(Ok(to))) = (message.first::<From<'_>>(), message.first::<To<'_>>()) else {
            return;
        };
        if to.tag().is_some() {
            return;
        }
        let call_id = message.values(HeaderId::CALL_ID).next().unwrap_or_default();
        let dialog = self.dialog(call_id, from.tag());
        let pending = self.by_dialog.get(&dialog).and_then(|key| self.pending.get_mut(key));
        let Some(pending) = pending.filter(|it| it.targets.iter().all(|(own, _)| *own != client)) else {
            return;
        };
        let uri = short(rest.split(|octet| *octet == b' ').next().unwrap_or_default());
        pending.record.target = Some(uri.clone());
        // RFC 3261 §16.6: so many branches has no request of ours.
        if pending.targets.len() < 16 {
            pending.targets.push((client, uri));
        }
    }

    /// A response came to a branch.
    pub(crate) fn answered(&mut self, client: ClientKey, response: &Response) {
        if !response.status().is_success() {
            return;
        }
        let (Some(call_id), Some(Ok(from))) =
            (response.values(HeaderId::CALL_ID).next(), response.first::<From<'_>>())
        else {
            return;
        };
        let dialog = self.dialog(call_id, from.tag());
        let pending = self.by_dialog.get(&dialog).and_then(|key| self.pending.get_mut(key));
        let Some(pending) = pending else { return };
        if let Some((_, uri)) = pending.targets.iter().find(|(own, _)| *own == client) {
            pending.record.target = Some(uri.clone());
        }
    }

    /// The caller gave up.
    pub(crate) fn cancelled(&mut self, key: ServerKey, cancel: &Request) {
        if let Some(pending) = self.pending.get_mut(&key) {
            pending.is_cancelled = true;
            pending.record.reason = reason(cancel);
        }
    }

    /// A response leaves for the caller.
    pub(crate) fn responded(&mut self, now: Instant, key: ServerKey, bytes: &[u8]) {
        let status = bytes.strip_prefix(b"SIP/2.0 ").and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
        let Some(status @ 200..) = status else { return };
        let Some(mut pending) = self.forget(key) else { return };
        pending.record.status = status;
        if status < 300 {
            return self.connect(now, pending, bytes);
        }
        // Who is asked for his password calls again at once.
        if status == 401 || status == 407 {
            return;
        }
        let is_told = pending.record.target.is_some();
        pending.record.ended_by = match (pending.is_cancelled, is_told) {
            (true, _) => EndedBy::Caller,
            (false, true) => EndedBy::Callee,
            (false, false) => EndedBy::Server,
        };
        if pending.record.reason.is_none() {
            pending.record.reason = Message::parse(bytes.to_vec()).ok().as_ref().and_then(reason);
        }
        self.write(now, pending.record);
    }

    /// A transaction is over. One that never got an answer has none by now.
    pub(crate) fn ended(&mut self, now: Instant, key: ServerKey) {
        if let Some(mut pending) = self.forget(key) {
            pending.record.reason = Some("it was never answered".to_owned());
            self.write(now, pending.record);
        }
    }

    fn connect(&mut self, now: Instant, mut pending: Pending, bytes: &[u8]) {
        pending.record.answered_ms = Some(self.unix(now));
        self.setup.add(now.saturating_duration_since(pending.began));
        let answer = Message::parse(bytes.to_vec()).ok();
        let timer = answer.as_ref().and_then(|answer| answer.first::<SessionExpires>()?.ok());
        let timer = timer.map(|timer| Duration::from_secs(timer.seconds.into()) + GRACE);
        let silence = timer.map_or(self.max_age, |timer| timer.min(self.max_age));
        let up = Up { record: pending.record, answered: now, silence, is_by_session_timer: timer.is_some() };
        self.ends.set(pending.dialog, now + silence);
        self.up.insert(pending.dialog, up);
    }

    fn hang_up(&mut self, now: Instant, dialog: Dialog, who: EndedBy, reason: Option<String>) {
        if let Some(mut up) = self.up.remove(&dialog) {
            self.ends.cancel(dialog);
            (up.record.ended_by, up.record.reason) = (who, reason);
            self.write(now, up.record);
        }
    }

    /// We have ended the call with this Call-ID and this tag of the caller.
    pub(crate) fn ended_by_us(&mut self, now: Instant, call_id: &[u8], caller: &[u8], why: &str) {
        let dialog = self.dialog(call_id, std::str::from_utf8(caller).ok());
        self.hang_up(now, dialog, EndedBy::Server, Some(why.to_owned()));
    }

    /// Ends what was silent for too long.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(dialog) = self.ends.pop_expired(now) {
            let is_timed = self.up.get(&dialog).is_some_and(|up| up.is_by_session_timer);
            let why = if is_timed {
                "no BYE: its session timer ran out"
            } else {
                "no BYE: it was silent for too long"
            };
            self.hang_up(now, dialog, EndedBy::Server, Some(why.to_owned()));
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.ends.next()
    }

    /// The next record.
    pub(crate) fn poll(&mut self) -> Option<CallRecord> {
        self.records.pop_front()
    }

    /// The server ends, and hears nothing of what is up any more.
    pub(crate) fn close(&mut self, now: Instant) {
        let open: Vec<Dialog> = self.up.keys().copied().collect();
        for dialog in open {
            self.hang_up(
                now,
                dialog,
                EndedBy::Server,
                Some("the server ended, and the call went on".to_owned()),
            );
        }
    }

    /// Whether a request is of a call that is up.
    pub(crate) fn follows(&self, request: &Request) -> bool {
        let call_id = request.values(HeaderId::CALL_ID).next().unwrap_or_default();
        let is_of = |tag: Option<&str>| self.up.contains_key(&self.dialog(call_id, tag));
        matches!(request.first::<From<'_>>(), Some(Ok(from)) if is_of(from.tag()))
            || matches!(request.first::<To<'_>>(), Some(Ok(to)) if is_of(to.tag()))
    }

    /// How many are up.
    pub(crate) fn len(&self) -> usize {
        self.up.len()
    }

    /// Those that are up.
    pub(crate) fn list(&self, now: Instant) -> impl Iterator<Item = UpCall> {
        self.up.values().map(move |up| UpCall {
            call_id: up.record.call_id.clone(),
            from: up.record.from.clone(),
            to: up.record.to.clone(),
            seconds: now.saturating_duration_since(up.answered).as_secs(),
            media: None,
        })
    }

    /// How many were not followed, for there were too many.
    pub(crate) fn not_followed(&self) -> u64 {
        self.not_followed
    }

    /// How long answers took.
    pub(crate) fn setup(&self) -> Setup {
        self.setup
    }

    fn forget(&mut self, key: ServerKey) -> Option<Pending> {
        let pending = self.pending.remove(&key)?;
        if self.by_dialog.get(&pending.dialog) == Some(&key) {
            self.by_dialog.remove(&pending.dialog);
        }
        Some(pending)
    }

    fn write(&mut self, now: Instant, record: CallRecord) {
        let ended_ms = self.unix(now);
        self.records.push_back(CallRecord { ended_ms, ..record });
    }

    fn dialog(&self, call_id: &[u8], tag: Option<&str>) -> Dialog {
        self.hasher.hash_one((call_id, tag.unwrap_or_default()))
    }

    fn unix(&self, now: Instant) -> u64 {
        u64::try_from(self.epoch.unix(now).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Setup {
    fn add(&mut self, took: Duration) {
        let bucket =
            SETUP.iter().position(|most| took.as_millis() <= u128::from(*most)).unwrap_or(SETUP.len());
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.total += took;
    }
}

/// What a Reason says (RFC 3326): protocol, cause and text.
fn reason(message: &Message) -> Option<String> {
    let reason = message.first::<Reason<'_>>()?.ok()?;
    let cause = reason.params.value("cause").unwrap_or_default();
    let text = reason.params.value("text").unwrap_or_default().trim_matches('"');
    let said = format!("{} {cause} {text}", reason.protocol);
    Some(short(said.trim_end().as_bytes()))
}

/// Text of a peer: not too long, and without what steers a terminal.
fn short(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..LONGEST).unwrap_or(bytes));
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests;
