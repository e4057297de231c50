//! Telling RTP from RTCP on one port (RFC 5761 §4, RFC 7983 §7).

/// What a datagram on a media port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram {
    /// RTP.
    Rtp,
    /// RTCP.
    Rtcp,
    /// Neither: STUN, DTLS, a keep-alive, or garbage.
    Other,
}

impl Datagram {
    /// Looks at the first two octets and judges nothing else.
    ///
    /// RTCP packet types 192 to 223 are RTP's payload types 64 to 95 with the marker set, which RFC 5761 §4
    /// forbids to anyone who shares the port.
    pub fn classify(datagram: &[u8]) -> Self {
        match datagram {
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, _, ..] => Self::Rtp,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_octet_tells_rtcp() {
        for (start, kind) in [
            (&[0x80, 0, 0, 0][..], Datagram::Rtp),
            (&[0x80, 0x80 | 101][..], Datagram::Rtp), // payload type 101 with the marker
            (&[0x81, 200][..], Datagram::Rtcp),
            (&[0xbf, 204][..], Datagram::Rtcp),
            (&[0x80, 191][..], Datagram::Rtp),
            (&[0x80, 224][..], Datagram::Rtp),
            (&[0, 1, 0, 0][..], Datagram::Other),   // STUN
            (&[22, 254, 253][..], Datagram::Other), // DTLS
            (&[][..], Datagram::Other),
            (&[0x80][..], Datagram::Other),
        ] {
            assert_eq!(Datagram::classify(start), kind, "{start:?}");
        }
    }
}
