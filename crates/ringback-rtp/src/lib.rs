//! RTP and RTCP sessions, telephone events and an adaptive jitter buffer, sans-IO.
//!
//! - [`RtpPacket`]: one packet, read in place and written into the caller's buffer;
//! - [`RtpSession`]: our stream to a peer and its stream to us, with RTCP both ways;
//! - [`jitter::JitterBuffer`]: from packets as they come to frames as they are played;
//! - [`event::EventSender`] and [`event::EventReceiver`]: DTMF digits;
//! - [`Extension::elements`], [`AudioLevel`]: header extensions, and how loud the audio of a packet is;
//! - [`red`]: payloads that repeat earlier ones; [`repair`]: packets that were lost, sent again;
//! - [`text`]: what is typed, as it is typed;
//! - [`rtcp`]: compound packets, with feedback, and when it may go; [`Datagram`]: RTP or RTCP, when both share a port.
//!
//! Not here: sockets and who may send to them (address latching), codecs, SRTP.
//!
//! # The run loop
//!
//! ```
//! use ringback_rtp::{Datagram, PayloadType, RtpConfig, RtpSession};
//! use ringback_rtp::jitter::{JitterBuffer, JitterConfig, Pull};
//! use ringback_sansio::{Epoch, SeededEntropy};
//! use std::time::{Duration, Instant};
//!
//! # let start = Instant::now();
//! let epoch = Epoch { at: start, unix: Duration::from_secs(1_800_000_000) };
//! let config = |cname: &str| RtpConfig { clock_rate: 8_000, cname: cname.into(), bandwidth: 80_000, epoch };
//! let mut alice = RtpSession::new(start, config("a"), &mut SeededEntropy::new(1));
//! let mut bob = RtpSession::new(start, config("b"), &mut SeededEntropy::new(2));
//! let mut buffer = JitterBuffer::new(start, JitterConfig::speech(8_000));
//! let mut played = 0;
//!
//! for frame in 0..10u32 {
//!     let now = start + Duration::from_millis(20) * frame;
//!     let mut datagram = Vec::new();
//!     let time = alice.first_time().plus(frame * 160);
//!     alice.write(now, time, PayloadType::PCMU, frame == 0, &[0xff; 160], &mut datagram);
//!
//!     match Datagram::classify(&datagram) {
//!         Datagram::Rtp => {
//!             let packet = bob.read(now, &datagram)?.packet;
//!             buffer.insert(now, &packet, packet.payload.len() as u32);
//!         }
//!         Datagram::Rtcp => bob.handle_rtcp(now, &datagram)?,
//!         Datagram::Other => {}
//!     }
//!     if let Pull::Frame { payload, .. } = buffer.pull(now) {
//!         played += payload.len();
//!     }
//!     if bob.poll_timeout().is_some_and(|at| at <= now) {
//!         let mut report = Vec::new();
//!         while bob.poll_rtcp(now, &mut report) { /* send it, clear it */ }
//!     }
//! }
//! assert_eq!(played, 8 * 160, "two frames of delay");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`RtpSession`] keeps the contract of [`ringback_sansio::Machine`] (deadlines move on, time never runs backwards,
//! the same seed gives the same octets) and is none all the same: `Machine` hands out owned values, and here packets
//! are read in the caller's datagram and written into the caller's buffer.
//!
//! Sources: RFC 3550 (RTP, RTCP), RFC 3551 (audio profile), RFC 4733 (telephone events), RFC 5761 (one port), RFC 8285 (header
//! extensions), RFC 6464 (levels), RFC 2198 (redundancy), RFC 4103 with ITU-T T.140 (text), RFC 4585 and RFC 5104 (feedback),
//! RFC 4588 (retransmission), RFC 3611 (extended reports).

mod audio_level;
mod demux;
pub mod event;
mod extension;
pub mod jitter;
mod number;
mod packet;
pub mod red;
pub mod repair;
pub mod rtcp;
mod session;
pub mod text;

pub use audio_level::AudioLevel;
pub use demux::Datagram;
pub use extension::{Element, Elements, ONE_BYTE, TWO_BYTE};
pub use number::{PayloadType, RtpTime, SequenceNumber, Ssrc};
pub use packet::{Contributors, Extension, HEADER_LEN, PacketError, RtpPacket};
pub use session::{
    Continuity, Place, Received, RtpConfig, RtpError, RtpEvent, RtpSession, RtpStats, Source as RemoteSource,
};
