//! A server on ports of its own, and phones that talk to it over real sockets, one message at a time.

#![allow(dead_code, unreachable_pub, reason = "every test program uses its part")]

use ringback_auth::{Attempt, DigestClient};
use ringback_message::header::{CSeq, Contact};
use ringback_message::{HeaderId, Message, Method, Request, RequestBuilder, Response, StatusCode};
use ringback_net::OsEntropy;
use ringback_sansio::{Entropy as _, Protocol};
use ringback_server::{Server, ServerConfig, Storage};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server that keeps nothing, for `example.com`, with two users: alice and bob, passwords `a` and `b`.
pub fn config() -> ServerConfig {
    ServerConfig {
        listen: ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"].map(|listen| listen.parse().unwrap()).into(),
        domains: vec!["example.com".into()],
        storage: Storage::Ephemeral,
        workers: Some(2),
        users: [("alice", "a"), ("bob", "b")].map(|(name, word)| (name.to_owned(), word.to_owned())).into(),
        ..ServerConfig::default()
    }
}

pub fn start(config: ServerConfig) -> Server {
    Server::start(config).unwrap()
}

/// Waits until the server says so of itself.
pub fn until(server: &Server, is_so: impl Fn(&ringback_server::Stats) -> bool) {
    let begun = Instant::now();
    while !is_so(&server.stats()) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", server.stats());
        std::thread::yield_now();
    }
}

/// A directory that is gone afterwards.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("ringback-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

enum Line {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

/// One user's phone.
pub struct Phone {
    pub name: String,
    line: Line,
    pub own: SocketAddr,
    pub domain: String,
    digest: DigestClient,
    pub entropy: OsEntropy,
    cseq: u32,
}

impl Phone {
    pub fn new(server: &Server, protocol: Protocol, name: &str, password: &str) -> Self {
        let listener = server.listeners().iter().find(|listener| listener.protocol == protocol).unwrap();
        Self::at(listener.address, protocol, name, password)
    }

    pub fn udp(server: &Server, name: &str, password: &str) -> Self {
        Self::new(server, Protocol::Udp, name, password)
    }

    pub fn at(peer: SocketAddr, protocol: Protocol, name: &str, password: &str) -> Self {
        Self::from(peer.ip(), peer, protocol, name, password)
    }

    /// One that sends datagrams from this address.
    pub fn from(own: IpAddr, peer: SocketAddr, protocol: Protocol, name: &str, password: &str) -> Self {
        let (line, own) = if protocol == Protocol::Udp {
            let socket = UdpSocket::bind((own, 0)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.connect(peer).unwrap();
            let own = socket.local_addr().unwrap();
            (Line::Udp(socket), own)
        } else {
            let stream = TcpStream::connect(peer).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let own = stream.local_addr().unwrap();
            (Line::Tcp(stream, Vec::new()), own)
        };
        Self {
            name: name.into(),
            line,
            own,
            domain: "example.com".into(),
            digest: DigestClient::new(name, password),
            entropy: OsEntropy::new(),
            cseq: 0,
        }
    }

    pub fn protocol(&self) -> Protocol {
        match self.line {
            Line::Udp(_) => Protocol::Udp,
            Line::Tcp(..) => Protocol::Tcp,
        }
    }

    pub fn aor(&self) -> String {
        format!("sip:{}@{}", self.name, self.domain)
    }

    pub fn contact(&self) -> String {
        let param = if self.protocol() == Protocol::Udp { "" } else { ";transport=tcp" };
        format!("<sip:{}@{}{param}>", self.name, self.own)
    }

    pub fn via(&mut self) -> String {
        let branch = self.entropy.next_u64();
        format!("SIP/2.0/{} {};branch=z9hG4bK{branch:x};rport", self.protocol().as_via(), self.own)
    }

    /// A request outside of dialogs.
    pub fn request(&mut self, method: Method, uri: &str, to: &str) -> RequestBuilder {
        self.cseq += 1;
        let (via, tag, call) = (self.via(), self.entropy.next_u64(), self.entropy.next_u64());
        Request::builder(method.clone(), uri)
            .header(HeaderId::VIA, via)
            .header(HeaderId::MAX_FORWARDS, 70u8)
            .header(HeaderId::FROM, format_args!("<{}>;tag={tag:x}", self.aor()))
            .header(HeaderId::TO, format_args!("<{to}>"))
            .header(HeaderId::CALL_ID, format_args!("{call:x}"))
            .header(HeaderId::CSEQ, CSeq { number: self.cseq, method })
    }

    pub fn send(&mut self, message: &Message) {
        self.send_bytes(&message.render());
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        match &mut self.line {
            Line::Udp(socket) => drop(socket.send(bytes).unwrap()),
            Line::Tcp(stream, _) => stream.write_all(bytes).unwrap(),
        }
    }

    /// The next message, whatever it is.
    pub fn receive(&mut self) -> Message {
        match &mut self.line {
            Line::Udp(socket) => {
                let mut buffer = vec![0; 65_536];
                let len = socket.recv(&mut buffer).unwrap();
                buffer.truncate(len);
                Message::parse(buffer).unwrap()
            }
            Line::Tcp(stream, buffer) => loop {
                if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                    let head = Message::parse(buffer[..end + 4].to_vec()).unwrap();
                    let body = head.values(HeaderId::CONTENT_LENGTH).next().unwrap();
                    let body: usize = std::str::from_utf8(body).unwrap().parse().unwrap();
                    if buffer.len() >= end + 4 + body {
                        let rest = buffer.split_off(end + 4 + body);
                        return Message::parse(std::mem::replace(buffer, rest)).unwrap();
                    }
                }
                let mut bytes = [0; 4_096];
                let len = stream.read(&mut bytes).unwrap();
                assert!(len > 0, "the server closed the connection");
                buffer.extend_from_slice(&bytes[..len]);
            },
        }
    }

    /// The next response to a request of that method; repeated requests and 100 are passed over.
    pub fn response(&mut self, method: &Method) -> Response {
        loop {
            if let Ok(response) = Response::try_from(self.receive())
                && response.require::<CSeq>().unwrap().method == *method
                && response.status() != StatusCode::TRYING
            {
                return response;
            }
        }
    }

    /// The next request of that method; responses that are repeated are passed over.
    pub fn requested(&mut self, method: &Method) -> Request {
        loop {
            if let Ok(request) = Request::try_from(self.receive())
                && request.method() == method
            {
                return request;
            }
        }
    }

    /// Sends a request, answers one challenge, and gives the final response and the request as it was sent last.
    pub fn transact(&mut self, request: RequestBuilder) -> (Response, Request) {
        let mut request = request.build().unwrap();
        let method = request.method().clone();
        let mut attempt = Attempt::default();
        loop {
            self.send(&request);
            let response = loop {
                let response = self.response(&method);
                if response.status().is_final() {
                    break response;
                }
            };
            let is_challenge = [StatusCode::UNAUTHORIZED, StatusCode::PROXY_AUTHENTICATION_REQUIRED]
                .contains(&response.status());
            if !is_challenge {
                return (response, request);
            }
            if method == Method::INVITE {
                self.acknowledge_failure(&request, &response);
            }
            let retried = self.digest.authorize(&mut attempt, &response, &mut request, &mut self.entropy);
            if retried.is_err() {
                return (response, request);
            }
            self.cseq += 1;
            request.set(HeaderId::CSEQ, CSeq { number: self.cseq, method: method.clone() }).unwrap();
            let via = self.via();
            request.replace_front(HeaderId::VIA, &via).unwrap();
        }
    }

    /// Sends a request and, where it is challenged, sends it again with the password. What comes of that is still to come.
    pub fn prove(&mut self, request: &mut Request) {
        self.send(request);
        let challenge = self.outcome(request);
        assert_eq!(challenge.status(), StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        let method = request.method().clone();
        self.digest.authorize(&mut Attempt::default(), &challenge, request, &mut self.entropy).unwrap();
        self.cseq += 1;
        request.set(HeaderId::CSEQ, CSeq { number: self.cseq, method }).unwrap();
        let via = self.via();
        request.replace_front(HeaderId::VIA, &via).unwrap();
        self.send(request);
    }

    /// The final response to this request, whatever else comes; a failure of an INVITE is acknowledged.
    pub fn outcome(&mut self, request: &Request) -> Response {
        let cseq = request.require::<CSeq>().unwrap();
        loop {
            let response = self.response(&cseq.method);
            let is_it = response.require::<CSeq>().unwrap().number == cseq.number;
            if is_it && response.status().is_final() {
                if cseq.method == Method::INVITE && !response.status().is_success() {
                    self.acknowledge_failure(request, &response);
                }
                return response;
            }
        }
    }

    fn acknowledge_failure(&mut self, request: &Request, response: &Response) {
        let number = request.require::<CSeq>().unwrap().number;
        let ack = Request::builder(Method::ACK, request.uri_bytes())
            .copy(request, HeaderId::VIA)
            .copy(request, HeaderId::FROM)
            .copy(response, HeaderId::TO)
            .copy(request, HeaderId::CALL_ID)
            .header(HeaderId::CSEQ, CSeq { number, method: Method::ACK })
            .build()
            .unwrap();
        self.send(&ack);
    }

    pub fn register(&mut self, expires: u32) -> Response {
        let (aor, contact) = (self.aor(), self.contact());
        let register = self
            .request(Method::REGISTER, &format!("sip:{}", self.domain), &aor)
            .header(HeaderId::CONTACT, contact)
            .header(HeaderId::EXPIRES, expires);
        self.transact(register).0
    }

    /// Turns to another server, from the same address. Only over UDP.
    pub fn turn_to(&mut self, server: &Server) {
        let Line::Udp(socket) = &self.line else { panic!("a connection cannot move") };
        let listener = server.listeners().iter().find(|listener| listener.protocol == Protocol::Udp).unwrap();
        socket.connect(listener.address).unwrap();
    }

    /// An INVITE with an offer.
    pub fn invite(&mut self, to: &str) -> RequestBuilder {
        let contact = self.contact();
        self.request(Method::INVITE, to, to)
            .header(HeaderId::CONTACT, contact)
            .body("application/sdp", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n")
    }

    /// A request inside the dialog that the 200 to `invite` made, from the caller.
    pub fn in_dialog(&mut self, method: Method, invite: &Request, ok: &Response) -> RequestBuilder {
        let number = match method {
            Method::ACK => invite.require::<CSeq>().unwrap().number,
            _ => {
                self.cseq += 1;
                self.cseq
            }
        };
        let Some(Ok(Contact::Address(target))) = ok.first::<Contact<'_>>() else {
            panic!("a 2xx has a Contact")
        };
        let mut routes: Vec<String> = ok
            .values(HeaderId::RECORD_ROUTE)
            .map(|route| String::from_utf8(route.to_vec()).unwrap())
            .collect();
        routes.reverse();
        let via = self.via();
        let request = Request::builder(method.clone(), target.uri.as_str())
            .header(HeaderId::VIA, via)
            .header(HeaderId::MAX_FORWARDS, 70u8)
            .copy(invite, HeaderId::FROM)
            .copy(ok, HeaderId::TO)
            .copy(invite, HeaderId::CALL_ID)
            .header(HeaderId::CSEQ, CSeq { number, method });
        routes.iter().fold(request, |request, route| request.header(HeaderId::ROUTE, route))
    }

    /// Answers a request.
    pub fn reply(&mut self, request: &Request, status: StatusCode) {
        let contact = self.contact();
        let reply = request
            .reply(status, Some("callee"))
            .copy(request, HeaderId::RECORD_ROUTE)
            .header(HeaderId::CONTACT, contact)
            .build()
            .unwrap();
        self.send(&reply);
    }
}

/// A whole call through the server: invite, ring, answer, acknowledge, hang up. Gives the Call-ID.
pub fn call(caller: &mut Phone, callee: &mut Phone) -> String {
    let to = callee.aor();
    let invite = caller.invite(&to);
    std::thread::scope(|scope| {
        let answered = scope.spawn(|| {
            let invite = callee.requested(&Method::INVITE);
            callee.reply(&invite, StatusCode::RINGING);
            callee.reply(&invite, StatusCode::OK);
            callee.requested(&Method::ACK);
            let bye = callee.requested(&Method::BYE);
            callee.reply(&bye, StatusCode::OK);
        });
        let (ok, invite) = caller.transact(invite);
        assert_eq!(ok.status(), StatusCode::OK);
        let ack = caller.in_dialog(Method::ACK, &invite, &ok).build().unwrap();
        caller.send(&ack);
        let bye = caller.in_dialog(Method::BYE, &invite, &ok);
        assert_eq!(caller.transact(bye).0.status(), StatusCode::OK);
        answered.join().unwrap();
        String::from_utf8(invite.values(HeaderId::CALL_ID).next().unwrap().to_vec()).unwrap()
    })
}

/// A gateway that does what it is told.
pub struct Gateway {
    socket: UdpSocket,
    pub peer: Option<SocketAddr>,
}

impl Gateway {
    pub fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, peer: None }
    }

    pub fn uri(&self) -> String {
        format!("sip:{}", self.socket.local_addr().unwrap())
    }

    pub fn requested(&mut self, method: &Method) -> Request {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "no {method} came");
            let mut buffer = vec![0; 65_536];
            let (len, peer) = self.socket.recv_from(&mut buffer).unwrap();
            self.peer = Some(peer);
            buffer.truncate(len);
            if let Ok(request) = Request::try_from(Message::parse(buffer).unwrap())
                && request.method() == method
            {
                return request;
            }
        }
    }

    /// The next response that comes.
    pub fn response(&mut self) -> Response {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "no response came");
            let mut buffer = vec![0; 65_536];
            let (len, _) = self.socket.recv_from(&mut buffer).unwrap();
            buffer.truncate(len);
            if let Ok(response) = Response::try_from(Message::parse(buffer).unwrap()) {
                return response;
            }
        }
    }

    pub fn reply(&self, request: &Request, status: StatusCode) {
        let reply = request
            .reply(status, Some("gw"))
            .copy(request, HeaderId::RECORD_ROUTE)
            .header(HeaderId::CONTACT, format_args!("<{}>", self.uri()))
            .build()
            .unwrap();
        self.send(&reply);
    }

    pub fn send(&self, message: &Message) {
        self.socket.send_to(&message.render(), self.peer.unwrap()).unwrap();
    }
}
