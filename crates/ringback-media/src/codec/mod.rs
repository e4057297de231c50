//! Ways to code speech, behind one trait: what SDP says of them, how many samples and ticks they count, and both halves.
//!
//! A codec has two rates. Its *clock* is what RTP timestamps count and what SDP names; its *sample rate* is that of the sound. They
//! are the same for G.711 and L16. G.722 names 8,000 and means 16,000 (RFC 3551 §4.5.2). Opus names 48,000 whatever is coded, and can
//! be coded and decoded at several (RFC 7587 §4.1).

mod g711;
pub mod g722;
mod l16;
mod list;
mod opus;

pub use g722::G722;
pub use l16::L16;
pub use list::{AudioCodecs, UnknownCodec};
pub use opus::Opus;

use ringback_sdp::Codec;
use std::fmt;
use std::time::Duration;

/// A way to code speech of one channel.
pub trait AudioCodec: fmt::Debug + Send + Sync {
    /// How an offer describes it: name, clock, channels, what we like to receive, and the payload type that we wish for.
    fn description(&self) -> Codec;

    /// The rates at which it can be coded and decoded, in Hz, the lowest first; never none, and each a multiple of 1,000.
    fn sample_rates(&self) -> &[u32];

    /// How much audio goes into a packet, where `wanted` is asked for: 10 to 60 ms, a multiple of 10 ms.
    fn packet_time(&self, wanted: Duration) -> Duration {
        wanted
    }

    /// Whether what a payload means depends on those before it.
    fn has_memory(&self) -> bool {
        true
    }

    /// How long a payload plays, in ticks of the clock; `None` when it is damaged.
    fn ticks(&self, payload: &[u8]) -> Option<u32>;

    /// The rate of [`sample_rates`](Self::sample_rates) at which sound of `wanted` Hz is best sent to a peer that has described the format
    /// so: the lowest that holds it all, else the highest there is.
    fn sending_rate(&self, wanted: u32, _peer: &Codec) -> u32 {
        rate_among(self.sample_rates(), wanted)
    }

    /// A coder for sound of `rate`, one of [`sample_rates`](Self::sample_rates). `peer` is how the receiver has described the format.
    fn encoder(&self, rate: u32, peer: &Codec) -> Box<dyn Encoder>;

    /// A decoder that gives sound of `rate`, one of [`sample_rates`](Self::sample_rates).
    fn decoder(&self, rate: u32) -> Box<dyn Decoder>;
}

/// The sending half of a codec.
pub trait Encoder: fmt::Debug + Send {
    /// Appends the payload for the next `samples`, which are one packet time. Nothing is appended where nothing needs to be sent, as
    /// in a pause.
    fn encode(&mut self, samples: &[i16], payload: &mut Vec<u8>);

    /// The peer reported which share of our packets it has lost of late, 0 to 1.
    fn adapt(&mut self, _loss: f64) {}

    /// What is aimed at, in bit/s of payload; `None` where the format leaves no choice.
    fn bit_rate(&self) -> Option<u32> {
        None
    }
}

/// The receiving half of a codec.
pub trait Decoder: fmt::Debug + Send {
    /// Appends the samples of a payload.
    ///
    /// # Errors
    /// [`DamagedPayload`] when it is none of this codec; nothing was appended.
    fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) -> Result<(), DamagedPayload>;

    /// Appends `length` samples in place of a packet that did not come, and says `true`; `false` where the codec has no way of its own,
    /// and then nothing was appended. `next` is the payload of the packet behind the missing one, where that is here already.
    fn conceal(&mut self, _length: usize, _next: Option<&[u8]>, _samples: &mut Vec<i16>) -> bool {
        false
    }

    /// Whether after this payload the sender pauses, and what is heard meanwhile is made by [`conceal`](Self::conceal).
    fn is_pause(&self, _payload: &[u8]) -> bool {
        false
    }
}

/// A payload that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedPayload;

impl fmt::Display for DamagedPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a damaged payload")
    }
}

impl std::error::Error for DamagedPayload {}

/// The lowest rate that holds sound of `wanted` Hz, else the highest there is.
pub(crate) fn rate_among(rates: &[u32], wanted: u32) -> u32 {
    let enough = rates.iter().find(|rate| **rate >= wanted);
    enough.or(rates.last()).copied().unwrap_or(wanted)
}
