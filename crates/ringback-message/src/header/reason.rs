//! Reason and Warning.

use super::{Header, HeaderId};
use crate::lex::{Cursor, decimal, unquote};
use crate::{Params, ParseError};
use std::borrow::Cow;

/// Why a request was sent (RFC 3326).
#[derive(Clone, Copy, Debug)]
pub struct Reason<'a> {
    /// The protocol that `cause` belongs to: `SIP`, `Q.850`.
    pub protocol: &'a str,
    /// `cause`, `text` and others.
    pub params: Params<'a>,
}

impl<'a> Header<'a> for Reason<'a> {
    const ID: HeaderId = HeaderId::REASON;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let protocol = cursor.token("reason-value")?;
        let params = Params::take(&mut cursor, "reason-params")?;
        cursor.finish("reason-value")?;
        Ok(Self { protocol, params })
    }
}

impl<'a> Reason<'a> {
    /// The cause code.
    pub fn cause(&self) -> Option<u16> {
        decimal(self.params.find("cause")?.value?)
    }

    /// The text for people.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        self.params.find("text")?.text()
    }
}

/// More about a status, for people (RFC 3261 §20.43).
#[derive(Clone, Debug)]
pub struct Warning<'a> {
    /// The code, 300 to 399.
    pub code: u16,
    /// Who warns.
    pub agent: &'a str,
    /// The text, without its quotes.
    pub text: Cow<'a, [u8]>,
}

impl<'a> Header<'a> for Warning<'a> {
    const ID: HeaderId = HeaderId::WARNING;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let start = cursor.at;
        let digits = cursor.take_while(|byte| byte.is_ascii_digit());
        let code =
            decimal(digits).filter(|_| digits.len() == 3).ok_or(ParseError::new(start, "warn-code"))?;
        cursor.skip_lws();
        let start = cursor.at;
        let agent = cursor.take_while(|byte| byte > b' ' && byte != b'"');
        let agent = crate::lex::text(agent, start, "warn-agent")?;
        cursor.skip_lws();
        let text = unquote(cursor.quoted("warn-text")?);
        cursor.finish("warning-value")?;
        Ok(Self { code, agent, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_warnings_are_read() {
        let reason = Reason::parse(b"SIP ;cause=200 ;text=\"Call completed elsewhere\"").unwrap();
        assert_eq!((reason.protocol, reason.cause()), ("SIP", Some(200)));
        assert_eq!(reason.text().as_deref(), Some("Call completed elsewhere"));
        let warning = Warning::parse(b"301 isi.edu \"Incompatible network address type 'E.164'\"").unwrap();
        assert_eq!((warning.code, warning.agent), (301, "isi.edu"));
        assert!(Warning::parse(b"1812 overture \"In Progress\"").is_err());
    }
}
