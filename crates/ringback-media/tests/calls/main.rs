//! Calls between two legs on virtual time.

mod codecs;
mod leg;
mod network;
mod support;
