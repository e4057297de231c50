//! SDP: reading, writing, and answering an offer.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ringback_benches::{INVITE, body};
use ringback_sdp::{Codec, LocalMedia, OfferAnswer, Origin, SessionDescription};
use std::hint::black_box;

fn syntax(c: &mut Criterion) {
    let text = body(INVITE);
    c.bench_function("sdp/parse", |b| b.iter(|| SessionDescription::parse(black_box(text))));
    let description = SessionDescription::parse(text).expect("a sample");
    c.bench_function("sdp/write", |b| b.iter(|| black_box(&description).to_bytes()));
}

/// From the bytes of an offer to the bytes of the answer.
fn answer(c: &mut Criterion) {
    let text = body(INVITE);
    let origin =
        Origin { username: "bench".into(), session_id: 1, address: "192.0.2.1".parse().expect("an address") };
    let codecs = vec![Codec::pcma(), Codec::pcmu(), Codec::telephone_event()];
    let fresh = OfferAnswer::new(origin, vec![LocalMedia::audio(4000, codecs)]);
    c.bench_function("sdp/parse-answer-write", |b| {
        b.iter_batched(
            || fresh.clone(),
            |mut machine| {
                let offer = SessionDescription::parse(black_box(text)).expect("a sample");
                machine.receive_offer(&offer).expect("codecs in common");
                machine.make_answer().expect("an offer").to_bytes()
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, syntax, answer);
criterion_main!(benches);
