//! DTLS-SRTP (RFC 5763, RFC 5764): keys of media by a handshake on their own path, sans-IO.
//!
//! The certificates are nobody's but those that the descriptions of the session name by their fingerprints, and what the
//! handshake is for is the keys: no data go through it.
//!
//! ```
//! use ringback_dtls::{Association, Certificate, DtlsOutput};
//! use ringback_sansio::Machine;
//! use ringback_sdp::DtlsRole;
//! use std::time::{Duration, Instant};
//!
//! # let now = Instant::now();
//! let (alice, bob) = (Certificate::generate()?, Certificate::generate()?);
//! let mut sides = [
//!     Association::new(now, &alice, DtlsRole::Client, &[bob.fingerprint().to_owned()])?,
//!     Association::new(now, &bob, DtlsRole::Server, &[alice.fingerprint().to_owned()])?,
//! ];
//! let mut keys = Vec::new();
//! while keys.len() < 2 {
//!     for at in 0..2 {
//!         while let Some(output) = sides[at].poll() {
//!             match output {
//!                 DtlsOutput::Send(datagram) => sides[1 - at].handle(now, datagram), // The network.
//!                 DtlsOutput::Keys(found) => keys.push(found),
//!                 other => unreachable!("{other:?}"),
//!             }
//!         }
//!     }
//! }
//! // What one protects the other believes.
//! let mut packet = [&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 20 + 16]].concat();
//! let [mut one, mut other] = [keys.remove(0), keys.remove(0)];
//! let len = one.outbound.protect_rtp(&mut packet, 32)?;
//! assert_eq!(other.inbound.unprotect_rtp(&mut packet[..len]), Ok(32));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: offers and answers (`ringback-sdp` has those), SRTP itself (`ringback-srtp`), and DTLS for data.
//!
//! Sources: RFC 5763 (with SIP), RFC 5764 (`use_srtp`), RFC 6347 (DTLS 1.2), RFC 7627 (extended master secret), RFC 7714
//! §14.2 (GCM), RFC 8122 (fingerprints).

mod association;
mod certificate;
mod handshake;
mod keys;

pub use association::{Association, DtlsFailure, DtlsOutput};
pub use certificate::{Certificate, CertificateError};
pub use keys::SrtpKeys;

/// Whether a datagram on a media port is DTLS (RFC 7983 §7): the first octet is 20 to 63.
pub fn is_dtls(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(20..=63))
}
