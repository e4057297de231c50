//! Requests that say what an earlier one said.
//!
//! A phone registers every few minutes for as long as it is on, and what it sends then is the same but for numbers. What the rules
//! made of it the first time they would make of it again, so it is known by its words and only makes its binding last longer.

use ringback_message::header::{CSeq, CallId, Header as _};
use ringback_message::{HeaderId, Request};
use ringback_sansio::{Flow, Hasher};
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::num::NonZeroU64;

/// What a REGISTER says, but for what is new each time it is said: a hash of it under a key of the registrar. Whoever found other
/// words with the same hash would have its own binding last longer, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words(NonZeroU64);

/// What differs between requests that ask for the same. Whatever else is in a request counts, known or not.
const NEW_EACH_TIME: [HeaderId; 5] = [
    HeaderId::FROM,
    HeaderId::AUTHORIZATION,
    HeaderId::MAX_FORWARDS,
    HeaderId::CONTENT_LENGTH,
    HeaderId::DATE,
];

/// A request by what it says, and by what is new in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// What it says.
    pub words: Words,
    /// Its Call-ID.
    pub call_id: &'a str,
    /// Its CSeq number.
    pub cseq: u32,
}

/// What a request says that came over `flow`; nothing where it came through others or has a body, or has no number. `terms` is
/// what the registrar allows, in a number that changes with it.
pub(crate) fn said_by<'a>(
    request: &'a Request,
    flow: &Flow,
    terms: u64,
    hasher: &Hasher,
) -> Option<Said<'a>> {
    let mut said = hasher.build_hasher();
    (terms, flow).hash(&mut said);
    let (mut hops, mut call_id, mut cseq) = (0, None, None);
    for row in request.fields() {
        match row.id {
            HeaderId::VIA => hops += if row.value.contains(&b',') { 2 } else { 1 },
            // A second one would count as words.
            HeaderId::CALL_ID if call_id.is_none() => {
                call_id = CallId::parse(row.value).ok().map(|call_id| call_id.0)
            }
            HeaderId::CSEQ if cseq.is_none() => cseq = CSeq::parse(row.value).ok().map(|cseq| cseq.number),
            id if NEW_EACH_TIME.contains(&id) => {}
            // The length of each, so that no two rows are taken for one.
            HeaderId::OTHER => (row.name, row.value).hash(&mut said),
            id => (id, row.value).hash(&mut said),
        }
    }
    if hops != 1 || !request.body().is_empty() {
        return None;
    }
    Some(Said { words: Words(NonZeroU64::new(said.finish())?), call_id: call_id?, cseq: cseq? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::Message;
    use ringback_sansio::{FlowId, Protocol};

    const FIRST: &str = "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
        From: <sip:bob@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\
        Contact: <sip:bob@192.0.2.4>\r\nX-Odd: 1\r\n\r\n";

    fn flow(port: u16) -> Flow {
        let local = "192.0.2.1:5060".parse().unwrap();
        Flow { id: FlowId(0), protocol: Protocol::Udp, local, peer: ([192, 0, 2, 4], port).into() }
    }

    fn words(text: &str, port: u16, terms: u64) -> Option<(Words, u32)> {
        let request = Request::try_from(Message::parse(text.to_owned()).unwrap()).unwrap();
        let said = said_by(&request, &flow(port), terms, &Hasher::keyed(7))?;
        Some((said.words, said.cseq))
    }

    #[test]
    fn numbers_and_proofs_are_no_words() {
        let again = FIRST.replace("branch=z9hG4bK1", "branch=z9hG4bK2").replace("CSeq: 1", "CSeq: 2");
        let again = again
            .replace("tag=1", "tag=2")
            .replace("Call-ID: 1", "Call-ID: 2")
            .replace("70\r\n", "69\r\nAuthorization: Digest x=y\r\n");
        let ((first, one), (second, two)) = (words(FIRST, 1, 1).unwrap(), words(&again, 1, 1).unwrap());
        assert_eq!((first, one, two), (second, 1, 2));
    }

    #[test]
    fn whatever_else_is_different_are_other_words() {
        let first = words(FIRST, 1, 1).unwrap().0;
        assert_ne!(words(FIRST, 2, 1).unwrap().0, first, "another place");
        assert_ne!(words(FIRST, 1, 2).unwrap().0, first, "other terms");
        for (old, new) in [
            ("sip:bob@192.0.2.4>", "sip:bob@192.0.2.4>;expires=60"),
            ("X-Odd: 1", "X-Odd: 2"),
            ("X-Odd: 1", "X-Even: 1"),
            ("X-Odd: 1", "Expires: 1"),
            ("X-Odd: 1\r\n", ""),
            ("X-Odd: 1", "X-Odd: 1\r\nSupported: path"),
        ] {
            assert_ne!(words(&FIRST.replace(old, new), 1, 1).unwrap().0, first, "{new}");
        }
    }

    #[test]
    fn what_came_through_others_is_read_each_time() {
        let via = "Via: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK1";
        assert_eq!(
            words(&FIRST.replace(via, &format!("{via}, SIP/2.0/UDP 192.0.2.5;branch=z9hG4bK0")), 1, 1),
            None
        );
        assert_eq!(words(&FIRST.replace(via, &format!("{via}\r\n{via}")), 1, 1), None);
        assert_eq!(words(&FIRST.replace("CSeq: 1 REGISTER\r\n", ""), 1, 1), None);
        let (first, number) = words(FIRST, 1, 1).unwrap();
        let two = words(&FIRST.replace("CSeq: 1", "CSeq: 1 REGISTER\r\nCSeq: 9"), 1, 1).unwrap();
        assert_eq!((two.0 == first, two.1), (false, number));
    }
}
