//! SDP (RFC 8866) and the offer/answer model (RFC 3264).
//!
//! An answer to an offer:
//!
//! ```
//! use ringback_sdp::{Codec, LocalMedia, OfferAnswer, Origin, SessionDescription};
//!
//! let origin = Origin { username: "bob".into(), session_id: 1, address: "192.0.2.2".parse()? };
//! let audio = LocalMedia::audio(6000, vec![Codec::pcma(), Codec::pcmu(), Codec::telephone_event()]);
//! let mut bob = OfferAnswer::new(origin, vec![audio]);
//!
//! # let body = b"v=0\r\no=alice 7 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
//! #     m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n";
//! let offer = SessionDescription::parse(body)?;
//! bob.receive_offer(&offer)?; // Fails with what a 488 is for.
//! let answer = bob.make_answer()?.to_bytes();
//! let audio = &bob.negotiated()[0];
//! assert_eq!(audio.codec(), Some(&Codec::pcmu()));
//! assert_eq!(audio.telephone_event_to_send().map(Codec::payload_type), Some(96));
//! assert_eq!(audio.remote_rtp.as_ref().and_then(|it| it.socket_addr()), Some("192.0.2.1:4000".parse()?));
//!
//! bob.hold();
//! assert!(bob.make_offer()?.to_string().contains("a=sendonly")); // Goes into a re-INVITE.
//! bob.rollback();                                                // It was answered 491.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What there is:
//!
//! - [`SessionDescription`] reads and writes descriptions, and loses nothing on the way;
//!   [`SessionDescription::deviations`] tells what of one is not as the RFC has it;
//! - [`Media`], [`Direction`], [`Codec`] and [`Bandwidth`] tell what the lines of a medium mean, and [`attribute`]
//!   has a type for each attribute of calls, and a place for those of applications;
//! - [`OfferAnswer`] is the machine that negotiates: it makes offers and answers, takes those of the peer, and
//!   says what both sides [agree on](NegotiatedMedia), through hold, resume, glare and refusal.
//!
//! A relay of media puts its own address in and leaves the rest as it is, to the octet:
//!
//! ```
//! use ringback_sdp::attribute::{Candidate, Rtcp};
//! use ringback_sdp::{Attribute, Connection, SessionDescription};
//!
//! # let body = b"v=0\r\no=alice 7 7 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
//! #     m=audio 4000 RTP/AVP 0\r\na=rtcp:4007\r\na=x-kept: as it is\r\n\
//! #     a=candidate:1 1 udp 2130706431 10.0.0.1 4000 typ host\r\n";
//! let mut offer = SessionDescription::parse(body)?;
//! let relay = Connection::new("192.0.2.99".parse()?);
//! offer.connection = Some(relay.clone());
//! for (media, port) in offer.media.iter_mut().zip((40_000..).step_by(2)) {
//!     media.connections.iter_mut().for_each(|connection| connection.clone_from(&relay));
//!     media.port = if media.port == 0 { 0 } else { port };
//!     // Nothing may lead around the relay.
//!     media.attributes.retain(|it| it.read::<Candidate>().is_none() && it.read::<Rtcp>().is_none());
//!     media.attributes.push(Attribute::of(&Rtcp { port: port + 1, host: None })?);
//! }
//! assert_eq!(offer.to_string(), "v=0\r\no=alice 7 7 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 192.0.2.99\r\nt=0 0\r\n\
//!     m=audio 40000 RTP/AVP 0\r\na=x-kept: as it is\r\na=rtcp:40001\r\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: SIP, sockets, resolving of names, RTP itself. The machine negotiates RTP, in clear or with keys in
//! SDP ([`LocalSrtp`]) or by DTLS ([`LocalDtls`]), its way found by ICE ([`LocalIce`]); preconditions, T.38 and MSRP are read
//! and kept, and refused with port zero.
//!
//! Sources: RFC 8866 (SDP, formerly RFC 4566 and 2327), RFC 3264 and RFC 6337 (offer/answer), RFC 3551 §6 (static
//! payload types), RFC 8285 (header extensions), RFC 2198 (redundancy), RFC 9143 (bundles), RFC 5888 (names and groups), RFC 6157 §4.2; those of attributes stand beside
//! their types.

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
pub use lint::{Deviation, MAX_DEVIATIONS};
pub use media::{Media, MediaKind, RtcpAddress};
pub use negotiation::{
    DtlsRole, FeedbackKind, FeedbackSet, HeaderExtension, IceCredentials, LocalCrypto, LocalDtls, LocalIce,
    LocalMedia, LocalSrtp, MAX_CANDIDATES, MediaAddress, NegotiatedCrypto, NegotiatedDtls,
    NegotiatedExtension, NegotiatedIce, NegotiatedMedia, NegotiationError, NegotiationState, OfferAnswer,
    Origin, REPAIRED_RTP_STREAM_ID, RTP_STREAM_ID, SrtpPolicy,
};
pub use parse::{MAX_ATTRIBUTES, MAX_FORMATS, MAX_LINES, MAX_MEDIA, MAX_SIZE, SdpError};
pub use text::{ByteString, InvalidText, Word};
