//! Counters.

use ringback_net::Net;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a server has done since it started, and holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests received, repeated ones included.
    pub requests_received: u64,
    /// Responses received, repeated ones included.
    pub responses_received: u64,
    /// What arrived and was no message.
    pub malformed: u64,
    /// Requests sent, repeated ones included.
    pub requests_sent: u64,
    /// Responses sent by class, 1xx first, repeated ones included.
    pub responses_sent: [u64; 6],
    /// Sends that failed.
    pub failed_sends: u64,
    /// Transactions that are alive.
    pub transactions: usize,
    /// Requests on their way through the proxy.
    pub contexts: usize,
    /// Bindings.
    pub bindings: usize,
    /// Connections.
    pub connections: usize,
    /// What was dropped, closed or turned away, by reason. Malformed messages are there by the rule that they break:
    /// `malformed_Content-Length`.
    pub dropped: BTreeMap<String, u64>,
}

impl Stats {
    /// Counts a message on its way out by its first bytes.
    pub(crate) fn count_sent(&mut self, bytes: &[u8]) {
        let class = bytes.strip_prefix(b"SIP/2.0 ").and_then(|rest| rest.first());
        match class {
            Some(digit @ b'1'..=b'6') => self.responses_sent[usize::from(digit - b'1')] += 1,
            _ => self.requests_sent += 1,
        }
    }

    /// Adds those of the driver.
    pub(crate) fn with_net(mut self, net: &Net<crate::core::ServerCore>) -> Self {
        self.connections = net.open_streams();
        self.dropped.extend(net.drops().into_iter().map(|(reason, count)| (reason.to_owned(), count)));
        self
    }

    /// Adds the counters of another shard.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests_received += other.requests_received;
        self.responses_received += other.responses_received;
        self.requests_sent += other.requests_sent;
        self.failed_sends += other.failed_sends;
        for (sum, part) in self.responses_sent.iter_mut().zip(other.responses_sent) {
            *sum += part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sent_messages_are_counted_by_class() {
        let mut stats = Stats::default();
        for line in ["SIP/2.0 100 Trying", "SIP/2.0 200 OK", "SIP/2.0 603 Decline", "INVITE sip:a SIP/2.0"] {
            stats.count_sent(line.as_bytes());
        }
        assert_eq!((stats.responses_sent, stats.requests_sent), ([1, 1, 0, 0, 0, 1], 1));
    }
}
