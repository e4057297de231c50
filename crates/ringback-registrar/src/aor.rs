//! Addresses of record.

use crate::Refusal;
use ringback_message::header::To;
use ringback_message::{Request, SipUri, Uri, unescape};
use std::fmt;
use std::sync::Arc;

/// A user of a domain, in one spelling (RFC 3261 §10.3 step 5).
///
/// Always written as a `sip` URI: `sips` names the same user, reached in another way (RFC 5630 §3.1.1). It has no
/// port: phones that know their server by address write the port into it or leave it out as they please.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Aor(Arc<str>);

impl Aor {
    /// The address of record of a URI; `None` when it names no user.
    pub fn of(uri: &SipUri<'_>) -> Option<Self> {
        let user = uri.user()?;
        // Host names are longer than addresses, for the most part.
        let mut text = String::with_capacity(user.len() + 32);
        text.push_str("sip:");
        uri.push_user_at_host(&mut text);
        Some(Self(text.into()))
    }

    /// The address of record that a REGISTER is about: that of To (RFC 3261 §10.3 step 5).
    ///
    /// # Errors
    /// When To is malformed, or names no user that can be registered.
    pub fn registered_by(request: &Request) -> Result<Self, Refusal> {
        let to = request.require::<To<'_>>()?;
        let uri = to.uri.as_sip().ok_or(Refusal::Scheme)?;
        Self::of(uri).ok_or(Refusal::NotFound)
    }

    /// Reads what [`as_str`](Self::as_str) gave, or any other `sip` or `sips` URI with a user.
    pub fn parse(text: &str) -> Option<Self> {
        match Uri::parse(text.as_bytes()) {
            Ok(Uri::Sip(uri)) => Self::of(&uri),
            _ => None,
        }
    }

    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> (&str, &str) {
        let text = self.0.strip_prefix("sip:").expect("written with this scheme");
        text.rsplit_once('@').expect("written with a user")
    }

    /// The user part, escapes and all.
    pub fn user(&self) -> &str {
        self.parts().0
    }

    /// The domain, in lower case.
    pub fn domain(&self) -> &str {
        self.parts().1
    }

    /// Whether an authenticated user name, `bob` or `bob@example.com`, is this user's.
    pub fn is_of(&self, user: &str) -> bool {
        let (own, domain) = self.parts();
        let own = unescape(own);
        let names_own = |name: &str| name.as_bytes() == &*own;
        names_own(user)
            || user
                .rsplit_once('@')
                .is_some_and(|(name, host)| names_own(name) && host.eq_ignore_ascii_case(domain))
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_has_one_spelling() {
        for text in
            ["sip:bob@example.com", "SIPS:b%6Fb@EXAMPLE.com:5061;transport=tls", "sip:bob:pw@example.com."]
        {
            assert_eq!(Aor::parse(text).unwrap().as_str(), "sip:bob@example.com", "{text}");
        }
        let aor = Aor::parse("sip:bob@[2001:DB8::1]:5060").unwrap();
        assert_eq!((aor.as_str(), aor.domain()), ("sip:bob@[2001:db8::1]", "[2001:db8::1]"));
        assert_eq!(Aor::parse(aor.as_str()), Some(aor));
        assert_ne!(Aor::parse("sip:Bob@example.com"), Aor::parse("sip:bob@example.com"));
        assert_eq!(Aor::parse("sip:example.com"), None);
        assert_eq!(Aor::parse("tel:+12025550142"), None);
    }

    #[test]
    fn users_own_their_address_with_or_without_its_domain() {
        let aor = Aor::parse("sip:b%23b@example.com").unwrap();
        assert!(aor.is_of("b#b") && aor.is_of("b#b@Example.com"));
        assert!(!aor.is_of("bob") && !aor.is_of("b#b@example.org") && !aor.is_of(""));
    }
}
