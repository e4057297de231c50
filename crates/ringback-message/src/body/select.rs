//! Which parts of a body a receiver has to do with (RFC 5621 §3).

use super::{Entity, Multipart};
use crate::ParseError;
use crate::header::ContentEncoding;
use smallvec::SmallVec;
use std::fmt;

/// Why a body cannot be processed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotUnderstood {
    /// A part that must be understood is of a type that is not known: 415 with Accept.
    Type,
    /// A part that must be understood is encoded: 415 with Accept-Encoding.
    Encoding,
    /// A multipart cannot be taken apart.
    Malformed(ParseError),
}

impl fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type => f.write_str("a body of a type that is not known"),
            Self::Encoding => f.write_str("a body in an encoding that is not known"),
            Self::Malformed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NotUnderstood {}

/// The parts that were selected.
type Selected<'a> = SmallVec<[Entity<'a>; 2]>;

impl<'a> Entity<'a> {
    /// The bodies in this one that are to be processed, in order, by a receiver that `knows` some types.
    ///
    /// Of `alternative` parts it is the last that is known (RFC 2046 §5.1.4), of `related` ones the root, for the
    /// others belong to it (RFC 2387); of `mixed` and other ones, each. What is not known is passed over where its
    /// handling is optional, or where a header field refers to it (RFC 5621 §5.2, `by-reference`).
    ///
    /// # Errors
    /// When something that must be understood is not known or is encoded, or cannot be taken apart.
    pub fn select(&self, knows: &dyn Fn(&Entity<'a>) -> bool) -> Result<Selected<'a>, NotUnderstood> {
        let mut selected = Selected::new();
        self.select_into(knows, &mut selected)?;
        Ok(selected)
    }

    fn select_into(
        &self,
        knows: &dyn Fn(&Entity<'a>) -> bool,
        selected: &mut Selected<'a>,
    ) -> Result<(), NotUnderstood> {
        let before = selected.len();
        let result = match self.multipart() {
            _ if self.is_encoded() => Err(NotUnderstood::Encoding),
            _ if knows(self) => {
                selected.push(*self);
                Ok(())
            }
            Some(parts) => {
                parts.map_err(NotUnderstood::Malformed).and_then(|it| it.select_into(knows, selected))
            }
            None => Err(NotUnderstood::Type),
        };
        if result.is_err() && self.may_be_passed_over() {
            selected.truncate(before);
            return Ok(());
        }
        result
    }

    fn may_be_passed_over(&self) -> bool {
        self.is_optional() || self.disposition().is_some_and(|it| it.is("by-reference"))
    }

    fn is_encoded(&self) -> bool {
        let plain = |encoding: ContentEncoding<'_>| {
            encoding.0.is_empty() || encoding.0.eq_ignore_ascii_case("identity")
        };
        self.first::<ContentEncoding<'a>>().is_some_and(|encoding| !encoding.is_ok_and(plain))
    }
}

impl<'a> Multipart<'a> {
    fn select_into(
        &self,
        knows: &dyn Fn(&Entity<'a>) -> bool,
        selected: &mut Selected<'a>,
    ) -> Result<(), NotUnderstood> {
        if self.subtype().eq_ignore_ascii_case("alternative") {
            return self.select_last(knows, selected);
        }
        if self.subtype().eq_ignore_ascii_case("related") {
            return self.root().map_or(Ok(()), |root| root.select_into(knows, selected));
        }
        self.parts().iter().try_for_each(|part| part.select_into(knows, selected))
    }

    fn select_last(
        &self,
        knows: &dyn Fn(&Entity<'a>) -> bool,
        selected: &mut Selected<'a>,
    ) -> Result<(), NotUnderstood> {
        let before = selected.len();
        let mut fault = None;
        for part in self.parts().iter().rev() {
            match part.select_into(knows, selected) {
                Ok(()) if selected.len() > before => return Ok(()),
                Ok(()) => {}
                Err(error) => {
                    selected.truncate(before);
                    fault.get_or_insert(error);
                }
            }
        }
        fault.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MultipartBuf, PartBuf};
    use super::*;
    use crate::{Message, Method, Request};

    fn sdp(text: &'static str) -> PartBuf {
        PartBuf::new("application/sdp", text)
    }

    fn other() -> PartBuf {
        PartBuf::new("application/x-unknown", "?")
    }

    fn message(parts: MultipartBuf) -> Message {
        let body = parts.build().unwrap();
        let invite = Request::builder(Method::INVITE, "sip:a@b").body(&body.content_type, body.bytes);
        invite.build().unwrap().into()
    }

    fn selected(parts: MultipartBuf) -> Result<String, NotUnderstood> {
        let message = message(parts);
        let selected = message.entity().select(&|part| part.is("application", "sdp"))?;
        Ok(selected.iter().map(|part| String::from_utf8_lossy(part.body()).into_owned()).collect())
    }

    #[test]
    fn of_mixed_parts_each_must_be_known_or_optional() {
        assert_eq!(selected(MultipartBuf::mixed().part(sdp("1")).part(sdp("2"))), Ok("12".to_owned()));
        assert_eq!(selected(MultipartBuf::mixed().part(sdp("1")).part(other())), Err(NotUnderstood::Type));
        for may_go in ["signal;handling=optional", "by-reference"] {
            let parts = MultipartBuf::mixed().part(other().disposition(may_go)).part(sdp("2"));
            assert_eq!(selected(parts), Ok("2".to_owned()));
        }
        let required = other().disposition("session;handling=required");
        assert_eq!(selected(MultipartBuf::mixed().part(sdp("1")).part(required)), Err(NotUnderstood::Type));
    }

    #[test]
    fn of_alternatives_the_last_that_is_known_counts() {
        let parts = MultipartBuf::alternative().part(sdp("1")).part(sdp("2")).part(other());
        assert_eq!(selected(parts), Ok("2".to_owned()));
        assert_eq!(selected(MultipartBuf::alternative().part(other())), Err(NotUnderstood::Type));
    }

    #[test]
    fn of_related_parts_the_root_counts() {
        let parts = MultipartBuf::related().part(sdp("1")).part(other());
        assert_eq!(selected(parts), Ok("1".to_owned()));
        assert_eq!(selected(MultipartBuf::related().part(other()).part(sdp("2"))), Err(NotUnderstood::Type));
    }

    #[test]
    fn an_optional_multipart_is_passed_over_as_a_whole() {
        let inner = MultipartBuf::mixed().part(sdp("1")).part(other()).build().unwrap();
        let inner = inner.into_part();
        assert_eq!(
            selected(MultipartBuf::mixed().part(inner.clone()).part(sdp("2"))),
            Err(NotUnderstood::Type)
        );
        let inner = inner.disposition("session;handling=optional");
        assert_eq!(selected(MultipartBuf::mixed().part(inner).part(sdp("2"))), Ok("2".to_owned()));
    }

    #[test]
    fn an_encoded_part_is_not_known() {
        let zipped = sdp("1").header(crate::HeaderId::CONTENT_ENCODING, "gzip");
        assert_eq!(selected(MultipartBuf::mixed().part(zipped)), Err(NotUnderstood::Encoding));
    }
}
