//! One worker on one UDP listener: read a batch, hand it up, write what came of it.

use crate::batch::{self, BATCH};
use crate::shared::{self, Shared};
use crate::sockets::Datagrams;
use crate::tap::Direction;
use crate::{Core, Outbox};
use bytes::Bytes;
use nix::errno::Errno;
use ringback_sansio::{Flow, Protocol, Target};
use ringback_transport::via::{self, Inbound};
use ringback_transport::{FromNetwork, stun};
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// After an error that says nothing of a datagram, as when the system is out of memory.
const PAUSE: Duration = Duration::from_millis(10);

/// Reads one socket until the driver ends.
///
/// The thread sleeps in the call that reads, and not in one that asks whether there is something to read: where datagrams come
/// one by one, each of them is one system call and one wake-up less.
pub(crate) fn serve<C: Core>(shared: &Arc<Shared<C>>, listener: usize, worker: usize) {
    shared::become_worker(worker);
    // What comes of a message may be a task.
    let _runtime = shared.runtimes[worker].enter();
    let mut reader =
        Reader { shared, listener, worker, batch: Vec::with_capacity(BATCH), out: Outbox::new() };
    while !shared.is_leaving() {
        // A bug above that panics costs the messages of one batch, not the socket.
        if panic::catch_unwind(AssertUnwindSafe(|| reader.turn())).is_err() {
            tracing::error!("reading datagrams hit a bug, and goes on");
            (reader.batch, reader.out) = (Vec::with_capacity(BATCH), Outbox::new());
        }
    }
}

struct Reader<'a, C: Core> {
    shared: &'a Arc<Shared<C>>,
    listener: usize,
    worker: usize,
    batch: Vec<batch::Received>,
    out: Outbox<C::Tag>,
}

impl<C: Core> Reader<'_, C> {
    /// Waits for something to read, and sees to it.
    fn turn(&mut self) {
        let Self { shared, listener, worker, batch, out } = self;
        let datagrams = &shared.udp[*listener];
        let outcome = batch::receive(&datagrams.by_worker[*worker], datagrams.local, batch);
        if shared.is_stopping() {
            return;
        }
        let now = Instant::now();
        match outcome {
            Ok(()) | Err(Errno::EINTR) => {}
            // A datagram of ours came back, of which the error queue tells more.
            Err(error) => {
                let failures = shared.came_back(*listener, *worker);
                if failures.is_empty() && !batch::is_about_a_peer(error) {
                    thread::sleep(PAUSE);
                }
                for (tag, reason) in failures {
                    shared.core.failed(now, tag, reason, out);
                }
            }
        }
        for (peer, bytes) in batch.drain(..) {
            take(shared, now, datagrams, peer, bytes, out);
        }
        shared.core.batch_ended(now, out);
        shared.carry_out(now, out);
        shared.wake();
    }
}

/// Sees to a datagram.
fn take<C: Core>(
    shared: &Arc<Shared<C>>,
    now: Instant,
    datagrams: &Datagrams,
    peer: SocketAddr,
    bytes: Bytes,
    out: &mut Outbox<C::Tag>,
) {
    let flow = Flow { id: datagrams.id, protocol: Protocol::Udp, local: datagrams.local, peer };
    shared.tap(now, Direction::In, &flow, &bytes);
    if stun::is_stun(&bytes) {
        match stun::answer(&bytes, peer) {
            Some(answer) => out.send(None, Target::Flow(flow), answer),
            // Looked at before the lock is taken: anybody can send rubbish.
            None if stun::mapped(&bytes).is_some() => {
                shared.tell(now, FromNetwork::Datagram(flow, bytes), out);
            }
            None => {}
        }
        return;
    }
    match via::receive_with(&flow, bytes, &shared.config.transport.framing.message) {
        Inbound::Message(message) => shared.core.received(now, flow, message, out),
        Inbound::KeepAlive => {}
        Inbound::Malformed(error, reply) => {
            if let Some((to, bytes)) = reply {
                out.send(None, to, bytes);
            }
            shared.core.malformed(now, flow, error);
        }
    }
}

/// Sees to a datagram that another program read from the socket of a listener.
pub(crate) fn take_passed<C: Core>(shared: &Arc<Shared<C>>, listener: usize, peer: SocketAddr, bytes: Bytes) {
    let Some(datagrams) = shared.udp.get(listener) else { return };
    let _runtime = shared.runtimes[0].enter();
    let (now, mut out) = (Instant::now(), Outbox::new());
    take(shared, now, datagrams, peer, bytes, &mut out);
    shared.core.batch_ended(now, &mut out);
    shared.carry_out(now, &mut out);
    shared.wake();
}
