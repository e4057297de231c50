//! One worker on one UDP listener: read a batch, hand it up, write what came of it.

use crate::batch::{self, BATCH};
use crate::shared::Shared;
use crate::tap::Direction;
use crate::{Core, Outbox, icmp};
use ringback_sansio::{CloseReason, Flow, Protocol, Target};
use ringback_transport::via::{self, Inbound};
use ringback_transport::{FromNetwork, stun};
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Instant;
use tokio::io::Interest;
use tokio::net::UdpSocket;

pub(crate) async fn serve<C: Core>(shared: Arc<Shared<C>>, listener: usize, worker: usize) -> io::Result<()> {
    let datagrams = &shared.udp[listener];
    let interest = Interest::READABLE | Interest::ERROR;
    // The runtime watches a descriptor of its own; whoever sends uses the other one.
    let socket = &datagrams.by_worker[worker];
    let watched = UdpSocket::from_std(socket.try_clone()?.into())?;
    let mut batch = Vec::with_capacity(BATCH);
    let mut out = Outbox::new();
    loop {
        let ready = watched.ready(interest).await?;
        let outcome = watched.try_io(Interest::READABLE, || {
            match batch::receive(socket, datagrams.local, &mut batch) {
                // A batch that is not full emptied the socket: it waits for the next event without asking again. What
                // came meanwhile has made it ready anew, which tokio notices.
                Ok(()) if batch.len() < BATCH => Err(io::ErrorKind::WouldBlock.into()),
                outcome => outcome.map_err(io::Error::from),
            }
        });
        let now = Instant::now();
        if ready.is_error() || outcome.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
            // The error queue is read to its end; what comes later is an event of its own.
            let _ = watched.try_io(Interest::ERROR, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
            let mut sent = shared.sent[worker].lock().unwrap_or_else(PoisonError::into_inner);
            let tags = icmp::failed(socket, &mut sent);
            drop(sent);
            for tag in tags {
                shared.core.failed(now, tag, CloseReason::Reset, &mut out);
            }
        }
        for (peer, bytes) in batch.drain(..) {
            let flow = Flow { id: datagrams.id, protocol: Protocol::Udp, local: datagrams.local, peer };
            shared.tap(now, Direction::In, &flow, &bytes);
            if stun::is_stun(&bytes) {
                match stun::answer(&bytes, peer) {
                    Some(answer) => out.send(None, Target::Flow(flow), answer),
                    // Looked at before the lock is taken: anybody can send rubbish.
                    None if stun::mapped(&bytes).is_some() => {
                        shared.tell(now, FromNetwork::Datagram(flow, bytes), &mut out);
                    }
                    None => {}
                }
                continue;
            }
            match via::receive_with(&flow, bytes, &shared.config.transport.framing.message) {
                Inbound::Message(message) => shared.core.received(now, flow, message, &mut out),
                Inbound::KeepAlive => {}
                Inbound::Malformed(error, reply) => {
                    if let Some((to, bytes)) = reply {
                        out.send(None, to, bytes);
                    }
                    shared.core.malformed(now, flow, error);
                }
            }
        }
        shared.carry_out(now, &mut out);
        shared.wake();
    }
}
