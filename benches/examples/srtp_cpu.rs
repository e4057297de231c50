//! What SRTP costs in processor time, on a machine that has other work as well: nanoseconds of the thread for a packet of
//! 172 octets protected and taken, the least of several rounds in turns.
//!
//! `cargo run --profile bench -p ringback-benches --features peers-srtp --example srtp_cpu`

#![allow(clippy::print_stdout, reason = "it prints its table")]

use nix::time::{ClockId, clock_gettime};
use ringback_sansio::SeededEntropy;
use ringback_srtp::{Inbound, MasterKey, Outbound, Profile};

const LEN: usize = 172;
const PACKETS: u32 = 40_000;
const ROUNDS: usize = 25;

/// Nanoseconds that this thread was on a processor.
fn spent() -> u64 {
    let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock of this thread");
    spent.tv_sec() as u64 * 1_000_000_000 + spent.tv_nsec() as u64
}

fn packet(buffer: &mut [u8], count: u32) {
    buffer[..LEN].fill(0x55);
    buffer[0] = 0x80;
    buffer[2..4].copy_from_slice(&(count as u16).to_be_bytes());
}

fn own(key: &MasterKey) -> u64 {
    let (mut outbound, mut inbound) =
        (Outbound::new(key), Inbound::new(std::slice::from_ref(key)).expect("one key"));
    let mut buffer = [0; 256];
    let begin = spent();
    for count in 0..PACKETS {
        packet(&mut buffer, count);
        let len = outbound.protect_rtp(&mut buffer, LEN).expect("fresh numbers");
        inbound.unprotect_rtp(&mut buffer[..len]).expect("genuine");
    }
    (spent() - begin) / u64::from(PACKETS)
}

#[cfg(feature = "peers-srtp")]
fn peer(key: &MasterKey) -> Option<u64> {
    use libsrtp::{MasterKey as PeerKey, ProtectionProfile, RecvSession, SendSession, StreamConfig};

    let profile = match key.profile() {
        Profile::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha180,
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        _ => return None,
    };
    let (octets, salt) = key.key_and_salt().split_at(key.profile().key_len());
    let config = StreamConfig::new(vec![PeerKey::new(octets, salt, &None)], &profile, &profile);
    let (mut send, mut receive) = (SendSession::new(), RecvSession::new());
    send.add_stream(None, &config).ok()?;
    receive.add_stream(None, &config).ok()?;
    let begin = spent();
    for count in 0..PACKETS {
        let mut plain = vec![0; LEN];
        packet(&mut plain, count);
        let protected = send.rtp_protect(plain).ok()?;
        receive.rtp_unprotect(protected).ok()?;
    }
    Some((spent() - begin) / u64::from(PACKETS))
}

#[cfg(not(feature = "peers-srtp"))]
fn peer(_: &MasterKey) -> Option<u64> {
    None
}

fn main() {
    for profile in [Profile::AesCm128HmacSha1_80, Profile::AeadAes128Gcm, Profile::AeadAes256Gcm] {
        let key = MasterKey::generate(profile, &mut SeededEntropy::new(1));
        let rounds: Vec<_> = (0..ROUNDS).map(|_| (own(&key), peer(&key))).collect();
        let ours = rounds.iter().map(|(own, _)| *own).min().unwrap_or_default();
        let theirs = rounds.iter().filter_map(|(_, peer)| *peer).min();
        println!("{profile}: {ours} ns, libsrtp (crate) {theirs:?} ns");
    }
}
