//! The tasks, on our own crate.

use crate::Runner;
use bytes::Bytes;
use ringback_message::header::{
    Allow, CSeq, CallId, Contact, ContentLength, ContentType, From, MaxForwards, RecordRoute, Route,
    Supported, To, Via,
};
use ringback_message::{HeaderId, Message};
use std::hint::black_box;

/// Our rows.
pub(crate) const RUNNERS: [Runner; 4] = [
    Runner { task: "T1", who: "ringback", run: index },
    Runner { task: "T2", who: "ringback", run: proxy_reads },
    Runner { task: "T3", who: "ringback", run: all_typed },
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
    for _ in 0..count {
        let message = Message::parse(black_box(message).clone()).ok()?;
        let vias = message.all::<Via<'_>>().filter(Result::is_ok).count();
        let routes = message.all::<Route<'_>>().filter(Result::is_ok).count();
        let records = message.all::<RecordRoute<'_>>().filter(Result::is_ok).count();
        let contacts = message.all::<Contact<'_>>().filter(Result::is_ok).count();
        let allowed = message.all::<Allow>().filter(Result::is_ok).count();
        let supported = message.all::<Supported<'_>>().filter(Result::is_ok).count();
        black_box((message.first::<From<'_>>().is_some(), message.first::<To<'_>>().is_some()));
        black_box((message.first::<CallId<'_>>().is_some(), message.first::<CSeq>().is_some()));
        black_box((message.first::<ContentType<'_>>().is_some(), message.first::<ContentLength>().is_some()));
        black_box(vias + routes + records + contacts + allowed + supported);
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
