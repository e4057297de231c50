//! What converting a packet of a relayed call costs beside its codecs alone: 20 ms of a voice of sorts.

use criterion::{Criterion, criterion_group, criterion_main};
use ringback_media::{AudioCodec, G722, Law, Opus};
use ringback_relay::{Component, Expected, MAX_GROWTH, RelayStream, Side, SideFormats};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A gliding sawtooth without its edges.
fn voice(rate: u32, seconds: u32) -> Vec<i16> {
    let mut phase = 0.0;
    (0..rate * seconds)
        .map(|n| {
            phase += (140.0 + 25.0 * (f64::from(n) / f64::from(rate) * 2.0).sin()) / f64::from(rate);
            let harmonics =
                (1..14).map(|k| (phase * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k));
            (harmonics.sum::<f64>() * 6_000.0) as i16
        })
        .collect()
}

fn side(codec: &dyn AudioCodec) -> SideFormats {
    let formats = vec![codec.description()];
    SideFormats { sends: formats.clone(), takes: formats, ptime: None }
}

fn transcode(criterion: &mut Criterion) {
    for (name, from, to, rate) in [
        ("opus to pcma", &Opus::default() as &dyn AudioCodec, &Law::A as &dyn AudioCodec, 8_000),
        ("pcmu to opus", &Law::Mu, &Opus::default(), 8_000),
        ("g722 to opus", &G722, &Opus::default(), 16_000),
        ("opus to g722", &Opus::default(), &G722, 16_000),
        ("pcmu to pcma", &Law::Mu, &Law::A, 8_000),
    ] {
        let mut encoder = from.encoder(rate, &from.description());
        let payloads: Vec<Vec<u8>> = voice(rate, 4)
            .chunks(rate as usize / 50)
            .map(|frame| {
                let mut payload = Vec::new();
                encoder.encode(frame, &mut payload);
                payload
            })
            .collect();
        let mut group = criterion.benchmark_group(name);
        group.bench_function("codecs alone", |bencher| {
            let (mut decoder, mut encoder) = (from.decoder(rate), to.encoder(rate, &to.description()));
            let (mut samples, mut out) = (Vec::new(), Vec::new());
            let mut next = payloads.iter().cycle();
            bencher.iter(|| {
                samples.clear();
                out.clear();
                let payload = next.next().expect("it never ends");
                decoder.decode(payload, &mut samples).expect("a payload");
                encoder.encode(&samples, &mut out);
                black_box(out.len())
            });
        });
        group.bench_function("relayed", |bencher| {
            let now = Instant::now();
            let mut stream = RelayStream::new(now, Duration::from_secs(60));
            let at = |host| SocketAddr::from(([192, 0, 2, host], 4_000));
            for (own, host) in [(Side::Caller, 1), (Side::Callee, 2)] {
                stream.expect(now, own, Expected { rtp: Some(at(host)), ..Expected::default() });
            }
            stream.convert(now, [side(from), side(to)]);
            stream.convert_here();
            let (step, number) = (from.description().clock_rate() / 50, from.description().payload_type());
            let mut buffer = vec![0; 2_048 + MAX_GROWTH];
            let mut next = payloads.iter().cycle().zip(0u32..);
            bencher.iter(|| {
                let (payload, at_packet) = next.next().expect("it never ends");
                let [.., s0, s1] = at_packet.to_be_bytes();
                let [t0, t1, t2, t3] = at_packet.wrapping_mul(step).to_be_bytes();
                buffer[..12].copy_from_slice(&[0x80, number, s0, s1, t0, t1, t2, t3, 0, 0, 0, 7]);
                buffer[12..12 + payload.len()].copy_from_slice(payload);
                let length = 12 + payload.len();
                let taken = stream.receive(now, Side::Caller, Component::Rtp, at(1), &mut buffer, length);
                assert_eq!(taken, Ok((at(2), 0)));
                while let Some(length) = stream.poll_converted(Side::Caller, &mut buffer) {
                    black_box(length);
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, transcode);
criterion_main!(benches);
