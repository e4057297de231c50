//! The vocabulary between the layers of Ringback.
//!
//! Every layer of the stack is a state machine that does no I/O, reads no clock and draws no randomness:
//! time, bytes and seeds come in; transmits, events and the next deadline go out. This crate holds the few
//! words that such machines need to talk to each other, and nothing about SIP itself:
//!
//! - [`Machine`]: the one trait at every seam, and its contract;
//! - [`TimerQueue`]: every deadline of a layer in one place;
//! - [`Slab`] and [`Key`]: tables whose keys go stale instead of being reused by mistake;
//! - [`Flow`], [`FlowId`], [`Target`], [`Protocol`]: where bytes come from and go to;
//! - [`Entropy`] and [`SeededEntropy`]: randomness that is handed in;
//! - [`Epoch`]: wall-clock time as arithmetic on [`Instant`](std::time::Instant);
//! - [`Map`] and [`Set`]: hash tables whose hasher is named, so that a run can be repeated.
//!
//! Not here: sockets, clocks, messages. A driver such as `ringback-net` supplies the first two.
//!
//! # The run loop
//!
//! Whoever owns a machine drives it like this, whether it is a server, a simulator or a fuzzer:
//!
//! ```
//! use ringback_sansio::Machine;
//! use std::time::{Duration, Instant};
//!
//! /// Repeats what it was told after one second.
//! #[derive(Default)]
//! struct Echo { waiting: Option<(Instant, u8)>, said: Option<u8> }
//!
//! impl Machine for Echo {
//!     type Input = u8;
//!     type Output = u8;
//!     fn handle(&mut self, now: Instant, input: u8) { self.waiting = Some((now + Duration::from_secs(1), input)); }
//!     fn handle_timeout(&mut self, now: Instant) {
//!         if let Some((_, word)) = self.waiting.take_if(|(at, _)| *at <= now) { self.said = Some(word); }
//!     }
//!     fn poll(&mut self) -> Option<u8> { self.said.take() }
//!     fn poll_timeout(&self) -> Option<Instant> { self.waiting.map(|(at, _)| at) }
//! }
//!
//! # let start = Instant::now();
//! let mut machine = Echo::default();
//! machine.handle(start, 7);
//! while let Some(output) = machine.poll() { unreachable!("nothing is due yet: {output}") }
//! let deadline = machine.poll_timeout().expect("a word is waiting");
//! machine.handle_timeout(deadline);
//! assert_eq!(machine.poll(), Some(7));
//! assert_eq!(machine.poll_timeout(), None);
//! ```

mod entropy;
mod epoch;
mod flow;
mod hash;
mod machine;
mod slab;
mod timer;

pub use entropy::{Entropy, SeededEntropy};
pub use epoch::Epoch;
pub use flow::{CloseReason, DomainId, Flow, FlowId, Protocol, Target};
pub use hash::{Hasher, Map, Seal, Set};
pub use machine::Machine;
pub use slab::{Key, Slab};
pub use timer::TimerQueue;
