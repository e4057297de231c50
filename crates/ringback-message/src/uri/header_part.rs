//! The header part of `sip` URIs, and requests that follow it (RFC 3261 §19.1.1, §19.1.5).

use super::{SipUri, UriBuf, unescape};
use crate::{HeaderId, Method, Request, RequestBuilder};
use std::borrow::Cow;

/// One field of a header part, escapes resolved: name and value.
type Escaped<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// What a stranger's URI may ask of a request of ours: which dialog it concerns, what it is about, and how it is to be
/// treated.
///
/// Whatever else there is stays out. RFC 3261 §19.1.5 names From, Call-ID, CSeq, Via, Record-Route and Route as
/// dangerous, and what tells of location and capabilities as ours to tell; later RFCs added ways (Path), proofs
/// (Identity), what networks say (P-Charging-Vector, Diversion), privileges (Resource-Priority) and commands
/// (Answer-Mode), and will add more, so that a list of what is harmful is never complete.
const HONOURED: [HeaderId; 10] = [
    HeaderId::ACCEPT_CONTACT,
    HeaderId::IN_REPLY_TO,
    HeaderId::JOIN,
    HeaderId::PRIORITY,
    HeaderId::REJECT_CONTACT,
    HeaderId::REPLACES,
    HeaderId::REQUEST_DISPOSITION,
    HeaderId::SUBJECT,
    HeaderId::TARGET_DIALOG,
    HeaderId::USER_TO_USER,
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

    /// The fields of the header part that a request to this URI may have, by §19.1.5: those that do not say who we are,
    /// where the request goes or what we can do, each once, in one line of text (rules 83 and 84).
    pub fn honoured(&self) -> impl Iterator<Item = (HeaderId, Cow<'a, [u8]>)> + use<'a> {
        let mut taken = [false; HONOURED.len()];
        self.header_fields().filter_map(move |(name, value)| {
            let id = HeaderId::from_name(&name);
            let place = HONOURED.iter().position(|honoured| *honoured == id)?;
            let fits = std::str::from_utf8(&value)
                .is_ok_and(|text| !text.is_empty() && !text.contains(char::is_control));
            (fits && !std::mem::replace(&mut taken[place], true)).then_some((id, value))
        })
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
    /// Starts a request to a URI (RFC 3261 §19.1.5) with what of its header part may be honoured without a look at it.
    /// The method is the caller's, who may ask the URI for [its own](SipUri::method): a link that a stranger made must
    /// not end calls or registrations. Fields that every request has are left to the caller, and so is the body.
    ///
    /// ```
    /// use ringback_message::{HeaderId, Method, Request, UriBuf};
    ///
    /// let link = UriBuf::new("sip:bob@example.com;method=BYE?Subject=next%20week&Route=%3Csip%3Aevil.example%3E")?;
    /// let request = Request::to_uri(Method::INVITE, &link.as_sip().expect("it is a sip URI")).build()?;
    /// assert!(request.render().starts_with(b"INVITE sip:bob@example.com SIP/2.0\r\nSubject: next week\r\n"));
    /// assert!(!request.has(HeaderId::ROUTE));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_uri(method: Method, uri: &SipUri<'_>) -> RequestBuilder {
        let request = Self::builder(method, uri.as_request_uri());
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
    fn rule_83_what_later_rfcs_made_dangerous_is_dropped_too() {
        for name in [
            "Answer-Mode",
            "Priv-Answer-Mode",
            "Resource-Priority",
            "P-Charging-Vector",
            "P-Asserted-Service",
            "P-Access-Network-Info",
            "P-Served-User",
            "Diversion",
            "History-Info",
            "Session-Expires",
            "Event",
            "Expires",
            "Security-Verify",
            "Geolocation",
            "Reply-To",
            "Alert-Info",
            "Call-Info",
            "X-Own",
            "To",
        ] {
            let text = format!("sip:a@b?{name}=x&Priority=urgent");
            let uri: UriBuf = text.parse().unwrap();
            let honoured: Vec<_> = uri.as_sip().unwrap().honoured().map(|(id, _)| id).collect();
            assert_eq!(honoured, [HeaderId::PRIORITY], "{name}");
        }
    }

    #[test]
    fn each_field_is_honoured_once() {
        let uri: UriBuf = "sip:a@b?Replaces=1&s=x%07&Subject=y&replaces=2&s=z&Join=%FF".parse().unwrap();
        let honoured: Vec<_> =
            uri.as_sip().unwrap().honoured().map(|(id, value)| (id, value.into_owned())).collect();
        assert_eq!(honoured, [(HeaderId::REPLACES, b"1".to_vec()), (HeaderId::SUBJECT, b"y".to_vec())]);
    }

    #[test]
    fn rule_84_nothing_of_a_uri_leaves_its_line() {
        let uri: UriBuf = "sip:a@b?Subject=a%0AVia:x".parse().unwrap();
        let request = Request::to_uri(Method::MESSAGE, &uri.as_sip().unwrap()).build().unwrap();
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
