//! Calls, as the application holds them.

use crate::CallError;
use crate::audio::{Audio, AudioError};
use crate::endpoint::Endpoint;
use crate::events::Unheard;
use crate::place::Place;
use crate::session::{self, Command, Side};
use crate::status::{AudioStatus, Shared};
use crate::transfer::Transfer;
use crate::video::Video;
use ringback_media::{LegStats, SrtpProfile};
use ringback_message::{StatusCode, UriBuf};
use ringback_sdp::NegotiatedMedia;
use ringback_ua::{AccountKey, CallKey, CommandError, Ending, LocalAudio, Opening, Session};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What happens in a call.
#[non_exhaustive]
#[derive(Debug)]
pub enum CallEvent {
    /// Somebody on the way has the request (100).
    Trying,
    /// It rings, or is forwarded, or waits in a queue: 101 to 199.
    Ringing(StatusCode),
    /// It was redirected, and is tried at this address.
    Redirected(String),
    /// The other side plays something before it answers.
    EarlyMedia(MediaInfo),
    /// It was answered, and the other side describes its audio first ([`CallBuilder::start_later`]): as another may be told it, or
    /// answered by [`Call::answer_offer`].
    Offered(LocalAudio),
    /// It was answered; audio flows.
    Answered(MediaInfo),
    /// ICE has found which way the audio takes, or another one: it goes to this address.
    Path(SocketAddr),
    /// The handshake for the keys of the audio is done; it is encrypted by them.
    Secured(SrtpProfile),
    /// There is no way for the audio, or no keys for it: nothing of it is sent or heard. Without keys the call is ended,
    /// without a way another one is looked for.
    MediaFailed(String),
    /// The connection to the TURN server is gone, and our address there with it. Where the audio took that way, another is looked
    /// for.
    RelayLost,
    /// It was held or resumed by either side, or the audio goes elsewhere now.
    Changed(MediaInfo),
    /// Hold or resume did not happen; the call is as before.
    ChangeRefused(StatusCode, String),
    /// The other side asks us to call somebody else. Dropping it refuses.
    TransferRequested(Transfer),
    /// How far the transfer is that we have asked the other side for.
    TransferProgress(StatusCode),
    /// What became of it. After a success the call ends, too.
    TransferEnded(StatusCode),
    /// The other side is somebody else than before, or than was called: it says so itself (RFC 4916), or our own server does.
    Connected(String),
    /// A digit was pressed at the other side, and came as a telephone event or by INFO.
    Digit(char),
    /// All digits were sent.
    DigitsSent,
    /// The other side refused a digit that went by INFO; those behind it were not sent.
    DigitsRefused(StatusCode),
    /// The other side has typed ([`EndpointBuilder::real_time_text`](crate::EndpointBuilder::real_time_text)): characters as they are to
    /// be shown, and among them `'\n'`, `'\u{8}'`, which takes back the one before it, and `'\u{fffd}'`, where something was lost. A
    /// [`Transcript`](crate::Transcript) makes lines of them.
    Text(String),
    /// A message that was written in the call was taken (2xx), or refused. They come in the order in which they were written.
    MessageSent(StatusCode),
    /// What was to be played is played, and 200 ms of silence after it, so that hanging up now cuts nothing off.
    Played,
    /// It is over, recordings are written. Nothing comes after this.
    Ended(Box<Summary>),
}

/// The audio of a call as it was agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaInfo {
    /// The codec that we send: `PCMU`.
    pub codec: String,
    /// Where our audio goes; `None` when there is nowhere to send it.
    pub remote: Option<SocketAddr>,
    /// How packets are encrypted: `AES_CM_128_HMAC_SHA1_80`, or `DTLS-SRTP` where a handshake settles that; `None` when they are
    /// not.
    pub encryption: Option<String>,
    /// The format of the pictures that we send, such as `VP8`; `None` of a call without.
    pub video: Option<String>,
    /// Whether we hold the other side.
    pub held_by_us: bool,
    /// Whether the other side holds us.
    pub held_by_them: bool,
    /// Whether there is text beside it.
    pub has_text: bool,
    /// All of it, for who sends and receives the audio themselves ([`Audio::elsewhere`]): payload types, addresses, directions.
    pub agreed: NegotiatedMedia,
}

impl MediaInfo {
    pub(crate) fn new(session: &Session) -> Self {
        Self {
            codec: session.codec().map_or_else(|| "no audio".to_owned(), |codec| codec.name().to_owned()),
            remote: session.remote_rtp(),
            encryption: match (&session.audio.crypto, &session.audio.dtls) {
                (Some(crypto), _) => Some(crypto.suite.as_str().to_owned()),
                (None, Some(_)) => Some("DTLS-SRTP".to_owned()),
                (None, None) => None,
            },
            video: session.video.as_ref().and_then(|it| Some(it.codec()?.name().to_owned())),
            held_by_us: session.held_by_us,
            held_by_them: session.held_by_them,
            has_text: session.text.is_some(),
            agreed: session.audio.clone(),
        }
    }
}

/// How a call was.
#[derive(Debug)]
pub struct Summary {
    /// Who ended it, and why.
    pub ending: Ending,
    /// From the request to the answer; `None` when nobody answered.
    pub setup: Option<Duration>,
    /// From the answer to the end.
    pub talk: Option<Duration>,
    /// What the audio was like; `None` when there was none.
    pub media: Option<LegStats>,
    /// How long the recording is, where one was asked for.
    pub recorded: Option<Duration>,
    /// Why the recording could not be written.
    pub fault: Option<AudioError>,
}

/// Describes a call before it is made.
pub struct CallBuilder {
    endpoint: Endpoint,
    account: AccountKey,
    target: String,
    audio: Audio,
    video: Option<Video>,
    headers: Vec<(String, String)>,
}

impl CallBuilder {
    pub(crate) fn new(endpoint: Endpoint, account: AccountKey, target: String) -> Self {
        Self { endpoint, account, target, audio: Audio::silence(), video: None, headers: Vec::new() }
    }

    /// What to play and where to record.
    #[must_use]
    pub fn audio(mut self, audio: Audio) -> Self {
        self.audio = audio;
        self
    }

    /// Offers pictures beside the audio. The other side may refuse them; the call goes on without.
    #[must_use]
    pub fn video(mut self, video: Video) -> Self {
        self.video = Some(video);
        self
    }

    /// Plays a WAV file once. Replaces what [`audio`](Self::audio) said.
    #[must_use]
    pub fn play(mut self, path: impl Into<PathBuf>) -> Self {
        self.audio = Audio::file(path);
        self
    }

    /// Records the other side into a WAV file.
    #[must_use]
    pub fn record(mut self, path: impl Into<PathBuf>) -> Self {
        self.audio = self.audio.record(path);
        self
    }

    /// Adds a header field of the application to the request: one that no RFC defines, such as `X-Order`, or `Subject`,
    /// `Call-Info`, `Alert-Info`, `Priority`, `Organization`, `Answer-Mode` or `Priv-Answer-Mode`.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Calls.
    ///
    /// # Errors
    /// When the target is no SIP URI, a header field is not the application's to write, a file cannot be used, or no socket is to be had. What the other side says comes
    /// as [`CallEvent`]s.
    pub async fn start(self) -> Result<Call, CallError> {
        let place = Place::open(self.audio.clone(), self.video.clone(), None, &self.endpoint.inner).await?;
        let local = place.local();
        self.invite(Opening::Offer(local), place)
    }

    pub(crate) fn invite(self, opening: Opening, place: Place) -> Result<Call, CallError> {
        let target = UriBuf::new(&self.target).map_err(CallError::Target)?;
        let (account, begun) = (self.account, Instant::now());
        let (call, call_id, events) = self.endpoint.inner.command(|state, now| {
            let call = state.ua.call_as(now, account, &target, opening, self.headers)?;
            let call_id = state.ua.call_id(call).unwrap_or_default().to_owned();
            Ok::<_, CommandError>((call, call_id, state.follow(call)))
        })?;
        let side = Side { call, call_id, begun };
        Ok(session::spawn(self.endpoint, side, events, place))
    }
}

/// A call. Dropping it hangs up.
pub struct Call {
    pub(crate) endpoint: Endpoint,
    pub(crate) key: CallKey,
    call_id: String,
    line: Line,
    over: bool,
}

/// How the handle of a call hears of it, and commands its audio.
enum Line {
    /// Through the task that has the audio.
    Heard { events: mpsc::Receiver<Box<CallEvent>>, commands: mpsc::Sender<Command>, shared: Shared },
    /// By itself, for the audio is elsewhere.
    Unheard(Unheard),
}

impl Call {
    pub(crate) fn heard(
        endpoint: Endpoint,
        side: &Side,
        events: mpsc::Receiver<Box<CallEvent>>,
        commands: mpsc::Sender<Command>,
        shared: Shared,
    ) -> Self {
        let call_id = side.call_id.clone();
        let line = Line::Heard { events, commands, shared };
        Self { endpoint, key: side.call, call_id, line, over: false }
    }

    pub(crate) fn unheard(endpoint: Endpoint, side: Side, events: Unheard) -> Self {
        Self { endpoint, key: side.call, call_id: side.call_id, line: Line::Unheard(events), over: false }
    }

    /// Commands the task that has the audio.
    pub(crate) async fn command(&self, command: Command) -> Result<(), CallError> {
        match &self.line {
            Line::Heard { commands, .. } => {
                commands.send(command).await.map_err(|_| CallError::Command(CommandError::Gone))
            }
            Line::Unheard(_) => Err(CallError::Elsewhere),
        }
    }

    /// Whether its audio is the application's.
    pub(crate) fn is_elsewhere(&self) -> bool {
        matches!(self.line, Line::Unheard(_))
    }

    fn shared(&self) -> Option<&Shared> {
        match &self.line {
            Line::Heard { shared, .. } => Some(shared),
            Line::Unheard(_) => None,
        }
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// The next event; `None` after [`CallEvent::Ended`]. Cancel safe. Where the audio is [elsewhere](Audio::elsewhere), events have
    /// to be read: a call with 64 of them unread is ended.
    pub async fn next(&mut self) -> Option<CallEvent> {
        let event = match &mut self.line {
            Line::Heard { events, .. } => events.recv().await.map(|event| *event),
            Line::Unheard(events) => events.next().await,
        };
        self.over |= matches!(event, None | Some(CallEvent::Ended(_)));
        event
    }

    /// Holds the other side. [`CallEvent::Changed`] follows, or [`CallEvent::ChangeRefused`].
    ///
    /// # Errors
    /// When the call is not up, or is being changed already.
    pub fn hold(&self) -> Result<(), CommandError> {
        let key = self.key;
        self.endpoint.inner.command(|state, now| state.ua.hold(now, key))
    }

    /// Resumes the other side.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn resume(&self) -> Result<(), CommandError> {
        let key = self.key;
        self.endpoint.inner.command(|state, now| state.ua.resume(now, key))
    }

    /// Lets the other side hear silence instead of us, or us again. What there is to play goes on meanwhile, as does who speaks; the
    /// other side is not told.
    pub fn mute(&self, muted: bool) {
        if let Some(shared) = self.shared() {
            shared.muted.store(muted, Ordering::Relaxed);
        }
    }

    /// Whether the call is muted.
    pub fn is_muted(&self) -> bool {
        self.shared().is_some_and(|shared| shared.muted.load(Ordering::Relaxed))
    }

    /// How the audio is doing, ten times a second anew; `None` before there is any.
    pub fn audio_status(&self) -> Option<AudioStatus> {
        *self.shared()?.status.borrow()
    }

    /// Asks the other side to call `target` instead of talking to us (RFC 3515). [`CallEvent::TransferEnded`] follows.
    ///
    /// # Errors
    /// When the target is no SIP URI, or the call is not up or is being transferred.
    pub fn transfer(&self, target: &str) -> Result<(), CallError> {
        let target = UriBuf::new(target).map_err(CallError::Target)?;
        let key = self.key;
        self.endpoint.inner.command(|state, now| state.ua.transfer(now, key, &target))?;
        Ok(())
    }

    /// Connects the other sides of two calls: that of this one is asked to take our place in `other` (RFC 5589 §7).
    ///
    /// # Errors
    /// When one of the calls is not up.
    pub fn transfer_to(&self, other: &Call) -> Result<(), CommandError> {
        let (key, other) = (self.key, other.key);
        self.endpoint.inner.command(|state, now| state.ua.transfer_to(now, key, other))
    }

    /// Ends the call in the way that its state asks for. [`CallEvent::Ended`] follows.
    ///
    /// # Errors
    /// When it is over.
    pub fn hangup(&self) -> Result<(), CommandError> {
        let key = self.key;
        self.endpoint.inner.command(|state, now| state.ua.hangup(now, key))
    }

    /// Plays something else from now on. [`CallEvent::Played`] follows where it has an end. What is recorded does not change,
    /// whatever `audio` says of that.
    ///
    /// # Errors
    /// When a file cannot be used, the audio is elsewhere, or the call is over.
    pub async fn play(&self, audio: Audio) -> Result<(), CallError> {
        if audio.place().is_some() {
            return Err(CallError::Elsewhere);
        }
        self.command(Command::Play(audio.unrecorded().open()?)).await
    }

    /// Gives the pictures of the call into other hands from now on. The formats stay those that were agreed on; without pictures
    /// in the call nothing happens.
    ///
    /// # Errors
    /// When a call has those pictures already, the audio is elsewhere, or the call is over.
    pub async fn show(&self, video: Video) -> Result<(), CallError> {
        self.command(Command::Show(video.take().ok_or(CallError::VideoTaken)?)).await
    }

    /// Sends digits as telephone events (RFC 4733), one after the other. [`CallEvent::DigitsSent`] follows.
    ///
    /// # Errors
    /// When one is no digit, the audio is elsewhere, or the call is over.
    pub async fn send_digits(&self, digits: &str) -> Result<(), CallError> {
        if let Some(digit) = digits.chars().find(|digit| !matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D'))
        {
            return Err(CallError::Digit(digit));
        }
        self.command(Command::Digits(digits.to_owned())).await
    }

    /// Sends digits by INFO (`application/dtmf-relay`, or `application/dtmf` where only that is taken), for gateways that
    /// understand no telephone events. [`CallEvent::DigitsSent`] follows, or [`CallEvent::DigitsRefused`].
    ///
    /// # Errors
    /// When one is no digit, more than 64 wait, or the call is not up.
    pub fn send_digits_by_info(&self, digits: &str) -> Result<(), CommandError> {
        let key = self.key;
        self.endpoint.inner.command(|state, now| state.ua.send_digits(now, key, digits, session::DIGIT))
    }
}

impl Call {
    /// Writes to exactly the one at the other end, whatever other devices they have (RFC 3428 §4).
    /// [`CallEvent::MessageSent`] follows.
    ///
    /// # Errors
    /// When the call is not up, or 64 messages wait.
    pub fn message(&self, text: &str) -> Result<(), CommandError> {
        let (key, text) = (self.key, text.to_owned());
        self.endpoint
            .inner
            .command(|state, now| state.ua.message_in_call(now, key, "text/plain", text))
            .map(drop)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.over {
            // Gone means that it ended by itself.
            let _ = self.hangup();
        }
    }
}
