//! How the audio of a call is doing while it lasts.

use ringback_media::LegStats;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// After so many frames the application is told anew: ten times a second.
const FRAMES: u32 = 5;
/// What RFC 6464 calls silence.
const SILENCE: u8 = 127;

/// How the audio of a call is doing at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioStatus {
    /// The figures since the beginning.
    pub stats: LegStats,
    /// How loud the loudest frame was that we have said of late, in decibels below overload: 0 is loudest, 127 is silence
    /// (RFC 6464 §3).
    pub said: u8,
    /// The same of what was heard.
    pub heard: u8,
}

/// What the handle of a call and its task share beside events and commands.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) muted: Arc<AtomicBool>,
    pub(crate) status: watch::Receiver<Option<AudioStatus>>,
}

/// Watches the frames of a call for [`AudioStatus`].
pub(crate) struct Gauge {
    muted: Arc<AtomicBool>,
    status: watch::Sender<Option<AudioStatus>>,
    frames: u32,
    said: u8,
    heard: u8,
}

impl Gauge {
    pub(crate) fn new() -> (Self, Shared) {
        let muted = Arc::new(AtomicBool::new(false));
        let (status, receiver) = watch::channel(None);
        let shared = Shared { muted: muted.clone(), status: receiver };
        (Self { muted, status, frames: 0, said: SILENCE, heard: SILENCE }, shared)
    }

    pub(crate) fn is_muted(&self) -> bool {
        self.muted.load(Ordering::Relaxed)
    }

    /// Notes a frame of either direction; every few of them `stats` are asked for.
    pub(crate) fn note(&mut self, said: &[i16], heard: &[i16], stats: impl FnOnce() -> LegStats) {
        self.said = self.said.min(ringback_media::level(said));
        self.heard = self.heard.min(ringback_media::level(heard));
        self.frames += 1;
        if self.frames >= FRAMES {
            let status = AudioStatus { stats: stats(), said: self.said, heard: self.heard };
            // The handle may be gone.
            self.status.send_replace(Some(status));
            (self.frames, self.said, self.heard) = (0, SILENCE, SILENCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_of_a_few_frames_counts_and_then_it_begins_anew() {
        let (mut gauge, shared) = Gauge::new();
        for sample in [0, 3277, 0, 0] {
            gauge.note(&[sample], &[0], LegStats::default);
            assert_eq!(*shared.status.borrow(), None);
        }
        gauge.note(&[0], &[i16::MAX], LegStats::default);
        let status = shared.status.borrow().unwrap();
        assert_eq!((status.said, status.heard), (20, 0));
        (0..FRAMES).for_each(|_| gauge.note(&[0], &[0], LegStats::default));
        assert_eq!(shared.status.borrow().unwrap().heard, SILENCE);
    }
}
