//! Fields of a composition of their own: RAck, Timestamp, Identity, P-Charging-Vector.

use super::{CSeq, Header, HeaderId, displayed_as_written};
use crate::lex::{Cursor, text};
use crate::uri::Uri;
use crate::{Output, Params, ParseError, Value};

/// Which reliable provisional response a PRACK is about (RFC 3262 §7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The RSeq of the response.
    pub response: u32,
    /// The CSeq of the request that it answers.
    pub cseq: CSeq,
}

impl<'a> Header<'a> for RAck {
    const ID: HeaderId = HeaderId::RACK;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let response = crate::lex::decimal(cursor.take_digits()).ok_or(cursor.error("response-num"))?;
        if !cursor.peek().is_some_and(crate::lex::is_lws) {
            return Err(cursor.error("RAck"));
        }
        let start = cursor.at;
        let cseq = CSeq::parse(cursor.rest()).map_err(|error| error.shifted(start))?;
        Ok(Self { response, cseq })
    }
}

impl Value for RAck {
    fn write(&self, out: &mut Output) {
        out.push_number(self.response.into());
        out.push(b' ');
        self.cseq.write(out);
    }
}

/// When the client sent its request, by a clock of its own (RFC 3261 §20.38).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp<'a> {
    /// Seconds with a fraction, as written.
    pub sent: &'a str,
    /// How long the server took until it answered, in seconds, as written.
    pub delay: Option<&'a str>,
}

impl<'a> Header<'a> for Timestamp<'a> {
    const ID: HeaderId = HeaderId::TIMESTAMP;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let sent = fraction(&mut cursor).ok_or(ParseError::new(0, "Timestamp"))?;
        cursor.skip_lws();
        let delay =
            if cursor.is_empty() { None } else { Some(fraction(&mut cursor).ok_or(cursor.error("delay"))?) };
        cursor.finish("Timestamp")?;
        Ok(Self { sent, delay })
    }
}

/// `*DIGIT [ "." *DIGIT ]`, with a digit somewhere.
fn fraction<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    let start = cursor.at;
    let whole = cursor.take_digits().len();
    let behind = if cursor.eat(b'.') { cursor.take_digits().len() } else { 0 };
    (whole + behind > 0).then(|| text(&cursor.input[start..cursor.at], start, "Timestamp").ok())?
}

impl Value for Timestamp<'_> {
    fn write(&self, out: &mut Output) {
        out.extend_from_slice(self.sent.as_bytes());
        if let Some(delay) = self.delay {
            out.push(b' ');
            out.extend_from_slice(delay.as_bytes());
        }
    }
}

/// A signature over who calls whom (RFC 8224 §4): a PASSporT, whole or without what the message says itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Identity<'a> {
    /// The signed digest: three parts in base64url, the first two empty in the compact form.
    pub digest: &'a str,
    /// `info`, `alg`, `ppt`, as written: `info` holds a URI in angle brackets.
    pub params: &'a [u8],
}

impl<'a> Identity<'a> {
    /// Where the certificate is that the signature was made with.
    pub fn info(&self) -> Option<Uri<'a>> {
        let rest = self.param("info")?;
        let [b'<', inner @ .., b'>'] = rest else { return None };
        Uri::parse(inner).ok()
    }

    /// The algorithm, `ES256` by default.
    pub fn algorithm(&self) -> &'a str {
        self.param("alg").and_then(|value| std::str::from_utf8(value).ok()).unwrap_or("ES256")
    }

    /// The extension of PASSporT, such as `shaken`, without its quotes.
    pub fn extension(&self) -> Option<&'a str> {
        let value = std::str::from_utf8(self.param("ppt")?).ok()?;
        Some(value.trim_matches('"'))
    }

    fn param(&self, name: &str) -> Option<&'a [u8]> {
        let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
        // Semicolons inside of quotes and angle brackets belong to the value.
        let separates = move |byte: &u8| {
            match byte {
                _ if escaped => {}
                b'"' if !bracketed => quoted = !quoted,
                b'<' | b'>' if !quoted => bracketed = *byte == b'<',
                _ => {}
            }
            escaped = quoted && !escaped && *byte == b'\\';
            *byte == b';' && !quoted && !bracketed
        };
        let params = self.params.split(separates).map(<[u8]>::trim_ascii);
        params.filter_map(|param| param.split_at_checked(name.len())).find_map(|(own, rest)| {
            let value = rest.trim_ascii_start().strip_prefix(b"=")?;
            own.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
        })
    }
}

impl<'a> Header<'a> for Identity<'a> {
    const ID: HeaderId = HeaderId::IDENTITY;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let start = cursor.at;
        // RFC 4474 put quotes around it.
        let digest = match cursor.peek() {
            Some(b'"') => cursor.quoted("signed-identity-digest")?,
            _ => cursor.take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=-_.".contains(&byte)),
        };
        if digest.is_empty() {
            return Err(cursor.error("signed-identity-digest"));
        }
        cursor.skip_lws();
        if !matches!(cursor.peek(), None | Some(b';')) {
            return Err(cursor.error("ident-info-params"));
        }
        Ok(Self { digest: text(digest, start, "signed-identity-digest")?, params: cursor.rest() })
    }
}

impl Value for Identity<'_> {
    fn write(&self, out: &mut Output) {
        out.extend_unfolded(self.digest.as_bytes());
        out.extend_unfolded(self.params);
    }
}

/// What the charging records of several networks have in common (RFC 7315 §5.6).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PChargingVector<'a> {
    /// The identity of the session for charging, `icid-value`, as written.
    pub icid: &'a str,
    /// `icid-generated-at`, `orig-ioi`, `term-ioi` and others.
    pub params: Params<'a>,
}

impl<'a> Header<'a> for PChargingVector<'a> {
    const ID: HeaderId = HeaderId::P_CHARGING_VECTOR;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let start = cursor.at;
        let name = cursor.token_bytes("icid-value")?;
        if !name.eq_ignore_ascii_case(b"icid-value") || !cursor.eat_padded(b'=') {
            return Err(ParseError::new(start, "icid-value"));
        }
        let start = cursor.at;
        let icid = match cursor.peek() {
            Some(b'"') => cursor.quoted("icid-value")?,
            _ => cursor.take_param_value(),
        };
        let icid = text(icid, start, "icid-value")?;
        let params = Params::take(&mut cursor, "charge-params")?;
        cursor.finish("charge-params")?;
        Ok(Self { icid, params })
    }
}

impl Value for PChargingVector<'_> {
    fn write(&self, out: &mut Output) {
        out.extend_from_slice(b"icid-value=");
        out.extend_unfolded(self.icid.as_bytes());
        self.params.write(out);
    }
}

displayed_as_written!(RAck, Timestamp<'_>, Identity<'_>, PChargingVector<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;

    #[test]
    fn rack_is_three_words() {
        let rack = RAck::parse(b"776656 1 INVITE").unwrap();
        assert_eq!((rack.response, rack.cseq.number, rack.cseq.method.clone()), (776656, 1, Method::INVITE));
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        for text in ["1INVITE", "1 INVITE", "1 2", "", "x 1 INVITE"] {
            assert!(RAck::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn timestamps_have_fractions_and_delays() {
        let stamp =
            |text: &'static str| Timestamp::parse(text.as_bytes()).map(|stamp| (stamp.sent, stamp.delay));
        assert_eq!(stamp("54"), Ok(("54", None)));
        assert_eq!(stamp(" 54.5  .25 "), Ok(("54.5", Some(".25"))));
        assert!(stamp("").is_err() && stamp(".").is_err() && stamp("1 x").is_err());
    }

    #[test]
    fn identities_in_full_and_compact_form() {
        let identity = Identity::parse(
            b"..sv5CTo05KqpSmtHt3dcEiO;info=<https://biloxi.example.org/biloxi.cert>;alg=ES256;ppt=\"shaken\"",
        )
        .unwrap();
        assert_eq!(identity.digest, "..sv5CTo05KqpSmtHt3dcEiO");
        assert_eq!(identity.info().unwrap().as_str(), "https://biloxi.example.org/biloxi.cert");
        assert_eq!((identity.algorithm(), identity.extension()), ("ES256", Some("shaken")));
        assert!(
            Identity::parse(b"\"ZYNBbHC00VMZr2kZt6VmCvPonWJMGvQTBDqghoWeLxJfzB2a1pxAr3VgrB0SsSAa\"").is_ok()
        );
        assert!(Identity::parse(b"a b").is_err());
    }

    #[test]
    fn charging_vectors_begin_with_the_identity() {
        let vector =
            PChargingVector::parse(b"icid-value=1234bc9876e;icid-generated-at=192.0.6.8;orig-ioi=home1.net")
                .unwrap();
        assert_eq!((vector.icid, vector.params.value("orig-ioi")), ("1234bc9876e", Some("home1.net")));
        assert!(PChargingVector::parse(b"orig-ioi=home1.net").is_err());
    }
}
