//! What a deployment says of too much work.

use crate::config::ConfigError;
use serde::Deserialize;

/// What is done with more requests than there is time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverloadConfig {
    /// Whether anything is refused at all. Without, requests wait until they are too old.
    pub enabled: bool,
    /// The percentage of its time that the busiest worker may be at work, 1 to 99, before new requests are refused; without one
    /// they are when a socket has been nearly full for half a second.
    pub cpu: Option<u8>,
    /// The percentage of a socket's buffer that may wait to be read, 1 to 100, before new requests are dropped unanswered.
    pub queue: u8,
    /// The seconds of Retry-After in refusals; clients are told from one to two times as many, so that they do not all come back
    /// at once.
    pub retry_after: u32,
    /// Whether next hops are asked how much less they want to be sent when they have too much to do (RFC 7339), and get that.
    pub ask: bool,
}

impl Default for OverloadConfig {
    fn default() -> Self {
        Self { enabled: true, cpu: None, queue: 75, retry_after: 5, ask: false }
    }
}

impl OverloadConfig {
    pub(crate) fn check(self) -> Result<(), ConfigError> {
        let fail = |problem: &str| Err(ConfigError::new(format!("overload: {problem}")));
        if self.cpu.is_some_and(|cpu| cpu == 0 || cpu > 99) {
            return fail("cpu must be from 1 to 99; 90 is usual");
        }
        if self.queue == 0 || self.queue > 100 {
            return fail("queue must be from 1 to 100");
        }
        if self.retry_after == 0 || self.retry_after > 3_600 {
            return fail("retry_after must be from 1 to 3600 seconds");
        }
        Ok(())
    }
}
