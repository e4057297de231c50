//! SDP (RFC 8866) and the offer/answer model (RFC 3264).
//!
//! - [`SessionDescription`] reads and writes descriptions, and loses nothing on the way;
//! - [`Media`], [`Direction`] and [`Codec`] tell what the lines of a medium mean;
//! - [`OfferAnswer`] is the machine that negotiates: it makes offers and answers, takes those of the peer, and
//!   says what both sides [agree on](NegotiatedMedia), through hold, resume, glare and refusal.
//!
//! A call from the view of the side that is called:
//!
//! ```
//! use ringback_sdp::{Codec, Direction, LocalMedia, OfferAnswer, Origin, SessionDescription};
//!
//! let origin = Origin { username: "bob".into(), session_id: 1, address: "192.0.2.2".parse()? };
//! let audio = LocalMedia::audio(6000, vec![Codec::pcma(), Codec::pcmu(), Codec::telephone_event()]);
//! let mut bob = OfferAnswer::new(origin, vec![audio]);
//!
//! let offer = SessionDescription::parse(b"v=0\r\no=alice 7 7 IN IP4 192.0.2.1\r\ns=-\r\n\
//!     c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n")?;
//! bob.receive_offer(&offer)?;   // Fails with what a 488 is for.
//! let answer = bob.make_answer()?;
//! assert_eq!(answer.media[0].formats, ["0", "96"]);
//!
//! let audio = &bob.negotiated()[0];
//! assert_eq!(audio.remote_rtp.as_ref().and_then(|it| it.socket_addr()), Some("192.0.2.1:4000".parse()?));
//! assert_eq!(audio.codec(), Some(&Codec::pcmu()));
//! assert_eq!(audio.telephone_event_to_send().map(Codec::payload_type), Some(96));
//!
//! bob.hold();
//! assert_eq!(bob.make_offer()?.media[0].direction(), Some(Direction::SendOnly)); // Goes into a re-INVITE.
//! bob.rollback();                                                                // It was answered 491.
//! assert_eq!(bob.negotiated()[0].direction, Direction::SendRecv);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: SIP, sockets, resolving of names, RTP itself. The machine negotiates plain RTP only; secure profiles,
//! ICE, bundles, preconditions, T.38 and MSRP are read and kept, and refused with port zero.
//!
//! Sources: RFC 8866 (SDP, formerly RFC 4566 and 2327), RFC 3264 and RFC 6337 (offer/answer), RFC 3551 §6 (static
//! payload types), RFC 3605 (`a=rtcp`), RFC 5761 (`a=rtcp-mux`), RFC 4733 (telephone-event), RFC 6157 §4.2.

pub mod attribute;
mod bandwidth;
mod codec;
mod description;
mod direction;
mod fmtp;
mod lint;
mod media;
pub mod negotiation;
mod parse;
mod scan;
mod text;
mod write;

pub use bandwidth::{Bandwidth, BandwidthKind};
pub use codec::Codec;
pub use description::{
    Attribute, Connection, Host, OriginField, SessionDescription, TimeDescription, UnknownLine,
};
pub use direction::Direction;
pub use lint::Deviation;
pub use media::{Media, MediaKind, RtcpAddress};
pub use negotiation::{
    LocalMedia, MediaAddress, NegotiatedMedia, NegotiationError, NegotiationState, OfferAnswer, Origin,
};
pub use parse::{MAX_ATTRIBUTES, MAX_FORMATS, MAX_MEDIA, MAX_SIZE, SdpError};
pub use text::{ByteString, InvalidText, Word};
