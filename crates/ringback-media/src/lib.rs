//! The media of a call: codecs, loss concealment, recording, WAV files, and one end of it all, sans-IO.
//!
//! - [`AudioCodec`]: a way to code speech, of which [`Opus`], [`G722`], [`Law`] (G.711) and [`L16`] are here; [`AudioCodecs`] is which of
//!   them a side speaks, and what it offers;
//! - [`AudioLeg`]: speech and digits in both directions over one RTP session, with hold, latching and RTCP;
//! - [`TextLeg`]: what is typed during a call, in both directions over an RTP session of its own;
//! - [`VideoLeg`], [`VideoRoom`]: pictures that are passed on and never decoded, and a conference that shows who speaks;
//! - [`MediaPath`]: which way its packets go, found by ICE, and where their keys come from, by DTLS;
//! - [`TimestampRecorder`]: what came, sample for sample, by the clock of the sender;
//! - [`Mixer`]: three or more parties, each of whom hears the others; [`CommonCoders`]: what those who only listen hear, coded once;
//! - [`AudioSource`], [`read_wav`], [`WavWriter`], [`OpusWriter`], [`Resampler`]: where audio comes from and goes to;
//! - [`DtmfDetector`], [`DtmfSender`]: digits as tones, where the other side knows no telephone events;
//! - [`Concealer`]: what replaces speech that did not come, to be used alone.
//!
//! # The run loop
//!
//! Frames have 16 bits a sample, one channel, and the rate that the leg was told, whatever the codec. The caller has a clock, two sockets (or one) and calls
//! [`AudioLeg::send_frame`] and [`AudioLeg::next_frame`] once a packet time:
//!
//! ```
//! use ringback_media::{AudioFormat, AudioLeg, AudioSource, FrameKind, Incoming, Law, LegConfig, LegEvent, PeerAddress};
//! use ringback_media::{PlayoutMode, RecorderLimits, TimestampRecorder};
//! use ringback_sansio::{Epoch, SeededEntropy};
//! use ringback_sdp::Direction;
//! use std::time::{Duration, Instant};
//!
//! # let start = Instant::now();
//! let epoch = Epoch { at: start, unix: Duration::from_secs(1_800_000_000) };
//! let config = |cname: &str, peer: &str| LegConfig {
//!     format: AudioFormat::new(Law::A), // Or `AudioFormat::negotiated` after an offer and its answer.
//!     direction: Direction::SendRecv,
//!     peer: Some(PeerAddress { rtp: peer.parse().unwrap(), rtcp: peer.parse().unwrap(), rtcp_mux: true }),
//!     cname: cname.into(),
//!     epoch,
//!     rate: 8_000,
//!     playout: PlayoutMode::Adaptive,
//! };
//! let mut alice = AudioLeg::new(start, config("a", "192.0.2.2:5000"), &mut SeededEntropy::new(1))?;
//! let mut bob = AudioLeg::new(start, config("b", "192.0.2.1:4000"), &mut SeededEntropy::new(2))?;
//!
//! let mut source = AudioSource::tone(440.0, -10.0);
//! let mut recorder = TimestampRecorder::new(RecorderLimits::default());
//! let (mut pcm, mut said, mut heard) = ([0; 160], Vec::new(), 0);
//! alice.send_digit('5', Duration::from_millis(100))?;
//!
//! for frame in 0..50 {
//!     let now = start + Duration::from_millis(20) * frame;
//!     let mut packet = Vec::new();
//!     source.fill(8_000, &mut pcm);
//!     alice.send_frame(now, &pcm, &mut packet); // The datagram for `alice.rtp_destination()`.
//!     said.extend(pcm.map(|it| Law::A.decode(Law::A.encode(it))));
//!
//!     if let Ok(Incoming::Audio { payload, packet, .. }) = bob.receive(now, "192.0.2.1:4000".parse()?, &mut packet) {
//!         recorder.write(&payload, &packet);
//!     }
//!     heard += usize::from(bob.next_frame(now, &mut pcm) == FrameKind::Audio);
//!     if bob.poll_timeout().is_some_and(|at| at <= now) {
//!         bob.handle_timeout(now);
//!         let mut report = Vec::new();
//!         while bob.poll_rtcp(now, &mut report) { /* send it to `bob.rtcp_destination()`, clear it */ }
//!     }
//! }
//! assert_eq!(bob.poll_event().is_some(), true); // The source of the stream, and then:
//! assert_eq!(bob.poll_event(), Some(LegEvent::DigitStarted('5')));
//! assert_eq!(bob.poll_event(), Some(LegEvent::DigitEnded('5', Duration::from_millis(100))));
//! // Seven packets were the digit; 43 are recorded exactly as they were said, and all but two frames are played.
//! assert_eq!(recorder.segments()[0].samples(), &said[7 * 160..]);
//! assert_eq!(heard, 41);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: sockets, sound cards, relaying.
//!
//! Sources: ITU-T G.711 with G.191 and Appendix I, ITU-T G.722, RFC 6716 and 7587 (Opus), RFC 3551 (audio profile), RFC 3389 (comfort
//! noise), RFC 4733 (telephone events), RFC 4103 (text), RFC 3264 §8.4 (hold), RFC 6464 (levels); the jitter buffer is [`ringback_rtp::jitter`]'s.

mod activity;
mod codec;
mod conceal;
mod convert;
mod dtmf;
mod file;
mod format;
mod g711;
mod latch;
mod leg;
mod level;
mod mixer;
mod noise;
mod ogg;
mod path;
mod pitch;
mod playout;
mod recorder;
mod resample;
mod source;
mod stretch;
mod tones;
mod video;
mod voice;
mod wav;

pub use codec::g722;
pub use codec::{AudioCodec, AudioCodecs, DamagedPayload, Decoder, Encoder, G722, L16, Opus, UnknownCodec};
pub use conceal::Concealer;
pub use dtmf::{DtmfDetector, DtmfSender};
pub use file::AudioFile;
pub use format::{AudioFormat, AudioPayload, PeerAddress, packet_time};
pub use g711::Law;
pub use leg::{
    AudioLeg, Coded, CommonCoders, DigitError, Incoming, LegConfig, LegEvent, LegStats, PlayoutMode, Refused,
    Sent, TextFormat, TextLeg,
};
pub use level::level;
pub use mixer::{Mixer, PartyKey};
pub use ogg::OpusWriter;
pub use path::{MediaPath, PathConfig, PathEvent, Way};
pub use playout::FrameKind;
pub use recorder::{Placed, RecorderLimits, Segment, TimestampRecorder};
pub use resample::{Resampler, RunningResampler, UnsupportedRate};
pub use ringback_dtls::{Certificate, CertificateError, DtlsFailure, SrtpKeys};
pub use ringback_ice::{Gathered, Gatherer, IceFigures, LocalCandidate, Pair, Relayed, TurnServer};
pub use ringback_srtp::Profile as SrtpProfile;
pub use source::AudioSource;
pub use tones::{Cadence, Country, Signal, Step, UnknownTone};
pub use video::{
    Layer, PictureCoding, RoomOutput, StreamId, VideoIncoming, VideoLeg, VideoLegConfig, VideoLegEvent,
    VideoLegStats, VideoMode, VideoPacket, VideoPartyKey, VideoRoom, VideoRoomStats, VideoTransmit,
};
pub use wav::{AudioFileError, WavWriter, read_wav, read_wav_at_its_rate};
