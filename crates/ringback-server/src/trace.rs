//! Telling others of every message, as it came and went: captures, lines of JSON, a collector of HEP.
//!
//! Those who handle messages put what they see into a queue of bounded size and go on; where there is no room it is counted and
//! forgotten. One thread takes it out, cuts it into messages and writes them.

mod order;
mod sink;

use crate::config::{ConfigError, TraceConfig};
use bytes::Bytes;
use order::InOrder;
use ringback_net::{Direction, Protocol, Seen, Tap};
use ringback_trace::{Packet, Reassembly};
use sink::Sink;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The most bytes of messages that wait.
const MOST_BYTES: usize = 64 << 20;
/// How long what was written may wait to be seen in its file.
const FLUSH: Duration = Duration::from_millis(200);

/// What the thread that writes is told.
enum Job {
    /// This was seen.
    Seen(Direction, Packet),
    /// From here on it goes there.
    To(Vec<Sink>),
    End,
}

/// The end at which messages are seen.
pub(crate) struct TraceTap {
    /// Not before there is somewhere to tell them.
    queue: OnceLock<SyncSender<Job>>,
    /// Whether there is somewhere to tell them now.
    is_on: AtomicBool,
    waiting: Arc<AtomicUsize>,
    pub(crate) counts: Arc<Counts>,
    /// Who else wants to see them.
    next: Option<Arc<dyn Tap>>,
}

/// What did not get to where it should.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// There was no room in the queue.
    no_room: AtomicU64,
    /// A file or collector did not take it.
    not_written: AtomicU64,
}

/// The running trace.
pub(crate) struct Trace {
    pub(crate) tap: Arc<TraceTap>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Counts {
    /// By reason, where there were any.
    pub(crate) fn read(&self) -> impl Iterator<Item = (String, u64)> {
        let read = |name: &str, count: &AtomicU64| (name.to_owned(), count.load(Ordering::Relaxed));
        let counts = [read("trace_no_room", &self.no_room), read("trace_not_written", &self.not_written)];
        counts.into_iter().filter(|(_, count)| *count > 0)
    }
}

impl Tap for TraceTap {
    fn saw(&self, seen: Seen<'_>) {
        if let Some(next) = &self.next {
            next.saw(seen);
        }
        let Some(queue) = self.queue.get().filter(|_| self.is_on.load(Ordering::Relaxed)) else { return };
        let Seen { at, direction, protocol, local, peer, bytes } = seen;
        let length = bytes.len();
        let packet = packet(at, direction, protocol, local, peer, bytes);
        let waiting = self.waiting.fetch_add(length, Ordering::Relaxed);
        if waiting + length > MOST_BYTES || queue.try_send(Job::Seen(direction, packet)).is_err() {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
            self.counts.no_room.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_on(&self) -> bool {
        self.next.is_some() || self.is_on.load(Ordering::Relaxed)
    }
}

fn packet(
    time: Duration,
    direction: Direction,
    protocol: Protocol,
    local: SocketAddr,
    peer: SocketAddr,
    bytes: &Bytes,
) -> Packet {
    let (source, destination) = match direction {
        Direction::In => (peer, local),
        Direction::Out => (local, peer),
    };
    Packet { time, source, destination, protocol, payload: bytes.clone() }
}

/// Places that were found to be good, to be told of messages from now on.
pub(crate) struct Places(Vec<Sink>);

/// Opens the places of a configuration.
///
/// # Errors
/// When a file cannot be written, or a collector has no address.
pub(crate) fn open(config: &TraceConfig) -> Result<Places, ConfigError> {
    config.to.iter().map(|to| Sink::open(to, config)).collect::<Result<_, _>>().map(Places)
}

impl Places {
    /// Nobody is told.
    pub(crate) fn nowhere() -> Self {
        Self(Vec::new())
    }
}

impl Trace {
    /// A trace that goes nowhere yet.
    pub(crate) fn new(next: Option<Arc<dyn Tap>>) -> Self {
        let tap = TraceTap {
            queue: OnceLock::new(),
            is_on: AtomicBool::new(false),
            waiting: Arc::default(),
            counts: Arc::default(),
            next,
        };
        Self { tap: Arc::new(tap), thread: Mutex::default() }
    }

    /// Tells of every message there, and nowhere else any more. What waits still goes to where it was to go.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn tell(&self, Places(sinks): Places, queue: usize) -> Result<(), ConfigError> {
        let mut thread = self.thread();
        let is_on = !sinks.is_empty();
        if !is_on && thread.is_none() {
            return Ok(());
        }
        let sender = self.tap.queue.get_or_init(|| {
            let (sender, waits) = sync_channel(queue);
            let (waiting, counts) = (self.tap.waiting.clone(), self.tap.counts.clone());
            let (whole, settling) = (Reassembly::new(), InOrder::default());
            let mut writer = Writer { sinks: Vec::new(), whole, settling, waiting, counts };
            match thread::Builder::new().name("trace".into()).spawn(move || writer.run(&waits)) {
                Ok(started) => *thread = Some(started),
                Err(error) => tracing::error!(%error, "the trace has no thread"),
            }
            sender
        });
        // Waits for room where there is none: the thread makes some.
        let told = sender.send(Job::To(sinks));
        self.tap.is_on.store(is_on && told.is_ok(), Ordering::Relaxed);
        told.map_err(|_| ConfigError::new("trace: the system gave no thread; see the log"))
    }

    /// Writes what waits, and ends.
    pub(crate) fn end(&self) {
        let (Some(thread), Some(queue)) = (self.thread().take(), self.tap.queue.get()) else { return };
        self.tap.is_on.store(false, Ordering::Relaxed);
        // One that panicked has written what it could.
        let _ = queue.send(Job::End);
        let _ = thread.join();
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Writer {
    sinks: Vec<Sink>,
    whole: Reassembly,
    settling: InOrder<(Direction, Packet)>,
    waiting: Arc<AtomicUsize>,
    counts: Arc<Counts>,
}

impl Writer {
    fn run(&mut self, waits: &Receiver<Job>) {
        let mut is_flushed = true;
        loop {
            match waits.recv_timeout(if is_flushed { Duration::from_secs(3_600) } else { FLUSH }) {
                Ok(Job::Seen(direction, packet)) => {
                    self.waiting.fetch_sub(packet.payload.len(), Ordering::Relaxed);
                    self.write(direction, packet);
                    is_flushed = false;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.flush();
                    is_flushed = true;
                }
                Ok(Job::To(sinks)) => {
                    // A file that is gone on with: what was for it before has to stand before.
                    self.flush();
                    self.sinks = sinks;
                }
                Ok(Job::End) | Err(RecvTimeoutError::Disconnected) => return self.flush(),
            }
        }
    }

    fn write(&mut self, direction: Direction, packet: Packet) {
        let mut messages = Vec::new();
        self.whole.add(packet, &mut messages);
        for message in messages {
            self.settling.add(message.time, (direction, message));
        }
        while let Some((direction, message)) = self.settling.settled() {
            self.tell(direction, &message);
        }
    }

    fn tell(&mut self, direction: Direction, message: &Packet) {
        for sink in &mut self.sinks {
            if !sink.write(direction, message) {
                self.counts.not_written.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn flush(&mut self) {
        while let Some((direction, message)) = self.settling.earliest() {
            self.tell(direction, &message);
        }
        self.sinks.iter_mut().for_each(Sink::flush);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_and_nobody_waits() {
        let (queue, waits) = sync_channel(2);
        let (waiting, counts) = (Arc::new(AtomicUsize::new(0)), Arc::new(Counts::default()));
        let tap = TraceTap {
            queue: OnceLock::from(queue),
            is_on: AtomicBool::new(true),
            waiting: waiting.clone(),
            counts: counts.clone(),
            next: None,
        };
        let (local, peer) = ("127.0.0.1:5060".parse().unwrap(), "127.0.0.1:5070".parse().unwrap());
        let bytes = Bytes::from_static(b"OPTIONS sip:a SIP/2.0\r\n\r\n");
        let (at, direction, protocol) = (Duration::ZERO, Direction::In, Protocol::Udp);
        let seen = Seen { at, direction, protocol, local, peer, bytes: &bytes };
        for _ in 0..5 {
            tap.saw(seen);
        }
        assert_eq!(counts.read().collect::<Vec<_>>(), [("trace_no_room".to_owned(), 3)]);
        assert_eq!(waiting.load(Ordering::Relaxed), 2 * bytes.len());
        let many = Bytes::from(vec![0; MOST_BYTES]);
        drop(waits.recv());
        tap.saw(Seen { bytes: &many, ..seen });
        assert_eq!(counts.no_room.load(Ordering::Relaxed), 4, "too many octets wait");
    }
}
