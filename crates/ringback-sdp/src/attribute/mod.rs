//! Attributes by their meaning: each type reads one kind of `a=` line and writes it.
//!
//! What a peer writes wrongly is skipped, as RFC 8866 §5.13 wants it of what is not understood; who wants to know
//! asks [`Attribute::read`]. All types borrow from the description and copy nothing.
//!
//! ```
//! use ringback_sdp::attribute::{Candidate, CandidateKind, Fingerprint, Setup};
//! use ringback_sdp::{Attribute, SessionDescription};
//!
//! let mut offer = SessionDescription::parse(b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n\
//!     m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=setup:actpass\r\na=candidate:1 1 udp 2130706431 192.0.2.1 4000 typ host\r\n")?;
//! let audio = &mut offer.media[0];
//! assert_eq!(audio.get::<Setup>(), Some(Setup::ActPass));
//! let candidate = audio.all::<Candidate>().next().ok_or("no candidate")?;
//! assert_eq!((candidate.kind, candidate.port), (CandidateKind::Host, 4000));
//! audio.attributes.push(Attribute::of(&Setup::Active)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An application adds an attribute of its own in the same way:
//!
//! ```
//! use ringback_sdp::attribute::{AttributeError, AttributeValue};
//! use ringback_sdp::{Attribute, Media, MediaKind};
//! use std::fmt;
//!
//! /// `a=x-room:<number>`
//! struct Room(u32);
//!
//! impl AttributeValue<'_> for Room {
//!     const NAME: &'static str = "x-room";
//!
//!     fn parse(value: &str) -> Result<Self, AttributeError> {
//!         value.parse().map(Room).map_err(|_| AttributeError::new("room number"))
//!     }
//! }
//!
//! impl fmt::Display for Room {
//!     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
//!         self.0.fmt(f)
//!     }
//! }
//!
//! let mut audio = Media::new(MediaKind::AUDIO, 4000, "RTP/AVP".parse()?, vec!["0".parse()?]);
//! audio.attributes.push(Attribute::of(&Room(7))?);
//! assert_eq!(audio.attributes[0].as_bytes(), b"x-room:7");
//! assert_eq!(audio.get::<Room>().map(|room| room.0), Some(7));
//! # Ok::<(), ringback_sdp::InvalidText>(())
//! ```

mod bfcp;
mod file;
mod fmtp;
mod grouping;
mod ice;
mod macros;
mod msrp;
mod rtcp;
mod rtp;
mod sctp;
mod security;
mod simulcast;
mod t38;

pub use bfcp::{ConfId, FloorControl, FloorId, FloorRole, UserId};
pub use file::{
    FileDate, FileDisposition, FileHash, FileIcon, FileRange, FileSelector, FileTransferId,
    unescape_file_name,
};
pub use fmtp::{Av1, FormatParameters, H264, Opus, Parameters, Rtx, TelephoneEvents, Vp8, Vp9};
pub use grouping::{BundleOnly, Content, Group, GroupSemantics, Label, Mid, Msid};
pub use ice::{
    Candidate, CandidateKind, EndOfCandidates, IceLite, IceMismatch, IceOptions, IcePwd, IceUfrag, TcpType,
};
pub use msrp::{AcceptTypes, AcceptWrappedTypes, MaxSize, Path};
pub use rtcp::{Rtcp, RtcpExtendedReports, RtcpFeedback, RtcpMux, RtcpMuxOnly, RtcpReducedSize};
pub use rtp::{Extmap, ExtmapAllowMixed, Fmtp, MaxPtime, Ptime, Rtpmap, Ssrc, SsrcGroup};
pub use sctp::{ConnectionReuse, MaxMessageSize, SctpPort};
pub use security::{Crypto, CryptoKey, Fingerprint, KeyMgmt, Setup, TlsId};
pub use simulcast::{Rid, RidDirection, Simulcast, SimulcastStream};
pub use t38::{FaxRateManagement, FaxUdpErrorCorrection, T38};

pub(crate) use macros::{digits, is_token};

use crate::{Attribute, InvalidText, Media, SessionDescription};
use std::error::Error;
use std::fmt;

/// The meaning of one kind of attribute. `Display` writes the value; one that writes nothing is a property.
pub trait AttributeValue<'a>: Sized + fmt::Display {
    /// The name, as it stands behind `a=`.
    const NAME: &'static str;

    /// Reads what stands behind the colon; nothing when there is no colon.
    ///
    /// # Errors
    /// [`AttributeError`] names the rule of the grammar that does not hold.
    fn parse(value: &'a str) -> Result<Self, AttributeError>;
}

/// Why a value is not what its attribute calls for. The peer's fault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeError {
    /// The rule that was broken, as the RFC of the attribute names it.
    pub rule: &'static str,
}

impl AttributeError {
    /// An error by the rule that was broken.
    pub const fn new(rule: &'static str) -> Self {
        Self { rule }
    }
}

impl fmt::Display for AttributeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad attribute: {}", self.rule)
    }
}

impl Error for AttributeError {}

impl Attribute {
    /// The line that says this.
    ///
    /// # Errors
    /// [`InvalidText`] when a text in it would end the line. That words are words is left to the caller.
    pub fn of<'a, T: AttributeValue<'a>>(value: &T) -> Result<Self, InvalidText> {
        match value.to_string() {
            nothing if nothing.is_empty() => Self::property(T::NAME),
            value => Self::new(T::NAME, &value),
        }
    }

    /// What the line says, when it has the name of the type.
    pub fn read<'a, T: AttributeValue<'a>>(&'a self) -> Option<Result<T, AttributeError>> {
        if self.name() != T::NAME {
            return None;
        }
        let value = if self.has_value() { self.value() } else { Some("") };
        Some(value.ok_or(AttributeError::new("utf-8")).and_then(T::parse))
    }
}

/// All that can be read among a list of attributes.
fn readable<'a, T: AttributeValue<'a>>(attributes: &'a [Attribute]) -> impl Iterator<Item = T> + use<'a, T> {
    attributes.iter().filter_map(|attribute| attribute.read()?.ok())
}

impl Media {
    /// The first attribute of this kind that can be read.
    pub fn get<'a, T: AttributeValue<'a>>(&'a self) -> Option<T> {
        readable(&self.attributes).next()
    }

    /// All attributes of this kind that can be read.
    pub fn all<'a, T: AttributeValue<'a>>(&'a self) -> impl Iterator<Item = T> + use<'a, T> {
        readable(&self.attributes)
    }

    /// The parameters of a payload type by their meaning (`a=fmtp`, RFC 8866 §6.15).
    pub fn parameters<'a, T: Parameters<'a>>(&'a self, payload_type: u8) -> Option<T> {
        self.fmtp(payload_type).map(FormatParameters::new).map(T::read)
    }
}

impl SessionDescription {
    /// The first session-level attribute of this kind that can be read.
    pub fn get<'a, T: AttributeValue<'a>>(&'a self) -> Option<T> {
        readable(&self.attributes).next()
    }

    /// All session-level attributes of this kind that can be read.
    pub fn all<'a, T: AttributeValue<'a>>(&'a self) -> impl Iterator<Item = T> + use<'a, T> {
        readable(&self.attributes)
    }

    /// The attribute in effect for a medium where that of the session stands for all media without one of their
    /// own, as with `a=setup`, `a=fingerprint`, `a=ice-ufrag` and `a=ice-pwd`.
    pub fn effective<'a, T: AttributeValue<'a>>(&'a self, media: &'a Media) -> Option<T> {
        media.get().or_else(|| self.get())
    }
}

/// Reads values of tests and asserts that they are written as they were read.
#[cfg(test)]
fn round<'a, T: AttributeValue<'a>>(value: &'a str) -> T {
    let read = T::parse(value).unwrap_or_else(|error| panic!("{}:{value}: {error}", T::NAME));
    assert_eq!(read.to_string(), value, "{}", T::NAME);
    read
}
