//! Relaying the media of a call, without I/O: whose packets pass, and what descriptions say instead.
//!
//! - [`RelayStream`] is one medium between two [`Side`]s on the packet path: it is told each datagram and from where it
//!   came, and says where it goes, or why it goes nowhere;
//! - [`RelayedCall`] rewrites the descriptions of a call, so that each side sends to the relay, and says what the streams
//!   have to expect.
//!
//! ```
//! use ringback_relay::{Change, Component, Opened, Ports, RelayStream, RelayedCall, Side};
//! use ringback_sdp::SessionDescription;
//! use std::time::{Duration, Instant};
//!
//! /// The stream 7 has port 30000 for the caller and 30002 for the callee; RTCP is one higher.
//! struct One;
//! impl Ports<u8> for One {
//!     fn open(&mut self) -> Option<Opened<u8>> {
//!         Some(Opened { stream: 7, ports: [30_000, 30_002] })
//!     }
//!     fn owns(&self, port: u16) -> bool {
//!         (30_000..30_004).contains(&port)
//!     }
//! }
//!
//! # let now = Instant::now();
//! # let text = |ip: &str, port: u16| format!(
//! #     "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n");
//! # let parse = |text: String| SessionDescription::parse(text.as_bytes()).unwrap();
//! let (alice, bob, relay) = ("192.0.2.1", "192.0.2.2", "198.51.100.9".parse()?);
//! let mut stream = RelayStream::new(now, Duration::from_secs(60));
//! let mut call = RelayedCall::new(relay);
//! let (mut offer, mut answer) = (parse(text(alice, 4000)), parse(text(bob, 5000)));
//! let mut entropy = ringback_sansio::SeededEntropy::new(1); // Of a server: one that is fit for secrets.
//! let said = call.rewrite(Side::Caller, 1, alice.parse()?, &mut offer, &mut One, &mut entropy);
//! assert!(offer.to_string().contains("m=audio 30002 "), "Bob is to send there");
//! let answered = call.rewrite(Side::Callee, 1, bob.parse()?, &mut answer, &mut One, &mut entropy);
//! for change in said.into_iter().chain(answered) {
//!     if let Change::Expect { stream: 7, side, expected } = change {
//!         stream.expect(now, side, expected);
//!     }
//! }
//!
//! let (mut rtp, stranger) = ([0x80; 172], "203.0.113.66:4000".parse()?);
//! let to = stream.receive(now, Side::Caller, Component::Rtp, "192.0.2.1:4000".parse()?, &mut rtp, 172);
//! assert_eq!(to, Ok(("192.0.2.2:5000".parse()?, 172)));
//! assert!(stream.receive(now, Side::Caller, Component::Rtp, stranger, &mut rtp, 172).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Whose packets pass.** Those from the address of the description. Only where that is not the host that the signalling
//! comes from, so that there is a NAT between, another port of that host may take its place, once: the first whose packets
//! come. It opens again with another offer or answer, and never by packets. So nobody gets audio of others by sending
//! first, and nobody puts audio in.
//!
//! **Who is silent.** A side of which nothing is heard for a while is told, once the call is up and both sides are to talk.
//!
//! **Whose keys.** Packets pass as they are, so that SRTP and DTLS go through from end to end; or each leg has keys of its own
//! ([`RelayedCall::ending_encryption`]), and who encrypts can talk to who does not. What is not protected by the keys of its side then
//! passes as little as what comes from a stranger, and tells nobody where the side is.
//!
//! **Who understands whom.** Where a call [converts audio](RelayedCall::converting_audio), offers gain the formats that can be converted to
//! and from Opus, G.722 and G.711, and an answer becomes one to what was offered. Packets that the other side understands pass all the same; the others are
//! decoded and coded anew, and digits go from events to tones and back where only one side has events.
//!
//! Not here: sockets, threads, SIP, DTLS.
//!
//! Sources: RFC 3264 (offer and answer), RFC 4961 (symmetric RTP), RFC 7362 (latching and what is wrong with it),
//! RFC 7983 (what a datagram is), RFC 3550 §7.2 (translators), §A.1 (sequence numbers) and §A.8 (jitter), RFC 4733 (digits).

mod call;
mod convert;
mod formats;
mod keys;
mod lock;
mod reception;
mod stream;

pub use call::{Change, MAX_STREAMS, Opened, Ports, RelayedCall};
pub use formats::SideFormats;
pub use lock::{Expected, SourceLock};
pub use stream::{Dropped, MAX_GROWTH, RelayStream, SideStats};

/// One of the two sides of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who made the call.
    Caller,
    /// Who was called.
    Callee,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    /// 0 for the caller, 1 for the callee.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// One of the two ports of a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// RTP, and RTCP where both share a port.
    Rtp,
    /// RTCP.
    Rtcp,
}

impl Component {
    /// 0 for RTP, 1 for RTCP.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Some instant that tests start from.
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> std::time::Instant {
    std::time::Instant::now()
}
