//! Laws of protected packets and of the keys that SDP carries.

use ringback_sansio::SeededEntropy;
use ringback_sdp::attribute::{AttributeValue as _, Crypto};
use ringback_srtp::{Inbound, MasterKey, Outbound, Profile, sdes};

/// Nobody without the key gets a packet through, and whatever one side protects the other gets as it was.
///
/// The first octet chooses profile and identifier. The rest is a packet, and the value of `a=crypto` when it is text.
pub(super) fn srtp(input: &[u8]) {
    let Some((choice, packet)) = input.split_first() else { return };
    let profile = Profile::ALL[usize::from(*choice) % Profile::ALL.len()];
    let mut key = MasterKey::generate(profile, &mut SeededEntropy::new(u64::from(*choice)));
    if choice & 0x80 != 0 {
        key = key.with_mki(&[*choice; 4]).expect("four octets are an identifier");
    }
    let (mut outbound, mut inbound) = (Outbound::new(&key), Inbound::new(&[key]).expect("one key"));
    assert!(inbound.unprotect_rtp(&mut packet.to_vec()).is_err(), "forged RTP passed");
    assert!(inbound.unprotect_rtcp(&mut packet.to_vec()).is_err(), "forged RTCP passed");

    let room = outbound.rtp_overhead().max(outbound.rtcp_overhead());
    let lent = [packet, &vec![0; room]].concat();
    let mut buffer = lent.clone();
    if let Ok(len) = outbound.protect_rtp(&mut buffer, packet.len()) {
        assert_eq!(inbound.unprotect_rtp(&mut buffer[..len]), Ok(packet.len()));
        assert_eq!(&buffer[..packet.len()], packet);
    }
    let mut buffer = lent;
    if let Ok(len) = outbound.protect_rtcp(&mut buffer, packet.len()) {
        assert_eq!(inbound.unprotect_rtcp(&mut buffer[..len]), Ok(packet.len()));
        assert_eq!(&buffer[..packet.len()], packet);
    }

    let Some(crypto) = std::str::from_utf8(packet).ok().and_then(|text| Crypto::parse(text).ok()) else {
        return;
    };
    for key in sdes::keys(&crypto).unwrap_or_default() {
        let written = format!("1 {} {}", key.profile(), sdes::key_params(&key));
        let again =
            sdes::keys(&Crypto::parse(&written).expect("what we write can be read")).expect("and understood");
        assert_eq!(again[0].key_and_salt(), key.key_and_salt());
        assert_eq!((again[0].lifetime(), again[0].mki().len()), (key.lifetime(), key.mki().len()));
    }
}
