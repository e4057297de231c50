//! G.711 as a codec: an octet is a sample is a tick.

use super::{AudioCodec, DamagedPayload, Decoder, Encoder};
use crate::Law;
use ringback_sdp::Codec;

impl AudioCodec for Law {
    fn description(&self) -> Codec {
        match self {
            Self::Mu => Codec::pcmu(),
            Self::A => Codec::pcma(),
        }
    }

    fn sample_rates(&self) -> &[u32] {
        &[8_000]
    }

    fn has_memory(&self) -> bool {
        false
    }

    fn ticks(&self, payload: &[u8]) -> Option<u32> {
        u32::try_from(payload.len()).ok().filter(|ticks| *ticks > 0)
    }

    fn encoder(&self, _: u32, _: &Codec) -> Box<dyn Encoder> {
        Box::new(*self)
    }

    fn decoder(&self, _: u32) -> Box<dyn Decoder> {
        Box::new(*self)
    }
}

impl Encoder for Law {
    fn encode(&mut self, samples: &[i16], payload: &mut Vec<u8>) {
        self.encode_into(samples, payload);
    }
}

impl Decoder for Law {
    fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) -> Result<(), DamagedPayload> {
        self.decode_into(payload, samples);
        Ok(())
    }
}
