//! `ringback demo`: a whole call on this machine, with real sockets in real time.
//!
//! A server and two phones. Both register with a password, Alice calls Bob, both talk, Alice holds Bob and resumes him,
//! dials some digits, and Bob hangs up. Then the recordings are compared with what was played, sample by sample.

mod check;
mod conference;
mod stage;

use crate::args;
use crate::out::line;
use crate::outcome::Failure;
use crate::trace::style;
use ringback::{
    Account, Audio, AudioCodecs, Call, CallEvent, Endpoint, EndpointBuilder, Listen, Protocol, SrtpPolicy,
    Summary,
};
use ringback_media::{Law, read_wav};
use ringback_server::{Server, ServerConfig, Storage};
use ringback_trace::{Calls, Names, TextStyle};
use stage::{CAST, Stage};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

const ALICE_SAYS: &[u8] = include_bytes!("../../assets/alice.wav");
const BOB_SAYS: &[u8] = include_bytes!("../../assets/bob.wav");
const DOMAIN: &str = "example.com";
const DIGITS: &str = "42#";
/// How long the whole call may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(25);

/// Plays, draws, records and checks.
pub(crate) async fn demo(args: args::Demo) -> Result<(), Failure> {
    if args.conference {
        return conference::conference(args).await;
    }
    let files = Files::new(&args.out)?;
    let failed = |error: std::io::Error| Failure::Failed(format!("the demo cannot run: {error}"));
    let stage = Arc::new(Stage::open(&files.capture).map_err(failed)?);
    let server = ServerConfig {
        listen: vec![Listen { protocol: Protocol::Udp, address: SocketAddr::from(([127, 0, 0, 1], 0)) }],
        domains: vec![DOMAIN.to_owned()],
        users: [("alice", "wonderland"), ("bob", "builder")]
            .map(|(name, password)| (name.to_owned(), password.to_owned()))
            .into(),
        storage: Storage::Ephemeral,
        tap: Some(stage.watch(CAST[1])),
        ..ServerConfig::default()
    };
    let server = Server::start(server).map_err(|error| Failure::Failed(error.to_string()))?;
    let alice = phone(stage.watch(CAST[0])).start().await?;
    let mut bob = phone(stage.watch(CAST[2]));
    if args.flip {
        // Of an encrypted packet a flipped bit makes a forged one, which is not heard at all.
        bob = bob.srtp(SrtpPolicy::Off).media_hook(flip_one_bit());
    }
    let bob = bob.start().await?;
    let cast = [alice.listeners(), server.listeners(), bob.listeners()].map(|listeners| listeners[0].address);
    stage.introduce(cast, style());

    let mut alice_account = account(&alice, "alice", "wonderland", cast[1]).await?;
    let mut bob_account = account(&bob, "bob", "builder", cast[1]).await?;
    let (alice_done, alice_is_done) = oneshot::channel();
    let answering = tokio::spawn(answer(bob.clone(), files.bob_heard.clone(), alice_is_done));
    let audio = Audio::samples(samples(ALICE_SAYS)?).record(&files.alice_heard);
    let call = alice_account.call(format!("sip:bob@{DOMAIN}")).audio(audio).start().await?;
    let call_id = call.call_id().to_owned();
    let calling = tokio::time::timeout(PATIENCE, talk(call, alice_done)).await;
    let calling = calling.map_err(|_| Failure::Failed("the call did not end in time".to_owned()))??;
    let answering = answering.await.map_err(|error| Failure::Failed(error.to_string()))??;

    alice_account.unregister().await?;
    bob_account.unregister().await?;
    server.shutdown().await;
    let (calls, names) = stage.close().map_err(failed)?;
    files.draw(&calls, &names, &call_id).map_err(failed)?;
    conclude(&files, &calling, &answering, !args.flip)
}

/// Where everything goes.
struct Files {
    alice_heard: PathBuf,
    bob_heard: PathBuf,
    capture: PathBuf,
    ladder: PathBuf,
    picture: PathBuf,
}

impl Files {
    fn new(out: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(out)
            .map_err(|error| Failure::Usage(format!("--out: cannot make {}: {error}", out.display())))?;
        Ok(Self {
            alice_heard: out.join("alice-heard.wav"),
            bob_heard: out.join("bob-heard.wav"),
            capture: out.join("call.pcap"),
            ladder: out.join("ladder.txt"),
            picture: out.join("ladder.svg"),
        })
    }

    /// Writes the ladders: as text all that happened, as a picture the call.
    fn draw(&self, calls: &Calls, names: &Names, call_id: &str) -> std::io::Result<()> {
        let mut text = String::new();
        for call in calls.iter() {
            text.push_str(&call.summary(names));
            text.push('\n');
            text.push_str(&call.ladder(names).text(&TextStyle { colour: false, ..TextStyle::default() }));
            text.push('\n');
        }
        fs::write(&self.ladder, text)?;
        match calls.find(call_id) {
            Some(call) => fs::write(&self.picture, call.ladder(names).svg()),
            None => Ok(()),
        }
    }
}

fn phone(tap: Arc<dyn ringback::Tap>) -> EndpointBuilder {
    // Sample by sample is compared what one sample codes by itself.
    Endpoint::builder().listen("udp:127.0.0.1:0").codecs(AudioCodecs::g711()).tap(tap)
}

async fn account(
    endpoint: &Endpoint,
    user: &str,
    password: &str,
    server: SocketAddr,
) -> Result<Account, Failure> {
    let account =
        endpoint.account(format!("sip:{user}@{DOMAIN}")).password(password).server(server.to_string());
    Ok(account.register().await?)
}

fn samples(wav: &[u8]) -> Result<Vec<i16>, Failure> {
    read_wav(wav, 8_000).map_err(|error| Failure::Failed(format!("the speech of the demo: {error}")))
}

/// How one side saw the call.
struct Side {
    codec: String,
    digits: String,
    held: bool,
    resumed: bool,
    summary: Summary,
}

/// What a side has seen so far.
#[derive(Default)]
struct Seen {
    codec: String,
    digits: String,
    held: bool,
    resumed: bool,
}

impl Seen {
    fn note(&mut self, event: &CallEvent) {
        match event {
            CallEvent::Answered(media) => self.codec.clone_from(&media.codec),
            CallEvent::Changed(media) if media.held_by_us || media.held_by_them => self.held = true,
            CallEvent::Changed(_) => self.resumed = self.held,
            CallEvent::Digit(digit) => self.digits.push(*digit),
            _ => {}
        }
    }

    fn end(self, summary: Summary) -> Side {
        let Self { codec, digits, held, resumed } = self;
        Side { codec, digits, held, resumed, summary }
    }
}

/// Alice: talks, holds Bob for a second, dials, and lets Bob hang up.
async fn talk(mut call: Call, done: oneshot::Sender<()>) -> Result<Side, Failure> {
    let mut seen = Seen::default();
    let mut done = Some(done);
    let (mut to_play, mut to_dial) = (true, true);
    let mut hold: Option<Instant> = None;
    let mut resume: Option<Instant> = None;
    loop {
        let alarm = hold.or(resume);
        tokio::select! {
            event = call.next() => {
                let Some(event) = event else { return Err(Failure::Failed("Alice's phone stopped".into())) };
                let had_resumed = seen.resumed;
                seen.note(&event);
                match event {
                    CallEvent::Answered(_) => hold = Some(Instant::now() + Duration::from_millis(1_500)),
                    CallEvent::Changed(_) if seen.held && !seen.resumed => {
                        resume = Some(Instant::now() + Duration::from_secs(1));
                    }
                    CallEvent::Changed(_) if seen.resumed && !had_resumed => call.send_digits(DIGITS).await?,
                    CallEvent::Played => to_play = false,
                    CallEvent::DigitsSent => to_dial = false,
                    CallEvent::Ended(summary) => return Ok(seen.end(*summary)),
                    _ => {}
                }
                if !to_play && !to_dial && let Some(done) = done.take() {
                    // Bob is gone when nobody listens, which shows in what follows.
                    let _ = done.send(());
                }
            }
            () = async { match alarm { Some(at) => sleep_until(at).await, None => std::future::pending().await } } => {
                let changed = if hold.take().is_some() { call.hold() } else { resume = None; call.resume() };
                changed.map_err(|error| Failure::Failed(format!("Alice cannot hold or resume: {error}")))?;
            }
        }
    }
}

/// Bob: lets it ring, answers, talks, and hangs up when both have said everything.
async fn answer(
    bob: Endpoint,
    record: PathBuf,
    alice_is_done: oneshot::Receiver<()>,
) -> Result<Side, Failure> {
    let incoming = bob.incoming().await.ok_or_else(|| Failure::Failed("Bob's phone stopped".into()))?;
    let failed = |error| Failure::Failed(format!("Bob cannot answer: {error}"));
    incoming.ring().map_err(failed)?;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let mut call = incoming.answer(Audio::samples(samples(BOB_SAYS)?).record(record)).await?;
    let mut seen = Seen::default();
    let mut to_play = true;
    let mut alice = Some(alice_is_done);
    loop {
        tokio::select! {
            event = call.next() => {
                let Some(event) = event else { return Err(Failure::Failed("Bob's phone stopped".into())) };
                seen.note(&event);
                match event {
                    CallEvent::Played => to_play = false,
                    CallEvent::Ended(summary) => return Ok(seen.end(*summary)),
                    _ => {}
                }
            }
            _ = async { match &mut alice { Some(alice) => alice.await, None => std::future::pending().await } } => alice = None,
        }
        if !to_play && alice.is_none() && seen.digits.len() == DIGITS.len() {
            // It fails when the call is over already.
            let _ = call.hangup();
        }
    }
}

/// Flips one bit of one packet in the middle of what Bob receives.
fn flip_one_bit() -> ringback::MediaHook {
    let seen = AtomicU64::new(0);
    Arc::new(move |packet| {
        if seen.fetch_add(1, Ordering::Relaxed) == 60
            && let Some(octet) = packet.last_mut()
        {
            *octet ^= 1;
        }
        true
    })
}

/// Says how it was and whether all of it is right.
fn conclude(files: &Files, alice: &Side, bob: &Side, is_secret: bool) -> Result<(), Failure> {
    let mut faults = Vec::new();
    let setup = alice.summary.setup.unwrap_or_default();
    let talked = alice.summary.talk.unwrap_or_default();
    line(format_args!(
        "\nset up in {} ms, ringing included; talked {:.1} s in {}",
        setup.as_millis(),
        talked.as_secs_f64(),
        alice.codec
    ));
    for (name, side) in [("Alice", alice), ("Bob", bob)] {
        match &side.summary.media {
            Some(media) => line(format_args!(
                "{name:<5} sent {} packets, received {}, lost {}, jitter {:.1} ms",
                media.packets_sent,
                media.packets_received,
                media.lost,
                media.jitter.as_secs_f64() * 1e3
            )),
            None => faults.push(format!("{name} had no audio")),
        }
        match side.summary.media.as_ref().and_then(|media| media.encryption) {
            Some(profile) => line(format_args!("{name:<5} media: SRTP {profile}")),
            None if is_secret => faults.push(format!("the audio of {name} was not encrypted")),
            None => {}
        }
        if let Some(fault) = &side.summary.fault {
            faults.push(fault.to_string());
        }
        if !(side.held && side.resumed) {
            faults.push(format!("{name} did not see hold and resume"));
        }
    }
    if bob.digits != DIGITS {
        faults.push(format!("Alice dialled {DIGITS}, Bob received `{}`", bob.digits));
    }
    for (listener, heard, speaker, said) in
        [("Bob", &files.bob_heard, "Alice", ALICE_SAYS), ("Alice", &files.alice_heard, "Bob", BOB_SAYS)]
    {
        let law = Law::from_name(&alice.codec)
            .ok_or_else(|| Failure::Failed(format!("the codec is {}", alice.codec)))?;
        let recorded =
            fs::read(heard).map_err(|error| Failure::Failed(format!("{}: {error}", heard.display())))?;
        match check::compare(&samples(&recorded)?, &samples(said)?, law) {
            Ok(found) => line(format_args!(
                "{listener:<5} recorded what {speaker} said: {} samples equal, {:.2} s of pauses",
                found.samples,
                found.paused.as_secs_f64()
            )),
            Err(mismatch) => {
                faults.push(format!("{listener} did not record what {speaker} said, {mismatch}"))
            }
        }
    }
    line("");
    for path in [&files.bob_heard, &files.alice_heard, &files.capture, &files.ladder, &files.picture] {
        line(path.display());
    }
    match faults.first() {
        None => Ok(()),
        Some(_) => Err(Failure::Failed(faults.join("; "))),
    }
}
