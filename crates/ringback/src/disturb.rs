//! Accounts that must not be disturbed, and the calls that they miss.

use crate::{Account, Endpoint};
use ringback_ua::{DoNotDisturb, TurnedAway};

/// A call that was refused because the account must not be disturbed.
#[derive(Clone, Debug)]
pub struct MissedCall(TurnedAway);

impl MissedCall {
    pub(crate) fn new(call: TurnedAway) -> Self {
        Self(call)
    }

    /// Who called, as the From field says.
    pub fn from(&self) -> &str {
        &self.0.from
    }

    /// Who called as our own server says, else as the From field does, which nothing proves.
    pub fn caller(&self) -> &str {
        self.0.asserted.as_deref().unwrap_or(&self.0.from)
    }

    /// Whom they called, as the To field says.
    pub fn to(&self) -> &str {
        &self.0.to
    }
}

impl Account {
    /// Refuses calls from now on, or (`None`) takes them again. Calls that are up or ring go on.
    pub fn do_not_disturb(&self, quiet: Option<DoNotDisturb>) {
        let key = self.key;
        // An account that is gone is called by nobody.
        let _ = self.endpoint.inner.command(|state, _| state.ua.do_not_disturb(key, quiet));
    }
}

impl Endpoint {
    /// The next call that was refused because its account must not be disturbed. `None` when the endpoint is shut down. Cancel
    /// safe.
    pub async fn turned_away(&self) -> Option<MissedCall> {
        self.inner.missed.lock().await.recv().await
    }
}
