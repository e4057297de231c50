//! One part of the calls: those whose Call-IDs have the same hash.

use crate::due::{Due, Dues};
use crate::enumeration::Lookup;
use crate::gateways::{Errand, Sent};
use crate::history::Ring;
use crate::media::{MediaEngine, RelayedCalls};
use crate::metrics::Counters;
use crate::records::Calls;
use crate::seen::Seen;
use ringback_message::{HeaderId, Request};
use ringback_net::OsEntropy;
use ringback_proxy::{Proxy, ProxyConfig, Token};
use ringback_sansio::{Entropy as _, Machine as _, Map};
use ringback_transaction::{ClientKey, TransactionConfig, Transactions};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How many shards there are. Many more than processors, so that two seldom want the same one.
pub(crate) const SHARDS: usize = 64;

/// Who asked the resolver.
pub(crate) enum Asker {
    /// The proxy.
    Proxy(Token),
    /// We ourselves, for a request with this Call-ID.
    Errand(Errand, String),
    /// We ourselves, for this BYE.
    Bye(Box<Request>),
}

/// A shard: its state, and when it has to be looked at.
pub(crate) struct Shard {
    node: Mutex<Node>,
    pub(crate) due: Due,
}

/// The state of a shard.
pub(crate) struct Node {
    pub(crate) transactions: Transactions<OsEntropy>,
    pub(crate) proxy: Proxy,
    pub(crate) ring: Ring,
    pub(crate) counters: Counters,
    pub(crate) relayed: RelayedCalls,
    /// The calls, where records of them are kept.
    pub(crate) calls: Option<Calls>,
    /// Questions to the resolver, by the number under which they were asked.
    pub(crate) questions: Map<u64, Asker>,
    /// Requests of our own that are under way.
    pub(crate) errands: Map<ClientKey, Sent>,
    /// Numbers that are looked up, under the same numbers.
    pub(crate) lookups: Map<u64, (Token, Lookup)>,
    pub(crate) asked: u64,
    /// Requests that are answered without a transaction.
    pub(crate) seen: Seen,
    entropy: OsEntropy,
}

impl Shard {
    pub(crate) fn new(
        dues: &Dues,
        transactions: TransactionConfig,
        proxy: ProxyConfig,
        ring: Ring,
        media: Option<Arc<MediaEngine>>,
        calls: Option<Calls>,
        most_seen: usize,
    ) -> Self {
        let mut entropy = OsEntropy::new();
        let node = Node {
            transactions: Transactions::new(transactions, OsEntropy::new()),
            relayed: RelayedCalls::new(media, proxy.ownership.clone()),
            proxy: Proxy::new(proxy, &mut entropy),
            ring,
            counters: Counters::default(),
            calls,
            questions: Map::default(),
            errands: Map::default(),
            lookups: Map::default(),
            asked: 0,
            seen: Seen::new(dues.start(), most_seen),
            entropy,
        };
        Self { node: Mutex::new(node), due: dues.never() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Node> {
        // Machines are consistent between calls, whatever happened in one.
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// A new tag for To.
    pub(crate) fn tag(&mut self) -> String {
        format!("{:016x}", self.entropy.next_u64())
    }

    /// When a timer of the shard fires next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let calls = self.calls.as_ref().and_then(Calls::poll_timeout);
        let all = [self.transactions.poll_timeout(), self.proxy.poll_timeout(), calls];
        all.into_iter().flatten().min()
    }
}

/// The Call-ID as it stands in a message, which was validated and so has one.
pub(crate) fn call_id(message: &ringback_message::Message) -> &[u8] {
    message.values(HeaderId::CALL_ID).next().unwrap_or_default()
}
