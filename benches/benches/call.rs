//! A call through transactions and proxy: INVITE, 180 and 200 in, and out what a proxy makes of them.

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use ringback_message::{Message, Request, StatusCode};
use ringback_proxy::{Branch, Decision, Hop, Ownership, Proxy, ProxyConfig, ProxyOutput, RoutePolicy};
use ringback_sansio::{Flow, FlowId, Machine, Protocol, SeededEntropy, Target};
use ringback_transaction::{TransactionConfig, TransactionInput, TransactionOutput, Transactions};
use ringback_transport::via::{Inbound, receive};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Where everybody is.
const PROXY: ([u8; 4], u16) = ([192, 0, 2, 1], 5060);
const CALLER: ([u8; 4], u16) = ([192, 0, 2, 9], 5060);
const CALLEE: ([u8; 4], u16) = ([192, 0, 2, 4], 5060);

/// Sends everything to one phone.
struct OnePhone;

impl RoutePolicy for OnePhone {
    fn route(&mut self, _now: Instant, _request: &mut Request, _hop: Hop<'_>) -> Decision {
        Decision::forward(Branch::to("sip:bob@192.0.2.4".parse().expect("a URI")))
    }
}

struct Node {
    now: Instant,
    table: Transactions<SeededEntropy>,
    proxy: Proxy,
    sent: Vec<(Target, Bytes)>,
}

impl Node {
    fn new() -> Self {
        let mut config = TransactionConfig { trying_at_once: true, ..TransactionConfig::default() };
        config.locals.set(Protocol::Udp, SocketAddr::from(PROXY));
        let ownership = Ownership::new([SocketAddr::from(PROXY)], ["example.com"]);
        Self {
            now: Instant::now(),
            table: Transactions::new(config, SeededEntropy::new(1)),
            proxy: Proxy::new(ProxyConfig::new(ownership), &mut SeededEntropy::new(2)),
            sent: Vec::new(),
        }
    }

    /// A datagram in, and everything out that follows from it.
    fn datagram(&mut self, from: SocketAddr, bytes: Bytes) {
        let flow =
            Flow { id: FlowId(1), protocol: Protocol::Udp, local: SocketAddr::from(PROXY), peer: from };
        let Inbound::Message(message) = receive(&flow, bytes) else { panic!("the samples are valid") };
        self.table.handle(self.now, TransactionInput::Message(flow, message));
        self.pump();
    }

    fn pump(&mut self) {
        while let Some(output) = self.table.poll() {
            self.proxy.handle(self.now, &mut self.table, &mut OnePhone, output);
        }
        while let Some(output) = self.proxy.poll() {
            if let ProxyOutput::Transmit { to, bytes, .. } = output {
                self.sent.push((to, bytes));
            }
        }
    }

    /// Lets time pass, so that what is over goes.
    fn sleep(&mut self, pause: Duration) {
        self.now += pause;
        while self.table.poll_timeout().is_some_and(|at| at <= self.now) {
            self.table.handle_timeout(self.now);
            self.pump();
        }
    }
}

fn invite(number: u64) -> Bytes {
    Bytes::from(format!(
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKcall{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Alice\" <sip:alice@example.com>;tag=a{number}\r\nTo: <sip:bob@example.com>\r\n\
         Call-ID: call-{number}@192.0.2.9\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@192.0.2.9:5060>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nUser-Agent: bench\r\nContent-Length: 0\r\n\r\n"
    ))
}

/// The time of the machines alone; what the two phones do is left out.
fn proxied_call(c: &mut Criterion) {
    let mut node = Node::new();
    let mut number = 0;
    c.bench_function("call/proxied-invite", |b| {
        b.iter_custom(|calls| {
            let mut spent = Duration::ZERO;
            for _ in 0..calls {
                number += 1;
                let bytes = invite(number);
                node.sent.clear();
                let start = Instant::now();
                node.datagram(CALLER.into(), bytes);
                spent += start.elapsed();

                let forwarded = node.sent.iter().find(|(to, _)| to.peer() == SocketAddr::from(CALLEE));
                let (_, bytes) = forwarded.expect("the INVITE goes on").clone();
                let request = Request::try_from(Message::parse(bytes).expect("ours")).expect("a request");
                let answers = [StatusCode::RINGING, StatusCode::OK]
                    .map(|status| request.reply(status, Some("b")).build().expect("valid").render());
                let start = Instant::now();
                for bytes in answers {
                    node.datagram(CALLEE.into(), bytes);
                }
                spent += start.elapsed();
                // A thousand calls a second: old ones end while new ones come, and that counts too.
                let start = Instant::now();
                node.sleep(Duration::from_millis(1));
                spent += start.elapsed();
            }
            spent
        });
    });
}

/// One exchange of a server transaction without a core: a request, its answer, its end.
fn answered_options(c: &mut Criterion) {
    let mut config = TransactionConfig::default();
    config.locals.set(Protocol::Udp, SocketAddr::from(PROXY));
    let mut table = Transactions::new(config, SeededEntropy::new(3));
    let flow = Flow { id: FlowId(1), protocol: Protocol::Udp, local: PROXY.into(), peer: CALLER.into() };
    let (mut now, mut number) = (Instant::now(), 0_u64);
    c.bench_function("transaction/answered-request", |b| {
        b.iter_custom(|requests| {
            let mut spent = Duration::ZERO;
            for _ in 0..requests {
                number += 1;
                let text =
                    String::from_utf8(invite(number).to_vec()).expect("text").replace("INVITE", "OPTIONS");
                let Inbound::Message(message) = receive(&flow, text.into()) else { panic!("valid") };
                let start = Instant::now();
                table.handle(now, TransactionInput::Message(flow, message));
                while let Some(output) = table.poll() {
                    if let TransactionOutput::Request(key, _, request) = output {
                        let response = request.reply(StatusCode::OK, Some("b")).build().expect("valid");
                        table.respond(now, key, response).expect("alive");
                    }
                }
                now += Duration::from_millis(1);
                if table.poll_timeout().is_some_and(|at| at <= now) {
                    table.handle_timeout(now);
                    while table.poll().is_some() {}
                }
                spent += start.elapsed();
            }
            spent
        });
    });
}

criterion_group!(benches, proxied_call, answered_options);
criterion_main!(benches);
