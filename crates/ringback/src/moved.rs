//! The network changes under an endpoint that listens on all addresses.

use crate::Endpoint;
use crate::endpoint::{Inner, reachable};
use std::net::{IpAddr, SocketAddr};
use std::sync::{PoisonError, Weak};
use std::time::Duration;

/// How often we look which of our addresses leads outside.
const LOOK: Duration = Duration::from_secs(2);

impl Inner {
    /// Where peers reach a socket: its own address, unless it is bound to all.
    pub(crate) fn reached(&self, own: SocketAddr) -> SocketAddr {
        match own.ip().is_unspecified() {
            true => SocketAddr::new(*self.place.lock().unwrap_or_else(PoisonError::into_inner), own.port()),
            false => own,
        }
    }

    fn moved(&self, from: IpAddr, to: IpAddr) {
        {
            let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
            if *place == from {
                *place = to;
            }
        }
        tracing::info!(%from, %to, "our address has changed");
        self.command(|state, now| state.ua.moved(now, from, to));
    }
}

impl Endpoint {
    /// Tells that our address `from` is gone and that `to` has taken its place: accounts register from there, and calls
    /// that are up tell their peers. An endpoint that listens on all addresses finds that out by itself within seconds;
    /// this is for programs that hear of it earlier. One that listens on `from` alone cannot move.
    pub fn moved(&self, from: IpAddr, to: IpAddr) {
        self.inner.moved(from, to);
    }
}

/// Looks where we are until the endpoint is gone. A machine without any network is nowhere else: it waits for one.
pub(crate) async fn watch(inner: Weak<Inner>, listens: IpAddr) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(inner) = inner.upgrade() else { return };
        let from = *inner.place.lock().unwrap_or_else(PoisonError::into_inner);
        let to = reachable(SocketAddr::new(listens, 0)).ip();
        if to != from && !to.is_loopback() {
            inner.moved(from, to);
        }
    }
}
