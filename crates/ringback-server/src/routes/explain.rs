//! Which route a request would take and why, without sending anything.

use super::{Facts, Mismatch, Route, Routes, apply};
use crate::config::{ConfigError, ServerConfig};
use crate::media::MediaMode;
use ringback_message::Request;
use std::fmt;
use std::net::IpAddr;

/// What was found out about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Each route that was asked, in order, up to the one that is taken.
    pub asked: Vec<(String, RouteVerdict)>,
    /// What becomes of the request.
    pub outcome: String,
}

/// Whether a route is for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteVerdict {
    /// It is.
    Taken,
    /// It is not, because of this.
    Passed(String),
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.asked.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, verdict) in &self.asked {
            match verdict {
                RouteVerdict::Taken => writeln!(f, "{name:width$}  taken")?,
                RouteVerdict::Passed(why) => writeln!(f, "{name:width$}  passed: {why}")?,
            }
        }
        f.write_str(&self.outcome)
    }
}

/// Asks the routes of a configuration about a request that comes from `source`.
///
/// # Errors
/// When a route cannot be used.
pub fn explain(config: &ServerConfig, request: &Request, source: IpAddr) -> Result<Explained, ConfigError> {
    let routes = Routes::new(&config.routes)?;
    let facts = Facts::of(request, source);
    let mut asked = Vec::new();
    for route in &routes.0 {
        match route.mismatch(&facts) {
            Some(mismatch) => {
                asked.push((route.name.clone(), RouteVerdict::Passed(route.why(&mismatch, &facts))));
            }
            None => {
                asked.push((route.name.clone(), RouteVerdict::Taken));
                return Ok(Explained { asked, outcome: route.outcome(&facts, config) });
            }
        }
    }
    let outcome = "no route is for it: a user of ours is looked up, and anybody else is reached as the URI says by users of ours";
    Ok(Explained { asked, outcome: outcome.to_owned() })
}

impl Route {
    fn why(&self, mismatch: &Mismatch, facts: &Facts<'_>) -> String {
        let config = &self.config;
        let expression = |expression: &Option<String>| expression.clone().unwrap_or_default();
        match mismatch {
            Mismatch::Method => format!("{} is none of {}", facts.request.method(), config.method.join(", ")),
            Mismatch::Domain => {
                format!("the domain `{}` is none of {}", facts.domain, config.domain.join(", "))
            }
            Mismatch::User => {
                format!("the user `{}` does not match '{}'", facts.user, expression(&config.user))
            }
            Mismatch::From => format!("From `{}` does not match '{}'", facts.from, expression(&config.from)),
            Mismatch::Header(name) => match super::header(facts.request, name) {
                Some(value) => format!("{name} `{value}` does not match '{}'", config.header[name]),
                None => format!("there is no {name}"),
            },
            Mismatch::Source => {
                let networks: Vec<String> = config.source.iter().map(ToString::to_string).collect();
                format!("{} is not in {}", facts.source, networks.join(", "))
            }
        }
    }

    fn outcome(&self, facts: &Facts<'_>, server: &ServerConfig) -> String {
        if let Some(status) = self.refuses() {
            return format!("refused with {status} {}", status.reason());
        }
        let config = &self.config;
        let proof =
            if self.is_by_source() { "" } else { "\nonce its sender has proved to be a user of ours" };
        if let Some(group) = &config.gateway {
            let user = config.user_for(&facts.user);
            let group = server.gateways.iter().find(|own| own.name == *group);
            return match group.filter(|_| !user.is_empty()) {
                Some(group) => format!("goes to {user} at the gateways {group}{proof}"),
                None => "refused with 484 Address Incomplete: no user is left".to_owned(),
            };
        }
        let (uris, verb) = if config.redirect.is_empty() {
            (&config.to, "goes to")
        } else {
            (&config.redirect, "told to look at")
        };
        let Some(targets) = apply::targets(uris, &config.user_for(&facts.user)) else {
            return "refused with 484 Address Incomplete: no user is left".to_owned();
        };
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let media = match config.media {
            Some(MediaMode::Relay) if config.redirect.is_empty() => "\nwith media through ports of ours",
            Some(MediaMode::Bridge) if config.redirect.is_empty() => {
                "\nwith media through ports of ours, each side with keys of its own"
            }
            Some(MediaMode::Auto) if config.redirect.is_empty() => {
                "\nwith media through ports of ours where a NAT or encryption asks for that"
            }
            Some(MediaMode::Direct) if config.redirect.is_empty() => "\nwith media from phone to phone",
            _ => "",
        };
        let codecs = match config.codecs.join(", ") {
            codecs if codecs.is_empty() => codecs,
            codecs => format!("\noffered {codecs}"),
        };
        format!("{verb} {}{proof}{media}{codecs}", targets.join("\n   or, where that does not work, to "))
    }
}
