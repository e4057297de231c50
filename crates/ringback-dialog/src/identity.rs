//! Who is at the other end (RFC 4916): the peer may call itself something else while the call is up, and so may we, when we were
//! called by another address than our own.

use crate::call::{Call, Stage};
use crate::calls::{Calls, Context};
use crate::field::value;
use crate::{CallEvent, CallKey};
use ringback_message::header::{From, NameAddr};
use ringback_message::{Method, Request};
use ringback_sansio::Entropy;

/// The option tag of RFC 4916.
pub(crate) const FROM_CHANGE: &str = "from-change";

impl<E: Entropy> Calls<E> {
    /// Says who we are in a call of the peer that was meant for somebody else: `address` is what From shall say, without
    /// tag. The peer is told when it has acknowledged our answer, if it understands that.
    pub fn identify(&mut self, key: CallKey, address: String) {
        if let Some(call) = self.calls.get_mut(key.0) {
            call.identity = Some(address);
        }
    }
}

impl Call {
    /// RFC 4916 §4.4.2: takes the address that the peer has from now on; our requests say it in To.
    pub(crate) fn learn_identity(&mut self, cx: &mut Context<'_>, request: &Request) {
        let may_say = matches!(*request.method(), Method::INVITE | Method::UPDATE);
        let is_single = matches!(self.stage, Stage::Up | Stage::Ringing);
        let Some(from) = value::<From<'_>>(request).filter(|_| may_say && is_single) else { return };
        let is_known = NameAddr::parse(self.ends.remote.as_bytes())
            .is_ok_and(|known| known.uri.to_owned().as_uri().equivalent(&from.uri.to_owned().as_uri()));
        if !is_known {
            self.ends.remote = from.address();
            Self::tell(cx, CallEvent::Connected(from.address()));
        }
    }

    /// The ACK is here: says who we are, where that is news and the peer understands it (RFC 4916 §4.2).
    pub(crate) fn show_identity(&mut self) {
        if let Some(identity) = self.identity.take().filter(|_| self.peer_follows) {
            self.ends.local = identity;
            // UPDATE, or a re-INVITE that repeats the description, carries it.
            self.whereabouts.moved(false);
        }
    }
}
