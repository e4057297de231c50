//! The one trait at every seam.

use std::time::Instant;

/// A protocol layer that is told what happened and asked what to do.
///
/// The contract, which `ringback-testkit` runs against every layer:
///
/// - after [`handle_timeout`](Self::handle_timeout) with `t >= poll_timeout()`, either [`poll`](Self::poll)
///   yields or the next deadline is later than `t`: a driver never spins;
/// - several inputs between drains are legal;
/// - an earlier `now` than one already seen is treated as that one;
/// - outputs that wait to be polled are bounded by the inputs that caused them;
/// - the same seed and inputs give byte-identical outputs;
/// - every key handed out ends exactly once, and its entry is gone by the time the end is reported.
///
/// Limits refuse new work; they never evict what is alive.
pub trait Machine {
    /// What the layer below, or the peer, tells this machine.
    type Input;
    /// Sends downward and events upward, in causal order.
    type Output;

    /// Takes one input. Infallible: a peer's garbage is not the caller's error.
    fn handle(&mut self, now: Instant, input: Self::Input);

    /// Fires everything that is due at or before `now`.
    fn handle_timeout(&mut self, now: Instant);

    /// The next output. Drain until `None` after any call that takes `&mut self`.
    fn poll(&mut self) -> Option<Self::Output>;

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` when nothing is pending.
    fn poll_timeout(&self) -> Option<Instant>;
}
