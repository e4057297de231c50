//! What it costs to bring a call of Opus and one of G.711 together, beside the codec alone.
//!
//! `cargo run --release -p ringback-benches --example transcode` counts the processor time of its thread, in µs for 20 ms of speech, the
//! least of several rounds in turns: once with both legs whole (RTP, jitter buffer, decoder, coder), and once with nothing but
//! `opus-pure` and the table of G.711.
#![allow(clippy::disallowed_methods, reason = "a run needs some instant to start from")]
#![allow(clippy::print_stdout, reason = "it prints its table")]

use nix::time::{ClockId, clock_gettime};
use ringback_media::{
    AudioCodec, AudioFormat, AudioLeg, Law, LegConfig, Opus, PeerAddress, PlayoutMode, read_wav,
};
use ringback_sansio::{Epoch, SeededEntropy};
use ringback_sdp::Direction;
use std::fs::File;
use std::hint::black_box;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// Opus for a telephone is coded at its rate, so that nothing is converted.
const RATE: u32 = 8_000;
const FRAME: usize = 160;
const ROUNDS: usize = 9;

fn main() {
    let speech = speech();
    let (mut to_opus, mut to_law) = ([u64::MAX; 2], [u64::MAX; 2]);
    let frames = (speech.len() / FRAME) as f64;
    for _ in 0..ROUNDS {
        let least = |best: &mut [u64; 2], legs: u64, codec: u64| {
            *best = [best[0].min(legs), best[1].min(codec)];
        };
        let (legs, coded) = bridge(&Law::A, &Opus::default(), &law(&speech));
        least(&mut to_opus, legs, law_to_opus(&speech));
        let (legs, _) = bridge(&Opus::default(), &Law::A, &coded);
        least(&mut to_law, legs, opus_to_law(&coded));
    }
    println!("| | legs | codec alone | quotient |\n|---|---|---|---|");
    for (name, [legs, codec]) in [("G.711 to Opus", to_opus), ("Opus to G.711", to_law)] {
        let micros = |nanos: u64| nanos as f64 / 1e3 / frames;
        let quotient = legs as f64 / codec as f64;
        println!("| {name} | {:.1} | {:.1} | {quotient:.2} |", micros(legs), micros(codec));
    }
}

fn law(speech: &[i16]) -> Vec<Vec<u8>> {
    speech.chunks_exact(FRAME).map(|frame| frame.iter().map(|it| Law::A.encode(*it)).collect()).collect()
}

/// Packets of one codec go in, packets of the other come out; only that is counted.
fn bridge<A, B>(from: &A, to: &B, payloads: &[Vec<u8>]) -> (u64, Vec<Vec<u8>>)
where
    A: AudioCodec + Clone + 'static,
    B: AudioCodec + Clone + 'static,
{
    let begin = Instant::now();
    let mut heard = leg(begin, AudioFormat::new(from.clone()));
    let mut said = leg(begin, AudioFormat::new(to.clone()));
    let mut datagrams: Vec<Vec<u8>> = (0..).zip(payloads).map(|(n, it)| datagram(from, n, it)).collect();
    let (mut packet, mut frame, mut out) = (Vec::new(), [0; FRAME], Vec::with_capacity(payloads.len()));
    let start = on_processor();
    for (n, datagram) in (0..).zip(&mut datagrams) {
        let now = begin + Duration::from_millis(20) * n;
        heard.receive(now, peer(), datagram).expect("a packet of the peer");
        heard.next_frame(now, &mut frame);
        packet.clear();
        said.send_frame(now, &frame, &mut packet);
        out.push(packet.get(12..).unwrap_or_default().to_vec());
    }
    (on_processor() - start, out)
}

fn datagram(codec: &impl AudioCodec, n: u32, payload: &[u8]) -> Vec<u8> {
    let description = codec.description();
    let time = n * description.clock_rate() / 50;
    let mut out = vec![0x80, description.payload_type()];
    out.extend((n as u16).to_be_bytes());
    out.extend(time.to_be_bytes());
    out.extend(7_u32.to_be_bytes());
    out.extend(payload);
    out
}

fn law_to_opus(speech: &[i16]) -> u64 {
    let payloads = law(speech);
    let opus = Opus::default();
    let mut encoder = opus.encoder(RATE, &opus.description());
    let (mut frame, mut packet) = ([0; FRAME], Vec::new());
    let start = on_processor();
    for payload in &payloads {
        for (sample, octet) in frame.iter_mut().zip(payload) {
            *sample = Law::A.decode(*octet);
        }
        packet.clear();
        encoder.encode(&frame, &mut packet);
        black_box(&packet);
    }
    on_processor() - start
}

fn opus_to_law(payloads: &[Vec<u8>]) -> u64 {
    let mut decoder = Opus::default().decoder(RATE);
    let (mut samples, mut packet) = (Vec::new(), Vec::new());
    let start = on_processor();
    for payload in payloads {
        samples.clear();
        decoder.decode(payload, &mut samples).expect("our own packet");
        packet.clear();
        packet.extend(samples.iter().map(|it| Law::A.encode(*it)));
        black_box(&packet);
    }
    on_processor() - start
}

fn leg(now: Instant, format: AudioFormat) -> AudioLeg {
    let config = LegConfig {
        format,
        direction: Direction::SendRecv,
        peer: Some(PeerAddress { rtp: peer(), rtcp: peer(), rtcp_mux: true }),
        cname: "x".into(),
        epoch: Epoch { at: now, unix: Duration::ZERO },
        rate: RATE,
        playout: PlayoutMode::Adaptive,
    };
    AudioLeg::new(now, config, &mut SeededEntropy::new(1)).expect("a rate")
}

fn speech() -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/ringback-cli/assets/alice.wav");
    let once = read_wav(File::open(path).expect("speech"), RATE).expect("a WAV file");
    once.into_iter().cycle().take(RATE as usize * 20).collect()
}

fn peer() -> SocketAddr {
    ([192, 0, 2, 1], 4_000).into()
}

/// Nanoseconds that this thread was on a processor.
fn on_processor() -> u64 {
    let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock of this thread");
    spent.tv_sec() as u64 * 1_000_000_000 + spent.tv_nsec() as u64
}
