//! The messages of RFC 4475, whole and maimed, through every target that takes messages: stable Rust's share of fuzzing.

use ringback_sansio::{Entropy, SeededEntropy};
use ringback_testkit::fuzz;
use std::path::Path;

/// How many maimed forms of each message are tried.
const MAIMED: u64 = 120;

/// The messages by their names.
fn torture() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ringback-message/tests/fixtures/rfc4475");
    let mut messages: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sip"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    messages.sort();
    assert!(messages.len() >= 49);
    messages
}

/// Cut, repeated, with octets changed, or with a piece of another message in it.
fn maim(bytes: &[u8], other: &[u8], entropy: &mut SeededEntropy) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=entropy.below(3) {
        let at = entropy.below(bytes.len() as u64 + 1) as usize;
        match entropy.below(6) {
            0 => bytes.truncate(at),
            1 => {
                let odd = [0, b'\r', b'\n', b' ', b'"', b'<', b';', b',', b':', b'%', 0x7f, 0xff];
                bytes.insert(at, odd[entropy.below(odd.len() as u64) as usize]);
            }
            2 if at < bytes.len() => bytes[at] = entropy.next_u64() as u8,
            3 if at < bytes.len() => drop(bytes.remove(at)),
            4 => {
                let from = entropy.below(other.len() as u64) as usize;
                let until = other.len().min(from + entropy.below(200) as usize);
                let _ = bytes.splice(at..at, other[from..until].iter().copied());
            }
            _ => {
                let until = bytes.len().min(at + entropy.below(100) as usize);
                let again = bytes[at..until].to_vec();
                let _ = bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

#[test]
fn torture_messages_break_no_law_of_any_target() {
    let messages = torture();
    let mut entropy = SeededEntropy::new(4475);
    for (at, (name, bytes)) in messages.iter().enumerate() {
        for round in 0..MAIMED {
            let other =
                &messages[(at + 1 + entropy.below(messages.len() as u64 - 1) as usize) % messages.len()].1;
            let bytes = if round == 0 { bytes.clone() } else { maim(bytes, other, &mut entropy) };
            let run = || {
                for target in ["message", "stream", "sdp", "uri", "digest"] {
                    fuzz::run(target, &bytes);
                }
                let over = if round.is_multiple_of(2) { "udp" } else { "tcp" };
                let script =
                    [over.as_bytes(), b"\n", &bytes, b"\n---\n", over.as_bytes(), b"\n", other].concat();
                for target in ["transactions", "proxy", "registrar", "user_agent"] {
                    fuzz::run(target, &script);
                }
            };
            if std::panic::catch_unwind(run).is_err() {
                panic!("{name}, round {round}: {}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}
