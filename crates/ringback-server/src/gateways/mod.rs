//! Groups of gateways: who gets the next call.

mod config;
mod errand;
mod leg;
mod member;
mod trunk;

pub use config::{GatewayConfig, MemberConfig, Password};
pub(crate) use errand::{Errand, Sent};
pub use member::GatewayStats;

use crate::config::ConfigError;
use crate::due::{Due, Dues};
use arc_swap::ArcSwap;
use leg::{Calls, Leg};
use member::Member;
use ringback_message::{Method, Request, SipUriBuf, UriBuf};
use ringback_proxy::{Branch, Gate};
use ringback_sansio::{Entropy, SeededEntropy};
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The members of each group, by its name.
type Groups = Vec<(String, Vec<Arc<Member>>)>;

/// All groups of a server.
#[derive(Debug)]
pub(crate) struct Gateways {
    /// Exchanged as a whole when the configuration is read again.
    groups: ArcSwap<Groups>,
    calls: Arc<Calls>,
    random: Mutex<SeededEntropy>,
    plan: Mutex<errand::Plan>,
    pub(crate) due: Due,
}

impl Gateways {
    /// Draws by `seed`.
    pub(crate) fn new(
        dues: &Dues,
        now: Instant,
        configs: &[GatewayConfig],
        seed: u64,
    ) -> Result<Self, ConfigError> {
        for (at, config) in configs.iter().enumerate() {
            config.check(&configs[..at])?;
        }
        let gateways = Self {
            groups: ArcSwap::default(),
            calls: Arc::default(),
            random: Mutex::new(SeededEntropy::new(seed)),
            plan: Mutex::default(),
            due: dues.never(),
        };
        gateways.renew(now, configs);
        Ok(gateways)
    }

    /// Goes on with other groups, of which nothing can be wrong any more. Members of which nothing else is said stay who they were, with
    /// their calls and all that is known of them; calls with others go on until they end. Accounts that are not named any more are taken
    /// out where they are registered.
    pub(crate) fn renew(&self, now: Instant, configs: &[GatewayConfig]) {
        let mut before = self.members();
        before.extend(self.leaving());
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let mut member = |group: &GatewayConfig, config: &MemberConfig| {
            if let Some(known) = before.iter().find(|known| known.is(group, config)) {
                return Some(known.clone());
            }
            Some(Arc::new(Member::new(group, config, config.parsed()?, &before, random.next_u64())))
        };
        let groups = configs.iter().map(|group| {
            let members = group.members.iter().filter_map(|config| member(group, config));
            (group.name.clone(), members.collect())
        });
        self.groups.store(Arc::new(groups.collect()));
        drop(random);
        self.plan(now, &before);
    }

    fn members(&self) -> Vec<Arc<Member>> {
        self.groups.load().iter().flat_map(|(_, members)| members).cloned().collect()
    }

    /// The members of a group that may be asked, in the order in which they are: by priority, and within one in an order
    /// that is drawn by weight. Without any that is there nobody is.
    pub(crate) fn branches(
        &self,
        now: Instant,
        group: &str,
        user: &str,
        request: &Request,
    ) -> SmallVec<[Branch; 2]> {
        let groups = self.groups.load();
        let members = groups.iter().find(|(name, _)| name == group).map(|(_, members)| &members[..]);
        let there = members.unwrap_or_default().iter().filter(|member| member.is_up(now));
        let order = self.drawn(there.cloned().collect());
        let branch = |(member, q): (Arc<Member>, u16)| {
            let uri = member.uri_for(user)?;
            let leg = Leg::new(member, self.calls.clone(), request);
            Some(Branch { q, is_spare: true, gate: Some(Arc::new(leg) as Arc<dyn Gate>), ..Branch::to(uri) })
        };
        order.into_iter().zip((0..=1_000).rev()).filter_map(branch).collect()
    }

    /// A request of a dialog comes by: what belongs to a call with a gateway is proved where that is wanted, and a BYE ends the
    /// call.
    pub(crate) fn in_dialog(&self, call_id: &[u8], request: &mut Request) {
        if let Some(member) = self.calls.towards(call_id, request)
            && let Some(trunk) = &member.trunk
        {
            trunk.preauthorize(request);
        }
        if *request.method() == Method::BYE {
            self.calls.end(call_id);
        }
    }

    /// Whether a call with one of them is up.
    pub(crate) fn knows(&self, call_id: &[u8]) -> bool {
        self.calls.has(call_id)
    }

    /// A Call-ID that nobody had before.
    fn call_id(&self) -> String {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{:016x}{:016x}", random.next_u64(), random.next_u64())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.load().is_empty() && self.calls.is_empty()
    }

    pub(crate) fn stats(&self, now: Instant) -> Vec<GatewayStats> {
        self.members().iter().map(|member| member.stats(now)).collect()
    }

    fn drawn(&self, mut members: Vec<Arc<Member>>) -> Vec<Arc<Member>> {
        members.sort_by_key(|member| member.config.priority);
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let mut order = Vec::with_capacity(members.len());
        while let Some(first) = members.first() {
            let priority = first.config.priority;
            let equal = members.iter().take_while(|member| member.config.priority == priority);
            let weights: Vec<u64> = equal.map(|member| member.config.weight.into()).collect();
            let mut drawn = random.below(weights.iter().sum::<u64>().max(1));
            let at = weights.iter().position(|weight| match drawn.checked_sub(*weight) {
                Some(rest) => {
                    drawn = rest;
                    false
                }
                None => true,
            });
            order.push(members.remove(at.unwrap_or(0)));
        }
        order
    }
}

impl Member {
    /// Its URI with the user of a request.
    fn uri_for(&self, user: &str) -> Option<UriBuf> {
        let own = self.uri.as_sip()?;
        if user.is_empty() {
            return Some(self.uri.clone());
        }
        SipUriBuf::from(own).user(ringback_message::unescape(user)).build().ok()
    }
}

#[cfg(test)]
mod tests;
