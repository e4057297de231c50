//! SRTP and SRTCP (RFC 3711), in place on the caller's buffer, sans-IO.
//!
//! - [`Outbound`] protects what one side sends, [`Inbound`] believes what comes from the other: a roll-over counter and
//!   a replay window for each SSRC, counted packets for each key, identifiers of keys (MKI) where there are several;
//! - [`MasterKey`] is a key of a [`Profile`]; [`sdes`] carries it in SDP (RFC 4568).
//!
//! ```
//! use ringback_sansio::SeededEntropy;
//! use ringback_srtp::{Inbound, MasterKey, Outbound, Profile, Refused};
//!
//! let key = MasterKey::generate(Profile::AesCm128HmacSha1_80, &mut SeededEntropy::new(1)); // Not for production.
//! let (mut alice, mut bob) = (Outbound::new(&key), Inbound::new(&[key])?);
//!
//! let mut buffer = [0; 200];
//! buffer[..14].copy_from_slice(b"\x80\0\0\x07\0\0\0\0\0\0\0\x2ahi");
//! let len = alice.protect_rtp(&mut buffer, 14)?;
//! assert_ne!(&buffer[12..14], b"hi");
//!
//! let mut replayed = buffer;
//! let len = bob.unprotect_rtp(&mut buffer[..len])?;
//! assert_eq!(&buffer[12..len], b"hi");
//! assert_eq!(bob.unprotect_rtp(&mut replayed[..24]), Err(Refused::Replayed));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! No packet allocates. What a packet says is believed after its tag has proved it, and not before: a forgery moves
//! neither window nor counter, and takes the place of no stream. Streams have a bound and are never pushed out, since
//! what is forgotten can be replayed.
//!
//! Not here: sockets, RTP itself, DTLS, the F8 mode, key derivation rates other than zero, encrypted header extensions
//! (RFC 6904), and the roll-over counter of a stream that is joined after its first 65,536 packets.
//!
//! Sources: RFC 3711, RFC 6188 (AES-256), RFC 7714 (GCM), RFC 4568 (SDP), RFC 8643 (opportunistic use).

mod cipher;
mod error;
mod header;
mod inbound;
mod key;
mod mac;
mod outbound;
mod profile;
pub mod sdes;
mod stream;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod known_answers;

pub use error::Refused;
pub use inbound::{Inbound, MAX_KEYS};
pub use key::{KeyError, MAX_MKI_LEN, MAX_RTCP_PACKETS, MAX_RTP_PACKETS, MasterKey};
pub use outbound::Outbound;
pub use profile::Profile;
pub use stream::{MAX_SOURCES, WINDOW};
