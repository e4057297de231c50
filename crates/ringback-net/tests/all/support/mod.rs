//! A core that answers everything, and clients to talk to it.
#![allow(dead_code, reason = "each test file uses its part")]

use bytes::Bytes;
use ringback_message::header::Via;
use ringback_message::{HeaderId, Message, Method, Request, StatusCode};
use ringback_net::{
    CloseReason, Core, Flow, LocateError, Net, NetConfig, Outbox, Protocol, Sockets, Target, Worker,
};
use ringback_transport::via::response_target;
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the core was told.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    Response(StatusCode, Protocol),
    Failed(u32, CloseReason),
    Resolved(u64, Result<Vec<Target>, LocateError>),
    Malformed(&'static str),
    Closed(SocketAddr),
    Mapped(SocketAddr),
    Timeout,
}

/// Answers every request 200 and reports all else.
pub(crate) struct Echo {
    pub(crate) told: Mutex<mpsc::Sender<Told>>,
    pub(crate) due: Mutex<Option<Instant>>,
    /// The flow of the last response.
    pub(crate) last: Mutex<Option<Flow>>,
}

impl Echo {
    fn tell(&self, told: Told) {
        // The test may be over.
        let _ = self.told.lock().unwrap().send(told);
    }
}

impl Core for Echo {
    type Tag = u32;

    fn received(&self, _now: Instant, flow: Flow, message: Message, out: &mut Outbox<u32>) {
        match Request::try_from(message) {
            Ok(request) => {
                let via = request.first::<Via<'_>>().unwrap().unwrap();
                let ok = request.reply(StatusCode::OK, Some("t")).build().unwrap();
                out.send(None, response_target(&flow, &via).unwrap(), ok.render());
            }
            Err(response) => {
                *self.last.lock().unwrap() = Some(flow);
                self.tell(Told::Response(response.status().unwrap(), flow.protocol));
            }
        }
    }

    fn malformed(&self, _now: Instant, _flow: Flow, error: ringback_message::ParseError) {
        self.tell(Told::Malformed(error.rule));
    }

    fn failed(&self, _now: Instant, tag: u32, reason: CloseReason, _out: &mut Outbox<u32>) {
        self.tell(Told::Failed(tag, reason));
    }

    fn resolved(
        &self,
        _now: Instant,
        token: u64,
        found: Result<&[Target], LocateError>,
        _out: &mut Outbox<u32>,
    ) {
        self.tell(Told::Resolved(token, found.map(<[_]>::to_vec)));
    }

    fn closed(&self, _now: Instant, flow: Flow, _reason: CloseReason, _out: &mut Outbox<u32>) {
        self.tell(Told::Closed(flow.peer));
    }

    fn mapped(&self, _now: Instant, _flow: Flow, address: SocketAddr, _out: &mut Outbox<u32>) {
        self.tell(Told::Mapped(address));
    }

    fn handle_timeout(&self, now: Instant, worker: Worker, _out: &mut Outbox<u32>) {
        let mut due = self.due.lock().unwrap();
        if worker.is_home_of(1) && due.is_some_and(|at| at <= now) {
            *due = None;
            self.tell(Told::Timeout);
        }
    }

    fn poll_timeout(&self, worker: Worker) -> Option<Instant> {
        if worker.is_home_of(1) { *self.due.lock().unwrap() } else { None }
    }
}

pub(crate) fn start(config: NetConfig) -> (Net<Echo>, mpsc::Receiver<Told>) {
    let (told, receiver) = mpsc::channel();
    let sockets = Sockets::bind(config).unwrap();
    let net = sockets
        .start(Arc::new(Echo { told: Mutex::new(told), due: Mutex::new(None), last: Mutex::new(None) }))
        .unwrap();
    (net, receiver)
}

pub(crate) fn on(listen: &[&str]) -> NetConfig {
    NetConfig::new(listen.iter().map(|listen| listen.parse().unwrap()))
}

pub(crate) fn request(protocol: Protocol, from: SocketAddr, cseq: usize, body: usize) -> Bytes {
    Request::builder(Method::OPTIONS, "sip:echo@127.0.0.1")
        .header(
            HeaderId::VIA,
            format_args!("SIP/2.0/{} {from};branch=z9hG4bK{cseq};rport", protocol.as_via()),
        )
        .header(HeaderId::MAX_FORWARDS, 70u8)
        .header(HeaderId::FROM, "<sip:a@127.0.0.1>;tag=a")
        .header(HeaderId::TO, "<sip:echo@127.0.0.1>")
        .header(HeaderId::CALL_ID, "c")
        .header(HeaderId::CSEQ, format_args!("{cseq} OPTIONS"))
        .body("text/plain", vec![b'x'; body])
        .build()
        .unwrap()
        .render()
}

pub(crate) fn udp(peer: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((peer.ip(), 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(peer).unwrap();
    socket
}

pub(crate) fn read_datagram(socket: &UdpSocket) -> Message {
    let mut buffer = vec![0; 65_536];
    let len = socket.recv(&mut buffer).unwrap();
    buffer.truncate(len);
    Message::parse(buffer).unwrap()
}

pub(crate) fn tcp(peer: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(peer).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads one message without a body.
pub(crate) fn read_message(stream: &mut TcpStream) -> Message {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.extend(byte);
    }
    Message::parse(bytes).unwrap()
}

pub(crate) fn is_ok(message: &Message) -> bool {
    message.status() == Some(StatusCode::OK)
}
