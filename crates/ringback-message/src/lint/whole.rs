//! What the fields of a message say together.

use super::Found;
use super::scan::Fault;
use crate::header::{CSeq, Contact, Expires, From, Via};
use crate::message::Field;
use crate::{HeaderId, Message, Method, Uri};

pub(super) fn check(message: &Message, head: usize, found: &mut Found) {
    let fields = Fields::of(message, head);
    fields.counts(found);
    fields.identity(found);
    fields.body(found);
    match message.method() {
        Some(method) => fields.request(method, found),
        None => fields.response(found),
    }
}

/// What [`Message::validate`] refuses when it is there twice.
const ONCE: [HeaderId; 5] =
    [HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID, HeaderId::CSEQ, HeaderId::MAX_FORWARDS];

/// The fields of a message by what they are.
struct Fields<'a> {
    message: &'a Message,
    /// Where the header fields end: what is missing is missing there.
    head: usize,
    first: [Option<&'a Field>; 256],
}

impl<'a> Fields<'a> {
    fn of(message: &'a Message, head: usize) -> Self {
        let mut first = [None; 256];
        for field in &message.fields {
            first[field.id.index()].get_or_insert(field);
        }
        Self { message, head, first }
    }

    fn has(&self, id: HeaderId) -> bool {
        self.first[id.index()].is_some()
    }

    /// Where the value of a field stands.
    fn place(&self, id: HeaderId) -> (usize, usize) {
        self.first[id.index()]
            .map_or((self.head, 0), |field| (field.value.into(), usize::from(field.value_end - field.value)))
    }

    fn note(&self, found: &mut Found, id: HeaderId, fault: Fault) {
        let (at, length) = self.place(id);
        found.note(at, length, fault);
    }

    /// Notes a field that [`Message::validate`] needs.
    fn needed(&self, found: &mut Found, id: HeaderId) {
        if !self.has(id) {
            let fault = Fault::new(id.name(), "a message has this field").by("RFC 3261 §8.1.1");
            found.note(self.head, 0, fault.refused());
        }
    }

    fn missing(&self, found: &mut Found, id: HeaderId, what: &'static str, section: &'static str) {
        if !self.has(id) {
            found.note(self.head, 0, Fault::new(id.name(), what).by(section));
        }
    }

    /// Fields that are there twice.
    fn counts(&self, found: &mut Found) {
        for field in &self.message.fields {
            let is_first = self.first[field.id.index()].is_some_and(|first| std::ptr::eq(first, field));
            if field.id.is_single() && !is_first {
                let fault = Fault::new(field.id.name(), "this field was there before, and has one value");
                let fault = fault.by("RFC 3261 §7.3.1");
                let (at, end) = (usize::from(field.value), usize::from(field.value_end));
                found.note(at, end - at, if ONCE.contains(&field.id) { fault.refused() } else { fault });
            }
        }
    }

    /// What every message has (RFC 3261 §8.1.1, §8.2.6).
    fn identity(&self, found: &mut Found) {
        for id in [HeaderId::VIA, HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID, HeaderId::CSEQ] {
            self.needed(found, id);
        }
        let message = self.message;
        if let Some(Ok(from)) = message.first::<From<'_>>()
            && from.tag().is_none()
            && !from.params.has("tag")
        {
            let fault = Fault::new("tag-param", "From has a tag").by("RFC 3261 §8.1.1.3");
            self.note(found, HeaderId::FROM, fault.help("add `;tag=` and a token of your choice"));
        }
        if let Some(Ok(via)) = message.first::<Via<'_>>() {
            let (at, length) = self.top_via();
            let fault = Fault::new("via-branch", "").by("RFC 3261 §8.1.1.7");
            match via.branch() {
                None => {
                    let what = "the sender names the transaction by a branch";
                    found.note(
                        at,
                        length,
                        Fault { what, ..fault }.help("add `;branch=z9hG4bK` and a unique token"),
                    );
                }
                Some(branch) if !branch.starts_with("z9hG4bK") => {
                    let what = "the branch does not begin with `z9hG4bK`, as those do that name one transaction only";
                    found.note(at, length, Fault { what, ..fault });
                }
                Some("z9hG4bK") => {
                    let what = "nothing stands behind `z9hG4bK` that would tell transactions apart";
                    found.note(at, length, Fault { what, ..fault });
                }
                Some(_) => {}
            }
        }
    }

    /// Where the topmost value of Via stands.
    fn top_via(&self) -> (usize, usize) {
        let (at, _) = self.place(HeaderId::VIA);
        let top = self.message.values(HeaderId::VIA).next().unwrap_or_default();
        (at, top.len())
    }

    /// Content-Length, Content-Type and what is there (RFC 3261 §7.4, §18.3).
    fn body(&self, found: &mut Found) {
        let message = self.message;
        let there = message.received.len().saturating_sub(self.body_start());
        match message.content_length() {
            Ok(Some(said)) if said > there => {
                let fault = Fault::new("Content-Length", "the body is shorter than this");
                self.note(found, HeaderId::CONTENT_LENGTH, fault.by("RFC 3261 §18.3").refused());
            }
            Ok(Some(said)) if said < there => {
                let fault = Fault::new("Content-Length", "octets follow behind the body, which are dropped");
                self.note(found, HeaderId::CONTENT_LENGTH, fault.by("RFC 3261 §18.3"));
            }
            Ok(None) if self.came_by_stream() => {
                let fault =
                    Fault::new("Content-Length", "on a stream nothing else tells where a message ends");
                found.note(
                    self.head,
                    0,
                    fault.by("RFC 3261 §20.14").help("add `Content-Length: ` and the number of octets"),
                );
            }
            // What is no number was told of with the field.
            _ => {}
        }
        if !message.body.is_empty() && !self.has(HeaderId::CONTENT_TYPE) {
            let fault = Fault::new("Content-Type", "there is a body, and nothing says what it is");
            found.note(self.head, 0, fault.by("RFC 3261 §20.15"));
        }
    }

    fn body_start(&self) -> usize {
        match self.message.received.get(self.head..) {
            Some([b'\r', b'\n', ..]) => self.head + 2,
            Some([b'\n', ..]) => self.head + 1,
            _ => self.message.received.len(),
        }
    }

    fn came_by_stream(&self) -> bool {
        let via = self.message.first::<Via<'_>>().and_then(Result::ok);
        via.is_some_and(|via| {
            ["TCP", "TLS", "TLS-SCTP"].iter().any(|known| via.transport.eq_ignore_ascii_case(known))
        })
    }

    fn request(&self, method: &Method, found: &mut Found) {
        self.missing(found, HeaderId::MAX_FORWARDS, "a request has this field", "RFC 3261 §8.1.1.6");
        if let Some(Ok(cseq)) = self.message.first::<CSeq>()
            && cseq.method != *method
        {
            let fault = Fault::new("CSeq method", "it names another method than the request line");
            self.note(found, HeaderId::CSEQ, fault.by("RFC 3261 §8.1.1.5").refused());
        }
        // What a method demands.
        let needs: &[(&Method, HeaderId, &str)] = &[
            (&Method::INVITE, HeaderId::CONTACT, "RFC 3261 §8.1.1.8"),
            (&Method::SUBSCRIBE, HeaderId::CONTACT, "RFC 6665 §8.2.1"),
            (&Method::SUBSCRIBE, HeaderId::EVENT, "RFC 6665 §8.2.1"),
            (&Method::NOTIFY, HeaderId::EVENT, "RFC 6665 §8.2.1"),
            (&Method::NOTIFY, HeaderId::SUBSCRIPTION_STATE, "RFC 6665 §8.2.1"),
            (&Method::REFER, HeaderId::REFER_TO, "RFC 3515 §2.4.1"),
            (&Method::PRACK, HeaderId::RACK, "RFC 3262 §7.2"),
            (&Method::PUBLISH, HeaderId::EVENT, "RFC 3903 §4"),
        ];
        for (_, id, section) in needs.iter().filter(|(needing, ..)| *needing == method) {
            self.missing(found, *id, "a request of this method has this field", section);
        }
        if *method == Method::CANCEL && self.message.values(HeaderId::VIA).nth(1).is_some() {
            let fault = Fault::new("Via", "each hop cancels for itself, with one Via").by("RFC 3261 §9.1");
            self.note(found, HeaderId::VIA, fault);
        }
        if *method == Method::REGISTER {
            self.register(found);
        } else if self.message.all::<Contact<'_>>().any(|it| matches!(it, Ok(Contact::Wildcard))) {
            let fault = Fault::new("STAR", "only a registration has a Contact of `*`").by("RFC 3261 §10.2.2");
            self.note(found, HeaderId::CONTACT, fault);
        }
    }

    fn register(&self, found: &mut Found) {
        let crate::message::StartLine::Request { uri, .. } = &self.message.start else { return };
        if let Ok(Uri::Sip(sip)) = Uri::parse(self.message.span(*uri))
            && let Some(user) = sip.user()
        {
            let at = usize::from(uri.start) + if sip.is_secure() { 5 } else { 4 };
            let fault = Fault::new("Request-URI", "a registration is for a domain, not for a user of it");
            found.note(at, user.len() + 1, fault.by("RFC 3261 §10.2"));
        }
        let (mut all, mut wildcards) = (0, 0);
        for contact in self.message.all::<Contact<'_>>() {
            all += 1;
            wildcards += usize::from(matches!(contact, Ok(Contact::Wildcard)));
        }
        let zero = self.message.first::<Expires>().is_some_and(|it| it.is_ok_and(|it| it.0 == 0));
        if wildcards > 0 && (all > 1 || !zero) {
            let fault = Fault::new("STAR", "a Contact of `*` stands alone, and with an Expires of 0");
            self.note(found, HeaderId::CONTACT, fault.by("RFC 3261 §10.2.2"));
        }
    }

    fn response(&self, found: &mut Found) {
        let Some(status) = self.message.status().map(crate::StatusCode::as_u16) else { return };
        if let Some(Ok(to)) = self.message.first::<crate::header::To<'_>>()
            && status != 100
            && to.tag().is_none()
            && !to.params.has("tag")
        {
            let fault =
                Fault::new("tag-param", "To has a tag in every response but 100").by("RFC 3261 §8.2.6.2");
            self.note(found, HeaderId::TO, fault);
        }
        let needs = [
            (401, HeaderId::WWW_AUTHENTICATE, "RFC 3261 §20.44"),
            (405, HeaderId::ALLOW, "RFC 3261 §8.2.1"),
            (407, HeaderId::PROXY_AUTHENTICATE, "RFC 3261 §22.3"),
            (420, HeaderId::UNSUPPORTED, "RFC 3261 §8.2.2.3"),
            (421, HeaderId::REQUIRE, "RFC 3261 §21.4.16"),
            (422, HeaderId::MIN_SE, "RFC 4028 §6"),
            (423, HeaderId::MIN_EXPIRES, "RFC 3261 §10.3"),
            (489, HeaderId::ALLOW_EVENTS, "RFC 6665 §8.3.2"),
        ];
        for (_, id, section) in needs.into_iter().filter(|(needing, ..)| *needing == status) {
            self.missing(found, id, "a response of this status has this field", section);
        }
        let invite =
            self.message.first::<CSeq>().is_some_and(|it| it.is_ok_and(|it| it.method == Method::INVITE));
        if invite && (200..300).contains(&status) {
            let what = "a response that makes a dialog has this field";
            self.missing(found, HeaderId::CONTACT, what, "RFC 3261 §12.1.1");
        }
        if self.message.has(HeaderId::RSEQ) && !(101..200).contains(&status) {
            let fault = Fault::new("RSeq", "only provisional responses are acknowledged by PRACK");
            self.note(found, HeaderId::RSEQ, fault.by("RFC 3262 §7.1"));
        }
    }
}
