//! Calls through one server or two over a network that misbehaves, on virtual time: all of it follows from one seed.
//!
//! Phones register with a server of theirs and call each other through it, and through that of the other where it is not
//! the same; some have two phones, which ring at once or one after the other, and some are called at an address that they
//! have no more, and whose server redirects. They hold, resume, cancel, reject and hang up, while datagrams get lost,
//! doubled and late, and links part. In the end every call must be over on both sides, and in the same way, nobody may have
//! talked in a call that somebody else had answered, and nothing may be left in any table. What was found wrong is told with the seed that shows it again:
//!
//! ```
//! let report = ringback_testkit::sim::simulate(7)?;
//! assert!(report.calls > 0);
//! # Ok::<(), Box<ringback_testkit::sim::Failure>>(())
//! ```

mod host;
mod laws;
mod network;
mod phone;
mod plan;
mod server;
mod trace;
mod world;

pub use network::{Network, Partition, Weather};

use std::fmt;

/// What happened in a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed that it followed from.
    pub seed: u64,
    /// How many calls were made.
    pub calls: usize,
    /// How many of them came in at two phones.
    pub forked: usize,
    /// How many of them were redirected.
    pub redirected: usize,
    /// How many of them both sides talked in.
    pub answered: usize,
    /// How many datagrams were sent.
    pub datagrams: u64,
    /// How many of them got lost.
    pub lost: u64,
    /// A hash of every byte that was sent, and when: the same for the same seed.
    pub hash: u64,
}

/// What went wrong in a simulation.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed that shows it again.
    pub seed: u64,
    /// What is wrong.
    pub what: String,
    /// All that was sent and heard, a line each.
    pub trace: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}\n{}", self.seed, self.what, self.trace)?;
        write!(f, "again: cargo xtask sim --seeds 1 --from {}", self.seed)
    }
}

impl std::error::Error for Failure {}

/// Runs the simulation of a seed.
///
/// # Errors
/// When a law is broken; the run is then repeated to write down what was sent.
pub fn simulate(seed: u64) -> Result<Report, Box<Failure>> {
    match world::run(seed, false) {
        Ok((report, _)) => Ok(report),
        Err((what, _)) => {
            let trace = match world::run(seed, true) {
                Ok((_, trace)) | Err((_, trace)) => trace,
            };
            Err(Box::new(Failure { seed, what, trace }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_seeds_keep_the_laws_and_can_be_repeated() {
        for seed in 0..40 {
            let report = simulate(seed).unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!(simulate(seed).unwrap(), report);
        }
    }
}
