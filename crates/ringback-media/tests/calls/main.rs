//! Calls between two legs on virtual time.

mod codecs;
mod leg;
mod levels;
mod network;
mod redundancy;
mod support;
