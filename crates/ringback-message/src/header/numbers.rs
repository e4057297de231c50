//! Fields that hold numbers and identifiers.

use super::{Header, HeaderId, displayed_as_written};
use crate::lex::{Cursor, decimal, text, trim};
use crate::scan::space_or_control;
use crate::{Method, Output, Params, ParseError, Value};
use bytes::Bytes;

/// The order of requests and the method that a response answers (RFC 3261 §20.16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// The sequence number, below 2^31 for those who keep §8.1.1.5; read up to 2^32 - 1.
    pub number: u32,
    /// The method.
    pub method: Method,
}

impl CSeq {
    /// The largest number of a request (RFC 3261 §8.1.1.5).
    pub const MOST: u32 = u32::MAX >> 1;

    /// The number of the request that follows. It stops at [`MOST`](Self::MOST), after ages: what would come then is
    /// refused as out of order, and nobody takes a small number for a new beginning.
    pub fn next_number(last: u32) -> u32 {
        last.saturating_add(1).min(Self::MOST)
    }
}

impl<'a> Header<'a> for CSeq {
    const ID: HeaderId = HeaderId::CSEQ;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        // The usual spelling has one space and a method with a name of its own.
        if let Some((number, [b' ', name @ ..])) = leading_number(value)
            && let Some(method) = Method::known_by(name)
        {
            return Ok(Self { number, method });
        }
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let start = cursor.at;
        let number = decimal(cursor.take_digits());
        let number = number.ok_or(ParseError::new(start, "CSeq"))?;
        let before = cursor.at;
        cursor.skip_lws();
        if cursor.at == before {
            return Err(cursor.error("CSeq"));
        }
        let name = cursor.token_bytes("CSeq")?;
        cursor.finish("CSeq")?;
        let method = Method::from_token(name);
        Ok(Self { number, method })
    }
}

/// A number of at most nine digits, and what is behind it.
fn leading_number(value: &[u8]) -> Option<(u32, &[u8])> {
    let (mut number, mut rest) = (0, value);
    while let [digit @ b'0'..=b'9', tail @ ..] = rest {
        if value.len() - tail.len() > 9 {
            return None;
        }
        number = number * 10 + u32::from(digit - b'0');
        rest = tail;
    }
    (rest.len() < value.len()).then_some((number, rest))
}

impl Value for CSeq {
    fn write(&self, out: &mut Output) {
        out.push_number(self.number.into());
        out.push(b' ');
        self.method.write(out);
    }
}

displayed_as_written!(CSeq, CallId<'_>, RetryAfter<'_>);

/// What groups the messages of one call or registration (RFC 3261 §20.8). Case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId<'a>(pub &'a str);

impl<'a> Header<'a> for CallId<'a> {
    const ID: HeaderId = HeaderId::CALL_ID;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let value = trim(value);
        match space_or_control(value) {
            None if !value.is_empty() => text(value, 0, "callid").map(Self),
            at => Err(ParseError::new(at.unwrap_or(0), "callid")),
        }
    }
}

impl Value for CallId<'_> {
    fn write(&self, out: &mut Output) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

impl CallId<'_> {
    /// The identifier as shared bytes, copied.
    pub fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self.0.as_bytes())
    }
}

/// `delta-seconds`: digits only; what does not fit is the largest (RFC 3261 §20.10, §20.19).
pub(super) fn delta_seconds(value: &[u8]) -> Option<u32> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(decimal(value).unwrap_or(u32::MAX))
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($type:ty) $id:ident $rule:literal $read:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub $type);

        impl<'a> Header<'a> for $name {
            const ID: HeaderId = HeaderId::$id;
            fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                let read: fn(&[u8]) -> Option<$type> = $read;
                read(trim(value)).map(Self).ok_or(ParseError::new(0, $rule))
            }
        }

        impl Value for $name {
            fn write(&self, out: &mut Output) {
                out.push_number(self.0.into());
            }
        }

        displayed_as_written!($name);
    )*};
}

numbers! {
    /// How many proxies a request may still pass, 0 to 255 (RFC 3261 §20.22).
    MaxForwards(u8) MAX_FORWARDS "Max-Forwards" decimal;
    /// How long something lasts, in seconds (RFC 3261 §20.19).
    Expires(u32) EXPIRES "Expires" delta_seconds;
    /// The shortest registration that is taken, in seconds (RFC 3261 §20.23).
    MinExpires(u32) MIN_EXPIRES "Min-Expires" delta_seconds;
    /// The length of the body in octets (RFC 3261 §20.14).
    ContentLength(u32) CONTENT_LENGTH "Content-Length" decimal;
    /// The place of a reliable provisional response among its like (RFC 3262 §7.1).
    RSeq(u32) RSEQ "response-num" decimal;
    /// How often the client may keep its flow alive at most, in seconds (RFC 5626 §4.4).
    FlowTimer(u32) FLOW_TIMER "Flow-Timer" delta_seconds;
    /// How many branches a request may still have at once (RFC 5393 §5.3).
    MaxBreadth(u32) MAX_BREADTH "Max-Breadth" decimal;
}

/// When to try again (RFC 3261 §20.33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter<'a> {
    /// In how many seconds.
    pub seconds: u32,
    /// A comment as written, with its brackets.
    comment: &'a [u8],
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> RetryAfter<'a> {
    /// So many seconds.
    pub fn new(seconds: u32) -> Self {
        Self { seconds, comment: b"", params: Params::default() }
    }

    /// For how many seconds the callee can be reached then, where it is said.
    pub fn duration(&self) -> Option<u32> {
        delta_seconds(self.params.value("duration")?.as_bytes())
    }
}

impl<'a> Header<'a> for RetryAfter<'a> {
    const ID: HeaderId = HeaderId::RETRY_AFTER;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let seconds = delta_seconds(cursor.take_digits());
        let seconds = seconds.ok_or(cursor.error("Retry-After"))?;
        cursor.skip_lws();
        let start = cursor.at;
        if cursor.peek() == Some(b'(') {
            skip_comment(&mut cursor)?;
        }
        let comment = value.get(start..cursor.at).unwrap_or_default();
        let params = Params::take(&mut cursor, "retry-param")?;
        cursor.finish("Retry-After")?;
        Ok(Self { seconds, comment, params })
    }
}

/// Goes behind a comment, inside of which there may be others (RFC 3261 §25.1 `comment`).
fn skip_comment(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    let start = cursor.at;
    let mut open = 0usize;
    while let Some(byte) = cursor.peek() {
        cursor.at += 1;
        match byte {
            b'(' => open += 1,
            b')' if open == 1 => return Ok(()),
            b')' => open -= 1,
            // What is behind a backslash means nothing.
            b'\\' if !cursor.is_empty() => cursor.at += 1,
            _ => {}
        }
    }
    Err(ParseError::new(start, "comment"))
}

impl Value for RetryAfter<'_> {
    fn write(&self, out: &mut Output) {
        out.push_number(self.seconds.into());
        if !self.comment.is_empty() {
            out.push(b' ');
            out.extend_unfolded(self.comment);
        }
        self.params.write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cseq_takes_leading_zeros_and_folds_but_no_overflow() {
        let cseq = CSeq::parse(b"0009\r\n  INVITE").unwrap();
        assert_eq!((cseq.number, cseq.method), (9, Method::INVITE));
        for text in ["36893488147419103232 REGISTER", "INVITE", "1", "-1 BYE", "1 BYE x", ""] {
            assert!(CSeq::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn rule_76_lengths_are_plain_numbers() {
        assert_eq!(ContentLength::parse(b" 150 "), Ok(ContentLength(150)));
        for text in ["-999", "+5", "1e3", "4294967296", "18446744073709551616", "", "1 2"] {
            assert!(ContentLength::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_that_do_not_fit_are_the_largest() {
        assert_eq!(Expires::parse(&b"1".repeat(101)), Ok(Expires(u32::MAX)));
        assert!(Expires::parse(b"soon").is_err());
        let busy = RetryAfter::parse(b"120 (in a meeting);duration=60").unwrap();
        assert_eq!((busy.seconds, busy.duration()), (120, Some(60)));
        assert_eq!(busy.to_string(), "120 (in a meeting);duration=60");
        assert_eq!(RetryAfter::new(5).to_string(), "5");
        assert!(MaxForwards::parse(b"256").is_err());
    }

    #[test]
    fn call_ids_are_taken_as_they_are() {
        let odd = "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{";
        assert_eq!(CallId::parse(odd.as_bytes()), Ok(CallId(odd)));
        assert!(CallId::parse(b"a b").is_err());
        assert!(CallId::parse(b"").is_err());
    }
}
