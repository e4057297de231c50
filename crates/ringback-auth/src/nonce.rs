//! Nonces that carry their own proof, so that none has to be remembered.

use crate::hash::{Hex, Hmac, same};
use ringback_sansio::Entropy;
use std::time::Duration;

/// What tells one nonce from all others. Ordered by age, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NonceId {
    /// When it was made, in milliseconds since 1970.
    millis: u64,
    /// Keeps nonces of the same moment apart.
    random: u64,
}

/// Eight octets of time, eight of chance, and sixteen of HMAC, in hexadecimal.
const LEN: usize = 64;

impl NonceId {
    pub(crate) fn new(now_unix: Duration, entropy: &mut (impl Entropy + ?Sized)) -> Self {
        Self { millis: millis(now_unix), random: entropy.next_u64() }
    }

    /// The nonce as it goes on the wire.
    pub(crate) fn seal(self, secret: &Hmac, realm: &str) -> String {
        let mut octets = [0; LEN / 2];
        octets[..8].copy_from_slice(&self.millis.to_be_bytes());
        octets[8..16].copy_from_slice(&self.random.to_be_bytes());
        octets[16..].copy_from_slice(&self.tag(secret, realm));
        Hex::new(&octets).as_str().to_owned()
    }

    /// Reads a nonce; `None` unless it was sealed with this secret for this realm.
    pub(crate) fn open(nonce: &str, secret: &Hmac, realm: &str) -> Option<Self> {
        let digits = Hex::read(nonce, LEN)?;
        let word = |at: usize| u64::from_str_radix(digits.as_str().get(at..at + 16)?, 16).ok();
        let id = Self { millis: word(0)?, random: word(16)? };
        let tag = Hex::new(&id.tag(secret, realm));
        same(tag.as_bytes(), digits.as_bytes().get(32..)?).then_some(id)
    }

    /// Whether it was made within `lifetime` before `now_unix`.
    pub(crate) fn is_fresh(self, now_unix: Duration, lifetime: Duration) -> bool {
        let now = millis(now_unix);
        self.millis <= now && now - self.millis <= millis(lifetime)
    }

    fn tag(self, secret: &Hmac, realm: &str) -> [u8; 16] {
        let tag = secret.code(&[&self.millis.to_be_bytes(), &self.random.to_be_bytes(), realm.as_bytes()]);
        let (half, _) = tag.split_first_chunk().expect("an HMAC has 32 octets");
        *half
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sansio::SeededEntropy;

    fn secret() -> Hmac {
        Hmac::new(&[1; 32])
    }

    const NOW: Duration = Duration::from_secs(1_000);

    fn nonce() -> (NonceId, String) {
        let id = NonceId::new(NOW, &mut SeededEntropy::new(1));
        (id, id.seal(&secret(), "example.com"))
    }

    #[test]
    fn fault_14_a_nonce_opens_only_unforged() {
        let (id, nonce) = nonce();
        assert_eq!(NonceId::open(&nonce, &secret(), "example.com"), Some(id));
        assert_eq!(NonceId::open(&nonce, &Hmac::new(&[2; 32]), "example.com"), None);
        assert_eq!(NonceId::open(&nonce, &secret(), "example.org"), None);
        assert_eq!(NonceId::open("", &secret(), "example.com"), None);
        for at in 0..nonce.len() {
            let mut forged = nonce.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(NonceId::open(&forged, &secret(), "example.com"), None, "digit {at}");
        }
    }

    #[test]
    fn freshness_ends_after_the_lifetime_and_not_in_the_future() {
        let (id, _) = nonce();
        let lifetime = Duration::from_secs(60);
        assert!(id.is_fresh(NOW, lifetime));
        assert!(id.is_fresh(NOW + lifetime, lifetime));
        assert!(!id.is_fresh(NOW + lifetime + Duration::from_millis(1), lifetime));
        assert!(!id.is_fresh(NOW - Duration::from_millis(1), lifetime));
    }
}
