//! Conferences: calls of ours, and voices of ours, that all hear each other, and see who speaks.

use crate::audio::{Audio, AudioError, OpenAudio};
use crate::call::Call;
use crate::error::CallError;
use crate::line::{self, LineEnd};
use crate::video::{Hall, Video};
use ringback_media::{AudioPayload, Coded, CommonCoders, Layer, Mixer, PartyKey, VideoMode, VideoRoomStats};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

/// The rate at which it is mixed: what carries speech well, at a third of the work of the highest.
const RATE: u32 = 16_000;
/// Samples in 20 ms, which is how often it is mixed.
const FRAME: usize = RATE as usize / 50;
/// Above so many, those who do not speak all hear the same, coded once: the speakers, and not each other's rooms. Then nobody listens to
/// who is silent by its own account, either.
const MIXED_APART: usize = 8;

/// A conference: whoever is in it hears all others and not itself. Clones are the same one. It lasts until the last of them is dropped;
/// the calls go on after that, in silence.
///
/// With more than eight in it, those who are silent hear only those who speak, and that is coded once for all calls that have
/// agreed on the same format; fifty parties of whom ten speak so take a tenth of a processor. Who tells with each packet how loud it is
/// (RFC 6464), and is silent by that, is not even decoded, unless it was just speaking.
///
/// Calls that have pictures see who speaks, and who speaks sees who has spoken before; or [all see all](Self::set_video).
///
/// ```
/// use ringback::{Audio, Call, CallError, Conference};
///
/// /// Brings two calls together, and joins in with a file.
/// async fn three(one: &Call, other: &Call) -> Result<Conference, CallError> {
///     let conference = Conference::new();
///     conference.join(one).await?;
///     conference.join(other).await?;
///     conference.speak(Audio::file("welcome.wav"))?;
///     Ok(conference)
/// }
/// ```
#[derive(Clone)]
pub struct Conference {
    room: Arc<Room>,
}

struct Room {
    state: Mutex<State>,
    /// The pictures of those who have some.
    hall: Arc<Hall>,
}

struct State {
    mixer: Mixer,
    members: Vec<Member>,
    /// For those who listen in a large conference.
    common: CommonCoders,
}

struct Member {
    key: PartyKey,
    place: Place,
}

/// Where a member speaks and hears.
enum Place {
    /// In a call.
    Call(LineEnd),
    /// Here. The sender is told when what there is to play is played, or the member is gone.
    Here(Box<OpenAudio>, Option<oneshot::Sender<()>>),
}

/// How somebody in a conference is doing at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Who it is, as [`Conference::join`] and its like have said.
    pub member: MemberId,
    /// How loud it is, in decibels below overload: 0 is loudest, 127 is silence (RFC 6464 §3).
    pub level: u8,
    /// Whether it speaks.
    pub speaks: bool,
    /// Whether it is the one of those who speak whom a picture would show.
    pub has_floor: bool,
    /// Whether all others see it, in a conference that shows who speaks.
    pub is_shown: bool,
}

/// Somebody in a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(PartyKey);

/// A voice of ours in a conference. Dropping it takes it out; [`finished`](Self::finished) waits until it has said all.
pub struct Voice {
    room: Weak<Room>,
    id: MemberId,
    finished: Option<oneshot::Receiver<()>>,
}

impl Default for Conference {
    fn default() -> Self {
        Self::new()
    }
}

impl Conference {
    /// An empty conference.
    ///
    /// # Panics
    /// Outside of a tokio runtime, on which it is mixed.
    pub fn new() -> Self {
        let (mixer, common) = (Mixer::new(FRAME), CommonCoders::new(RATE));
        let state = State { mixer, members: Vec::new(), common };
        let room = Arc::new(Room { state: Mutex::new(state), hall: Hall::new(VideoMode::Switch) });
        tokio::spawn(run(Arc::downgrade(&room)));
        Self { room }
    }

    /// Takes a call that is up into the conference: it plays and shows that from now on, whatever it played and showed before. It
    /// leaves by playing something else ([`Call::play`]), or when it ends.
    ///
    /// # Errors
    /// When the call is over.
    pub async fn join(&self, call: &Call) -> Result<MemberId, CallError> {
        let (audio, id) = self.seat();
        call.play(audio).await?;
        call.show(self.video_seat(id)).await?;
        Ok(id)
    }

    /// The pictures of somebody in the conference, for the call that has got the [seat](Self::seat).
    ///
    /// ```
    /// use ringback::{Call, CallError, Conference, IncomingCall};
    ///
    /// /// Lets a caller in, to be heard and seen.
    /// async fn admit(conference: &Conference, caller: IncomingCall) -> Result<Call, CallError> {
    ///     let (audio, member) = conference.seat();
    ///     caller.answer_with_video(audio, conference.video_seat(member)).await
    /// }
    /// ```
    pub fn video_seat(&self, member: MemberId) -> Video {
        self.room.hall.remove(member.0);
        self.room.hall.seat(member.0)
    }

    /// Who sees whom: all see who speaks, which is so without this, or all see all others, so many of them at most, each as a stream of
    /// its own.
    pub fn set_video(&self, mode: VideoMode) {
        self.room.hall.set_mode(mode);
    }

    /// Which of the sizes that others send somebody sees. Without, it is the largest that comes through.
    pub fn set_layer(&self, member: MemberId, layer: Layer) {
        self.room.hall.set_layer(member.0, layer);
    }

    /// What was counted of the pictures.
    pub fn video_stats(&self) -> VideoRoomStats {
        self.room.hall.stats()
    }

    /// A place in the conference, as the audio of a call that is made or answered.
    pub fn seat(&self) -> (Audio, MemberId) {
        let (theirs, ours) = line::between();
        let id = self.room.lock().enter(Place::Call(ours));
        (Audio::line(theirs), id)
    }

    /// Joins in with audio of our own: a file, samples, or a stream in the hands of the application. Where it is recorded, that is what
    /// it hears: all others.
    ///
    /// # Errors
    /// When a file cannot be used, or the audio is elsewhere.
    pub fn speak(&self, audio: Audio) -> Result<Voice, AudioError> {
        if audio.place().is_some() {
            return Err(AudioError::Elsewhere);
        }
        let audio = Box::new(audio.open()?);
        let (tell, finished) = oneshot::channel();
        let id = self.room.lock().enter(Place::Here(audio, Some(tell)));
        Ok(Voice { room: Arc::downgrade(&self.room), id, finished: Some(finished) })
    }

    /// Takes somebody out. A call that is taken out hears silence until it plays something else.
    pub fn remove(&self, member: MemberId) {
        self.room.lock().leave(member.0);
        self.room.hall.remove(member.0);
    }

    /// How all who are in it are doing, in the order in which they came.
    pub fn members(&self) -> Vec<MemberStatus> {
        let shown = self.room.hall.shown();
        let state = self.room.lock();
        let (speakers, floor) = (state.mixer.speakers(), state.mixer.floor());
        let status = |member: &Member| MemberStatus {
            member: MemberId(member.key),
            level: state.mixer.level(member.key),
            speaks: speakers.contains(&member.key),
            has_floor: floor == Some(member.key),
            is_shown: shown == Some(member.key),
        };
        state.members.iter().map(status).collect()
    }
}

impl fmt::Debug for Conference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conference").field("members", &self.members().len()).finish_non_exhaustive()
    }
}

impl Voice {
    /// Who it is.
    pub fn id(&self) -> MemberId {
        self.id
    }

    /// Waits until what it has to play was played. Cancel safe.
    pub async fn finished(&mut self) {
        if let Some(finished) = &mut self.finished {
            // An error says that the conference is over.
            let _ = finished.await;
            self.finished = None;
        }
    }

    /// Takes it out, and completes its recording.
    ///
    /// # Errors
    /// When the recording could not be written.
    pub async fn leave(self) -> Result<(), AudioError> {
        let place = self.room.upgrade().and_then(|room| room.lock().leave(self.id.0));
        let recording = match place {
            Some(Place::Here(mut audio, _)) => audio.record.take(),
            Some(Place::Call(_)) | None => None,
        };
        match recording {
            Some(recording) => recording.finish().await.1.map_or(Ok(()), Err),
            None => Ok(()),
        }
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        if let Some(room) = self.room.upgrade() {
            room.lock().leave(self.id.0);
        }
    }
}

impl fmt::Debug for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Voice").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Room {
    /// Who panicked with the lock has left a frame that is only half mixed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, place: Place) -> MemberId {
        let key = self.mixer.join();
        self.members.push(Member { key, place });
        MemberId(key)
    }

    fn leave(&mut self, key: PartyKey) -> Option<Place> {
        self.mixer.leave(key);
        let at = self.members.iter().position(|member| member.key == key)?;
        Some(self.members.remove(at).place)
    }

    /// One period: all speak, and then each hears the others. Says who has the floor, and who has left.
    fn mix(&mut self, now: Instant) -> (Option<PartyKey>, Vec<PartyKey>) {
        let Self { mixer, members, common } = self;
        let mut frame = [0; FRAME];
        mixer.begin();
        for Member { key, place } in members.iter_mut() {
            match place.say(&mut frame) {
                Some(level) => mixer.hear_level(*key, level),
                None => mixer.hear(*key, &frame),
            }
        }
        mixer.mix();
        let is_large = members.len() > MIXED_APART;
        let mut to_listeners = [0; FRAME];
        if is_large {
            mixer.say_to_listeners(&mut to_listeners);
            common.begin(&to_listeners);
        }
        for Member { key, place } in members.iter_mut() {
            if is_large && !mixer.speaks(*key) {
                let coded = place.format().and_then(|format| common.code(format));
                place.hear(now, &to_listeners, coded, mixer.faintest(*key));
            } else {
                mixer.say(*key, &mut frame);
                place.hear(now, &frame, None, None);
            }
        }
        let gone = |member: &Member| matches!(&member.place, Place::Call(line) if line.is_gone());
        let left: Vec<PartyKey> =
            members.iter().filter(|member| gone(member)).map(|member| member.key).collect();
        for key in &left {
            self.leave(*key);
        }
        (self.mixer.floor(), left)
    }
}

impl Place {
    /// What is said here; where that is silence that nobody has listened to, how loud it is by its sender's account.
    fn say(&mut self, frame: &mut [i16]) -> Option<u8> {
        match self {
            Self::Call(line) => {
                line.fill(RATE, frame);
                line.level()
            }
            Self::Here(audio, told) => {
                match &mut audio.line {
                    Some(line) => line.fill(RATE, frame),
                    None => audio.source.fill(RATE, frame),
                }
                if audio.line.is_none()
                    && audio.source.is_finished()
                    && let Some(told) = told.take()
                {
                    // Nobody may be waiting.
                    let _ = told.send(());
                }
                None
            }
        }
    }

    /// The format in which what is coded for many is taken here.
    fn format(&self) -> Option<&AudioPayload> {
        match self {
            Self::Call(line) => line.format(),
            Self::Here(..) => None,
        }
    }

    /// `faintest` is what nobody needs to hear from here.
    fn hear(&mut self, now: Instant, frame: &[i16], coded: Option<Coded>, faintest: Option<u8>) {
        match self {
            Self::Call(line) => line.hear_coded(RATE, frame, coded, faintest),
            Self::Here(audio, _) => {
                if let Some(line) = &mut audio.line {
                    line.hear(RATE, frame);
                }
                if let Some(recording) = &mut audio.record {
                    recording.append_heard(now, RATE, frame);
                }
            }
        }
    }
}

/// Mixes as long as somebody holds the conference.
async fn run(room: Weak<Room>) {
    let mut ticker = interval(Duration::from_millis(20));
    ticker.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        ticker.tick().await;
        let Some(room) = room.upgrade() else { return };
        let (floor, left) = room.lock().mix(Instant::now());
        left.into_iter().for_each(|voice| room.hall.remove(voice));
        room.hall.tick(floor);
    }
}
