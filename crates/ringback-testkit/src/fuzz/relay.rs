//! Laws of descriptions that a relay rewrites.

use ringback_media::{AudioCodecs, AudioFile};
use ringback_relay::{
    Change, Component, Dropped, Expected, MAX_GROWTH, MAX_STREAMS, Opened, Ports, RelayStream, RelayedCall,
    Side, SideFormats,
};
use ringback_rtp::RtpPacket;
use ringback_sansio::SeededEntropy;
use ringback_sdp::attribute::Candidate;
use ringback_sdp::{Connection, Direction, Host, SessionDescription};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

const RELAY: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9));
const FIRST: u16 = 30_000;

/// Streams one after the other, at most as many as a call may have.
struct Streams(u16);

impl Ports<u16> for Streams {
    fn open(&mut self) -> Option<Opened<u16>> {
        self.0 += 1;
        assert!(
            usize::from(self.0) <= MAX_STREAMS,
            "one description opens no more streams than a call may have"
        );
        Some(Opened { stream: self.0, ports: [FIRST + self.0 * 4, FIRST + self.0 * 4 + 2] })
    }

    fn owns(&self, port: u16) -> bool {
        (FIRST..FIRST + 100).contains(&port)
    }
}

/// Whatever a description says, the one that comes out leads to the relay or nowhere, can be read, and comes out the same
/// when it is said again.
pub(super) fn relay(input: &[u8]) {
    let Ok(said) = SessionDescription::parse(input) else { return };
    let sender = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    // A third of the inputs with keys of our own, and another one with formats of our own as well.
    let mut call = match input.len() % 3 {
        0 => RelayedCall::new(RELAY),
        1 => RelayedCall::ending_encryption(RELAY),
        _ => RelayedCall::converting_audio(RELAY),
    };
    let mut streams = Streams(0);
    let mut entropy = SeededEntropy::new(1);
    let mut told = said.clone();
    let changes = call.rewrite(Side::Caller, 1, sender, &mut told, &mut streams, &mut entropy);
    for change in &changes {
        if let Change::Expect { expected, .. } = change {
            let is_loop = |it: std::net::SocketAddr| it.ip() == RELAY && streams.owns(it.port());
            assert!(!expected.rtp.is_some_and(is_loop), "packets would go in a circle");
        }
    }
    for media in &told.media {
        assert!(media.port == 0 || streams.owns(media.port), "{told}");
        let host = told.connection_of(media).filter(|connection| !connection.is_hold());
        if let Some(Host::Address(address)) = host.and_then(Connection::host) {
            assert_eq!(address, RELAY, "{told}");
        }
        assert!(media.all::<Candidate<'_>>().next().is_none());
    }
    SessionDescription::parse(&told.to_bytes()).expect("what comes out can be read");
    // One that led to the relay already has come back, and is left as it is.
    let leads_here =
        |media| said.connection_of(media).and_then(Connection::host) == Some(Host::Address(RELAY));
    if said.media.iter().any(leads_here) {
        return;
    }
    let mut again = said.clone();
    call.rewrite(Side::Caller, 1, sender, &mut again, &mut streams, &mut entropy);
    assert_eq!(again, told);
    // And whatever is answered: the answer leads to the relay as well.
    let mut answer = said.clone();
    call.rewrite(Side::Callee, 1, sender, &mut answer, &mut streams, &mut entropy);
    SessionDescription::parse(&answer.to_bytes()).expect("what comes out can be read");
}

/// Whatever a side sends to one that does not speak the same, little is made of each packet, and all of it can be read. The first two
/// octets say what both speak; each further packet is preceded by its length and the time since the last one in milliseconds.
pub(super) fn transcode(input: &[u8]) {
    let Some((&[own, other], mut rest)) = input.split_first_chunk::<2>() else { return };
    let all = AudioCodecs::default().offer();
    let formats = |which: u8| -> SideFormats {
        let some = (0..).zip(&all).filter(|(at, _)| which >> at & 1 == 1);
        let some: Vec<_> = some.map(|(_, codec)| codec.clone()).collect();
        SideFormats {
            sends: some.clone(),
            takes: some,
            ptime: Some(Duration::from_millis(u64::from(which) * 7)),
        }
    };
    let mut now = start();
    let mut stream = RelayStream::new(now, Duration::from_secs(60));
    let (caller, callee) =
        (SocketAddr::from(([192, 0, 2, 1], 4_000)), SocketAddr::from(([192, 0, 2, 2], 5_000)));
    // With the last bit the callee is held by one who perhaps sends something nevertheless.
    let is_held = other & 0x80 != 0;
    let directions =
        if is_held { [Direction::SendOnly, Direction::RecvOnly] } else { [Direction::SendRecv; 2] };
    for ((side, address), direction) in
        [(Side::Caller, caller), (Side::Callee, callee)].into_iter().zip(directions)
    {
        let (rtp, rtcp) = (Some(address), Some(address));
        let expected = Expected { rtp, rtcp, direction: Some(direction), ..Expected::default() };
        stream.expect(now, side, expected);
    }
    stream.convert(now, [formats(own), formats(other)]);
    stream.convert_here();
    stream.set_music(now, AudioFile::read(MUSIC).expect("a file of four samples"), 7);
    let mut buffer = vec![0; 65_536 + MAX_GROWTH];
    while let Some((&[length, milliseconds], behind)) = rest.split_first_chunk::<2>() {
        let (packet, behind) = behind.split_at(behind.len().min(length.into()));
        rest = behind;
        now += Duration::from_millis(milliseconds.into());
        if let Some(place) = buffer.get_mut(..packet.len()) {
            place.copy_from_slice(packet);
        }
        match stream.receive(now, Side::Caller, Component::Rtp, caller, &mut buffer, packet.len()) {
            Ok((to, 0)) => {
                assert_eq!(to, callee);
                let mut made = 0;
                while let Some(length) = stream.poll_converted(Side::Caller, &mut buffer) {
                    RtpPacket::parse(&buffer[..length]).expect("what is made can be read");
                    assert!(length < 1_400, "no packet is to be split on its way");
                    made += 1;
                }
                assert!(made <= 64, "{made} packets came of one");
            }
            Ok((to, length)) => assert_eq!((to, length), (callee, packet.len())),
            Err(dropped) => assert_ne!(dropped, Dropped::Unconverted),
        }
        let mut played = 0;
        while let Some((holder, to)) = stream.play(now) {
            assert!(is_held && holder == Side::Caller && to == callee);
            while let Some(length) = stream.poll_converted(holder, &mut buffer) {
                RtpPacket::parse(&buffer[..length]).expect("what is made can be read");
            }
            played += 1;
        }
        assert!(played <= 32, "{played} packets of music at once");
    }
}

/// Four samples at 8 kHz.
const MUSIC: &[u8] = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x08\0\0\0\0\x10\0\x20\0\x10\0\0";

fn start() -> Instant {
    Instant::now()
}
