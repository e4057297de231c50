//! The body and its laws are in `ringback_testkit::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringback_testkit::fuzz::run("passing", input));
