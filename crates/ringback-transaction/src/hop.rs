//! Requests that live on one hop, made from the one that they belong to: ACK to a failure, and CANCEL.

use bytes::Bytes;
use ringback_message::header::CSeq;
use ringback_message::{HeaderId, Message, Method, Request, Response};

/// The ACK to a failure (RFC 3261 §17.1.1.3): Request-URI, topmost Via, Route, From, Call-ID and the number of
/// CSeq as in the INVITE, To as in the response. `None` when the header would be too long.
pub(crate) fn ack(invite: &Bytes, response: &Response) -> Option<Bytes> {
    like(&read(invite)?, Method::ACK, response, None)
}

/// The CANCEL of an INVITE (RFC 3261 §9.1): as the ACK, but To as in the INVITE. A `reason` that cannot be a
/// header value is left out.
pub(crate) fn cancel(invite: &Bytes, reason: Option<&str>) -> Option<Bytes> {
    let invite = read(invite)?;
    let told = reason.and_then(|reason| like(&invite, Method::CANCEL, &invite, Some(reason)));
    told.or_else(|| like(&invite, Method::CANCEL, &invite, None))
}

/// What is kept is the rendered request; it is read again only for the rare ones that need it.
fn read(kept: &Bytes) -> Option<Request> {
    Message::parse(kept.clone()).ok()?.try_into().ok()
}

/// A request like the INVITE, with the To of another message.
fn like(invite: &Request, method: Method, to: &Message, reason: Option<&str>) -> Option<Bytes> {
    let via = invite.values(HeaderId::VIA).next()?;
    let number = invite.require::<CSeq>().ok()?.number;
    let mut bytes = Vec::new();
    let written = Request::write(&mut bytes, &method, invite.uri_bytes(), b"", |fields| {
        fields
            .header(HeaderId::VIA, via)
            .header(HeaderId::MAX_FORWARDS, 70u8)
            .copy(invite, HeaderId::ROUTE)
            .copy(invite, HeaderId::FROM)
            .copy(invite, HeaderId::CALL_ID)
            .with(CSeq { number, method: method.clone() })
            .copy(to, HeaderId::TO);
        if let Some(reason) = reason {
            fields.header(HeaderId::REASON, reason);
        }
    });
    written.ok().map(|()| bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::StatusCode;

    fn invite() -> Request {
        Request::builder(Method::INVITE, "sip:bob@192.0.2.4")
            .header(
                HeaderId::VIA,
                "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;rport, SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb",
            )
            .header(HeaderId::ROUTE, "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>")
            .header(HeaderId::ROUTE, "<sip:p3.example.com;lr>")
            .header(HeaderId::FROM, "Alice <sip:alice@example.com>;tag=a")
            .header(HeaderId::TO, "<sip:bob@example.com>")
            .header(HeaderId::CALL_ID, "call")
            .header(HeaderId::CSEQ, "7 INVITE")
            .header(HeaderId::CONTACT, "<sip:alice@192.0.2.1>")
            .body("text/plain", &b"hello"[..])
            .build()
            .unwrap()
    }

    fn text(bytes: Bytes) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn rule_6_the_ack_is_the_invite_with_the_to_of_the_response() {
        let invite = invite();
        let busy = invite.reply(StatusCode::BUSY_HERE, Some("b")).build().unwrap();
        assert_eq!(
            text(ack(&invite.render(), &busy).unwrap()),
            "ACK sip:bob@192.0.2.4 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;rport\r\n\
             Max-Forwards: 70\r\nRoute: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\n\
             Route: <sip:p3.example.com;lr>\r\nFrom: Alice <sip:alice@example.com>;tag=a\r\nCall-ID: call\r\n\
             CSeq: 7 ACK\r\nTo: <sip:bob@example.com>;tag=b\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn rule_13_the_cancel_is_the_invite_without_what_it_carried() {
        let reason = "SIP;cause=200;text=\"Call completed elsewhere\"";
        assert_eq!(
            text(cancel(&invite().render(), Some(reason)).unwrap()),
            "CANCEL sip:bob@192.0.2.4 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;rport\r\n\
             Max-Forwards: 70\r\nRoute: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\n\
             Route: <sip:p3.example.com;lr>\r\nFrom: Alice <sip:alice@example.com>;tag=a\r\nCall-ID: call\r\n\
             CSeq: 7 CANCEL\r\nTo: <sip:bob@example.com>\r\n\
             Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_reason_that_would_inject_a_header_is_left_out() {
        let cancel = text(cancel(&invite().render(), Some("SIP\r\nX: y")).unwrap());
        assert!(!cancel.contains("Reason") && !cancel.contains("X: y"), "{cancel}");
    }
}
