//! A call through a proxy: challenge, ringing, answer, speech, hold, resume, digits, hang-up, and a lost datagram.

use bytes::Bytes;
use ringback_rtp::event::{Event, EventPayload};
use ringback_rtp::{PayloadType, RtpPacket, RtpTime, SequenceNumber, Ssrc};
use ringback_sansio::Protocol;
use ringback_trace::{Names, Packet};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const EPOCH: Duration = Duration::from_secs(1_800_000_000);

pub(crate) fn at(address: &str) -> SocketAddr {
    address.parse().expect("an address")
}

pub(crate) struct Scene {
    pub(crate) packets: Vec<Packet>,
    pub(crate) protocol: Protocol,
    pub(crate) alice: SocketAddr,
    pub(crate) proxy: SocketAddr,
    pub(crate) bob: SocketAddr,
}

pub(crate) fn sdp(port: u16, direction: &str, version: u32) -> String {
    format!(
        "v=0\r\no=- 4711 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na={direction}\r\n"
    )
}

impl Scene {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self {
            packets: Vec::new(),
            protocol,
            alice: at("127.0.0.1:40612"),
            proxy: at("127.0.0.1:5060"),
            bob: at("127.0.0.1:40733"),
        }
    }

    pub(crate) fn names(&self) -> Names {
        let mut names = Names::new();
        names.add(self.alice, "Alice").add(self.proxy, "ringback").add(self.bob, "Bob");
        names
    }

    pub(crate) fn send(&mut self, millis: u64, source: SocketAddr, destination: SocketAddr, text: &str) {
        self.packets.push(Packet {
            time: EPOCH + Duration::from_millis(millis),
            source,
            destination,
            protocol: self.protocol,
            payload: Bytes::copy_from_slice(text.as_bytes()),
        });
    }

    /// A message with a start line; `extra` are header lines, each with its end.
    pub(crate) fn sip(
        &mut self,
        millis: u64,
        (source, destination): (SocketAddr, SocketAddr),
        start: &str,
        cseq: &str,
        extra: &str,
        body: &str,
    ) {
        let to_tag =
            if start.starts_with("INVITE") && cseq.starts_with(['1', '2']) { "" } else { ";tag=b0b" };
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{start}\r\nVia: SIP/2.0/{} {source};branch=z9hG4bK{}\r\nMax-Forwards: 70\r\n\
             From: \"Alice\" <sip:alice@example.com>;tag=a11ce\r\nTo: <sip:bob@example.com>{to_tag}\r\n\
             Call-ID: c4ll@example.com\r\nCSeq: {cseq}\r\nContact: <sip:{source}>\r\n{extra}{content}\
             Content-Length: {}\r\n\r\n{body}",
            self.protocol.as_via(),
            cseq.replace(' ', ""),
            body.len()
        );
        self.send(millis, source, destination, &text);
    }

    fn rtp(
        &mut self,
        micros: u64,
        ports: (u16, u16),
        (marker, number): (bool, u8),
        sequence: (u16, u32),
        payload: &[u8],
    ) {
        let mut datagram = Vec::new();
        RtpPacket {
            marker,
            payload_type: PayloadType::new(number).expect("seven bits"),
            sequence: SequenceNumber(sequence.0),
            time: RtpTime(sequence.1),
            ssrc: Ssrc(u32::from(ports.0)),
            contributors: Default::default(),
            extension: None,
            payload,
        }
        .write(&mut datagram);
        self.packets.push(Packet {
            time: EPOCH + Duration::from_micros(micros),
            source: SocketAddr::from(([127, 0, 0, 1], ports.0)),
            destination: SocketAddr::from(([127, 0, 0, 1], ports.1)),
            protocol: Protocol::Udp,
            payload: datagram.into(),
        });
    }

    /// Speech from `begin` to `end` in milliseconds; one packet in the middle is lost.
    pub(crate) fn speech(&mut self, begin: u64, end: u64, ports: (u16, u16), first: u16) {
        for (sequence, millis) in (first..).zip((begin..end).step_by(20)) {
            if sequence == 60 && ports.0 == 42_002 {
                continue;
            }
            let time = millis as u32 * 8;
            self.rtp(millis * 1_000, ports, (sequence == first, 8), (sequence, time), &[0xd5; 160]);
        }
    }

    fn digit(&mut self, begin: u64, event: u8, ports: (u16, u16), first: u16) {
        for n in 0..7u16 {
            let payload =
                EventPayload { event: Event(event), end: n >= 4, volume: 10, duration: 160 * (n.min(4) + 1) };
            let time = begin as u32 * 8;
            let micros = (begin + u64::from(n) * 20) * 1_000;
            self.rtp(micros, ports, (n == 0, 101), (first + n, time), &payload.octets());
        }
    }

    pub(crate) fn call() -> Self {
        Self::call_over(Protocol::Udp)
    }

    pub(crate) fn call_over(protocol: Protocol) -> Self {
        let mut it = Self::new(protocol);
        let (there, onward) = ((it.alice, it.proxy), (it.proxy, it.bob));
        let (back, answer) = ((it.proxy, it.alice), (it.bob, it.proxy));
        let (offer, accept) = (sdp(42_000, "sendrecv", 1), sdp(42_002, "sendrecv", 1));
        let invite = "INVITE sip:bob@example.com SIP/2.0";
        let onward_invite = "INVITE sip:bob@127.0.0.1:40733 SIP/2.0";
        let credentials = "Proxy-Authorization: Digest username=\"alice\", realm=\"example.com\", nonce=\"n\", uri=\"sip:bob@example.com\", response=\"0123456789abcdef0123456789abcdef\"\r\n";
        it.sip(0, there, invite, "1 INVITE", "", &offer);
        it.sip(1, back, "SIP/2.0 407 Proxy Authentication Required", "1 INVITE", "", "");
        it.sip(2, there, "ACK sip:bob@example.com SIP/2.0", "1 ACK", "", "");
        it.sip(3, there, invite, "2 INVITE", credentials, &offer);
        it.sip(4, back, "SIP/2.0 100 Trying", "2 INVITE", "", "");
        it.sip(5, onward, onward_invite, "2 INVITE", "", &offer);
        if protocol == Protocol::Udp {
            it.sip(505, onward, onward_invite, "2 INVITE", "", &offer);
        }
        it.sip(507, answer, "SIP/2.0 180 Ringing", "2 INVITE", "", "");
        it.sip(508, back, "SIP/2.0 180 Ringing", "2 INVITE", "", "");
        it.sip(2_010, answer, "SIP/2.0 200 OK", "2 INVITE", "", &accept);
        it.sip(2_011, back, "SIP/2.0 200 OK", "2 INVITE", "", &accept);
        it.sip(2_013, there, "ACK sip:bob@127.0.0.1:40733 SIP/2.0", "2 ACK", "", "");
        it.sip(2_014, onward, "ACK sip:bob@127.0.0.1:40733 SIP/2.0", "2 ACK", "", "");
        it.speech(2_020, 4_200, (42_000, 42_002), 1);
        it.speech(2_031, 5_000, (42_002, 42_000), 1);
        it.digit(4_200, 5, (42_000, 42_002), 110);
        it.speech(4_340, 5_000, (42_000, 42_002), 117);
        let hold = sdp(42_000, "sendonly", 2);
        it.sip(5_001, there, "INVITE sip:bob@127.0.0.1:40733 SIP/2.0", "3 INVITE", "", &hold);
        it.sip(5_002, onward, "INVITE sip:bob@127.0.0.1:40733 SIP/2.0", "3 INVITE", "", &hold);
        it.sip(5_004, answer, "SIP/2.0 200 OK", "3 INVITE", "", &sdp(42_002, "recvonly", 2));
        it.sip(5_005, back, "SIP/2.0 200 OK", "3 INVITE", "", &sdp(42_002, "recvonly", 2));
        it.sip(5_006, there, "ACK sip:bob@127.0.0.1:40733 SIP/2.0", "3 ACK", "", "");
        it.sip(5_007, onward, "ACK sip:bob@127.0.0.1:40733 SIP/2.0", "3 ACK", "", "");
        it.sip(
            8_001,
            there,
            "INVITE sip:bob@127.0.0.1:40733 SIP/2.0",
            "4 INVITE",
            "",
            &sdp(42_000, "sendrecv", 3),
        );
        it.sip(
            8_002,
            onward,
            "INVITE sip:bob@127.0.0.1:40733 SIP/2.0",
            "4 INVITE",
            "",
            &sdp(42_000, "sendrecv", 3),
        );
        it.sip(8_004, answer, "SIP/2.0 200 OK", "4 INVITE", "", &sdp(42_002, "sendrecv", 3));
        it.sip(8_005, back, "SIP/2.0 200 OK", "4 INVITE", "", &sdp(42_002, "sendrecv", 3));
        it.sip(8_006, there, "ACK sip:bob@127.0.0.1:40733 SIP/2.0", "4 ACK", "", "");
        it.sip(8_007, onward, "ACK sip:bob@127.0.0.1:40733 SIP/2.0", "4 ACK", "", "");
        it.speech(8_020, 10_000, (42_000, 42_002), 150);
        it.speech(8_023, 10_000, (42_002, 42_000), 150);
        it.sip(10_011, answer, "BYE sip:alice@127.0.0.1:40612 SIP/2.0", "1 BYE", "", "");
        it.sip(10_012, back, "BYE sip:alice@127.0.0.1:40612 SIP/2.0", "1 BYE", "", "");
        it.sip(10_013, there, "SIP/2.0 200 OK", "1 BYE", "", "");
        it.sip(10_014, onward, "SIP/2.0 200 OK", "1 BYE", "", "");
        it.packets.sort_by_key(|it| it.time);
        it
    }
}
