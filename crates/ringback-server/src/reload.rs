//! Going on as another configuration says, without a restart.
//!
//! Everything that could fail is done first: files are read, expressions compiled, places of the trace opened. Then what
//! was made is exchanged, part by part, and nothing can fail any more. Messages that are handled at that moment go by
//! the old part or the new one, never by half of one.

use crate::config::{ConfigError, Reread, Restart, ServerConfig};
use crate::core::ServerCore;
use crate::routes::Routes;
use crate::server::{fixed_users, registrar};
use crate::tls;
use crate::trace::{self, Trace};
use ringback_net::Net;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What came of reading the configuration again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The keys of the configuration that say something else now, and are followed.
    pub changed: Vec<String>,
    /// Those that say something else and need a restart to be followed.
    pub needs_restart: Vec<String>,
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.changed.as_slice() {
            [] => f.write_str("nothing changed")?,
            changed => write!(f, "changed: {}", changed.join(", "))?,
        }
        match self.needs_restart.as_slice() {
            [] => Ok(()),
            waiting => write!(f, "; needs a restart: {}", waiting.join(", ")),
        }
    }
}

/// What reloads need. They come one after the other.
pub(crate) struct Reloader {
    /// What the server goes by.
    running: Mutex<ServerConfig>,
    reread: Option<Reread>,
    restart: Option<Restart>,
    realm: String,
    core: Arc<ServerCore>,
    net: Arc<Net<ServerCore>>,
    trace: Arc<Trace>,
}

impl Reloader {
    pub(crate) fn new(
        running: ServerConfig,
        realm: &str,
        core: Arc<ServerCore>,
        net: Arc<Net<ServerCore>>,
        trace: Arc<Trace>,
    ) -> Self {
        let (reread, restart) = (running.reread.clone(), running.restart.clone());
        Self { running: Mutex::new(running), reread, restart, realm: realm.to_owned(), core, net, trace }
    }

    /// What the server goes by now.
    pub(crate) fn running(&self) -> ServerConfig {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a process that takes over, and gives it.
    pub(crate) fn restart(&self) -> Result<u32, String> {
        match &self.restart {
            Some(restart) => restart().map_err(|error| format!("no process can be started: {error}")),
            None => Err("this server was not started by a command that could be started again".to_owned()),
        }
    }

    /// Tells of messages there alone.
    pub(crate) fn trace_to(&self, places: trace::Places) -> Result<(), ConfigError> {
        let queue = self.running().trace.queue;
        self.trace.tell(places, queue)
    }

    pub(crate) fn reread(&self) -> Result<Reloaded, ConfigError> {
        let nothing = || ConfigError::new("this server has no configuration that could be read again");
        let read = self.reread.as_ref().ok_or_else(nothing)?();
        let done = read.and_then(|config| self.reload(&config));
        match &done {
            Ok(reloaded) => tracing::info!(%reloaded, "the configuration was read again"),
            Err(error) => {
                tracing::error!(%error, "the configuration cannot be used; everything stays as it was")
            }
        }
        done
    }

    pub(crate) fn reload(&self, config: &ServerConfig) -> Result<Reloaded, ConfigError> {
        config.check()?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = config.clone();
        let mut needs_restart = keep_fixed(&running, &mut next);
        if next.realm() != self.realm && !needs_restart.contains(&"realm".to_owned()) {
            // It follows the first domain where it is not named, and passwords are kept for the one there was.
            needs_restart.push("realm".to_owned());
        }
        // Once more: a part that stays may not fit to one that is new.
        next.check()?;

        let routes = Routes::new(&next.routes)?;
        let users = fixed_users(&next, &self.realm)?;
        let places = match next.trace == running.trace {
            true => None,
            false => Some(trace::open(&next.trace)?),
        };
        let tls = self.net.tls().filter(|_| next.tls != running.tls || !tls::is_of_this_run(&next));
        let has_certificates = tls.map(|tls| tls::renew(tls, &next)).transpose()?.unwrap_or_default();
        if let Some(places) = places {
            self.trace.tell(places, next.trace.queue)?;
        }

        let mut changed = changes(&running, &next);
        if has_certificates && !changed.contains(&"tls".to_owned()) {
            changed.push("certificates".to_owned());
        }
        let core = &self.core;
        if core.authority.users.replace_fixed(users) && !changed.contains(&"users".to_owned()) {
            changed.push("users".to_owned());
        }
        core.authority.guard.renew(next.guard.clone());
        core.authority.renew(&next.digest(), next.no_auth);
        let reach = core.reach.load().renamed(&next);
        core.locations.renew(
            &registrar(&next, &reach),
            reach.hosts(),
            next.limits.bindings,
            next.registrations.end_with_flow,
        );
        self.net.set_max_streams(next.limits.streams, next.limits.streams_per_source);
        core.renew(Instant::now(), &next, reach, routes);
        *running = next;
        Ok(Reloaded { changed, needs_restart })
    }
}

/// Takes over what cannot change while the server runs, and says where it was to be different.
fn keep_fixed(running: &ServerConfig, next: &mut ServerConfig) -> Vec<String> {
    let mut kept = Vec::new();
    macro_rules! keep {
        ($($key:literal: $($field:ident).+),+ $(,)?) => {
            $(if next.$($field).+ != running.$($field).+ {
                next.$($field).+ = running.$($field).+.clone();
                kept.push($key.to_owned());
            })+
        };
    }
    keep! {
        "listen": listen,
        "advertise": advertise,
        "advertise_stun": advertise_stun,
        "edge": edge,
        "realm": realm,
        "data": storage,
        "admin": admin,
        "workers": workers,
        "dscp": dscp,
        "ws_origins": ws_origins,
        "hosts": hosts,
        "name_servers": name_servers,
        "serve_stale": serve_stale,
        "limits.message": limits.message,
        "history": history,
        "media": media,
        "trace.queue": trace.queue,
        "records": records,
        "push": push,
    }
    kept
}

/// The keys that say something else, of those that can change.
fn changes(running: &ServerConfig, next: &ServerConfig) -> Vec<String> {
    let different = [
        ("domains", running.domains != next.domains),
        ("gateways", running.gateways != next.gateways),
        ("trust", running.trust != next.trust),
        ("overload", running.overload != next.overload),
        ("routes", running.routes != next.routes),
        ("guard", running.guard != next.guard),
        ("users", running.users != next.users || running.users_file != next.users_file),
        ("no_auth", running.no_auth != next.no_auth),
        ("digest", running.digest != next.digest),
        ("limits", running.limits != next.limits),
        ("registrations", running.registrations != next.registrations),
        ("trace", running.trace != next.trace),
        ("tls", running.tls != next.tls),
        ("enum_domain", running.enum_domain != next.enum_domain),
        ("recursion", running.recursion != next.recursion),
        ("drain", running.drain != next.drain),
    ];
    different.into_iter().filter(|(_, is)| *is).map(|(key, _)| key.to_owned()).collect()
}
