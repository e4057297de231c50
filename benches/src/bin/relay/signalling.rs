//! Calls through a server of ours.

use crate::ends::End;
use crate::{Outcome, Relay};
use ringback_message::header::CallId;
use ringback_message::{HeaderId, Message, Method, StatusCode};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const CALLEE: &str = "callee@example.com";

/// The signalling of who calls and of who is called.
pub(crate) struct Phones {
    server: SocketAddr,
    caller: UdpSocket,
    callee: UdpSocket,
}

/// Starts a server that relays, with a callee that is registered.
pub(crate) fn start(binary: &Path, encrypts: bool) -> Outcome<(Relay, Phones)> {
    let config = std::env::temp_dir().join(format!("ringback-relay-{}.toml", std::process::id()));
    let mode = if encrypts { "bridge" } else { "relay" };
    std::fs::write(&config, format!("[media]\nmode = '{mode}'\nports = [0, 0]\n"))?;
    let mut command = Command::new(binary);
    command.args(["serve", "--ephemeral", "--no-auth", "--domain", "example.com", "--domain", "127.0.0.1"]);
    command.args(["--listen", "udp:127.0.0.1:0", "--config"]).arg(&config).stdout(Stdio::piped());
    let mut relay = Relay::start(&mut command)?;
    let mut lines = BufReader::new(relay.child().stdout.take().ok_or("no output")?).lines();
    let mut server = None;
    loop {
        let line = lines.next().ok_or("the server ended")??;
        if let Some(address) = line.strip_prefix("listening udp:") {
            server = Some(address.parse()?);
        }
        if line == "ready" {
            break;
        }
    }
    std::fs::remove_file(&config)?;
    let phone = || -> Outcome<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(socket)
    };
    let phones = Phones {
        server: server.ok_or("it did not say where it listens")?,
        caller: phone()?,
        callee: phone()?,
    };
    phones.register()?;
    Ok((relay, phones))
}

impl Phones {
    fn register(&self) -> Outcome {
        let own = self.callee.local_addr()?;
        let request = format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKr;rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{CALLEE}>;tag=1\r\nTo: <sip:{CALLEE}>\r\nCall-ID: register\r\nCSeq: 1 REGISTER\r\n\
             Contact: <sip:callee@{own}>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
        );
        self.callee.send_to(request.as_bytes(), self.server)?;
        match receive(&self.callee, |message| message.status().is_some())?.status() {
            Some(status) if status.is_success() => Ok(()),
            other => Err(format!("the callee is not registered: {other:?}").into()),
        }
    }

    /// Makes so many calls; gives their ends.
    pub(crate) fn calls(&mut self, calls: usize, encrypts: bool) -> Outcome<Vec<End>> {
        let mut ends = Vec::with_capacity(2 * calls);
        for number in 0..calls as u64 {
            let (mut one, mut other) = (End::new(2 * number, encrypts)?, End::new(2 * number + 1, false)?);
            self.call(number, &mut one, &mut other)?;
            ends.extend([one, other]);
        }
        Ok(ends)
    }

    fn call(&self, number: u64, one: &mut End, other: &mut End) -> Outcome {
        let own = self.caller.local_addr()?;
        let call_id = format!("call-{number}");
        let request = |method: &str, uri: &str, to: &str, more: &str, body: &str| {
            format!(
                "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method}{number};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:caller@example.com>;tag=caller\r\nTo: <sip:{CALLEE}>{to}\r\nCall-ID: {call_id}\r\n\
                 CSeq: 1 {method}\r\nContact: <sip:caller@{own}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let sdp = "Content-Type: application/sdp\r\n";
        let invite = request("INVITE", &format!("sip:{CALLEE}"), "", sdp, &one.description()?);
        self.caller.send_to(invite.as_bytes(), self.server)?;
        let is_of_call = |message: &Message| matches!(message.first::<CallId<'_>>(), Some(Ok(CallId(id))) if id == call_id);
        let invited = receive(&self.callee, |message| {
            message.method() == Some(&Method::INVITE) && is_of_call(message)
        })?;
        other.agree(invited.body())?;
        let contact = format!("<sip:callee@{}>", self.callee.local_addr()?);
        let invited = ringback_message::Request::try_from(invited).map_err(|_| "no request")?;
        let ok = invited
            .reply(StatusCode::OK, Some("callee"))
            .copy(&invited, HeaderId::RECORD_ROUTE)
            .header(HeaderId::CONTACT, contact)
            .body("application/sdp", other.description()?)
            .build()?;
        self.callee.send_to(&ok.render(), self.server)?;
        let answered = receive(&self.caller, |message| {
            message.status().is_some_and(StatusCode::is_final) && is_of_call(message)
        })?;
        one.agree(answered.body())?;
        let routes: String = answered
            .values(HeaderId::RECORD_ROUTE)
            .map(|route| format!("Route: {}\r\n", String::from_utf8_lossy(route)))
            .collect();
        let uri = format!("sip:callee@{}", self.callee.local_addr()?);
        self.caller.send_to(request("ACK", &uri, ";tag=callee", &routes, "").as_bytes(), self.server)?;
        Ok(())
    }
}

/// The next message that is meant.
fn receive(socket: &UdpSocket, is_meant: impl Fn(&Message) -> bool) -> Outcome<Message> {
    let mut buffer = [0; 8_192];
    loop {
        let length = socket.recv(&mut buffer)?;
        let message = Message::parse(buffer[..length].to_vec())?;
        if is_meant(&message) {
            return Ok(message);
        }
    }
}
