//! A microphone and a loudspeaker, for the call that talks.
//!
//! The clock of a call sets the pace: for each frame that it hears it takes one from the microphone, so that what a device is
//! too fast or too slow is dropped or filled with silence here, and no delay grows.

use super::progress::Progress;
use crate::outcome::Failure;
use cpal::traits::{DeviceTrait as _, HostTrait as _, StreamTrait as _};
use cpal::{FromSample, Sample as _, SampleFormat, SizedSample, Stream, SupportedStreamConfig};
use futures::{SinkExt as _, StreamExt as _};
use ringback::{Audio, AudioStream, Country};
use ringback_media::RunningResampler;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The rate of what is exchanged with calls: what the best of their codecs carries.
const RATE: u32 = 48_000;
/// How much may wait on the way to or from the device: 120 ms.
const MOST: usize = RATE as usize * 120 / 1000;

/// The default devices, opened.
pub(crate) struct Device {
    shared: Arc<Shared>,
    /// They play and record as long as they are kept.
    _streams: [Stream; 2],
}

/// What the threads of the devices and the tasks of the calls share.
struct Shared {
    /// From the microphone.
    said: Mutex<VecDeque<i16>>,
    /// For the loudspeaker.
    heard: Mutex<VecDeque<i16>>,
    /// The number of the call that talks; 0 is none.
    talks: AtomicU32,
    /// The tones of calls that are not up, at the loudspeaker.
    progress: Mutex<Progress>,
}

impl Device {
    /// Opens the default microphone and loudspeaker.
    pub(crate) fn open(country: &'static Country) -> Result<Self, Failure> {
        let host = cpal::default_host();
        let advice = "--no-device does without, --play and --record take WAV files";
        let failed = |what: &str, why: String| Failure::Failed(format!("{what}: {why}; {advice}"));
        let none = |what: &str| failed(what, "there is none".to_owned());
        let microphone = host.default_input_device().ok_or_else(|| none("microphone"))?;
        let loudspeaker = host.default_output_device().ok_or_else(|| none("loudspeaker"))?;
        let shared = Arc::new(Shared {
            said: Mutex::default(),
            heard: Mutex::default(),
            talks: AtomicU32::new(0),
            progress: Mutex::new(Progress::new(country)),
        });
        let records = microphone.default_input_config().map_err(|error| error.to_string());
        let records = records.and_then(|config| record(&microphone, &config, shared.clone()));
        let records = records.map_err(|why| failed("microphone", why))?;
        let plays = loudspeaker.default_output_config().map_err(|error| error.to_string());
        let plays = plays.and_then(|config| play(&loudspeaker, &config, shared.clone()));
        let plays = plays.map_err(|why| failed("loudspeaker", why))?;
        Ok(Self { shared, _streams: [records, plays] })
    }

    /// Audio for a call of this number, from 1, that is heard while it talks.
    pub(crate) fn connect(&self, number: u32) -> Audio {
        let (audio, stream) = Audio::stream_at(RATE);
        tokio::spawn(patch(stream, self.shared.clone(), number));
        audio
    }

    /// Which tones are heard of calls that are not up.
    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        Shared::lock(&self.shared.progress)
    }

    /// Whether this call talks. Only one does.
    pub(crate) fn talk(&self, number: u32, talks: bool) {
        if talks {
            self.shared.talks.store(number, Ordering::Relaxed);
        } else {
            // Another one may be talking by now.
            let _ = self.shared.talks.compare_exchange(number, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

impl Shared {
    /// A thread that panicked in between has left samples that are only out of time.
    fn lock<T>(queue: &Mutex<T>) -> MutexGuard<'_, T> {
        queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives what was heard to the loudspeaker, and as much from the microphone.
    fn exchange(&self, frame: &[i16]) -> Vec<i16> {
        let mut heard = Self::lock(&self.heard);
        heard.extend(frame);
        trim(&mut heard);
        drop(heard);
        let mut said = Self::lock(&self.said);
        // Silence where there is nothing.
        frame.iter().map(|_| said.pop_front().unwrap_or(0)).collect()
    }
}

/// Drops the oldest of what is too much.
fn trim(queue: &mut VecDeque<i16>) {
    let surplus = queue.len().saturating_sub(MOST);
    queue.drain(..surplus);
}

/// Connects a call with the devices, until it is over.
async fn patch(stream: AudioStream, shared: Arc<Shared>, number: u32) {
    let (mut say, mut hear) = stream.split();
    while let Some(frame) = hear.next().await {
        if shared.talks.load(Ordering::Relaxed) != number {
            continue;
        }
        let piece = shared.exchange(&frame);
        if say.send(piece).await.is_err() {
            return;
        }
    }
}

fn record(
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    shared: Arc<Shared>,
) -> Result<Stream, String> {
    match config.sample_format() {
        SampleFormat::F32 => record_as::<f32>(device, config, shared),
        SampleFormat::I16 => record_as::<i16>(device, config, shared),
        SampleFormat::I32 => record_as::<i32>(device, config, shared),
        SampleFormat::U16 => record_as::<u16>(device, config, shared),
        other => Err(format!("samples are {other}, which this phone does not know")),
    }
}

fn record_as<T>(
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    shared: Arc<Shared>,
) -> Result<Stream, String>
where
    T: SizedSample + Send + 'static,
    i16: FromSample<T>,
{
    let channels = usize::from(config.channels()).max(1);
    let mut resampler =
        RunningResampler::new(config.sample_rate(), RATE).map_err(|error| error.to_string())?;
    let mut mono = Vec::new();
    let take = move |samples: &[T], _: &cpal::InputCallbackInfo| {
        mono.clear();
        mono.extend(samples.chunks_exact(channels).map(|frame| {
            let sum: i32 = frame.iter().map(|sample| i32::from(i16::from_sample(*sample))).sum();
            (sum / channels as i32) as i16
        }));
        let mut said = Shared::lock(&shared.said);
        resampler.convert(&mono, &mut *said);
        trim(&mut said);
    };
    let told = |error| tracing::warn!(%error, "microphone");
    let stream =
        device.build_input_stream(config.config(), take, told, None).map_err(|error| error.to_string())?;
    stream.play().map_err(|error| error.to_string())?;
    Ok(stream)
}

fn play(
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    shared: Arc<Shared>,
) -> Result<Stream, String> {
    match config.sample_format() {
        SampleFormat::F32 => play_as::<f32>(device, config, shared),
        SampleFormat::I16 => play_as::<i16>(device, config, shared),
        SampleFormat::I32 => play_as::<i32>(device, config, shared),
        SampleFormat::U16 => play_as::<u16>(device, config, shared),
        other => Err(format!("samples are {other}, which this phone does not know")),
    }
}

fn play_as<T>(
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    shared: Arc<Shared>,
) -> Result<Stream, String>
where
    T: SizedSample + FromSample<i16> + Send + 'static,
{
    let channels = usize::from(config.channels()).max(1);
    let mut resampler =
        RunningResampler::new(RATE, config.sample_rate()).map_err(|error| error.to_string())?;
    let (mut ready, mut piece) = (VecDeque::new(), Vec::new());
    let give = move |samples: &mut [T], _: &cpal::OutputCallbackInfo| {
        for frame in samples.chunks_mut(channels) {
            if ready.is_empty() {
                piece.clear();
                let mut heard = Shared::lock(&shared.heard);
                // Ten milliseconds at a time; silence where there is nothing.
                piece.extend((0..RATE / 100).map(|_| heard.pop_front().unwrap_or(0)));
                drop(heard);
                Shared::lock(&shared.progress).mix_into(RATE, &mut piece);
                resampler.convert(&piece, &mut ready);
            }
            frame.fill(T::from_sample(ready.pop_front().unwrap_or(0)));
        }
    };
    let told = |error| tracing::warn!(%error, "loudspeaker");
    let stream =
        device.build_output_stream(config.config(), give, told, None).map_err(|error| error.to_string())?;
    stream.play().map_err(|error| error.to_string())?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_sound_is_dropped() {
        let mut queue: VecDeque<i16> = (0..12_000).collect();
        trim(&mut queue);
        assert_eq!((queue.len(), queue.front()), (MOST, Some(&6_240)));
    }
}
