//! What a deployment says of push notifications.

use crate::config::{ConfigError, optional_duration};
use hyper::Uri;
use ringback_registrar::{PushPolicy, PushService};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// RFC 8599 §5.5: at the latest two minutes before a registration ends.
const REFRESH: Duration = Duration::from_secs(120);

/// How phones that sleep are woken (RFC 8599). Without a provider none are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PushConfig {
    /// How long a call waits for the phone to register again; half a minute where nothing is said. Other requests wait 20 seconds at
    /// most.
    #[serde(deserialize_with = "optional_duration")]
    pub wait: Option<Duration>,
    /// For how long after it has registered a phone is taken to be awake, and is not woken; 5 seconds where nothing is said.
    #[serde(deserialize_with = "optional_duration")]
    pub awake: Option<Duration>,
    /// How long before its registration ends a phone is woken to refresh it (RFC 8599 §5.5); two minutes where nothing is said,
    /// 0 is never.
    #[serde(deserialize_with = "optional_duration")]
    pub refresh: Option<Duration>,
    /// How long a provider may take to answer; 5 seconds where nothing is said.
    #[serde(deserialize_with = "optional_duration")]
    pub timeout: Option<Duration>,
    /// How often a notification is sent again that could not be delivered.
    pub retries: u8,
    /// How many notifications may wait to be sent.
    pub queue: usize,
    /// The push notification services, by their names in `pn-provider`: `apns`, `fcm`, `webpush`.
    pub providers: BTreeMap<String, ProviderConfig>,
}

/// A push notification service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// Where notifications for it are told: `http://127.0.0.1:8090/apns`. Who is there holds the keys to the service.
    pub url: String,
    /// The public key by which the service knows us (RFC 8292), which phones are told.
    pub vapid: Option<String>,
    /// Whether its phones are also woken to refresh their registrations. Services that make each notification ring, as those
    /// for calls do on iOS, are better spared.
    #[serde(default = "yes")]
    pub refresh: bool,
}

fn yes() -> bool {
    true
}

impl Default for PushConfig {
    fn default() -> Self {
        Self {
            wait: None,
            awake: None,
            refresh: None,
            timeout: None,
            retries: 2,
            queue: 1_000,
            providers: BTreeMap::new(),
        }
    }
}

impl PushConfig {
    /// Whether anybody is woken.
    pub(crate) fn is_on(&self) -> bool {
        !self.providers.is_empty()
    }

    pub(crate) fn wait(&self) -> Duration {
        self.wait.unwrap_or(Duration::from_secs(30))
    }

    pub(crate) fn awake(&self) -> Duration {
        self.awake.unwrap_or(Duration::from_secs(5))
    }

    pub(crate) fn refresh(&self) -> Duration {
        self.refresh.unwrap_or(REFRESH)
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(5))
    }

    /// The provider that a phone names, under the name that it has here.
    pub(crate) fn provider(&self, name: &str) -> Option<(&str, &ProviderConfig)> {
        let found = self.providers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(own, provider)| (own.as_str(), provider))
    }

    /// What the registrar tells phones.
    pub(crate) fn policy(&self) -> Option<PushPolicy> {
        let services = self.providers.iter();
        let services =
            services.map(|(name, own)| PushService { name: name.clone(), vapid: own.vapid.clone() });
        // Whoever wakes by himself is told when, whether or not the others are woken for it.
        let refresh = Some(self.refresh()).filter(|time| !time.is_zero()).unwrap_or(REFRESH);
        let own_refresh = u32::try_from(refresh.as_secs().max(1)).ok();
        self.is_on().then(|| PushPolicy { services: services.collect(), own_refresh })
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let fail = |problem: String| Err(ConfigError::new(format!("push: {problem}")));
        let in_range = |time: Duration| (Duration::from_secs(1)..=Duration::from_secs(120)).contains(&time);
        if !in_range(self.wait()) {
            return fail("wait must be from 1s to 2m, for callers do not wait longer".into());
        }
        if !in_range(self.timeout()) {
            return fail("timeout must be from 1s to 2m".into());
        }
        if self.queue == 0 || self.queue > 1_000_000 {
            return fail("queue must be from 1 to 1000000".into());
        }
        if self.retries > 10 {
            return fail("retries must be at most 10".into());
        }
        for (name, provider) in &self.providers {
            let is_name = !name.is_empty()
                && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet));
            if !is_name {
                return fail(format!("provider `{name}` is no name of a service; write for example apns"));
            }
            let again = self.providers.keys().filter(|own| own.eq_ignore_ascii_case(name)).count() > 1;
            if again {
                return fail(format!("provider `{name}` is there twice, for case does not count"));
            }
            if let Err(problem) = place(&provider.url) {
                return fail(format!("{name}: `{}` {problem}", provider.url));
            }
            let is_key = |key: &String| {
                !key.is_empty()
                    && key.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_=".contains(&octet))
            };
            if provider.vapid.as_ref().is_some_and(|key| !is_key(key)) {
                return fail(format!("{name}: vapid is no public key in base64url"));
            }
        }
        Ok(())
    }
}

/// The host and port that a URL leads to.
pub(crate) fn place(url: &str) -> Result<(Uri, String, u16), &'static str> {
    let uri: Uri = url.parse().map_err(|_| "is no URL; write for example http://127.0.0.1:8090/apns")?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            return Err(
                "is https, which is not spoken here; have a forwarder on this machine speak it, and name that \
                        with http",
            );
        }
        _ => return Err("does not begin with http://; write for example http://127.0.0.1:8090/apns"),
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or("names no host")?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(80);
    Ok((uri, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerConfig;

    #[test]
    fn errors_say_what_would_be_right() {
        for (text, said) in [
            ("wait = '10m'", "push: wait must be from 1s to 2m"),
            ("timeout = 0", "push: timeout must be from 1s"),
            ("queue = 0", "push: queue must be from 1"),
            ("retries = 11", "push: retries must be at most 10"),
            (
                "providers.apns.url = 'https://a.example/'",
                "push: apns: `https://a.example/` is https, which is not",
            ),
            ("providers.apns.url = 'ftp://a.example/'", "does not begin with http://"),
            ("providers.apns.url = 'http:///x'", "push: apns: `http:///x`"),
            ("providers.apns.url = 'a b'", "is no URL; write for example http://127.0.0.1:8090/apns"),
            ("providers.'a b'.url = 'http://a'", "push: provider `a b` is no name"),
            ("providers = { fcm = { url = 'http://a' }, FCM = { url = 'http://a' } }", "is there twice"),
            ("providers.apns = { url = 'http://a', vapid = 'a\"b' }", "vapid is no public key"),
            ("providers.apns = {}", "missing field `url`"),
            ("awake = 'soon'", "`soon` is no time up to a day"),
        ] {
            let error = ServerConfig::from_toml(&format!("[push]\n{text}")).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains('\n'), "{text}: {error}");
        }
        let config =
            ServerConfig::from_toml("[push.providers.apns]\nurl = 'http://[::1]:8090/a?b=c'").unwrap();
        assert!(config.push.is_on() && config.push.provider("APNS").is_some());
        assert_eq!(place("http://[::1]:8090/a").unwrap().1, "::1");
        assert_eq!(place("http://push.example").unwrap().2, 80);
        assert_eq!(ServerConfig::from_toml("").unwrap().push.policy(), None);
    }
}
