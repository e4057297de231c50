//! The transport under the contract.

use super::wire::{flow, local, one, pick, request};
use super::{Journal, Subject};
use bytes::Bytes;
use ringback_sansio::{CloseReason, Entropy, Flow, FlowId, Machine, Protocol, SeededEntropy, Target};
use ringback_transport::{FromNetwork, Transport, TransportConfig, TransportOutput};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Streams that open, carry pieces of messages and end, and datagrams beside them.
#[derive(Debug, Default)]
pub struct TransportSubject {
    flows: Vec<Flow>,
    connecting: Vec<(Protocol, SocketAddr)>,
    next_flow: u64,
    next_tag: u32,
}

impl TransportSubject {
    fn open(&mut self, machine: &mut Transport<u32>, now: Instant, protocol: Protocol, peer: SocketAddr) {
        self.next_flow += 1;
        let flow = Flow { id: FlowId(100 + self.next_flow), protocol, local: local(), peer };
        self.flows.push(flow);
        machine.handle(now, FromNetwork::Opened(flow));
    }
}

impl Subject for TransportSubject {
    type Machine = Transport<u32>;
    // A connection that fails gives back all that waited for it; a piece of a stream may hold several messages.
    const MOST_OUTPUTS: usize = 16;

    fn start(_: Instant, _: u64) -> (Self::Machine, Self) {
        let config = TransportConfig {
            max_streams: 6,
            max_streams_per_source: 4,
            max_waiting: 3,
            idle: Duration::from_secs(60),
            ..TransportConfig::default()
        };
        let mut transport = Transport::new(config);
        transport.listen(FlowId(1), Protocol::Udp, local());
        transport.listen(FlowId(2), Protocol::Tcp, local());
        (transport, Self::default())
    }

    fn act(
        &mut self,
        machine: &mut Self::Machine,
        now: Instant,
        entropy: &mut SeededEntropy,
        _: &mut Journal,
    ) {
        let peer =
            SocketAddr::from(([192, 0, 2, 9 + entropy.below(2) as u8], 5_060 + entropy.below(3) as u16));
        match entropy.below(8) {
            0 => {
                let text =
                    request(entropy, Protocol::Udp, "sip:a@192.0.2.1", "").map(|message| message.render());
                let flow = Flow { peer, ..flow(Protocol::Udp) };
                machine.handle(now, FromNetwork::Datagram(flow, text.unwrap_or_default()));
            }
            1 => self.open(machine, now, Protocol::Tcp, peer),
            2 | 3 => {
                let Some(at) = pick(entropy, &self.flows) else { return };
                let whole =
                    request(entropy, Protocol::Tcp, "sip:a@192.0.2.1", "").map(|message| message.render());
                let whole = whole.unwrap_or_default();
                let junk =
                    one(entropy, &["\r\n\r\n", "INVITE x", "Content-Length: -1\r\n\r\n", "\r\n", "SIP/2.0 "]);
                let bytes = match entropy.below(4) {
                    0 => Bytes::from(junk.to_owned()),
                    1 => whole.slice(..whole.len() / 2),
                    2 => whole.slice(whole.len() / 2..),
                    _ => whole,
                };
                machine.handle(now, FromNetwork::Bytes(self.flows[at].id, bytes));
            }
            4 => {
                self.next_tag += 1;
                let to = match pick(entropy, &self.flows) {
                    Some(at) if entropy.below(2) == 0 => Target::Flow(self.flows[at]),
                    _ => Target::Address(super::wire::protocol(entropy), peer),
                };
                machine.send(now, self.next_tag, to, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"));
            }
            5 => {
                let other = SocketAddr::new([0, 0, 0, 0, 0, 0, 0, 1].into(), peer.port());
                let target = |peer| Target::Address(Protocol::Tcp, peer);
                machine.race(now, u64::from(self.next_tag), target(peer), target(other));
            }
            6 => {
                if let Some(at) = pick(entropy, &self.flows) {
                    let flow = self.flows.swap_remove(at);
                    machine.handle(now, FromNetwork::Closed(flow.id, CloseReason::Closed));
                }
            }
            _ => {
                let Some(at) = pick(entropy, &self.connecting) else { return };
                let (protocol, peer) = self.connecting.swap_remove(at);
                if entropy.below(2) == 0 {
                    self.open(machine, now, protocol, peer);
                } else {
                    machine.handle(
                        now,
                        FromNetwork::ConnectFailed(Target::Address(protocol, peer), CloseReason::Refused),
                    );
                }
            }
        }
    }

    fn hear(&mut self, output: TransportOutput<u32>, journal: &mut Journal) {
        journal.said(format!("{output:?}"));
        match output {
            TransportOutput::Connect(to) => self.connecting.push((to.protocol(), to.peer())),
            TransportOutput::Abandon(to) => {
                self.connecting.retain(|made| *made != (to.protocol(), to.peer()))
            }
            TransportOutput::Close(id, _) => self.flows.retain(|flow| flow.id != id),
            TransportOutput::Write(..)
            | TransportOutput::Datagram(..)
            | TransportOutput::Received(..)
            | TransportOutput::Malformed(..)
            | TransportOutput::Failed(..)
            | TransportOutput::Raced(..)
            | TransportOutput::Ping(_)
            | TransportOutput::Mapped(..)
            | TransportOutput::Lost(..) => {}
        }
    }

    fn close(&mut self, _: &mut Self::Machine, _: Instant) {}

    fn is_empty(machine: &Self::Machine) -> bool {
        machine.open_streams() == 0
    }
}
