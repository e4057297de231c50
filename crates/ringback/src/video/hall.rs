//! The pictures of a conference: a room without I/O, and the calls that sit in it.

use super::{Ear, Video, VideoCommand, VideoEnd, VideoEvent, WAITING};
use futures::channel::mpsc;
use ringback_media::{Layer, PartyKey, RoomOutput, VideoMode, VideoPartyKey, VideoRoom, VideoRoomStats};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

/// The pictures of a conference.
pub(crate) struct Hall {
    state: Mutex<State>,
}

struct State {
    room: VideoRoom,
    seats: Vec<Taken>,
}

/// A seat, and who sits there.
struct Taken {
    key: VideoPartyKey,
    /// The same one among the voices.
    voice: PartyKey,
    /// To the call.
    say: mpsc::Sender<VideoCommand>,
}

/// A seat, as the call has it. Dropping it leaves the hall.
pub(super) struct Seat {
    hall: Weak<Hall>,
    key: VideoPartyKey,
}

impl Hall {
    pub(crate) fn new(mode: VideoMode) -> Arc<Self> {
        let state = State { room: VideoRoom::new(mode), seats: Vec::new() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// A seat for the one whose voice this is.
    pub(crate) fn seat(self: &Arc<Self>, voice: PartyKey) -> Video {
        let (say, said) = mpsc::channel(WAITING);
        let key = self.with(|state, _| {
            let key = state.room.join();
            state.seats.push(Taken { key, voice, say });
            key
        });
        let seat = Seat { hall: Arc::downgrade(self), key };
        Video::to(VideoEnd { said, ear: Ear::Conference(seat) })
    }

    pub(crate) fn set_mode(&self, mode: VideoMode) {
        self.with(|state, now| state.room.set_mode(now, mode));
    }

    /// Which size of the others' pictures somebody sees.
    pub(crate) fn set_layer(&self, voice: PartyKey, layer: Layer) {
        self.with(|state, now| {
            if let Some(key) = state.key_of(voice) {
                state.room.set_layer(now, key, layer);
            }
        });
    }

    /// Who speaks; called once a period, so that what is due is done as well.
    pub(crate) fn tick(&self, floor: Option<PartyKey>) {
        self.with(|state, now| {
            let floor = floor.and_then(|floor| state.key_of(floor));
            state.room.set_floor(now, floor);
            if state.room.poll_timeout(now).is_some_and(|due| due <= now) {
                state.room.handle_timeout(now);
            }
        });
    }

    /// Who is seen by those who do not speak.
    pub(crate) fn shown(&self) -> Option<PartyKey> {
        self.with(|state, _| {
            let shown = state.room.shown()?;
            state.seats.iter().find(|seat| seat.key == shown).map(|seat| seat.voice)
        })
    }

    pub(crate) fn stats(&self) -> VideoRoomStats {
        self.with(|state, _| state.room.stats())
    }

    /// Takes somebody out.
    pub(crate) fn remove(&self, voice: PartyKey) {
        self.with(|state, now| {
            if let Some(key) = state.key_of(voice) {
                state.leave(now, key);
            }
        });
    }

    /// Does something in the room, and what follows from it.
    fn with<R>(&self, act: impl FnOnce(&mut State, Instant) -> R) -> R {
        // A room that somebody has left by a panic still knows who is in it.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut state, Instant::now());
        state.pass_on();
        result
    }
}

impl State {
    fn key_of(&self, voice: PartyKey) -> Option<VideoPartyKey> {
        self.seats.iter().find(|seat| seat.voice == voice).map(|seat| seat.key)
    }

    fn leave(&mut self, now: Instant, key: VideoPartyKey) {
        self.seats.retain(|seat| seat.key != key);
        self.room.leave(now, key);
    }

    /// Gives each call what the room has for it. A call that does not keep up misses pictures, as behind a slow network.
    fn pass_on(&mut self) {
        while let Some(output) = self.room.poll() {
            let (to, command) = match output {
                RoomOutput::Forward { to, line, packet } => (to, VideoCommand::Packet(line, packet)),
                RoomOutput::KeyFrame { party, stream } => (party, VideoCommand::RequestKeyFrame(stream)),
            };
            if let Some(seat) = self.seats.iter_mut().find(|seat| seat.key == to)
                && seat.say.try_send(command).is_err_and(|error| error.is_full())
            {
                tracing::debug!("a call does not keep up with the pictures of its conference");
            }
        }
    }
}

impl Seat {
    pub(super) fn key_frame_wanted(&self, line: usize) {
        if let Some(hall) = self.hall.upgrade() {
            hall.with(|state, now| state.room.key_frame_wanted(now, self.key, line));
        }
    }

    pub(super) fn tell(&self, event: VideoEvent) {
        let Some(hall) = self.hall.upgrade() else { return };
        let key = self.key;
        hall.with(|state, now| match event {
            VideoEvent::Agreed(formats) => state.room.set_formats(now, key, formats),
            VideoEvent::Packet(packet) => state.room.publish(now, key, &packet),
            VideoEvent::KeyFrameWanted => state.room.key_frame_wanted(now, key, 0),
            VideoEvent::Estimate(bit_rate) => state.room.set_estimate(now, key, bit_rate),
            VideoEvent::StreamEnded(stream) => state.room.stream_ended(now, key, stream),
            VideoEvent::Ended(_) => state.leave(now, key),
        });
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(hall) = self.hall.upgrade() {
            hall.with(|state, now| state.leave(now, self.key));
        }
    }
}

impl fmt::Debug for Hall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hall").finish_non_exhaustive()
    }
}
