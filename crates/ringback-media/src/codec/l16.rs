//! L16: samples of sixteen bits as they are, the high octet first (RFC 3551 §4.5.11).

use super::{AudioCodec, DamagedPayload, Decoder, Encoder};
use ringback_sdp::Codec;
use std::time::Duration;

/// More octets than this do not fit an Ethernet frame beside their headers.
const MAX_PAYLOAD: u32 = 1_400;

/// Uncoded sound at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L16 {
    rate: u32,
}

impl L16 {
    /// At 8,000 Hz.
    pub const NARROW: Self = Self { rate: 8_000 };
    /// At 16,000 Hz.
    pub const WIDE: Self = Self { rate: 16_000 };
    /// At 48,000 Hz.
    pub const FULL: Self = Self { rate: 48_000 };
}

impl AudioCodec for L16 {
    fn description(&self) -> Codec {
        let payload_type = match self.rate {
            8_000 => 117,
            16_000 => 118,
            _ => 119,
        };
        Codec::new(payload_type, "L16", self.rate).expect("a number below 128, a word and a rate")
    }

    fn sample_rates(&self) -> &[u32] {
        std::slice::from_ref(&self.rate)
    }

    fn packet_time(&self, wanted: Duration) -> Duration {
        let step = Duration::from_millis(10);
        let most = MAX_PAYLOAD / (self.rate / 100 * 2);
        wanted.min(step * most.max(1))
    }

    fn has_memory(&self) -> bool {
        false
    }

    fn ticks(&self, payload: &[u8]) -> Option<u32> {
        let samples = u32::try_from(payload.len() / 2).ok()?;
        (samples > 0 && payload.len().is_multiple_of(2)).then_some(samples)
    }

    fn encoder(&self, _: u32, _: &Codec) -> Box<dyn Encoder> {
        Box::new(*self)
    }

    fn decoder(&self, _: u32) -> Box<dyn Decoder> {
        Box::new(*self)
    }
}

impl Encoder for L16 {
    fn encode(&mut self, samples: &[i16], payload: &mut Vec<u8>) {
        payload.extend(samples.iter().flat_map(|sample| sample.to_be_bytes()));
    }
}

impl Decoder for L16 {
    fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) -> Result<(), DamagedPayload> {
        if !payload.len().is_multiple_of(2) {
            return Err(DamagedPayload);
        }
        samples.extend(payload.chunks_exact(2).map(|it| i16::from_be_bytes([it[0], it[1]])));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_back_as_they_were_and_the_high_octet_is_first() {
        let (mut codec, said) = (L16::WIDE, [0, 1, -1, 0x1234, i16::MIN, i16::MAX]);
        let (mut payload, mut heard) = (Vec::new(), Vec::new());
        codec.encode(&said, &mut payload);
        assert_eq!(payload[6..8], [0x12, 0x34]);
        assert_eq!(codec.ticks(&payload), Some(6));
        assert_eq!(codec.decode(&payload, &mut heard), Ok(()));
        assert_eq!(heard, said);
        assert_eq!(codec.decode(&payload[1..], &mut heard), Err(DamagedPayload));
        assert_eq!((codec.ticks(&payload[1..]), codec.ticks(&[])), (None, None));
    }

    #[test]
    fn a_packet_fits_an_ethernet_frame() {
        for (codec, most) in [(L16::NARROW, 60), (L16::WIDE, 40), (L16::FULL, 10)] {
            let time = codec.packet_time(Duration::from_millis(60));
            assert_eq!(time, Duration::from_millis(most), "{codec:?}");
        }
    }
}
