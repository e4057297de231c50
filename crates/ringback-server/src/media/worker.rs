//! A thread that relays: it waits for all its sockets at once and owns the state of its streams, so that no packet takes
//! a lock. One datagram is read and one sent for each socket that is ready: where every stream has a port of its own,
//! reading in batches costs more than it saves. What costs most where there are many streams is waking up, so they are gathered.

use super::ports::{Ports, Quad};
use crate::media::engine::{Counters, StreamKey};
use ringback_relay::{Change, Component, Dropped, MAX_GROWTH, RelayStream, Side};
use ringback_sansio::Map;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::fd::OwnedFd;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many ready sockets are told of at once.
const BATCH: usize = 128;
/// With more streams than this their packets are gathered for a moment: at fifty a second of each side there are so many of them then that
/// waking up for each would cost more than all else that is done with it, and half a millisecond more is nothing to audio.
const FEW: usize = 8;
const GATHER: Duration = Duration::from_micros(800);
/// A UDP datagram is no longer.
const LONGEST: usize = 65_536;
/// How often silent streams are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// A medium in which nothing was said for so long belongs to a call whose end nobody told.
const FORGOTTEN: Duration = Duration::from_secs(3_600);
/// The name of the descriptor that wakes the thread, beside those of sockets.
const WAKE: u64 = u64::MAX;

pub(super) enum Command {
    Open(StreamKey, Quad, String),
    Change(Change<StreamKey>),
    End,
}

/// The handle of a thread.
pub(super) struct Worker {
    commands: Sender<Command>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(
        number: usize,
        ports: Arc<Ports>,
        counters: Arc<Counters>,
        patience: Duration,
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        epoll::add(&epoll, &*wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        let (commands, commanded) = channel();
        let relay = Relay {
            epoll,
            wake: Arc::clone(&wake),
            commanded,
            ports,
            counters,
            patience,
            streams: Map::default(),
            swept: Instant::now(),
        };
        let thread =
            std::thread::Builder::new().name(format!("media-{number}")).spawn(move || relay.run())?;
        Ok(Self { commands, wake, thread: Some(thread) })
    }

    pub(super) fn command(&self, command: Command) {
        // A thread that has ended needs no commands.
        if self.commands.send(command).is_ok() {
            let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.command(Command::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Stream {
    relay: RelayStream,
    quad: Quad,
    call: String,
}

struct Relay {
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
    commanded: Receiver<Command>,
    ports: Arc<Ports>,
    counters: Arc<Counters>,
    patience: Duration,
    streams: Map<u64, Stream>,
    swept: Instant,
}

impl Relay {
    fn run(mut self) {
        let mut events = Vec::with_capacity(BATCH);
        let mut buffer = vec![0; LONGEST + MAX_GROWTH];
        let pause = Timespec { tv_sec: SWEEP.as_secs() as i64, tv_nsec: 0 };
        loop {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&pause)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return tracing::error!(%error, "relaying ends"),
            }
            let now = Instant::now();
            let mut tally = Tally::default();
            for event in &events {
                match event.data.u64() {
                    WAKE => {
                        let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
                    }
                    name => self.relay(now, name, &mut buffer, &mut tally),
                }
            }
            tally.add_to(&self.counters);
            if !self.obey(now) {
                return;
            }
            if now.duration_since(self.swept) >= SWEEP {
                self.swept = now;
                self.sweep(now);
            }
            if self.streams.len() > FEW && events.len() < BATCH {
                std::thread::sleep(GATHER);
            }
        }
    }

    /// Takes one datagram and sends it on.
    fn relay(&mut self, now: Instant, name: u64, buffer: &mut [u8], tally: &mut Tally) {
        let (key, port) = (name >> 2, (name & 3) as usize);
        let Some(Stream { relay, quad, .. }) = self.streams.get_mut(&key) else { return };
        let side = if port < 2 { Side::Caller } else { Side::Callee };
        let component = if port % 2 == 0 { Component::Rtp } else { Component::Rtcp };
        let Some(socket) = quad.sockets.get(port) else { return };
        // An error is an ICMP message about what was sent before, or nothing is there after all.
        let room = buffer.get_mut(..LONGEST).unwrap_or_default();
        let Ok((length, from)) = socket.recv_from(room) else { return };
        match relay.receive(now, side, component, from, buffer, length) {
            Ok((to, length)) => {
                let other = side.other().index() * 2 + component.index();
                let datagram = buffer.get(..length).unwrap_or_default();
                let sent = quad.sockets.get(other).is_some_and(|socket| socket.send_to(datagram, to).is_ok());
                tally.packets += u64::from(sent);
                tally.unsent += u64::from(!sent);
            }
            Err(Dropped::Source) => tally.foreign += 1,
            Err(Dropped::NotMedia) => tally.not_media += 1,
            Err(Dropped::Forged) => tally.forged += 1,
            Err(Dropped::NoDestination) => tally.unsent += 1,
        }
    }

    /// Whether the thread goes on.
    fn obey(&mut self, now: Instant) -> bool {
        while let Ok(command) = self.commanded.try_recv() {
            match command {
                Command::Open(key, quad, call) => self.open(now, key, quad, call),
                Command::Change(Change::Expect { stream, side, expected }) => {
                    if let Some(stream) = self.streams.get_mut(&stream.id) {
                        stream.relay.expect(side, expected);
                    }
                }
                Command::Change(Change::Protect { stream, side, keys }) => {
                    if let Some(stream) = self.streams.get_mut(&stream.id) {
                        stream.relay.protect(side, keys.as_deref());
                    }
                }
                Command::Change(Change::Close(stream)) => self.close(stream.id),
                Command::End => return false,
            }
        }
        true
    }

    fn open(&mut self, now: Instant, key: StreamKey, quad: Quad, call: String) {
        for (port, socket) in (0..).zip(&quad.sockets) {
            let name = EventData::new_u64(key.id << 2 | port);
            if let Err(error) = epoll::add(&self.epoll, socket, name, EventFlags::IN) {
                tracing::error!(%error, "a port for media is not listened to");
            }
        }
        self.streams.insert(key.id, Stream { relay: RelayStream::new(now, self.patience), quad, call });
    }

    fn close(&mut self, id: u64) {
        let Some(Stream { relay, quad, call }) = self.streams.remove(&id) else { return };
        self.counters.open().close(id, quad.rtp);
        // Closing a socket takes it out of the set.
        self.ports.close(quad);
        let [caller, callee] = [Side::Caller, Side::Callee].map(|side| relay.stats(side));
        tracing::info!(%call, ?caller, ?callee, "a relayed medium ended");
    }

    /// Tells of streams that died, and closes those that nobody will.
    fn sweep(&mut self, now: Instant) {
        let mut forgotten = Vec::new();
        for (id, stream) in &mut self.streams {
            if stream.relay.handle_timeout(now) {
                self.counters.silent.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(call = %stream.call, seconds = self.patience.as_secs(), "no media in a relayed call");
            }
            if stream.relay.silent_for(now) > FORGOTTEN.max(self.patience) {
                forgotten.push(*id);
            }
        }
        for id in forgotten {
            self.close(id);
        }
    }
}

/// What one round did; counted once, so that threads do not fight for the counters.
#[derive(Default)]
struct Tally {
    packets: u64,
    foreign: u64,
    not_media: u64,
    forged: u64,
    unsent: u64,
}

impl Tally {
    fn add_to(&self, counters: &Counters) {
        for (counter, count) in [
            (&counters.packets, self.packets),
            (&counters.foreign, self.foreign),
            (&counters.not_media, self.not_media),
            (&counters.forged, self.forged),
            (&counters.unsent, self.unsent),
        ] {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}
