//! Where responses go (RFC 3261 §18.2.2, RFC 3581).

use ringback_message::header::Via;
use ringback_sansio::{Flow, Protocol, Target};
use std::net::SocketAddr;

/// Where a response to what came over `flow` goes: back over a stream, or over the same socket to where the
/// Via says. `None` where that is not one host.
pub(crate) fn target(flow: &Flow, via: &Via<'_>) -> Option<Target> {
    if flow.protocol.is_reliable() {
        return Some(Target::Flow(*flow));
    }
    via.reply_address(flow.peer).map(|peer| Target::Flow(Flow { peer, ..*flow }))
}

/// Where to turn when the stream that a request came over is gone: to its source, at the port of sent-by.
/// WebSocket clients cannot be called back.
pub(crate) fn after_the_stream(flow: &Flow, via: &Via<'_>) -> Option<Target> {
    match flow.protocol {
        Protocol::Tcp | Protocol::Tls => {
            let port = via.port.unwrap_or(flow.protocol.default_port());
            Some(Target::Address(flow.protocol, SocketAddr::new(flow.peer.ip(), port)))
        }
        Protocol::Udp | Protocol::Ws | Protocol::Wss => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::header::Header as _;
    use ringback_sansio::FlowId;

    #[test]
    fn rule_12_streams_answer_over_themselves_and_reopen_to_sent_by() {
        let via = Via::parse(b"SIP/2.0/TCP host.invalid:5070;received=192.0.2.1;rport=40000").unwrap();
        let flow = |protocol| Flow {
            id: FlowId(3),
            protocol,
            local: "192.0.2.9:5060".parse().unwrap(),
            peer: "192.0.2.1:40000".parse().unwrap(),
        };
        let tcp = flow(Protocol::Tcp);
        assert_eq!(target(&tcp, &via), Some(Target::Flow(tcp)));
        let again = Target::Address(Protocol::Tcp, "192.0.2.1:5070".parse().unwrap());
        assert_eq!(after_the_stream(&tcp, &via), Some(again));
        assert_eq!(after_the_stream(&flow(Protocol::Wss), &via), None);
    }
}
