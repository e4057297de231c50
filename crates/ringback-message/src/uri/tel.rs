//! Telephone numbers: `tel` URIs (RFC 3966), and `sip` URIs that are one (RFC 3261 §19.1.6).

use super::escape::{PARAM, escape_but, same_ignoring_case};
use super::{Host, SipUri, UriBuf, UriParam, unescape};
use crate::lex::text;
use crate::{InvalidValue, ParseError};
use std::fmt;

/// A `tel` URI within its grammar (RFC 3966 §3): a global number, or a local one with its context.
///
/// ```
/// use ringback_message::{TelUri, Uri, UriBuf};
///
/// let uri = UriBuf::new("tel:+1-201-555-0123;ext=12")?;
/// let Uri::Tel(tel) = uri.as_uri() else { panic!() };
/// assert_eq!((tel.digits().as_str(), tel.extension()), ("+12015550123", Some("12")));
/// assert!(tel.equivalent(&TelUri::parse(b"tel:+1.201.5550123;EXT=1-2")?));
///
/// // The same number as a SIP proxy knows it, and back.
/// let sip = tel.to_sip("example.com")?;
/// assert_eq!(sip.as_str(), "sip:+1-201-555-0123;ext=12@example.com;user=phone");
/// assert_eq!(sip.as_sip().and_then(|sip| sip.to_tel()), Some(uri));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TelUri<'a> {
    text: &'a str,
    /// Where the number ends: what follows is parameters.
    number_end: usize,
}

/// Where a local number is valid (RFC 3966 §5.1.5).
#[derive(Clone, Copy, Debug)]
pub enum PhoneContext<'a> {
    /// Within the numbers that begin so, as written: `+1-201`.
    Number(&'a str),
    /// Where this domain says.
    Domain(&'a str),
}

const SCHEME: &str = "tel:";
/// More parameters than anybody has use for.
const MOST_PARAMS: usize = 32;

impl<'a> TelUri<'a> {
    /// Reads a `tel` URI that fills all of `value`.
    ///
    /// # Errors
    /// When it is out of the grammar of RFC 3966 §3, a local number without context among that, when a parameter stands
    /// twice, and when there are more than 32.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let text = text(value, 0, "telephone-uri")?;
        let scheme = text.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
        scheme.ok_or(ParseError::new(0, "telephone-uri"))?;
        let number_end = text.find(';').unwrap_or(text.len());
        let tel = Self { text, number_end };
        if tel.is_global() {
            is_global(tel.number()).then_some(()).ok_or(ParseError::new(SCHEME.len(), "global-number"))?;
        } else {
            is_local(tel.number()).then_some(()).ok_or(ParseError::new(SCHEME.len(), "local-number"))?;
            tel.context().ok_or(ParseError::new(number_end, "phone-context"))?;
        }
        for (index, param) in tel.params().enumerate() {
            let is_twice = tel.params().take(index).any(|other| other.name.eq_ignore_ascii_case(param.name));
            if index == MOST_PARAMS || is_twice || !is_param(&param) {
                return Err(ParseError::new(number_end, "par"));
            }
        }
        Ok(tel)
    }

    /// The URI as written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether the number is valid everywhere: it begins with `+`.
    pub fn is_global(&self) -> bool {
        self.number().starts_with('+')
    }

    /// The number as written, visual separators and all.
    pub fn number(&self) -> &'a str {
        &self.text[SCHEME.len()..self.number_end]
    }

    /// The number without visual separators; letters of local numbers in lower case.
    pub fn digits(&self) -> String {
        digits(self.number()).collect()
    }

    /// Where a local number is valid; `None` for most global ones.
    pub fn context(&self) -> Option<PhoneContext<'a>> {
        match self.value("phone-context")? {
            number if number.starts_with('+') => Some(PhoneContext::Number(number)),
            domain => Some(PhoneContext::Domain(domain)),
        }
    }

    /// The extension at the number (§5.1.3), as written.
    pub fn extension(&self) -> Option<&'a str> {
        self.value("ext")
    }

    /// The ISDN subaddress (§5.1.2), as written.
    pub fn subaddress(&self) -> Option<&'a str> {
        self.value("isub")
    }

    /// The parameters in order.
    pub fn params(&self) -> impl Iterator<Item = UriParam<'a>> + use<'a> {
        self.text[self.number_end..].split(';').skip(1).map(UriParam::read)
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.params().find(|param| param.name.eq_ignore_ascii_case(name))?.value
    }

    /// Whether both are the same number (§4): visual separators and letter case do not count, parameters come in any
    /// order, but the same ones in both.
    pub fn equivalent(&self, other: &TelUri<'_>) -> bool {
        digits(self.number()).eq(digits(other.number()))
            && self.params().count() == other.params().count()
            && self.params().all(|a| other.params().any(|b| same_param(&a, &b)))
    }

    /// The number as user of a `sip` URI at `host`, marked by `user=phone` (RFC 3261 §19.1.6): in lower case, `isub`
    /// and `postd` first and the other parameters by their names, so that others who do the same get the same text.
    ///
    /// # Errors
    /// When `host` is no host.
    pub fn to_sip(&self, host: &str) -> Result<UriBuf, InvalidValue> {
        let mut params: Vec<String> =
            self.text[self.number_end..].split(';').skip(1).map(str::to_ascii_lowercase).collect();
        params.sort_by(|a, b| rank(a, &["isub", "postd"]).cmp(&rank(b, &["isub", "postd"])));
        let mut user = self.number().to_ascii_lowercase();
        for param in params {
            user.push(';');
            user.push_str(&param);
        }
        // What is escaped in the parameters stays so; `#`, `[`, `]` and `:` have to be.
        let user = escape_but(user.as_bytes(), b"&=+$,;?/%");
        let host = Host::parse(host).map_err(|_| InvalidValue::Malformed("host"))?;
        UriBuf::new(&format!("sip:{user}@{host};user=phone")).map_err(|_| InvalidValue::Malformed("URI"))
    }
}

impl SipUri<'_> {
    /// The telephone number that the user part is, where `user=phone` says so and it is one (RFC 3261 §19.1.6).
    pub fn to_tel(&self) -> Option<UriBuf> {
        let kind = self.param("user")?.value?;
        if !same_ignoring_case(kind, "phone") {
            return None;
        }
        let user = self.user()?;
        // `#` is a digit; other escapes belong to parameters, where they have the same meaning.
        let (number, params) = user.split_at(user.find(';').unwrap_or(user.len()));
        let number = unescape(number);
        let uri = format!("{SCHEME}{}{params}", std::str::from_utf8(&number).ok()?);
        TelUri::parse(uri.as_bytes()).ok()?;
        Some(UriBuf::from_checked(&uri))
    }
}

/// A `tel` URI in the making.
#[derive(Clone, Debug)]
pub struct TelUriBuf {
    number: String,
    is_global: bool,
    /// Each as it is written.
    params: Vec<String>,
}

impl TelUriBuf {
    /// A global number: `+1-201-555-0123`.
    pub fn global(number: &str) -> Self {
        Self { number: number.to_owned(), is_global: true, params: Vec::new() }
    }

    /// A local number with the domain or the global prefix in which it is valid.
    pub fn local(number: &str, context: &str) -> Self {
        let local = Self { number: number.to_owned(), is_global: false, params: Vec::new() };
        local.param("phone-context", context)
    }

    /// With an extension at that number.
    #[must_use]
    pub fn extension(self, digits: &str) -> Self {
        self.param("ext", digits)
    }

    /// With an ISDN subaddress.
    #[must_use]
    pub fn subaddress(self, address: &str) -> Self {
        self.param("isub", address)
    }

    /// With a parameter; what may not stand in its value is escaped.
    #[must_use]
    pub fn param(mut self, name: &str, value: &str) -> Self {
        // What may not stand in a name is refused in the end: an escape may stand in none.
        let (name, value) = (escape_but(name.as_bytes(), b""), escape_but(value.as_bytes(), PARAM));
        self.params.push(format!("{name}={value}"));
        self
    }

    /// Ends the building. `isub` and `ext` come first, then the context, then the others by their names (RFC 3966 §3).
    ///
    /// # Errors
    /// When it is out of the grammar of RFC 3966 §3.
    pub fn build(mut self) -> Result<UriBuf, InvalidValue> {
        let malformed = InvalidValue::Malformed("tel URI");
        let fits = if self.is_global { is_global(&self.number) } else { is_local(&self.number) };
        if !fits {
            return Err(malformed);
        }
        let first = ["isub", "ext", "phone-context"];
        self.params.sort_by(|a, b| rank(a, &first).cmp(&rank(b, &first)));
        let mut text = format!("{SCHEME}{}", self.number);
        for param in &self.params {
            text.push(';');
            text.push_str(param);
        }
        TelUri::parse(text.as_bytes()).map_err(|_| malformed)?;
        Ok(UriBuf::from_checked(&text))
    }
}

/// Where a parameter comes among others: some first, the others by their names.
fn rank<'a>(param: &'a str, first: &[&str]) -> (usize, &'a str) {
    let name = param.split('=').next().unwrap_or_default();
    let place = first.iter().position(|first| first.eq_ignore_ascii_case(name));
    (place.unwrap_or(first.len()), name)
}

fn is_separator(letter: char) -> bool {
    matches!(letter, '-' | '.' | '(' | ')')
}

/// What is compared of a number.
fn digits(number: &str) -> impl Iterator<Item = char> {
    number.chars().filter(|letter| !is_separator(*letter)).map(|letter| letter.to_ascii_lowercase())
}

fn is_global(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or_default();
    digits.contains(|letter: char| letter.is_ascii_digit())
        && digits.chars().all(|letter| letter.is_ascii_digit() || is_separator(letter))
}

fn is_local(number: &str) -> bool {
    let is_digit = |letter: char| letter.is_ascii_hexdigit() || matches!(letter, '*' | '#');
    number.contains(is_digit) && number.chars().all(|letter| is_digit(letter) || is_separator(letter))
}

fn is_param(param: &UriParam<'_>) -> bool {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if param.name.is_empty() || !is_name(param.name) {
        return false;
    }
    let is = |name: &str| param.name.eq_ignore_ascii_case(name);
    match param.value {
        None => !is("ext") && !is("isub") && !is("phone-context"),
        Some("") => false,
        Some(context) if is("phone-context") && context.starts_with('+') => is_global(context),
        Some(context) if is("phone-context") => is_domain(context),
        Some(value) if is("ext") => {
            value.chars().all(|letter| letter.is_ascii_digit() || is_separator(letter))
        }
        // `isub` may hold whatever a URI may.
        Some(value) if is("isub") => value.bytes().all(|byte| is_uric(byte) || byte == b'%'),
        Some(value) => {
            value.bytes().all(|byte| super::escape::is_unreserved(byte) || b"[]/:&+$%".contains(&byte))
        }
    }
}

fn is_uric(byte: u8) -> bool {
    super::escape::is_unreserved(byte) || b"/?:@&=+$,".contains(&byte)
}

fn is_domain(text: &str) -> bool {
    matches!(Host::parse(text), Ok(Host::Name(_)))
}

fn same_param(a: &UriParam<'_>, b: &UriParam<'_>) -> bool {
    if !a.name.eq_ignore_ascii_case(b.name) {
        return false;
    }
    let has_separators = |value: &str| a.name.eq_ignore_ascii_case("ext") || value.starts_with('+');
    match (a.value, b.value) {
        (Some(x), Some(y))
            if a.name.eq_ignore_ascii_case("ext") || a.name.eq_ignore_ascii_case("phone-context") =>
        {
            match (has_separators(x), has_separators(y)) {
                (true, true) => digits(x).eq(digits(y)),
                (false, false) => {
                    x.strip_suffix('.').unwrap_or(x).eq_ignore_ascii_case(y.strip_suffix('.').unwrap_or(y))
                }
                _ => false,
            }
        }
        // Nothing divides a value, so an escape means what it stands for.
        (Some(x), Some(y)) => unescape(x).eq_ignore_ascii_case(&unescape(y)),
        (None, None) => true,
        _ => false,
    }
}

impl fmt::Debug for TelUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl fmt::Display for TelUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Uri;
    use super::*;

    fn tel(text: &str) -> TelUri<'_> {
        TelUri::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn numbers_are_taken_apart() {
        // The examples of RFC 3966 §6.
        assert_eq!(tel("tel:+1-201-555-0123").digits(), "+12015550123");
        let local = tel("tel:7042;phone-context=example.com");
        assert!(!local.is_global() && matches!(local.context(), Some(PhoneContext::Domain("example.com"))));
        let prefix = tel("TEL:863-1234;phone-context=+1-914-555");
        assert!(matches!(prefix.context(), Some(PhoneContext::Number("+1-914-555"))));
        let all = tel("tel:*A.(b)#;ext=1-2;isub=a%20b/c;phone-context=x.org;tgrp=t;rn");
        assert_eq!((all.number(), all.digits().as_str()), ("*A.(b)#", "*ab#"));
        assert_eq!(
            (all.extension(), all.subaddress(), all.params().count()),
            (Some("1-2"), Some("a%20b/c"), 5)
        );
    }

    #[test]
    fn what_is_out_of_the_grammar_is_no_number_but_a_uri_all_the_same() {
        for text in [
            "tel:7042",
            "tel:+",
            "tel:+-",
            "tel:+12A",
            "tel:--;phone-context=a.b",
            "tel:1 2",
            "tel:12x;phone-context=a.b",
            "tel:1;phone-context=",
            "tel:1;phone-context",
            "tel:1;phone-context=+",
            "tel:1;phone-context=a_b/c",
            "tel:+1;ext=a",
            "tel:+1;ext=1;EXT=1",
            "tel:+1;",
            "tel:+1;=x",
            "tel:+1;x=a,b",
            "sip:+1@a",
        ] {
            assert!(TelUri::parse(text.as_bytes()).is_err(), "{text}");
            if let Ok(uri) = Uri::parse(text.as_bytes()) {
                assert!(!matches!(uri, Uri::Tel(_)) && uri.as_str() == text, "{text}");
            }
        }
        assert!(TelUri::parse(("tel:+1".to_owned() + &";a".repeat(33)).as_bytes()).is_err());
    }

    #[test]
    fn numbers_compare_as_section_4_says() {
        for (a, b, equal) in [
            ("tel:+358-555-1234567", "tel:+3585551234567", true),
            ("tel:+1;ext=1-2;isub=A", "tel:+1;isub=a;ext=12", true),
            ("tel:AB;phone-context=+1-2", "TEL:ab;phone-context=+12", true),
            ("tel:1;phone-context=A.B", "tel:1;phone-context=a.b.", true),
            ("tel:+1", "tel:1;phone-context=+", false),
            ("tel:+1", "tel:+1;ext=1", false),
            ("tel:+1;ext=1", "tel:+1;isub=1", false),
            ("tel:1;phone-context=a.b", "tel:1;phone-context=+12", false),
            ("tel:+1;x=%61%3a", "tel:+1;x=A:", true),
        ] {
            let (Ok(a), Ok(b)) = (TelUri::parse(a.as_bytes()), TelUri::parse(b.as_bytes())) else {
                assert!(!equal);
                continue;
            };
            assert_eq!((a.equivalent(&b), b.equivalent(&a)), (equal, equal), "{a} {b}");
        }
    }

    #[test]
    fn numbers_become_sip_uris_and_come_back() {
        for (from, sip) in [
            ("tel:+358-555-1234567", "sip:+358-555-1234567@foo.com;user=phone"),
            ("tel:+1;Z=b;EXT=2;isub=A%20:", "sip:+1;isub=a%20%3A;ext=2;z=b@foo.com;user=phone"),
            ("tel:+1;a-b=1;a=2;POSTD=PP22", "sip:+1;postd=pp22;a=2;a-b=1@foo.com;user=phone"),
            ("tel:*1#;phone-context=a.b", "sip:*1%23;phone-context=a.b@foo.com;user=phone"),
        ] {
            let tel = tel(from);
            let built = tel.to_sip("foo.com").unwrap();
            assert_eq!(built.as_str(), sip);
            let back = built.as_sip().unwrap().to_tel().unwrap();
            assert!(tel.equivalent(&TelUri::parse(back.as_ref()).unwrap()), "{back}");
        }
        for none in [
            "sip:+1@a",
            "sip:+1@a;user=ip",
            "sip:bob@a;user=phone",
            "sip:a;user=phone",
            "sip:12@a;user=phone",
        ] {
            assert!(Uri::parse(none.as_bytes()).unwrap().as_sip().unwrap().to_tel().is_none(), "{none}");
        }
        assert!(tel("tel:+1").to_sip("a b").is_err());
    }

    #[test]
    fn what_is_built_is_within_the_grammar() {
        let built = TelUriBuf::local("7042", "example.com").extension("12").subaddress("a b").build();
        assert_eq!(built.unwrap().as_str(), "tel:7042;isub=a%20b;ext=12;phone-context=example.com");
        assert!(TelUriBuf::global("+1\r\n").build().is_err());
        assert!(TelUriBuf::global("1").build().is_err());
        assert!(TelUriBuf::local("+1", "a.b").build().is_err());
        // Nothing of a number or a name becomes another parameter.
        assert!(TelUriBuf::global("+1;ext=2").build().is_err());
        assert!(TelUriBuf::global("+1").param("a;b", "1").build().is_err());
        assert!(TelUriBuf::global("+1").param("a=b", "1").build().is_err());
        assert!(TelUriBuf::global("+1").param("a", "1").param("A", "2").build().is_err());
        let built = TelUriBuf::global("+1").param("b-c", "1").param("b", "2;x").build();
        assert_eq!(built.unwrap().as_str(), "tel:+1;b=2%3Bx;b-c=1");
        assert!(TelUriBuf::global("+1").param("a;b", "").build().is_err());
    }
}
