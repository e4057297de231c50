//! What calls sound like: codecs, recordings, and conferences, between endpoints on this machine.

mod codecs;
mod conference;
mod support;
