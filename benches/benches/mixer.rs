//! Conferences: a period of 20 ms at 16 kHz, mixed for all parties, without their coders.

use criterion::{Criterion, criterion_group, criterion_main};
use ringback_media::{AudioSource, Mixer};
use std::hint::black_box;

const FRAME: usize = 320;

fn mixer(c: &mut Criterion) {
    let mut group = c.benchmark_group("mixer");
    for parties in [3_u32, 32, 100] {
        group.bench_function(format!("{parties} parties"), |b| {
            let mut mixer = Mixer::new(FRAME);
            let keys: Vec<_> = (0..parties).map(|_| mixer.join()).collect();
            let frames: Vec<[i16; FRAME]> = (0..parties)
                .map(|n| {
                    let mut frame = [0; FRAME];
                    AudioSource::tone(200.0 + 31.0 * f64::from(n), -25.0).fill(16_000, &mut frame);
                    frame
                })
                .collect();
            let mut out = [0; FRAME];
            b.iter(|| {
                mixer.begin();
                for (key, frame) in keys.iter().zip(&frames) {
                    mixer.hear(*key, black_box(frame));
                }
                mixer.mix();
                for key in &keys {
                    mixer.say(*key, &mut out);
                    black_box(&out);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, mixer);
criterion_main!(benches);
