//! The proxy's decisions and flows, by section of RFC 3261.

mod common;
mod deciding;
mod flows;
mod forking;
mod history;
mod random;
mod recursion;
mod rfc3665;
mod routing;
mod trust;
mod waking;
