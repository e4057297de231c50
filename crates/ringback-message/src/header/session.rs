//! Session timers: Session-Expires and Min-SE (RFC 4028).

use super::{Header, HeaderId, displayed_as_written};
use crate::lex::Cursor;
use crate::{Output, Params, ParseError, Value};

/// Who refreshes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// The user agent client of the request that is answered.
    Uac,
    /// Its server.
    Uas,
}

impl Refresher {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uac => "uac",
            Self::Uas => "uas",
        }
    }
}

/// After how many seconds without a refresh a session ends (RFC 4028 §4). Compact form `x`.
///
/// ```
/// use ringback_message::header::{Header, Refresher, SessionExpires};
///
/// let timer = SessionExpires::parse(b"1800;refresher=uac")?;
/// assert_eq!((timer.seconds, timer.refresher), (1800, Some(Refresher::Uac)));
/// assert_eq!(timer.to_string(), "1800;refresher=uac");
/// # Ok::<(), ringback_message::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// The interval in seconds.
    pub seconds: u32,
    /// Who refreshes, where it is said. A value that nobody knows is read as absent.
    pub refresher: Option<Refresher>,
}

impl<'a> Header<'a> for SessionExpires {
    const ID: HeaderId = HeaderId::SESSION_EXPIRES;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (seconds, params) = interval(value, "Session-Expires")?;
        let refresher = match params.value("refresher") {
            Some(role) if role.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(role) if role.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Ok(Self { seconds, refresher })
    }
}

impl Value for SessionExpires {
    fn write(&self, out: &mut Output) {
        out.push_number(self.seconds.into());
        if let Some(refresher) = self.refresher {
            out.extend_from_slice(b";refresher=");
            out.extend_from_slice(refresher.as_str().as_bytes());
        }
    }
}

/// The shortest interval that is taken, in seconds (RFC 4028 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinSe(pub u32);

impl<'a> Header<'a> for MinSe {
    const ID: HeaderId = HeaderId::MIN_SE;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        interval(value, "Min-SE").map(|(seconds, _)| Self(seconds))
    }
}

impl Value for MinSe {
    fn write(&self, out: &mut Output) {
        out.push_number(self.0.into());
    }
}

displayed_as_written!(SessionExpires, MinSe);

fn interval<'a>(value: &'a [u8], rule: &'static str) -> Result<(u32, Params<'a>), ParseError> {
    let mut cursor = Cursor::new(value);
    cursor.skip_lws();
    let start = cursor.at;
    let seconds = super::numbers::delta_seconds(cursor.take_digits()).ok_or(ParseError::new(start, rule))?;
    let params = Params::take(&mut cursor, rule)?;
    cursor.finish(rule)?;
    Ok((seconds, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_numbers_with_parameters() {
        let timer = SessionExpires::parse(b" 90 ; refresher = UAS ;x").unwrap();
        assert_eq!((timer.seconds, timer.refresher), (90, Some(Refresher::Uas)));
        assert_eq!(SessionExpires::parse(b"4000;refresher=nobody").unwrap().refresher, None);
        assert_eq!(SessionExpires::parse(b"99999999999").unwrap().seconds, u32::MAX);
        assert_eq!(MinSe::parse(b"60;x=y"), Ok(MinSe(60)));
        assert!(SessionExpires::parse(b"").is_err() && MinSe::parse(b"-1").is_err());
    }
}
