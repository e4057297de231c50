//! What a listener gets through bad networks: our jitter buffer and the crate `neteq` on the same packets of the same speech.
//!
//! `cargo run -p ringback-benches --features peers-media --example jitter_table [FOLDER]` prints a table, and with a folder leaves what was
//! heard there as WAV files beside the speech, to be scored by other means. `neteq` reads the clock itself, so that the whole of it takes
//! as long as the speech does.
#![allow(
    clippy::disallowed_methods,
    reason = "the other one reads the clock, and so its packets come in real time"
)]
#![allow(clippy::print_stdout, reason = "a table")]

use neteq::codec::AudioDecoder;
use neteq::neteq::SpeechType;
use neteq::{AudioPacket, NetEq, NetEqConfig, RtpHeader};
use ringback_media::{
    AudioFormat, AudioLeg, FrameKind, Law, LegConfig, PeerAddress, PlayoutMode, WavWriter, read_wav,
};
use ringback_rtp::{PayloadType, RtpPacket, RtpTime, SequenceNumber, Ssrc};
use ringback_sansio::{Entropy as _, Epoch, SeededEntropy};
use ringback_sdp::Direction;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

const SECONDS: usize = 40;
/// Samples in 10 ms and in a packet.
const STEP: usize = 80;
const FRAME: usize = 160;
const STEPS: usize = SECONDS * 100;

/// A network: its loss in per cent, its jitter in milliseconds, and what else it does.
struct Network {
    name: &'static str,
    loss: u64,
    jitter: u64,
    /// Of a hundred packets so many take 45 ms more, so that others overtake them.
    overtaken: u64,
    /// How fast the clock of the sender is against ours, in millionths.
    drift: i64,
}

const fn network(name: &'static str, loss: u64, jitter: u64) -> Network {
    Network { name, loss, jitter, overtaken: 0, drift: 0 }
}

const NETWORKS: [Network; 14] = [
    network("nothing", 0, 0),
    network("1 % lost", 1, 0),
    network("5 % lost", 5, 0),
    network("10 % lost", 10, 0),
    network("20 % lost", 20, 0),
    network("30 ms jitter", 0, 30),
    network("100 ms jitter", 0, 100),
    network("200 ms jitter", 0, 200),
    network("5 % lost, 30 ms jitter", 5, 30),
    network("10 % lost, 100 ms jitter", 10, 100),
    network("20 % lost, 200 ms jitter", 20, 200),
    Network { overtaken: 10, ..network("10 % overtaken", 0, 0) },
    Network { drift: 500, ..network("sender 500 ppm fast", 0, 0) },
    Network { drift: -500, ..network("sender 500 ppm slow", 0, 0) },
];

impl Network {
    /// In which step of 10 ms each packet comes, if it does.
    fn arrivals(&self, packets: usize, random: &mut SeededEntropy) -> Vec<Option<usize>> {
        let mut before = 0;
        (0..packets as i64)
            .map(|n| {
                let sent = n * 20_000 - n * 20_000 * self.drift / 1_000_000;
                let late = random.below(self.jitter * 1_000 + 1) as i64;
                let more = if random.below(100) < self.overtaken { 45_000 } else { 0 };
                let is_lost = random.below(100) < self.loss;
                // A queue on the way: what is behind waits for what is before, but for those that went another way.
                let at = (sent + 20_000 + late).max(before);
                before = at;
                (!is_lost).then_some(((at + more) / 10_000) as usize)
            })
            .collect()
    }
}

/// What was heard, and how much of it was made up.
struct Heard {
    samples: Vec<i16>,
    concealed: f64,
}

fn main() {
    let folder = std::env::args().nth(1);
    let speech = speech();
    println!("| network | made up: ours | neteq | delay in ms: ours | neteq |\n|---|---|---|---|---|");
    let runs: Vec<_> = NETWORKS
        .into_iter()
        .zip(1..)
        .map(|(network, seed)| {
            let speech = speech.clone();
            std::thread::spawn(move || {
                let payloads: Vec<Vec<u8>> = speech
                    .chunks_exact(FRAME)
                    .map(|it| it.iter().map(|it| Law::Mu.encode(*it)).collect())
                    .collect();
                let arrivals = network.arrivals(payloads.len(), &mut SeededEntropy::new(seed));
                let mut due = vec![Vec::new(); STEPS];
                for (n, at) in arrivals.into_iter().enumerate() {
                    if let Some(packets) = at.and_then(|at| due.get_mut(at)) {
                        packets.push(n);
                    }
                }
                (network, ours(&payloads, &due), theirs(&payloads, &due))
            })
        })
        .collect();
    for run in runs {
        let (network, ours, theirs) = run.join().expect("no panic");
        println!(
            "| {} | {:.1} % | {:.1} % | {} | {} |",
            network.name,
            ours.concealed,
            theirs.concealed,
            delay(&speech, &ours.samples),
            delay(&speech, &theirs.samples)
        );
        if let Some(folder) = &folder {
            let name = network.name.replace([' ', ',', '%'], "");
            write(Path::new(folder), &format!("{name}-ours"), &ours.samples);
            write(Path::new(folder), &format!("{name}-neteq"), &theirs.samples);
        }
    }
    if let Some(folder) = &folder {
        write(Path::new(folder), "said", &speech);
    }
}

/// Two voices by turns.
fn speech() -> Vec<i16> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/ringback-cli/assets");
    let read =
        |name: &str| read_wav(File::open(folder.join(name)).expect("speech"), 8_000).expect("a WAV file");
    let once = [read("alice.wav"), vec![0; 4_000], read("bob.wav"), vec![0; 4_000]].concat();
    once.into_iter().cycle().take(SECONDS * 8_000).collect()
}

fn ours(payloads: &[Vec<u8>], due: &[Vec<usize>]) -> Heard {
    let begin = Instant::now();
    let peer = "192.0.2.1:4000".parse().expect("an address");
    let config = LegConfig {
        format: AudioFormat::new(Law::Mu),
        direction: Direction::SendRecv,
        peer: Some(PeerAddress { rtp: peer, rtcp: peer, rtcp_mux: true }),
        cname: "x".into(),
        epoch: Epoch { at: begin, unix: Duration::ZERO },
        rate: 8_000,
        playout: PlayoutMode::Adaptive,
    };
    let mut leg = AudioLeg::new(begin, config, &mut SeededEntropy::new(1)).expect("a rate");
    let (mut samples, mut made_up) = (Vec::new(), 0);
    for (step, packets) in due.iter().enumerate() {
        let now = begin + Duration::from_millis(10) * step as u32;
        for n in packets {
            let mut datagram = Vec::new();
            RtpPacket {
                marker: *n == 0,
                payload_type: PayloadType::PCMU,
                sequence: SequenceNumber(*n as u16),
                time: RtpTime((*n * FRAME) as u32),
                ssrc: Ssrc(7),
                contributors: Default::default(),
                extension: None,
                payload: &payloads[*n],
            }
            .write(&mut datagram);
            leg.receive(now, peer, &mut datagram).expect("a packet of the peer");
        }
        let mut out = [0; STEP];
        made_up += usize::from(leg.next_frame(now, &mut out) == FrameKind::Concealed);
        samples.extend(out);
    }
    Heard { samples, concealed: made_up as f64 * 100.0 / due.len() as f64 }
}

struct MuLaw;

impl AudioDecoder for MuLaw {
    fn sample_rate(&self) -> u32 {
        8_000
    }

    fn channels(&self) -> u8 {
        1
    }

    fn decode(&mut self, encoded: &[u8]) -> neteq::Result<Vec<f32>> {
        Ok(encoded.iter().map(|octet| f32::from(Law::Mu.decode(*octet)) / 32_768.0).collect())
    }
}

fn theirs(payloads: &[Vec<u8>], due: &[Vec<usize>]) -> Heard {
    let mut neteq = NetEq::new(NetEqConfig { sample_rate: 8_000, ..NetEqConfig::default() }).expect("a rate");
    neteq.register_decoder(0, Box::new(MuLaw));
    let begin = Instant::now();
    let (mut samples, mut made_up) = (Vec::new(), 0);
    for (step, packets) in due.iter().enumerate() {
        let at = begin + Duration::from_millis(10) * step as u32;
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        for n in packets {
            let header = RtpHeader::new(*n as u16, (*n * FRAME) as u32, 7, 0, *n == 0);
            let packet = AudioPacket::new(header, payloads[*n].clone(), 8_000, 1, 20);
            neteq.insert_packet(packet).expect("a packet");
        }
        let frame = neteq.get_audio().expect("a frame");
        made_up += usize::from(frame.speech_type == SpeechType::Expand && step > 10);
        samples.extend(frame.samples.iter().map(|sample| (sample * 32_768.0) as i16));
    }
    Heard { samples, concealed: made_up as f64 * 100.0 / due.len() as f64 }
}

/// How much later than said it is heard: the mean over pieces of half a second that can be found again.
fn delay(said: &[i16], heard: &[i16]) -> String {
    const PIECE: usize = 4_000;
    const MOST: usize = 8_000;
    let mut delays = Vec::new();
    for at in (16_000..said.len() - PIECE - MOST).step_by(8_000) {
        let piece = &said[at..at + PIECE];
        let own: f64 = piece.iter().map(|it| f64::from(*it).powi(2)).sum();
        if own < 200.0 * 200.0 * PIECE as f64 {
            continue;
        }
        let best = (0..MOST).step_by(4).map(|delay| {
            let other = heard.get(at + delay..at + delay + PIECE).unwrap_or_default();
            let (mut product, mut energy) = (0.0, 1.0);
            for (a, b) in piece.iter().zip(other) {
                product += f64::from(*a) * f64::from(*b);
                energy += f64::from(*b).powi(2);
            }
            (product / (own * energy).sqrt(), delay)
        });
        if let Some((likeness, delay)) = best.max_by(|a, b| a.0.total_cmp(&b.0))
            && likeness > 0.6
        {
            delays.push(delay as f64 / 8.0);
        }
    }
    match delays.len() {
        0..5 => "?".to_owned(),
        count => format!("{:.0}", delays.iter().sum::<f64>() / count as f64),
    }
}

fn write(folder: &Path, name: &str, samples: &[i16]) {
    let file = File::create(folder.join(format!("{name}.wav"))).expect("a file");
    let mut wav = WavWriter::new(file, 8_000).expect("a header");
    wav.write(samples).expect("samples");
    wav.finish().expect("an end");
}
