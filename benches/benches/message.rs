//! The message: index, typed reads, the edits of a proxy, rendering.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringback_benches::{INVITE, SAMPLES};
use ringback_message::header::{CSeq, CallId, Contact, From, MaxForwards, RecordRoute, Route, To, Via};
use ringback_message::{HeaderId, Message, Request};
use std::hint::black_box;

/// One pass over the bytes that finds every line and names it.
fn index(c: &mut Criterion) {
    let mut group = c.benchmark_group("index");
    for (name, bytes) in SAMPLES {
        let bytes = Bytes::from_static(bytes);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(*name, |b| b.iter(|| Message::parse(black_box(bytes.clone()))));
    }
    group.finish();
}

/// What a proxy reads: the fields that place a message, and those that route it.
fn proxy_reads(c: &mut Criterion) {
    let mut group = c.benchmark_group("index-and-proxy-reads");
    for (name, bytes) in SAMPLES {
        let bytes = Bytes::from_static(bytes);
        group.bench_function(*name, |b| {
            b.iter(|| {
                let message = Message::parse(black_box(bytes.clone())).expect("a sample");
                let routing = message.validate().expect("a sample");
                black_box((routing.cseq, routing.via.branch()));
                black_box(message.first::<Route<'_>>().is_some());
                black_box(message.first::<MaxForwards>().is_some());
            });
        });
    }
    group.finish();
}

/// Every field that has a type and is there, parsed.
fn typed_reads(c: &mut Criterion) {
    let mut group = c.benchmark_group("index-and-typed-reads");
    for (name, bytes) in SAMPLES {
        let bytes = Bytes::from_static(bytes);
        group.bench_function(*name, |b| {
            b.iter(|| {
                let message = Message::parse(black_box(bytes.clone())).expect("a sample");
                let vias = message.all::<Via<'_>>().filter(Result::is_ok).count();
                let routes = message.all::<Route<'_>>().filter(Result::is_ok).count();
                let records = message.all::<RecordRoute<'_>>().filter(Result::is_ok).count();
                let contacts = message.all::<Contact<'_>>().filter(Result::is_ok).count();
                black_box((message.first::<From<'_>>().is_some(), message.first::<To<'_>>().is_some()));
                black_box((message.first::<CallId<'_>>().is_some(), message.first::<CSeq>().is_some()));
                black_box(vias + routes + records + contacts)
            });
        });
    }
    group.finish();
}

/// Via and Record-Route on top, Route off, one hop less, another Request-URI; then the bytes to send.
fn proxy_edits(c: &mut Criterion) {
    let bytes = Bytes::from_static(INVITE);
    c.bench_function("forward/index-edit-render", |b| {
        b.iter(|| {
            let mut invite = Request::try_from(Message::parse(black_box(bytes.clone())).expect("a sample"))
                .expect("a request");
            edit(&mut invite);
            black_box(invite.render())
        });
    });
    let parsed = Request::try_from(Message::parse(bytes).expect("a sample")).expect("a request");
    c.bench_function("forward/edit", |b| {
        b.iter_batched(
            || parsed.clone(),
            |mut invite| {
                edit(&mut invite);
                invite
            },
            BatchSize::SmallInput,
        );
    });
    let mut edited = parsed.clone();
    edit(&mut edited);
    c.bench_function("forward/render", |b| b.iter(|| black_box(&edited).render()));
}

fn edit(invite: &mut Request) {
    invite.pop_front(HeaderId::ROUTE);
    invite.set(HeaderId::MAX_FORWARDS, 69_u8).expect("room");
    invite.push_front(HeaderId::RECORD_ROUTE, "<sip:192.0.2.1;lr>").expect("room");
    invite.push_front(HeaderId::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK77aa01ff").expect("room");
    invite.set_uri("sip:desk14@203.0.113.140:5060").expect("a URI");
}

criterion_group!(benches, index, proxy_reads, typed_reads, proxy_edits);
criterion_main!(benches);
