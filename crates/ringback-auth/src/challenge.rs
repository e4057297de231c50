//! What a server asks for: the value of WWW-Authenticate and Proxy-Authenticate.

use crate::{Algorithm, DigestError, Qop};
use ringback_message::header::{AuthParam, Credentials};
use std::borrow::Cow;
use std::fmt;

/// A digest challenge (RFC 7616 §3.3). `Display` writes the whole header value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestChallenge {
    /// The protection space: for which password is asked.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// What the client has to give back unchanged.
    pub opaque: Option<String>,
    /// Whether only the nonce was refused, so that the same password can be tried again unseen.
    pub stale: bool,
    /// The algorithm; MD5 where none is named.
    pub algorithm: Algorithm,
    /// The qualities on offer that this crate has; none for a server in the manner of RFC 2069.
    pub qop: Vec<Qop>,
}

impl DigestChallenge {
    /// Reads a challenge.
    ///
    /// # Errors
    /// When the scheme is another one, algorithm or every quality is unknown, realm or nonce is missing, or
    /// a parameter is there twice.
    pub fn parse(challenge: &Credentials<'_>) -> Result<Self, DigestError> {
        let params = DigestParams::of(challenge)?;
        let text = |name| params.value(name).map(Cow::into_owned);
        let qop = match params.value("qop") {
            None => Vec::new(),
            Some(offer) => {
                let known: Vec<Qop> =
                    offer.split(',').filter_map(|token| Qop::from_token(token.trim())).take(2).collect();
                if known.is_empty() && !offer.trim().is_empty() {
                    return Err(DigestError::UnknownQop);
                }
                known
            }
        };
        Ok(Self {
            realm: text("realm").ok_or(DigestError::Missing("realm"))?,
            nonce: text("nonce").ok_or(DigestError::Missing("nonce"))?,
            opaque: text("opaque"),
            stale: params.value("stale").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            algorithm: algorithm(&params)?,
            qop,
        })
    }
}

impl fmt::Display for DigestChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", Quoted(&self.realm), Quoted(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        if self.stale {
            f.write_str(", stale=true")?;
        }
        write!(f, ", algorithm={}", self.algorithm)?;
        for (index, qop) in self.qop.iter().enumerate() {
            write!(f, "{}{qop}", if index == 0 { ", qop=\"" } else { "," })?;
        }
        if self.qop.is_empty() { Ok(()) } else { f.write_str("\"") }
    }
}

/// The pairs of a Digest value in which no name comes twice. They are read once, for a dozen of them is asked for.
pub(crate) struct DigestParams<'a>(Vec<AuthParam<'a>>);

/// What most have fewer of.
const USUAL: usize = 12;

impl<'a> DigestParams<'a> {
    pub(crate) fn of(value: &Credentials<'a>) -> Result<Self, DigestError> {
        // At most 64 pairs are read, so this is bounded.
        let params = value.digest().ok_or(DigestError::NotDigest)?;
        let mut pairs: Vec<AuthParam<'a>> = Vec::with_capacity(USUAL);
        for pair in params.iter() {
            if pairs.iter().any(|other| other.name.eq_ignore_ascii_case(pair.name)) {
                return Err(DigestError::Repeated);
            }
            pairs.push(pair);
        }
        Ok(Self(pairs))
    }

    /// The value of that name without its quotes; `None` where it is absent or no UTF-8.
    pub(crate) fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        self.0.iter().find(|pair| pair.name.eq_ignore_ascii_case(name))?.text()
    }
}

pub(crate) fn algorithm(params: &DigestParams<'_>) -> Result<Algorithm, DigestError> {
    match params.value("algorithm") {
        None => Ok(Algorithm::Md5),
        Some(token) => Algorithm::from_token(&token).ok_or(DigestError::UnknownAlgorithm),
    }
}

/// Writes a quoted string (RFC 3261 §25.1).
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        let mut rest = self.0;
        while let Some(at) = rest.find(['"', '\\']) {
            let (plain, escaped) = rest.split_at(at);
            let (letter, behind) = escaped.split_at(1);
            write!(f, "{plain}\\{letter}")?;
            rest = behind;
        }
        f.write_str(rest)?;
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::header::{Header as _, WwwAuthenticate};

    fn parse(value: &str) -> Result<DigestChallenge, DigestError> {
        DigestChallenge::parse(&WwwAuthenticate::parse(value.as_bytes()).unwrap())
    }

    #[test]
    fn reads_what_the_field_sends() {
        let challenge =
            parse("Digest realm=\"example.com\",nonce=\"abc\",algorithm=md5,qop=\"auth,auth-int\"").unwrap();
        assert_eq!(challenge.qop, [Qop::Auth, Qop::AuthInt]);
        assert_eq!(challenge.algorithm, Algorithm::Md5);
        // Old Cisco and Nortel gear leaves the quotes out.
        let challenge = parse("Digest realm=\"example.com\", nonce=\"abc\", qop=auth").unwrap();
        assert_eq!(challenge.qop, [Qop::Auth]);
        let challenge = parse("DIGEST Realm=\"example.com\",Nonce=\"abc\"").unwrap();
        assert_eq!((challenge.qop.len(), challenge.stale), (0, false));
        let challenge = parse("Digest realm=\"a\\\"b\\\\c\", nonce=\"\", stale=TRUE").unwrap();
        assert_eq!((challenge.realm.as_str(), challenge.nonce.as_str()), ("a\"b\\c", ""));
        assert!(challenge.stale);
    }

    #[test]
    fn refuses_what_cannot_be_answered() {
        for (value, error) in [
            ("Basic realm=\"x\"", DigestError::NotDigest),
            ("Digest nonce=\"x\"", DigestError::Missing("realm")),
            ("Digest realm=\"x\"", DigestError::Missing("nonce")),
            ("Digest realm=\"x\", nonce=\"y\", algorithm=AKAv1-MD5", DigestError::UnknownAlgorithm),
            ("Digest realm=\"x\", nonce=\"y\", qop=\"auth-conf\"", DigestError::UnknownQop),
            ("Digest realm=\"x\", nonce=\"y\", NONCE=\"z\"", DigestError::Repeated),
        ] {
            assert_eq!(parse(value), Err(error), "{value}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let challenge = DigestChallenge {
            realm: "a\"b\\c, d".into(),
            nonce: "n".into(),
            opaque: Some(String::new()),
            stale: true,
            algorithm: Algorithm::Sha256,
            qop: vec![Qop::Auth, Qop::AuthInt],
        };
        assert_eq!(parse(&challenge.to_string()), Ok(challenge));
    }
}
