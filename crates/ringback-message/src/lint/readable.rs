//! Whether a value can be read by whom it concerns.

use super::fields::elements;
use crate::HeaderId;
use crate::header::{
    Accept, Allow, Authorization, CSeq, CallId, Contact, ContentEncoding, ContentLength, ContentType,
    Expires, From, Header, MaxForwards, MinExpires, Path, ProxyAuthenticate, ProxyAuthorization,
    ProxyRequire, Reason, RecordRoute, ReferTo, Require, RetryAfter, Route, ServiceRoute, Supported, To,
    Unsupported, Via, Warning, WwwAuthenticate,
};

/// Whether typed access reads all of a row. What has no type is read as it stands.
pub(super) fn is_readable(id: HeaderId, value: &[u8]) -> bool {
    fn all<'a, H: Header<'a>>(value: &'a [u8]) -> bool {
        elements(H::ID, value).all(|element| H::parse(element).is_ok())
    }
    match id {
        HeaderId::VIA => all::<Via<'_>>(value),
        HeaderId::FROM => all::<From<'_>>(value),
        HeaderId::TO => all::<To<'_>>(value),
        HeaderId::CONTACT => all::<Contact<'_>>(value),
        HeaderId::ROUTE => all::<Route<'_>>(value),
        HeaderId::RECORD_ROUTE => all::<RecordRoute<'_>>(value),
        HeaderId::PATH => all::<Path<'_>>(value),
        HeaderId::SERVICE_ROUTE => all::<ServiceRoute<'_>>(value),
        HeaderId::REFER_TO => all::<ReferTo<'_>>(value),
        HeaderId::CALL_ID => all::<CallId<'_>>(value),
        HeaderId::CSEQ => all::<CSeq>(value),
        HeaderId::MAX_FORWARDS => all::<MaxForwards>(value),
        HeaderId::EXPIRES => all::<Expires>(value),
        HeaderId::MIN_EXPIRES => all::<MinExpires>(value),
        HeaderId::RETRY_AFTER => all::<RetryAfter>(value),
        HeaderId::CONTENT_LENGTH => all::<ContentLength>(value),
        HeaderId::CONTENT_TYPE => all::<ContentType<'_>>(value),
        HeaderId::CONTENT_ENCODING => all::<ContentEncoding<'_>>(value),
        HeaderId::ACCEPT => all::<Accept<'_>>(value),
        HeaderId::ALLOW => all::<Allow>(value),
        HeaderId::SUPPORTED => all::<Supported<'_>>(value),
        HeaderId::REQUIRE => all::<Require<'_>>(value),
        HeaderId::PROXY_REQUIRE => all::<ProxyRequire<'_>>(value),
        HeaderId::UNSUPPORTED => all::<Unsupported<'_>>(value),
        HeaderId::REASON => all::<Reason<'_>>(value),
        HeaderId::WARNING => all::<Warning<'_>>(value),
        HeaderId::WWW_AUTHENTICATE => all::<WwwAuthenticate<'_>>(value),
        HeaderId::PROXY_AUTHENTICATE => all::<ProxyAuthenticate<'_>>(value),
        HeaderId::AUTHORIZATION => all::<Authorization<'_>>(value),
        HeaderId::PROXY_AUTHORIZATION => all::<ProxyAuthorization<'_>>(value),
        _ => true,
    }
}
