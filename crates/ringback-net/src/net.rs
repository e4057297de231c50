//! The running driver.

use crate::drops::{self, Drops};
use crate::icmp::Sent;
use crate::load::Meter;
use crate::resolve::Finder;
use crate::shared::{self, Shared};
use crate::sockets::Sockets;
use crate::streams::Streams;
use crate::timer::{self, Alarm};
use crate::{Core, Inherited, Listen, Outbox, Tls, Worker, connection, epoch, scheduling, udp};
use bytes::Bytes;
use futures::FutureExt as _;
use ringback_sansio::{Protocol, Target};
use socket2::Socket;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, oneshot, watch};

/// How long connections have to write what waits when the driver ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running driver. Dropping it ends its threads; [`shutdown`](Self::shutdown) also lets connections write what
/// waits.
pub struct Net<C: Core> {
    shared: Arc<Shared<C>>,
    stop: watch::Sender<bool>,
    ended: Mutex<Vec<oneshot::Receiver<()>>>,
}

impl<C: Core> Net<C> {
    pub(crate) fn start(sockets: Sockets, core: Arc<C>) -> io::Result<Self> {
        let listeners = sockets.listeners().to_vec();
        let Sockets { config, asked, udp, tcp, .. } = sockets;
        let count = config.workers;
        let runtimes: Vec<Runtime> = (0..count)
            .map(|_| Builder::new_current_thread().enable_all().max_blocking_threads(16).build())
            .collect::<io::Result<_>>()?;
        let now = epoch();
        let sockets_of_each = udp.len();
        let drops = Arc::new(Drops::default());
        let shared = Arc::new(Shared {
            core,
            listeners,
            asked,
            accepts: watch::Sender::new(!config.waits),
            readers: udp.iter().map(|_| AtomicUsize::new(0)).collect(),
            is_shared: AtomicBool::new(false),
            leaves: AtomicBool::new(false),
            udp,
            tcp,
            sent: (0..count).map(|_| Mutex::new(Sent::new())).collect(),
            streams: Mutex::new(Streams::new(&config, drops.clone())),
            drops,
            stream_deadline: Notify::new(),
            alarms: (0..count).map(|_| Alarm::new(now.at)).collect(),
            threads: (0..count * (1 + sockets_of_each)).map(|_| AtomicI32::new(0)).collect(),
            stopping: AtomicBool::new(false),
            runtimes: runtimes.iter().map(|runtime| runtime.handle().clone()).collect(),
            questions: AtomicUsize::new(0),
            finder: Finder::new(&config),
            handshakes: AtomicUsize::new(0),
            epoch: now,
            config,
        });
        let (stop, _) = watch::channel(false);
        // From here on its end is seen to, also when a thread is refused.
        let mut net = Self { shared: shared.clone(), stop: stop.clone(), ended: Mutex::default() };
        let mut ended = Vec::new();
        for (index, runtime) in runtimes.into_iter().enumerate() {
            let (end, has_ended) = oneshot::channel();
            let mut stopped = stop.subscribe();
            spawn_tasks(&shared, &runtime, Worker { index, count });
            let of = shared.clone();
            let run = move || {
                shared::become_worker(index);
                of.enrol(index);
                scheduling::apply(of.config.scheduling);
                // It is not held while it runs: whoever drops the driver ends this thread.
                drop(of);
                // An error means that the driver was dropped.
                let _ = runtime.block_on(stopped.wait_for(|stop| *stop));
                runtime.shutdown_background();
                let _ = end.send(());
            };
            thread::Builder::new().name(format!("net-{index}")).spawn(run)?;
            ended.push(has_ended);
        }
        net.ended = Mutex::new(ended);
        for listener in &shared.tcp {
            for (runtime, socket) in shared.runtimes.iter().zip(&listener.by_worker) {
                let (of, protocol) = (shared.clone(), listener.protocol);
                let listener = std::net::TcpListener::from(socket.try_clone()?);
                let task = move || connection::accept(of.clone(), protocol, listener.try_clone());
                runtime.spawn(keep(task, "accepting connections"));
            }
        }
        if !shared.config.waits {
            net.read_datagrams()?;
        }
        Ok(net)
    }

    /// Begins to read datagrams, where that waited to be asked for; to be called once.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn read_datagrams(&self) -> io::Result<()> {
        let count = self.shared.config.workers;
        let each =
            (0..self.shared.udp.len()).flat_map(|listener| (0..count).map(move |worker| (listener, worker)));
        for (number, (listener, worker)) in each.enumerate() {
            let (end, has_ended) = oneshot::channel();
            let of = self.shared.clone();
            let run = move || {
                of.enrol(count + number);
                scheduling::apply(of.config.scheduling);
                udp::serve(&of, listener, worker);
                of.readers[listener].fetch_sub(1, Ordering::AcqRel);
                drop(of);
                let _ = end.send(());
            };
            self.shared.readers[listener].fetch_add(1, Ordering::AcqRel);
            let started = thread::Builder::new().name(format!("udp-{listener}-{worker}")).spawn(run);
            if let Err(error) = started {
                self.shared.readers[listener].fetch_sub(1, Ordering::AcqRel);
                return Err(error);
            }
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(has_ended);
        }
        Ok(())
    }

    /// Ends reading datagrams: when it returns nobody does here, and all that was read has been handed to the core. Whoever
    /// else has the sockets goes on with what comes. It takes milliseconds, and blocks.
    pub fn leave_datagrams(&self) {
        self.shared.leave_datagrams();
    }

    /// Accepts connections from now on, or none: those wait in the queue of the system.
    pub fn accept_connections(&self, does: bool) {
        self.shared.accepts.send_replace(does);
    }

    /// Takes a datagram that another program read from a socket that both have: as it would be taken had it been read here by the
    /// UDP listener of this number, counted from 0 among those in the order asked for.
    pub fn take_datagram(&self, listener: usize, peer: SocketAddr, bytes: Bytes) {
        udp::take_passed(&self.shared, listener, peer, bytes);
    }

    /// The sockets of all listeners once more, in the order asked for, for another program to go on with. From here on they
    /// are not shut down at the end.
    ///
    /// # Errors
    /// When there are no more descriptors.
    pub fn duplicates(&self) -> io::Result<Vec<Inherited>> {
        self.shared.is_shared.store(true, Ordering::Release);
        let (mut udp, mut tcp) = (self.shared.udp.iter(), self.shared.tcp.iter());
        let duplicate = |socket: &Socket| socket.try_clone().map(OwnedFd::from);
        let of_listener = |listen: &Listen| {
            let sockets: io::Result<Vec<OwnedFd>> = match listen.protocol {
                Protocol::Udp => {
                    udp.next().into_iter().flat_map(|own| &own.by_worker).map(|own| duplicate(own)).collect()
                }
                _ => tcp.next().into_iter().flat_map(|own| &own.by_worker).map(duplicate).collect(),
            };
            Ok(Inherited { listen: *listen, sockets: sockets? })
        };
        self.shared.asked.iter().map(of_listener).collect()
    }

    /// What it drives.
    pub fn core(&self) -> &Arc<C> {
        &self.shared.core
    }

    /// Where it listens, in the order asked for.
    pub fn listeners(&self) -> &[Listen] {
        &self.shared.listeners
    }

    /// The same as they stood in the configuration; a port may be 0.
    pub fn asked(&self) -> &[Listen] {
        &self.shared.asked
    }

    /// Carries out what somebody outside of the workers wants sent. From any thread.
    pub fn send(&self, mut out: Outbox<C::Tag>) {
        self.shared.carry_out(Instant::now(), &mut out);
        self.shared.wake();
    }

    /// Lets the workers look at their deadlines, after a command moved one.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// Whom to send to for `domain` at this address: by TLS only to one who proves to be it.
    pub fn target(&self, protocol: Protocol, address: SocketAddr, domain: &str) -> Target {
        match protocol.is_secure() {
            true => Target::Domain(protocol, address, self.shared.finder.domains.id(domain)),
            false => Target::Address(protocol, address),
        }
    }

    /// Lets so many connections be open from now on, and so many from one address. Where there are more already, all of them
    /// stay.
    pub fn set_max_streams(&self, all: usize, of_source: usize) {
        self.shared.streams().set_max_streams(all, of_source);
    }

    /// How TLS is done, where a listener or a configuration needs it.
    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.shared.config.tls.as_ref()
    }

    /// How many connections are open.
    pub fn open_streams(&self) -> usize {
        self.shared.streams().open_streams()
    }

    /// Reads how much the workers have to do.
    pub fn meter(&self) -> Meter<C> {
        Meter::new(self.shared.clone())
    }

    /// What was dropped, closed or turned away since the start, by reason: datagrams by the system (`datagrams_by_kernel`),
    /// streams, and clients on their way to one.
    pub fn drops(&self) -> BTreeMap<&'static str, u64> {
        let mut drops = self.shared.drops.read();
        drops.insert("datagrams_by_kernel", drops::by_kernel(&self.shared.udp));
        drops
    }

    /// Ends the driver: connections write what waits, for a second at most, then the threads end. What is sent
    /// afterwards goes nowhere; ports are free again when this is dropped.
    pub async fn shutdown(&self) {
        self.shared.streams().close_all();
        let shared = self.shared.clone();
        let written = async {
            while shared.streams().alive > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, written).await;
        self.shared.stop();
        self.stop.send_replace(true);
        let ended = std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner));
        for ended in ended {
            let _ = ended.await;
        }
    }
}

impl<C: Core> Drop for Net<C> {
    fn drop(&mut self) {
        self.shared.stop();
        self.stop.send_replace(true);
    }
}

impl<C: Core> std::fmt::Debug for Net<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Net {{ listeners: {:?}, open_streams: {} }}", self.shared.listeners, self.open_streams())
    }
}

fn spawn_tasks<C: Core>(shared: &Arc<Shared<C>>, runtime: &Runtime, worker: Worker) {
    let own = shared.clone();
    runtime.spawn(keep(move || timer::serve(own.clone(), worker), "running timers"));
    if worker.index == 0 {
        let shared = shared.clone();
        runtime.spawn(keep(move || connection::watch(shared.clone()), "watching streams"));
    }
}

/// These tasks run as long as the driver. A bug above that panics costs the messages of one batch, not the socket;
/// a fault of the system ends the task, and somebody must hear of it.
async fn keep<F: Future<Output = io::Result<()>>>(task: impl Fn() -> F, doing: &'static str) {
    loop {
        match AssertUnwindSafe(task()).catch_unwind().await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => return tracing::error!(%error, "{doing} has ended"),
            Err(_) => tracing::error!("{doing} hit a bug, and goes on"),
        }
    }
}
