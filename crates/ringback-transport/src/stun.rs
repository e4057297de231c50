//! STUN Binding (RFC 8489) as keep-alives on datagram flows use it (RFC 5626 §4.4.2, §8): on the port of SIP, without
//! credentials.
//!
//! Not here: when to ask, and what follows from the answer (see [`Transport::keep`](crate::Transport::keep)).

use bytes::{BufMut, Bytes, BytesMut};
use std::net::{IpAddr, SocketAddr};

const HEADER: usize = 20;
const COOKIE: u32 = 0x2112_A442;
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const FAILURE: u16 = 0x0111;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const FINGERPRINT: u16 = 0x8028;
/// What the CRC of a fingerprint is mixed with: `STUN` in ASCII.
const FINGERPRINT_XOR: u32 = 0x5354_554E;
/// The longest request that is looked at. A Binding request needs no attribute at all.
const LONGEST: usize = 1_500;
/// More unknown attributes are not named in an answer: it must not outgrow the question (fault 11).
const MOST_UNKNOWN: usize = 8;

/// Names one Binding transaction.
pub type TransactionId = [u8; 12];

/// Whether a datagram is STUN and not SIP: the first two bits are zero, and the cookie is where it belongs.
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] & 0xC0 == 0 && datagram[4..8] == COOKIE.to_be_bytes()
}

/// A Binding request.
pub fn request(id: TransactionId) -> Bytes {
    Writer::new(REQUEST, id).finish(true)
}

/// The answer to a Binding request that came from `peer`; `None` to anything else and to what is damaged. It carries a
/// fingerprint where the request does.
pub fn answer(datagram: &[u8], peer: SocketAddr) -> Option<Bytes> {
    let message = Message::parse(datagram)?;
    if message.kind != REQUEST {
        return None;
    }
    let unknown: Vec<u16> =
        message.attributes().map(|(kind, _)| kind).filter(|kind| *kind < 0x8000).collect();
    if unknown.is_empty() {
        let mut writer = Writer::new(SUCCESS, message.id);
        writer.address(peer);
        return Some(writer.finish(message.fingerprint));
    }
    let mut writer = Writer::new(FAILURE, message.id);
    writer.attribute(ERROR_CODE, &[0, 0, 4, 20]);
    let named: Vec<u8> = unknown.iter().take(MOST_UNKNOWN).flat_map(|kind| kind.to_be_bytes()).collect();
    writer.attribute(UNKNOWN_ATTRIBUTES, &named);
    Some(writer.finish(message.fingerprint))
}

/// What the answer to a Binding request says: the transaction, and where the other side sees us. `None` for what is no such
/// answer, is damaged, or says nothing.
pub fn mapped(datagram: &[u8]) -> Option<(TransactionId, SocketAddr)> {
    let message = Message::parse(datagram)?;
    if message.kind != SUCCESS {
        return None;
    }
    let (_, value) = message.attributes().find(|(kind, _)| *kind == XOR_MAPPED_ADDRESS)?;
    Some((message.id, read_address(value, message.id)?))
}

/// A message whose attributes fill it exactly and whose fingerprint, where it has one, is right.
struct Message<'a> {
    kind: u16,
    id: TransactionId,
    body: &'a [u8],
    fingerprint: bool,
}

impl<'a> Message<'a> {
    fn parse(datagram: &'a [u8]) -> Option<Self> {
        if !is_stun(datagram) || datagram.len() > LONGEST {
            return None;
        }
        let (header, body) = datagram.split_at(HEADER);
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if length != body.len() || !length.is_multiple_of(4) {
            return None;
        }
        let id = header[8..].try_into().ok()?;
        let mut message = Self { kind, id, body, fingerprint: false };
        let (mut used, mut last) = (0, None);
        for (kind, value) in message.attributes() {
            used += 4 + value.len().next_multiple_of(4);
            last = Some((kind, value));
        }
        if used != body.len() {
            return None;
        }
        if let Some((FINGERPRINT, value)) = last {
            let before = &datagram[..datagram.len() - 8];
            if value != (crc32(before) ^ FINGERPRINT_XOR).to_be_bytes() {
                return None;
            }
            message.fingerprint = true;
        }
        Some(message)
    }

    fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.body;
        std::iter::from_fn(move || {
            let (head, behind) = rest.split_first_chunk::<4>()?;
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let value = behind.get(..length)?;
            rest = behind.get(length.next_multiple_of(4)..)?;
            Some((u16::from_be_bytes([head[0], head[1]]), value))
        })
    }
}

struct Writer {
    bytes: BytesMut,
    id: TransactionId,
}

impl Writer {
    fn new(kind: u16, id: TransactionId) -> Self {
        let mut bytes = BytesMut::with_capacity(64);
        bytes.put_u16(kind);
        bytes.put_u16(0);
        bytes.put_u32(COOKIE);
        bytes.put_slice(&id);
        Self { bytes, id }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes.put_u16(kind);
        // Of our own making, and short.
        self.bytes.put_u16(value.len() as u16);
        self.bytes.put_slice(value);
        self.bytes.put_bytes(0, value.len().next_multiple_of(4) - value.len());
    }

    fn address(&mut self, address: SocketAddr) {
        let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
        value.extend((address.port() ^ (COOKIE >> 16) as u16).to_be_bytes());
        match address.ip() {
            IpAddr::V4(ip) => value.extend((u32::from(ip) ^ COOKIE).to_be_bytes()),
            IpAddr::V6(ip) => value.extend((u128::from(ip) ^ mask(self.id)).to_be_bytes()),
        }
        self.attribute(XOR_MAPPED_ADDRESS, &value);
    }

    fn finish(mut self, fingerprint: bool) -> Bytes {
        let with = self.bytes.len() - HEADER + if fingerprint { 8 } else { 0 };
        self.bytes[2..4].copy_from_slice(&(with as u16).to_be_bytes());
        if fingerprint {
            let crc = crc32(&self.bytes) ^ FINGERPRINT_XOR;
            self.attribute(FINGERPRINT, &crc.to_be_bytes());
        }
        self.bytes.freeze()
    }
}

fn read_address(value: &[u8], id: TransactionId) -> Option<SocketAddr> {
    let (head, ip) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([head[2], head[3]]) ^ (COOKIE >> 16) as u16;
    let ip = match (head[1], ip.len()) {
        (1, 4) => IpAddr::V4((u32::from_be_bytes(ip.try_into().ok()?) ^ COOKIE).into()),
        (2, 16) => IpAddr::V6((u128::from_be_bytes(ip.try_into().ok()?) ^ mask(id)).into()),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// What an IPv6 address is mixed with: the cookie and the transaction.
fn mask(id: TransactionId) -> u128 {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&COOKIE.to_be_bytes());
    bytes[4..].copy_from_slice(&id);
    u128::from_be_bytes(bytes)
}

/// CRC-32 as in ITU V.42, bit by bit: what it is used for is short and rare.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn crc_is_the_one_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    /// RFC 5769 §2.2 and §2.3, without MESSAGE-INTEGRITY, whose key nobody has here.
    #[test]
    fn rfc_5769_addresses_are_read() {
        let id = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
        let v4 = [0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
        assert_eq!(read_address(&v4, id), Some("192.0.2.1:32853".parse().unwrap()));
        let v6 = [
            0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
            0xbe, 0xd2, 0xb9, 0xd9,
        ];
        assert_eq!(
            read_address(&v6, id),
            Some("[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap())
        );
    }

    #[test]
    fn an_answer_tells_where_the_question_came_from() {
        for peer in ["192.0.2.1:32853", "[2001:db8::7]:5060"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let asked = request([7; 12]);
            assert!(is_stun(&asked) && !is_stun(b"OPTIONS sip:a SIP/2.0\r\n\r\n") && !is_stun(b"\r\n\r\n"));
            let answered = answer(&asked, peer).unwrap();
            assert!(answered.len() < 3 * asked.len(), "fault 11");
            assert_eq!(mapped(&answered), Some(([7; 12], peer)));
            assert_eq!(answer(&answered, peer), None, "answers are not answered");
            assert_eq!(mapped(&asked), None);
        }
    }

    #[test]
    fn fingerprints_come_where_they_are_asked_for_and_are_checked() {
        let peer = "192.0.2.1:5060".parse().unwrap();
        let plain = Writer::new(REQUEST, [1; 12]).finish(false);
        assert_eq!(answer(&plain, peer).unwrap().len(), HEADER + 12);
        let mut asked = request([1; 12]).to_vec();
        assert_eq!(answer(&asked, peer).unwrap().len(), HEADER + 12 + 8);
        *asked.last_mut().unwrap() ^= 1;
        assert_eq!(answer(&asked, peer), None);
    }

    #[test]
    fn attributes_that_have_to_be_understood_and_are_not_are_named() {
        let mut writer = Writer::new(REQUEST, [1; 12]);
        writer.attribute(0x8022, b"software");
        writer.attribute(0x0003, &[0; 4]);
        let answered = answer(&writer.finish(false), "192.0.2.1:5060".parse().unwrap()).unwrap();
        let message = Message::parse(&answered).unwrap();
        assert_eq!(message.kind, FAILURE);
        assert!(message.attributes().any(|pair| pair == (UNKNOWN_ATTRIBUTES, &[0, 3][..])));
        assert_eq!(mapped(&answered), None);
    }

    proptest! {
        #[test]
        fn damage_never_panics_and_answers_stay_small(at in 0usize..64, byte: u8, cut in 0usize..64) {
            let mut writer = Writer::new(REQUEST, [1; 12]);
            writer.attribute(0x8022, b"something");
            let mut bytes = writer.finish(true).to_vec();
            let end = bytes.len();
            bytes[at % end] = byte;
            bytes.truncate(cut.max(1));
            let peer = "[2001:db8::7]:5060".parse().unwrap();
            if let Some(answered) = answer(&bytes, peer) {
                prop_assert!(answered.len() <= 3 * bytes.len());
            }
            let _ = mapped(&bytes);
        }
    }
}
