//! Laws of descriptions that a relay rewrites.

use ringback_relay::{Change, MAX_STREAMS, Opened, Ports, RelayedCall, Side};
use ringback_sansio::SeededEntropy;
use ringback_sdp::attribute::Candidate;
use ringback_sdp::{Connection, Host, SessionDescription};
use std::net::{IpAddr, Ipv4Addr};

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
    // Half of the inputs with keys of our own.
    let mut call = match input.len() % 2 {
        0 => RelayedCall::new(RELAY),
        _ => RelayedCall::ending_encryption(RELAY),
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
