//! The payload descriptor of VP8: where key frames begin, and the numbers that have to go on when the source changes
//! (RFC 7741 §4.2).

/// What a descriptor says, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// Where the picture id stands, and whether it has fifteen bits.
    picture_at: Option<(usize, bool)>,
    pub(super) picture: Option<u16>,
    tl0_at: Option<usize>,
    pub(super) tl0: Option<u8>,
    starts_frame: bool,
    len: usize,
}

impl Descriptor {
    /// `None` where the payload is shorter than its descriptor says.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut found = Self { starts_frame: first & 0x17 == 0x10, len: 1, ..Self::default() };
        if first & 0x80 == 0 {
            return Some(found);
        }
        let extension = *payload.get(1)?;
        found.len = 2;
        if extension & 0x80 != 0 {
            let high = *payload.get(found.len)?;
            let is_long = high & 0x80 != 0;
            found.picture_at = Some((found.len, is_long));
            found.picture = Some(match is_long {
                true => u16::from_be_bytes([high & 0x7f, *payload.get(found.len + 1)?]),
                false => u16::from(high),
            });
            found.len += if is_long { 2 } else { 1 };
        }
        if extension & 0x40 != 0 {
            found.tl0_at = Some(found.len);
            found.tl0 = Some(*payload.get(found.len)?);
            found.len += 1;
        }
        if extension & 0x30 != 0 {
            found.len += 1;
        }
        (payload.len() >= found.len).then_some(found)
    }

    /// Puts other numbers in the place of those that there are. A picture id of seven bits keeps its seven bits.
    pub(super) fn rewrite(self, payload: &mut [u8], picture: u16, tl0: u8) {
        match self.picture_at {
            Some((at, true)) => {
                let [high, low] = picture.to_be_bytes();
                if let Some(place) = payload.get_mut(at..at + 2) {
                    place.copy_from_slice(&[0x80 | high, low]);
                }
            }
            Some((at, false)) => {
                if let Some(place) = payload.get_mut(at) {
                    *place = picture as u8 & 0x7f;
                }
            }
            None => {}
        }
        if let Some(place) = self.tl0_at.and_then(|at| payload.get_mut(at)) {
            *place = tl0;
        }
    }
}

/// Whether this is the first packet of a picture that needs no other.
pub(super) fn begins_key_frame(payload: &[u8]) -> bool {
    let Some(descriptor) = Descriptor::parse(payload) else { return false };
    // RFC 7741 §4.3: the inverse key frame flag is the lowest bit of the payload header.
    descriptor.starts_frame && payload.get(descriptor.len).is_some_and(|header| header & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptors_of_the_rfc_are_understood() {
        // RFC 7741 §4.6: the first fragment of a key frame, and one that is in the midst of it.
        assert!(begins_key_frame(&[0x10, 0x50, 1, 2]));
        assert!(!begins_key_frame(&[0x00, 0x50, 1, 2]), "not the start");
        assert!(!begins_key_frame(&[0x10, 0x51, 1, 2]), "needs others");
        assert!(!begins_key_frame(&[0x11, 0x50]), "of the second partition");
        assert!(!begins_key_frame(&[0x10]) && !begins_key_frame(&[]));
        let all = [0x90, 0xf0, 0x92, 0x34, 7, 0x20, 0x50];
        let found = Descriptor::parse(&all).unwrap();
        assert_eq!((found.picture, found.tl0, found.len), (Some(0x1234), Some(7), 6));
        assert!(begins_key_frame(&all));
        for length in 1..6 {
            assert_eq!(Descriptor::parse(&all[..length]), None, "{length}");
        }
        let short = Descriptor::parse(&[0x90, 0x80, 0x45, 0x51]).unwrap();
        assert_eq!((short.picture, short.tl0, short.len), (Some(0x45), None, 3));
    }

    #[test]
    fn numbers_are_put_in_their_place_and_nothing_else_is_touched() {
        let mut all = [0x90, 0xf0, 0x92, 0x34, 7, 0x20, 0x50];
        Descriptor::parse(&all).unwrap().rewrite(&mut all, 0x7fff, 9);
        assert_eq!(all, [0x90, 0xf0, 0xff, 0xff, 9, 0x20, 0x50]);
        let mut short = [0x90, 0x80, 0x45, 0x51];
        Descriptor::parse(&short).unwrap().rewrite(&mut short, 0x1ff, 9);
        assert_eq!(short, [0x90, 0x80, 0x7f, 0x51]);
        let mut none = [0x10, 0x51];
        Descriptor::parse(&none).unwrap().rewrite(&mut none, 5, 9);
        assert_eq!(none, [0x10, 0x51]);
    }
}
