//! The examples of the README, compiled and run like those of the crates.
#![doc = include_str!("../../../README.md")]
