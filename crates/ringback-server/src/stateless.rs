//! OPTIONS for the server itself, answered without a transaction (RFC 3261 §8.2.7).
//!
//! The answer depends on nothing but the request, so a request that is repeated is answered again with the same words, and
//! nothing has to be remembered for the half minute that a transaction over UDP lives. Pings come in floods.

use crate::answer::CAPABILITIES;
use bytes::Bytes;
use ringback_message::header::{MaxForwards, Via};
use ringback_message::{Fields, HeaderId, Message, Method, Request, StatusCode};
use ringback_net::{Flow, Target};
use ringback_proxy::Ownership;
use ringback_sansio::Seal;
use ringback_transport::via::response_target;
use std::cell::RefCell;
use std::hash::BuildHasher as _;

thread_local! {
    /// Where a thread writes its answers.
    static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes an answer to a request, in a buffer that is used again and again, and gives a piece of memory of the right size: the
/// answers to a batch of requests wait for its end. Nothing where the answer would have no room, or hold what cannot be written.
pub(crate) fn write(
    request: &Request,
    status: StatusCode,
    tag: &str,
    fields: impl Fn(&mut Fields<'_>),
) -> Option<Bytes> {
    WRITTEN.with_borrow_mut(|bytes| {
        bytes.clear();
        let written = request.write_reply(bytes, (status, status.reason()), Some(tag), b"", fields);
        written.ok().map(|()| Bytes::copy_from_slice(bytes))
    })
}

/// Gives back what has to be looked at more closely: what is no OPTIONS, not for us, on its way through others, inside a
/// dialog, or wants what not everybody has.
#[expect(clippy::result_large_err, reason = "the message goes on, and is boxed nowhere")]
pub(crate) fn answer(
    message: Message,
    flow: &Flow,
    ownership: &Ownership,
    seal: &Seal,
) -> Result<(Request, Target, Bytes), Message> {
    let request = Request::try_from(message)?;
    let answered = is_plain(&request, &Method::OPTIONS, ownership).then(|| {
        let via = request.first::<Via<'_>>()?.ok()?;
        let to = response_target(flow, &via)?;
        let tag = tag(seal.hash_one((via.branch(), request.values(HeaderId::CALL_ID).next())));
        let tag = std::str::from_utf8(&tag).ok()?;
        let bytes = write(&request, StatusCode::OK, tag, |fields| {
            for (id, value) in CAPABILITIES {
                fields.header(id, value);
            }
        })?;
        Some((to, bytes))
    });
    match answered.flatten() {
        Some((to, bytes)) => Ok((request, to, bytes)),
        None => Err(request.into()),
    }
}

/// Whether a message may be such a request; told from its first octets, for everything is asked this.
pub(crate) fn is_options(message: &Message) -> bool {
    message.as_received().starts_with(b"OPTIONS ")
}

/// Whether a message may be a REGISTER.
pub(crate) fn is_register(message: &Message) -> bool {
    message.as_received().starts_with(b"REGISTER ")
}

/// Whether it is a request of that method for us, straight from its sender, in which nothing is unusual.
pub(crate) fn is_plain(request: &Request, method: &Method, ownership: &Ownership) -> bool {
    const CLOSER: [HeaderId; 5] = [
        HeaderId::ROUTE,
        HeaderId::REQUIRE,
        HeaderId::PROXY_REQUIRE,
        HeaderId::MAX_BREADTH,
        HeaderId::PROXY_AUTHORIZATION,
    ];
    request.method() == method
        && !CLOSER.iter().any(|id| request.has(*id))
        && ownership.is_asked(request)
        && matches!(request.first::<MaxForwards>(), None | Some(Ok(_)))
        // Loops come back with a Via more.
        && request.values(HeaderId::VIA).nth(1).is_none()
        && matches!(request.to_tag(), Ok(None))
}

/// The tag of To, by a keyed hash of what tells the request from others: the same for its copies, and for nobody to foretell.
pub(crate) fn tag(hash: u64) -> [u8; 16] {
    std::array::from_fn(|place| b"0123456789abcdef"[(hash >> (60 - 4 * place)) as usize % 16])
}
