//! Messages over MSRP (RFC 4975 §8).

use super::macros::{is_visible, number, word};
use super::{AttributeError, AttributeValue};

word! {
    /// `a=path`: the MSRP URIs by which the writer is reached, the next hop first (RFC 4975 §8.2).
    Path, "path", |text| !text.is_empty() && text.split(' ').all(is_visible);
    /// `a=accept-types`: media types that may be sent, `*` for all (RFC 4975 §8.6).
    AcceptTypes, "accept-types", |text| !text.is_empty() && text.split(' ').all(is_visible);
    /// `a=accept-wrapped-types`: those that may be sent within others (RFC 4975 §8.6).
    AcceptWrappedTypes, "accept-wrapped-types", |text| !text.is_empty() && text.split(' ').all(is_visible);
}

number! {
    /// `a=max-size`: the largest message that is taken, in octets (RFC 4975 §8.6).
    MaxSize(u64), "max-size";
}

impl<'a> Path<'a> {
    /// The URIs, the next hop first.
    pub fn uris(&self) -> impl DoubleEndedIterator<Item = &'a str> + use<'a> {
        self.0.split(' ')
    }
}

/// Whether a list of media types has one, by its own name, as `type/*` or as `*`.
fn accepts(list: &str, media_type: &str) -> bool {
    let is_it = |entry: &str| match entry.strip_suffix("/*") {
        Some(major) => media_type.split('/').next().is_some_and(|own| own.eq_ignore_ascii_case(major)),
        None => entry == "*" || entry.eq_ignore_ascii_case(media_type),
    };
    list.split(' ').any(is_it)
}

impl AcceptTypes<'_> {
    /// Whether a media type, written without parameters, may be sent.
    pub fn accepts(&self, media_type: &str) -> bool {
        accepts(self.0, media_type)
    }
}

impl AcceptWrappedTypes<'_> {
    /// Whether a media type may be sent within another.
    pub fn accepts(&self, media_type: &str) -> bool {
        accepts(self.0, media_type)
    }
}

#[cfg(test)]
mod tests {
    use super::super::round;
    use super::*;

    /// RFC 4975 §8.6 and §8.7.
    #[test]
    fn paths_and_types_are_lists() {
        let path = round::<Path<'_>>(
            "msrp://a.example.com:7394/2s93i93idj;tcp msrp://b.example.com:7654/iau39soe2843z;tcp",
        );
        assert_eq!(path.uris().next_back(), Some("msrp://b.example.com:7654/iau39soe2843z;tcp"));
        let types = round::<AcceptTypes<'_>>("message/cpim text/plain text/html");
        assert!(types.accepts("Text/Plain") && !types.accepts("image/png"));
        assert!(AcceptTypes("message/cpim *").accepts("image/png"));
        assert!(round::<AcceptWrappedTypes<'_>>("text/*").accepts("text/html"));
        assert_eq!(round::<MaxSize>("1048576"), MaxSize(1 << 20));
        assert!(Path::parse("").is_err());
    }
}
