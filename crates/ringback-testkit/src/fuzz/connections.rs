//! Laws of the transport layer: whatever comes from the network, tags come back and streams are bounded; and of what one process
//! passes on to another.

use super::script::acts;
use bytes::Bytes;
use ringback_sansio::{CloseReason, Flow, FlowId, Machine, Protocol, Target};
use ringback_transport::passing::{self, FROZEN, HEAD, Head, LONGEST};
use ringback_transport::{FromNetwork, Transport, TransportConfig, TransportOutput};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Streams that a script can name.
const STREAMS: u64 = 4;

/// `open N`, `bytes N`, `close N`: a stream of a peer. `socket N`, `frame N`: one of WebSocket, and a message of it. `udp`: a
/// datagram. `send N`: to that peer by TCP; `race N`: to it or the next, whichever is there first; `refused N`: it does not take the stream; `keep N`: pings it, and by STUN its
/// datagrams; `wait MILLISECONDS`.
pub(super) fn transport(input: &[u8]) {
    let mut now = Instant::now();
    let mut transport: Transport<u64> = Transport::new(TransportConfig::default());
    transport.listen(FlowId(100), Protocol::Udp, local());
    transport.listen(FlowId(101), Protocol::Tcp, local());
    let (mut sent, mut failed) = (0_u64, Vec::new());
    for act in acts(input) {
        let number = act.number(0) % STREAMS;
        let flow = |protocol, id| Flow { id: FlowId(id), protocol, local: local(), peer: peer(number) };
        match act.verb {
            "open" => transport.handle(now, FromNetwork::Opened(flow(Protocol::Tcp, number))),
            "bytes" => {
                transport
                    .handle(now, FromNetwork::Bytes(FlowId(number), Bytes::copy_from_slice(act.message)));
            }
            "socket" => transport.handle(now, FromNetwork::Opened(flow(Protocol::Ws, number))),
            "frame" => {
                let frame = Bytes::copy_from_slice(act.message);
                transport.handle(now, FromNetwork::Message(FlowId(number), frame));
                transport.handle(now, FromNetwork::Alive(FlowId(number)));
            }
            "keep" => {
                transport.keep(now, &flow(Protocol::Tcp, number), Duration::from_secs(30));
                transport.keep(now, &flow(Protocol::Udp, 100), Duration::from_secs(30));
            }
            "close" => transport.handle(now, FromNetwork::Closed(FlowId(number), CloseReason::Closed)),
            "udp" => {
                let datagram = Bytes::copy_from_slice(act.message);
                transport.handle(now, FromNetwork::Datagram(flow(Protocol::Udp, 100), datagram));
            }
            "send" => {
                let to = Target::Address(Protocol::Tcp, peer(number));
                transport.send(now, sent, to, Bytes::copy_from_slice(act.message));
                sent += 1;
            }
            "race" => {
                let to = |number| Target::Address(Protocol::Tcp, peer(number % STREAMS));
                transport.race(now, number, to(number), to(number + 1));
            }
            "refused" => {
                let reason = CloseReason::Closed;
                transport.handle(
                    now,
                    FromNetwork::ConnectFailed(Target::Address(Protocol::Tcp, peer(number)), reason),
                );
            }
            "wait" => {
                let end = now + act.pause();
                while let Some(at) = transport.poll_timeout().filter(|at| *at <= end) {
                    now = at.max(now);
                    transport.handle_timeout(now);
                    assert!(
                        drain(&mut transport, &mut failed)
                            || transport.poll_timeout().is_none_or(|next| next > now),
                        "a driver never spins"
                    );
                }
                now = end;
            }
            _ => {}
        }
        drain(&mut transport, &mut failed);
    }
    let end = now + Duration::from_secs(3_600);
    while let Some(at) = transport.poll_timeout().filter(|at| *at <= end) {
        transport.handle_timeout(at);
        drain(&mut transport, &mut failed);
    }
    let all = failed.len();
    failed.sort_unstable();
    failed.dedup();
    assert_eq!(failed.len(), all, "a tag comes back once");
    assert!(failed.iter().all(|tag| *tag < sent), "only tags that were given come back");
    assert!(transport.open_streams() <= STREAMS as usize * 2, "no more streams than were opened");
}

/// Takes all outputs; whether there were any.
fn drain(transport: &mut Transport<u64>, failed: &mut Vec<u64>) -> bool {
    let mut any = false;
    while let Some(output) = transport.poll() {
        any = true;
        match output {
            TransportOutput::Failed(tag, _) => failed.push(tag),
            TransportOutput::Received(_, message) => {
                assert!(message.validate().is_ok(), "what is handed up can be relied on");
            }
            TransportOutput::Connect(..)
            | TransportOutput::Abandon(..)
            | TransportOutput::Raced(..)
            | TransportOutput::Write(..)
            | TransportOutput::Datagram(..)
            | TransportOutput::Ping(_)
            | TransportOutput::Close(..)
            | TransportOutput::Mapped(..)
            | TransportOutput::Lost(..)
            | TransportOutput::Malformed(..) => {}
        }
    }
    any
}

fn local() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5060))
}

fn peer(number: u64) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10 + number as u8], 5060))
}

/// Frames as a successor reads them, one after the other until one is none: what was read is written the same, octet by octet, and
/// none makes room for more than a datagram.
pub(super) fn passing(input: &[u8]) {
    let mut rest = input;
    while let Some((head, behind)) = rest.split_first_chunk::<HEAD>() {
        let Ok(parsed) = Head::parse(head) else { return };
        let (written, length) = match parsed {
            Head::Frozen => (FROZEN.to_vec(), 0),
            Head::Datagram { length, listener, peer } => {
                assert!(length <= LONGEST, "{length}");
                let Some(datagram) = behind.get(..length) else { return };
                (passing::write(listener, peer, datagram).expect("as long as it was"), length)
            }
        };
        assert_eq!(written, rest[..HEAD + length], "there is one way to write each");
        rest = &behind[length..];
    }
}
