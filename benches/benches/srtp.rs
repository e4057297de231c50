//! SRTP: one packet of G.711 (12 and 160 octets) protected, and taken by the other side.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringback_sansio::SeededEntropy;
use ringback_srtp::{Inbound, MasterKey, Outbound, Profile};
use std::hint::black_box;

const PROFILES: [Profile; 3] = [Profile::AesCm128HmacSha1_80, Profile::AeadAes128Gcm, Profile::AeadAes256Gcm];
const LEN: usize = 172;

/// The packet with a number of its own; the source changes before its numbers are used again.
fn number(buffer: &mut [u8], count: u64) {
    buffer[..LEN].fill(0x55);
    buffer[0] = 0x80;
    buffer[2..4].copy_from_slice(&(count as u16).to_be_bytes());
}

fn own(c: &mut Criterion) {
    let mut group = c.benchmark_group("srtp");
    group.throughput(Throughput::Elements(1));
    for profile in PROFILES {
        let key = MasterKey::generate(profile, &mut SeededEntropy::new(1));
        group.bench_function(format!("protect/{profile}"), |b| {
            let (mut outbound, mut buffer, mut count) = (Outbound::new(&key), [0; 256], 0);
            b.iter(|| {
                number(&mut buffer, count);
                count += 1;
                black_box(outbound.protect_rtp(&mut buffer, LEN))
            });
        });
        group.bench_function(format!("pair/{profile}"), |b| {
            let (mut outbound, mut buffer, mut count) = (Outbound::new(&key), [0; 256], 0);
            let mut inbound = Inbound::new(std::slice::from_ref(&key)).expect("one key");
            b.iter(|| {
                number(&mut buffer, count);
                count += 1;
                let len = outbound.protect_rtp(&mut buffer, LEN).expect("fresh numbers");
                black_box(inbound.unprotect_rtp(&mut buffer[..len])).expect("genuine")
            });
        });
    }
    group.finish();
}

/// The same by the crate `libsrtp`, whose packets are vectors that it consumes.
#[cfg(feature = "peers-srtp")]
fn peers(c: &mut Criterion) {
    use libsrtp::{MasterKey as PeerKey, ProtectionProfile, RecvSession, SendSession, StreamConfig};

    let mut group = c.benchmark_group("srtp-peers");
    group.throughput(Throughput::Elements(1));
    for (profile, peer) in [
        (Profile::AesCm128HmacSha1_80, ProtectionProfile::Aes128CmHmacSha180),
        (Profile::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
    ] {
        let key = MasterKey::generate(profile, &mut SeededEntropy::new(1));
        let (octets, salt) = key.key_and_salt().split_at(profile.key_len());
        let keys = vec![PeerKey::new(octets, salt, &None)];
        let config = StreamConfig::new(keys, &peer, &peer);
        group.bench_function(format!("pair/{profile}"), |b| {
            let (mut send, mut receive) = (SendSession::new(), RecvSession::new());
            send.add_stream(None, &config).expect("a stream");
            receive.add_stream(None, &config).expect("a stream");
            let mut count = 0;
            b.iter(|| {
                let mut packet = vec![0; LEN];
                number(&mut packet, count);
                count += 1;
                let packet = send.rtp_protect(packet).expect("fresh numbers");
                black_box(receive.rtp_unprotect(packet)).expect("genuine")
            });
        });
    }
    group.finish();
}

#[cfg(not(feature = "peers-srtp"))]
fn peers(_: &mut Criterion) {}

criterion_group!(benches, own, peers);
criterion_main!(benches);
