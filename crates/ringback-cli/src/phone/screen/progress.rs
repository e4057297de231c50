//! The tones that the user hears of a call that is not up: that it rings, that it is busy, that another one waits.

use ringback::{Country, Signal, StatusCode};
use ringback_media::AudioSource;

/// How long one hears why a call has failed, in seconds.
const AFTERWARDS: u32 = 4;

/// Which tone sounds, if any: the one of the call that was told of last.
#[derive(Debug)]
pub(crate) struct Progress {
    country: &'static Country,
    sounding: Option<Sounding>,
    /// The call that has audio before it is answered; that it rings as well is heard there.
    has_audio: Option<u32>,
}

#[derive(Debug)]
struct Sounding {
    call: u32,
    source: AudioSource,
    /// Samples that are left at the rate that they are taken at; none where it sounds until something happens.
    seconds: Option<u32>,
    taken: u64,
}

impl Progress {
    pub(crate) fn new(country: &'static Country) -> Self {
        Self { country, sounding: None, has_audio: None }
    }

    /// It rings at the other side of a call, which plays nothing itself.
    pub(crate) fn rings(&mut self, call: u32) {
        let is_new = self.sounding.as_ref().is_none_or(|sounding| sounding.call != call);
        if is_new && self.has_audio != Some(call) {
            self.begin(call, Signal::RingBack, None);
        }
    }

    /// A call comes while another one is up.
    pub(crate) fn waits(&mut self, call: u32) {
        self.begin(call, Signal::CallWaiting, None);
    }

    /// A call has failed.
    pub(crate) fn failed(&mut self, call: u32, status: StatusCode) {
        self.hush(call);
        let signal = match status.as_u16() {
            486 | 600 => Signal::Busy,
            480 | 500 | 502..=504 => Signal::Congestion,
            404 | 410 | 484 | 485 | 604 => Signal::SpecialInformation,
            // We have given up ourselves, or were told to: nothing that a tone could tell.
            _ => return,
        };
        self.begin(call, signal, Some(AFTERWARDS));
    }

    /// A call has audio of its own now.
    pub(crate) fn audio(&mut self, call: u32) {
        self.hush(call);
        self.has_audio = Some(call);
    }

    /// A call is over, or was answered by us.
    pub(crate) fn hush(&mut self, call: u32) {
        self.sounding.take_if(|sounding| sounding.call == call);
        self.has_audio.take_if(|known| *known == call);
    }

    fn begin(&mut self, call: u32, signal: Signal, seconds: Option<u32>) {
        let source = AudioSource::cadence(self.country.cadence(signal));
        self.sounding = Some(Sounding { call, source, seconds, taken: 0 });
    }

    /// Adds the tone to what else is heard.
    pub(crate) fn mix_into(&mut self, rate: u32, heard: &mut [i16]) {
        let Some(sounding) = &mut self.sounding else { return };
        let mut tone = vec![0; heard.len()];
        sounding.source.fill(rate, &mut tone);
        for (sample, tone) in heard.iter_mut().zip(tone) {
            *sample = sample.saturating_add(tone);
        }
        sounding.taken += heard.len() as u64;
        let end = sounding.seconds.map(|seconds| u64::from(seconds) * u64::from(rate));
        if end.is_some_and(|end| sounding.taken >= end) {
            self.sounding = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8_000;

    /// Which tenths of a second have sound.
    fn heard(progress: &mut Progress, tenths: usize) -> String {
        let loud = |_| {
            let mut frame = [0; RATE as usize / 10];
            progress.mix_into(RATE, &mut frame);
            if frame.iter().any(|it| *it != 0) { '#' } else { '.' }
        };
        (0..tenths).map(loud).collect()
    }

    fn progress() -> Progress {
        Progress::new(Country::of("us").expect("a country of the table"))
    }

    #[test]
    fn it_rings_until_the_other_side_is_heard() {
        let mut progress = progress();
        assert_eq!(heard(&mut progress, 3), "...");
        progress.rings(1);
        assert_eq!(heard(&mut progress, 22), "####################..");
        // Another 180 begins nothing anew.
        progress.rings(1);
        assert_eq!(heard(&mut progress, 3), "...");
        progress.hush(2);
        assert_eq!(heard(&mut progress, 36), "...................................#");
        progress.hush(1);
        assert_eq!(heard(&mut progress, 30).trim_matches('.'), "");
    }

    #[test]
    fn what_the_other_side_plays_before_it_answers_is_heard_alone() {
        let mut progress = progress();
        progress.rings(1);
        progress.audio(1);
        progress.rings(1);
        assert_eq!(heard(&mut progress, 5), ".....");
        progress.hush(1);
        progress.rings(1);
        assert_eq!(heard(&mut progress, 5), "#####");
    }

    #[test]
    fn why_a_call_failed_is_heard_for_some_seconds() {
        let mut progress = progress();
        progress.rings(1);
        progress.failed(1, StatusCode::BUSY_HERE);
        assert_eq!(heard(&mut progress, 50), "#####.....#####.....#####.....#####...............");
        // A quarter of a second on and off; what begins in the middle of a tenth counts for all of it.
        for (status, pattern) in [(503, "###..###.."), (604, "##########")] {
            progress.failed(2, StatusCode::new(status).expect("a status"));
            assert_eq!(heard(&mut progress, 10), pattern, "{status}");
            progress.hush(2);
        }
        progress.failed(3, StatusCode::new(487).expect("a status"));
        assert_eq!(heard(&mut progress, 5), ".....");
    }

    #[test]
    fn a_call_that_waits_is_heard_beside_the_one_that_talks() {
        let mut progress = progress();
        progress.waits(2);
        let mut frame = [1_000; 800];
        progress.mix_into(RATE, &mut frame);
        assert!(frame.iter().any(|it| *it > 5_000) && frame.iter().all(|it| *it > -8_000));
        progress.hush(2);
        let mut frame = [i16::MAX; 800];
        progress.mix_into(RATE, &mut frame);
        assert!(frame.iter().all(|it| *it == i16::MAX));
    }
}
