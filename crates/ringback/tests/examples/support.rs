//! A server, phones and tones for the examples.

use futures::StreamExt as _;
use ringback::{AccountBuilder, Audio, AudioStream, Call, CallEvent, Endpoint, Summary};
use ringback_media::{WavWriter, read_wav};
use ringback_server::{Server, ServerConfig, Storage};
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

/// A registrar and proxy for example.com on loopback, and what is spoken about with it.
pub(crate) struct Place {
    server: Server,
}

impl Place {
    pub(crate) fn new() -> Self {
        let users = ["alice", "bob", "carol", "desk"].map(|user| (user.to_owned(), "secret".to_owned()));
        let config = ServerConfig {
            listen: vec!["udp:127.0.0.1:0".parse().expect("a listener")],
            domains: vec!["example.com".into()],
            users: users.into(),
            storage: Storage::Ephemeral,
            ..ServerConfig::default()
        };
        Self { server: Server::start(config).expect("a server") }
    }

    /// A phone on a port of its own.
    pub(crate) async fn phone(&self) -> Endpoint {
        Endpoint::builder().listen("udp:127.0.0.1:0").start().await.expect("a free port")
    }

    /// The account of a user on this phone, at our server.
    pub(crate) fn account(&self, phone: &Endpoint, user: &str) -> AccountBuilder {
        let server = self.server.listeners()[0].address.to_string();
        phone.account(format!("sip:{user}@example.com")).password("secret").server(server)
    }
}

/// Fails what waits for something that does not come.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("all done in time")
}

/// How the call ended.
pub(crate) async fn ended(call: &mut Call) -> Summary {
    loop {
        if let CallEvent::Ended(summary) = call.next().await.expect("an end") {
            return *summary;
        }
    }
}

/// A file of this test, and of this run.
pub(crate) fn file(name: &str) -> String {
    let name = format!("example-{name}-{}.wav", std::process::id());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name).display().to_string()
}

/// Seconds of a tone at 8 kHz.
pub(crate) fn tone(hertz: f64, seconds: f64) -> Vec<i16> {
    let step = std::f64::consts::TAU * hertz / 8_000.0;
    (0..(seconds * 8_000.0) as u32).map(|n| (8_000.0 * (step * f64::from(n)).sin()) as i16).collect()
}

pub(crate) fn write(path: &str, samples: &[i16]) {
    let mut wav = WavWriter::new(File::create(path).expect("a file"), 8_000).expect("a header");
    wav.write(samples).expect("samples");
    wav.finish().expect("an end");
}

/// Reads a recording, which is done with then.
pub(crate) fn read(path: &str) -> Vec<i16> {
    let samples = read_wav(File::open(path).expect("a recording"), 8_000).expect("a WAV file");
    std::fs::remove_file(path).expect("a file of ours");
    samples
}

/// For how many milliseconds this tone is louder than all else (Goertzel, in blocks of 10 ms).
pub(crate) fn heard(samples: &[i16], hertz: f64) -> usize {
    let step = std::f64::consts::TAU * hertz / 8_000.0;
    let is_tone = |block: &&[i16]| {
        let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
        for (n, sample) in block.iter().enumerate() {
            let (sample, angle) = (f64::from(*sample), step * n as f64);
            re += sample * angle.cos();
            im += sample * angle.sin();
            all += sample * sample;
        }
        // The share of the energy at this frequency: 1 for the tone alone.
        all > 80.0 * 1_000_000.0 && (re * re + im * im) * 2.0 / 80.0 > 0.8 * all
    };
    samples.chunks_exact(80).filter(is_tone).count() * 10
}

/// Takes the next call and has the audio in hand.
pub(crate) async fn answer(phone: &Endpoint) -> (Call, AudioStream) {
    let incoming = phone.incoming().await.expect("a call");
    let (audio, stream) = Audio::stream();
    (incoming.answer(audio).await.expect("a caller that waits"), stream)
}

/// Listens until this tone was heard for so many milliseconds.
pub(crate) async fn hear(stream: &mut AudioStream, hertz: f64, milliseconds: usize) {
    let mut so_far = 0;
    while so_far < milliseconds {
        so_far += heard(&stream.next().await.expect("the call is up"), hertz);
    }
}

/// Waits until something happens.
pub(crate) async fn happens(call: &mut Call, is_wanted: impl Fn(&CallEvent) -> bool) {
    while !is_wanted(&call.next().await.expect("the call is up")) {}
}
