//! Endpoints on loopback, tones, and what of them is in a recording.

use ringback::{Audio, AudioCodecs, Call, CallEvent, Endpoint, EndpointBuilder, MediaInfo, Summary};
use ringback_media::{AudioSource, read_wav_at_its_rate};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Sound at so many samples a second.
pub(crate) struct Sound {
    pub(crate) rate: u32,
    pub(crate) samples: Vec<i16>,
}

impl Sound {
    pub(crate) fn tone(hertz: f64, rate: u32, length: Duration) -> Self {
        Self::chord(&[hertz], rate, length)
    }

    /// Tones together, each with -20 dBm0.
    pub(crate) fn chord(tones: &[f64], rate: u32, length: Duration) -> Self {
        let mut samples = vec![0; (length.as_millis() * u128::from(rate) / 1_000) as usize];
        for hertz in tones {
            let mut tone = vec![0; samples.len()];
            AudioSource::tone(*hertz, -20.0).fill(rate, &mut tone);
            samples.iter_mut().zip(tone).for_each(|(sum, sample)| *sum += sample);
        }
        Self { rate, samples }
    }

    pub(crate) fn read(path: &Path) -> Self {
        let (samples, rate) =
            read_wav_at_its_rate(File::open(path).expect("a recording")).expect("a WAV file");
        Self { rate, samples }
    }

    pub(crate) fn audio(&self) -> Audio {
        Audio::samples_at(self.rate, self.samples.clone())
    }

    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.samples.len() as f64 / f64::from(self.rate))
    }

    /// What lies between two moments.
    pub(crate) fn between(&self, from: Duration, to: Duration) -> Self {
        let at =
            |time: Duration| ((time.as_secs_f64() * f64::from(self.rate)) as usize).min(self.samples.len());
        Self { rate: self.rate, samples: self.samples[at(from)..at(to)].to_vec() }
    }

    /// How strong a tone is in it, against a sine at full scale.
    pub(crate) fn strength(&self, hertz: f64) -> f64 {
        let step = hertz / f64::from(self.rate) * std::f64::consts::TAU;
        let sum = |wave: fn(f64) -> f64| -> f64 {
            self.samples
                .iter()
                .zip(0..)
                .map(|(sample, n)| f64::from(*sample) * wave(step * f64::from(n)))
                .sum()
        };
        (sum(f64::sin).powi(2) + sum(f64::cos).powi(2)).sqrt() / self.samples.len().max(1) as f64 * 2.0
            / 32_767.0
    }

    /// Which of these tones, each said with -20 dBm0, can be heard.
    pub(crate) fn hears(&self, tones: &[f64]) -> Vec<f64> {
        tones
            .iter()
            .copied()
            .filter(|hertz| {
                let strength = self.strength(*hertz);
                assert!(
                    !(0.005..0.03).contains(&strength),
                    "{hertz} Hz is neither there nor not: {strength:.4}"
                );
                strength > 0.03
            })
            .collect()
    }
}

pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("sound-{name}.wav"))
}

pub(crate) fn phone() -> EndpointBuilder {
    Endpoint::builder().listen("udp:127.0.0.1:0").answers_anyone()
}

pub(crate) async fn speaking(codecs: &str) -> Endpoint {
    let codecs: AudioCodecs = codecs.parse().expect("codecs of ours");
    phone().codecs(codecs).start().await.expect("a free port")
}

/// Calls `target` and waits until it is answered.
pub(crate) async fn called(from: &Endpoint, target: &Endpoint, audio: Audio) -> (Call, MediaInfo) {
    let account = from.account("sip:caller@127.0.0.1").open().await.expect("an account");
    let target = format!("sip:callee@{}", target.listeners()[0].address);
    let mut call = account.call(target).audio(audio).start().await.expect("a call");
    loop {
        match call.next().await.expect("an answer") {
            CallEvent::Answered(media) => return (call, media),
            CallEvent::Ended(summary) => panic!("not answered: {}", summary.ending),
            _ => {}
        }
    }
}

/// Answers the next call and leads it to its end.
pub(crate) async fn answering(endpoint: &Endpoint, audio: Audio) -> tokio::task::JoinHandle<Summary> {
    // Calls are taken for the first account.
    let account = endpoint.account("sip:callee@127.0.0.1").open().await.expect("an account");
    let endpoint = endpoint.clone();
    tokio::spawn(async move {
        let _account = account;
        let incoming = endpoint.incoming().await.expect("a call");
        let call = incoming.answer(audio).await.expect("an answer");
        end_of(call).await
    })
}

/// Waits until all was played, and hangs up.
pub(crate) async fn played(mut call: Call) -> Summary {
    while !matches!(call.next().await.expect("the call is up"), CallEvent::Played) {}
    call.hangup().expect("a call that is up");
    end_of(call).await
}

/// Waits for the end of a call.
pub(crate) async fn end_of(mut call: Call) -> Summary {
    loop {
        if let CallEvent::Ended(summary) = call.next().await.expect("an end") {
            return *summary;
        }
    }
}

pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("done in time")
}
