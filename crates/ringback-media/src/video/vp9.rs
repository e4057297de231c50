//! Where key frames of VP9 begin (RFC 9628 §4.2).

/// Whether this is the first packet of a picture that needs no other: the lowest layer of it, where there are several.
pub(super) fn begins_key_frame(payload: &[u8]) -> bool {
    let Some((first, rest)) = payload.split_first() else { return false };
    let (has_picture, is_predicted, has_layers) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x20 != 0);
    if is_predicted || first & 0x08 == 0 {
        return false;
    }
    let picture = match (has_picture, rest.first()) {
        (true, Some(high)) => 1 + usize::from(high & 0x80 != 0),
        (true, None) => return false,
        (false, _) => 0,
    };
    // The spatial layer stands in three bits behind the temporal one.
    !has_layers || rest.get(picture).is_some_and(|layers| layers >> 1 & 7 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_layer_of_a_picture_that_needs_no_other_is_one() {
        assert!(begins_key_frame(&[0x08, 1]));
        assert!(begins_key_frame(&[0xa8, 0x81, 0x02, 0x00, 0]), "of the lowest layer");
        assert!(!begins_key_frame(&[0xa8, 0x81, 0x02, 0x02, 0]), "of the next one");
        assert!(!begins_key_frame(&[0x48, 1]), "needs others");
        assert!(!begins_key_frame(&[0x00, 1]), "not the start");
        assert!(
            !begins_key_frame(&[0xa8, 0x81, 0x02]) && !begins_key_frame(&[0x88]) && !begins_key_frame(&[])
        );
    }
}
