//! What the guard allows.

use crate::config::ConfigError;
use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Deserializer};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a source or a user may do before the server stops listening to it.
///
/// A source is an IPv4 address or the /64 network of an IPv6 address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardConfig {
    /// Networks that are neither limited nor banned, `10.0.0.0/8`: trunks, other servers of ours. Without any it is this
    /// machine alone.
    #[serde(deserialize_with = "networks")]
    pub trusted: Vec<IpNet>,
    /// Networks that are never answered.
    #[serde(deserialize_with = "networks")]
    pub blocked: Vec<IpNet>,
    /// Requests a second from one source, on average; 0 for any number.
    pub requests_per_second: u32,
    /// Requests at once from one source, beyond that average.
    pub burst: u32,
    /// Requests a second that one user may send, once his password is proved; 0 for any number.
    pub user_requests_per_second: u32,
    /// Requests at once of one user, beyond that average.
    pub user_burst: u32,
    /// Wrong passwords from one source, or for one user, before it is banned; one a minute is forgiven. 0 bans nobody.
    pub failures: u32,
    /// How long the first ban lasts, in seconds; each later one of the same source twice as long, a day at most.
    pub ban_seconds: u32,
    /// What names of user agents begin with or contain that scan for servers to break into: they are not answered, and
    /// banned.
    pub scanners: Vec<String>,
}

impl Default for GuardConfig {
    fn default() -> Self {
        let scanners = [
            "friendly-scanner",
            "friendly-request",
            "sipvicious",
            "sipcli",
            "sip-scan",
            "sivus",
            "sundayddr",
            "pplsip",
            "vaxsipuseragent",
        ];
        Self {
            trusted: vec![
                Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into(),
                IpAddr::from(Ipv6Addr::LOCALHOST).into(),
            ],
            blocked: Vec::new(),
            requests_per_second: 100,
            burst: 1_000,
            user_requests_per_second: 50,
            user_burst: 500,
            failures: 20,
            ban_seconds: 600,
            scanners: scanners.map(str::to_owned).to_vec(),
        }
    }
}

impl GuardConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let bursts = [
            ("burst", self.requests_per_second, self.burst),
            ("user_burst", self.user_requests_per_second, self.user_burst),
        ];
        for (name, rate, burst) in bursts {
            if rate > 0 && burst == 0 {
                return Err(ConfigError::new(format!("guard.{name} must be at least 1, or nothing gets in")));
            }
        }
        if self.failures > 0 && self.ban_seconds == 0 {
            return Err(ConfigError::new("guard.ban_seconds must be at least 1; failures = 0 bans nobody"));
        }
        match self.scanners.iter().find(|name| name.len() < 3) {
            Some(name) => Err(ConfigError::new(format!(
                "guard.scanners: `{name}` is too short and would shut out others; three characters at least"
            ))),
            None => Ok(()),
        }
    }
}

/// Reads networks; an address alone is a network of one.
pub(crate) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let network = |text: &String| match text.parse::<IpAddr>() {
        Ok(ip) => Ok(IpNet::from(ip)),
        Err(_) => text.parse().map_err(|_| {
            serde::de::Error::custom(format!(
                "`{text}` is no network; write for example 192.0.2.0/24, or an address"
            ))
        }),
    };
    texts.iter().map(network).collect()
}
