//! What all workers share, and how an outbox is carried out.

use crate::batch::{self, Datagram};
use crate::connection::{self, Direct};
use crate::drops::Drops;
use crate::icmp::{self, Sent};
use crate::outbox::Outbox;
use crate::resolve::Finder;
use crate::sockets::{Accepting, Datagrams};
use crate::streams::{Event, Streams};
use crate::tap::{Direction, Seen};
use crate::timer::Alarm;
use crate::{Core, Listen, NetConfig, Worker, handover, resolve};
use bytes::Bytes;
use ringback_sansio::{CloseReason, Epoch, Flow, FlowId, Protocol, Target};
use ringback_transport::FromNetwork;
use smallvec::{SmallVec, smallvec};
use std::cell::Cell;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

thread_local! {
    /// Which worker this thread is. Threads that are none use the sockets of the first.
    static WORKER: Cell<usize> = const { Cell::new(0) };
}

/// Makes this thread a worker.
pub(crate) fn become_worker(index: usize) {
    WORKER.set(index);
}

pub(crate) struct Shared<C: Core> {
    pub(crate) core: Arc<C>,
    pub(crate) config: NetConfig,
    pub(crate) listeners: Vec<Listen>,
    /// The same as they stood in the configuration.
    pub(crate) asked: Vec<Listen>,
    pub(crate) udp: Vec<Datagrams>,
    pub(crate) tcp: Vec<Accepting>,
    /// Whether connections are accepted.
    pub(crate) accepts: watch::Sender<bool>,
    /// Of each UDP listener, how many threads read it.
    pub(crate) readers: Vec<AtomicUsize>,
    /// Whether another program has the sockets as well, and may read them.
    pub(crate) is_shared: AtomicBool,
    /// Whether datagrams are not read any more.
    pub(crate) leaves: AtomicBool,
    /// Of each worker, what its sockets sent lately.
    pub(crate) sent: Vec<Mutex<Sent<C::Tag>>>,
    pub(crate) streams: Mutex<Streams<C::Tag>>,
    pub(crate) drops: Arc<Drops>,
    /// Tells the one who watches the deadlines of streams that an earlier one is there.
    pub(crate) stream_deadline: Notify,
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) runtimes: Vec<Handle>,
    /// All threads, as the system knows them.
    pub(crate) threads: Vec<AtomicI32>,
    pub(crate) stopping: AtomicBool,
    pub(crate) questions: AtomicUsize,
    pub(crate) finder: Finder,
    /// Clients that shake hands at the moment.
    pub(crate) handshakes: AtomicUsize,
    pub(crate) epoch: Epoch,
}

impl<C: Core> Shared<C> {
    /// Runs a task beside this thread's others.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtimes[WORKER.get()].spawn(task);
    }

    pub(crate) fn streams(&self) -> MutexGuard<'_, Streams<C::Tag>> {
        // Whoever panicked with the lock left a machine that is consistent between calls.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the threads that wait for datagrams.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        if self.is_shared.load(Ordering::Acquire) {
            // Shut down, they would be so for the other program as well.
            return self.leave_datagrams();
        }
        for socket in self.udp.iter().flat_map(|listener| &listener.by_worker) {
            // A socket that is not connected says that it is not, and wakes who waits for it all the same.
            let _ = socket.shutdown(Shutdown::Read);
        }
    }

    /// Whether what is read is nobody's any more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire) && !self.is_shared.load(Ordering::Acquire)
    }

    /// Whether a thread that reads datagrams has to end.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaves.load(Ordering::Acquire) || self.stopping.load(Ordering::Acquire)
    }

    /// Ends the threads that wait for datagrams, each when what it has read is handed up. The sockets are as they were.
    pub(crate) fn leave_datagrams(&self) {
        /// Of many workers each is drawn long before.
        const TRIES: u32 = 10_000;
        self.leaves.store(true, Ordering::Release);
        for (listener, readers) in self.udp.iter().zip(&self.readers) {
            for attempt in 0..TRIES {
                if readers.load(Ordering::Acquire) == 0 {
                    break;
                }
                if let Err(error) = handover::wake(listener.local) {
                    tracing::warn!(%error, "who reads datagrams is not woken");
                    break;
                }
                // The one that was woken takes a moment; another one may have been meant.
                std::thread::sleep(Duration::from_micros(u64::from(attempt.min(20)) * 50));
            }
        }
    }

    /// Says that this thread is the one with this number.
    pub(crate) fn enrol(&self, number: usize) {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        self.threads[number].store(thread, Ordering::Relaxed);
    }

    /// Lets every worker look at its deadlines.
    pub(crate) fn wake(&self) {
        if !self.core.is_sooner() {
            return;
        }
        for (index, alarm) in self.alarms.iter().enumerate() {
            let worker = Worker { index, count: self.alarms.len() };
            if let Some(at) = self.core.poll_timeout(worker) {
                alarm.due(at);
            }
        }
    }

    pub(crate) fn tap(&self, now: Instant, direction: Direction, flow: &Flow, bytes: &Bytes) {
        if let Some(tap) = self.config.tap.as_ref().filter(|tap| tap.is_on()) {
            let Flow { protocol, local, peer, .. } = *flow;
            tap.saw(Seen { at: self.epoch.unix(now), direction, protocol, local, peer, bytes });
        }
    }

    /// Sends and asks all that is wanted, and what the core wants in answer to failures. Leaves `out` empty.
    pub(crate) fn carry_out(self: &Arc<Self>, now: Instant, out: &mut Outbox<C::Tag>) {
        while !out.is_empty() {
            let mut failures = Vec::new();
            let mut datagrams: Batch<C::Tag> = SmallVec::new();
            let mut writes = Writes::new();
            // A 100 goes out before the request that it is for, though one be a datagram and the other not: the answer to that
            // may come to another thread.
            let are_streams_first =
                out.sends.first().is_some_and(|(_, to, _)| to.protocol() != Protocol::Udp);
            for (tag, to, bytes) in out.sends.drain(..) {
                if to.protocol() != Protocol::Udp {
                    self.send_on_stream(now, tag, to, bytes, &mut writes, &mut failures);
                    continue;
                }
                match self.listener_for(&to) {
                    Some(listener) => datagrams.push(Datagram { listener, tag, peer: to.peer(), bytes }),
                    None => failures.extend(tag.map(|tag| (tag, CloseReason::NoRoute))),
                }
            }
            if !are_streams_first {
                self.send_datagrams(now, std::mem::take(&mut datagrams), &mut failures);
            }
            while !writes.is_empty() {
                let (direct, messages) = writes.remove(0);
                let events = self.write(now, &direct, &messages);
                self.heed(events, &mut writes, &mut failures);
            }
            self.send_datagrams(now, datagrams, &mut failures);
            for (target, after) in out.avoided.drain(..) {
                self.finder.penalties().failed(now, target, after);
            }
            let questions = std::mem::take(&mut out.questions);
            for (token, hop) in questions {
                resolve::ask(self, now, token, hop, out);
            }
            for (token, question) in std::mem::take(&mut out.looked_up) {
                resolve::look_up(self, now, token, question, out);
            }
            let kept = std::mem::take(&mut out.kept);
            for (flow, every) in kept {
                let mut events = Vec::new();
                let mut streams = self.streams();
                streams.keep(now, &flow, every, &mut events);
                self.watch(&mut streams);
                drop(streams);
                self.handle_events(now, events, out);
            }
            for (tag, reason) in failures {
                self.core.failed(now, tag, reason, out);
            }
        }
    }

    /// Which UDP listener a datagram leaves from.
    fn listener_for(&self, to: &Target) -> Option<usize> {
        let peer = match to {
            Target::Flow(Flow { id: FlowId(id), .. }) if (*id as usize) < self.udp.len() => {
                return Some(*id as usize);
            }
            Target::Flow(flow) => flow.peer,
            Target::Address(_, peer) | Target::Domain(_, peer, _) => *peer,
        };
        let family = |own: &&(usize, SocketAddr)| own.1.is_ipv4() == peer.is_ipv4();
        let reaches = |own: &&(usize, SocketAddr)| {
            own.1.ip().is_unspecified() || own.1.ip().is_loopback() == peer.ip().is_loopback()
        };
        let own: SmallVec<[(usize, SocketAddr); 4]> =
            self.udp.iter().map(|own| own.local).enumerate().collect();
        let best = own.iter().filter(family).find(reaches).or_else(|| own.iter().find(family));
        best.map(|(index, _)| *index)
    }

    fn send_datagrams(&self, now: Instant, datagrams: Batch<C::Tag>, failures: &mut Failures<C::Tag>) {
        if datagrams.is_empty() {
            return;
        }
        let worker = WORKER.get();
        // Remembered before the send: the error of a closed port on this machine is there when it returns.
        let mut sent = self.sent[worker].lock().unwrap_or_else(PoisonError::into_inner);
        for Datagram { tag, peer, bytes, .. } in &datagrams {
            if let Some(tag) = tag {
                sent.remember(*tag, *peer, bytes.clone());
            }
        }
        drop(sent);
        for run in datagrams.chunk_by(|one, next| one.listener == next.listener) {
            let own = &self.udp[run[0].listener];
            if self.config.tap.as_ref().is_some_and(|tap| tap.is_on()) {
                for Datagram { peer, bytes, .. } in run {
                    let flow = Flow { id: own.id, protocol: Protocol::Udp, local: own.local, peer: *peer };
                    self.tap(now, Direction::Out, &flow, bytes);
                }
            }
            let came_back = batch::send(&own.by_worker[worker], run, |datagram, reason| {
                failures.extend(datagram.tag.map(|tag| (tag, reason)));
            });
            if came_back {
                failures.extend(self.came_back(run[0].listener, worker));
            }
        }
    }

    /// Who has to hear that a datagram came back. The error queue is read, but for what comes meanwhile, which is an event of
    /// its own.
    pub(crate) fn came_back(&self, listener: usize, worker: usize) -> Failures<C::Tag> {
        let mut sent = self.sent[worker].lock().unwrap_or_else(PoisonError::into_inner);
        let tags = icmp::failed(&self.udp[listener].by_worker[worker], &mut sent);
        tags.into_iter().map(|tag| (tag, CloseReason::Reset)).collect()
    }

    fn send_on_stream(
        self: &Arc<Self>,
        now: Instant,
        tag: Option<C::Tag>,
        to: Target,
        bytes: Bytes,
        writes: &mut Writes,
        failures: &mut Failures<C::Tag>,
    ) {
        let mut events = Vec::new();
        let mut streams = self.streams();
        streams.send(now, tag, to, bytes, &mut events);
        self.watch(&mut streams);
        drop(streams);
        self.heed(events, writes, failures);
    }

    /// Does what comes of sending.
    fn heed(
        self: &Arc<Self>,
        events: Vec<Event<C::Tag>>,
        writes: &mut Writes,
        failures: &mut Failures<C::Tag>,
    ) {
        for event in events {
            match event {
                Event::Connect(to, given_up) => self.connect(to, given_up),
                Event::Raced(token, there) => self.finder.raced(token, there),
                Event::Failed(tag, reason) => failures.push((tag, reason)),
                Event::Write(direct, bytes) => {
                    match writes.iter_mut().find(|(own, _)| own.flow.id == direct.flow.id) {
                        Some((_, messages)) => messages.push(bytes),
                        None => writes.push((direct, smallvec![bytes])),
                    }
                }
                // Nothing comes in by sending.
                Event::Received(..)
                | Event::Malformed(..)
                | Event::Datagram(..)
                | Event::Mapped(..)
                | Event::Lost(..) => {}
            }
        }
    }

    /// Hands up what a stream brought.
    pub(crate) fn handle_events(
        self: &Arc<Self>,
        now: Instant,
        events: impl IntoIterator<Item = Event<C::Tag>>,
        out: &mut Outbox<C::Tag>,
    ) {
        for event in events {
            match event {
                Event::Connect(to, given_up) => self.connect(to, given_up),
                Event::Raced(token, there) => self.finder.raced(token, there),
                Event::Failed(tag, reason) => self.core.failed(now, tag, reason, out),
                Event::Write(direct, bytes) => {
                    let events = self.write(now, &direct, &[bytes]);
                    self.handle_events(now, events, out);
                }
                Event::Received(flow, message) => self.core.received(now, flow, message, out),
                Event::Malformed(flow, error) => self.core.malformed(now, flow, error),
                Event::Datagram(id, peer, bytes) => {
                    let local = self.udp.get(id.0 as usize).map_or(peer, |own| own.local);
                    let flow = Flow { id, protocol: Protocol::Udp, local, peer };
                    out.send(None, Target::Flow(flow), bytes);
                }
                Event::Mapped(flow, address) => self.core.mapped(now, flow, address, out),
                Event::Lost(flow, reason) => self.core.closed(now, flow, reason, out),
            }
        }
    }

    /// Tells the transport something, and hands up what comes of it.
    pub(crate) fn tell(self: &Arc<Self>, now: Instant, input: FromNetwork, out: &mut Outbox<C::Tag>) {
        let mut events = Vec::new();
        let mut streams = self.streams();
        streams.handle(now, input, &mut events);
        self.watch(&mut streams);
        drop(streams);
        self.handle_events(now, events, out);
    }

    /// Writes to a connection, or into its queue; tells what comes of a queue that is full.
    fn write(&self, now: Instant, direct: &Direct, messages: &[Bytes]) -> Vec<Event<C::Tag>> {
        let mut events = Vec::new();
        let written = direct.write(messages, |rest| {
            let mut streams = self.streams();
            streams.queue_rest(now, direct.flow.id, rest, &mut events);
            self.watch(&mut streams);
        });
        if written {
            messages.iter().for_each(|bytes| self.tap(now, Direction::Out, &direct.flow, bytes));
        }
        events
    }

    fn connect(self: &Arc<Self>, to: Target, given_up: Arc<Notify>) {
        self.spawn(connection::connect(self.clone(), to, given_up));
    }

    /// Connects to the one of two targets that answers first, and says which it is.
    pub(crate) async fn race(self: &Arc<Self>, pair: (Target, Target)) -> Option<Target> {
        let (token, ended) = self.finder.new_race();
        self.begin_race(token, pair);
        ended.await.ok().flatten()
    }

    fn begin_race(self: &Arc<Self>, token: u64, pair: (Target, Target)) {
        let (now, mut events, mut out) = (Instant::now(), Vec::new(), Outbox::new());
        let mut streams = self.streams();
        streams.race(now, token, pair, &mut events);
        self.watch(&mut streams);
        drop(streams);
        self.handle_events(now, events, &mut out);
        self.carry_out(now, &mut out);
    }

    /// To be called before the lock on the streams is given back.
    pub(crate) fn watch(&self, streams: &mut Streams<C::Tag>) {
        if streams.has_earlier_deadline() {
            self.stream_deadline.notify_one();
        }
    }
}

/// What is to be written to connections: for each all at once.
type Writes = SmallVec<[(Arc<Direct>, SmallVec<[Bytes; 4]>); 4]>;
type Batch<T> = SmallVec<[Datagram<T>; 8]>;
pub(crate) type Failures<T> = Vec<(T, CloseReason)>;
