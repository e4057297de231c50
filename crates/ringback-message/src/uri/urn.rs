//! Names: `urn` URIs (RFC 8141), services among them (RFC 5031).

use crate::ParseError;
use crate::lex::text;
use std::fmt;

/// A `urn` URI within its grammar (RFC 8141 §2).
///
/// ```
/// use ringback_message::UrnUri;
///
/// let urn = UrnUri::parse(b"urn:service:sos.ambulance")?;
/// let service = urn.service().expect("it is a service");
/// assert!(service.is_within("sos") && !service.is_within("sos.fire"));
/// assert!(urn.equivalent(&UrnUri::parse(b"URN:Service:SOS.ambulance")?));
///
/// let device = UrnUri::parse(b"urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6")?;
/// assert_eq!(device.uuid(), Some(0xf81d4fae_7dec_11d0_a765_00a0c91e6bf6));
/// # Ok::<(), ringback_message::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UrnUri<'a> {
    text: &'a str,
    /// Where namespace identifier and namespace-specific string end.
    namespace_end: usize,
    specific_end: usize,
}

const SCHEME: &str = "urn:";

impl<'a> UrnUri<'a> {
    /// Reads a `urn` URI that fills all of `value`.
    ///
    /// # Errors
    /// When it is out of the grammar of RFC 8141 §2.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let text = text(value, 0, "namestring")?;
        let scheme = text.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
        scheme.ok_or(ParseError::new(0, "namestring"))?;
        let colon = text[SCHEME.len()..].find(':').ok_or(ParseError::new(SCHEME.len(), "assigned-name"))?;
        let namespace_end = SCHEME.len() + colon;
        let urn = Self { text, namespace_end, specific_end: text.len() };
        let namespace = urn.namespace().as_bytes();
        let is_ldh = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        if !(2..=32).contains(&namespace.len())
            || !namespace.iter().all(is_ldh)
            || namespace.starts_with(b"-")
            || namespace.ends_with(b"-")
        {
            return Err(ParseError::new(SCHEME.len(), "NID"));
        }
        let rest = &text[namespace_end + 1..];
        let specific = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
        if specific.is_empty()
            || specific.starts_with('/')
            || !specific.bytes().all(is_pchar_or_slash)
            || has_broken_escape(specific)
        {
            return Err(ParseError::new(namespace_end + 1, "NSS"));
        }
        let specific_end = namespace_end + 1 + specific.len();
        // `?` begins a component, never stands alone.
        let components = &text[specific_end..];
        if components.starts_with('?') && !components.starts_with("?+") && !components.starts_with("?=") {
            return Err(ParseError::new(specific_end, "rq-components"));
        }
        Ok(Self { specific_end, ..urn })
    }

    /// The URI as written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The namespace as written: `service`, `uuid`, `gsma` …
    pub fn namespace(&self) -> &'a str {
        &self.text[SCHEME.len()..self.namespace_end]
    }

    /// What is named in the namespace, as written, without the components that do not take part in comparison.
    pub fn specific(&self) -> &'a str {
        &self.text[self.namespace_end + 1..self.specific_end]
    }

    fn is_in(&self, namespace: &str) -> bool {
        self.namespace().eq_ignore_ascii_case(namespace)
    }

    /// The service that it names: `urn:service:sos` is the emergency call.
    pub fn service(&self) -> Option<Service<'a>> {
        let service = Service(self.specific());
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        (self.is_in("service") && service.labels().all(is_label)).then_some(service)
    }

    /// The UUID that it names, first octet first (RFC 9562 §4).
    pub fn uuid(&self) -> Option<u128> {
        let groups = self.specific().split('-');
        let has_form = self.is_in("uuid")
            && groups.clone().map(str::len).eq([8, 4, 4, 4, 12])
            && groups.flat_map(str::bytes).all(|byte| byte.is_ascii_hexdigit());
        has_form.then(|| u128::from_str_radix(&self.specific().replace('-', ""), 16).ok()).flatten()
    }

    /// Whether both name the same (RFC 8141 §3.1): scheme and namespace compare without regard to letter case, and so do
    /// services (RFC 5031 §4.3), UUIDs and the digits of escapes; `?+`, `?=` and `#` do not count.
    pub fn equivalent(&self, other: &UrnUri<'_>) -> bool {
        if !self.namespace().eq_ignore_ascii_case(other.namespace()) {
            return false;
        }
        let (a, b) = (self.specific(), other.specific());
        match self.is_in("service") || self.is_in("uuid") {
            true => a.eq_ignore_ascii_case(b),
            false => comparable(a).eq(comparable(b)),
        }
    }
}

/// A service and its sub-services (RFC 5031 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service<'a>(&'a str);

impl<'a> Service<'a> {
    /// The service and its sub-services: `sos`, `fire`.
    pub fn labels(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.split('.')
    }

    /// Whether it is `service` or a sub-service of that: `sos.fire` is within `sos`.
    pub fn is_within(&self, service: &str) -> bool {
        let mut own = self.labels();
        service.split('.').all(|label| own.next().is_some_and(|own| own.eq_ignore_ascii_case(label)))
    }
}

impl fmt::Display for Service<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Whether a `%` has not two digits behind it.
fn has_broken_escape(text: &str) -> bool {
    text.split('%').skip(1).any(|behind| {
        !behind.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

fn is_pchar_or_slash(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte)
}

/// The bytes for comparison: the digits of escapes in lower case.
fn comparable(text: &str) -> impl Iterator<Item = u8> {
    let mut digits = 0;
    text.bytes().map(move |byte| {
        if byte == b'%' {
            digits = 2;
            return byte;
        }
        if digits > 0 {
            digits -= 1;
            return byte.to_ascii_lowercase();
        }
        byte
    })
}

impl fmt::Debug for UrnUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl fmt::Display for UrnUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Uri;
    use super::*;

    #[test]
    fn the_examples_of_rfc_8141_compare_as_it_says() {
        let classes: [&[&str]; 9] = [
            &[
                "urn:example:a123,z456",
                "URN:example:a123,z456",
                "urn:EXAMPLE:a123,z456",
                "urn:example:a123,z456?+abc",
                "urn:example:a123,z456?=xyz",
                "urn:example:a123,z456#789",
            ],
            &["urn:example:a123,z456/foo"],
            &["urn:example:a123,z456/bar"],
            &["urn:example:a123,z456/baz"],
            &["urn:example:a123%2Cz456", "URN:EXAMPLE:a123%2cz456"],
            &["urn:example:A123,z456"],
            &["urn:example:a123,Z456"],
            &["urn:service:sos.Fire", "urn:SERVICE:SOS.fire"],
            &[
                "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                "urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6",
            ],
        ];
        let all = classes
            .iter()
            .enumerate()
            .flat_map(|(class, names)| names.iter().map(move |name| (class, *name)));
        for (class, a) in all.clone() {
            for (other, b) in all.clone() {
                let (first, second) = (Uri::parse(a.as_bytes()).unwrap(), Uri::parse(b.as_bytes()).unwrap());
                assert!(matches!((first, second), (Uri::Urn(_), Uri::Urn(_))));
                assert_eq!(first.equivalent(&second), class == other, "{a} {b}");
            }
        }
    }

    #[test]
    fn what_is_out_of_the_grammar_is_no_name_but_a_uri_all_the_same() {
        for text in [
            "urn:",
            "urn:a",
            "urn:a:b",
            "urn:-ab:c",
            "urn:ab-:c",
            "urn:ab:",
            "urn:ab:/c",
            "urn:ab:c?d",
            "urn:a_b:c",
            "urn:ab:c[",
            "urn:ab:%4",
            "urn:ab:%4g",
            "urn:ab:%%41",
            "tel:ab:c",
        ] {
            assert!(UrnUri::parse(text.as_bytes()).is_err(), "{text}");
            if let Ok(uri) = Uri::parse(text.as_bytes()) {
                assert!(matches!(uri, Uri::Other(_)), "{text}");
            }
        }
        assert!(UrnUri::parse(format!("urn:{}:x", "a".repeat(33)).as_bytes()).is_err());
    }

    #[test]
    fn services_and_uuids_have_their_form() {
        let urn = |text: &'static str| UrnUri::parse(text.as_bytes()).unwrap();
        let labels: Vec<_> =
            urn("urn:service:counseling.mental-health").service().unwrap().labels().collect();
        assert_eq!(labels, ["counseling", "mental-health"]);
        for text in ["urn:service:sos..fire", "urn:service:-a", "urn:service:a_b", "urn:example:sos"] {
            assert_eq!(urn(text).service(), None, "{text}");
        }
        for text in
            ["urn:uuid:f81d4fae7dec11d0a76500a0c91e6bf6", "urn:uuid:+81d4fae-7dec-11d0-a765-00a0c91e6bf6"]
        {
            assert_eq!(urn(text).uuid(), None, "{text}");
        }
    }
}
