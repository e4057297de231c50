//! Packets whose protected form is known: RFC 3711 §B, RFC 6188 §7, RFC 7714 §16 and §17, and one of libsrtp.

use crate::cipher::{Cipher, Place, keystream};
use crate::fixture::{hex, vectors};
use crate::{Inbound, MasterKey, Outbound, Profile, Refused};
use serde_json::Value;

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().expect("a list")
}

fn master(value: &Value, tag: u64) -> MasterKey {
    let profile = if tag == 4 { Profile::AesCm128HmacSha1_32 } else { Profile::AesCm128HmacSha1_80 };
    MasterKey::new(profile, &[hex(&value["master_key"]), hex(&value["master_salt"])].concat()).unwrap()
}

#[test]
fn key_streams_are_those_of_the_rfcs() {
    let vectors = vectors();
    for vector in list(&vectors, "aes_cm_keystream") {
        let key = hex(&vector["session_key"]);
        if key.len() == 24 {
            continue;
        }
        let counter = hex(&vector["counter0"]).try_into().unwrap();
        let mut out = vec![0; vector["keystream_octets"].as_u64().unwrap() as usize];
        keystream(&key, &counter, &mut out);
        assert_eq!(out[..48], hex(&vector["first_48"]), "{}", vector["id"]);
        assert_eq!(out[out.len() - 48..], hex(&vector["last_48"]), "{}", vector["id"]);
    }
}

#[test]
fn packets_in_counter_mode_are_protected_as_known() {
    let packets = &vectors()["packets"];
    for vector in list(packets, "vectors") {
        let key = master(packets, vector["tag"].as_u64().unwrap());
        let (plain, protected) = (hex(&vector["plain"]), hex(&vector["protected"]));
        let is_rtp = vector["kind"] == "srtp";
        let mut inbound = Inbound::new(std::slice::from_ref(&key)).unwrap();
        let mut buffer = protected.clone();
        let len = match is_rtp {
            true => inbound.unprotect_rtp(&mut buffer),
            false => inbound.unprotect_rtcp(&mut buffer),
        };
        assert_eq!(&buffer[..len.unwrap()], plain, "{}", vector["id"]);
        // We encrypt all RTCP, and number it from zero.
        if vector["encrypt"] == false {
            continue;
        }
        let mut outbound = Outbound::new(&key);
        for _ in 0..=vector["index"].as_u64().unwrap_or(0) {
            buffer = [plain.clone(), vec![0; 16]].concat();
            let len = match is_rtp {
                true => outbound.protect_rtp(&mut buffer, plain.len()),
                false => outbound.protect_rtcp(&mut buffer, plain.len()),
            };
            buffer.truncate(len.unwrap());
        }
        assert_eq!(buffer, protected, "{}", vector["id"]);
    }
}

#[test]
fn packets_in_gcm_are_protected_as_known() {
    for vector in list(&vectors(), "aead") {
        let (key, salt) = (hex(&vector["key"]), hex(&vector["salt"]));
        let profile = if key.len() == 32 { Profile::AeadAes256Gcm } else { Profile::AeadAes128Gcm };
        let Cipher::Gcm(gcm) = Cipher::new(profile, &key, &salt, &[]) else { unreachable!() };
        let (clear, protected) = (hex(&vector["aad"]), hex(&vector["protected"]));
        let (header, index, trailer) = match vector["kind"] == "srtp" {
            true => (12, u64::from(u16::from_be_bytes([clear[2], clear[3]])), 0),
            false => (8, vector["index"].as_u64().unwrap(), 4),
        };
        let ssrc = clear[header - 4..header].try_into().map(u32::from_be_bytes).unwrap();
        let place = Place { ssrc, index };
        let sealed = &protected[..protected.len() - trailer];
        let mut octets = match vector["mode"] == "encrypt" {
            true => sealed[header..].to_vec(),
            // Authenticated only: nothing is encrypted, the tag stands alone.
            false => sealed[sealed.len() - 16..].to_vec(),
        };
        gcm.open(place, &clear, &mut octets).unwrap_or_else(|_| panic!("{}", vector["id"]));
        if vector["mode"] == "encrypt" {
            let mut plain = hex(&vector["plain"])[header..].to_vec();
            assert_eq!(octets[..plain.len()], plain);
            let tag = gcm.seal(place, &clear, &mut plain).unwrap();
            assert_eq!([plain, tag.to_vec()].concat(), sealed[header..]);
        }
    }
}

#[test]
fn forgeries_and_replays_leave_no_trace() {
    let replay = &vectors()["replay"];
    let packets = list(replay, "packets");
    let mut inbound = Inbound::new(&[master(replay, 10)]).unwrap();
    for (at, step) in list(replay, "steps").iter().enumerate() {
        let sent = step["send"].as_u64().map(|at| &packets[at as usize]);
        let mut packet = sent.map_or_else(|| hex(&step["raw"]), |packet| hex(&packet["protected"]));
        let result = inbound.unprotect_rtp(&mut packet);
        let expected = step["expect"].as_str().unwrap();
        assert_eq!(result.is_ok(), expected.starts_with("accept"), "step {at}: {expected}, was {result:?}");
        if let (Ok(len), Some(sent)) = (result, sent) {
            assert_eq!(packet[..len], hex(&sent["plain"]), "step {at}");
        }
        if expected == "refuse: replay" {
            assert_eq!(result, Err(Refused::Replayed), "step {at}");
        }
    }
}
