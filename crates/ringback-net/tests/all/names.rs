//! Finding names: the driver against a name server of its own on loopback.

use hickory_resolver::proto::op::{Message as Dns, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name as DnsName, RData, Record};
use ringback_message::{Message, UriBuf};
use ringback_net::{
    CloseReason, Core, Flow, Hosts, LocateError, NameServers, Net, NetConfig, Outbox, Protocol, Sockets,
    Target, Worker,
};
use ringback_transport::locate::next_hop;
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// Hears where names lead.
type Found = (u64, Result<Vec<Target>, LocateError>);

struct Ear(Mutex<mpsc::Sender<Found>>);

impl Core for Ear {
    type Tag = ();
    fn received(&self, _: Instant, _: Flow, _: Message, _: &mut Outbox<()>) {}
    fn failed(&self, _: Instant, (): (), _: CloseReason, _: &mut Outbox<()>) {}
    fn resolved(&self, _: Instant, token: u64, found: Result<&[Target], LocateError>, _: &mut Outbox<()>) {
        let _ = self.0.lock().unwrap().send((token, found.map(<[_]>::to_vec)));
    }
    fn handle_timeout(&self, _: Instant, _: Worker, _: &mut Outbox<()>) {}
    fn poll_timeout(&self, _: Worker) -> Option<Instant> {
        None
    }
}

/// A name server: answers from its zone, SERVFAIL for names that hold `fail`, nothing for those that hold `mute`, and counts
/// what it is asked. Answers for names that hold `short` are over at once.
struct Server {
    address: std::net::SocketAddr,
    /// Whether it fails for every name.
    is_down: Arc<AtomicBool>,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Server {
    fn start(zone: Vec<(&'static str, RData)>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(BTreeMap::new()));
        let count = asked.clone();
        let is_down = Arc::new(AtomicBool::new(false));
        let down = is_down.clone();
        thread::spawn(move || {
            let mut buffer = [0; 2_048];
            while let Ok((len, peer)) = socket.recv_from(&mut buffer) {
                let mut answer = Dns::from_vec(&buffer[..len]).unwrap().into_response();
                let query = answer.queries[0].clone();
                let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
                *count.lock().unwrap().entry(format!("{} {name}", query.query_type())).or_insert(0) += 1;
                if name.contains("mute") {
                    continue;
                }
                let ttl = if name.contains("short") { 0 } else { 60 };
                let known = zone.iter().any(|(own, _)| *own == name);
                let found = zone
                    .iter()
                    .filter(|(own, data)| *own == name && data.record_type() == query.query_type());
                for (_, data) in found.filter(|_| !down.load(Ordering::Relaxed)) {
                    answer.add_answer(Record::from_rdata(query.name().clone(), ttl, data.clone()));
                }
                answer.metadata.response_code =
                    match (name.contains("fail") || down.load(Ordering::Relaxed), known) {
                        (true, _) => ResponseCode::ServFail,
                        (false, true) => ResponseCode::NoError,
                        (false, false) => ResponseCode::NXDomain,
                    };
                let _ = socket.send_to(&answer.to_vec().unwrap(), peer);
            }
        });
        Self { address, asked, is_down }
    }

    fn asked(&self, question: &str) -> usize {
        self.asked.lock().unwrap().get(question).copied().unwrap_or(0)
    }
}

fn name(text: &str) -> DnsName {
    DnsName::from_ascii(text).unwrap()
}

fn a(ip: [u8; 4]) -> RData {
    RData::A(A(ip.into()))
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 0, port, name(target)))
}

fn naptr(order: u16, service: &str, replacement: &str) -> RData {
    let service = service.as_bytes().into();
    RData::NAPTR(NAPTR::new(order, 0, (*b"s").into(), service, Box::default(), name(replacement)))
}

fn start(server: &Server, hosts: Hosts) -> (Net<Ear>, mpsc::Receiver<Found>) {
    let listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"].map(|listen| listen.parse().unwrap());
    let config = NetConfig {
        name_servers: NameServers::At(vec![server.address]),
        hosts,
        max_questions: 8,
        ..NetConfig::new(listen)
    };
    let (told, receiver) = mpsc::channel();
    (Sockets::bind(config).unwrap().start(Arc::new(Ear(Mutex::new(told)))).unwrap(), receiver)
}

fn ask(net: &Net<Ear>, token: u64, uri: &str) {
    let uri: UriBuf = uri.parse().unwrap();
    let mut out = Outbox::new();
    out.resolve(token, next_hop(&uri.as_sip().unwrap()).unwrap());
    net.send(out);
}

#[test]
fn services_servers_and_addresses_are_asked_for_and_remembered() {
    let server = Server::start(vec![
        ("example.com", naptr(10, "SIP+D2T", "_sip._tcp.example.com.")),
        ("example.com", naptr(20, "SIP+D2U", "_sip._udp.example.com.")),
        ("_sip._tcp.example.com", srv(2, 5072, "second.example.com.")),
        ("_sip._tcp.example.com", srv(1, 5071, "first.example.com.")),
        ("first.example.com", a([192, 0, 2, 1])),
        ("second.example.com", a([192, 0, 2, 2])),
    ]);
    let (net, told) = start(&server, Hosts::new());
    let expected = ["192.0.2.1:5071", "192.0.2.2:5072"]
        .map(|peer| Target::Address(Protocol::Tcp, peer.parse().unwrap()));
    for token in 0..3 {
        ask(&net, token, "sip:bob@example.com");
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (token, Ok(expected.to_vec())));
    }
    for question in ["NAPTR example.com", "SRV _sip._tcp.example.com", "A first.example.com"] {
        assert_eq!(server.asked(question), 1, "{question} is in the cache");
    }
    assert_eq!(server.asked("SRV _sip._udp.example.com"), 0);
}

#[test]
fn fault_38_what_is_not_there_or_does_not_answer_is_told_in_time_and_delays_nobody() {
    let server = Server::start(vec![("good.example", a([192, 0, 2, 9]))]);
    let (net, told) = start(&server, Hosts::new());
    ask(&net, 1, "sip:bob@nothing.example");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (1, Err(LocateError::NotFound)));
    ask(&net, 2, "sip:bob@fail.example");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (2, Err(LocateError::Unanswered)));
    // A server that is silent holds up neither other names nor, beyond the limit, more of its own.
    let begun = Instant::now();
    for token in 10..18 {
        ask(&net, token, &format!("sip:bob@mute{token}.example:5060"));
    }
    ask(&net, 18, "sip:bob@mute.example:5060");
    assert_eq!(
        told.recv_timeout(PATIENCE).unwrap(),
        (18, Err(LocateError::Unanswered)),
        "over the limit: told at once"
    );
    let mut ended: Vec<u64> = (10..18).map(|_| told.recv_timeout(PATIENCE).unwrap().0).collect();
    ended.sort_unstable();
    assert_eq!(ended, Vec::from_iter(10..18));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    ask(&net, 3, "sip:bob@good.example:5062");
    let good = Target::Address(Protocol::Udp, "192.0.2.9:5062".parse().unwrap());
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (3, Ok(vec![good])));
}

#[test]
fn names_of_the_hosts_table_are_not_asked_for() {
    let server = Server::start(Vec::new());
    let mut hosts = Hosts::new();
    hosts.add("bob.example", [192, 0, 2, 7].into());
    let (net, told) = start(&server, hosts);
    ask(&net, 1, "sip:bob@BOB.example");
    let bob = Target::Address(Protocol::Udp, "192.0.2.7:5060".parse().unwrap());
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (1, Ok(vec![bob])));
    assert!(server.asked.lock().unwrap().is_empty());
}

#[test]
fn rule_10_names_lead_past_targets_that_failed_until_these_may_be_asked_again() {
    let server = Server::start(vec![
        ("_sip._tcp.example.com", srv(1, 5071, "first.example.com.")),
        ("_sip._tcp.example.com", srv(2, 5072, "second.example.com.")),
        ("first.example.com", a([192, 0, 2, 1])),
        ("second.example.com", a([192, 0, 2, 2])),
    ]);
    let (net, told) = start(&server, Hosts::new());
    let uri = "sip:bob@example.com;transport=tcp";
    let [first, second] = ["192.0.2.1:5071", "192.0.2.2:5072"]
        .map(|peer| Target::Address(Protocol::Tcp, peer.parse().unwrap()));
    ask(&net, 1, uri);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (1, Ok(vec![first, second])));
    let mut out = Outbox::new();
    out.avoid(first, Some(Duration::from_secs(1)));
    net.send(out);
    ask(&net, 2, uri);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (2, Ok(vec![second, first])));
    let begun = Instant::now();
    let mut token = 3;
    loop {
        ask(&net, token, uri);
        if told.recv_timeout(PATIENCE).unwrap() == (token, Ok(vec![first, second])) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE);
        token += 1;
    }
}

#[test]
fn rfc_8767_old_answers_are_used_while_the_name_servers_fail() {
    let server = Server::start(vec![
        ("_sip._udp.short.example", srv(1, 5071, "host.short.example.")),
        ("host.short.example", a([192, 0, 2, 1])),
    ]);
    let (net, told) = start(&server, Hosts::new());
    let uri = "sip:bob@short.example;transport=udp";
    let found = Ok(vec![Target::Address(Protocol::Udp, "192.0.2.1:5071".parse().unwrap())]);
    for token in 0..2 {
        ask(&net, token, uri);
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (token, found.clone()));
    }
    assert_eq!(server.asked("A host.short.example"), 2, "it was over at once");
    server.is_down.store(true, Ordering::Relaxed);
    ask(&net, 2, uri);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (2, found.clone()));
    let asked = server.asked("A host.short.example");
    ask(&net, 3, uri);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (3, found));
    assert_eq!(server.asked("A host.short.example"), asked, "a server that fails is left alone for a while");
    ask(&net, 4, "sip:bob@unknown.short.example:5060");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (4, Err(LocateError::Unanswered)));
}
