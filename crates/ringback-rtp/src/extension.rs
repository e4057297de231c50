//! What stands in a header extension: elements with a number and a few octets each (RFC 8285 §4).
//!
//! Which number means what is agreed on in SDP (`a=extmap`), so an element says nothing by itself.

use crate::packet::Extension;

/// The profile of elements whose header is one octet.
pub const ONE_BYTE: u16 = 0xbede;
/// The profile of elements whose header is two octets; its last four bits are the application's.
pub const TWO_BYTE: u16 = 0x1000;
/// The number that a header of one octet has kept for later; what follows it cannot be understood.
const RESERVED: u8 = 15;
/// The most octets of an element with a header of one octet.
const MOST_OF_ONE_BYTE: usize = 16;

/// An element of a header extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// What it is, by the numbers that were agreed on: 1 to 255, and 1 to 14 in a header of one octet.
    pub id: u8,
    /// Its value, at most 255 octets.
    pub octets: &'a [u8],
}

/// The elements of a header extension, in their order.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
}

impl<'a> Extension<'a> {
    /// The elements; none of an extension that is none of RFC 8285. What is cut off ends the list.
    pub fn elements(self) -> Elements<'a> {
        match self.profile {
            ONE_BYTE => Elements { rest: self.octets, form: Form::OneByte },
            profile if profile & 0xfff0 == TWO_BYTE => Elements { rest: self.octets, form: Form::TwoByte },
            _ => Elements { rest: &[], form: Form::OneByte },
        }
    }

    /// The value of the first element with this number.
    pub fn element(self, id: u8) -> Option<&'a [u8]> {
        self.elements().find(|element| element.id == id).map(|element| element.octets)
    }

    /// Writes elements into `buffer`, which is emptied before, in the shortest form that can carry all of them. Those that no
    /// form can, with the number 0 or more than 255 octets, are left out; `None` when there are no others.
    pub fn compose(elements: &[Element<'_>], buffer: &'a mut Vec<u8>) -> Option<Self> {
        buffer.clear();
        let written = || elements.iter().filter(|it| it.id != 0 && it.octets.len() <= usize::from(u8::MAX));
        let is_short =
            |it: &Element<'_>| it.id < RESERVED && (1..=MOST_OF_ONE_BYTE).contains(&it.octets.len());
        let form = if written().all(is_short) { Form::OneByte } else { Form::TwoByte };
        for element in written() {
            // Both lengths were looked at above.
            let length = element.octets.len() as u8;
            match form {
                Form::OneByte => buffer.push((element.id << 4) | (length - 1)),
                Form::TwoByte => buffer.extend([element.id, length]),
            }
            buffer.extend(element.octets);
        }
        if buffer.is_empty() {
            return None;
        }
        buffer.resize(buffer.len().next_multiple_of(4), 0);
        let profile = if form == Form::OneByte { ONE_BYTE } else { TWO_BYTE };
        Some(Self { profile, octets: buffer })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        // Zeros between elements are padding.
        let begin = self.rest.iter().position(|octet| *octet != 0)?;
        let rest = self.rest.get(begin..)?;
        let (id, length, rest) = match (self.form, rest) {
            (Form::OneByte, [header, rest @ ..]) => (header >> 4, usize::from(header & 0x0f) + 1, rest),
            (Form::TwoByte, [id, length, rest @ ..]) => (*id, usize::from(*length), rest),
            (_, _) => return self.end(),
        };
        // A number of zero with a length, or one that is kept for later: nobody knows where the next one begins.
        if self.form == Form::OneByte && matches!(id, 0 | RESERVED) {
            return self.end();
        }
        let Some((octets, rest)) = rest.split_at_checked(length) else { return self.end() };
        self.rest = rest;
        Some(Element { id, octets })
    }
}

impl<'a> Elements<'a> {
    fn end(&mut self) -> Option<Element<'a>> {
        self.rest = &[];
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(profile: u16, octets: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let elements = Extension { profile, octets }.elements();
        elements.map(|it| (it.id, it.octets.to_vec())).collect()
    }

    /// RFC 8285 §4.2 and §4.3, the examples of both forms.
    #[test]
    fn elements_are_found_between_padding_in_both_forms() {
        let one = [0x10, 0xaa, 0x21, 0xbb, 0xbc, 0x00, 0x00, 0x33, 1, 2, 3, 4];
        assert_eq!(read(ONE_BYTE, &one), [(1, vec![0xaa]), (2, vec![0xbb, 0xbc]), (3, vec![1, 2, 3, 4])]);
        let two = [1, 0, 2, 1, 0xbb, 0, 3, 4, 1, 2, 3, 4];
        assert_eq!(read(TWO_BYTE | 5, &two), [(1, vec![]), (2, vec![0xbb]), (3, vec![1, 2, 3, 4])]);
        assert_eq!(Extension { profile: ONE_BYTE, octets: &one }.element(2), Some(&[0xbb, 0xbc][..]));
        assert_eq!(Extension { profile: ONE_BYTE, octets: &one }.element(4), None);
    }

    #[test]
    fn what_cannot_be_understood_ends_the_list() {
        for (profile, octets, ids) in [
            (ONE_BYTE, &[0x10, 1, 0xf0, 1, 0x20, 1][..], &[1][..]), // the reserved number
            (ONE_BYTE, &[0x10, 1, 0x02, 0x20, 1], &[1]),            // a length without a number
            (ONE_BYTE, &[0x10, 1, 0x25, 1], &[1]),                  // cut off
            (TWO_BYTE, &[15, 1, 7, 9, 200, 1], &[15]),
            (TWO_BYTE, &[1, 1, 7, 9], &[1]),
            (0x2000, &[0x10, 1], &[]), // another profile
        ] {
            let found: Vec<u8> = read(profile, octets).iter().map(|it| it.0).collect();
            assert_eq!(found, ids, "{octets:?}");
        }
    }

    #[test]
    fn the_shortest_form_that_carries_all_is_written() {
        let mut buffer = Vec::new();
        let short = [Element { id: 14, octets: &[1] }, Element { id: 0, octets: &[2] }];
        let extension = Extension::compose(&short, &mut buffer).expect("one");
        assert_eq!((extension.profile, extension.octets), (ONE_BYTE, &[0xe0, 1, 0, 0][..]));
        for element in [
            Element { id: 15, octets: &[1] },
            Element { id: 1, octets: &[] },
            Element { id: 1, octets: &[9; 17] },
        ] {
            let extension = Extension::compose(&[element], &mut buffer).expect("one");
            assert_eq!(extension.profile, TWO_BYTE);
            assert_eq!(extension.elements().collect::<Vec<_>>(), [element]);
        }
        assert_eq!(Extension::compose(&[Element { id: 1, octets: &[0; 256] }], &mut buffer), None);
    }

    proptest! {
        #[test]
        fn what_is_composed_is_read_again(
            elements in prop::collection::vec((1..=255_u8, prop::collection::vec(any::<u8>(), 0..300)), 0..8),
        ) {
            let given: Vec<_> = elements.iter().map(|(id, octets)| Element { id: *id, octets }).collect();
            let mut buffer = Vec::new();
            let read: Vec<Element<'_>> = match Extension::compose(&given, &mut buffer) {
                Some(extension) => extension.elements().collect(),
                None => Vec::new(),
            };
            let kept: Vec<_> = given.into_iter().filter(|it| it.octets.len() <= 255).collect();
            prop_assert_eq!(read, kept);
        }

        #[test]
        fn nothing_reads_beyond_what_there_is(profile: u16, octets in prop::collection::vec(any::<u8>(), 0..64)) {
            for profile in [profile, ONE_BYTE, TWO_BYTE] {
                let sum: usize = Extension { profile, octets: &octets }.elements().map(|it| it.octets.len() + 1).sum();
                prop_assert!(sum <= octets.len());
            }
        }
    }
}
