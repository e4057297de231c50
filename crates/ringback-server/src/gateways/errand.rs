//! Requests of the server's own to gateways: asking whether they are there, by OPTIONS, and registering with them.

use super::trunk::Next;
use super::{Gateways, Member};
use crate::core::{Out, ServerCore};
use crate::shard::{Asker, Node};
use ringback_message::header::CSeq;
use ringback_message::{HeaderId, Method, Request, Response, StatusCode};
use ringback_sansio::{Protocol, Target};
use ringback_transaction::{ClientKey, Key, TransactionOutput};
use ringback_transport::locate::next_hop;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How often calls are looked at whose end nobody heard of, and when what was begun is begun again without an answer.
const SWEEP: Duration = Duration::from_secs(600);

/// Something that the server does by itself for a gateway.
#[derive(Clone, Debug)]
pub(crate) enum Errand {
    /// Asks it whether it is there.
    Probe(Arc<Member>),
    /// Tells it where we are, or that we are there no more.
    Register(Arc<Member>),
}

/// A request that is under way, and where it went.
#[derive(Debug)]
pub(crate) struct Sent {
    errand: Errand,
    to: Target,
}

/// What is to be done when.
#[derive(Debug, Default)]
pub(super) struct Plan {
    next: Vec<(Instant, Errand)>,
    sweep: Option<Instant>,
}

impl Errand {
    fn member(&self) -> &Arc<Member> {
        match self {
            Self::Probe(member) | Self::Register(member) => member,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Probe(own), Self::Probe(other)) => Arc::ptr_eq(own, other),
            // An account stays what it is where all else is said of its member.
            (Self::Register(own), Self::Register(other)) => {
                let accounts = own.registers().zip(other.registers());
                accounts.is_some_and(|(own, other)| Arc::ptr_eq(own, other))
            }
            _ => false,
        }
    }

    /// When it is done again while nothing else is said.
    fn interval(&self) -> Duration {
        match self {
            Self::Probe(member) => member.probe.unwrap_or(SWEEP),
            Self::Register(_) => SWEEP,
        }
    }
}

impl Gateways {
    /// All is done at once for those that are new; until then they are believed to be there. `before` are those that there were.
    pub(super) fn plan(&self, now: Instant, before: &[Arc<Member>]) {
        let members = self.members();
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let known = std::mem::take(&mut plan.next);
        for member in members.iter().filter(|member| member.probe.is_some()) {
            plan.add(Errand::Probe(member.clone()), now, &known);
        }
        for member in &members {
            let Some(trunk) = member.registers() else { continue };
            let known = if trunk.leave(false) { &[] } else { &known[..] };
            plan.add(Errand::Register(member.clone()), now, known);
        }
        // Whoever registers the same account takes the place of the binding, which then is his.
        let is_gone = |own: &&Arc<Member>| !members.iter().any(|member| member.registers_as(own));
        for member in before.iter().filter(is_gone) {
            let Some(trunk) = member.registers().filter(|trunk| trunk.may_be_registered(now)) else {
                continue;
            };
            let known = if trunk.leave(true) { &[] } else { &known[..] };
            plan.add(Errand::Register(member.clone()), now, known);
        }
        plan.sweep = (!members.is_empty()).then(|| plan.sweep.unwrap_or(now + SWEEP));
        self.due.set(plan.due());
    }

    /// Those of earlier configurations that are told that we are there no more.
    pub(super) fn leaving(&self) -> Vec<Arc<Member>> {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.next.iter().map(|(_, errand)| errand.member()).cloned().collect()
    }

    /// What has to be done now.
    fn to_do(&self, now: Instant) -> Vec<Errand> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        for (next, errand) in plan.next.iter_mut().filter(|(next, _)| *next <= now) {
            *next = now + errand.interval();
            due.push(errand.clone());
        }
        if plan.sweep.is_some_and(|at| at <= now) {
            plan.sweep = Some(now + SWEEP);
            self.calls.sweep(now);
        }
        self.due.set(plan.due());
        due
    }

    /// Says when an errand is due again; `None` where it is done for good.
    fn set(&self, errand: &Errand, at: Option<Instant>) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        match at {
            Some(at) => {
                let found = plan.next.iter_mut().find(|(_, own)| own.is_same(errand));
                found.into_iter().for_each(|(next, _)| *next = at);
            }
            None => plan.next.retain(|(_, own)| !own.is_same(errand)),
        }
        self.due.set(plan.due());
    }
}

impl Plan {
    /// Adds an errand once: at its time where it is known, else at once.
    fn add(&mut self, errand: Errand, now: Instant, known: &[(Instant, Errand)]) {
        if !self.next.iter().any(|(_, own)| own.is_same(&errand)) {
            let at = known.iter().find(|(_, own)| own.is_same(&errand)).map_or(now, |(at, _)| *at);
            self.next.push((at, errand));
        }
    }

    fn due(&self) -> Option<Instant> {
        self.next.iter().map(|(next, _)| *next).chain(self.sweep).min()
    }
}

impl ServerCore {
    /// Does what is due for gateways.
    pub(crate) fn tend_gateways(&self, now: Instant, out: &mut Out) {
        for errand in self.gateways.to_do(now) {
            let hop = errand.member().uri.as_sip().and_then(|uri| next_hop(&uri).ok());
            // What stands in the configuration leads somewhere, by an address or by a name.
            let Some(hop) = hop else { continue };
            let call_id = match &errand {
                Errand::Probe(_) => self.gateways.call_id(),
                Errand::Register(member) => {
                    member.registers().map(|trunk| trunk.call_id()).unwrap_or_default()
                }
            };
            // Where the answer will come.
            let index = self.index(call_id.as_bytes());
            let mut asked = 0;
            self.with_shard(now, index, out, |node| {
                node.asked += 1;
                asked = node.asked;
                node.questions.insert(asked, Asker::Errand(errand, call_id));
            });
            out.resolve((index as u64) << 48 | asked, hop);
        }
    }

    /// Sends the request of an errand.
    pub(crate) fn run_errand(
        &self,
        now: Instant,
        node: &mut Node,
        errand: Errand,
        call_id: &str,
        to: Target,
    ) {
        let request = match &errand {
            Errand::Probe(member) => {
                let ownership = self.ownership.load();
                let host = ownership.domains().first().map_or("localhost", String::as_str);
                let sent_by = node.transactions.locals().sent_by(&to).map(str::to_owned);
                options(member, host, (&to, sent_by.as_deref()), call_id, node)
            }
            // Its answer says when the next one is due.
            Errand::Register(member) if member.registers().is_some_and(|trunk| trunk.is_under_way()) => {
                return;
            }
            Errand::Register(member) => {
                let sent_by = node.transactions.locals().sent_by(&to);
                sent_by.and_then(|sent_by| member.registers()?.register(&to, sent_by))
            }
        };
        match request {
            Some(request) => self.send_errand(now, node, Sent { errand, to }, request),
            None => self.errand_failed(now, &errand),
        }
    }

    fn send_errand(&self, now: Instant, node: &mut Node, sent: Sent, request: Request) {
        match node.transactions.request(now, sent.to, request) {
            Ok(key) => drop(node.errands.insert(key, sent)),
            Err(_) => self.errand_failed(now, &sent.errand),
        }
    }

    /// Takes note of what is about a request of our own, and says whether it was.
    pub(crate) fn is_of_errand(&self, now: Instant, node: &mut Node, output: &TransactionOutput) -> bool {
        match output {
            TransactionOutput::Response(key, _, response) if node.errands.contains_key(key) => {
                if response.status().is_final() {
                    self.errand_answered(now, node, key, response);
                }
                true
            }
            TransactionOutput::Ended(Key::Client(key), _) => match node.errands.remove(key) {
                Some(sent) => {
                    self.errand_failed(now, &sent.errand);
                    true
                }
                None => false,
            },
            _ => false,
        }
    }

    fn errand_answered(&self, now: Instant, node: &mut Node, key: &ClientKey, response: &Response) {
        let Some(Sent { errand, to }) = node.errands.remove(key) else { return };
        match &errand {
            Errand::Probe(member) => probed(now, member, Some(response)),
            Errand::Register(member) => {
                match member.registers().map(|trunk| trunk.registered(now, Some(response))) {
                    Some(Next::Now(request)) => self.send_errand(now, node, Sent { errand, to }, *request),
                    Some(Next::At(at)) => {
                        told(member, response.status(), "registered with the gateway");
                        self.gateways.set(&errand, Some(at));
                    }
                    Some(Next::Nothing) => {
                        told(member, response.status(), "not registered with the gateway any more");
                        self.gateways.set(&errand, None);
                    }
                    None => {}
                }
            }
        }
    }

    /// An errand led to no answer.
    pub(crate) fn errand_failed(&self, now: Instant, errand: &Errand) {
        match errand {
            Errand::Probe(member) => probed(now, member, None),
            Errand::Register(member) => {
                let at = match member.registers().map(|trunk| trunk.registered(now, None)) {
                    Some(Next::At(at)) => Some(at),
                    Some(Next::Nothing) => None,
                    Some(Next::Now(_)) | None => return,
                };
                tracing::warn!(uri = %member.uri, "the gateway does not answer REGISTER");
                self.gateways.set(errand, at);
            }
        }
    }
}

fn told(member: &Member, status: StatusCode, what: &str) {
    let uri = &member.uri;
    if status.is_success() {
        tracing::debug!(%uri, "{what}");
    } else {
        tracing::warn!(%uri, %status, "the gateway does not take a REGISTER");
    }
}

fn probed(now: Instant, member: &Member, answer: Option<&Response>) {
    if !member.probed(now, answer.map(Response::status)) {
        return;
    }
    let Member { group, uri, .. } = member;
    match answer {
        Some(response) => tracing::info!(group, %uri, status = %response.status(), "gateway answered"),
        None => tracing::warn!(group, %uri, "gateway does not answer"),
    }
}

fn options(
    member: &Member,
    host: &str,
    (to, sent_by): (&Target, Option<&str>),
    call_id: &str,
    node: &mut Node,
) -> Option<Request> {
    let tag = node.tag();
    let uri = &member.uri;
    let request = Request::builder(Method::OPTIONS, uri.as_str())
        .header(HeaderId::MAX_FORWARDS, 70u8)
        .header(HeaderId::FROM, format_args!("<sip:{host}>;tag={tag}"))
        .header(HeaderId::TO, format_args!("<{uri}>"))
        .header(HeaderId::CALL_ID, call_id)
        .header(HeaderId::CSEQ, CSeq { number: 1, method: Method::OPTIONS })
        .header(HeaderId::ACCEPT, "application/sdp");
    // Some platforms know whose call is coming by whom they see here (RFC 3261 §11.1 allows it).
    let request = match (sent_by, to.protocol()) {
        (Some(sent_by), Protocol::Udp) => request.header(HeaderId::CONTACT, format_args!("<sip:{sent_by}>")),
        (Some(sent_by), protocol) => {
            request.header(HeaderId::CONTACT, format_args!("<sip:{sent_by};transport={protocol}>"))
        }
        (None, _) => request,
    };
    request.build().ok()
}
