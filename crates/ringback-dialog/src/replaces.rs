//! INVITEs that name a call of ours: to take its place (Replaces, RFC 3891) or to come in beside it (Join, RFC 3911), rule 37.

use crate::CallKey;
use crate::call::{Call, Stage};
use crate::calls::Calls;
use crate::refusal::Refusal;
use ringback_message::header::{Header, Join, Replaces, TargetDialog};
use ringback_message::{Request, StatusCode};
use ringback_sansio::Entropy;

/// A dialog as Replaces and Join name it, seen from our side.
struct Named {
    call_id: String,
    ours: String,
    theirs: String,
    early_only: bool,
}

impl<E: Entropy> Calls<E> {
    /// The call that an INVITE wants to replace.
    pub(crate) fn named_call(&self, request: &Request) -> Result<Option<CallKey>, Refusal> {
        let replaces = one::<Replaces<'_>>(request)?;
        let join = one::<Join<'_>>(request)?;
        match (replaces, join) {
            (None, None) => Ok(None),
            (Some(it), None) => {
                let tags = (it.to_tag(), it.from_tag());
                self.replaced_by(&named(it.call_id(), tags, it.is_early_only())?).map(Some)
            }
            (None, Some(it)) => {
                let tags = (it.params.value("to-tag"), it.params.value("from-tag"));
                Err(self.joined_by(&named(it.value, tags, false)?))
            }
            // RFC 3891 §3, RFC 3911 §4: one or the other.
            (Some(_), Some(_)) => Err(Refusal::plain(StatusCode::BAD_REQUEST)),
        }
    }

    fn replaced_by(&self, named: &Named) -> Result<CallKey, Refusal> {
        let refuse = |status| Err(Refusal::plain(status));
        let Some((key, call)) = self.call_named(named) else {
            return refuse(StatusCode::CALL_DOES_NOT_EXIST);
        };
        match call.stage {
            // RFC 3891 §3: an early dialog can be replaced by who was called only.
            Stage::Ringing => refuse(StatusCode::CALL_DOES_NOT_EXIST),
            Stage::Over => refuse(StatusCode::DECLINE),
            Stage::Up if named.early_only => refuse(StatusCode::BUSY_HERE),
            _ if !self.config.accepts_transfers => refuse(StatusCode::FORBIDDEN),
            Stage::Inviting | Stage::Up => Ok(key),
        }
    }

    /// RFC 3911 §4: what says no to who wants to join. We do not mix calls, so somebody always has to: nobody joins, and
    /// `join` is not among what we support.
    fn joined_by(&self, named: &Named) -> Refusal {
        Refusal::plain(match self.call_named(named).map(|(_, call)| call.stage) {
            None | Some(Stage::Ringing) => StatusCode::CALL_DOES_NOT_EXIST,
            Some(Stage::Over) => StatusCode::DECLINE,
            Some(_) if !self.config.accepts_transfers => StatusCode::FORBIDDEN,
            Some(_) => StatusCode::NOT_ACCEPTABLE_HERE,
        })
    }

    /// The call of ours that a request outside of dialogs names (Target-Dialog, RFC 4538): who knows its tags, which are random,
    /// is its peer or was told them.
    pub fn target_dialog(&self, request: &Request) -> Option<CallKey> {
        let it = request.first::<TargetDialog<'_>>()?.ok()?;
        let (local, remote) = (it.to_tag()?.to_owned(), it.from_tag()?.to_owned());
        let named = |ours: &str, theirs: &str| Named {
            call_id: it.call_id().to_owned(),
            ours: ours.to_owned(),
            theirs: theirs.to_owned(),
            early_only: false,
        };
        // Not everybody means the same end by "local".
        let both = [named(&local, &remote), named(&remote, &local)];
        let (key, call) = both.iter().find_map(|named| self.call_named(named))?;
        (call.stage == Stage::Up).then_some(key)
    }

    fn call_named(&self, named: &Named) -> Option<(CallKey, &Call)> {
        let key = self.find(Some(&named.ours), Some(&named.call_id))?;
        let call = self.calls.get(key.0)?;
        let knows = |tag: Option<&str>| tag == Some(named.theirs.as_str());
        call.dialogs.iter().any(|dialog| knows(dialog.remote_tag.as_deref())).then_some((key, call))
    }
}

/// The only value of a field; 400 when it is malformed or not the only one.
fn one<'a, H: Header<'a>>(request: &'a Request) -> Result<Option<H>, Refusal> {
    let mut values = request.all::<H>();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(Refusal::plain(StatusCode::BAD_REQUEST)),
    }
}

/// To-tag is ours, from-tag the peer's (RFC 3891 §3).
fn named(call_id: &str, tags: (Option<&str>, Option<&str>), early_only: bool) -> Result<Named, Refusal> {
    match tags {
        (Some(ours), Some(theirs)) => Ok(Named {
            call_id: call_id.to_owned(),
            ours: ours.to_owned(),
            theirs: theirs.to_owned(),
            early_only,
        }),
        _ => Err(Refusal::plain(StatusCode::BAD_REQUEST)),
    }
}
