//! Gateways as they are written in the configuration.

use crate::config::ConfigError;
use ringback_message::{Uri, UriBuf};
use serde::Deserialize;
use std::fmt;

/// A group of gateways that reach the same: the lines of one carrier, or of several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// By which routes name it.
    pub name: String,
    /// Who takes the calls.
    pub members: Vec<MemberConfig>,
    /// How many seconds lie between two OPTIONS by which a member is asked whether it is there; 0 asks nobody. A member that
    /// does not answer, or answers 503, gets no calls until it answers again.
    pub probe: u32,
    /// The statuses from 300 to 699 after which the next member is tried. One that cannot be reached, or gives no sign of
    /// life, is always followed by the next.
    pub failover: Vec<u16>,
    /// How many seconds a member may be silent after an INVITE, 1 to 30: 100 is no sign of life.
    pub timeout: u32,
    /// Whether its members are of our trust domain (RFC 3325): they are told who callers are, and their word on who answers
    /// counts. Where calls of theirs come from is said by `trust`.
    pub trusted: bool,
}

/// One gateway of a group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemberConfig {
    /// Where it is: `sip:gw1.example.net;transport=tls`. The user of the request is put in.
    pub uri: String,
    /// Those of the lowest are tried first; the others where none of them takes the call.
    pub priority: u16,
    /// What share of the calls it gets among those of the same priority, at least 1.
    pub weight: u16,
    /// How many calls it may have at once; 0 for any number.
    pub calls: u32,
    /// How many calls it may get in a second; 0 for any number.
    pub calls_per_second: u32,
    /// The account there, where it asks for one (401, 407).
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Password>,
    /// The protection space that the password is for; without one it is tried in whatever space asks.
    pub realm: Option<String>,
    /// The domain of the account; without one the host of `uri`.
    pub domain: Option<String>,
    /// Whether the account is registered there, so that calls for it come to us.
    pub register: bool,
}

/// A word that is shown to nobody.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Hides a word.
    pub fn new(word: impl Into<String>) -> Self {
        Self(word.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            members: Vec::new(),
            probe: 30,
            failover: vec![408, 503],
            timeout: 8,
            trusted: false,
        }
    }
}

impl Default for MemberConfig {
    fn default() -> Self {
        Self {
            uri: String::new(),
            priority: 0,
            weight: 1,
            calls: 0,
            calls_per_second: 0,
            user: None,
            password: None,
            realm: None,
            domain: None,
            register: false,
        }
    }
}

impl GatewayConfig {
    /// `others` are the groups before it.
    pub(crate) fn check(&self, others: &[Self]) -> Result<(), ConfigError> {
        let fail = |problem: String| Err(ConfigError::new(problem));
        let name = &self.name;
        if name.is_empty() || others.iter().any(|other| other.name == *name) {
            return fail(format!("gateways `{name}`: each group needs a name of its own"));
        }
        if self.members.is_empty() {
            return fail(format!("gateways {name}: there is no member"));
        }
        if !(1..=30).contains(&self.timeout) {
            return fail(format!("gateways {name}: timeout = {} is not from 1 to 30 seconds", self.timeout));
        }
        if self.probe != 0 && self.probe < 5 {
            return fail(format!("gateways {name}: probe = {} is a flood; at least 5 seconds", self.probe));
        }
        if let Some(status) = self.failover.iter().find(|status| !(300..700).contains(*status)) {
            return fail(format!("gateways {name}: failover after {status} is not possible; 300 to 699 is"));
        }
        self.members.iter().try_for_each(|member| member.check(name))
    }
}

/// Who is asked in which order, in words.
impl fmt::Display for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        let mut members: Vec<&MemberConfig> = self.members.iter().collect();
        members.sort_by_key(|member| member.priority);
        let mut rest = &members[..];
        while let Some(first) = rest.first() {
            let count = rest.iter().take_while(|member| member.priority == first.priority).count();
            let (equal, others) = rest.split_at(count);
            let sum: u32 = equal.iter().map(|member| u32::from(member.weight)).sum();
            for member in equal {
                let share =
                    if count > 1 { format!(", {} of {sum} calls", member.weight) } else { String::new() };
                write!(f, "\n   {}{share}{}", member.uri, member.limits())?;
            }
            if !others.is_empty() {
                f.write_str("\n   or, where that does not work,")?;
            }
            rest = others;
        }
        Ok(())
    }
}

impl MemberConfig {
    fn limits(&self) -> String {
        let calls = (self.calls > 0).then(|| format!(", at most {} at once", self.calls));
        let rate =
            (self.calls_per_second > 0).then(|| format!(", at most {} a second", self.calls_per_second));
        let account = self.user.as_ref().map(|user| {
            let registered = if self.register { ", registered there" } else { "" };
            format!(", as {user}{registered}")
        });
        calls.into_iter().chain(rate).chain(account).collect()
    }

    fn check(&self, group: &str) -> Result<(), ConfigError> {
        let fail = |problem: String| Err(ConfigError::new(format!("gateways {group}: {problem}")));
        let uri = &self.uri;
        let Some(parsed) = self.parsed() else {
            return fail(format!("`{uri}` is no SIP URI; write for example sip:gateway.example.net"));
        };
        if parsed.as_sip().is_some_and(|uri| uri.user().is_some() || uri.headers().is_some()) {
            return fail(format!("`{uri}` has a user or headers; the user is that of the request"));
        }
        if self.user.is_some() != self.password.is_some() {
            return fail(format!(
                "{uri}: a user needs a password and a password its user; name both or neither"
            ));
        }
        if self.register && self.user.is_none() {
            return fail(format!("{uri}: register needs user and password"));
        }
        if self.domain.as_ref().is_some_and(|domain| ringback_message::Host::parse(domain).is_err()) {
            return fail(format!("{uri}: domain is neither a name nor an address"));
        }
        if self.weight == 0 {
            return fail(format!("weight of {uri} must be at least 1"));
        }
        Ok(())
    }

    /// Whether user, password and all that belongs to them are the same.
    pub(super) fn has_account_of(&self, other: &Self) -> bool {
        (&self.user, &self.password, &self.realm, &self.domain)
            == (&other.user, &other.password, &other.realm, &other.domain)
    }

    pub(super) fn parsed(&self) -> Option<UriBuf> {
        let uri = Uri::parse(self.uri.as_bytes()).ok()?;
        uri.as_sip()?;
        Some(uri.to_owned())
    }
}
