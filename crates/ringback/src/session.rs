//! The task of one call: events of the user agent on one side, RTP and files on the other.

use crate::audio::OpenAudio;
use crate::call::{Call, CallEvent, MediaInfo, Summary};
use crate::endpoint::{Endpoint, Inner};
use crate::events::{Unheard, translate};
use crate::line::LineEnd;
use crate::place::Place;
use crate::port::Port;
use crate::status::Gauge;
use crate::typed::Typed;
use crate::video::{Told, VideoEnd, VideoTask};
use crate::ways::Ways;
use bytes::Bytes;
use ringback_media::{
    AudioCodecs, AudioFormat, AudioLeg, Coded, DigitError, DtmfDetector, DtmfSender, Incoming, LegConfig,
    LegEvent, MediaPath, PeerAddress, PlayoutMode, Sent,
};
use ringback_net::{Direction, MediaKind, MediaSocket, OsEntropy, Protocol, Seen, epoch};
use ringback_sdp::NegotiatedDtls;
use ringback_ua::{CallKey, Ending, Session, UaEvent};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// How many events may wait for the application.
const EVENTS: usize = 64;
/// How many frames of silence follow what was played before it counts as played: whoever hangs up then does not cut
/// off what is still on its way, or waits in the other side's jitter buffer.
const SILENCE: u32 = 10;
/// How long a digit sounds.
pub(crate) const DIGIT: Duration = Duration::from_millis(100);
/// No RTP packet of a telephone call is longer than a datagram on Ethernet.
const LONGEST: usize = 2_048;

/// What the task of a call is told by its handle.
pub(crate) enum Command {
    Digits(String),
    /// Plays this instead, and records as before.
    Play(OpenAudio),
    /// Sends this beside the audio.
    Text(String),
    /// Others handle the pictures from now on.
    Show(VideoEnd),
}

/// Which call it is.
pub(crate) struct Side {
    pub(crate) call: CallKey,
    pub(crate) call_id: String,
    pub(crate) begun: Instant,
}

/// Starts the task of a call and gives its handle.
pub(crate) fn spawn(
    endpoint: Endpoint,
    side: Side,
    ua_events: mpsc::Receiver<Box<UaEvent>>,
    place: Place,
) -> Call {
    let (Port { socket, path, ways, text, .. }, audio, video) = match place {
        Place::Here(line, audio, video) => (*line, *audio, video),
        Place::Elsewhere(_) => {
            let events = Unheard::new(Arc::downgrade(&endpoint.inner), ua_events, side.begun);
            return Call::unheard(endpoint, side, events);
        }
    };
    let (events, receiver) = mpsc::channel(EVENTS);
    let (commands, commanded) = mpsc::channel(8);
    // The task must not keep alive what it waits for.
    let inner = Arc::downgrade(&endpoint.inner);
    let (codecs, playout) = (endpoint.inner.codecs.clone(), endpoint.inner.playout);
    let (gauge, shared) = Gauge::new();
    let cname = format!("{:x}", scramble(&side.call_id));
    let text = text.map(|port| Typed::spawn(*port, inner.clone(), cname.clone(), events.clone()));
    let call = Call::heard(endpoint, &side, receiver, commands, shared);
    let audio_plays = audio.plays;
    let video = video.map(|video| VideoTask::spawn(inner.clone(), *video, cname.clone()));
    let task = Task {
        media: Media {
            inner,
            call: side.call,
            socket,
            path,
            ways,
            association: None,
            video,
            audio,
            codecs,
            playout,
            leg: None,
            holds: false,
            frame: Vec::new(),
            coded: None,
            play_out: Vec::new(),
            packet: Vec::new(),
            tones: DtmfSender::new(),
            ears: None,
            dials: false,
            plays: audio_plays,
            silent: 0,
            gauge,
        },
        text,
        cname,
        begun: side.begun,
        answered: None,
        events,
    };
    tokio::spawn(task.run(ua_events, commanded));
    call
}

/// A name for RTCP that says nothing about us (RFC 7022) and stays the same for the call.
fn scramble(call_id: &str) -> u64 {
    use std::hash::BuildHasher as _;
    ringback_sansio::Hasher::keyed(std::process::id().into()).hash_one(call_id)
}

struct Task {
    media: Media,
    /// Where there may be text.
    text: Option<Typed>,
    cname: String,
    begun: Instant,
    answered: Option<Instant>,
    events: mpsc::Sender<Box<CallEvent>>,
}

pub(crate) struct Media {
    pub(crate) inner: Weak<Inner>,
    pub(crate) call: CallKey,
    pub(crate) socket: MediaSocket,
    pub(crate) path: MediaPath,
    pub(crate) ways: Ways,
    /// The handshake that keys come from.
    pub(crate) association: Option<NegotiatedDtls>,
    /// To the task that has the pictures.
    video: Option<mpsc::Sender<Told>>,
    audio: OpenAudio,
    codecs: AudioCodecs,
    playout: PlayoutMode,
    pub(crate) leg: Option<AudioLeg>,
    /// Whether we hold the other side.
    holds: bool,
    /// The frame to send next; empty when it has to be taken from the source first.
    frame: Vec<i16>,
    /// The same as somebody else has coded it.
    coded: Option<Coded>,
    play_out: Vec<i16>,
    packet: Vec<u8>,
    /// Digits as tones, both ways, where the other side takes no telephone events.
    tones: DtmfSender,
    ears: Option<DtmfDetector>,
    /// Whether digits were asked for whose end the application waits for.
    dials: bool,
    /// Whether there is something to play whose end the application waits for.
    plays: bool,
    /// How many frames of silence went out behind it.
    silent: u32,
    gauge: Gauge,
}

impl Task {
    async fn run(
        mut self,
        mut ua_events: mpsc::Receiver<Box<UaEvent>>,
        mut commands: mpsc::Receiver<Command>,
    ) {
        let mut ticker: Option<Interval> = None;
        let mut paced = Duration::ZERO;
        let mut buffer = vec![0; LONGEST];
        let mut is_held = true;
        let ending = loop {
            tokio::select! {
                event = ua_events.recv() => match event {
                    Some(event) => {
                        match *event {
                            UaEvent::Ended { ending, .. } => break Some(ending),
                            event => self.on_event(event),
                        }
                        if let Some(length) = self.media.leg.as_ref().map(length)
                            && (ticker.is_none() || length != paced)
                        {
                            (ticker, paced) = (Some(pace(length)), length);
                        }
                    }
                    // The endpoint is shut down.
                    None => break None,
                },
                command = commands.recv(), if is_held => match command {
                    Some(Command::Digits(digits)) => self.media.send_digits(&digits),
                    Some(Command::Play(audio)) => self.media.play(audio),
                    Some(Command::Text(text)) => self.text.iter().for_each(|typed| typed.say(text.clone())),
                    Some(Command::Show(end)) => self.media.tell_video(Told::Show(end)),
                    None => is_held = false,
                },
                () = tick(&mut ticker) => self.media.on_tick(&self.events).await,
                received = self.media.socket.receive(&mut buffer), if self.media.hears() => {
                    // An ICMP error of an earlier send; the next packets tell.
                    if let Ok((kind, length, from)) = received {
                        self.media.on_packet(kind, from, &mut buffer[..length], &self.events);
                    }
                }
                arrived = self.media.ways.next(self.media.path.has_for_stream()) => {
                    self.media.on_arrived(arrived, &self.events);
                }
                () = due(self.media.path.poll_timeout()) => self.media.path.handle_timeout(Instant::now()),
            }
            self.media.run_path(&self.events).await;
        };
        self.finish(ending).await;
    }

    fn on_event(&mut self, event: UaEvent) {
        if matches!(event, UaEvent::Answered { .. }) {
            self.answered.get_or_insert_with(Instant::now);
        }
        let inner = self.media.inner.clone();
        if let Some(told) = translate(event, &inner, |session| self.agree(session)) {
            tell(&self.events, told);
        }
    }

    /// Starts the audio, or changes it to what was agreed now.
    fn agree(&mut self, session: &Session) -> MediaInfo {
        let now = Instant::now();
        let direction = session.direction();
        self.media.holds = session.held_by_us;
        if let Some(format) = AudioFormat::negotiated(&session.audio, &self.media.codecs) {
            let peer = PeerAddress::negotiated(&session.audio);
            match &mut self.media.leg {
                Some(leg) => leg.renegotiate(now, format, direction, peer),
                None => self.media.start(now, format, direction, peer, self.cname.clone()),
            }
        }
        self.media.tell_video(Told::Agreed(session.video.clone().map(Box::new)));
        self.media.secure(session);
        self.media.follow_ice(now, session);
        if let Some(text) = &self.text {
            text.agree(session.text.as_ref());
        }
        MediaInfo::new(session)
    }

    async fn finish(mut self, ending: Option<Ending>) {
        let now = Instant::now();
        if let Some(leg) = &mut self.media.leg {
            self.media.packet.clear();
            let rtcp = leg.close(now, "the call is over", &mut self.media.packet);
            if rtcp {
                self.media.send_rtcp().await;
            }
        }
        self.media.path.close(now);
        self.media.send_path().await;
        let media = self.media.leg.as_ref().map(AudioLeg::stats);
        let (mut recorded, mut fault) = (None, None);
        if let Some(recording) = self.media.audio.record.take() {
            let (length, why) = recording.finish().await;
            (recorded, fault) = (Some(length), why);
        }
        if let Some(ending) = ending {
            let setup = self.answered.map(|answered| answered.duration_since(self.begun));
            let talk = self.answered.map(|answered| now.duration_since(answered));
            let summary = Summary { ending, setup, talk, media, recorded, fault };
            // This one must arrive; when nobody holds the call any more there is nobody to tell.
            let _ = self.events.send(Box::new(CallEvent::Ended(Box::new(summary)))).await;
        }
    }
}

/// How long a packet is.
fn length(leg: &AudioLeg) -> Duration {
    Duration::from_secs_f64(leg.frame_len() as f64 / f64::from(leg.rate()))
}

/// One tick for each packet. A tick that comes late is made up for, so that the media clock keeps the pace.
fn pace(length: Duration) -> Interval {
    let mut interval = interval_at(tokio::time::Instant::now(), length);
    interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
    interval
}

async fn tick(ticker: &mut Option<Interval>) {
    match ticker {
        Some(ticker) => {
            ticker.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Waits until then; for ever without a time.
pub(crate) async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// An application that does not listen misses what it could have heard, but never the end.
pub(crate) fn tell(events: &mpsc::Sender<Box<CallEvent>>, event: CallEvent) {
    if let Err(mpsc::error::TrySendError::Full(event)) = events.try_send(Box::new(event)) {
        tracing::debug!(?event, "the application does not read the events of its call");
    }
}

impl Media {
    /// Starts the audio. The rate is what the application wants, else the best of the codec.
    fn start(
        &mut self,
        now: Instant,
        format: AudioFormat,
        direction: ringback_sdp::Direction,
        peer: Option<PeerAddress>,
        cname: String,
    ) {
        let rate = self.audio.line.as_ref().and_then(LineEnd::rate).unwrap_or(format.send.sample_rate());
        let config =
            LegConfig { format, direction, peer, cname, epoch: epoch(), rate, playout: self.playout };
        match AudioLeg::new(now, config, &mut OsEntropy::new()) {
            Ok(leg) => self.leg = Some(leg),
            Err(error) => tracing::warn!(%error, "there is no audio in this call"),
        }
    }

    fn tell_video(&self, told: Told) {
        if let Some(video) = &self.video {
            // Its task ends with this one.
            if let Err(mpsc::error::TrySendError::Full(_)) = video.try_send(told) {
                tracing::warn!("the pictures of a call do not follow what is agreed on");
            }
        }
    }

    fn send_digits(&mut self, digits: &str) {
        let Some(leg) = &mut self.leg else { return };
        for digit in digits.chars() {
            let taken = match leg.send_digit(digit, DIGIT) {
                Err(DigitError::NotNegotiated) => self.tones.push(digit, DIGIT),
                sent => sent.is_ok(),
            };
            if !taken {
                tracing::warn!(%digit, "more digits wait than can be sent");
                return;
            }
            self.dials = true;
        }
    }

    /// Listens for digits that are nothing but tones.
    fn listen(&mut self, rate: u32, events: &mpsc::Sender<Box<CallEvent>>) {
        let is_told = self.leg.as_ref().is_some_and(|leg| !leg.format().events_to_receive.is_empty());
        if is_told {
            self.ears = None;
            return;
        }
        let mut digits = Vec::new();
        self.ears.get_or_insert_with(|| DtmfDetector::new(rate)).hear(&self.play_out, &mut digits);
        digits.into_iter().for_each(|digit| tell(events, CallEvent::Digit(digit)));
    }

    fn play(&mut self, audio: OpenAudio) {
        (self.plays, self.silent) = (audio.plays, 0);
        self.frame.clear();
        self.coded = None;
        self.audio = OpenAudio { record: self.audio.record.take(), ..audio };
    }

    async fn on_tick(&mut self, events: &mpsc::Sender<Box<CallEvent>>) {
        let now = Instant::now();
        let Some(leg) = &mut self.leg else { return };
        let (length, rate) = (leg.frame_len(), leg.rate());
        self.play_out.resize(length, 0);
        // Who records, or listens for tones, needs all of it.
        let is_needed = self.audio.record.is_some() || self.ears.is_some();
        leg.pass_over(self.audio.line.as_ref().filter(|_| !is_needed).and_then(LineEnd::faintest));
        leg.next_frame(now, &mut self.play_out);
        if let Some(line) = &mut self.audio.line {
            line.hear_and_take(rate, &self.play_out, leg.shared_format(), leg.passed_over());
        }
        if self.frame.len() != length {
            self.frame.resize(length, 0);
            self.coded = None;
            match &mut self.audio.line {
                Some(line) => {
                    line.fill(rate, &mut self.frame);
                    self.coded = line.take_coded();
                }
                None => self.audio.source.fill(rate, &mut self.frame),
            }
        }
        if self.audio.echo {
            self.frame.copy_from_slice(&self.play_out);
        }
        self.listen(rate, events);
        let Some(leg) = &mut self.leg else { return };
        self.packet.clear();
        // Who is held hears nothing of us, and the way to them stays open; what there is to play waits.
        let holds = self.holds;
        // Who has muted the call goes on speaking, unheard.
        if self.gauge.is_muted() && !holds {
            self.frame.fill(0);
            self.coded = None;
        }
        if !holds && !self.tones.is_idle() {
            self.tones.say(rate, &mut self.frame);
            self.coded = None;
        }
        let said = if holds { &[] } else { &self.frame[..] };
        self.gauge.note(said, &self.play_out, || leg.stats());
        if let Some(recording) = &mut self.audio.record {
            recording.pass(now, rate, &self.play_out, said);
        }
        if holds {
            self.play_out.fill(0);
        }
        let frame = if holds { &self.play_out } else { &self.frame };
        let sent = match &self.coded {
            Some(coded) if !holds => leg.send_coded(now, frame, coded, &mut self.packet),
            _ => leg.send_frame(now, frame, &mut self.packet),
        };
        let to = leg.rtp_destination();
        match sent {
            Sent::Audio | Sent::Pause if holds => {}
            Sent::Audio | Sent::Pause => {
                // A frame that did not go out, for a digit or a hold took its place, is sent later.
                self.frame.clear();
                if self.plays && self.audio.source.is_finished() {
                    self.silent += 1;
                    if self.silent > SILENCE {
                        self.plays = false;
                        tell(events, CallEvent::Played);
                    }
                }
            }
            Sent::Digit(_) => {}
            Sent::Nothing => {}
        }
        if self.dials && !leg.is_sending_digits() && self.tones.is_idle() {
            self.dials = false;
            tell(events, CallEvent::DigitsSent);
        }
        if let (false, Some(to)) = (self.packet.is_empty(), to) {
            self.send(MediaKind::Rtp, to).await;
        }
        self.run_rtcp(now).await;
        self.tell_events(events);
    }

    fn tell_events(&mut self, events: &mpsc::Sender<Box<CallEvent>>) {
        while let Some(event) = self.leg.as_mut().and_then(AudioLeg::poll_event) {
            match event {
                LegEvent::DigitEnded(digit, _) => tell(events, CallEvent::Digit(digit)),
                LegEvent::DigitStarted(_) | LegEvent::PeerLeft => {}
                other => tracing::debug!(event = ?other, "media"),
            }
        }
    }

    async fn run_rtcp(&mut self, now: Instant) {
        let Some(leg) = &mut self.leg else { return };
        if leg.poll_timeout().is_some_and(|at| at <= now) {
            leg.handle_timeout(now);
        }
        loop {
            self.packet.clear();
            let Some(leg) = &mut self.leg else { return };
            if !leg.poll_rtcp(now, &mut self.packet) {
                return;
            }
            self.send_rtcp().await;
        }
    }

    async fn send_rtcp(&mut self) {
        let Some(leg) = &self.leg else { return };
        let (rtp, rtcp) = (leg.rtp_destination(), leg.rtcp_destination());
        if let Some(to) = rtcp {
            // RFC 5761: where both share a port, both come from one as well.
            let kind = if rtp == rtcp { MediaKind::Rtp } else { MediaKind::Rtcp };
            self.send(kind, to).await;
        }
    }

    async fn send(&mut self, kind: MediaKind, to: SocketAddr) {
        let Some(to) = self.path.route(Instant::now(), to, &mut self.packet) else { return };
        // A packet that the network does not take now is lost, as it would be further on.
        if self.socket.send(kind, &self.packet, to).await.is_ok() {
            self.show(Direction::Out, kind, to, &self.packet);
        }
    }

    fn on_packet(
        &mut self,
        kind: MediaKind,
        from: SocketAddr,
        packet: &mut [u8],
        events: &mpsc::Sender<Box<CallEvent>>,
    ) {
        self.show(Direction::In, kind, from, packet);
        let Some((from, length)) = self.path.receive(Instant::now(), from, packet) else { return };
        self.hear(from, packet.get_mut(..length).unwrap_or(&mut []), events);
    }

    /// Takes a packet of media from the peer, whatever way it came.
    pub(crate) fn hear(
        &mut self,
        from: SocketAddr,
        packet: &mut [u8],
        events: &mpsc::Sender<Box<CallEvent>>,
    ) {
        let hook = self.inner.upgrade().and_then(|inner| inner.media_hook.clone());
        let mut changed = Vec::new();
        let packet = match hook {
            Some(hook) => {
                changed.extend_from_slice(packet);
                if !hook(&mut changed) {
                    return;
                }
                &mut changed[..]
            }
            None => packet,
        };
        let Some(leg) = &mut self.leg else { return };
        match leg.receive(Instant::now(), from, packet) {
            Ok(Incoming::Audio { payload, packet, recovered }) => {
                if let Some(recording) = &mut self.audio.record {
                    recovered.iter().for_each(|(payload, packet)| recording.hear(payload, packet));
                    recording.hear(&payload, &packet);
                }
            }
            Ok(Incoming::Event | Incoming::Noise | Incoming::Rtcp) => {}
            Err(refused) => tracing::debug!(%from, ?refused, "a media packet was refused"),
        }
        self.tell_events(events);
    }

    pub(crate) fn show(&self, direction: Direction, kind: MediaKind, peer: SocketAddr, packet: &[u8]) {
        saw(&self.inner, &self.socket, direction, kind, peer, packet);
    }
}

impl Inner {
    /// Shows a packet to who watches the wire.
    pub(crate) fn show_media(
        &self,
        socket: &MediaSocket,
        direction: Direction,
        kind: MediaKind,
        peer: SocketAddr,
        packet: &[u8],
    ) {
        let Some(tap) = &self.tap else { return };
        let local = match kind {
            MediaKind::Rtp => socket.rtp_address(),
            MediaKind::Rtcp => socket.rtcp_address(),
        };
        let local = self.reached(local);
        let bytes = Bytes::copy_from_slice(packet);
        let at = epoch().unix;
        tap.saw(Seen { at, direction, protocol: Protocol::Udp, local, peer, bytes: &bytes });
    }
}

/// Shows a packet to who wants to see all.
pub(crate) fn saw(
    inner: &Weak<Inner>,
    socket: &MediaSocket,
    direction: Direction,
    kind: MediaKind,
    peer: SocketAddr,
    packet: &[u8],
) {
    if let Some(inner) = inner.upgrade() {
        inner.show_media(socket, direction, kind, peer, packet);
    }
}
