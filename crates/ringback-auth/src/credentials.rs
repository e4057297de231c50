//! What a client answers: the value of Authorization and Proxy-Authorization.

use crate::challenge::{DigestParams, Quoted, algorithm};
use crate::hash::{Hex, Terms, response, same};
use crate::{Algorithm, DigestError, Ha1, Qop};
use ringback_message::header::Credentials;
use std::borrow::Cow;
use std::fmt;

/// Digest credentials (RFC 7616 §3.4). `Display` writes the whole header value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestCredentials {
    /// The user, quotes resolved: the text that goes into the hash.
    pub username: String,
    /// The realm of the challenge.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The URI that the response covers; the Request-URI unless a proxy changed that.
    pub uri: String,
    /// The proof, in hexadecimal. May be empty or anything else when it came from a peer.
    pub response: String,
    /// The algorithm; MD5 where none is named.
    pub algorithm: Algorithm,
    /// The client's nonce.
    pub cnonce: Option<String>,
    /// What the challenge gave to be given back.
    pub opaque: Option<String>,
    /// The quality of protection and the nonce count; `None` in the manner of RFC 2069.
    pub qop: Option<(Qop, u32)>,
}

impl DigestCredentials {
    /// Reads credentials.
    ///
    /// # Errors
    /// When the scheme is another one, something is missing or there twice, or algorithm, quality or
    /// nonce count cannot be understood.
    pub fn parse(credentials: &Credentials<'_>) -> Result<Self, DigestError> {
        let params = DigestParams::of(credentials)?;
        let text = |name| params.value(name).map(Cow::into_owned);
        let needed = |name| text(name).ok_or(DigestError::Missing(name));
        let qop = match params.value("qop") {
            None => None,
            Some(token) => {
                let qop = Qop::from_token(&token).ok_or(DigestError::UnknownQop)?;
                Some((qop, nonce_count(&needed("nc")?).ok_or(DigestError::Malformed("nc"))?))
            }
        };
        let algorithm = algorithm(&params)?;
        let cnonce = text("cnonce");
        if cnonce.is_none() && (qop.is_some() || algorithm.is_session()) {
            return Err(DigestError::Missing("cnonce"));
        }
        Ok(Self {
            username: needed("username")?,
            realm: needed("realm")?,
            nonce: needed("nonce")?,
            uri: needed("uri")?,
            response: needed("response")?,
            algorithm,
            cnonce,
            opaque: text("opaque"),
            qop,
        })
    }

    /// Whether the response proves knowledge of the password behind `ha1`, for this method and body. Takes
    /// the same time wherever it differs.
    ///
    /// Nothing is said about the nonce: see [`Authenticator`](crate::Authenticator).
    pub fn proves(&self, ha1: &Ha1, method: &str, body: &[u8]) -> bool {
        let expected = self.compute(ha1, method, body);
        // RFC 7616 knows lower-case digits only; upper case is unambiguous and occurs.
        let given = Hex::read(&self.response, expected.as_bytes().len());
        ha1.algorithm() == self.algorithm.base()
            && given.is_some_and(|given| same(given.as_bytes(), expected.as_bytes()))
    }

    /// Computes the proof and puts it in.
    #[must_use]
    pub(crate) fn signed(mut self, ha1: &Ha1, method: &str, body: &[u8]) -> Self {
        self.response = self.compute(ha1, method, body).as_str().to_owned();
        self
    }

    fn compute(&self, ha1: &Ha1, method: &str, body: &[u8]) -> Hex {
        let terms = Terms {
            algorithm: self.algorithm,
            nonce: &self.nonce,
            cnonce: self.cnonce.as_deref().unwrap_or(""),
            qop: self.qop,
            method,
            uri: &self.uri,
            body,
        };
        response(ha1, &terms)
    }
}

/// Exactly eight lower-case hexadecimal digits, and counting starts at one.
fn nonce_count(text: &str) -> Option<u32> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 8 || !text.bytes().all(lower) {
        return None;
    }
    u32::from_str_radix(text, 16).ok().filter(|count| *count > 0)
}

impl fmt::Display for DigestCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\", algorithm={}",
            Quoted(&self.username),
            Quoted(&self.realm),
            Quoted(&self.nonce),
            Quoted(&self.uri),
            self.response,
            self.algorithm
        )?;
        if let Some(cnonce) = &self.cnonce {
            write!(f, ", cnonce={}", Quoted(cnonce))?;
        }
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        // RFC 7616 §3.4: no quotes around qop and nc here, unlike in the challenge.
        match self.qop {
            Some((qop, count)) => write!(f, ", qop={qop}, nc={count:08x}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ringback_message::header::{Authorization, Header as _};

    fn parse(value: &str) -> Result<DigestCredentials, DigestError> {
        DigestCredentials::parse(&Authorization::parse(value.as_bytes()).unwrap())
    }

    const LEAD: &str =
        "Digest username=\"alice\",realm=\"example.com\",nonce=\"abc\",uri=\"sip:example.com\"";

    #[test]
    fn odd_credentials_are_told_apart() {
        let zeros = "0".repeat(32);
        for (tail, error) in [
            (format!(",qop=auth,nc=1,cnonce=\"x\",response=\"{zeros}\""), DigestError::Malformed("nc")),
            (
                format!(",qop=auth,nc=00000000,cnonce=\"x\",response=\"{zeros}\""),
                DigestError::Malformed("nc"),
            ),
            (format!(",qop=auth,cnonce=\"x\",response=\"{zeros}\""), DigestError::Missing("nc")),
            (format!(",qop=auth,nc=00000001,response=\"{zeros}\""), DigestError::Missing("cnonce")),
            (format!(",username=\"bob\",response=\"{zeros}\""), DigestError::Repeated),
            (String::new(), DigestError::Missing("response")),
        ] {
            assert_eq!(parse(&format!("{LEAD}{tail}")), Err(error), "{tail}");
        }
    }

    #[test]
    fn an_empty_or_short_response_proves_nothing() {
        let ha1 = Ha1::new("alice", "example.com", "secret", Algorithm::Md5);
        for response in ["", "0", &"0".repeat(32), &"F".repeat(32), &"0".repeat(64)] {
            let credentials = parse(&format!("{LEAD},response=\"{response}\"")).unwrap();
            assert!(!credentials.proves(&ha1, "REGISTER", b""), "{response}");
        }
    }

    #[test]
    fn upper_case_digits_prove_the_same() {
        let ha1 = Ha1::new("alice", "example.com", "secret", Algorithm::Md5);
        let mut credentials = parse(&format!("{LEAD},response=\"\"")).unwrap().signed(&ha1, "REGISTER", b"");
        credentials.response.make_ascii_uppercase();
        assert!(credentials.proves(&ha1, "REGISTER", b""));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn what_is_written_is_read_back(
            texts in prop::array::uniform5("[ -~äß]{0,20}"),
            qop in prop::option::of((prop_oneof![Just(Qop::Auth), Just(Qop::AuthInt)], 1u32..)),
            which in 0usize..6,
        ) {
            let [username, realm, nonce, cnonce, opaque] = texts;
            let credentials = DigestCredentials {
                username, realm, nonce, qop,
                uri: "sip:bob@example.com".into(),
                response: "0123".into(),
                algorithm: Algorithm::ALL[which],
                cnonce: Some(cnonce),
                opaque: Some(opaque),
            };
            prop_assert_eq!(parse(&credentials.to_string()), Ok(credentials));
        }

        #[test]
        fn nothing_panics(value in "(Digest )?([a-z]{1,8}=(\"[ -~]{0,12}\"|[!-~]{0,12}),? ?){0,10}") {
            if let Ok(value) = Authorization::parse(value.as_bytes()) {
                let ha1 = Ha1::new("a", "b", "c", Algorithm::Md5);
                if let Ok(credentials) = DigestCredentials::parse(&value) {
                    prop_assert!(!credentials.proves(&ha1, "INVITE", b""));
                }
                let _ = crate::DigestChallenge::parse(&value);
            }
        }
    }
}
