//! Names to addresses, by the system's resolver.

use crate::Core;
use crate::outbox::Outbox;
use crate::shared::Shared;
use ringback_sansio::{Protocol, Target};
use ringback_transport::locate::NextHop;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A resolver that is silent for longer has no answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers a question, now or later.
pub(crate) fn ask<C: Core>(
    shared: &Arc<Shared<C>>,
    now: Instant,
    token: u64,
    hop: NextHop,
    out: &mut Outbox<C::Tag>,
) {
    let (host, port, protocol) = match hop {
        NextHop::Known(target) => return shared.core.resolved(now, token, &[target], out),
        NextHop::Name { host, port, protocol } => (host, port, protocol),
    };
    // Fault 38: a resolver that does not answer must not gather questions without bound.
    if shared.questions.fetch_add(1, Ordering::Relaxed) >= shared.config.max_questions {
        shared.questions.fetch_sub(1, Ordering::Relaxed);
        return shared.core.resolved(now, token, &[], out);
    }
    let of = shared.clone();
    shared.spawn(async move {
        let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), port))).await;
        let targets = match found {
            Ok(Ok(addresses)) => of.in_order(protocol, addresses.collect()),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        of.questions.fetch_sub(1, Ordering::Relaxed);
        let now = Instant::now();
        let mut out = Outbox::new();
        of.core.resolved(now, token, &targets, &mut out);
        of.carry_out(now, &mut out);
        of.wake();
    });
}

impl<C: Core> Shared<C> {
    /// The addresses that we can send to, those of a family that we listen on first, else as the resolver
    /// ordered them.
    fn in_order(&self, protocol: Protocol, mut addresses: Vec<SocketAddr>) -> Vec<Target> {
        let listens = |address: &SocketAddr| {
            self.listeners
                .iter()
                .any(|own| own.protocol == protocol && own.address.is_ipv4() == address.is_ipv4())
        };
        if protocol == Protocol::Udp {
            addresses.retain(listens);
        } else {
            addresses.sort_by_key(|address| !listens(address));
        }
        addresses.dedup();
        addresses.truncate(16);
        addresses.into_iter().map(|address| Target::Address(protocol, address)).collect()
    }
}
