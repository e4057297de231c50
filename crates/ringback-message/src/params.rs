//! Parameters of header values: `;name=value;flag`.

use crate::header::displayed_as_written;
use crate::lex::{Cursor, unquote};
use crate::limits::MAX_PARAMS;
use crate::scan::param_end;
use crate::{Output, ParseError, Value};
use std::borrow::Cow;
use std::fmt;

/// The parameters after a value, checked once and read on demand.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Params<'a>(&'a [u8]);

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// The name as written; names compare without regard to case.
    pub name: &'a str,
    /// The value as written, with its quotes; `None` for a flag.
    pub value: Option<&'a [u8]>,
}

impl<'a> Param<'a> {
    /// The value as text, without its quotes; `None` for a flag or where it is not UTF-8.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match unquote(self.value?) {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }
}

impl<'a> Params<'a> {
    /// Parameters that were read before, from the first semicolon on.
    pub(crate) fn checked(value: &'a [u8]) -> Self {
        Self(value)
    }

    /// Reads `;`-separated parameters up to the end of the input or to what cannot be one.
    pub(crate) fn take(cursor: &mut Cursor<'a>, rule: &'static str) -> Result<Self, ParseError> {
        let before = cursor.at;
        cursor.skip_lws();
        if cursor.peek() != Some(b';') {
            cursor.at = before;
            return Ok(Self::default());
        }
        let start = cursor.at;
        let mut end = start;
        for count in 0.. {
            if !cursor.eat_padded(b';') {
                break;
            }
            if count == MAX_PARAMS {
                return Err(cursor.error(rule));
            }
            take_raw(cursor, rule)?;
            end = cursor.at;
        }
        Ok(Self(&cursor.input[start..end]))
    }

    /// Reads a whole value as parameters.
    ///
    /// # Errors
    /// When something in it is no parameter.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let params = Self::take(&mut cursor, "generic-param")?;
        cursor.finish("generic-param")?;
        Ok(params)
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        self.raw().filter_map(Self::named)
    }

    fn raw(&self) -> impl Iterator<Item = Raw<'a>> + use<'a> {
        let mut cursor = Cursor::new(self.0);
        std::iter::from_fn(move || {
            if !cursor.eat_padded(b';') {
                return None;
            }
            take_raw(&mut cursor, "generic-param").ok()
        })
    }

    /// Names are tokens, and so text.
    fn named((name, value): Raw<'a>) -> Option<Param<'a>> {
        std::str::from_utf8(name).ok().map(|name| Param { name, value })
    }

    /// The first parameter of that name, in any letter case.
    pub fn find(&self, name: &str) -> Option<Param<'a>> {
        self.find_raw(name.as_bytes()).and_then(Self::named)
    }

    fn find_raw(&self, name: &[u8]) -> Option<Raw<'a>> {
        let mut cursor = Cursor::new(self.0);
        while cursor.eat_padded(b';') {
            let rest = cursor.rest();
            let Some((own, behind)) = rest.split_at_checked(name.len()) else { break };
            if own.eq_ignore_ascii_case(name) {
                match behind {
                    [] | [b';', ..] => return Some((own, None)),
                    // The usual spelling; what may stand in a value was checked before.
                    [b'=', value @ ..] if !matches!(value, [b'"' | b' ' | b'\t' | b'\r' | b'\n', ..]) => {
                        let end = param_end(value);
                        if value.get(end) != Some(&b'"') {
                            return Some((own, Some(&value[..end])));
                        }
                    }
                    _ => {}
                }
                let (own, value) = take_raw(&mut cursor, "generic-param").ok()?;
                if own.len() == name.len() {
                    return Some((own, value));
                }
            } else {
                skip_raw(&mut cursor);
            }
        }
        None
    }

    /// The value of that parameter as it stands, when it has one and is a token or host.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.find_raw(name.as_bytes()).and_then(|(_, value)| std::str::from_utf8(value?).ok())
    }

    /// Whether the parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.find_raw(name.as_bytes()).is_some()
    }

    /// The bytes as they stand, from the first semicolon on.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Parameters in the making: what is no token is quoted.
///
/// ```
/// use ringback_message::{ParamsBuf, header::Event};
///
/// let params = ParamsBuf::new().with("id", "7").with("note", "a \"b\"").flag("x");
/// assert_eq!(Event::new("refer").with(params.as_params()).to_string(), r#"refer;id=7;note="a \"b\"";x"#);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ParamsBuf(String);

impl ParamsBuf {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more with a value. A name that is no token, or a value with CR, LF or NUL, is left out: neither can be
    /// written.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if crate::lex::is_token(name.as_bytes()) && !value.contains(['\r', '\n', '\0']) {
            self.0.push(';');
            self.0.push_str(name);
            self.0.push('=');
            if is_value(value) { self.0.push_str(value) } else { self.0.push_str(&quote(value)) }
        }
        self
    }

    /// One more without a value.
    #[must_use]
    pub fn flag(mut self, name: &str) -> Self {
        if crate::lex::is_token(name.as_bytes()) {
            self.0.push(';');
            self.0.push_str(name);
        }
        self
    }

    /// The parameters, to be put into a header field.
    pub fn as_params(&self) -> Params<'_> {
        Params(self.0.as_bytes())
    }
}

impl fmt::Debug for ParamsBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a value needs no quotes: a token, or a host.
fn is_value(value: &str) -> bool {
    crate::lex::is_token(value.as_bytes()) || crate::Host::parse(value).is_ok()
}

/// Text as a quoted string, for display names and parameters. CR, LF and NUL, which no header field may hold, become
/// spaces.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\r' | '\n' | '\0' => out.push(' '),
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// A parameter of which only the bytes matter yet.
type Raw<'a> = (&'a [u8], Option<&'a [u8]>);

fn take_raw<'a>(cursor: &mut Cursor<'a>, rule: &'static str) -> Result<Raw<'a>, ParseError> {
    let name = cursor.token_bytes(rule)?;
    if !cursor.eat_padded(b'=') {
        return Ok((name, None));
    }
    let start = cursor.at;
    // Met in the wild are also no value at all (`tag=`) and tokens with quoted strings inside.
    if cursor.peek() == Some(b'"') {
        cursor.quoted(rule)?;
    } else {
        while !cursor.take_param_value().is_empty() && cursor.peek() == Some(b'"') {
            cursor.quoted(rule)?;
        }
    }
    Ok((name, Some(&cursor.input[start..cursor.at])))
}

/// Goes to the semicolon behind a parameter that was checked before.
fn skip_raw(cursor: &mut Cursor<'_>) {
    while let Some(offset) = memchr::memchr2(b';', b'"', cursor.rest()) {
        cursor.at += offset;
        if cursor.peek() == Some(b';') || cursor.quoted("generic-param").is_err() {
            return;
        }
    }
    cursor.at = cursor.input.len();
}

impl fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.0))
    }
}

impl Value for Params<'_> {
    fn write(&self, out: &mut Output) {
        out.extend_unfolded(self.0);
    }
}

displayed_as_written!(Params<'_>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_flags_have_no_value() {
        let params = Params::parse(b" ; Tag = abc;lr ;x=\"a;b\"").unwrap();
        assert_eq!(params.value("tag"), Some("abc"));
        assert!(params.has("LR"));
        assert_eq!(params.find("lr").unwrap().value, None);
        assert_eq!(params.find("x").unwrap().text().as_deref(), Some("a;b"));
        assert_eq!(params.iter().count(), 3);
        assert_eq!(params.find("y"), None);
    }

    #[test]
    fn values_met_in_the_wild_are_read() {
        let params = Params::parse(b";branch=z9hG4bKa/b==;tag=;x=a\" b;c \"d;y").unwrap();
        assert_eq!(params.value("branch"), Some("z9hG4bKa/b=="));
        assert_eq!(params.value("tag"), Some(""));
        assert_eq!(params.value("x"), Some("a\" b;c \"d"));
        assert!(params.has("y"));
    }

    proptest::proptest! {
        #[test]
        fn finding_is_going_through(text in "( {0,1};( {0,1}(a|ab|B|abc)( {0,1}(=( {0,1}([a-z/]{0,3}|\"[a;=]{0,2}\")){1,2}){0,1}){0,1})){0,4}") {
            if let Ok(params) = Params::parse(text.as_bytes()) {
                for name in ["a", "ab", "b", "abc", "x"] {
                    let slow = params.iter().find(|param| param.name.eq_ignore_ascii_case(name));
                    proptest::prop_assert_eq!(params.find(name), slow);
                }
            }
        }
    }

    #[test]
    fn built_parameters_are_read_again() {
        let built =
            ParamsBuf::new().with("a", "b c;\\").with("bad name", "x").with("x", "1\n2").with("h", "[::1]");
        let params = Params::parse(built.as_params().as_bytes()).unwrap();
        assert_eq!(params.find("a").unwrap().text().as_deref(), Some("b c;\\"));
        assert_eq!((params.value("h"), params.iter().count()), (Some("[::1]"), 2));
    }

    #[test]
    fn empty_parameters_are_refused() {
        assert!(Params::parse(b";;").is_err());
        assert!(Params::parse(b";=a").is_err());
        assert!(Params::parse(b";a=\"open").is_err());
        assert!(Params::parse(&b";a".repeat(MAX_PARAMS + 1)).is_err());
        assert!(Params::parse(&b";a".repeat(MAX_PARAMS)).is_ok());
    }
}
