//! The two requests that the layer makes by itself: ACK to a refusal, and CANCEL.

use ringback_message::{HeaderId, InvalidValue, Method, Request, Response};

/// The ACK for a final response other than 2xx (RFC 3261 §17.1.1.3; rule 6).
pub(crate) fn acknowledge(invite: &Request, response: &Response) -> Result<Request, InvalidValue> {
    follow(invite, Method::ACK, response)
}

/// The CANCEL of an INVITE (RFC 3261 §9.1; rule 13): everything as there, To without a tag of ours.
pub(crate) fn cancel(invite: &Request, reason: Option<&str>) -> Result<Request, InvalidValue> {
    let mut cancel = follow(invite, Method::CANCEL, invite)?;
    if let Some(reason) = reason {
        cancel.push(HeaderId::REASON, reason)?;
    }
    Ok(cancel)
}

/// A request that shares Request-URI, topmost Via, Route, From, Call-ID and CSeq number with an INVITE, and takes
/// To from `to`.
fn follow(invite: &Request, method: Method, to: &ringback_message::Message) -> Result<Request, InvalidValue> {
    let via = invite.values(HeaderId::VIA).next().unwrap_or_default();
    let number = invite.require::<ringback_message::header::CSeq>().map_or(1, |cseq| cseq.number);
    Request::builder(method.clone(), invite.uri_bytes())
        .header(HeaderId::VIA, via)
        .header(HeaderId::MAX_FORWARDS, 70u8)
        .copy(invite, HeaderId::ROUTE)
        .copy(invite, HeaderId::FROM)
        .copy(to, HeaderId::TO)
        .copy(invite, HeaderId::CALL_ID)
        .header(HeaderId::CSEQ, format_args!("{number} {method}"))
        .build()
}
