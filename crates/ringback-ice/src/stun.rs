//! STUN towards servers: asking where they see us (RFC 8489 §6).

use ringback_sansio::Entropy;
use std::net::SocketAddr;
use stun_types::attribute::XorMappedAddress;
use stun_types::message::{
    BINDING, Message, MessageClass, MessageType, MessageWrite as _, MessageWriteExt as _, MessageWriteVec,
    TransactionId,
};

const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// Whether a datagram on a media port is STUN (RFC 7983 §7): the first octet is 0 to 3, and the cookie is where it belongs.
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] < 4 && datagram[4..8] == COOKIE
}

/// A Binding request that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question(TransactionId);

impl Question {
    /// An answer has to name it, so `entropy` has to be fit for secrets.
    pub(crate) fn new(entropy: &mut dyn Entropy) -> Self {
        let number = u128::from(entropy.next_u64()) << 64 | u128::from(entropy.next_u64());
        Self(TransactionId::from(number))
    }

    /// The datagram.
    pub(crate) fn request(self) -> Vec<u8> {
        let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
        let mut message = Message::builder(kind, self.0, MessageWriteVec::new());
        // The first attribute of a message always fits.
        let _ = message.add_fingerprint();
        message.finish()
    }

    /// Where the server sees us, if this is its answer.
    pub(crate) fn answer(self, datagram: &[u8]) -> Option<Answer> {
        let message = Message::from_bytes(datagram).ok()?;
        if message.transaction_id() != self.0 || message.method() != BINDING {
            return None;
        }
        match message.class() {
            MessageClass::Success => {
                let mapped = message.attribute::<XorMappedAddress>().ok()?;
                Some(Answer::Mapped(mapped.addr(self.0)))
            }
            MessageClass::Error => Some(Answer::Refused),
            MessageClass::Request | MessageClass::Indication => None,
        }
    }
}

/// What a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Mapped(SocketAddr),
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sansio::SeededEntropy;

    fn answer_to(question: Question, kind: MessageClass, mapped: Option<&str>) -> Vec<u8> {
        let kind = MessageType::from_class_method(kind, BINDING);
        let mut message = Message::builder(kind, question.0, MessageWriteVec::new());
        if let Some(mapped) = mapped {
            let mapped = XorMappedAddress::new(mapped.parse().unwrap(), question.0);
            message.add_attribute(&mapped).unwrap();
        }
        message.finish()
    }

    #[test]
    fn an_answer_is_taken_only_to_the_question_that_was_asked() {
        let mut entropy = SeededEntropy::new(1);
        let (ours, other) = (Question::new(&mut entropy), Question::new(&mut entropy));
        assert!(is_stun(&ours.request()));
        for mapped in ["203.0.113.7:61000", "[2001:db8::7]:61000"] {
            let answer = answer_to(ours, MessageClass::Success, Some(mapped));
            assert_eq!(ours.answer(&answer), Some(Answer::Mapped(mapped.parse().unwrap())));
            assert_eq!(other.answer(&answer), None);
            for len in 0..answer.len() {
                assert_eq!(ours.answer(&answer[..len]), None, "{len}");
            }
        }
        assert_eq!(ours.answer(&answer_to(ours, MessageClass::Error, None)), Some(Answer::Refused));
        assert_eq!(ours.answer(&answer_to(ours, MessageClass::Success, None)), None);
        assert_eq!(ours.answer(&ours.request()), None);
    }

    #[test]
    fn media_are_no_stun() {
        for datagram in [&[0x80; 40][..], &[22, 254, 253], &[], &[0; 19], &[0; 20]] {
            assert!(!is_stun(datagram));
        }
    }
}
