//! Where pictures of H.264 begin that need no other (RFC 6184 §5).

/// NAL unit types.
const IDR: u8 = 5;
const SEQUENCE_PARAMETERS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Whether such a picture begins here: with the parameters that come before it, or with itself where they were told in SDP.
pub(super) fn begins_key_frame(payload: &[u8]) -> bool {
    let Some((first, rest)) = payload.split_first() else { return false };
    match first & 0x1f {
        IDR | SEQUENCE_PARAMETERS => true,
        STAP_A => units(rest).any(begins),
        // The start bit, and the type of what is cut up.
        FU_A => rest.first().is_some_and(|header| header & 0x80 != 0 && begins(header & 0x1f)),
        _ => false,
    }
}

fn begins(unit: u8) -> bool {
    matches!(unit, IDR | SEQUENCE_PARAMETERS)
}

/// The types of the units of an aggregate, as far as it is whole.
fn units(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let ([high, low], after) = rest.split_first_chunk::<2>()?;
        let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        rest = after;
        unit.first().map(|header| header & 0x1f)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_whole_pictures_are_found_alone_in_aggregates_and_in_fragments() {
        assert!(begins_key_frame(&[0x67, 0x42]) && begins_key_frame(&[0x65, 1]));
        assert!(!begins_key_frame(&[0x41, 1]) && !begins_key_frame(&[0x68, 1]) && !begins_key_frame(&[]));
        assert!(begins_key_frame(&[0x78, 0, 1, 0x09, 0, 2, 0x67, 0x42]), "a delimiter, then parameters");
        assert!(!begins_key_frame(&[0x78, 0, 1, 0x09, 0, 9, 0x67]), "longer than there is");
        assert!(!begins_key_frame(&[0x78, 0, 0, 0, 0]) && !begins_key_frame(&[0x78, 0]));
        assert!(begins_key_frame(&[0x7c, 0x85, 1]) && !begins_key_frame(&[0x7c, 0x05, 1]), "the start bit");
        assert!(!begins_key_frame(&[0x7c, 0x81, 1]) && !begins_key_frame(&[0x7c]));
    }
}
