//! Our address has changed: the laptop has gone from the cable to the radio.

use crate::AccountKey;
use crate::agent::UserAgent;
use ringback_sansio::Entropy;
use std::net::IpAddr;
use std::time::Instant;

impl<E: Entropy> UserAgent<E> {
    /// Tells that our address `from` is gone and that `to` has taken its place, with the same ports.
    ///
    /// Every account that is registered registers from there, and takes the binding with the old address back in the
    /// same REGISTER (RFC 3261 §10.2; where the registrar knows RFC 5626, `reg-id` replaces it). Every call that is up
    /// tells its peer by re-INVITE where requests and audio go from now on, and
    /// [`ChangeRefused`](crate::UaEvent::ChangeRefused) says if the peer does not want that; one whose peer knows
    /// nothing of it (481) or does not answer ends. A call that rings here can be answered as before. A call of ours
    /// that has no answer yet is cancelled, since that would go to the old address. Subscriptions, ours and those of peers,
    /// go on from there.
    pub fn moved(&mut self, now: Instant, from: IpAddr, to: IpAddr) {
        let now = self.clamp(now);
        self.transactions.locals_mut().moved(from, to);
        let accounts: Vec<_> = self.accounts.iter().map(|(key, _)| AccountKey(key)).collect();
        for key in accounts {
            self.follow_flow(key, None);
            let moves = self.accounts.get_mut(key.0).is_some_and(|known| known.registration.moved());
            if moves {
                // It could be written before, so it can be now.
                let _ = self.begin_registration(now, key);
            }
        }
        self.calls.moved(now, from, to);
        self.events.moved(now);
        self.pump(now);
    }
}
