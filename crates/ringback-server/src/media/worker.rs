//! A thread that relays: it waits for all its sockets at once and owns the state of its streams, so that no packet takes
//! a lock. One datagram is read and one sent for each socket that is ready: where every stream has a port of its own,
//! reading in batches costs more than it saves. What costs most where there are many streams is waking up, so they are gathered.

use super::converters::Converters;
use super::figures::Figures;
use super::ports::{Ports, Quad};
use super::watch::{Deaths, Silence};
use crate::media::engine::{Counters, StreamKey};
use ringback_media::AudioFile;
use ringback_net::OsEntropy;
use ringback_relay::{Change, Component, Dropped, MAX_GROWTH, RelayStream, Side};
use ringback_sansio::{Entropy as _, Map, Set};
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
    /// With what who is held hears, if anything.
    Open(StreamKey, Quad, Arc<[u8]>, Arc<Figures>, Option<AudioFile>),
    Answered(StreamKey),
    /// A stream comes from another thread.
    Adopt(u64, Box<Stream>),
    Change(Change<StreamKey>),
    End,
}

/// What all threads work with.
#[derive(Clone)]
pub(super) struct Works {
    pub(super) ports: Arc<Ports>,
    pub(super) counters: Arc<Counters>,
    /// After how much silence a side is told to be silent.
    pub(super) patience: Duration,
    /// Where that is told so that the call ends, if it is to.
    pub(super) deaths: Option<Deaths>,
    /// Who converts packets; nobody where that is done here.
    pub(super) converters: Option<Arc<Converters>>,
}

/// The handle of a thread.
pub(super) struct Worker {
    commands: Sender<Command>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(name: &str, works: Works) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        epoll::add(&epoll, &*wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        let (commands, commanded) = channel();
        let relay = Relay {
            epoll,
            wake: Arc::clone(&wake),
            commanded,
            works,
            streams: Map::default(),
            moved: Set::default(),
            held: Set::default(),
            swept: Instant::now(),
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || relay.run())?;
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

pub(super) struct Stream {
    relay: RelayStream,
    quad: Quad,
    call: Arc<[u8]>,
    figures: Arc<Figures>,
    /// The sides that died and are still to be told of.
    dead: [bool; 2],
}

impl Stream {
    fn tell_figures(&self) {
        [Side::Caller, Side::Callee].into_iter().for_each(|side| self.figures.write(&self.relay, side));
    }

    /// Tells of the sides that died, and keeps in mind those for which there was no room.
    fn tell_dead(&mut self, deaths: &Deaths) {
        for side in [Side::Caller, Side::Callee] {
            let dead = &mut self.dead[side.index()];
            *dead = *dead
                && self.relay.is_silent(side)
                && !deaths.tell(Silence { call_id: Arc::clone(&self.call), side });
        }
    }
}

struct Relay {
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
    commanded: Receiver<Command>,
    works: Works,
    streams: Map<u64, Stream>,
    /// Those that were handed to who converts.
    moved: Set<u64>,
    /// Those in which somebody is held who may hear music.
    held: Set<u64>,
    swept: Instant,
}

impl Relay {
    fn run(mut self) {
        let mut events = Vec::with_capacity(BATCH);
        let mut buffer = vec![0; LONGEST + MAX_GROWTH];
        loop {
            events.clear();
            let pause = self.pause();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&pause)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return tracing::error!(%error, "relaying ends"),
            }
            let now = Instant::now();
            // What was told comes before the packets that came of it.
            if events.iter().any(|event| event.data.u64() == WAKE) {
                let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
                if !self.obey(now) {
                    return;
                }
            }
            let mut tally = Tally::default();
            for event in events.iter().filter(|event| event.data.u64() != WAKE) {
                self.relay(now, event.data.u64(), &mut buffer, &mut tally);
            }
            self.play(now, &mut buffer, &mut tally);
            tally.add_to(&self.works.counters);
            if now.duration_since(self.swept) >= SWEEP {
                self.swept = now;
                self.sweep(now);
            }
            if self.streams.len() > FEW && events.len() < BATCH {
                std::thread::sleep(GATHER);
            }
        }
    }

    /// How long to wait for packets: until silent streams are looked for, or music goes on.
    fn pause(&self) -> Timespec {
        let due = |id: &u64| self.streams.get(id)?.relay.music_timeout();
        let wait = match self.held.iter().filter_map(due).min() {
            Some(at) => at.saturating_duration_since(Instant::now()).min(SWEEP),
            None => SWEEP,
        };
        Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() }
    }

    /// Plays to those who are held.
    fn play(&mut self, now: Instant, buffer: &mut [u8], tally: &mut Tally) {
        for id in &self.held {
            let Some(Stream { relay, quad, figures, .. }) = self.streams.get_mut(id) else { continue };
            while let Some((holder, to)) = relay.play(now) {
                let socket = quad.sockets.get(holder.other().index() * 2);
                while let Some(length) = relay.poll_converted(holder, buffer) {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    let sent = socket.is_some_and(|socket| socket.send_to(datagram, to).is_ok());
                    tally.packets += u64::from(sent);
                    tally.unsent += u64::from(!sent);
                    tally.converted += 1;
                }
                figures.write(relay, holder);
            }
        }
    }

    /// Takes one datagram and sends it on.
    fn relay(&mut self, now: Instant, name: u64, buffer: &mut [u8], tally: &mut Tally) {
        let (key, port) = (name >> 2, (name & 3) as usize);
        let Some(Stream { relay, quad, figures, .. }) = self.streams.get_mut(&key) else { return };
        let side = if port < 2 { Side::Caller } else { Side::Callee };
        let component = if port % 2 == 0 { Component::Rtp } else { Component::Rtcp };
        let Some(socket) = quad.sockets.get(port) else { return };
        // An error is an ICMP message about what was sent before, or nothing is there after all.
        let room = buffer.get_mut(..LONGEST).unwrap_or_default();
        let Ok((length, from)) = socket.recv_from(room) else { return };
        match relay.receive(now, side, component, from, buffer, length) {
            Ok((to, length)) => {
                let other = quad.sockets.get(side.other().index() * 2 + component.index());
                let mut send = |datagram: Option<&[u8]>| {
                    let datagram = datagram.unwrap_or_default();
                    let sent = other.is_some_and(|socket| socket.send_to(datagram, to).is_ok());
                    tally.packets += u64::from(sent);
                    tally.unsent += u64::from(!sent);
                };
                let mut converted = 0;
                if length > 0 {
                    send(buffer.get(..length));
                } else {
                    while let Some(length) = relay.poll_converted(side, buffer) {
                        send(buffer.get(..length));
                        converted += 1;
                    }
                }
                tally.converted += converted;
                figures.write(relay, side);
            }
            Err(Dropped::Source) => tally.foreign += 1,
            Err(Dropped::NotMedia) => tally.not_media += 1,
            Err(Dropped::Forged) => tally.forged += 1,
            Err(Dropped::NoDestination) => tally.unsent += 1,
            Err(Dropped::Unconverted) => self.hand_over(key),
        }
    }

    /// Whether the thread goes on.
    fn obey(&mut self, now: Instant) -> bool {
        while let Ok(command) = self.commanded.try_recv() {
            let id = match &command {
                Command::Open(key, ..) | Command::Answered(key) => key.id,
                Command::Adopt(id, _) => *id,
                Command::Change(change) => change.stream().id,
                Command::End => return false,
            };
            match &self.works.converters {
                Some(converters) if self.moved.contains(&id) => {
                    if matches!(command, Command::Change(Change::Close(_))) {
                        self.moved.remove(&id);
                    }
                    converters.command(id, command);
                }
                _ => self.follow(now, id, command),
            }
        }
        true
    }

    /// Does what was told about a stream.
    fn follow(&mut self, now: Instant, id: u64, command: Command) {
        match command {
            Command::Open(_, quad, call, figures, music) => {
                let mut relay = RelayStream::new(now, self.works.patience);
                if let Some(music) = music {
                    relay.set_music(now, music, OsEntropy::new().next_u64() as u32);
                }
                return self.open(id, Stream { relay, quad, call, figures, dead: [false; 2] });
            }
            Command::Adopt(_, mut stream) => {
                stream.relay.convert_here();
                self.open(id, *stream);
                return self.look_who_is_held(id);
            }
            Command::Change(Change::Close(_)) => return self.close(id),
            Command::Answered(_) | Command::Change(_) | Command::End => {}
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        match command {
            Command::Answered(_) => stream.relay.answered(now),
            Command::Change(Change::Expect { side, expected, .. }) => {
                stream.relay.expect(now, side, expected);
                // It may be one that is not awaited any more.
                stream.tell_figures();
            }
            Command::Change(Change::Protect { side, keys, .. }) => {
                stream.relay.protect(side, keys.as_deref())
            }
            Command::Change(Change::Convert { formats, .. }) => stream.relay.convert(now, *formats),
            Command::Open(..) | Command::Adopt(..) | Command::Change(Change::Close(_)) | Command::End => {}
        }
        if stream.relay.wants_conversion() {
            self.hand_over(id);
        }
        self.look_who_is_held(id);
    }

    fn look_who_is_held(&mut self, id: u64) {
        match self.streams.get(&id).is_some_and(|stream| stream.relay.music_timeout().is_some()) {
            true => _ = self.held.insert(id),
            false => _ = self.held.remove(&id),
        }
    }

    /// Hands a stream to who converts its packets.
    fn hand_over(&mut self, id: u64) {
        let Some(converters) = self.works.converters.clone() else { return };
        let Some(stream) = self.streams.remove(&id) else { return };
        for socket in &stream.quad.sockets {
            // What is not in the set need not be taken out.
            let _ = epoll::delete(&self.epoll, socket);
        }
        match converters.adopt(id, Box::new(stream)) {
            Ok(()) => _ = self.moved.insert(id),
            Err(mut stream) => {
                tracing::error!("no threads for converting media; it is done where others wait");
                stream.relay.convert_here();
                self.open(id, *stream);
            }
        }
    }

    fn open(&mut self, id: u64, stream: Stream) {
        for (port, socket) in (0..).zip(&stream.quad.sockets) {
            let name = EventData::new_u64(id << 2 | port);
            if let Err(error) = epoll::add(&self.epoll, socket, name, EventFlags::IN) {
                tracing::error!(%error, "a port for media is not listened to");
            }
        }
        self.streams.insert(id, stream);
    }

    fn close(&mut self, id: u64) {
        self.held.remove(&id);
        let Some(Stream { relay, quad, call, .. }) = self.streams.remove(&id) else { return };
        self.works.counters.open().close(id, quad.rtp);
        // Closing a socket takes it out of the set.
        self.works.ports.close(quad);
        let [caller, callee] = [Side::Caller, Side::Callee].map(|side| relay.stats(side));
        let call = String::from_utf8_lossy(&call);
        tracing::info!(%call, ?caller, ?callee, "a relayed medium ended");
    }

    /// Tells of streams that died, and closes those that nobody will.
    fn sweep(&mut self, now: Instant) {
        let mut forgotten = Vec::new();
        for (id, stream) in &mut self.streams {
            while let Some(side) = stream.relay.handle_timeout(now) {
                self.works.counters.silent.fetch_add(1, Ordering::Relaxed);
                let (call, seconds) = (String::from_utf8_lossy(&stream.call), self.works.patience.as_secs());
                tracing::warn!(%call, ?side, seconds, "no media of one side of a relayed call");
                stream.dead[side.index()] = true;
                stream.tell_figures();
            }
            if let Some(deaths) = &self.works.deaths {
                stream.tell_dead(deaths);
            }
            if stream.relay.silent_for(now) > FORGOTTEN.max(self.works.patience) {
                forgotten.push(*id);
            }
        }
        for id in forgotten {
            self.close(id);
        }
        if !self.moved.is_empty() {
            let open = self.works.counters.open();
            self.moved.retain(|id| open.is_open(*id));
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
    converted: u64,
}

impl Tally {
    fn add_to(&self, counters: &Counters) {
        for (counter, count) in [
            (&counters.packets, self.packets),
            (&counters.foreign, self.foreign),
            (&counters.not_media, self.not_media),
            (&counters.forged, self.forged),
            (&counters.unsent, self.unsent),
            (&counters.converted, self.converted),
        ] {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}
