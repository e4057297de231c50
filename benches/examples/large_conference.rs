//! What a conference costs: parties with legs of their own, half of them Opus and half G.711, mixed every 20 ms with all coders.
//!
//! `cargo run --release -p ringback-benches --example large_conference [PARTIES] [SPEAKING]` runs it as fast as it goes, counts the processor
//! time of its thread, and prints what each part of a period takes.
#![allow(clippy::disallowed_methods, reason = "a run needs some instant to start from")]
#![allow(clippy::print_stdout, reason = "it prints its table")]

use nix::time::{ClockId, clock_gettime};
use ringback_media::{
    AudioCodec, AudioFormat, AudioLeg, AudioSource, CommonCoders, Law, LegConfig, Mixer, Opus, PartyKey,
    PeerAddress, PlayoutMode, read_wav,
};
use ringback_sansio::{Epoch, SeededEntropy};
use ringback_sdp::Direction;
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const RATE: u32 = 16_000;
const FRAME: usize = 320;
/// Twenty seconds of conference.
const PERIODS: u32 = 1_000;
/// What is not counted: until all buffers are filled and all voices judged.
const WARM_UP: u32 = 100;

/// A party at both ends: the leg of the conference, and the phone that talks to it.
struct Party {
    key: PartyKey,
    leg: AudioLeg,
    phone: AudioLeg,
    voice: Option<AudioSource>,
}

/// Nanoseconds that the parts took.
#[derive(Default)]
struct Spent {
    receive: u64,
    decode: u64,
    mix: u64,
    encode: u64,
}

fn main() {
    let mut arguments = std::env::args().skip(1).map_while(|it| it.parse::<u32>().ok());
    let (parties, speaking) = (arguments.next().unwrap_or(50), arguments.next().unwrap_or(10));
    println!(
        "{parties} parties, {speaking} speaking: µs of processor time in a period of 20 ms, on average\n"
    );
    println!("| silent parties | received | decoded | mixed | coded and sent | all | longest period |");
    println!("|---|---|---|---|---|---|---|");
    for (name, is_common, is_told) in [
        ("have coders of their own", false, false),
        ("have common coders", true, false),
        ("tell how faint they are as well", true, true),
    ] {
        let (spent, longest) = confer(parties, speaking, is_common, is_told);
        let micros = |nanos: u64| nanos as f64 / 1e3 / f64::from(PERIODS);
        let Spent { receive, decode, mix, encode } = spent;
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} |",
            name,
            micros(receive),
            micros(decode),
            micros(mix),
            micros(encode),
            micros(spent.all()),
            longest as f64 / 1e3
        );
    }
}

/// A whole conference: the sum of its periods, and the longest of them.
fn confer(parties: u32, speaking: u32, is_common: bool, is_told: bool) -> (Spent, u64) {
    let begin = Instant::now();
    let (mut mixer, mut common) = (Mixer::new(FRAME), is_common.then(|| CommonCoders::new(RATE)));
    let mut room: Vec<Party> = parties_of(begin, &mut mixer, parties, speaking, is_told);
    let (mut sum, mut longest) = (Spent::default(), 0);
    for period in 0..PERIODS + WARM_UP {
        let now = begin + Duration::from_millis(20) * period;
        let arrived: Vec<Vec<u8>> = room.iter_mut().map(|party| party.phone_says(now)).collect();
        let spent = run(now, &mut mixer, common.as_mut(), &mut room, arrived);
        if period >= WARM_UP {
            longest = longest.max(spent.all());
            sum.receive += spent.receive;
            sum.decode += spent.decode;
            sum.mix += spent.mix;
            sum.encode += spent.encode;
        }
    }
    (sum, longest)
}

impl Spent {
    fn all(&self) -> u64 {
        self.receive + self.decode + self.mix + self.encode
    }
}

/// One period: what came is taken, decoded, mixed, coded, and ready to be sent.
fn run(
    now: Instant,
    mixer: &mut Mixer,
    mut common: Option<&mut CommonCoders>,
    room: &mut [Party],
    mut arrived: Vec<Vec<u8>>,
) -> Spent {
    let mut frame = [0; FRAME];
    let begin = on_processor();
    for (party, datagram) in room.iter_mut().zip(&mut arrived) {
        party.leg.receive(now, address(2), datagram).expect("a packet of the phone");
    }
    let received = on_processor();
    mixer.begin();
    for party in room.iter_mut() {
        party.leg.pass_over(mixer.faintest(party.key));
        party.leg.next_frame(now, &mut frame);
        match party.leg.passed_over() {
            Some(level) => mixer.hear_level(party.key, level),
            None => mixer.hear(party.key, &frame),
        }
    }
    let decoded = on_processor();
    mixer.mix();
    let mut to_listeners = [0; FRAME];
    if let Some(common) = &mut common {
        mixer.say_to_listeners(&mut to_listeners);
        common.begin(&to_listeners);
    }
    let mixed = on_processor();
    let mut packet = Vec::new();
    for Party { key, leg, .. } in room.iter_mut() {
        packet.clear();
        let shared = common.as_mut().filter(|_| !mixer.speaks(*key));
        match shared.and_then(|common| common.code(leg.shared_format()?)) {
            Some(coded) => leg.send_coded(now, &to_listeners, &coded, &mut packet),
            None => {
                mixer.say(*key, &mut frame);
                leg.send_frame(now, &frame, &mut packet)
            }
        };
        std::hint::black_box(&packet);
    }
    let coded = on_processor();
    Spent {
        receive: received - begin,
        decode: decoded - received,
        mix: mixed - decoded,
        encode: coded - mixed,
    }
}

/// Half of them speak Opus and half G.711, those who speak and those who do not.
fn parties_of(now: Instant, mixer: &mut Mixer, count: u32, speaking: u32, is_told: bool) -> Vec<Party> {
    let codecs: [Arc<dyn AudioCodec>; 2] = [Arc::new(Opus::default()), Arc::new(Law::A)];
    let level = is_told.then_some(1);
    let told = |format| AudioFormat { level_to_send: level, level_to_receive: level, ..format };
    let formats = codecs.map(|codec| told(AudioFormat::of(codec)));
    let leg = |format: &AudioFormat, seed: u32, peer| {
        let peer = address(peer);
        let config = LegConfig {
            format: format.clone(),
            direction: Direction::SendRecv,
            peer: Some(PeerAddress { rtp: peer, rtcp: peer, rtcp_mux: true }),
            cname: "x".into(),
            epoch: Epoch { at: now, unix: Duration::ZERO },
            rate: RATE,
            playout: PlayoutMode::Adaptive,
        };
        AudioLeg::new(now, config, &mut SeededEntropy::new(seed.into())).expect("a rate")
    };
    let party = |n: u32| {
        let format = &formats[n as usize % 2];
        let voice = (n < speaking).then(|| AudioSource::repeat(speech(n), RATE));
        Party { key: mixer.join(), leg: leg(format, 2 * n, 2), phone: leg(format, 2 * n + 1, 1), voice }
    };
    (0..count).map(party).collect()
}

/// One of two voices, which begins somewhere of its own.
fn speech(n: u32) -> Arc<[i16]> {
    let name = if n.is_multiple_of(4) { "alice.wav" } else { "bob.wav" };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/ringback-cli/assets").join(name);
    let mut samples = read_wav(File::open(path).expect("speech"), RATE).expect("a WAV file");
    let begin = n as usize * 12_345 % samples.len();
    samples.rotate_left(begin);
    samples.into()
}

fn address(n: u8) -> SocketAddr {
    ([192, 0, 2, n], 4_000).into()
}

impl Party {
    fn phone_says(&mut self, now: Instant) -> Vec<u8> {
        let (mut frame, mut packet) = ([0; FRAME], Vec::new());
        if let Some(voice) = &mut self.voice {
            voice.fill(RATE, &mut frame);
        }
        self.phone.send_frame(now, &frame, &mut packet);
        packet
    }
}

/// Nanoseconds that this thread was on a processor.
fn on_processor() -> u64 {
    let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock of this thread");
    spent.tv_sec() as u64 * 1_000_000_000 + spent.tv_nsec() as u64
}
