//! What a server is flooded with, from one socket that is caller and called at once.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::ops::Range;

use super::digest::Digests;

/// How many users are called in turns.
const USERS: u64 = 100;
/// How many different questions there are.
const PINGS: u64 = 8_192;
/// How many users register in turns.
pub(super) const REGISTERING: u64 = 10_000;
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n\
                   a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n";

/// Where we are, and where the server is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) own: u16,
    pub(super) server: u16,
}

/// Where datagrams go.
pub(super) type Send<'a> = &'a dyn Fn(&[u8]);

/// Requests, or calls.
pub(super) trait Load {
    /// How many are under way at a time: enough that a server always finds some, few enough for our own receive buffer.
    fn most(&self) -> u64;

    /// How many users have to be registered before.
    fn users(&self) -> u64 {
        0
    }

    /// Begins one.
    fn begin(&mut self, ports: Ports, number: u64, send: Send<'_>);

    /// Takes a datagram; says whether one ended well by it.
    fn take(&mut self, ports: Ports, datagram: &[u8], send: Send<'_>) -> bool;

    /// All that is under way is lost.
    fn forget(&mut self) {}
}

/// The load of that name.
pub(super) fn of(name: &str) -> Box<dyn Load> {
    match name {
        "register" => {
            Box::new(Asks(|ports, number| register(ports, number % REGISTERING, &number.to_string())))
        }
        "digest" => Box::new(Digests::new()),
        "message" => Box::new(Talks::new(message)),
        "invite" => Box::new(Talks::new(invite)),
        _ => Box::new(Pings::default()),
    }
}

/// Requests that the server answers itself, each another one.
struct Asks(fn(Ports, u64) -> Vec<u8>);

impl Load for Asks {
    fn most(&self) -> u64 {
        128
    }

    fn begin(&mut self, ports: Ports, number: u64, send: Send<'_>) {
        send(&(self.0)(ports, number));
    }

    fn take(&mut self, _ports: Ports, datagram: &[u8], _send: Send<'_>) -> bool {
        datagram.starts_with(b"SIP/2.0 200 ")
    }
}

/// Questions whether a server is there. They are written once and asked again and again, which no server minds that answers them
/// without a transaction, and which takes the asker the least time.
#[derive(Default)]
struct Pings(Vec<Vec<u8>>);

impl Load for Pings {
    fn most(&self) -> u64 {
        128
    }

    fn begin(&mut self, ports: Ports, number: u64, send: Send<'_>) {
        if self.0.is_empty() || number == 0 {
            self.0 = (0..PINGS).map(|number| options(ports, number)).collect();
        }
        send(&self.0[(number % PINGS) as usize]);
    }

    fn take(&mut self, _ports: Ports, datagram: &[u8], _send: Send<'_>) -> bool {
        datagram.starts_with(b"SIP/2.0 200 ")
    }
}

/// Requests that the server sends on, and what follows from them.
struct Talks {
    first: fn(Ports, u64) -> Vec<u8>,
    under_way: BTreeSet<u64>,
}

impl Talks {
    fn new(first: fn(Ports, u64) -> Vec<u8>) -> Self {
        Self { first, under_way: BTreeSet::new() }
    }
}

impl Load for Talks {
    fn most(&self) -> u64 {
        32
    }

    fn users(&self) -> u64 {
        USERS
    }

    fn begin(&mut self, ports: Ports, number: u64, send: Send<'_>) {
        self.under_way.insert(number);
        send(&(self.first)(ports, number));
    }

    fn take(&mut self, ports: Ports, datagram: &[u8], send: Send<'_>) -> bool {
        let Some(number) = number(datagram) else { return false };
        if datagram.starts_with(b"INVITE ") {
            send(&answer(ports, datagram, "180 Ringing"));
            send(&answer(ports, datagram, "200 OK"));
        } else if datagram.starts_with(b"BYE ") || datagram.starts_with(b"MESSAGE ") {
            send(&answer(ports, datagram, "200 OK"));
        } else if datagram.starts_with(b"SIP/2.0 200 ") {
            // An acknowledgement may be overtaken by what comes after it, which changes nothing.
            match value(datagram, "CSeq") {
                Some(b"1 INVITE") => {
                    send(&within(ports, number, datagram, "ACK"));
                    send(&within(ports, number, datagram, "BYE"));
                }
                _ => return self.under_way.remove(&number),
            }
        }
        false
    }

    fn forget(&mut self) {
        self.under_way.clear();
    }
}

fn options(ports: Ports, number: u64) -> Vec<u8> {
    let head = format!("OPTIONS sip:127.0.0.1:{} SIP/2.0", ports.server);
    let to = "<sip:127.0.0.1>";
    request(ports, &head, number, to, number, "Accept: application/sdp\r\nUser-Agent: flood\r\n", "")
}

/// Registers a user at our port.
pub(super) fn register(ports: Ports, user: u64, call: &str) -> Vec<u8> {
    registration(ports, user, call, 1, "")
}

/// Registers a user at our port by the request of this number, with these lines more.
pub(super) fn registration(ports: Ports, user: u64, call: &str, cseq: u32, more: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(1_024);
    let Ports { own, server } = ports;
    // Writing into a vector does not fail.
    let _ = write!(
        text,
        "REGISTER sip:127.0.0.1:{server} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK-r{user}-{cseq}-{call}-{own}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:u{user}@127.0.0.1>;tag=r{call}\r\n\
         To: <sip:u{user}@127.0.0.1>\r\n\
         Call-ID: r-{user}-{call}-{own}@127.0.0.1\r\n\
         CSeq: {cseq} REGISTER\r\n\
         Contact: <sip:u{user}@127.0.0.1:{own}>\r\n\
         Expires: 3600\r\n\
         {more}\
         Content-Length: 0\r\n\r\n"
    );
    text
}

fn message(ports: Ports, number: u64) -> Vec<u8> {
    let user = number % USERS;
    let to = format!("<sip:u{user}@127.0.0.1>");
    let head = format!("MESSAGE sip:u{user}@127.0.0.1 SIP/2.0");
    request(ports, &head, number, &to, number, "Content-Type: text/plain\r\n", "Good morning")
}

fn invite(ports: Ports, number: u64) -> Vec<u8> {
    let user = number % USERS;
    let to = format!("<sip:u{user}@127.0.0.1>");
    let head = format!("INVITE sip:u{user}@127.0.0.1 SIP/2.0");
    let more = format!("Contact: <sip:guest@127.0.0.1:{}>\r\nContent-Type: application/sdp\r\n", ports.own);
    request(ports, &head, number, &to, number, &more, SDP)
}

fn request(ports: Ports, head: &str, number: u64, to: &str, branch: u64, more: &str, body: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(1_024);
    let method = head.split(' ').next().unwrap_or_default();
    let cseq = if method == "BYE" { 2 } else { 1 };
    let own = ports.own;
    let _ = write!(
        text,
        "{head}\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK-{branch}-{own}-{method}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:guest{}@elsewhere.invalid>;tag={number}\r\n\
         To: {to}\r\n\
         Call-ID: {number}-{own}@127.0.0.1\r\n\
         CSeq: {cseq} {method}\r\n\
         {more}\
         Content-Length: {}\r\n\r\n{body}",
        number % 10_000,
        body.len()
    );
    text
}

/// A request inside the dialog that a response made.
fn within(ports: Ports, number: u64, response: &[u8], method: &str) -> Vec<u8> {
    let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    let contact = text(value(response, "Contact"));
    let target = contact.trim_start_matches('<').trim_end_matches('>');
    let to = text(value(response, "To"));
    let mut routes = String::new();
    // The route set is that of the response from its end (RFC 3261 §12.1.2).
    for route in values(response, "Record-Route").collect::<Vec<_>>().iter().rev() {
        routes.push_str(&format!("Route: {}\r\n", String::from_utf8_lossy(route)));
    }
    request(ports, &format!("{method} {target} SIP/2.0"), number, &to, number, &routes, "")
}

/// The answer of the called one.
fn answer(ports: Ports, request: &[u8], status: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(1_024);
    let _ = write!(text, "SIP/2.0 {status}\r\n");
    for name in ["Via", "Record-Route", "From", "Call-ID", "CSeq"] {
        for value in values(request, name) {
            let _ = write!(text, "{name}: {}\r\n", String::from_utf8_lossy(value));
        }
    }
    let to = String::from_utf8_lossy(value(request, "To").unwrap_or_default()).into_owned();
    let tag = if to.contains(";tag=") { "" } else { ";tag=called" };
    let body = if status.starts_with("200") && request.starts_with(b"INVITE ") { SDP } else { "" };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let _ = write!(
        text,
        "To: {to}{tag}\r\nContact: <sip:called@127.0.0.1:{}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        ports.own,
        body.len()
    );
    text
}

/// Which of ours it is about: its Call-ID begins with the number.
fn number(datagram: &[u8]) -> Option<u64> {
    let call = std::str::from_utf8(value(datagram, "Call-ID")?).ok()?;
    call.split('-').next()?.parse().ok()
}

pub(super) fn value<'a>(datagram: &'a [u8], name: &'a str) -> Option<&'a [u8]> {
    values(datagram, name).next()
}

/// The values of a header field, one for each line.
pub(super) fn values<'a>(datagram: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    lines(datagram).filter_map(move |line| {
        let rest = line.strip_prefix(name.as_bytes())?;
        rest.strip_prefix(b": ")
    })
}

/// The lines of the head.
fn lines(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = 0..datagram.len();
    std::iter::from_fn(move || {
        let line = &datagram[Range::clone(&rest)];
        let length = line.iter().position(|byte| *byte == b'\n')?;
        rest.start += length + 1;
        let line = &line[..length];
        Some(line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    const PORTS: Ports = Ports { own: 9, server: 5_060 };

    /// Both ends without a server between them.
    #[test]
    fn a_call_ends_once_and_a_message_too() {
        for (name, datagrams) in [("invite", 7), ("message", 2)] {
            let mut load = of(name);
            let sent = RefCell::new(Vec::new());
            let send = |datagram: &[u8]| sent.borrow_mut().push(datagram.to_vec());
            load.begin(PORTS, 7, &send);
            let (mut ended, mut passed) = (0, 0);
            while !sent.borrow().is_empty() {
                let datagram = sent.borrow_mut().remove(0);
                passed += 1;
                ended += u64::from(load.take(PORTS, &datagram, &send));
            }
            assert_eq!((ended, passed), (1, datagrams - u64::from(name == "invite")), "{name}");
        }
    }

    #[test]
    fn the_route_of_a_dialog_is_that_of_its_response_from_the_end() {
        let response = b"SIP/2.0 200 OK\r\nRecord-Route: <sip:a;lr>\r\nRecord-Route: <sip:b;lr>\r\n\
            To: <sip:x@y>;tag=1\r\nContact: <sip:c@d>\r\nCall-ID: 5-5@y\r\n\r\nCall-ID: 6-6";
        let request = String::from_utf8(within(PORTS, 5, response, "BYE")).unwrap();
        assert!(request.starts_with("BYE sip:c@d SIP/2.0\r\n"), "{request}");
        assert!(request.contains("CSeq: 2 BYE\r\nRoute: <sip:b;lr>\r\nRoute: <sip:a;lr>\r\n"), "{request}");
        assert_eq!(number(response), Some(5));
    }
}
