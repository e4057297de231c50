//! Rules that a single file keeps: its length, its first line, its white space, and what it may say.

use super::layers::worldly;
use super::rust::{code_only, has_word};

/// No source file is longer.
const CEILING: usize = 800;
/// A source file longer than this is a question; the ratchet names those that have an answer. A list of tests is one
/// idea however long it gets, up to the ceiling.
const QUESTION: usize = 700;

/// Files above [`QUESTION`] with the length they may not exceed. The list only ever gets shorter.
const RATCHET: &[(&str, usize)] = &[];

/// Names that reach a clock, a socket, a thread or chance: none of them below the driver.
const WORLD: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "thread::sleep",
    "thread::spawn",
    "tokio",
    "hash_map::RandomState",
    "RandomState::new",
    "thread_rng",
    "getrandom",
];

/// Macros that stand for work not done.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!"];

/// Texts whose white space people see; fixtures and corpora keep every byte they have.
const JUDGED: &[&str] = &["rs", "toml", "md", "xml", "sh", "yml", "txt", "tsv", "svg"];

/// What one file breaks.
pub(crate) fn breaches(file: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let ending = file.rsplit('.').next().unwrap_or_default();
    let fixture = file.contains("/fixtures/") || file.starts_with("fuzz/corpus/");
    if JUDGED.contains(&ending) && !fixture {
        breaches.extend(white_space_breaches(file, text));
    }
    if ending == "rs" {
        breaches.extend(rust_breaches(file, text));
    }
    breaches
}

fn white_space_breaches(file: &str, text: &str) -> Vec<String> {
    let mut breaches: Vec<String> = (1_usize..)
        .zip(text.split('\n'))
        .filter(|(_, line)| line.ends_with([' ', '\r']) || (line.ends_with('\t') && !file.ends_with(".tsv")))
        .map(|(number, _)| format!("{file}:{number}: white space at the end of the line"))
        .collect();
    if !text.is_empty() && !text.ends_with('\n') {
        breaches.push(format!("{file}: the last line has no end"));
    }
    breaches
}

fn rust_breaches(file: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    if !text.starts_with("//!") {
        breaches.push(format!("{file}:1: the first line says with `//!` what the file is"));
    }
    breaches.extend(length_breach(file, text.lines().count(), RATCHET));
    let code = code_only(text);
    for (number, line) in (1_usize..).zip(code.lines()) {
        if has_word(line, "unsafe") {
            breaches.push(format!("{file}:{number}: `unsafe` is forbidden in this workspace"));
        }
        for word in UNFINISHED.iter().filter(|word| line.contains(*word)) {
            breaches.push(format!("{file}:{number}: `{word}` stands for work not done"));
        }
    }
    if below_the_driver(file) {
        // Tests stand last in a file and may read a clock to get a first `now`.
        let own = code.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in (1_usize..).zip(own.lines()) {
            for name in WORLD.iter().filter(|name| has_word(line, name)) {
                breaches.push(format!("{file}:{number}: `{name}` belongs to ringback-net and the programs"));
            }
        }
    }
    breaches
}

/// The library sources of the crates that know no clock and no socket.
fn below_the_driver(file: &str) -> bool {
    let mut parts = file.split('/');
    let (place, name, folder) = (parts.next(), parts.next(), parts.next());
    place == Some("crates") && folder == Some("src") && name.is_some_and(|name| !worldly(name))
}

fn length_breach(file: &str, lines: usize, ratchet: &[(&str, usize)]) -> Option<String> {
    let allowed = ratchet.iter().find(|(name, _)| *name == file).map(|(_, lines)| *lines);
    if lines > CEILING {
        return Some(format!("{file}: {lines} lines; {CEILING} is the ceiling, split it by idea"));
    }
    match allowed {
        Some(allowed) if lines > allowed => {
            Some(format!("{file}: {lines} lines, it had {allowed}; the ratchet only goes down"))
        }
        Some(_) if lines <= QUESTION => Some(format!("{file}: {lines} lines; take it off the ratchet")),
        None if lines > QUESTION && !file.contains("/tests/") => Some(format!(
            "{file}: {lines} lines, over {QUESTION}: is it one idea? Split it, or add it to the ratchet with its reason"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORE: &str = "crates/ringback-proxy/src/forward.rs";

    #[track_caller]
    fn check(file: &str, text: &str, expected: &[&str]) {
        let found: Vec<String> = breaches(file, text);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_file_that_keeps_the_rules_passes() {
        check(CORE, "//! Forwards.\n\nfn now(now: std::time::Instant) {}\n", &[]);
    }

    #[test]
    fn a_clock_below_the_driver_is_a_breach_and_in_the_driver_is_not() {
        let text = "//! Forwards.\nfn f() { std::time::Instant::now(); }\n";
        check(
            CORE,
            text,
            &[
                "crates/ringback-proxy/src/forward.rs:2: `Instant::now` belongs to ringback-net and the programs",
            ],
        );
        check("crates/ringback-net/src/clock.rs", text, &[]);
    }

    #[test]
    fn a_clock_in_a_comment_or_in_the_tests_of_a_file_is_none() {
        check(
            CORE,
            "//! Never calls `Instant::now`.\n#[cfg(test)]\nmod tests { fn f() { Instant::now(); } }\n",
            &[],
        );
    }

    #[test]
    fn work_not_done_and_unsafe_code_are_breaches() {
        let text = "//! A file.\nfn f() { todo!() }\nunsafe fn g() {}\n";
        check(
            "benches/src/lib.rs",
            text,
            &[
                "benches/src/lib.rs:2: `todo!` stands for work not done",
                "benches/src/lib.rs:3: `unsafe` is forbidden in this workspace",
            ],
        );
    }

    #[test]
    fn a_first_line_that_says_nothing_is_a_breach() {
        check(
            CORE,
            "use std::fmt;\n",
            &["crates/ringback-proxy/src/forward.rs:1: the first line says with `//!` what the file is"],
        );
    }

    #[test]
    fn white_space_at_the_end_is_a_breach_outside_fixtures() {
        check(
            "docs/rfc.md",
            "one \ntwo",
            &["docs/rfc.md:1: white space at the end of the line", "docs/rfc.md: the last line has no end"],
        );
        check("crates/ringback-message/tests/fixtures/a.md", "one \ntwo", &[]);
    }

    #[test]
    fn the_ratchet_lets_a_long_file_shrink_but_not_grow() {
        let ratchet = &[("a.rs", 750)];
        assert!(length_breach("b.rs", 700, &[]).is_none());
        assert!(length_breach("b.rs", 701, &[]).unwrap().contains("is it one idea?"));
        assert!(length_breach("crates/a/tests/b.rs", 750, &[]).is_none());
        assert!(length_breach("crates/a/tests/b.rs", 801, &[]).unwrap().contains("ceiling"));
        assert!(length_breach("b.rs", 801, &[("b.rs", 900)]).unwrap().contains("ceiling"));
        assert!(length_breach("a.rs", 750, ratchet).is_none());
        assert!(length_breach("a.rs", 751, ratchet).unwrap().contains("only goes down"));
        assert!(length_breach("a.rs", 600, ratchet).unwrap().contains("take it off"));
    }
}
