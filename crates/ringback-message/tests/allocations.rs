//! What reading and forwarding a message allocates: nothing, and its output.

use allocation_counter::measure;
use bytes::Bytes;
use ringback_message::header::{
    Allow, CSeq, CallId, Contact, ContentLength, ContentType, From, MaxForwards, RecordRoute, Route,
    Supported, To, Via,
};
use ringback_message::{HeaderId, Message};

const INVITE: &[u8] = include_bytes!("../../../benches/messages/invite.sip");
const THREE_PROXIES: &[u8] = include_bytes!("../../../benches/messages/three-proxies.sip");
const OK: &[u8] = include_bytes!("../../../benches/messages/ok.sip");
const REGISTER: &[u8] = include_bytes!("../../../benches/messages/register.sip");

/// Received bytes are counted references already, as they come from a socket.
fn received(message: &'static [u8]) -> Bytes {
    let bytes = Bytes::copy_from_slice(message);
    drop(bytes.clone());
    bytes
}

fn allocations(work: impl FnOnce()) -> u64 {
    measure(work).count_total
}

#[test]
fn the_index_allocates_nothing() {
    for bytes in [INVITE, THREE_PROXIES, OK, REGISTER].map(received) {
        assert_eq!(allocations(|| drop(Message::parse(bytes.clone()).unwrap())), 0);
    }
}

#[test]
fn reading_what_routes_and_all_that_has_a_type_allocates_nothing() {
    fn read(message: &Message) -> usize {
        macro_rules! count {
            ($($type:ty),*) => { 0 $(+ message.all::<$type>().filter(Result::is_ok).count())* };
        }
        let routing = message.validate().unwrap();
        assert!(routing.via.branch().is_some() && routing.from_tag.is_some());
        count!(
            Via<'_>,
            From<'_>,
            To<'_>,
            CallId<'_>,
            CSeq,
            MaxForwards,
            Route<'_>,
            RecordRoute<'_>,
            Contact<'_>,
            Allow,
            Supported<'_>,
            ContentType<'_>,
            ContentLength
        )
    }
    for bytes in [INVITE, THREE_PROXIES, OK, REGISTER].map(received) {
        let message = Message::parse(bytes).unwrap();
        let mut values = 0;
        assert_eq!(allocations(|| values = read(&message)), 0);
        assert!(values >= 7, "{values}");
    }
}

#[test]
fn a_hop_through_a_proxy_allocates_its_output_only() {
    for bytes in [INVITE, THREE_PROXIES, REGISTER].map(received) {
        let hop = || {
            let mut message = Message::parse(bytes.clone()).unwrap();
            message.set(HeaderId::MAX_FORWARDS, 69u8).unwrap();
            message.push_front(HeaderId::RECORD_ROUTE, "<sip:192.0.2.1;lr>").unwrap();
            message.push_front(HeaderId::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK77aa01ff").unwrap();
            assert!(message.pop_front(HeaderId::VIA));
            message.push_front(HeaderId::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK77aa01fe").unwrap();
            drop(message.render());
        };
        assert_eq!(allocations(hop), 1);
    }
}
