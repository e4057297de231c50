//! The vectors that tests read.

use serde_json::Value;

pub(crate) fn vectors() -> Value {
    serde_json::from_str(include_str!("../tests/fixtures/srtp.json")).expect("the fixture is JSON")
}

pub(crate) fn hex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().expect("a string").as_bytes();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(|pair| octet(pair).expect("hexadecimal digits")).collect()
}
