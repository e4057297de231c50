//! Fields that hold addresses: From, To, Contact, Route and their kin.

use super::{Header, HeaderId, displayed_as_written};
use crate::lex::{Cursor, is_lws, trim, unquote};
use crate::limits::MAX_URI_BYTES;
use crate::scan::{UriMarks, uri_marks};
use crate::{InvalidValue, Output, Params, ParseError, Uri, Value, quick};
use std::borrow::Cow;
use std::ops::Deref;

/// `name-addr` or `addr-spec` with the parameters of the header (RFC 3261 §25.1).
#[derive(Clone, Copy, Debug)]
pub struct NameAddr<'a> {
    display: &'a [u8],
    /// The URI.
    pub uri: Uri<'a>,
    /// The parameters of the header field, not of the URI.
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    pub(crate) fn read(display: &'a [u8], uri: Uri<'a>, params: Params<'a>) -> Self {
        Self { display, uri, params }
    }

    /// An address without display name and parameters.
    pub fn new(uri: Uri<'a>) -> Self {
        Self { display: b"", uri, params: Params::default() }
    }

    /// The same address with a display name: tokens, or text that [`quote`](crate::quote) made.
    ///
    /// # Errors
    /// When it is neither.
    pub fn with_display(self, display: &'a str) -> Result<Self, InvalidValue> {
        let mut cursor = Cursor::new(display.as_bytes());
        let read = match cursor.peek() {
            Some(b'"') => cursor.quoted("display-name").is_ok(),
            _ => !cursor.take_name_part().is_empty(),
        };
        if !read || !cursor.is_empty() || display.contains(['\r', '\n', '\0']) {
            return Err(InvalidValue::Malformed("display-name"));
        }
        Ok(Self { display: display.as_bytes(), ..self })
    }

    /// The same address with these parameters of the header field.
    #[must_use]
    pub fn with_params(self, params: Params<'a>) -> Self {
        Self { params, ..self }
    }

    /// Reads an address that fills all of `value`.
    ///
    /// # Errors
    /// When display name, URI or parameters are out of their grammar.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        match quick::name_addr(value) {
            Some(address) => Ok(address),
            None => Self::by_grammar(value),
        }
    }

    pub(crate) fn by_grammar(value: &'a [u8]) -> Result<Self, ParseError> {
        let (display, uri, params) = divide(value, Uri::divided)?;
        Ok(Self { display, uri, params })
    }

    /// Reads an address that fills all of `value` and says its `tag`, where there is one that is not empty. What the URI
    /// says is left to whoever looks at it (RFC 3261 §16.3).
    ///
    /// # Errors
    /// When display name or parameters are out of their grammar, or there is no URI.
    pub(crate) fn tag_in(value: &'a [u8]) -> Result<Option<&'a str>, ParseError> {
        if let Some(tag) = quick::tag(value) {
            return Ok(tag);
        }
        let (_, (), params) = divide(value, |uri, _| match memchr::memchr(b':', uri) {
            _ if uri.len() > MAX_URI_BYTES => Err(ParseError::new(MAX_URI_BYTES, "length of a URI")),
            Some(colon) if colon > 0 && colon + 1 < uri.len() => Ok(()),
            _ => Err(ParseError::new(0, "scheme")),
        })?;
        Ok(params.value("tag").filter(|tag| !tag.is_empty()))
    }

    /// The display name: quotes removed, quoted pairs resolved. Not always UTF-8 (rule 74).
    pub fn display(&self) -> Cow<'a, [u8]> {
        unquote(self.display)
    }

    /// Display name and URI without the parameters, in one line: fit to be written into another message.
    pub fn address(&self) -> String {
        let shown = match self.display.is_empty() {
            true => format!("<{}>", self.uri),
            false => format!("{} <{}>", String::from_utf8_lossy(self.display), self.uri),
        };
        // Folds were read, and NUL can stand in a quoted string; neither may be written (rule 84).
        shown.replace(['\r', '\n', '\0'], " ")
    }

    /// The `tag` parameter, where there is one that is not empty.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.value("tag").filter(|tag| !tag.is_empty())
    }
}

/// Cuts an address into display name, URI and parameters. `read` is given the URI and its marks, nothing broken among
/// them.
fn divide<'a, T>(
    value: &'a [u8],
    read: impl Fn(&'a [u8], UriMarks) -> Result<T, ParseError>,
) -> Result<(&'a [u8], T, Params<'a>), ParseError> {
    let mut cursor = Cursor::new(value);
    cursor.skip_lws();
    let start = cursor.at;
    // One quoted string, or tokens and white space. Several quoted strings (`""+41""`) occur in the wild.
    loop {
        cursor.take_name_part();
        if cursor.peek() != Some(b'"') {
            break;
        }
        cursor.quoted("display-name")?;
    }
    let display = trim(&cursor.input[start..cursor.at]);
    cursor.skip_lws();
    if cursor.eat(b'<') {
        let uri = bracketed(&mut cursor, read)?;
        let params = Params::take(&mut cursor, "generic-param")?;
        cursor.finish("name-addr")?;
        return Ok((display, uri, params));
    }
    // Without brackets everything behind the first `;` belongs to the header (rule 67), and a URI
    // with comma or question mark is not allowed (rule 66).
    cursor.at = start;
    let bare = cursor.take_while(|byte| !is_lws(byte) && byte != b';');
    if let Some(at) = bare.iter().position(|byte| matches!(byte, b',' | b'?')) {
        return Err(ParseError::new(start + at, "addr-spec"));
    }
    let uri = whole(bare, read).map_err(|error| error.shifted(start))?;
    let params = Params::take(&mut cursor, "generic-param")?;
    cursor.finish("addr-spec")?;
    Ok((b"", uri, params))
}

/// The URI behind `<`, and the `>` behind it.
fn bracketed<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl Fn(&'a [u8], UriMarks) -> Result<T, ParseError>,
) -> Result<T, ParseError> {
    let (open, rest) = (cursor.at, cursor.rest());
    let marks = uri_marks(rest);
    match marks.broken {
        // Where white space is the first thing that no URI has, there may be more of it at both ends.
        Some(end) if rest[end] == b'>' => {
            cursor.at += end + 1;
            read(&rest[..end], marks).map_err(|error| error.shifted(open))
        }
        _ => {
            let length = memchr::memchr(b'>', rest).ok_or(ParseError::new(open, "name-addr"))?;
            cursor.at += length + 1;
            let lead = rest.iter().take_while(|byte| is_lws(**byte)).count();
            whole(trim(&rest[..length]), read).map_err(|error| error.shifted(open + lead))
        }
    }
}

/// Reads a URI that fills all of `text`.
fn whole<'a, T>(
    text: &'a [u8],
    read: impl Fn(&'a [u8], UriMarks) -> Result<T, ParseError>,
) -> Result<T, ParseError> {
    let marks = uri_marks(text);
    match marks.broken {
        Some(at) => Err(ParseError::new(at, "Request-URI")),
        None => read(text, marks),
    }
}

impl Value for NameAddr<'_> {
    fn write(&self, out: &mut Output) {
        if !self.display.is_empty() {
            out.extend_unfolded(self.display);
            out.push(b' ');
        }
        out.push(b'<');
        out.extend_from_slice(self.uri.as_str().as_bytes());
        out.push(b'>');
        self.params.write(out);
    }
}

displayed_as_written!(NameAddr<'_>, Contact<'_>);

macro_rules! addresses {
    ($($(#[$doc:meta])* $name:ident $id:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'a>(pub NameAddr<'a>);

        impl<'a> Header<'a> for $name<'a> {
            const ID: HeaderId = HeaderId::$id;
            fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                NameAddr::parse(value).map(Self)
            }

            fn alone(row: &'a [u8]) -> Option<Self> {
                quick::name_addr(row).map(Self)
            }
        }

        impl<'a> Deref for $name<'a> {
            type Target = NameAddr<'a>;
            fn deref(&self) -> &NameAddr<'a> {
                &self.0
            }
        }

        impl Value for $name<'_> {
            fn write(&self, out: &mut Output) {
                self.0.write(out);
            }
        }

        displayed_as_written!($name<'_>);
    )*};
}

addresses! {
    /// Who sends the request (RFC 3261 §20.20).
    From FROM
    /// Whom the request is for (RFC 3261 §20.39).
    To TO
    /// One proxy to visit (RFC 3261 §20.34).
    Route ROUTE
    /// One proxy that stays in the path of the dialog (RFC 3261 §20.30).
    RecordRoute RECORD_ROUTE
    /// One proxy between registrar and contact (RFC 3327).
    Path PATH
    /// One proxy between user agent and home (RFC 3608).
    ServiceRoute SERVICE_ROUTE
    /// Whom to contact (RFC 3515 §2.1).
    ReferTo REFER_TO
    /// Who asked for the request (RFC 3892 §3).
    ReferredBy REFERRED_BY
    /// Where an answer should go, if not to From (RFC 3261 §20.31).
    ReplyTo REPLY_TO
    /// Who the sender is, as a trusted network says (RFC 3325 §9.1).
    PAssertedIdentity P_ASSERTED_IDENTITY
    /// Who the sender wants to be for a trusted network (RFC 3325 §9.2).
    PPreferredIdentity P_PREFERRED_IDENTITY
    /// Which of its addresses the callee was called by (RFC 7315 §5.2).
    PCalledPartyId P_CALLED_PARTY_ID
    /// Another address that the registered user has (RFC 7315 §5.1).
    PAssociatedUri P_ASSOCIATED_URI
    /// Whom the network serves by this request (RFC 5502 §4).
    PServedUser P_SERVED_USER
    /// Who is called and whether to show it (an expired draft that many trunks still speak).
    RemotePartyId REMOTE_PARTY_ID
    /// Who diverted the call, the latest first (RFC 5806).
    Diversion DIVERSION
    /// One station of the call (RFC 7044 §5).
    HistoryInfo HISTORY_INFO
    /// Who must give permission first (RFC 5360 §5.9.2).
    PermissionMissing PERMISSION_MISSING
    /// What to ring with (RFC 3261 §20.4).
    AlertInfo ALERT_INFO
    /// More about caller or callee (RFC 3261 §20.9).
    CallInfo CALL_INFO
    /// More about the error (RFC 3261 §20.18).
    ErrorInfo ERROR_INFO
    /// Where the location of a party is told (RFC 6442 §4.1).
    Geolocation GEOLOCATION
}

impl<'a> ReferredBy<'a> {
    /// The Content-ID of the body that proves it.
    pub fn content_id(&self) -> Option<Cow<'a, str>> {
        self.params.find("cid")?.text()
    }
}

impl<'a> HistoryInfo<'a> {
    /// Where the station is in the tree of the call: `1.1.2`.
    pub fn index(&self) -> Option<&'a str> {
        self.params.value("index")
    }
}

impl<'a> Diversion<'a> {
    /// Why the call was diverted: `user-busy`, `unconditional` …
    pub fn reason(&self) -> Option<Cow<'a, str>> {
        self.params.find("reason")?.text()
    }
}

impl<'a> CallInfo<'a> {
    /// What the resource is: `icon`, `info`, `card` …
    pub fn purpose(&self) -> Option<&'a str> {
        self.params.value("purpose")
    }
}

/// One contact, or the `*` that removes all bindings (RFC 3261 §20.10).
#[derive(Clone, Copy, Debug)]
pub enum Contact<'a> {
    /// `*`.
    Wildcard,
    /// An address with its parameters.
    Address(NameAddr<'a>),
}

impl<'a> Header<'a> for Contact<'a> {
    const ID: HeaderId = HeaderId::CONTACT;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        if trim(value) == b"*" { Ok(Self::Wildcard) } else { NameAddr::parse(value).map(Self::Address) }
    }

    fn alone(row: &'a [u8]) -> Option<Self> {
        quick::name_addr(row).map(Self::Address)
    }
}

impl Value for Contact<'_> {
    fn write(&self, out: &mut Output) {
        match self {
            Self::Wildcard => out.push(b'*'),
            Self::Address(address) => address.write(out),
        }
    }
}

impl<'a> Contact<'a> {
    /// The address, unless it is the wildcard.
    pub fn address(&self) -> Option<&NameAddr<'a>> {
        match self {
            Self::Wildcard => None,
            Self::Address(address) => Some(address),
        }
    }
}

impl<'a> NameAddr<'a> {
    /// The `expires` parameter in seconds. A value out of its grammar is read as absent (RFC 3261 §20.10 lets a
    /// registrar take its default), one that is too large as the largest.
    pub fn expires(&self) -> Option<u32> {
        super::numbers::delta_seconds(self.params.value("expires")?.as_bytes())
    }

    /// The `q` parameter in thousandths, 0 to 1000; `None` when absent or out of its grammar.
    pub fn q(&self) -> Option<u16> {
        let (whole, fraction) = match self.params.value("q")? {
            text if text.len() > 5 => return None,
            text => text.split_once('.').unwrap_or((text, "")),
        };
        let digits = fraction.bytes().chain(*b"000").take(3);
        let thousandths =
            digits.map(|digit| if digit.is_ascii_digit() { Some(u16::from(digit - b'0')) } else { None });
        let fraction = thousandths.into_iter().try_fold(0u16, |sum, digit| Some(sum * 10 + digit?))?;
        match whole {
            "0" | "" => Some(fraction),
            "1" if fraction == 0 => Some(1000),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ParamsBuf, quote};

    #[test]
    fn reads_all_the_forms() {
        let address =
            NameAddr::parse(b"\"J Rosenberg \\\\\\\"\" <sip:jdrosen@example.com>\r\n ;\r\n tag = 98asjd8")
                .unwrap();
        assert_eq!(&*address.display(), b"J Rosenberg \\\"");
        assert_eq!(address.tag(), Some("98asjd8"));
        let address = NameAddr::parse(b"caller<sip:caller@example.com>;tag=323").unwrap();
        assert_eq!(&*address.display(), b"caller");
        let address = NameAddr::parse(b"sip:+19725552222@gw1.example.net;unknownparam").unwrap();
        assert!(address.params.has("unknownparam"), "rule 67");
        assert_eq!(address.uri.as_str(), "sip:+19725552222@gw1.example.net");
        assert!(NameAddr::parse(b"tel:+1-201-555-0123").is_ok());
    }

    #[test]
    fn what_needs_quotes_or_brackets_is_refused_without() {
        for value in [
            "Bell, Alexander <sip:a@b>",
            "\"Mr. J. User <sip:j.user@example.com>",
            "sip:a@b?x=y",
            "<sip:a@b",
            "",
            "<>",
        ] {
            assert!(NameAddr::parse(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn addresses_are_written_again_without_tag_and_folds() {
        let folded = NameAddr::parse(b"Alice\r\n A. <sip:a@b>;tag=1").unwrap();
        assert_eq!(folded.address(), "Alice   A. <sip:a@b>");
        assert_eq!(NameAddr::parse(b"sip:a@b;tag=1").unwrap().address(), "<sip:a@b>");
    }

    #[test]
    fn q_is_read_in_thousandths() {
        let q = |text: &str| NameAddr::parse(format!("<sip:a@b>;q={text}").as_bytes()).unwrap().q();
        assert_eq!(
            [q("0.33"), q("1"), q("1.000"), q("0"), q(".5"), q("0.5")],
            [Some(330), Some(1000), Some(1000), Some(0), Some(500), Some(500)]
        );
        assert_eq!([q("1.1"), q("2"), q("0.x"), q("0.1234")], [None, None, None, None]);
    }

    #[test]
    fn addresses_are_built_from_parts() {
        let tag = ParamsBuf::new().with("tag", "1928301774");
        let uri = Uri::parse(b"sip:alice@atlanta.example.com").unwrap();
        let name = quote("Alice \"A\"");
        let from = NameAddr::new(uri).with_display(&name).unwrap().with_params(tag.as_params());
        assert_eq!(From(from).to_string(), r#""Alice \"A\"" <sip:alice@atlanta.example.com>;tag=1928301774"#);
        assert!(NameAddr::new(uri).with_display("Bell, A.").is_err());
        assert!(NameAddr::new(uri).with_display("\"open").is_err());
        assert!(NameAddr::new(uri).with_display("a\r\nX: y").is_err());
        assert_eq!(NameAddr::new(uri).with_display("Alice A.").unwrap().display(), &b"Alice A."[..]);
    }

    #[test]
    fn display_names_and_tags_met_in_the_wild_are_read() {
        let from = NameAddr::parse(b"\"\"+41777\"\"<sip:+41777@192.0.2.1>;tag=").unwrap();
        assert_eq!((&*from.display(), from.tag()), (&b"\"+41777\""[..], None));
        assert!(NameAddr::parse(b"\"open <sip:a@192.0.2.1>").is_err());
    }
}
