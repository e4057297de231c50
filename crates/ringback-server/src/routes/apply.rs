//! What becomes of a request that takes a route.

use super::{Route, RouteConfig};
use crate::media::MediaWishes;
use ringback_message::{HeaderId, InvalidValue, Request, StatusCode, Uri, UriBuf};
use ringback_proxy::{Branch, Decision};
use smallvec::SmallVec;

impl Route {
    /// Whether it refuses, which takes no password.
    pub(crate) fn refuses(&self) -> Option<StatusCode> {
        self.config.reject.and_then(StatusCode::new)
    }

    /// What it asks for of media.
    pub(crate) fn media(&self) -> MediaWishes {
        self.media.clone()
    }

    /// Changes a request for `user` as the route says, and decides where it goes.
    pub(crate) fn apply(&self, request: &mut Request, user: &str) -> Decision {
        if let Some(status) = self.refuses() {
            return Decision::reject(status);
        }
        let user = self.config.user_for(user);
        if !self.config.redirect.is_empty() {
            return match targets(&self.config.redirect, &user) {
                Some(contacts) => Decision::Redirect(contacts),
                None => Decision::reject(StatusCode::ADDRESS_INCOMPLETE),
            };
        }
        let Some(targets) = targets(&self.config.to, &user) else {
            return Decision::reject(StatusCode::ADDRESS_INCOMPLETE);
        };
        if self.change(request).is_err() {
            return Decision::reject(StatusCode::MESSAGE_TOO_LARGE);
        }
        let branches: SmallVec<[Branch; 2]> = targets
            .into_iter()
            .zip((0..=1_000).rev())
            .map(|(uri, q)| Branch { q, is_spare: true, ..Branch::to(uri) })
            .collect();
        Decision::Forward(branches)
    }

    /// The group of gateways that it leads to.
    pub(crate) fn gateway(&self) -> Option<&str> {
        self.config.gateway.as_deref()
    }

    /// Changes a request for `user` as the route says, and gives the user that the gateway is asked for.
    pub(crate) fn prepare(&self, request: &mut Request, user: &str) -> Result<String, StatusCode> {
        let user = self.config.user_for(user);
        if user.is_empty() {
            return Err(StatusCode::ADDRESS_INCOMPLETE);
        }
        self.change(request).map_err(|_| StatusCode::MESSAGE_TOO_LARGE)?;
        Ok(user)
    }

    fn change(&self, request: &mut Request) -> Result<(), InvalidValue> {
        for name in &self.config.remove {
            match HeaderId::from_name(name.as_bytes()) {
                HeaderId::OTHER => request.remove_other(name),
                id => request.remove(id),
            };
        }
        for (name, value) in &self.config.set {
            match HeaderId::from_name(name.as_bytes()) {
                HeaderId::OTHER => {
                    request.remove_other(name);
                    request.push_other(name, value.as_str())?;
                }
                id => request.set(id, value.as_str())?,
            }
        }
        Ok(())
    }
}

impl RouteConfig {
    /// The user that comes out.
    pub(super) fn user_for(&self, user: &str) -> String {
        let rest: String = user.chars().skip(self.strip).collect();
        format!("{}{rest}", self.prefix)
    }
}

/// The URIs with the user in those that have none; `None` where that makes no URI, as without any digit that is left.
pub(super) fn targets(uris: &[String], user: &str) -> Option<Vec<UriBuf>> {
    uris.iter().map(|text| target(text, user)).collect()
}

fn target(text: &str, user: &str) -> Option<UriBuf> {
    let uri = Uri::parse(text.as_bytes()).ok()?;
    let uri = uri.as_sip()?;
    if uri.user().is_some() {
        return Some(uri.to_owned());
    }
    if user.is_empty() {
        return None;
    }
    let (scheme, rest) = text.split_once(':')?;
    UriBuf::new(&format!("{scheme}:{user}@{rest}")).ok()
}
