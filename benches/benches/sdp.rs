//! SDP: reading, writing, and answering an offer.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ringback_benches::{AUDIO_SDP, INVITE, WEBRTC_SDP, body};
use ringback_sdp::{Codec, Connection, LocalMedia, OfferAnswer, Origin, SessionDescription};
use std::hint::black_box;
use std::net::Ipv4Addr;

fn syntax(c: &mut Criterion) {
    let text = body(INVITE);
    c.bench_function("sdp/parse", |b| b.iter(|| SessionDescription::parse(black_box(text))));
    for (name, text) in [("audio", AUDIO_SDP), ("webrtc", WEBRTC_SDP)] {
        c.bench_function(&format!("sdp/parse/{name}"), |b| {
            b.iter(|| SessionDescription::parse(black_box(text)))
        });
        c.bench_function(&format!("sdp/relay/{name}"), |b| b.iter(|| relay(black_box(text))));
    }
    let description = SessionDescription::parse(text).expect("a sample");
    c.bench_function("sdp/write", |b| b.iter(|| black_box(&description).to_bytes()));
}

/// What a relay of media does: reads, puts its own address and ports in, writes.
fn relay(text: &[u8]) -> Vec<u8> {
    let mut description = SessionDescription::parse(text).expect("a sample");
    let ours = Connection::new(Ipv4Addr::new(192, 0, 2, 99).into());
    if let Some(connection) = &mut description.connection {
        connection.clone_from(&ours);
    }
    for media in &mut description.media {
        media.connections.iter_mut().for_each(|connection| connection.clone_from(&ours));
        media.port = 40_000;
    }
    description.to_bytes()
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
