//! One dialog (RFC 3261 §12): the far end of a call, and the way there.

use crate::Session;
use crate::early::Offered;
use crate::field::allows;
use bytes::Bytes;
use ringback_message::header::{CSeq, Contact, From, NameAddr, RecordRoute, To};
use ringback_message::{HeaderId, Message, Method, Request, RequestBuilder, Response, UriBuf};
use ringback_sdp::OfferAnswer;

/// More proxies than any path has.
const MOST_ROUTES: usize = 64;
/// How many ACKs are kept to be repeated: that of the last INVITE, and of the one before while copies of
/// its 2xx may still travel.
const KEPT_ACKS: usize = 2;

/// The parts of a dialog that are the same for all forks of a call.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    pub(crate) call_id: String,
    /// Our address, without tag.
    pub(crate) local: String,
    pub(crate) local_tag: String,
    /// The peer's address, without tag.
    pub(crate) remote: String,
}

/// One dialog of a call; a forked call has one for each To tag (rule 27).
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    /// `None` for peers of RFC 2543, who have none.
    pub(crate) remote_tag: Option<String>,
    /// As it stands in Route, topmost first.
    pub(crate) route_set: Vec<String>,
    pub(crate) remote_target: UriBuf,
    pub(crate) remote_cseq: Option<u32>,
    /// The session as the peer described it before it answered.
    pub(crate) preview: Option<Box<OfferAnswer>>,
    /// Whether that was reliable, so that it counts (RFC 6337 §2.2).
    pub(crate) agreed: bool,
    /// The number of the peer's last reliable response.
    pub(crate) rseq: Option<u32>,
    /// Whether the peer takes UPDATE before the call is answered.
    pub(crate) updates: bool,
    /// Whether the network does not want its media heard before the answer (RFC 5009).
    pub(crate) is_muted: bool,
    /// What was told of its media before the answer.
    pub(crate) told: Option<Box<Session>>,
    /// Whether it was agreed that we hold the peer.
    pub(crate) holds: bool,
    /// Our offer in UPDATE or PRACK that has no answer yet.
    pub(crate) offered: Option<Offered>,
    /// The wish to hold, or not, that the peer has refused before the answer, and is not asked for again.
    pub(crate) refused: Option<bool>,
    /// As bytes, for they are seldom wanted and a message takes more than its bytes.
    acks: Vec<(u32, UriBuf, Bytes)>,
}

impl Dialog {
    /// The dialog that a response to our INVITE creates. `None` without a Contact, which leaves nowhere to send
    /// to (rule 28).
    pub(crate) fn of_response(response: &Response) -> Option<Self> {
        let mut route_set = record_routes(response);
        // Rule 29: the caller sees the path from its end.
        route_set.reverse();
        Some(Self {
            remote_tag: to_tag(response).map(str::to_owned),
            route_set,
            remote_target: contact(response)?,
            remote_cseq: None,
            preview: None,
            agreed: false,
            rseq: None,
            updates: allows(response, &Method::UPDATE) == Some(true),
            is_muted: false,
            told: None,
            holds: false,
            offered: None,
            refused: None,
            acks: Vec::new(),
        })
    }

    /// The dialog that an INVITE of the peer creates, on the side that is called.
    pub(crate) fn of_request(request: &Request) -> Option<Self> {
        Some(Self {
            remote_tag: from_tag(request).map(str::to_owned),
            route_set: record_routes(request),
            remote_target: contact(request)?,
            remote_cseq: cseq(request),
            preview: None,
            agreed: false,
            rseq: None,
            updates: allows(request, &Method::UPDATE) == Some(true),
            is_muted: false,
            told: None,
            holds: false,
            offered: None,
            refused: None,
            acks: Vec::new(),
        })
    }

    /// A way to a peer that gave no Contact, only to be rid of it.
    pub(crate) fn towards(target: UriBuf, response: &Response) -> Self {
        let mut route_set = record_routes(response);
        route_set.reverse();
        Self {
            remote_tag: to_tag(response).map(str::to_owned),
            route_set,
            remote_target: target,
            remote_cseq: None,
            preview: None,
            agreed: false,
            rseq: None,
            updates: allows(response, &Method::UPDATE) == Some(true),
            is_muted: false,
            told: None,
            holds: false,
            offered: None,
            refused: None,
            acks: Vec::new(),
        }
    }

    /// Starts a request inside of the dialog and tells the URI of its next hop (§12.2.1.1, rule 20).
    pub(crate) fn request(&self, ends: &Ends, method: Method, number: u32) -> (UriBuf, RequestBuilder) {
        let target = without_headers(&self.remote_target);
        let first = self.route_set.first().and_then(|route| {
            let address = NameAddr::parse(route.as_bytes()).ok()?;
            Some((address.uri.to_owned(), address.uri.as_sip()?.is_loose_router()))
        });
        let (uri, hop, routes) = match first {
            None => (target.clone(), target, Vec::new()),
            Some((hop, true)) => (target, hop, self.route_set.clone()),
            // A strict router wants to see itself in the Request-URI, and the target as the last Route.
            Some((hop, false)) => {
                let mut routes = self.route_set[1..].to_vec();
                routes.push(format!("<{target}>"));
                let hop = without_headers(&hop);
                (hop.clone(), hop, routes)
            }
        };
        let mut builder = Request::builder(method.clone(), &uri).header(HeaderId::MAX_FORWARDS, 70u8);
        for route in &routes {
            builder = builder.header(HeaderId::ROUTE, route.as_str());
        }
        let builder = builder.header(HeaderId::FROM, format_args!("{};tag={}", ends.local, ends.local_tag));
        let builder = match &self.remote_tag {
            Some(tag) => builder.header(HeaderId::TO, format_args!("{};tag={tag}", ends.remote)),
            None => builder.header(HeaderId::TO, ends.remote.as_str()),
        };
        let builder = builder
            .header(HeaderId::CALL_ID, ends.call_id.as_str())
            .header(HeaderId::CSEQ, CSeq { number, method });
        (hop, builder)
    }

    /// Rule 30: takes the Contact of a request or 2xx that refreshes the target.
    pub(crate) fn refresh(&mut self, message: &Message) {
        if let Some(contact) = contact(message) {
            self.remote_target = contact;
        }
    }

    /// Goes on with what is known from before the answer (rule 27).
    pub(crate) fn continues(&mut self, early: &mut Self) {
        self.remote_cseq = early.remote_cseq;
        self.holds = early.holds;
        self.offered = early.offered.take();
    }

    /// Rule 31: whether a request with this number comes in order, which is remembered. Gaps are fine.
    pub(crate) fn accepts(&mut self, number: u32) -> bool {
        let in_order = self.remote_cseq.is_none_or(|last| number >= last);
        if in_order {
            self.remote_cseq = Some(number);
        }
        in_order
    }

    /// The ACK to an INVITE of ours, if its 2xx was acknowledged before.
    pub(crate) fn ack(&self, number: u32) -> Option<(UriBuf, Request)> {
        let mut acks = self.acks.iter();
        let (_, hop, ack) = acks.find(|(of, _, _)| *of == number)?;
        let ack = Request::try_from(Message::parse(ack.clone()).ok()?).ok()?;
        Some((hop.clone(), ack))
    }

    /// Keeps an ACK, to be repeated whenever its 2xx is.
    pub(crate) fn keep_ack(&mut self, number: u32, hop: UriBuf, ack: &Request) {
        if self.acks.len() >= KEPT_ACKS {
            self.acks.remove(0);
        }
        self.acks.reserve_exact(1);
        self.acks.push((number, hop, ack.render()));
    }
}

/// The tag of To.
pub(crate) fn to_tag(message: &Message) -> Option<&str> {
    message.first::<To<'_>>()?.ok()?.tag()
}

/// The tag of From.
pub(crate) fn from_tag(message: &Message) -> Option<&str> {
    message.first::<From<'_>>()?.ok()?.tag()
}

/// The number of CSeq.
pub(crate) fn cseq(message: &Message) -> Option<u32> {
    message.first::<CSeq>()?.ok().map(|cseq| cseq.number)
}

/// The URI of the first Contact.
fn contact(message: &Message) -> Option<UriBuf> {
    match message.first::<Contact<'_>>()?.ok()? {
        Contact::Address(address) => Some(address.uri.to_owned()),
        Contact::Wildcard => None,
    }
}

/// The rows of Record-Route, flattened, as they stand.
fn record_routes(message: &Message) -> Vec<String> {
    message
        .all::<RecordRoute<'_>>()
        .flatten()
        .take(MOST_ROUTES)
        .map(|route| {
            let text = route.0.to_string();
            text.replace(['\r', '\n', '\0'], " ")
        })
        .collect()
}

/// What may stand in a start line or a Route (rule 83).
fn without_headers(uri: &UriBuf) -> UriBuf {
    uri.as_sip().map_or_else(|| uri.clone(), |sip| sip.as_request_uri())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::StatusCode;

    fn ends() -> Ends {
        Ends {
            call_id: "c".into(),
            local: "<sip:alice@example.com>".into(),
            local_tag: "a".into(),
            remote: "<sip:bob@example.com>".into(),
        }
    }

    fn invite() -> RequestBuilder {
        Request::builder(Method::INVITE, "sip:bob@example.com")
            .header(HeaderId::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa")
            .header(HeaderId::FROM, "Alice <sip:alice@example.com>;tag=a")
            .header(HeaderId::TO, "<sip:bob@example.com>")
            .header(HeaderId::CALL_ID, "c")
            .header(HeaderId::CSEQ, "7 INVITE")
            .header(HeaderId::RECORD_ROUTE, "<sip:p3;lr>, <sip:p2;lr>")
            .header(HeaderId::RECORD_ROUTE, "<sip:p1;lr>")
            .header(HeaderId::CONTACT, "<sip:alice@192.0.2.1?Subject=x>")
    }

    fn answer() -> Response {
        let invite = invite().build().unwrap();
        let answer = invite.reply(StatusCode::OK, Some("b")).copy(&invite, HeaderId::RECORD_ROUTE);
        answer.header(HeaderId::CONTACT, "<sip:bob@192.0.2.2>").build().unwrap()
    }

    #[test]
    fn rule_29_the_caller_reverses_the_recorded_route_and_the_callee_does_not() {
        let caller = Dialog::of_response(&answer()).unwrap();
        assert_eq!(caller.route_set, ["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>"]);
        let callee = Dialog::of_request(&invite().build().unwrap()).unwrap();
        assert_eq!(callee.route_set, ["<sip:p3;lr>", "<sip:p2;lr>", "<sip:p1;lr>"]);
    }

    #[test]
    fn requests_go_through_loose_routers_to_the_remote_target() {
        let (hop, bye) = Dialog::of_response(&answer()).unwrap().request(&ends(), Method::BYE, 8);
        let bye = bye.build().unwrap();
        assert_eq!(hop.as_str(), "sip:p1;lr");
        assert_eq!(bye.uri_bytes(), b"sip:bob@192.0.2.2");
        assert_eq!(bye.values(HeaderId::ROUTE).count(), 3);
        assert_eq!(to_tag(&bye), Some("b"));
    }

    #[test]
    fn rule_20_a_strict_router_is_put_into_the_request_uri() {
        let mut dialog = Dialog::of_request(&invite().build().unwrap()).unwrap();
        dialog.route_set[0] = "<sip:p3>".into();
        let (hop, bye) = dialog.request(&ends(), Method::BYE, 8);
        let bye = bye.build().unwrap();
        assert_eq!((hop.as_str(), bye.uri_bytes()), ("sip:p3", &b"sip:p3"[..]));
        let routes: Vec<_> = bye.values(HeaderId::ROUTE).collect();
        assert_eq!(routes, [&b"<sip:p2;lr>"[..], b"<sip:p1;lr>", b"<sip:alice@192.0.2.1>"]);
    }

    #[test]
    fn rule_31_lower_numbers_are_refused_and_gaps_are_not() {
        let mut dialog = Dialog::of_request(&invite().build().unwrap()).unwrap();
        assert!(!dialog.accepts(6));
        assert!(dialog.accepts(100));
        assert!(!dialog.accepts(99));
    }

    #[test]
    fn rule_28_without_a_contact_there_is_no_dialog() {
        let mut answer = answer();
        answer.remove(HeaderId::CONTACT);
        assert!(Dialog::of_response(&answer).is_none());
    }
}
