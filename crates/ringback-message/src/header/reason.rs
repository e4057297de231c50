//! Reason and Warning.

use super::{Header, HeaderId, displayed_as_written};
use crate::lex::{Cursor, decimal, unquote};
use crate::{Output, Params, ParseError, Value};
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

impl Value for Reason<'_> {
    fn write(&self, out: &mut Output) {
        out.extend_from_slice(self.protocol.as_bytes());
        self.params.write(out);
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

impl Value for Warning<'_> {
    fn write(&self, out: &mut Output) {
        out.push_number(self.code.into());
        out.push(b' ');
        out.extend_from_slice(self.agent.as_bytes());
        out.extend_from_slice(b" \"");
        for byte in self.text.iter() {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte });
        }
        out.push(b'"');
    }
}

displayed_as_written!(Reason<'_>, Warning<'_>);

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
        assert_eq!(warning.to_string(), "301 isi.edu \"Incompatible network address type 'E.164'\"");
        assert_eq!(Warning::parse(br#"399 a "x \"y\"""#).unwrap().to_string(), r#"399 a "x \"y\"""#);
        assert!(Warning::parse(b"1812 overture \"In Progress\"").is_err());
    }
}
