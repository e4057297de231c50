//! One gateway: whether it is there, and how much it has to do.

use super::trunk::Trunk;
use super::{GatewayConfig, MemberConfig};
use crate::guard::{Allowance, Used};
use ringback_message::{StatusCode, UriBuf};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long one that failed a call is left alone, where nobody asks it whether it is there.
const REST: Duration = Duration::from_secs(30);

/// A gateway of a group.
#[derive(Debug)]
pub(crate) struct Member {
    pub(super) group: String,
    pub(super) uri: UriBuf,
    pub(super) config: MemberConfig,
    pub(super) probe: Option<Duration>,
    pub(super) timeout: Duration,
    pub(super) is_trusted: bool,
    /// Our account there.
    pub(super) trunk: Option<Arc<Trunk>>,
    failover: Vec<StatusCode>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when it is not there, and until when that is believed.
    down: Option<(Instant, Option<Instant>)>,
    calls: u32,
    second: Used,
    begun: u64,
    answered: u64,
    failed: u64,
    full: u64,
}

/// What is known of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayStats {
    /// Its group.
    pub group: String,
    /// Where it is.
    pub uri: String,
    /// Whether it is there, as far as is known.
    pub up: bool,
    /// Whether we are registered there; nothing where we shall not be.
    pub registered: Option<bool>,
    /// Calls that it has now.
    pub calls: u32,
    /// Calls that it was given since the start.
    pub begun: u64,
    /// Those of them that it answered.
    pub answered: u64,
    /// Those after which the next member was tried.
    pub failed: u64,
    /// Calls that it was not given because it had enough.
    pub full: u64,
}

impl Member {
    /// `before` are those that there were: an account that one of them has goes on.
    pub(super) fn new(
        group: &GatewayConfig,
        config: &MemberConfig,
        uri: UriBuf,
        before: &[Arc<Self>],
        seed: u64,
    ) -> Self {
        let known = before.iter().find(|known| known.uri == uri && known.config.has_account_of(config));
        let known = known.and_then(|known| known.trunk.clone());
        Self {
            group: group.name.clone(),
            trunk: known.or_else(|| Trunk::new(config, &uri, seed).map(Arc::new)),
            uri,
            config: config.clone(),
            probe: (group.probe > 0).then(|| Duration::from_secs(group.probe.into())),
            timeout: Duration::from_secs(group.timeout.into()),
            is_trusted: group.trusted,
            failover: group.failover.iter().filter_map(|status| StatusCode::new(*status)).collect(),
            state: Mutex::default(),
        }
    }

    /// Whether it is the one that is configured so.
    pub(super) fn is(&self, group: &GatewayConfig, config: &MemberConfig) -> bool {
        let failover = group.failover.iter().filter_map(|status| StatusCode::new(*status));
        self.group == group.name
            && self.config == *config
            && self.probe == (group.probe > 0).then(|| Duration::from_secs(group.probe.into()))
            && self.is_trusted == group.trusted
            && self.timeout == Duration::from_secs(group.timeout.into())
            && failover.eq(self.failover.iter().copied())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after each step, whatever became of its thread.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account, where it has to be registered.
    pub(super) fn registers(&self) -> Option<&Arc<Trunk>> {
        self.trunk.as_ref().filter(|_| self.config.register)
    }

    /// Whether both have one binding, whatever way REGISTER takes to it: it is one for each account, and our address is told by
    /// transport.
    pub(super) fn registers_as(&self, other: &Self) -> bool {
        let transport = |member: &Self| {
            let uri = member.uri.as_sip()?;
            Some((uri.is_secure(), uri.transport().map(str::to_ascii_lowercase)))
        };
        let accounts = self.registers().zip(other.registers());
        accounts.is_some_and(|(own, other)| own.is_account_of(other)) && transport(self) == transport(other)
    }

    /// Whether it is there, as far as is known.
    pub(super) fn is_up(&self, now: Instant) -> bool {
        self.state().is_up(now)
    }

    /// Gives it a call, if it has room for one.
    pub(super) fn begin(&self, now: Instant) -> bool {
        let mut state = self.state();
        let MemberConfig { calls, calls_per_second, .. } = self.config;
        let is_full = calls > 0 && state.calls >= calls;
        // Of a second's worth all may come at once.
        let allowance = Allowance::per_second(calls_per_second, calls_per_second);
        if is_full || allowance.is_some_and(|allowance| !state.second.take(now, allowance)) {
            state.full += 1;
            return false;
        }
        state.calls += 1;
        state.begun += 1;
        true
    }

    /// A call of its is over.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.calls = state.calls.saturating_sub(1);
    }

    /// It answered a call.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        state.answered += 1;
        state.down = None;
    }

    /// A request did not get through: answered with this status, or with none by it. Says whether the next one is tried.
    pub(super) fn failed(&self, now: Instant, answer: Result<StatusCode, StatusCode>) -> bool {
        let mut state = self.state();
        let is_tried = match answer {
            Ok(status) => self.failover.contains(&status),
            Err(_) => {
                state.rest(now, self.probe);
                true
            }
        };
        state.failed += u64::from(is_tried);
        is_tried
    }

    /// What came of asking whether it is there; `None` where nothing came. Says whether that is news.
    pub(super) fn probed(&self, now: Instant, answer: Option<StatusCode>) -> bool {
        let mut state = self.state();
        let was_up = state.is_up(now);
        // Whoever refuses is there. 408 is what others on the way say of one who is not.
        let is_up = answer.is_some_and(|status| {
            status != StatusCode::SERVICE_UNAVAILABLE && status != StatusCode::REQUEST_TIMEOUT
        });
        if is_up {
            state.down = None;
        } else if was_up {
            state.down = Some((now, None));
        }
        was_up != is_up
    }

    pub(super) fn stats(&self, now: Instant) -> GatewayStats {
        let state = self.state();
        GatewayStats {
            group: self.group.clone(),
            uri: self.uri.to_string(),
            up: state.is_up(now),
            registered: self.registers().map(|trunk| trunk.is_registered(now)),
            calls: state.calls,
            begun: state.begun,
            answered: state.answered,
            failed: state.failed,
            full: state.full,
        }
    }
}

impl State {
    fn is_up(&self, now: Instant) -> bool {
        self.down.is_none_or(|(_, until)| until.is_some_and(|until| until <= now))
    }

    /// Leaves it alone: until it is found to be there again, or for a while where nobody looks.
    fn rest(&mut self, now: Instant, probe: Option<Duration>) {
        let since = self.down.map_or(now, |(since, _)| since);
        self.down = Some((since, probe.is_none().then(|| now + REST)));
    }
}
