//! The tasks, on our own crate.

use crate::Runner;
use bytes::Bytes;
use ringback_message::header::{
    Accept, Allow, AllowEvents, Authorization, CSeq, CallId, Contact, ContentLength, ContentType, Date,
    Diversion, Expires, From, Header, HistoryInfo, MaxForwards, MinSe, NameAddr, PAssertedIdentity, Path,
    Privacy, ProxyAuthorization, Reason, RecordRoute, Require, Route, Server, SessionExpires, Supported, To,
    UserAgent, Via,
};
use ringback_message::{HeaderId, List, Message, Request, Response};
use std::hint::black_box;

/// Our rows.
pub(crate) const RUNNERS: [Runner; 6] = [
    Runner { task: "T1", who: "ringback", run: index },
    Runner { task: "T2", who: "ringback", run: proxy_reads },
    Runner { task: "T3", who: "ringback", run: all_typed },
    Runner { task: "T4", who: "ringback", run: serialize },
    Runner { task: "T4", who: "ringback, indexed", run: build },
    Runner { task: "T5", who: "ringback", run: forward },
];

/// What a task is.
pub(crate) fn about(task: &str) -> &'static str {
    match task {
        "T1" => "index: start line, every line found and its name recognised",
        "T2" => {
            "what a proxy reads: validated, top Via, tags, Call-ID, CSeq, Request-URI, Max-Forwards, top Route"
        }
        "T3" => "every field that has a type, parsed",
        "T4" => "written from values that have a type, those of fields without one as text",
        _ => "a proxy hop: parse, Via and Record-Route on top, Max-Forwards less one, emit",
    }
}

fn index(message: &Bytes, count: u32) -> Option<()> {
    for _ in 0..count {
        black_box(Message::parse(black_box(message).clone()).ok()?);
    }
    Some(())
}

fn proxy_reads(message: &Bytes, count: u32) -> Option<()> {
    for _ in 0..count {
        let message = Message::parse(black_box(message).clone()).ok()?;
        let routing = message.validate().ok()?;
        black_box((routing.via.branch(), routing.from_tag, routing.to_tag, routing.call_id, &routing.cseq));
        black_box(message.first::<Route<'_>>().is_some_and(|route| route.is_ok()));
        black_box(message.first::<MaxForwards>().is_some_and(|hops| hops.is_ok()));
        black_box(&routing.uri);
    }
    Some(())
}

fn all_typed(message: &Bytes, count: u32) -> Option<()> {
    macro_rules! parse {
        ($field:expr, $value:expr, $($id:ident $type:ty)*) => {
            match $field {
                $(HeaderId::$id => drop(black_box(<$type>::parse($value).ok()?)),)*
                _ => {}
            }
        };
    }
    for _ in 0..count {
        let message = Message::parse(black_box(message).clone()).ok()?;
        for field in message.fields() {
            for value in field.values() {
                parse!(field.id, value,
                    VIA Via<'_> FROM From<'_> TO To<'_> CALL_ID CallId<'_> CSEQ CSeq
                    MAX_FORWARDS MaxForwards CONTACT Contact<'_> ROUTE Route<'_>
                    RECORD_ROUTE RecordRoute<'_> ALLOW Allow SUPPORTED Supported<'_>
                    REQUIRE Require<'_> SESSION_EXPIRES SessionExpires<'_> MIN_SE MinSe<'_>
                    EXPIRES Expires USER_AGENT UserAgent<'_> SERVER Server<'_>
                    CONTENT_TYPE ContentType<'_> CONTENT_LENGTH ContentLength
                    P_ASSERTED_IDENTITY PAssertedIdentity<'_> REASON Reason<'_>
                    AUTHORIZATION Authorization<'_> PROXY_AUTHORIZATION ProxyAuthorization<'_>
                    ACCEPT Accept<'_> DATE Date DIVERSION Diversion<'_> HISTORY_INFO HistoryInfo<'_>
                    PRIVACY Privacy<'_> ALLOW_EVENTS AllowEvents<'_> PATH Path<'_>
                );
            }
        }
    }
    Some(())
}

/// A field of a message, understood.
enum Typed<'a> {
    Via(Via<'a>),
    Address(NameAddr<'a>),
    Contact(Contact<'a>),
    CallId(CallId<'a>),
    CSeq(CSeq),
    Number(u32),
    ContentType(ContentType<'a>),
    Allow(Vec<Allow>),
    Supported(Vec<Supported<'a>>),
    Text(&'a [u8]),
}

fn typed<'a>(id: HeaderId, value: &'a [u8]) -> Option<Typed<'a>> {
    fn list<'a, H: Header<'a>>(value: &'a [u8]) -> Option<Vec<H>> {
        value.split(|byte| *byte == b',').map(|element| H::parse(element).ok()).collect()
    }
    Some(match id {
        HeaderId::VIA => Typed::Via(Via::parse(value).ok()?),
        HeaderId::FROM | HeaderId::TO | HeaderId::ROUTE | HeaderId::RECORD_ROUTE => {
            Typed::Address(NameAddr::parse(value).ok()?)
        }
        HeaderId::CONTACT => Typed::Contact(Contact::parse(value).ok()?),
        HeaderId::CALL_ID => Typed::CallId(CallId::parse(value).ok()?),
        HeaderId::CSEQ => Typed::CSeq(CSeq::parse(value).ok()?),
        HeaderId::MAX_FORWARDS => Typed::Number(MaxForwards::parse(value).ok()?.0.into()),
        HeaderId::EXPIRES => Typed::Number(Expires::parse(value).ok()?.0),
        HeaderId::CONTENT_TYPE => Typed::ContentType(ContentType::parse(value).ok()?),
        HeaderId::ALLOW => Typed::Allow(list(value)?),
        HeaderId::SUPPORTED => Typed::Supported(list(value)?),
        _ => Typed::Text(value),
    })
}

/// The fields of a message in the types they have.
fn typed_fields(message: &Message) -> Option<Vec<(HeaderId, Typed<'_>)>> {
    message
        .fields()
        .filter(|field| !matches!(field.id, HeaderId::CONTENT_LENGTH | HeaderId::OTHER))
        .map(|field| Some((field.id, typed(field.id, field.value)?)))
        .collect()
}

/// Adds every field to a builder or writer.
macro_rules! add {
    ($out:expr, $fields:expr, $add:ident) => {
        for (id, value) in black_box($fields) {
            match value {
                Typed::Via(value) => $add!($out, *id, value),
                Typed::Address(value) => $add!($out, *id, value),
                Typed::Contact(value) => $add!($out, *id, value),
                Typed::CallId(value) => $add!($out, *id, value),
                Typed::CSeq(value) => $add!($out, *id, value),
                Typed::Number(value) => $add!($out, *id, *value),
                Typed::ContentType(value) => $add!($out, *id, value),
                Typed::Allow(values) => $add!($out, *id, List(values)),
                Typed::Supported(values) => $add!($out, *id, List(values)),
                Typed::Text(value) => $add!($out, *id, *value),
            }
        }
    };
}

macro_rules! write {
    ($out:expr, $id:expr, $value:expr) => {{
        $out.header($id, $value);
    }};
}

macro_rules! build {
    ($out:expr, $id:expr, $value:expr) => {
        $out = $out.header($id, $value)
    };
}

fn serialize(message: &Bytes, count: u32) -> Option<()> {
    let message = Message::parse(message.clone()).ok()?;
    let fields = typed_fields(&message)?;
    let request = Request::try_from(message.clone());
    let mut bytes = Vec::new();
    for _ in 0..count {
        bytes.clear();
        let written = match &request {
            Ok(request) => {
                Request::write(&mut bytes, request.method(), request.uri_bytes(), message.body(), |out| {
                    add!(out, &fields, write);
                })
            }
            Err(response) => Response::write(&mut bytes, response.status()?, message.body(), |out| {
                add!(out, &fields, write);
            }),
        };
        written.ok()?;
        black_box(&bytes);
    }
    Some(())
}

/// The same as a message that can be asked and changed.
fn build(message: &Bytes, count: u32) -> Option<()> {
    let message = Message::parse(message.clone()).ok()?;
    let fields = typed_fields(&message)?;
    let request = Request::try_from(message.clone());
    for _ in 0..count {
        let body = message.body().clone();
        match &request {
            Ok(request) => {
                let mut out = Request::builder(request.method().clone(), request.uri_bytes());
                add!(out, &fields, build);
                black_box(out.content(body).build().ok()?);
            }
            Err(response) => {
                let mut out = Response::builder(response.status()?);
                add!(out, &fields, build);
                black_box(out.content(body).build().ok()?);
            }
        }
    }
    Some(())
}

fn forward(message: &Bytes, count: u32) -> Option<()> {
    for _ in 0..count {
        let mut message = Message::parse(black_box(message).clone()).ok()?;
        let hops = message.first::<MaxForwards>().map_or(Some(70), |hops| hops.ok().map(|hops| hops.0))?;
        message.set(HeaderId::MAX_FORWARDS, hops.saturating_sub(1)).ok()?;
        message.push_front(HeaderId::RECORD_ROUTE, "<sip:192.0.2.1;lr>").ok()?;
        message.push_front(HeaderId::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK77aa01ff").ok()?;
        black_box(message.render());
    }
    Some(())
}
