//! URIs (RFC 3261 §19.1, §25.1; RFC 3966 §3).

use super::Found;
use super::scan::{Fault, number_within};
use crate::HeaderId;
use crate::lex::is_token;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Where a URI stands: what it may have depends on it (RFC 3261 §19.1.1, table 1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Request,
    /// To and From.
    Party,
    /// Contact of a registration, a redirection or a dialog.
    Contact,
    /// Route and Record-Route.
    Route,
    Elsewhere,
}

impl Place {
    pub(super) fn of(id: HeaderId) -> Self {
        match id {
            HeaderId::FROM | HeaderId::TO => Self::Party,
            HeaderId::CONTACT => Self::Contact,
            HeaderId::ROUTE | HeaderId::RECORD_ROUTE | HeaderId::PATH | HeaderId::SERVICE_ROUTE => {
                Self::Route
            }
            _ => Self::Elsewhere,
        }
    }
}

const TABLE: &str = "RFC 3261 §19.1.1";

/// `unreserved` of RFC 2396.
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte)
}

/// `reserved / unreserved` without escapes.
pub(super) fn is_uric(byte: u8) -> bool {
    is_unreserved(byte) || b";/?:@&=+$,".contains(&byte)
}

/// Where a `%` has not two hexadecimal digits behind it.
pub(super) fn bad_escape(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'%', text)
        .find(|at| !text.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

pub(super) fn check(text: &[u8], base: usize, place: Place, found: &mut Found) {
    let colon = memchr::memchr(b':', text).unwrap_or(0);
    let scheme = &text[..colon];
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if !is_scheme {
        let fault = Fault::new("scheme", "a URI begins with a scheme and a colon");
        return found.note(base, text.len(), fault.help("write `sip:` before it"));
    }
    let mut uri = Parts { text, base, found };
    if let Some(at) = bad_escape(text) {
        let fault = Fault::new("escaped", "two hexadecimal digits belong behind `%`");
        uri.found.note(base + at, 1, fault.help("write `%25` for the sign itself"));
    }
    if scheme.eq_ignore_ascii_case(b"sip") || scheme.eq_ignore_ascii_case(b"sips") {
        uri.sip(colon + 1, place);
    } else if scheme.eq_ignore_ascii_case(b"tel") {
        uri.tel(colon + 1);
    } else {
        uri.all(colon + 1..text.len(), "absoluteURI", |byte| is_uric(byte) || byte == b'#');
        if colon + 1 == text.len() {
            uri.found.note(base + colon, 1, Fault::new("absoluteURI", "nothing follows the scheme"));
        }
    }
}

struct Parts<'a, 'f> {
    text: &'a [u8],
    base: usize,
    found: &'f mut Found,
}

impl Parts<'_, '_> {
    fn note(&mut self, at: usize, length: usize, fault: Fault) {
        self.found.note(self.base + at, length, fault);
    }

    /// Asserts that a part has none but its characters. Escapes were looked at before.
    fn all(&mut self, range: std::ops::Range<usize>, rule: &'static str, allowed: impl Fn(u8) -> bool) {
        let part = self.text.get(range.clone()).unwrap_or_default();
        if let Some(at) = part.iter().position(|byte| *byte != b'%' && !allowed(*byte)) {
            let fault = match part[at] {
                b' ' | b'\t' | b'\r' | b'\n' => {
                    Fault::new(rule, "no white space stands in a URI").help("leave it out, or write `%20`")
                }
                byte if !byte.is_ascii() => Fault::new(rule, "only ASCII stands in a URI")
                    .help("write `%` and two hexadecimal digits for each octet"),
                _ => Fault::new(rule, "this character has to be escaped here")
                    .help("write `%` and its two hexadecimal digits"),
            };
            self.note(range.start + at, 1, fault);
        }
    }

    fn sip(&mut self, start: usize, place: Place) {
        let text = self.text;
        let mut at = start;
        if let Some(sign) = memchr::memchr(b'@', text) {
            let user_end = memchr::memchr(b':', &text[start..sign]).map_or(sign, |colon| start + colon);
            if user_end == start {
                self.note(start, 1, Fault::new("user", "nothing stands before the `@`"));
            }
            self.all(start..user_end, "user", |byte| is_unreserved(byte) || b"&=+$,;?/".contains(&byte));
            if user_end < sign {
                self.all(user_end + 1..sign, "password", |byte| {
                    is_unreserved(byte) || b"&=+$,".contains(&byte)
                });
            }
            at = sign + 1;
        }
        let question = memchr::memchr(b'?', &text[at..]).map_or(text.len(), |length| at + length);
        let semicolon = memchr::memchr(b';', &text[at..question]).map_or(question, |length| at + length);
        self.host_port(at..semicolon);
        self.params(semicolon..question, place);
        if question < text.len() {
            self.headers(question..text.len(), place);
        }
    }

    fn host_port(&mut self, range: std::ops::Range<usize>) {
        let part = &self.text[range.clone()];
        let host_end = match part {
            [b'[', ..] => memchr::memchr(b']', part).map_or(part.len(), |at| at + 1),
            _ => memchr::memchr(b':', part).unwrap_or(part.len()),
        };
        check_host(&part[..host_end], self.base + range.start, self.found);
        match &part[host_end..] {
            [] => {}
            [b':', port @ ..] => check_port(port, self.base + range.start + host_end + 1, self.found),
            _ => self.note(
                range.start + host_end,
                part.len() - host_end,
                Fault::new("hostport", "this is no port"),
            ),
        }
    }

    fn params(&mut self, range: std::ops::Range<usize>, place: Place) {
        let text = self.text;
        let mut names: [&[u8]; 32] = [b""; 32];
        let mut count = 0;
        let mut at = range.start;
        while at < range.end && !self.found.is_full() {
            // On a semicolon.
            let end =
                memchr::memchr(b';', &text[at + 1..range.end]).map_or(range.end, |length| at + 1 + length);
            let param = &text[at + 1..end];
            let equals = memchr::memchr(b'=', param);
            let name = &param[..equals.unwrap_or(param.len())];
            let start = at + 1;
            if name.is_empty() {
                self.note(at, 1, Fault::new("uri-parameter", "a parameter has a name"));
            }
            let allowed = |byte| is_unreserved(byte) || b"[]/:&+$".contains(&byte);
            self.all(start..start + name.len(), "pname", allowed);
            if let Some(equals) = equals {
                self.all(start + equals + 1..end, "pvalue", allowed);
                if equals + 1 == param.len() {
                    let fault = Fault::new("pvalue", "the parameter has an equals sign and no value");
                    self.note(start + equals, 1, fault.help("leave the equals sign out"));
                }
            }
            if names[..count].iter().any(|known| known.eq_ignore_ascii_case(name)) {
                let fault = Fault::new("uri-parameter", "the same parameter was there before").by(TABLE);
                self.note(start, name.len(), fault);
            } else if let Some(slot) = names.get_mut(count) {
                *slot = name;
                count += 1;
            }
            self.known_param(name, equals.map(|equals| &param[equals + 1..]), start, place);
            at = end;
        }
    }

    fn known_param(&mut self, name: &[u8], value: Option<&[u8]>, at: usize, place: Place) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let value = value.unwrap_or_default();
        let sound = match () {
            () if is("ttl") => number_within(value, 0, 255) && value.len() <= 3,
            () if is("transport") || is("user") || is("method") => is_token(value),
            () if is("maddr") => !value.is_empty(),
            () => true,
        };
        if !sound {
            self.note(at, name.len(), Fault::new("uri-parameter", "its value is not one that it can have"));
        }
        // Table 1: what has no meaning in a place must not stand there.
        let misplaced = match place {
            Place::Party => is("transport") || is("maddr") || is("ttl") || is("lr") || is("method"),
            Place::Request | Place::Route => is("method"),
            Place::Contact => is("method") || is("lr"),
            Place::Elsewhere => false,
        };
        if misplaced {
            let fault = Fault::new("uri-parameter", "this parameter has no meaning in this place").by(TABLE);
            self.note(at, name.len(), fault.help("leave it out"));
        }
    }

    fn headers(&mut self, range: std::ops::Range<usize>, place: Place) {
        let mut at = range.start + 1;
        for header in self.text[at..range.end].split(|byte| *byte == b'&') {
            if self.found.is_full() {
                return;
            }
            let allowed = |byte| is_unreserved(byte) || b"[]/?:+$".contains(&byte);
            match memchr::memchr(b'=', header) {
                Some(equals) if equals > 0 => {
                    self.all(at..at + equals, "hname", allowed);
                    self.all(at + equals + 1..at + header.len(), "hvalue", allowed);
                }
                _ => {
                    let fault = Fault::new("header", "a name and an equals sign belong here");
                    self.note(at, header.len().max(1), fault);
                }
            }
            at += header.len() + 1;
        }
        if matches!(place, Place::Request | Place::Party | Place::Route) {
            let fault = Fault::new("headers", "header fields have no meaning in this place").by(TABLE);
            self.note(range.start, range.len(), fault.help("leave them out"));
        }
    }

    /// RFC 3966 §3.
    fn tel(&mut self, start: usize) {
        const SECTION: &str = "RFC 3966 §3";
        let end = memchr::memchr(b';', self.text).unwrap_or(self.text.len());
        let number = &self.text[start..end];
        let (digits, global) = match number.strip_prefix(b"+") {
            Some(digits) => (digits, true),
            None => (number, false),
        };
        let allowed = |byte: &u8| {
            byte.is_ascii_digit()
                || b"-.()".contains(byte)
                || (!global && (byte.is_ascii_hexdigit() || b"*#".contains(byte)))
        };
        if let Some(odd) = digits.iter().position(|byte| !allowed(byte)) {
            let fault =
                Fault::new("telephone-subscriber", "no telephone number has this character").by(SECTION);
            self.note(start + usize::from(global) + odd, 1, fault);
        } else if !digits.iter().any(|byte| byte.is_ascii_hexdigit() || b"*#".contains(byte)) {
            self.note(
                start,
                number.len().max(1),
                Fault::new("telephone-subscriber", "the number has no digit").by(SECTION),
            );
        }
        let params = &self.text[end..];
        let has_context = params
            .split(|byte| *byte == b';')
            .any(|param| param.get(..14).is_some_and(|name| name.eq_ignore_ascii_case(b"phone-context=")));
        if !global && !has_context {
            let fault = Fault::new("local-number", "a number without `+` needs a `phone-context`")
                .by("RFC 3966 §5.1.4");
            self.note(start, number.len().max(1), fault.help("write the number with `+` and its country"));
        }
        self.all(end..self.text.len(), "par", |byte| is_unreserved(byte) || b";=[]/:&+$".contains(&byte));
    }
}

/// `host`.
pub(super) fn check_host(host: &[u8], at: usize, found: &mut Found) {
    let whole = host.len().max(1);
    if let [b'[', inner @ ..] = host {
        let address = inner.strip_suffix(b"]").and_then(|inner| std::str::from_utf8(inner).ok());
        if address.and_then(|address| address.parse::<Ipv6Addr>().ok()).is_none() {
            found.note(at, whole, Fault::new("IPv6reference", "no IPv6 address stands in the brackets"));
        }
        return;
    }
    let Ok(text) = std::str::from_utf8(host) else {
        let fault = Fault::new("hostname", "only ASCII stands in a host name")
            .help("write the name in its `xn--` form");
        return found.note(at, whole, fault);
    };
    if text.is_empty() {
        return found.note(at, 0, Fault::new("host", "a host belongs here"));
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return;
    }
    if let Some(odd) = text.bytes().position(|byte| !byte.is_ascii_alphanumeric() && !b"-.".contains(&byte)) {
        let what = match text.as_bytes()[odd] {
            b'_' => "no underscore stands in a host name",
            b':' => "an IPv6 address has brackets around it",
            byte if !byte.is_ascii() => "only ASCII stands in a host name",
            _ => "no host name has this character",
        };
        return found.note(at + odd, 1, Fault::new("hostname", what));
    }
    let labels = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    let top = labels.rsplit('.').next().unwrap_or_default();
    if !labels.split('.').all(is_label) {
        found.note(at, whole, Fault::new("hostname", "each label begins and ends with a letter or digit"));
    } else if !top.starts_with(|first: char| first.is_ascii_alphabetic()) {
        let fault = Fault::new(
            "toplabel",
            "this is neither an IPv4 address nor a name: its last label begins with a digit",
        );
        found.note(at, whole, fault);
    }
}

/// `port`, and that it is one.
pub(super) fn check_port(port: &[u8], at: usize, found: &mut Found) {
    if !number_within(port, 1, 65_535) {
        found.note(at, port.len().max(1), Fault::new("port", "a port is a number from 1 to 65535"));
    }
}
