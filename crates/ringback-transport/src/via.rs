//! Marking requests with where they came from, and finding the way of responses (RFC 3261 §18.2, RFC 3581).

use bytes::{Buf as _, Bytes};
use ringback_message::header::Via;
use ringback_message::{HeaderId, Host, Limits, Message, Method, ParseError, Request, StatusCode};
use ringback_sansio::{Flow, Protocol, Target};
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What a datagram or frame turned out to be.
#[derive(Debug)]
pub enum Inbound {
    /// A message that passed [`Message::validate`]; a request is marked with its source.
    Message(Message),
    /// White space that keeps a path open. Over datagrams nothing answers it.
    KeepAlive,
    /// Something that is no acceptable message. Where the sender can be told, the answer is ready to send.
    Malformed(ParseError, Option<(Target, Bytes)>),
}

/// Reads one message that came over `flow`.
///
/// Adds `received` when the source address is not what sent-by says (RFC 3261 §18.2.1), and the source port where
/// `rport` asks for it (RFC 3581 §4).
pub fn receive(flow: &Flow, bytes: Bytes) -> Inbound {
    receive_with(flow, bytes, &Limits::DEFAULT)
}

/// Reads one message as [`receive`] does, and takes no more than these limits.
pub fn receive_with(flow: &Flow, mut bytes: Bytes, limits: &Limits) -> Inbound {
    if bytes.iter().take(4).all(|byte| matches!(byte, b'\r' | b'\n' | 0)) && bytes.len() <= 4 {
        return Inbound::KeepAlive;
    }
    // Rule 79 for datagrams: line ends before the start line are skipped (RFC 3261 §7.5).
    let lead = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    bytes.advance(lead);
    let mut message = match Message::parse_with(bytes, limits) {
        Ok(message) => message,
        Err(error) => return Inbound::Malformed(error, None),
    };
    let is_request = message.is_request();
    match message.validate().map(|routing| is_request.then(|| marked(&routing.via, flow)).flatten()) {
        Ok(via) => {
            put(&mut message, via);
            Inbound::Message(message)
        }
        Err(error) => {
            mark(&mut message, flow);
            let reply = refusal(flow, message, error);
            Inbound::Malformed(error, reply)
        }
    }
}

/// The answer to what a stream held when its framing was lost by `error`, as far as it can be told who asked.
pub(crate) fn refuse(
    flow: &Flow,
    head: Bytes,
    limits: &Limits,
    error: ParseError,
) -> Option<(Target, Bytes)> {
    let mut message = Message::parse_with(head, limits).ok()?;
    mark(&mut message, flow);
    refusal(flow, message, error)
}

/// How often peers are asked to send keep-alives that offer to (RFC 6223 §4.4): what RFC 5626 §4.4 has for each.
fn recommended(protocol: Protocol) -> u16 {
    if protocol.is_reliable() { 120 } else { 29 }
}

/// How often the sender of a response wants keep-alives, where its answer to our `keep` says so (RFC 6223 §4.3). `via` is
/// the topmost of the response: ours, as the next hop filled it.
pub fn keep_of(via: &Via<'_>, protocol: Protocol) -> Option<Duration> {
    let seconds: u64 = via.params.value("keep")?.parse().ok()?;
    // Zero is "as you like".
    let seconds = if seconds == 0 { recommended(protocol).into() } else { seconds };
    Some(Duration::from_secs(seconds.clamp(5, 3_600)))
}

/// Writes the source into the topmost Via of a request.
fn mark(message: &mut Message, flow: &Flow) {
    let via = match message.first::<Via<'_>>() {
        Some(Ok(via)) if message.is_request() => marked(&via, flow),
        _ => None,
    };
    put(message, via);
}

fn put(message: &mut Message, via: Option<Text>) {
    if let Some(via) = via {
        // Fails only on control characters, which no parameter that was read can hold outside folded white space;
        // then the Via stays as it came.
        let _ = message.replace_front(HeaderId::VIA, &via[..]);
    }
}

/// A Via, most of which need no memory of their own.
type Text = SmallVec<[u8; 192]>;

/// A Via with the source in it, and that keep-alives are welcome where they are offered. `None` where it can stay as it
/// is.
fn marked(via: &Via<'_>, flow: &Flow) -> Option<Text> {
    let source = flow.peer.ip().to_canonical();
    let elsewhere = via.host.ip() != Some(source);
    let (mut rport, mut keep, mut received) = (false, false, false);
    for param in via.params.iter() {
        match own_mark(param.name) {
            Some(Mark::Rport) => rport = true,
            Some(Mark::Keep) => keep = true,
            Some(Mark::Received) => received = true,
            None => {}
        }
    }
    if !rport && !elsewhere && !keep && !received {
        return None;
    }
    // Written anew, so that a `received` or a filled `rport` of the sender's own making cannot stay (fault 12).
    let mut text = Text::new();
    text.extend_from_slice(b"SIP/2.0/");
    text.extend_from_slice(via.transport.as_bytes());
    text.push(b' ');
    match &via.host {
        Host::Name(name) => text.extend_from_slice(name.as_bytes()),
        Host::Ip(ip) => {
            let bracketed = ip.is_ipv6();
            text.extend_from_slice(if bracketed { b"[" } else { b"" });
            push_ip(&mut text, *ip);
            text.extend_from_slice(if bracketed { b"]" } else { b"" });
        }
    }
    if let Some(port) = via.port {
        text.push(b':');
        push_number(&mut text, port);
    }
    for param in via.params.iter() {
        if own_mark(param.name).is_some() {
            continue;
        }
        text.push(b';');
        text.extend_from_slice(param.name.as_bytes());
        if let Some(value) = param.value {
            text.push(b'=');
            text.extend_from_slice(value);
        }
    }
    if elsewhere || rport {
        text.extend_from_slice(b";received=");
        push_ip(&mut text, source);
    }
    if rport {
        text.extend_from_slice(b";rport=");
        push_number(&mut text, flow.peer.port());
    }
    if keep {
        text.extend_from_slice(b";keep=");
        push_number(&mut text, recommended(flow.protocol));
    }
    Some(text)
}

/// The parameters of a Via that the next hop fills.
enum Mark {
    Rport,
    Keep,
    Received,
}

fn own_mark(name: &str) -> Option<Mark> {
    match name.len() {
        5 if name.eq_ignore_ascii_case("rport") => Some(Mark::Rport),
        4 if name.eq_ignore_ascii_case("keep") => Some(Mark::Keep),
        8 if name.eq_ignore_ascii_case("received") => Some(Mark::Received),
        _ => None,
    }
}

/// An address in the form that `received` has (RFC 3261 §20.42): version 6 without brackets.
fn push_ip(text: &mut Text, ip: IpAddr) {
    use std::io::Write as _;
    match ip {
        IpAddr::V4(ip) => {
            for (place, octet) in ip.octets().into_iter().enumerate() {
                text.extend_from_slice(if place == 0 { b"" } else { b"." });
                push_number(text, octet.into());
            }
        }
        IpAddr::V6(ip) => drop(write!(text, "{ip}")),
    }
}

/// Each Via has several numbers, and the formatting of the standard library takes longer than all else that is done to one.
fn push_number(text: &mut Text, number: u16) {
    let digits = number.checked_ilog10().unwrap_or(0);
    for power in (0..=digits).rev() {
        text.push(b'0' + (number / 10_u16.pow(power) % 10) as u8);
    }
}

/// The answer to a request that is refused before any transaction sees it; none to ACK and to responses.
fn refusal(flow: &Flow, message: Message, error: ParseError) -> Option<(Target, Bytes)> {
    let request = Request::try_from(message).ok()?;
    if *request.method() == Method::ACK {
        return None;
    }
    let target = match request.first::<Via<'_>>() {
        Some(Ok(via)) => response_target(flow, &via)?,
        // Without a Via that can be read the packet's source is all there is.
        _ if is_answerable(flow.peer.ip()) => Target::Flow(*flow),
        _ => return None,
    };
    let reason = if error.status == StatusCode::BAD_REQUEST {
        format!("Bad {}", error.rule)
    } else {
        error.status.reason().to_owned()
    };
    let mut bytes = Vec::new();
    request.write_reply(&mut bytes, (error.status, &reason), Some("malformed"), b"", |_| {}).ok()?;
    Some((target, bytes.into()))
}

/// Where the response to a request goes that came over `flow` with `via` on top (RFC 3261 §18.2.2, RFC 3581 §4;
/// rule 12). `None` where an answer would go to many or to nobody (fault 12).
pub fn response_target(flow: &Flow, via: &Via<'_>) -> Option<Target> {
    if flow.protocol.is_reliable() {
        return Some(Target::Flow(*flow));
    }
    via.reply_address(flow.peer).map(|peer| Target::Flow(Flow { peer, ..*flow }))
}

/// Where a response goes that no transaction knows, by its topmost Via alone (RFC 3261 §16.7 step 9). `None`
/// where a name would have to be resolved, or an answer would go to many or to nobody.
pub fn response_by_via(via: &Via<'_>) -> Option<Target> {
    let protocol = Protocol::from_token(via.transport)?;
    let port = via.rport().flatten().or(via.port).unwrap_or(protocol.default_port());
    let ip = match (via.maddr(), via.received()) {
        (Some(Host::Ip(ip)), _) if !protocol.is_reliable() => ip,
        (_, Some(ip)) => ip,
        (_, None) => via.host.ip()?,
    };
    is_answerable(ip).then_some(Target::Address(protocol, SocketAddr::new(ip, port)))
}

/// Whether one host listens there: not broadcast, multicast or unspecified.
pub fn is_answerable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_broadcast() && !ip.is_multicast() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sansio::FlowId;

    fn flow(protocol: Protocol, peer: &str) -> Flow {
        Flow {
            id: FlowId(1),
            protocol,
            local: "192.0.2.10:5060".parse().unwrap(),
            peer: peer.parse().unwrap(),
        }
    }

    fn request(via: &str) -> Bytes {
        format!("OPTIONS sip:x SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n").into()
    }

    fn received(via: &str, peer: &str) -> String {
        match receive(&flow(Protocol::Udp, peer), request(via)) {
            Inbound::Message(message) => {
                String::from_utf8(message.values(HeaderId::VIA).next().unwrap().to_vec()).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rule_78_what_is_behind_the_body_in_a_datagram_is_ignored() {
        let source = flow(Protocol::Udp, "192.0.2.1:9");
        let message = |length: &str, body: &str| {
            let text =
                String::from_utf8(request("SIP/2.0/UDP 192.0.2.1:9;branch=z9hG4bKa").to_vec()).unwrap();
            let head = text.strip_suffix("\r\n").unwrap();
            Bytes::from(format!("{head}{length}\r\n{body}"))
        };
        for (length, body, read) in [
            ("Content-Length: 4\r\n", "bodyOPTIONS sip:y SIP/2.0\r\n\r\n", "body"),
            ("l: 0\r\n", "rubbish\0", ""),
            ("", "all the rest", "all the rest"),
        ] {
            match receive(&source, message(length, body)) {
                Inbound::Message(message) => assert_eq!(message.body(), read),
                other => panic!("{other:?}"),
            }
        }
        // A body that was cut off is no message.
        let short = receive(&source, message("Content-Length: 9\r\n", "body"));
        assert!(matches!(short, Inbound::Malformed(_, Some(_))), "{short:?}");
    }

    #[test]
    fn requests_are_marked_with_their_source() {
        assert_eq!(
            received("SIP/2.0/UDP host.invalid;branch=z9hG4bKa", "192.0.2.1:9"),
            "SIP/2.0/UDP host.invalid;branch=z9hG4bKa;received=192.0.2.1"
        );
        assert_eq!(
            received("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa", "192.0.2.1:9"),
            "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa"
        );
        assert_eq!(
            received("SIP/2.0/UDP 10.0.0.1:5070;rport;branch=z9hG4bKa, SIP/2.0/UDP b", "[2001:db8::1]:9"),
            "SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKa;received=2001:db8::1;rport=9"
        );
    }

    #[test]
    fn rfc_6223_keep_alives_that_are_offered_are_welcome() {
        let marked = received("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;keep", "192.0.2.1:5060");
        assert_eq!(marked, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;keep=29");
        let keep = |value: &'static str, protocol| {
            let via = <Via<'_> as ringback_message::header::Header<'_>>::parse(value.as_bytes()).unwrap();
            keep_of(&via, protocol).map(|every| every.as_secs())
        };
        assert_eq!(keep("SIP/2.0/UDP h;keep=29", Protocol::Udp), Some(29));
        assert_eq!(keep("SIP/2.0/TCP h;keep=0", Protocol::Tcp), Some(120));
        assert_eq!(keep("SIP/2.0/TCP h;keep=1", Protocol::Tcp), Some(5), "nobody makes us hammer");
        assert_eq!(keep("SIP/2.0/TCP h;keep=99999999999999999999", Protocol::Tcp), None);
        assert_eq!(keep("SIP/2.0/TCP h;keep", Protocol::Tcp), None, "not understood by the next hop");
        assert_eq!(keep("SIP/2.0/TCP h", Protocol::Tcp), None);
    }

    #[test]
    fn fault_12_a_forged_received_does_not_stay() {
        assert_eq!(
            received("SIP/2.0/UDP 192.0.2.1;received=203.0.113.9;branch=z9hG4bKa", "192.0.2.1:5060"),
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa"
        );
    }

    #[test]
    fn rule_12_responses_find_their_way() {
        let to = |protocol, peer: &str, via: &'static str| {
            let value = via.as_bytes();
            let via = <Via<'_> as ringback_message::header::Header<'_>>::parse(value).unwrap();
            response_target(&flow(protocol, peer), &via).map(|target| target.peer().to_string())
        };
        let peer = "192.0.2.1:999";
        assert_eq!(to(Protocol::Udp, peer, "SIP/2.0/UDP h:5070;rport").as_deref(), Some(peer));
        assert_eq!(to(Protocol::Udp, peer, "SIP/2.0/UDP h:5070").as_deref(), Some("192.0.2.1:5070"));
        assert_eq!(to(Protocol::Udp, peer, "SIP/2.0/UDP h").as_deref(), Some("192.0.2.1:5060"));
        assert_eq!(
            to(Protocol::Udp, peer, "SIP/2.0/UDP h;maddr=192.0.2.7").as_deref(),
            Some("192.0.2.7:5060")
        );
        assert_eq!(to(Protocol::Udp, peer, "SIP/2.0/UDP h;maddr=224.0.1.75"), None);
        assert_eq!(to(Protocol::Tcp, peer, "SIP/2.0/TCP h:5070").as_deref(), Some(peer));
    }

    #[test]
    fn stray_responses_go_by_their_via() {
        let to = |via: &'static str| {
            let via = <Via<'_> as ringback_message::header::Header<'_>>::parse(via.as_bytes()).unwrap();
            response_by_via(&via).map(|target| target.peer().to_string())
        };
        assert_eq!(to("SIP/2.0/UDP h:5070;received=192.0.2.1;rport=7").as_deref(), Some("192.0.2.1:7"));
        assert_eq!(to("SIP/2.0/TCP [2001:db8::1]:5070").as_deref(), Some("[2001:db8::1]:5070"));
        assert_eq!(to("SIP/2.0/UDP 255.255.255.255"), None);
        assert_eq!(to("SIP/2.0/UDP name.invalid"), None);
        assert_eq!(to("SIP/2.0/SCTP 192.0.2.1"), None);
    }

    #[test]
    fn malformed_requests_are_told_what_was_wrong() {
        let bytes = b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:x>\r\nCall-ID: 1\r\nCSeq: x INVITE\r\n\r\n";
        let Inbound::Malformed(_, Some((target, reply))) =
            receive(&flow(Protocol::Udp, "192.0.2.1:5060"), bytes[..].into())
        else {
            panic!("it can be answered")
        };
        assert!(reply.starts_with(b"SIP/2.0 400 Bad CSeq\r\n"));
        assert_eq!(target.peer().to_string(), "192.0.2.1:5060");
        let text = String::from_utf8_lossy(bytes).replace("INVITE", "ACK");
        assert!(matches!(
            receive(&flow(Protocol::Udp, "192.0.2.1:5060"), text.into()),
            Inbound::Malformed(_, None)
        ));
        let text = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n\r\n";
        assert!(matches!(
            receive(&flow(Protocol::Udp, "192.0.2.1:5060"), text.into()),
            Inbound::Malformed(_, None)
        ));
    }
}
