//! SIP digest authentication, both sides, without a clock or a random source of its own.
//!
//! - [`DigestClient`] answers the challenges of a 401 or 407 and authorizes later requests ahead of time;
//! - [`Authenticator`] makes challenges and judges credentials, with nonces that need no memory and a bounded
//!   [`ReplayWindow`] for their counts;
//! - [`DigestChallenge`] and [`DigestCredentials`] are what stands in the header fields;
//! - [`Ha1`] is the form in which passwords are kept, and [`Credentials`] the trait by which they are found.
//!
//! ```
//! use ringback_auth::{Attempt, Authenticator, Credentials, DigestClient, Ha1, Algorithm, Place, Verdict};
//! use ringback_message::{HeaderId, Method, Request};
//! use ringback_sansio::SeededEntropy;
//! use std::time::Duration;
//!
//! struct Alice;
//! impl Credentials for Alice {
//!     fn ha1(&self, user: &str, realm: &str, algorithm: Algorithm) -> Option<Ha1> {
//!         (user == "alice").then(|| Ha1::new(user, realm, "secret", algorithm))
//!     }
//! }
//!
//! let mut entropy = SeededEntropy::new(1); // A server takes a strong source, and the secret from it.
//! let mut server = Authenticator::new("example.com", [7; 32]);
//! let mut client = DigestClient::new("alice", "secret");
//! let now = Duration::from_secs(1_700_000_000); // Since 1970, from `Epoch::unix(now)`.
//!
//! let mut register = Request::builder(Method::REGISTER, "sip:example.com")
//!     .header(HeaderId::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
//!     .header(HeaderId::CSEQ, "1 REGISTER")
//!     .build()?;
//! assert_eq!(server.authenticate(now, &register, Place::Server, &Alice), Verdict::Missing);
//! let refusal = server.demand(now, &register, Place::Server, false, &mut entropy).build()?;
//!
//! // The user agent sends it again, with the next CSeq and a new branch, which are its own business.
//! let mut attempt = Attempt::default();
//! client.authorize(&mut attempt, &refusal, &mut register, &mut entropy)?;
//! let verdict = server.authenticate(now, &register, Place::Server, &Alice);
//! assert_eq!(verdict, Verdict::Accepted { user: "alice".into() });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: the syntax of the header fields (`ringback-message`), sending a request again
//! (`ringback-ua`), where passwords are stored and how guessing is slowed down (the server), `userhash`,
//! `Authentication-Info`, bearer tokens, AKA.
//!
//! Sources: RFC 3261 §22, RFC 7616 and RFC 2617 (digest), RFC 8760 (SHA-256 and SHA-512/256 in SIP),
//! RFC 2069 answers without `qop`, RFC 2104 (HMAC).

mod algorithm;
mod authenticator;
mod challenge;
mod client;
mod credentials;
mod error;
mod hash;
mod nonce;
mod replay;

pub use algorithm::{Algorithm, Ha1, InvalidHa1, Qop};
pub use authenticator::{Authenticator, Credentials, Rejection, Verdict};
pub use challenge::DigestChallenge;
pub use client::{Attempt, DigestClient, copy_credentials};
pub use credentials::DigestCredentials;
pub use error::{AuthError, DigestError};
pub use replay::ReplayWindow;

use ringback_message::{HeaderId, StatusCode};

/// Who asks for credentials, which decides the names of the header fields (RFC 3261 §22.2, §22.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A user agent server or registrar: 401, WWW-Authenticate, Authorization.
    Server,
    /// A proxy: 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

impl Place {
    /// The field that holds the challenge.
    pub fn challenge_field(self) -> HeaderId {
        match self {
            Self::Server => HeaderId::WWW_AUTHENTICATE,
            Self::Proxy => HeaderId::PROXY_AUTHENTICATE,
        }
    }

    /// The field that holds the credentials.
    pub fn credentials_field(self) -> HeaderId {
        match self {
            Self::Server => HeaderId::AUTHORIZATION,
            Self::Proxy => HeaderId::PROXY_AUTHORIZATION,
        }
    }

    /// The status that carries the challenge.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Server => StatusCode::UNAUTHORIZED,
            Self::Proxy => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        }
    }
}
