//! One host: a transport, and a core on top.

use super::network::Network;
use super::trace::Trace;
use bytes::Bytes;
use ringback_message::Message;
use ringback_message::header::ContentType;
use ringback_sansio::{CloseReason, Flow, FlowId, Machine, Protocol, Target};
use ringback_sdp::SessionDescription;
use ringback_transaction::Key;
use ringback_transport::{FromNetwork, Transport, TransportConfig, TransportOutput};
use std::net::SocketAddr;
use std::time::Instant;

/// What sits on a transport.
pub(crate) trait Core {
    fn receive(&mut self, now: Instant, flow: Flow, message: Message);
    fn failed(&mut self, now: Instant, key: Key, reason: CloseReason);
    fn handle_timeout(&mut self, now: Instant);
    fn poll_timeout(&self) -> Option<Instant>;
    /// Works off what is queued, and says what is to be sent.
    fn poll_transmit(&mut self, now: Instant) -> Option<(Option<Key>, Target, Bytes)>;
}

pub(crate) struct Host<C> {
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport<Option<Key>>,
    pub(crate) core: C,
    /// What arrived that is no message: in a simulation nobody sends such a thing.
    pub(crate) malformed: usize,
    /// What of a message that the host sent is not by the letter of its RFCs: the first one.
    pub(crate) deviates: Option<String>,
}

impl<C: Core> Host<C> {
    /// A host that listens on `address` for datagrams and streams.
    pub(crate) fn new(address: SocketAddr, core: C) -> Self {
        let mut transport = Transport::new(TransportConfig::default());
        transport.listen(socket(address), Protocol::Udp, address);
        transport.listen(FlowId(u64::MAX), Protocol::Tcp, address);
        Self { address, transport, core, malformed: 0, deviates: None }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        [self.transport.poll_timeout(), self.core.poll_timeout()].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.transport.handle_timeout(now);
        self.core.handle_timeout(now);
    }

    pub(crate) fn arrived(&mut self, now: Instant, what: FromNetwork) {
        self.transport.handle(now, what);
    }

    /// Carries between network, transport and core until nothing moves.
    pub(crate) fn pump(
        &mut self,
        now: Instant,
        network: &mut Network,
        hosts: &[SocketAddr],
        trace: &mut Trace,
    ) {
        loop {
            while let Some(output) = self.transport.poll() {
                match output {
                    TransportOutput::Connect(target) => {
                        let (protocol, to) = (target.protocol(), target.peer());
                        network.connect(now, protocol, self.address, to, hosts.contains(&to));
                    }
                    TransportOutput::Write(id, bytes) => {
                        trace.sent(now, self.address, None, &bytes, true);
                        network.write(now, id, bytes);
                    }
                    TransportOutput::Datagram(_, to, bytes) => {
                        let arrives = network.datagram(now, self.address, to, socket(to), &bytes);
                        trace.sent(now, self.address, Some(to), &bytes, arrives);
                    }
                    TransportOutput::Close(id, _) => network.close(now, id),
                    TransportOutput::Received(flow, message) => self.core.receive(now, flow, message),
                    TransportOutput::Malformed(..) => self.malformed += 1,
                    TransportOutput::Failed(Some(key), reason) => self.core.failed(now, key, reason),
                    TransportOutput::Failed(None, _) => {}
                    // Nobody asks for a flow to be kept here or has two addresses, and nobody speaks WebSocket.
                    TransportOutput::Ping(_)
                    | TransportOutput::Mapped(..)
                    | TransportOutput::Lost(..)
                    | TransportOutput::Abandon(_)
                    | TransportOutput::Raced(..) => {}
                }
            }
            match self.core.poll_transmit(now) {
                Some((key, to, bytes)) => {
                    self.deviates = self.deviates.take().or_else(|| deviation(&bytes));
                    self.transport.send(now, key, to, bytes);
                }
                None => return,
            }
        }
    }
}

/// What of a message, or of the description in it, is not by the letter.
fn deviation(bytes: &Bytes) -> Option<String> {
    let shown = |what: String| Some(format!("{what} in\n{}", String::from_utf8_lossy(bytes)));
    let message = match Message::parse(bytes.clone()) {
        Ok(message) => message,
        Err(error) => return shown(error.to_string()),
    };
    if let Some(deviation) = message.deviations().first() {
        return shown(deviation.to_string());
    }
    let media = message.first::<ContentType<'_>>()?.ok()?;
    if !media.is("application", "sdp") {
        return None;
    }
    match SessionDescription::deviations(message.body()) {
        Ok(deviations) => shown(deviations.first()?.to_string()),
        Err(error) => shown(error.to_string()),
    }
}

/// The datagram socket of a host.
fn socket(address: SocketAddr) -> FlowId {
    match address {
        SocketAddr::V4(address) => FlowId((1 << 40) | u64::from(u32::from(*address.ip()))),
        SocketAddr::V6(_) => FlowId(1 << 41),
    }
}
