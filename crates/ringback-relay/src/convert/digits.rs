//! Digits as events and as tones (RFC 4733, ITU-T Q.23), where one side has only one of them.

use ringback_media::{DtmfDetector, DtmfSender};
use ringback_rtp::event::{Event, EventPayload};
use std::time::Duration;

/// How often the end of an event is said (RFC 4733 §2.5.1.4).
const ENDS: usize = 3;
/// The power of our events, in decibels below 0 dBm0.
const VOLUME: u8 = 10;
/// Longer than a tone lasts; it ends when its event does.
const ENDLESS: Duration = Duration::from_secs(60);

/// An event of the sender that is being said as a tone.
#[derive(Debug)]
pub(super) struct Tone {
    /// The timestamp of the event.
    pub(super) time: u32,
    sender: DtmfSender,
    /// Ticks that were said.
    said: u32,
}

impl Tone {
    /// Nothing for an event that is no digit.
    pub(super) fn new(time: u32, event: Event) -> Option<Self> {
        let mut sender = DtmfSender::new();
        sender.push(event.digit()?, ENDLESS).then_some(Self { time, sender, said: 0 })
    }

    /// The event has lasted for `duration` ticks of a clock of `clock`: appends what was not said of it, at `rate` samples a
    /// second, and says how many ticks that is. At most 200 ms are caught up with.
    pub(super) fn lasted(&mut self, duration: u32, clock: u32, rate: u32, samples: &mut Vec<i16>) -> u32 {
        let ticks = duration.saturating_sub(self.said).min(clock / 5);
        self.said = self.said.max(duration);
        let begin = samples.len();
        samples.resize(begin + (u64::from(ticks) * u64::from(rate) / u64::from(clock.max(1))) as usize, 0);
        if let Some(frame) = samples.get_mut(begin..) {
            self.sender.say(rate, frame);
        }
        ticks
    }
}

/// Tones of the sender that are being said as events.
#[derive(Debug)]
pub(super) struct Tones {
    detector: DtmfDetector,
    /// What sounds, and since when on the clock of the listener.
    sounding: Option<(Event, u32)>,
    begun: Vec<char>,
}

/// What is said of a tone: the payload, the timestamp, and whether it begins.
pub(super) type Said = (EventPayload, u32, bool);

impl Tones {
    /// For sound of `rate` samples a second.
    pub(super) fn new(rate: u32) -> Self {
        Self { detector: DtmfDetector::new(rate), sounding: None, begun: Vec::new() }
    }

    /// Takes sound that goes from `begin` to `end` on the clock of the listener, and appends what is said of the tones in it. True
    /// where they sound, and the sound itself is not to be heard.
    pub(super) fn hear(&mut self, samples: &[i16], begin: u32, end: u32, said: &mut Vec<Said>) -> bool {
        self.detector.hear(samples, &mut self.begun);
        let began = self.begun.pop();
        self.begun.clear();
        let now = self.detector.sounding().and_then(Event::from_digit);
        let payload = |event, end, duration: u32| EventPayload {
            event,
            end,
            volume: VOLUME,
            duration: u16::try_from(duration).unwrap_or(u16::MAX),
        };
        if let Some((event, since)) = self.sounding
            && (now != Some(event) || began.is_some())
        {
            self.sounding = None;
            let duration = begin.wrapping_sub(since);
            said.extend([(payload(event, true, duration), since, false); ENDS]);
        }
        let Some(event) = now else { return false };
        let is_new = self.sounding.is_none();
        let (_, since) = *self.sounding.get_or_insert((event, begin));
        said.push((payload(event, false, end.wrapping_sub(since)), since, is_new));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_becomes_an_event_with_a_beginning_and_three_ends() {
        let mut sender = DtmfSender::new();
        assert!(sender.push('7', Duration::from_millis(100)));
        let (mut tones, mut said) = (Tones::new(8_000), Vec::new());
        let mut silent = 0;
        for frame in 0..12 {
            let mut samples = [0; 160];
            sender.say(8_000, &mut samples);
            silent += usize::from(tones.hear(&samples, frame * 960, (frame + 1) * 960, &mut said));
        }
        let ends: Vec<_> = said.iter().filter(|(payload, ..)| payload.end).collect();
        assert_eq!((ends.len(), silent + 3), (3, said.len()));
        assert!(said.iter().all(|(payload, time, _)| payload.event == Event(7) && *time == said[0].1));
        assert_eq!(said.iter().map(|(.., begins)| *begins).collect::<Vec<_>>()[..2], [true, false]);
        // Two blocks have to agree, at its beginning and at its end.
        let length = ends[0].0.duration;
        assert!((60 * 48..=140 * 48).contains(&length), "{length} ticks");
    }

    #[test]
    fn an_event_becomes_a_tone_as_long_as_it_lasts() {
        let mut samples = Vec::new();
        let mut tone = Tone::new(0, Event::from_digit('#').unwrap()).unwrap();
        let ticks: u32 =
            [160, 320, 800, 800, 800].map(|it| tone.lasted(it, 8_000, 16_000, &mut samples)).iter().sum();
        assert_eq!((ticks, samples.len()), (800, 1_600));
        let mut digits = Vec::new();
        DtmfDetector::new(16_000).hear(&samples, &mut digits);
        assert_eq!(digits, ['#']);
        assert!(Tone::new(0, Event::FLASH).is_none());
        assert_eq!(tone.lasted(u32::MAX, 8_000, 8_000, &mut samples), 1_600, "no more than that at once");
    }
}
