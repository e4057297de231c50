//! Hash algorithms, quality of protection, and the form in which passwords are kept.

use crate::hash::{Hex, hash, same};
use std::fmt;

/// A digest algorithm (RFC 7616 §3.3, RFC 8760 §2).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `MD5`, which most phones still speak.
    Md5,
    /// `MD5-sess`.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
    /// `SHA-512-256`: SHA-512/256 with its own initial value, not SHA-512 cut short.
    Sha512_256,
    /// `SHA-512-256-sess`.
    Sha512_256Sess,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha256Sess, Self::Sha512_256, Self::Sha512_256Sess];

    /// The name in header fields.
    pub fn as_token(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    /// The algorithm of that name in any letter case; `None` for one that this crate does not have.
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_token().eq_ignore_ascii_case(token))
    }

    /// Whether the first nonce and cnonce of a session go into the key.
    pub fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512_256Sess)
    }

    /// The algorithm without `-sess`: the one under which an [`Ha1`] is kept.
    #[must_use]
    pub fn base(self) -> Self {
        match self {
            Self::Md5 | Self::Md5Sess => Self::Md5,
            Self::Sha256 | Self::Sha256Sess => Self::Sha256,
            Self::Sha512_256 | Self::Sha512_256Sess => Self::Sha512_256,
        }
    }

    /// An order for choosing among what a server offers: larger resists more.
    pub(crate) fn strength(self) -> u8 {
        u8::from(self.base() != Self::Md5)
    }

    /// How many hexadecimal digits its output has.
    pub(crate) fn hex_len(self) -> usize {
        if self.base() == Self::Md5 { 32 } else { 64 }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_token())
    }
}

/// Quality of protection: what the response covers besides method and URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qop {
    /// Nothing more.
    Auth,
    /// The body as well.
    AuthInt,
}

impl Qop {
    /// The name in header fields.
    pub fn as_token(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    /// The quality of that name in any letter case.
    pub fn from_token(token: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|qop| qop.as_token().eq_ignore_ascii_case(token))
    }
}

impl fmt::Display for Qop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_token())
    }
}

/// The hash of user, realm and password, from which responses are computed (RFC 7616 §3.4.2).
///
/// A store keeps one for each algorithm and never the password. Whoever has it can answer challenges of that
/// realm, so it is a secret: it does not show in `Debug` output.
#[derive(Clone)]
pub struct Ha1 {
    algorithm: Algorithm,
    hex: Hex,
}

impl Ha1 {
    /// Hashes a password. A `-sess` algorithm gives what its plain form gives.
    pub fn new(user: &str, realm: &str, password: &str, algorithm: Algorithm) -> Self {
        let algorithm = algorithm.base();
        let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Self { algorithm, hex: hash(algorithm, &parts) }
    }

    /// Reads what [`as_hex`](Self::as_hex) gave.
    ///
    /// # Errors
    /// When `hex` is not as many hexadecimal digits as the algorithm gives.
    pub fn parse(algorithm: Algorithm, hex: &str) -> Result<Self, InvalidHa1> {
        let algorithm = algorithm.base();
        Hex::read(hex, algorithm.hex_len()).map(|hex| Self { algorithm, hex }).ok_or(InvalidHa1)
    }

    /// Stands for the password of a user who is not known, so that refusing costs the same work.
    pub(crate) fn stand_in(algorithm: Algorithm, seed: &[u8; 32]) -> Self {
        Self { algorithm: algorithm.base(), hex: hash(algorithm, &[seed]) }
    }

    /// The algorithm, without `-sess`.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Lower-case hexadecimal digits, for a store.
    pub fn as_hex(&self) -> &str {
        self.hex.as_str()
    }

    pub(crate) fn digest(&self) -> Hex {
        self.hex
    }
}

impl PartialEq for Ha1 {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && same(self.hex.as_bytes(), other.hex.as_bytes())
    }
}

impl Eq for Ha1 {}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({})", self.algorithm)
    }
}

/// Text that is no hash of its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHa1;

impl fmt::Display for InvalidHa1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a hexadecimal hash of that algorithm")
    }
}

impl std::error::Error for InvalidHa1 {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_unknown_ones_are_not() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_token(&algorithm.as_token().to_lowercase()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_token("AKAv1-MD5"), None);
        assert_eq!(Qop::from_token("AUTH-INT"), Some(Qop::AuthInt));
    }

    #[test]
    fn a_stored_hash_comes_back_and_does_not_show() {
        for algorithm in Algorithm::ALL {
            let ha1 = Ha1::new("alice", "example.com", "secret", algorithm);
            assert_eq!(Ha1::parse(algorithm, ha1.as_hex()), Ok(ha1.clone()));
            assert!(!format!("{ha1:?}").contains(ha1.as_hex()));
        }
        assert_eq!(Ha1::parse(Algorithm::Sha256, &"a".repeat(32)), Err(InvalidHa1));
    }
}
