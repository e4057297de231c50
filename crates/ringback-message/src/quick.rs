//! The plain spelling of Via, addresses and `sip` URIs, which nearly all senders use, read from mark to mark.
//!
//! A reader here returns `None` for whatever is less than plain: white space around separators, quoted pairs, IPv6,
//! characters that are no tokens, and whatever is wrong. The grammar in the other files then has its say. What is taken
//! here, the grammar takes too, and says the same of it; the tests below hold the two against each other.

use crate::Params;
use crate::header::{NameAddr, Via};
use crate::lex::decimal;
use crate::limits::MAX_PARAMS;
use crate::scan::{Brackets, Dividers, END, Marks};
use crate::uri::{Host, MAX_URI_BYTES, Places, PlainHost, SipUri, Uri};
use std::ops::Range;

/// Reads a whole `sip` or `sips` URI.
pub(crate) fn sip_uri(value: &[u8]) -> Option<SipUri<'_>> {
    let mut marks = Marks::new(value, 0);
    let shape = take_uri(&mut marks, 0)?;
    if shape.end == value.len() { shape.uri(value) } else { None }
}

/// Reads `name-addr` with the parameters behind it.
pub(crate) fn name_addr(value: &[u8]) -> Option<NameAddr<'_>> {
    let mut marks = Marks::new(value, 0);
    let (display, shape) = take_address(&mut marks)?;
    let params = take_params(marks, shape.end + 1, |_, _| {})?;
    Some(NameAddr::read(&value[display], Uri::Sip(shape.uri(value)?), params))
}

/// Says what the `tag` of a plain `name-addr` is, if it has one that is not empty.
///
/// The URI may hold whatever a URI may: who looks at it reads it, all others leave it alone (RFC 3261 §16.3).
pub(crate) fn tag(value: &[u8]) -> Option<Option<&str>> {
    let start = behind_uri(value)?;
    let tag = match value.get(start..)? {
        [] => return Some(None),
        [b';', b't', b'a', b'g', b'=', tag @ ..] if is_token(value, start + ";tag=".len()) => tag,
        _ => {
            let mut tag = None;
            take_params(Marks::new(value, start), start, |name, value| {
                if tag.is_none() && is_named(name, b"tag") {
                    tag = Some(value);
                }
            })?;
            tag.unwrap_or_default()
        }
    };
    match tag {
        b"" => Some(None),
        tag => std::str::from_utf8(tag).ok().map(Some),
    }
}

/// Whether a parameter has a name, which most write in small letters.
#[inline(always)]
fn is_named<const N: usize>(name: &[u8], wanted: &[u8; N]) -> bool {
    name == wanted || (name.len() == N && name.eq_ignore_ascii_case(wanted))
}

/// Whether all from `start` on is a token, or nothing.
#[inline(always)]
fn is_token(value: &[u8], start: usize) -> bool {
    Marks::<Dividers>::new(value, start).next().0 == value.len()
}

/// Where the parameters begin behind a plain `name-addr` with a `sip` or `sips` URI.
#[inline(always)]
fn behind_uri(value: &[u8]) -> Option<usize> {
    let mut marks = Marks::<Brackets>::new(value, 0);
    let (mut open, mut mark) = marks.next();
    if mark == b'"' && open == 0 {
        let close = loop {
            match marks.next() {
                (at, b'"') => break at,
                (_, END | b'\\') => return None,
                _ => {}
            }
        };
        (open, mark) = marks.next();
        let mut behind = close + 1;
        if mark == b' ' && open == behind {
            (open, mark) = marks.next();
            behind += 1;
        }
        if open != behind {
            return None;
        }
    } else if open != 0 {
        let (_, shape) = take_address(&mut Marks::new(value, 0))?;
        shape.host(value)?;
        return Some(shape.end + 1);
    }
    if mark != b'<' {
        return None;
    }
    let (close, mark) = marks.next();
    let uri = value.get(open + 1..close)?;
    let is_sip = matches!(uri, [b's', b'i', b'p', b':', _, ..] | [b's', b'i', b'p', b's', b':', _, ..]);
    if mark == b'>' && is_sip && uri.len() <= MAX_URI_BYTES { Some(close + 1) } else { None }
}

/// Goes through display name and URI up to `>`, and says where they are.
#[inline(always)]
fn take_address(marks: &mut Marks<'_, Dividers>) -> Option<(Range<usize>, Shape)> {
    let value = marks.bytes;
    let (mut at, mut octet) = marks.next();
    let display = match octet {
        b'<' if at == 0 => 0..0,
        b'"' if at == 0 => {
            let close = loop {
                match marks.next() {
                    (at, b'"') => break at,
                    (_, END | b'\\') => return None,
                    _ => {}
                }
            };
            let mut behind = close + 1;
            (at, octet) = marks.next();
            if octet == b' ' && at == behind {
                behind += 1;
                (at, octet) = marks.next();
            }
            if at != behind {
                return None;
            }
            0..close + 1
        }
        _ => {
            while octet == b' ' {
                (at, octet) = marks.next();
            }
            let end = value[..at].trim_ascii_end().len();
            let lead = end - value[..end].trim_ascii_start().len();
            lead..end
        }
    };
    if octet != b'<' {
        return None;
    }
    let shape = take_uri(marks, at + 1)?;
    (value.get(shape.end) == Some(&b'>')).then_some((display, shape))
}

/// Reads one hop.
pub(crate) fn via(value: &[u8]) -> Option<Via<'_>> {
    const PROTOCOL: &[u8] = b"SIP/2.0/";
    if !value.starts_with(PROTOCOL) {
        return None;
    }
    let mut marks = Marks::new(value, PROTOCOL.len());
    let (space, octet) = marks.next();
    if octet != b' ' || space == PROTOCOL.len() {
        return None;
    }
    let transport = match &value[PROTOCOL.len()..space] {
        b"UDP" => "UDP",
        b"TCP" => "TCP",
        b"TLS" => "TLS",
        transport => std::str::from_utf8(transport).ok()?,
    };
    let (host_end, octet) = marks.next();
    let (mut end, mut port) = (host_end, None);
    if octet == b':' {
        (end, _) = marks.next();
        port = Some(decimal::<u16>(&value[host_end + 1..end])?);
    }
    let host = &value[space + 1..host_end];
    let host = match PlainHost::read(host)? {
        PlainHost::Name(name) => Host::Name(std::str::from_utf8(name).ok()?),
        PlainHost::Ip(ip) => Host::Ip(ip.into()),
    };
    let mut branch = None;
    let params = rest_params(marks, end, |name, value| {
        if branch.is_none() && is_named(name, b"branch") {
            branch = Some(value);
        }
    })?;
    Some(Via::read((transport, host, port), params, branch.unwrap_or_default()))
}

/// Where the pieces of a URI are in the value that holds it.
struct Shape {
    start: usize,
    secure: bool,
    /// Where the user ends, and where the `@` is.
    userinfo: Option<(usize, usize)>,
    host: Range<usize>,
    port: Option<u16>,
    bare: usize,
    params_end: usize,
    end: usize,
}

impl Shape {
    /// `None` for what is no host, and in a URI that is too long.
    #[inline(always)]
    fn host<'a>(&self, bytes: &'a [u8]) -> Option<PlainHost<'a>> {
        if self.end - self.start > MAX_URI_BYTES {
            return None;
        }
        PlainHost::read(bytes.get(self.host.clone())?)
    }

    #[inline(always)]
    fn uri<'a>(&self, bytes: &'a [u8]) -> Option<SipUri<'a>> {
        let text = std::str::from_utf8(&bytes[self.start..self.end]).ok()?;
        let from_start = |place: usize| place - self.start;
        let host = match self.host(bytes)? {
            PlainHost::Name(_) => {
                Host::Name(text.get(from_start(self.host.start)..from_start(self.host.end))?)
            }
            PlainHost::Ip(ip) => Host::Ip(ip.into()),
        };
        let places = Places {
            userinfo: self.userinfo.map(|(user_end, sign)| (from_start(user_end), from_start(sign))),
            bare: from_start(self.bare),
            params_end: from_start(self.params_end),
        };
        SipUri::new(text, self.secure, host, self.port, places)
    }
}

/// Goes through a URI from `start` on. It ends with `>` or with the value.
#[inline(always)]
fn take_uri(marks: &mut Marks<'_, Dividers>, start: usize) -> Option<Shape> {
    let bytes = marks.bytes;
    let (colon, _) = marks.next();
    let secure = match bytes.get(start..colon + 1)? {
        b"sip:" => false,
        b"sips:" => true,
        _ => return None,
    };
    let (mut host, mut userinfo) = (colon + 1, None);
    let (mut at, mut octet) = marks.next();
    let (mut host_end, mut port) = (at, None);
    if octet == b':' {
        let (second, behind) = marks.next();
        if behind == b'@' {
            userinfo = Some((at, second));
        } else {
            port = Some(decimal::<u16>(&bytes[at + 1..second])?);
        }
        (at, octet) = (second, behind);
    } else if octet == b'@' {
        userinfo = Some((at, at));
    }
    if let Some((user_end, sign)) = userinfo {
        if user_end == host {
            return None;
        }
        host = sign + 1;
        (at, octet) = marks.next();
        host_end = at;
        if octet == b':' {
            (at, octet) = marks.next();
            port = Some(decimal::<u16>(&bytes[host_end + 1..at])?);
        }
    }
    let bare = at;
    while octet == b';' {
        let name = at + 1;
        (at, octet) = marks.next();
        if at == name {
            return None;
        }
        if octet == b'=' {
            (at, octet) = marks.next();
            while matches!(octet, b':' | b'/' | b'=') {
                (at, octet) = marks.next();
            }
        }
    }
    let params_end = at;
    if octet == b'?' {
        (at, octet) = marks.next();
        while matches!(octet, b':' | b'/' | b'=' | b';' | b'?') {
            (at, octet) = marks.next();
        }
    }
    let plain = octet == b'>' || at == bytes.len();
    plain.then_some(Shape { start, secure, userinfo, host: host..host_end, port, bare, params_end, end: at })
}

/// Reads parameters from `start` on to the end of the value, and tells `note` of each.
#[inline(always)]
fn take_params<'a>(
    mut marks: Marks<'a, Dividers>,
    start: usize,
    note: impl FnMut(&'a [u8], &'a [u8]),
) -> Option<Params<'a>> {
    let (at, _) = marks.next();
    if at == start { rest_params(marks, start, note) } else { None }
}

/// Reads parameters from the mark at `start` on to the end of the value, and tells `note` of each.
#[inline(always)]
fn rest_params<'a>(
    mut marks: Marks<'a, Dividers>,
    start: usize,
    mut note: impl FnMut(&'a [u8], &'a [u8]),
) -> Option<Params<'a>> {
    let bytes = marks.bytes;
    let (mut at, mut octet) = (start, bytes.get(start).copied().unwrap_or(END));
    let mut count = 0;
    while octet == b';' {
        let name = at + 1;
        (at, octet) = marks.next();
        let name_end = at;
        if at == name || count == MAX_PARAMS {
            return None;
        }
        count += 1;
        let mut value = at;
        if octet == b'=' {
            value += 1;
            (at, octet) = marks.next();
            while matches!(octet, b':' | b'/' | b'@' | b'=') {
                (at, octet) = marks.next();
            }
        }
        note(&bytes[name..name_end], &bytes[value..at]);
    }
    (at == bytes.len()).then(|| Params::checked(&bytes[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Header as _;
    use proptest::prelude::*;

    /// Nearly plain values: mostly what the readers take, with a character here and there that they leave.
    fn spoiled(plain: &'static str) -> impl Strategy<Value = String> {
        let text = prop::string::string_regex(plain).expect("a regular expression");
        let odd = "[ \"<>;:@?=/,&a%é\\\\\\[\\]\t(~$#1.]{1,2}";
        (text, prop::option::of((any::<prop::sample::Index>(), odd))).prop_map(|(mut text, spoil)| {
            if let Some((place, odd)) = spoil {
                let places: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
                text.insert_str(places[place.index(places.len())], &odd);
            }
            text
        })
    }

    const URI: &str = "sips?:([a-z0-9+.%]{1,9}(:[a-z]{1,3})?@)?([a-z-]{1,5}\\.[a-z]{2,3}|[0-9]{1,3}\\.1\\.2\\.3)(:[0-9]{1,5})?(;(lr|transport=tcp|x=a:b/c|y=|z)){0,3}(\\?[a-z]{1,3}=[a-z]{0,3})?";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn uris_are_read_as_by_the_grammar(text in spoiled(URI)) {
            if let Some(quick) = sip_uri(text.as_bytes()) {
                let by_grammar = Uri::by_grammar(text.as_bytes()).expect("what is plain is right");
                let by_grammar = by_grammar.as_sip().expect("it is a sip URI");
                let parts = |uri: &SipUri<'_>| {
                    (
                        (uri.as_str().to_owned(), uri.is_secure(), uri.user().map(str::to_owned)),
                        (uri.password().map(str::to_owned), uri.host().to_string(), uri.port()),
                        (uri.bare().to_owned(), uri.without_headers().to_owned()),
                        (uri.headers().map(str::to_owned), format!("{:?}", uri.params().collect::<Vec<_>>())),
                    )
                };
                prop_assert_eq!(parts(&quick), parts(by_grammar));
            }
        }

        #[test]
        fn addresses_are_read_as_by_the_grammar(text in spoiled("(|[a-z]{1,4}|\"[a-z .,@<;é]{0,5}\"[a-z]{0,1}|[a-z]{1,3} [a-z.]{1,3}) {0,1}<sip:([a-z]{1,4}@)?[a-z.]{1,6}(;lr)?>(;tag=[a-z0-9]{0,6}|;[a-z]{1,2}|;x=\"a\"|;y=[a:/@=]{1,5}){0,3}")) {
            if let Some(quick) = name_addr(text.as_bytes()) {
                let by_grammar = NameAddr::by_grammar(text.as_bytes()).expect("what is plain is right");
                prop_assert_eq!(format!("{quick:?}"), format!("{by_grammar:?}"));
            }
            if let Some(tag) = tag(text.as_bytes()) {
                // Nothing but the URI may be out of its grammar.
                let (open, close) = (text.rfind('<').expect("it has a URI"), text.rfind('>').expect("and its end"));
                let plain = [&text[..=open], "sip:a@b", &text[close..]].concat();
                let by_grammar = NameAddr::by_grammar(plain.as_bytes()).expect("all but the URI is right");
                prop_assert_eq!(tag, by_grammar.tag());
            }
        }

        #[test]
        fn hops_are_read_as_by_the_grammar(text in spoiled("SIP/2\\.0/(UDP|TCP|x) [a-z]{1,4}(\\.[a-z]{1,3})?(:[0-9]{1,5})?(;branch=z9hG4bK[a-z0-9.-]{0,20}|;rport|;received=192\\.0\\.2\\.1|;x){0,3}")) {
            if let Some(quick) = via(text.as_bytes()) {
                let by_grammar = Via::by_grammar(text.as_bytes()).expect("what is plain is right");
                prop_assert_eq!(format!("{quick:?}"), format!("{by_grammar:?}"));
                prop_assert_eq!(format!("{:?}", Via::parse(text.as_bytes())), format!("{:?}", Ok::<_, ()>(quick)));
            }
        }
    }

    #[test]
    fn what_most_send_is_plain() {
        for uri in ["sip:example.com", "sips:alice@192.0.2.1:5061;transport=tcp;lr", "sip:a:b@c?x=y"] {
            assert!(sip_uri(uri.as_bytes()).is_some(), "{uri}");
        }
        for address in [
            "<sip:a@b>",
            "\"Robert Marsh, Jr.\" <sip:+4420@example.org:5060;user=phone>;tag=e21b7f94",
            "Bob <sip:bob@example.org>;tag=a;x",
            "Bob R <sip:bob@example.org>",
            "\"é\"<sip:bob@example.org>",
        ] {
            assert!(name_addr(address.as_bytes()).is_some(), "{address}");
        }
        assert!(via(b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-524287-1---7a;rport").is_some());
        assert!(via(b"SIP/2.0/TLS pc33.example.com").is_some());
    }
}
