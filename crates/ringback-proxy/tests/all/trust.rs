//! The edge of the trust domain (RFC 3325 §5).

use crate::common::*;
use ringback_message::HeaderId;
use ringback_proxy::TrustDomain;
use std::net::IpAddr;
use std::sync::Arc;

#[derive(Debug)]
struct Only(Vec<&'static str>);

impl TrustDomain for Only {
    fn has(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|own| own.parse() == Ok(peer))
    }
}

#[test]
fn identities_go_to_those_who_are_trusted_alone() {
    const IDENTITY: &str = "P-Asserted-Identity: <sip:alice@example.com>";
    let (alice, bob) = ("192.0.2.10", "192.0.2.20");
    for (trusted, to_bob, to_alice) in [
        (vec![], false, false),
        (vec![bob], true, false),
        (vec![alice], false, false),
        (vec![alice, bob], true, true),
    ] {
        let mut element =
            Element::with(|config| config.trust = Some(Arc::new(Only(trusted.clone()))), |_| {});
        element.user("bob", &[branch("sip:bob@192.0.2.20")]);
        // Whether the sender is believed is for the policy to say.
        element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", IDENTITY));
        let sent = element.expect_only("MESSAGE");
        assert_eq!(sent.message.has(HeaderId::P_ASSERTED_IDENTITY), to_bob, "{trusted:?}");
        element.udp(BOB, &sent.reply_with(200, "b", IDENTITY));
        let answer = element.take().pop().unwrap();
        assert_eq!(answer.message.has(HeaderId::P_ASSERTED_IDENTITY), to_alice, "{trusted:?}");
    }
}
