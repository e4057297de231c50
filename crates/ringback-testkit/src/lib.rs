//! Test tools of Ringback: virtual network, contract harness, strategies and fuzz bodies.

pub mod contract;
pub mod fuzz;
#[cfg(doctest)]
mod readme;
pub mod scenario;
pub mod sim;
