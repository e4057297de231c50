//! Hash functions, the digest formula, HMAC, and comparison in constant time.

use crate::{Algorithm, Ha1, Qop};
use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};

/// A digest in lower-case hexadecimal.
#[derive(Clone, Copy)]
pub(crate) struct Hex {
    digits: [u8; 64],
    len: usize,
}

impl Hex {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = Self { digits: [0; 64], len: 0 };
        for (pair, byte) in hex.digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
            hex.len += 2;
        }
        hex
    }

    /// Reads `len` digits of either letter case.
    pub(crate) fn read(text: &str, len: usize) -> Option<Self> {
        let mut hex = Self { digits: [0; 64], len };
        let digits = hex.digits.get_mut(..len)?;
        if text.len() != len || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        digits.copy_from_slice(text.as_bytes());
        digits.make_ascii_lowercase();
        Some(hex)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("hexadecimal digits are ASCII")
    }
}

/// Hashes the parts joined by colons.
pub(crate) fn hash(algorithm: Algorithm, parts: &[&[u8]]) -> Hex {
    match algorithm.base() {
        Algorithm::Sha256 => joined::<Sha256>(parts),
        Algorithm::Sha512_256 => joined::<Sha512_256>(parts),
        _ => joined::<Md5>(parts),
    }
}

fn joined<D: Digest>(parts: &[&[u8]]) -> Hex {
    let mut state = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            state.update(b":");
        }
        state.update(part);
    }
    Hex::new(&state.finalize())
}

/// All that goes into a response besides the password.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) nonce: &'a str,
    pub(crate) cnonce: &'a str,
    /// Quality of protection and nonce count; `None` for an answer in the manner of RFC 2069.
    pub(crate) qop: Option<(Qop, u32)>,
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) body: &'a [u8],
}

/// The `response` of credentials (RFC 7616 §3.4.1).
pub(crate) fn response(ha1: &Ha1, terms: &Terms<'_>) -> Hex {
    let Terms { algorithm, nonce, cnonce, qop, method, uri, body } = *terms;
    let a1 = match algorithm.is_session() {
        true => hash(algorithm, &[ha1.as_hex().as_bytes(), nonce.as_bytes(), cnonce.as_bytes()]),
        false => ha1.digest(),
    };
    let a2 = match qop {
        Some((Qop::AuthInt, _)) => {
            hash(algorithm, &[method.as_bytes(), uri.as_bytes(), hash(algorithm, &[body]).as_bytes()])
        }
        _ => hash(algorithm, &[method.as_bytes(), uri.as_bytes()]),
    };
    match qop {
        None => hash(algorithm, &[a1.as_bytes(), nonce.as_bytes(), a2.as_bytes()]),
        Some((qop, count)) => hash(
            algorithm,
            &[
                a1.as_bytes(),
                nonce.as_bytes(),
                format!("{count:08x}").as_bytes(),
                cnonce.as_bytes(),
                qop.as_token().as_bytes(),
                a2.as_bytes(),
            ],
        ),
    }
}

/// HMAC-SHA-256 (RFC 2104) under a key, of which the two halves that do not change are made once.
#[derive(Clone)]
pub(crate) struct Hmac {
    inner: Sha256,
    outer: Sha256,
}

impl Hmac {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let keyed = |pad: u8| {
            let mut block = [pad; 64];
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            Sha256::new_with_prefix(block)
        };
        Self { inner: keyed(0x36), outer: keyed(0x5c) }
    }

    /// The code of the parts, one behind the other.
    pub(crate) fn code(&self, parts: &[&[u8]]) -> [u8; 32] {
        let inner = parts.iter().fold(self.inner.clone(), Sha256::chain_update).finalize();
        self.outer.clone().chain_update(inner).finalize().into()
    }
}

/// Compares without telling by its time where the first difference is.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_gives_the_answer_of_rfc_4231() {
        // Test case 2 has the key "Jefe"; a shorter key is padded with zeros, which is what the array holds.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            Hex::new(&Hmac::new(&key).code(&[b"what do ya want ", b"for nothing?"])).as_str(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn comparison_sees_length_and_content() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd"));
        assert!(!same(b"abc", b"ab"));
        assert!(!same(b"", b"a"));
    }

    #[test]
    fn hexadecimal_is_read_in_either_case_and_length_is_checked() {
        assert_eq!(Hex::read("0aFF", 4).map(|hex| hex.as_str().to_owned()).as_deref(), Some("0aff"));
        assert!(Hex::read("0aF", 4).is_none());
        assert!(Hex::read("0aFg", 4).is_none());
        assert!(Hex::read(&"0".repeat(66), 66).is_none());
    }
}
