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

/// After how many seconds without a refresh a session ends (RFC 4028 §4). Compact form `x`.
///
/// ```
/// use ringback_message::header::{Header, Refresher, SessionExpires};
///
/// let timer = SessionExpires::parse(b"1800;refresher=uac")?;
/// assert_eq!((timer.seconds, timer.refresher()), (1800, Some(Refresher::Uac)));
/// assert_eq!(SessionExpires::new(90, Some(Refresher::Uas)).to_string(), "90;refresher=uas");
/// # Ok::<(), ringback_message::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires<'a> {
    /// The interval in seconds.
    pub seconds: u32,
    /// The parameters.
    pub params: Params<'a>,
}

impl SessionExpires<'_> {
    /// An interval, and who refreshes where that is to be said.
    pub fn new(seconds: u32, refresher: Option<Refresher>) -> Self {
        let params: &[u8] = match refresher {
            Some(Refresher::Uac) => b";refresher=uac",
            Some(Refresher::Uas) => b";refresher=uas",
            None => b"",
        };
        Self { seconds, params: Params::checked(params) }
    }

    /// Who refreshes, where it is said. A value that nobody knows is read as absent.
    pub fn refresher(&self) -> Option<Refresher> {
        match self.params.value("refresher")? {
            role if role.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            role if role.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        }
    }
}

impl<'a> Header<'a> for SessionExpires<'a> {
    const ID: HeaderId = HeaderId::SESSION_EXPIRES;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        interval(value, "Session-Expires").map(|(seconds, params)| Self { seconds, params })
    }
}

impl Value for SessionExpires<'_> {
    fn write(&self, out: &mut Output) {
        out.push_number(self.seconds.into());
        self.params.write(out);
    }
}

/// The shortest interval that is taken (RFC 4028 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinSe<'a> {
    /// The interval in seconds.
    pub seconds: u32,
    /// The parameters, none of which is defined.
    pub params: Params<'a>,
}

impl MinSe<'_> {
    /// An interval in seconds.
    pub fn new(seconds: u32) -> Self {
        Self { seconds, params: Params::default() }
    }
}

impl<'a> Header<'a> for MinSe<'a> {
    const ID: HeaderId = HeaderId::MIN_SE;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        interval(value, "Min-SE").map(|(seconds, params)| Self { seconds, params })
    }
}

impl Value for MinSe<'_> {
    fn write(&self, out: &mut Output) {
        out.push_number(self.seconds.into());
        self.params.write(out);
    }
}

displayed_as_written!(SessionExpires<'_>, MinSe<'_>);

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
        assert_eq!((timer.seconds, timer.refresher()), (90, Some(Refresher::Uas)));
        assert_eq!(SessionExpires::parse(b"4000;refresher=nobody").unwrap().refresher(), None);
        assert_eq!(SessionExpires::parse(b"99999999999").unwrap().seconds, u32::MAX);
        assert_eq!(MinSe::parse(b"60;x=y").unwrap().to_string(), "60;x=y");
        assert_eq!(MinSe::new(90).to_string(), "90");
        assert!(SessionExpires::parse(b"").is_err() && MinSe::parse(b"-1").is_err());
    }
}
