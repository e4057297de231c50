//! What the guard goes by.

use super::rate::Allowance;
use super::{FORGIVEN, GuardConfig, Source};
use ringback_message::Message;
use ringback_message::header::UserAgent;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The longest ban.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// A wrong password is forgotten after so long.
const FORGET: Duration = Duration::from_secs(60);

/// What is allowed.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) config: GuardConfig,
    pub(super) requests: Option<Allowance>,
    pub(super) user_requests: Option<Allowance>,
    pub(super) failures: Allowance,
}

impl Rules {
    pub(super) fn new(config: GuardConfig) -> Self {
        Self {
            requests: Allowance::per_second(config.requests_per_second, config.burst),
            user_requests: Allowance::per_second(config.user_requests_per_second, config.user_burst),
            failures: Allowance { interval: FORGET, burst: config.failures },
            config,
        }
    }

    pub(super) fn is_trusted(&self, peer: IpAddr) -> bool {
        self.config.trusted.iter().any(|network| network.contains(&peer))
    }

    pub(super) fn is_scanner(&self, message: &Message) -> bool {
        let Some(Ok(UserAgent(agent))) = message.first::<UserAgent<'_>>() else { return false };
        // Where they name themselves they do so at the beginning.
        let agent = agent.get(..64).unwrap_or(agent);
        self.config
            .scanners
            .iter()
            .any(|name| agent.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name.as_bytes())))
    }

    pub(super) fn ban(&self, now: Instant, source: IpAddr, known: &mut Source, why: &str) {
        if known.offended.is_some_and(|at| now.saturating_duration_since(at) > FORGIVEN) {
            known.offences = 0;
        }
        let first = Duration::from_secs(self.config.ban_seconds.into());
        let length = first.saturating_mul(1 << known.offences.min(16)).min(LONGEST);
        known.offences += 1;
        known.offended = Some(now);
        known.banned = Some(now + length);
        tracing::warn!(%source, seconds = length.as_secs(), times = known.offences, "banned: {why}");
    }

    /// Tells the log that a source sends too much, once a minute.
    pub(super) fn tell(&self, now: Instant, source: IpAddr, known: &mut Source) {
        if known.told.is_none_or(|at| now.saturating_duration_since(at) > Duration::from_secs(60)) {
            known.told = Some(now);
            let limit = self.config.requests_per_second;
            tracing::warn!(%source, limit, "sends more requests a second than guard.requests_per_second");
        }
    }
}
