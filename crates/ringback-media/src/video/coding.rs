//! What has to be known of a way to code pictures, to pass them on.

use super::{h264, vp8, vp9};
use ringback_sdp::Codec;

/// A way to code pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureCoding {
    /// VP8 (RFC 7741).
    Vp8,
    /// VP9 (RFC 9628).
    Vp9,
    /// H.264 (RFC 6184).
    H264,
    /// One of which nothing is known here. All its packets are taken to begin a picture that needs no other.
    Other,
}

impl PictureCoding {
    /// That of a payload format.
    pub fn of(format: &Codec) -> Self {
        match format {
            _ if format.is_named("VP8") => Self::Vp8,
            _ if format.is_named("VP9") => Self::Vp9,
            _ if format.is_named("H264") => Self::H264,
            _ => Self::Other,
        }
    }

    /// Whether a picture that needs no other begins with this payload.
    pub fn begins_key_frame(self, payload: &[u8]) -> bool {
        match self {
            Self::Vp8 => vp8::begins_key_frame(payload),
            Self::Vp9 => vp9::begins_key_frame(payload),
            Self::H264 => h264::begins_key_frame(payload),
            Self::Other => !payload.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_name_tells_the_coding() {
        for (name, coding) in [
            ("vp8", PictureCoding::Vp8),
            ("VP9", PictureCoding::Vp9),
            ("h264", PictureCoding::H264),
            ("AV1", PictureCoding::Other),
        ] {
            assert_eq!(PictureCoding::of(&Codec::new(96, name, 90_000).unwrap()), coding);
        }
    }

    proptest! {
        #[test]
        fn no_payload_makes_it_panic(payload in prop::collection::vec(any::<u8>(), 0..40)) {
            for coding in [PictureCoding::Vp8, PictureCoding::Vp9, PictureCoding::H264, PictureCoding::Other] {
                let begins = coding.begins_key_frame(&payload);
                prop_assert!(!begins || !payload.is_empty());
            }
        }
    }
}
