//! The header part of `sip` URIs, and requests that follow it (RFC 3261 §19.1.1, §19.1.5).

use super::{SipUri, UriBuf, unescape};
use crate::edit::check;
use crate::{HeaderId, Method, Request, RequestBuilder};
use std::borrow::Cow;

/// One field of a header part, escapes resolved: name and value.
type Escaped<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// What a stranger's URI must not decide (RFC 3261 §19.1.5, rule 83): who we are and where the request goes, what we can
/// do, what stands in the body, and what proves something.
const NOT_HONOURED: [HeaderId; 38] = [
    // Obviously dangerous.
    HeaderId::FROM,
    HeaderId::CALL_ID,
    HeaderId::CSEQ,
    HeaderId::VIA,
    HeaderId::RECORD_ROUTE,
    // The way of the request, and how far it goes.
    HeaderId::TO,
    HeaderId::ROUTE,
    HeaderId::PATH,
    HeaderId::SERVICE_ROUTE,
    HeaderId::MAX_FORWARDS,
    HeaderId::MAX_BREADTH,
    // Location and capabilities.
    HeaderId::ACCEPT,
    HeaderId::ACCEPT_ENCODING,
    HeaderId::ACCEPT_LANGUAGE,
    HeaderId::ALLOW,
    HeaderId::ALLOW_EVENTS,
    HeaderId::CONTACT,
    HeaderId::ORGANIZATION,
    HeaderId::SUPPORTED,
    HeaderId::USER_AGENT,
    HeaderId::REQUIRE,
    HeaderId::PROXY_REQUIRE,
    // What describes the body, which is checked by who writes it.
    HeaderId::CONTENT_DISPOSITION,
    HeaderId::CONTENT_ENCODING,
    HeaderId::CONTENT_LANGUAGE,
    HeaderId::CONTENT_LENGTH,
    HeaderId::CONTENT_TYPE,
    HeaderId::DATE,
    HeaderId::MIME_VERSION,
    HeaderId::TIMESTAMP,
    // What only the sender or its network can say of itself.
    HeaderId::AUTHORIZATION,
    HeaderId::PROXY_AUTHORIZATION,
    HeaderId::IDENTITY,
    HeaderId::P_ASSERTED_IDENTITY,
    HeaderId::P_PREFERRED_IDENTITY,
    HeaderId::REFERRED_BY,
    HeaderId::RACK,
    HeaderId::PRIVACY,
];

impl<'a> SipUri<'a> {
    /// The fields of the header part in order, escapes resolved. Whoever wrote the URI chose them: see
    /// [`honoured`](Self::honoured) for those that may go into a request.
    pub fn header_fields(&self) -> impl Iterator<Item = Escaped<'a>> + use<'a> {
        let fields = self.headers().unwrap_or_default().split('&').filter(|field| !field.is_empty());
        fields.map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            (unescape(name), unescape(value))
        })
    }

    /// The fields of the header part that a request to this URI may have, by §19.1.5: known ones that do not say who we
    /// are, where the request goes or what we can do, and that fit into a line (rules 83 and 84). At most 16.
    pub fn honoured(&self) -> impl Iterator<Item = (HeaderId, Cow<'a, [u8]>)> + use<'a> {
        self.header_fields()
            .map(|(name, value)| (HeaderId::from_name(&name), value))
            .filter(|(id, value)| {
                *id != HeaderId::OTHER && !NOT_HONOURED.contains(id) && check(value).is_ok()
            })
            .take(16)
    }

    /// The method that a request to this URI should have: INVITE where it names none (§19.1.1).
    pub fn method(&self) -> Method {
        let named = self.param("method").and_then(|param| param.value).map(unescape);
        let named = named.and_then(|name| Method::new(std::str::from_utf8(&name).ok()?).ok());
        named.unwrap_or(Method::INVITE)
    }

    /// The URI as it may stand in a start line: without headers and `method` (§19.1.1, table 1).
    pub fn as_request_uri(&self) -> UriBuf {
        if self.param("method").is_none() {
            return UriBuf::from_checked(self.without_headers());
        }
        let mut uri = self.bare().to_owned();
        for param in self.params().filter(|param| !param.is("method")) {
            uri.push(';');
            uri.push_str(param.name);
            if let Some(value) = param.value {
                uri.push('=');
                uri.push_str(value);
            }
        }
        UriBuf::from_checked(&uri)
    }
}

impl Request {
    /// Starts the request that a URI asks for (RFC 3261 §19.1.5): its method, and of its header part what may be
    /// honoured without a look at it. Fields that every request has are left to the caller, and so is the body.
    ///
    /// ```
    /// use ringback_message::{HeaderId, Request, UriBuf};
    ///
    /// let link = UriBuf::new("sip:bob@example.com;method=MESSAGE?Subject=next%20week&Route=%3Csip%3Aevil.example%3E")?;
    /// let request = Request::to_uri(&link.as_sip().expect("it is a sip URI")).build()?;
    /// assert!(request.render().starts_with(b"MESSAGE sip:bob@example.com SIP/2.0\r\nSubject: next week\r\n"));
    /// assert!(!request.has(HeaderId::ROUTE));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_uri(uri: &SipUri<'_>) -> RequestBuilder {
        let request = Self::builder(uri.method(), uri.as_request_uri());
        uri.honoured().fold(request, |request, (id, value)| request.header(id, &*value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_83_what_a_stranger_must_not_decide_is_dropped() {
        let uri: UriBuf =
            "sip:a@b?Via=x&FROM=x&t=x&call-id=x&CSeq=1%20X&Route=x&r%6Fute=x&Contact=x&m=x&Record-Route=x\
            &Authorization=x&Supported=x&k=x&Content-Length=9&l=9&X-Unknown=x&body=x&&=&P-Asserted-Identity=x\
            &Subject=a%0D%0AVia:%20x&Reason=a%00&Replaces=1%3Bto-tag%3D2&Priority=urgent"
                .parse()
                .unwrap();
        let uri = uri.as_sip().unwrap();
        let honoured: Vec<_> = uri.honoured().map(|(id, value)| (id, value.into_owned())).collect();
        assert_eq!(
            honoured,
            [(HeaderId::REPLACES, b"1;to-tag=2".to_vec()), (HeaderId::PRIORITY, b"urgent".to_vec())]
        );
    }

    #[test]
    fn rule_84_nothing_of_a_uri_leaves_its_line() {
        let uri: UriBuf = "sip:a@b?Subject=a%0AVia:x".parse().unwrap();
        let request = Request::to_uri(&uri.as_sip().unwrap()).build().unwrap();
        assert!(!request.has(HeaderId::VIA) && !request.has(HeaderId::SUBJECT));
    }

    #[test]
    fn a_start_line_has_neither_headers_nor_method() {
        let uri = |text: &str| text.parse::<UriBuf>().unwrap().as_sip().unwrap().as_request_uri().to_string();
        assert_eq!(uri("sip:a@b;lr;METHOD=BYE;x=1?Subject=x"), "sip:a@b;lr;x=1");
        assert_eq!(uri("sip:a@b;lr?Subject=x"), "sip:a@b;lr");
        let method = |text: &str| text.parse::<UriBuf>().unwrap().as_sip().unwrap().method();
        assert_eq!(method("sip:a@b;method=MESSAGE"), Method::MESSAGE);
        assert_eq!(method("sip:a@b;method=%20"), Method::INVITE);
    }
}
