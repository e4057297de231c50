//! What a proxy remembers of the dialog of a relayed call, so that it can end the call in the place of an end that has died
//! (RFC 3261 §12.2.1.1, §15.1.1).

use ringback_message::header::{CSeq, Contact, RecordRoute};
use ringback_message::{HeaderId, Message, Method, Request};
use ringback_proxy::Ownership;
use ringback_relay::Side;

/// Routes of a dialog; one with more is not ended by us.
const MAX_ROUTES: usize = 16;

/// A dialog, as the requests and responses that pass tell of it.
#[derive(Debug, Default)]
pub(super) struct Dialog {
    /// From and To of the INVITE that was answered.
    ends: [Box<[u8]>; 2],
    /// Where requests for each side go in the end: the URI of its Contact.
    targets: [Option<Box<str>>; 2],
    /// The number of the last request of each side.
    numbers: [u32; 2],
    /// Record-Route of the answer, from the callee to the caller, and the place of the first and of the last of ours.
    routes: Vec<Box<[u8]>>,
    own: Option<(usize, usize)>,
}

impl Dialog {
    /// A request of a side passes.
    pub(super) fn requested(&mut self, side: Side, request: &Message) {
        let Some(Ok(CSeq { number, method })) = request.first::<CSeq>() else { return };
        if let Some(last) = self.numbers.get_mut(side.index()) {
            *last = number.max(*last);
        }
        self.refresh(side, &method, request);
    }

    /// A success that a side answered a request with.
    pub(super) fn answered(&mut self, side: Side, response: &Message) {
        if let Some(Ok(CSeq { method, .. })) = response.first::<CSeq>() {
            self.refresh(side, &method, response);
        }
    }

    /// The first success that the callee answered the INVITE with.
    pub(super) fn established(&mut self, response: &Message, ownership: &Ownership) {
        let value = |id| response.values(id).next().unwrap_or_default().into();
        self.ends = [value(HeaderId::FROM), value(HeaderId::TO)];
        let routes = response.values(HeaderId::RECORD_ROUTE).take(MAX_ROUTES + 1).map(Into::into);
        self.routes = routes.collect();
        let is_own = |route: Result<RecordRoute<'_>, _>| {
            route.is_ok_and(|route| route.uri.as_sip().is_some_and(|uri| ownership.is_me(uri)))
        };
        let own = || response.all::<RecordRoute<'_>>().map(is_own);
        self.own =
            own().position(|is| is).zip(own().enumerate().filter(|(_, is)| *is).map(|(at, _)| at).last());
    }

    /// RFC 3261 §12.2: what is said in these may move a side elsewhere.
    fn refresh(&mut self, side: Side, method: &Method, message: &Message) {
        if !matches!(*method, Method::INVITE | Method::UPDATE) {
            return;
        }
        if let Some(Ok(Contact::Address(contact))) = message.first::<Contact<'_>>()
            && let Some(target) = self.targets.get_mut(side.index())
        {
            *target = Some(contact.uri.as_str().into());
        }
    }

    /// The BYE for a side, as the other one would send it; nothing where too little is known.
    pub(super) fn bye(&self, to: Side, call_id: &[u8], reason: &str) -> Option<Request> {
        let [caller, callee] = &self.ends;
        let (first, last) = self.own.filter(|_| self.routes.len() <= MAX_ROUTES)?;
        let (from, towards) = match to {
            Side::Callee => (caller, callee),
            Side::Caller => (callee, caller),
        };
        let number = self.numbers.get(to.other().index())?.checked_add(1)?;
        let target = self.targets.get(to.index())?.as_deref()?;
        let request = Request::builder(Method::BYE, target)
            .header(HeaderId::MAX_FORWARDS, 70u8)
            .header(HeaderId::FROM, text(from)?)
            .header(HeaderId::TO, text(towards)?)
            .header(HeaderId::CALL_ID, text(call_id)?)
            .header(HeaderId::CSEQ, CSeq { number, method: Method::BYE })
            .header(HeaderId::REASON, reason);
        // Each side's routes, from ours on: as a request of the other side comes to us.
        let routes: Vec<&Box<[u8]>> = match to {
            Side::Caller => self.routes.iter().skip(first).collect(),
            Side::Callee => self.routes.iter().take(last + 1).rev().collect(),
        };
        let request = routes
            .into_iter()
            .try_fold(request, |request, route| Some(request.header(HeaderId::ROUTE, text(route)?)));
        request?.build().ok()
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(start: &str, cseq: &str, more: &str) -> Message {
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=a\r\n\
             To: <sip:bob@example.com>;tag=b\r\nCall-ID: c\r\nCSeq: {cseq}\r\n{more}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text).unwrap()
    }

    fn rows(request: &Request, id: HeaderId) -> Vec<String> {
        request.values(id).map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
    }

    #[test]
    fn each_side_is_told_by_the_way_that_the_other_would_take() {
        let ownership = Ownership::new(["192.0.2.9:5060".parse().unwrap()], ["example.com"]);
        let mut dialog = Dialog::default();
        dialog.requested(
            Side::Caller,
            &message("INVITE sip:bob@example.com SIP/2.0", "7 INVITE", "Contact: <sip:a@192.0.2.1>\r\n"),
        );
        let ok = message(
            "SIP/2.0 200 OK",
            "7 INVITE",
            "Contact: <sip:b@192.0.2.2>\r\nRecord-Route: <sip:far.example.net;lr>, <sip:192.0.2.9;lr;x=1>\r\n\
             Record-Route: <sip:192.0.2.9;lr;x=2>\r\nRecord-Route: <sip:near.example.net;lr>\r\n",
        );
        dialog.answered(Side::Callee, &ok);
        assert!(dialog.bye(Side::Callee, b"c", "x").is_none(), "it is not known whose routes they are");
        dialog.established(&ok, &ownership);
        let bye = dialog.bye(Side::Callee, b"c", "Q.850;cause=102").unwrap();
        assert_eq!(
            (bye.uri_bytes(), rows(&bye, HeaderId::CSEQ)),
            (&b"sip:b@192.0.2.2"[..], vec!["8 BYE".to_owned()])
        );
        assert_eq!(
            rows(&bye, HeaderId::ROUTE),
            ["<sip:192.0.2.9;lr;x=2>", "<sip:192.0.2.9;lr;x=1>", "<sip:far.example.net;lr>"]
        );
        assert_eq!(rows(&bye, HeaderId::FROM), ["<sip:alice@example.com>;tag=a"]);
        // The callee said something himself, and has moved.
        dialog.requested(
            Side::Callee,
            &message("UPDATE sip:a@192.0.2.1 SIP/2.0", "41 UPDATE", "Contact: <sip:b@192.0.2.3>\r\n"),
        );
        let bye = dialog.bye(Side::Caller, b"c", "Q.850;cause=102").unwrap();
        assert_eq!(
            (bye.uri_bytes(), rows(&bye, HeaderId::CSEQ)),
            (&b"sip:a@192.0.2.1"[..], vec!["42 BYE".to_owned()])
        );
        assert_eq!(
            rows(&bye, HeaderId::ROUTE),
            ["<sip:192.0.2.9;lr;x=1>", "<sip:192.0.2.9;lr;x=2>", "<sip:near.example.net;lr>"]
        );
        assert_eq!(rows(&bye, HeaderId::TO), ["<sip:alice@example.com>;tag=a"]);
        assert_eq!(dialog.bye(Side::Callee, b"c", "x").unwrap().uri_bytes(), b"sip:b@192.0.2.3");
    }
}
