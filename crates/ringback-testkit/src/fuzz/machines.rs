//! Laws of the machines: whatever a peer does, keys end once, tables empty, and what is sent can be read.

use super::script::{Act, acts};
use ringback_message::{HeaderId, Message, Method, Request, StatusCode, UriBuf};
use ringback_proxy::{Branch, Decision, Hop, Ownership, Proxy, ProxyConfig, ProxyOutput, RoutePolicy};
use ringback_registrar::{Aor, LocationStore, MemoryLocations, Registrar, RegistrarConfig};
use ringback_sansio::{CloseReason, Flow, FlowId, Machine, Protocol, SeededEntropy, Target};
use ringback_sdp::{Codec, LocalMedia, MediaKind, OfferAnswer, Origin, SessionDescription};
use ringback_transaction::{Key, TransactionConfig, TransactionInput, TransactionOutput, Transactions};
use ringback_transport::locate::LocateError;
use ringback_transport::via::{Inbound, receive};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

type Table = Transactions<SeededEntropy>;

/// After this long without input nothing may be left of any call.
const LONG: Duration = Duration::from_secs(3_600);

/// `udp`, `tcp`: a message comes. `send`: ours goes. `answer N STATUS`: the Nth request is answered. `cancel N`,
/// `fail N`: the Nth of ours. `echo N STATUS`: the peer answers what we sent as Nth. `wait MILLISECONDS`.
pub(super) fn transactions(input: &[u8]) {
    let mut now = Instant::now();
    let mut table = table();
    let mut seen = Seen::default();
    for act in acts(input) {
        match act.verb {
            "udp" | "tcp" => deliver(&mut table, now, &act),
            "send" => send(&mut table, now, act.message, &mut seen),
            "answer" => {
                if let Some((key, request)) = seen.servers.get(act.number(0) as usize)
                    && let Some(response) = answer(request, act.number(1))
                {
                    let _ = table.respond(now, *key, response);
                }
            }
            "cancel" => {
                if let Some(key) = seen.clients.get(act.number(0) as usize) {
                    let _ = table.cancel(now, *key, act.words.get(1).copied());
                }
            }
            "fail" => {
                if let Some((Some(key), ..)) = seen.sent.get(act.number(0) as usize) {
                    table.handle(now, TransactionInput::Failed(*key, CloseReason::Closed));
                }
            }
            "echo" => {
                if let Some((_, to, message)) = seen.sent.get(act.number(0) as usize)
                    && let Ok(request) = Request::try_from(message.clone())
                    && let Some(response) = answer(&request, act.number(1))
                {
                    let flow = flow(to.protocol(), to.peer());
                    table.handle(now, TransactionInput::Message(flow, response.into()));
                }
            }
            "wait" => now = run_until(&mut table, now, now + act.pause(), &mut |output| seen.take(output)),
            _ => {}
        }
        while let Some(output) = table.poll() {
            seen.take(output);
        }
    }
    // What rings may ring for ever; whose user answers and takes back ends.
    for (key, request) in &seen.servers {
        let _ = table.respond(now, *key, answer(request, 480).expect("any request can be answered"));
    }
    for key in &seen.clients {
        let _ = table.cancel(now, *key, None);
    }
    run_until(&mut table, now, now + LONG, &mut |output| seen.take(output));
    assert!(table.is_empty(), "{} transactions are left", table.len());
    let clients: HashSet<Key> = seen.clients.iter().map(|key| Key::Client(*key)).collect();
    let servers: HashSet<Key> = seen.servers.iter().map(|(key, _)| Key::Server(*key)).collect();
    assert!(clients.union(&servers).all(|key| seen.ended.contains(key)), "every key ends");
}

/// As [`transactions`], with a proxy on top that forks each request to two places.
pub(super) fn proxy(input: &[u8]) {
    let mut now = Instant::now();
    let mut table = table();
    let ownership = Ownership::new([local()], ["example.com"]);
    let mut proxy = Proxy::new(ProxyConfig::new(ownership), &mut SeededEntropy::new(5));
    let mut sent: Vec<(Target, Message)> = Vec::new();
    for act in acts(input) {
        match act.verb {
            "udp" | "tcp" => deliver(&mut table, now, &act),
            "echo" => {
                if let Some((to, message)) = sent.get(act.number(0) as usize)
                    && let Ok(request) = Request::try_from(message.clone())
                    && let Some(response) = answer(&request, act.number(1))
                {
                    let flow = flow(to.protocol(), to.peer());
                    table.handle(now, TransactionInput::Message(flow, response.into()));
                }
            }
            "wait" => {
                let end = now + act.pause();
                while let Some(at) = next(&table, &proxy).filter(|at| *at <= end) {
                    now = at.max(now);
                    table.handle_timeout(now);
                    proxy.handle_timeout(now, &mut table);
                    pump(&mut table, &mut proxy, now, &mut sent);
                }
                now = end;
            }
            _ => {}
        }
        pump(&mut table, &mut proxy, now, &mut sent);
    }
    let end = now + LONG;
    while let Some(at) = next(&table, &proxy).filter(|at| *at <= end) {
        now = at.max(now);
        table.handle_timeout(now);
        proxy.handle_timeout(now, &mut table);
        pump(&mut table, &mut proxy, now, &mut sent);
    }
    assert!(table.is_empty(), "{} transactions are left", table.len());
    assert!(proxy.is_empty(), "{} response contexts are left", proxy.len());
}

/// `udp`, `tcp`: a REGISTER comes. `wait MILLISECONDS`: bindings grow old.
pub(super) fn registrar(input: &[u8]) {
    const CAPACITY: usize = 16;
    let mut now = Instant::now();
    let mut config = RegistrarConfig::default();
    config.domains.push("example.com".into());
    let mut registrar = Registrar::new(config, MemoryLocations::new(CAPACITY), SeededEntropy::new(4));
    for act in acts(input) {
        if act.verb == "wait" {
            now += act.pause();
            registrar.locations_mut().expire(now).for_each(drop);
        }
        let Some((flow, request)) = request(&act) else { continue };
        if *request.method() != Method::REGISTER {
            continue;
        }
        let before = registrar.locations().len();
        let outcome = registrar.register(now, &request, &flow, act.words.first().copied());
        let refused = outcome.refusal.is_some();
        let response = Message::parse(outcome.response).expect("every REGISTER can be answered");
        assert_eq!(response.status(), Some(outcome.status));
        assert_eq!(refused, !outcome.status.is_success());
        assert!(
            !refused || registrar.locations().len() == before,
            "all of a request takes effect, or nothing"
        );
        assert!(registrar.locations().len() <= CAPACITY, "the store is bounded");
        let all: Vec<Aor> = registrar.locations().iter().map(|(aor, _)| aor.clone()).collect();
        for aor in all {
            assert!(registrar.locations().bindings(now, &aor).iter().all(|binding| binding.is_alive(now)));
        }
    }
    while let Some(at) = registrar.locations().next_expiry() {
        registrar.locations_mut().expire(at).for_each(drop);
    }
    assert!(registrar.locations().is_empty(), "every binding ends");
}

/// `offer`, `answer`: a description of the peer. `hold`, `resume`, `ours` (our offer), `rollback`, `bundle`, `video`.
pub(super) fn offer_answer(input: &[u8]) {
    let address = "192.0.2.1".parse().expect("an address");
    let origin = Origin { username: "fuzz".into(), session_id: 1, address };
    let codecs = vec![Codec::pcmu(), Codec::pcma(), Codec::telephone_event()];
    let mut ours = OfferAnswer::new(origin, vec![LocalMedia::audio(4000, codecs)]);
    for act in acts(input) {
        let lines_before = ours.local_description().map_or(0, |description| description.media.len());
        match act.verb {
            "offer" => {
                let Ok(offer) = SessionDescription::parse(act.message) else { continue };
                if ours.receive_offer(&offer).is_ok()
                    && let Ok(answer) = ours.make_answer()
                {
                    assert_eq!(answer.media.len(), offer.media.len(), "an answer has the lines of its offer");
                    readable(&answer);
                }
            }
            "answer" => {
                let Ok(answer) = SessionDescription::parse(act.message) else { continue };
                let _ = ours.receive_answer(&answer);
            }
            "ours" => {
                if let Ok(offer) = ours.make_offer() {
                    assert!(offer.media.len() >= lines_before, "lines are never taken away");
                    readable(&offer);
                }
            }
            "hold" => ours.hold(),
            "resume" => ours.resume(),
            "rollback" => ours.rollback(),
            "bundle" => ours.set_bundling(true),
            // Bounded: what is offered has a limit of its own.
            "video" if ours.local_media().len() < 100 => {
                let codecs = vec![Codec::new(96, "H264", 90_000).expect("a name")];
                ours.add_media(LocalMedia { kind: MediaKind::VIDEO, ..LocalMedia::audio(4002, codecs) });
            }
            _ => {}
        }
        for media in ours.negotiated() {
            let tagged = media.bundle.map(|tagged| &ours.negotiated()[tagged]);
            assert!(tagged.is_none_or(|tagged| tagged.is_active() && tagged.remote_rtp == media.remote_rtp));
        }
    }
}

/// What came out of a transaction table.
#[derive(Default)]
struct Seen {
    clients: Vec<ringback_transaction::ClientKey>,
    servers: Vec<(ringback_transaction::ServerKey, Request)>,
    sent: Vec<(Option<Key>, Target, Message)>,
    ended: HashSet<Key>,
}

impl Seen {
    fn take(&mut self, output: TransactionOutput) {
        match output {
            TransactionOutput::Transmit { key, to, bytes } => self.sent.push((key, to, read(bytes))),
            TransactionOutput::Request(key, _, request) => self.servers.push((key, *request)),
            TransactionOutput::Ended(key, _) => assert!(self.ended.insert(key), "a key ends once"),
            TransactionOutput::Response(key, ..) => {
                assert!(!self.ended.contains(&Key::Client(key)), "nothing comes after the end");
            }
            TransactionOutput::Cancelled(key, _) => {
                assert!(!self.ended.contains(&Key::Server(key)), "nothing comes after the end");
            }
            TransactionOutput::Stray(..) => {}
        }
    }
}

/// Forks each request to two users elsewhere; requests inside a dialog go where their route leads.
struct Fork;

impl RoutePolicy for Fork {
    fn route(&mut self, _now: Instant, _request: &mut Request, hop: Hop<'_>) -> Decision {
        if !hop.own_uri {
            return Decision::Relay;
        }
        let to = |uri: &str| Branch::to(UriBuf::new(uri).expect("a URI"));
        Decision::Forward(
            [to("sip:bob@192.0.2.4"), to("sip:bob@192.0.2.5;transport=tcp")].into_iter().collect(),
        )
    }
}

fn pump(table: &mut Table, proxy: &mut Proxy, now: Instant, sent: &mut Vec<(Target, Message)>) {
    loop {
        while let Some(output) = table.poll() {
            proxy.handle(now, table, &mut Fork, output);
        }
        let Some(output) = proxy.poll() else { return };
        match output {
            ProxyOutput::Transmit { to, bytes, .. } => sent.push((to, read(bytes))),
            ProxyOutput::Local(key, _, request) => {
                if let Some(response) = answer(&request, 404) {
                    let _ = table.respond(now, key, response);
                }
            }
            ProxyOutput::Resolve(token, _) => proxy.resolved(now, table, token, Err(LocateError::NotFound)),
            ProxyOutput::Decide(..)
            | ProxyOutput::Unavailable(..)
            | ProxyOutput::Wake(..)
            | ProxyOutput::Forget(_) => {}
        }
    }
}

fn next(table: &Table, proxy: &Proxy) -> Option<Instant> {
    table.poll_timeout().into_iter().chain(proxy.poll_timeout()).min()
}

/// Fires every deadline up to `end`, at which time it is then.
fn run_until(
    table: &mut Table,
    mut now: Instant,
    end: Instant,
    take: &mut dyn FnMut(TransactionOutput),
) -> Instant {
    // What was done before may have ended something at once, with no deadline left.
    while let Some(output) = table.poll() {
        take(output);
    }
    while let Some(at) = table.poll_timeout().filter(|at| *at <= end) {
        now = at.max(now);
        table.handle_timeout(now);
        let mut yielded = false;
        while let Some(output) = table.poll() {
            take(output);
            yielded = true;
        }
        assert!(yielded || table.poll_timeout().is_none_or(|next| next > now), "a driver never spins");
    }
    end
}

fn table() -> Table {
    let mut config = TransactionConfig { trying_at_once: true, ..TransactionConfig::default() };
    config.locals.set(Protocol::Udp, local());
    config.locals.set(Protocol::Tcp, local());
    Transactions::new(config, SeededEntropy::new(3))
}

fn deliver(table: &mut Table, now: Instant, act: &Act<'_>) {
    if let Some((flow, message)) = inbound(act) {
        table.handle(now, TransactionInput::Message(flow, message));
    }
}

/// The message of an act as it comes from below: valid, and marked with its source.
pub(super) fn inbound(act: &Act<'_>) -> Option<(Flow, Message)> {
    let flow = flow(if act.verb == "tcp" { Protocol::Tcp } else { Protocol::Udp }, peer());
    match receive(&flow, with_line_ends(act.message).into()) {
        Inbound::Message(message) => Some((flow, message)),
        Inbound::KeepAlive | Inbound::Malformed(..) => None,
    }
}

fn send(table: &mut Table, now: Instant, bytes: &[u8], seen: &mut Seen) {
    let Ok(message) = Message::parse(with_line_ends(bytes)) else { return };
    let Ok(mut request) = Request::try_from(message) else { return };
    request.remove(HeaderId::VIA);
    if let Ok(key) = table.request(now, Target::Address(Protocol::Udp, peer()), request) {
        seen.clients.push(key);
    }
}

fn request(act: &Act<'_>) -> Option<(Flow, Request)> {
    let (flow, message) = inbound(act)?;
    Some((flow, Request::try_from(message).ok()?))
}

pub(super) fn answer(request: &Request, status: u64) -> Option<ringback_message::Response> {
    let status = StatusCode::new(u16::try_from(status).ok()?)?;
    request.reply(status, Some("fuzz")).build().ok()
}

/// A script is written with plain line ends; one that has CRLF already is taken as it is.
fn with_line_ends(text: &[u8]) -> Vec<u8> {
    if text.contains(&b'\r') {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len() + 64);
    for byte in text {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

pub(super) fn read(bytes: bytes::Bytes) -> Message {
    Message::parse(bytes).expect("what is sent can be read")
}

fn readable(description: &SessionDescription) {
    SessionDescription::parse(&description.to_bytes()).expect("what is sent can be read");
}

pub(super) fn flow(protocol: Protocol, peer: SocketAddr) -> Flow {
    Flow { id: FlowId(1), protocol, local: local(), peer }
}

pub(super) fn local() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5060))
}

pub(super) fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], 5060))
}
