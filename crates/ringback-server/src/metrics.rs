//! Counters.

use crate::gateways::GatewayStats;
use crate::push::PushStats;
use crate::records::{SETUP, Setup};
use ringback_net::Net;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The methods that are counted one by one, the commonest first; all others are counted together, as the last one.
const METHODS: [&str; 15] = [
    "INVITE",
    "ACK",
    "BYE",
    "REGISTER",
    "OPTIONS",
    "CANCEL",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "INFO",
    "UPDATE",
    "PRACK",
    "REFER",
    "other",
];

/// How often something took how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// How many took at most so many milliseconds and more than those of the bucket before.
    pub at_most_ms: BTreeMap<u32, u64>,
    /// How many there were, longer ones included.
    pub count: u64,
    /// All of it together.
    pub total_ms: u64,
}

impl Histogram {
    pub(crate) fn add(&mut self, setup: &Setup) {
        for (most, count) in SETUP.iter().zip(setup.counts) {
            *self.at_most_ms.entry(*most).or_default() += count;
        }
        self.count += setup.counts.iter().sum::<u64>();
        self.total_ms += u64::try_from(setup.total.as_millis()).unwrap_or_default();
    }
}

/// What went one way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    /// Requests by method, as [`METHODS`] has them.
    requests: [u64; METHODS.len()],
    /// Responses by class, 1xx first.
    responses: [u64; 6],
}

impl Way {
    /// Counts a message by its first octets.
    pub(crate) fn count(&mut self, bytes: &[u8]) {
        let class = bytes.strip_prefix(b"SIP/2.0 ").and_then(|rest| rest.first());
        if let Some(digit @ b'1'..=b'6') = class {
            self.responses[usize::from(digit - b'1')] += 1;
            return;
        }
        let is_it = |rest: &[u8]| rest.first() == Some(&b' ');
        let method =
            METHODS.iter().position(|method| bytes.strip_prefix(method.as_bytes()).is_some_and(is_it));
        let method = method.unwrap_or(METHODS.len() - 1);
        self.requests[method] += 1;
    }

    fn add(&mut self, other: &Self) {
        let (own, more) = (self.requests.iter_mut(), other.requests);
        own.zip(more).for_each(|(sum, part)| *sum += part);
        let (own, more) = (self.responses.iter_mut(), other.responses);
        own.zip(more).for_each(|(sum, part)| *sum += part);
    }

    fn requests(&self) -> u64 {
        self.requests.iter().sum()
    }

    fn by_method(&self) -> BTreeMap<String, u64> {
        let counted = METHODS.iter().zip(self.requests).filter(|(_, count)| *count > 0);
        counted.map(|(method, count)| ((*method).to_owned(), count)).collect()
    }
}

/// The counters of one shard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) received: Way,
    pub(crate) sent: Way,
    /// Sends that failed.
    pub(crate) failed_sends: u64,
}

/// What a server has done since it started, and holds now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Responses received by class, 1xx first, repeated ones included.
    pub responses_received_by_class: [u64; 6],
    /// Requests received by method, where there were any.
    pub requests_received_by_method: BTreeMap<String, u64>,
    /// Requests sent by method, where there were any.
    pub requests_sent_by_method: BTreeMap<String, u64>,
    /// Requests that were asked for a password.
    pub auth_challenged: u64,
    /// Requests whose password was right.
    pub auth_accepted: u64,
    /// Requests whose password was wrong.
    pub auth_refused: u64,
    /// Sends that failed.
    pub failed_sends: u64,
    /// Transactions that are alive.
    pub transactions: usize,
    /// Requests on their way through the proxy.
    pub contexts: usize,
    /// Calls that are up, where records are kept.
    pub calls: usize,
    /// How long calls took to be answered, where records are kept.
    pub call_setup: Histogram,
    /// Bindings.
    pub bindings: usize,
    /// Connections.
    pub connections: usize,
    /// Sources that are banned.
    pub bans: usize,
    /// The share of new requests that is refused for there is too much to do, 0 to 1.
    #[serde(default)]
    pub refused_share: f64,
    /// Media that are relayed now.
    pub media_streams: usize,
    /// Media packets relayed.
    pub media_packets: u64,
    /// Those of them that were converted.
    #[serde(default)]
    pub media_converted: u64,
    /// What was dropped, closed or turned away, by reason. Malformed messages are there by the rule that they break:
    /// `malformed_Content-Length`.
    pub dropped: BTreeMap<String, u64>,
    /// What push notifications did, where phones are woken.
    #[serde(default)]
    pub push: Option<PushStats>,
    /// What is known of each gateway.
    #[serde(default)]
    pub gateways: Vec<GatewayStats>,
}

impl Stats {
    /// Adds those of the driver.
    pub(crate) fn with_net(mut self, net: &Net<crate::core::ServerCore>) -> Self {
        self.connections = net.open_streams();
        self.dropped.extend(net.drops().into_iter().map(|(reason, count)| (reason.to_owned(), count)));
        self
    }

    /// Takes over the counters of all shards.
    pub(crate) fn with_counters(mut self, all: impl IntoIterator<Item = Counters>) -> Self {
        let (mut received, mut sent) = (Way::default(), Way::default());
        for counters in all {
            received.add(&counters.received);
            sent.add(&counters.sent);
            self.failed_sends += counters.failed_sends;
        }
        self.requests_received = received.requests();
        self.requests_sent = sent.requests();
        self.responses_received = received.responses.iter().sum();
        (self.responses_sent, self.responses_received_by_class) = (sent.responses, received.responses);
        self.requests_received_by_method = received.by_method();
        self.requests_sent_by_method = sent.by_method();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_by_method_and_class() {
        let mut way = Way::default();
        for line in [
            "SIP/2.0 100 Trying",
            "SIP/2.0 200 OK",
            "SIP/2.0 603 Decline",
            "INVITE sip:a SIP/2.0",
            "INVITED sip:a SIP/2.0",
        ] {
            way.count(line.as_bytes());
        }
        let stats = Stats::default().with_counters([Counters { sent: way, ..Counters::default() }]);
        assert_eq!((stats.responses_sent, stats.requests_sent), ([1, 1, 0, 0, 0, 1], 2));
        let by_method: Vec<_> = stats.requests_sent_by_method.into_iter().collect();
        assert_eq!(by_method, [("INVITE".to_owned(), 1), ("other".to_owned(), 1)]);
    }
}
