//! What holds for every packet, key and profile.

use proptest::prelude::*;
use ringback_sansio::SeededEntropy;
use ringback_srtp::{Inbound, KeyError, MAX_SOURCES, MasterKey, Outbound, Profile, Refused};

fn rtp(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, 0, 0, 0, 0, 0];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn rtcp(ssrc: u32, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(rest);
    packet
}

fn key(profile: Profile, seed: u64) -> MasterKey {
    MasterKey::generate(profile, &mut SeededEntropy::new(seed))
}

fn pair(profile: Profile) -> (Outbound, Inbound) {
    let key = key(profile, 1);
    (Outbound::new(&key), Inbound::new(&[key]).expect("one key"))
}

fn protect(outbound: &mut Outbound, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + outbound.rtp_overhead(), 0);
    outbound.protect_rtp(&mut buffer, packet.len()).map(|len| buffer[..len].to_vec())
}

fn profiles() -> impl Strategy<Value = Profile> {
    proptest::sample::select(Profile::ALL.to_vec())
}

proptest! {
    #[test]
    fn what_is_protected_comes_back(
        profile in profiles(), ssrc: u32, first: u16, mki in proptest::collection::vec(any::<u8>(), 0..=8),
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..20),
    ) {
        let mut key = key(profile, ssrc.into());
        if !mki.is_empty() {
            key = key.with_mki(&mki).expect("short enough");
        }
        let (mut outbound, mut inbound) = (Outbound::new(&key), Inbound::new(&[key]).expect("one key"));
        for (at, payload) in payloads.iter().enumerate() {
            let plain = rtp(first.wrapping_add(at as u16), ssrc, payload);
            let mut packet = protect(&mut outbound, &plain).expect("protected");
            prop_assert_eq!(packet.len(), plain.len() + outbound.rtp_overhead());
            prop_assert_eq!(&packet[..12], &plain[..12]);
            let len = inbound.unprotect_rtp(&mut packet).expect("genuine");
            prop_assert_eq!(&packet[..len], &plain[..]);

            let plain = rtcp(ssrc, payload);
            let mut packet = plain.clone();
            packet.resize(plain.len() + outbound.rtcp_overhead(), 0);
            prop_assert_eq!(outbound.protect_rtcp(&mut packet, plain.len()), Ok(packet.len()));
            let len = inbound.unprotect_rtcp(&mut packet).expect("genuine");
            prop_assert_eq!(&packet[..len], &plain[..]);
        }
    }

    /// A bit anywhere: refused, and the genuine packet still passes.
    #[test]
    fn one_flipped_bit_is_a_forgery(
        profile in profiles(), bit in 0usize..8, at in 0.0..1.0f64, payload in proptest::collection::vec(any::<u8>(), 0..99),
    ) {
        let (mut outbound, mut inbound) = pair(profile);
        let genuine = protect(&mut outbound, &rtp(7, 9, &payload)).expect("protected");
        let mut forged = genuine.clone();
        forged[(at * genuine.len() as f64) as usize] ^= 1 << bit;
        prop_assert!(inbound.unprotect_rtp(&mut forged).is_err());
        prop_assert!(inbound.unprotect_rtp(&mut genuine.clone()).is_ok());
    }

    #[test]
    fn anything_at_all_is_refused(profile in profiles(), input in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (mut outbound, mut inbound) = pair(profile);
        prop_assert!(inbound.unprotect_rtp(&mut input.clone()).is_err());
        prop_assert!(inbound.unprotect_rtcp(&mut input.clone()).is_err());
        let mut buffer = [input.clone(), vec![0; 40]].concat();
        let _ = outbound.protect_rtp(&mut buffer, input.len());
    }
}

#[test]
fn streams_go_on_past_the_roll_over_with_loss_and_reordering() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let mut packets: Vec<_> = (0..70_000u32)
            .step_by(7)
            .map(|at| protect(&mut outbound, &rtp(at as u16, 1, &at.to_be_bytes())).expect("protected"))
            .collect();
        for two in packets.chunks_mut(2) {
            two.reverse();
        }
        for packet in &mut packets {
            inbound.unprotect_rtp(packet).expect("genuine");
        }
    }
}

#[test]
fn numbers_are_never_used_twice_by_a_sender() {
    let (mut outbound, _) = pair(Profile::AeadAes128Gcm);
    protect(&mut outbound, &rtp(5, 1, b"one")).expect("the first");
    assert_eq!(protect(&mut outbound, &rtp(5, 1, b"two")), Err(Refused::Replayed));
    assert!(protect(&mut outbound, &rtp(5, 2, b"two")).is_ok());
}

#[test]
fn keys_end_with_their_lifetime() {
    let key = key(Profile::AesCm128HmacSha1_80, 3).with_lifetime(2).expect("not zero");
    let (mut outbound, mut inbound) = (Outbound::new(&key), Inbound::new(&[key]).expect("one key"));
    for sequence in 0..2 {
        let mut packet = protect(&mut outbound, &rtp(sequence, 1, b"")).expect("within its life");
        inbound.unprotect_rtp(&mut packet).expect("genuine");
    }
    assert_eq!(outbound.rtp_packets_left(), 0);
    assert_eq!(protect(&mut outbound, &rtp(2, 1, b"")), Err(Refused::KeySpent));
}

#[test]
fn packets_say_by_their_identifier_which_key_they_need() {
    for profile in [Profile::AesCm128HmacSha1_80, Profile::AeadAes256Gcm] {
        let keys: Vec<_> =
            (0..3).map(|at| key(profile, at).with_mki(&[0, at as u8]).expect("short")).collect();
        let mut inbound = Inbound::new(&keys).expect("told apart");
        for (at, key) in keys.iter().enumerate().rev() {
            let mut packet =
                protect(&mut Outbound::new(key), &rtp(at as u16, 1, b"hello")).expect("protected");
            assert_eq!(inbound.unprotect_rtp(&mut packet), Ok(17));
        }
        let other = key(profile, 9).with_mki(&[0, 9]).expect("short");
        let mut packet = protect(&mut Outbound::new(&other), &rtp(9, 1, b"hello")).expect("protected");
        assert_eq!(inbound.unprotect_rtp(&mut packet), Err(Refused::UnknownKey));
        assert_eq!(Inbound::new(&[keys[0].clone(), keys[0].clone()]).err(), Some(KeyError::Mki));
    }
}

#[test]
fn forged_streams_take_no_room() {
    let (mut outbound, mut inbound) = pair(Profile::AesCm128HmacSha1_80);
    for ssrc in 0..10_000 {
        assert_eq!(inbound.unprotect_rtp(&mut rtp(1, ssrc, &[0; 40])), Err(Refused::Forged));
    }
    for ssrc in 0..MAX_SOURCES as u32 {
        let mut packet = protect(&mut outbound, &rtp(1, ssrc, b"")).expect("room");
        assert!(inbound.unprotect_rtp(&mut packet).is_ok());
    }
    assert_eq!(protect(&mut outbound, &rtp(1, 99_999, b"")), Err(Refused::TooManySources));
}
