//! Calls between two legs on virtual time.

mod leg;
mod network;
mod support;
