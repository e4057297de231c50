//! What each side of a relayed medium sent, as its thread writes it and anybody reads it, without a lock.

use ringback_media::LegStats;
use ringback_relay::{RelayStream, Side};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// The figures of both sides of a medium.
#[derive(Debug, Default)]
pub(crate) struct Figures([SideFigures; 2]);

#[derive(Debug, Default)]
struct SideFigures {
    packets: AtomicU64,
    lost: AtomicU64,
    jitter_us: AtomicU32,
    is_silent: AtomicBool,
}

/// What the server heard of both sides of a relayed call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallMedia {
    /// What came from who called.
    pub caller: MediaLeg,
    /// What came from who was called.
    pub callee: MediaLeg,
}

/// What the server heard of one side of a relayed call: of its audio, or else of its first medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaLeg {
    /// Datagrams that were passed on.
    pub packets: u64,
    /// RTP packets that never came, less those that came twice (RFC 3550 §A.3).
    pub lost: u64,
    /// How unevenly they came, at last, in milliseconds (RFC 3550 §A.8).
    pub jitter_ms: f64,
    /// What a listener would say of the way from this side to the server, from 1 to 4.4, by losses and jitter alone (ITU-T G.107);
    /// nothing before a second of speech has come.
    pub mos: Option<f64>,
    /// Whether it was silent for longer than `media.timeout` at last, though it was to speak.
    pub silent: bool,
}

impl Figures {
    /// Only the thread of the stream writes.
    pub(super) fn write(&self, stream: &RelayStream, side: Side) {
        let (stats, own) = (stream.stats(side), self.side(side));
        own.packets.store(stats.packets, Ordering::Relaxed);
        own.lost.store(stats.lost, Ordering::Relaxed);
        let jitter = u32::try_from(stats.jitter.as_micros()).unwrap_or(u32::MAX);
        own.jitter_us.store(jitter, Ordering::Relaxed);
        own.is_silent.store(stream.is_silent(side), Ordering::Relaxed);
    }

    pub(super) fn is_silent(&self, side: Side) -> bool {
        self.side(side).is_silent.load(Ordering::Relaxed)
    }

    pub(super) fn read(&self) -> CallMedia {
        let [caller, callee] = self.0.each_ref().map(SideFigures::read);
        CallMedia { caller, callee }
    }

    fn side(&self, side: Side) -> &SideFigures {
        &self.0[side.index()]
    }
}

impl SideFigures {
    fn read(&self) -> MediaLeg {
        let (packets, lost) = (self.packets.load(Ordering::Relaxed), self.lost.load(Ordering::Relaxed));
        let jitter = Duration::from_micros(self.jitter_us.load(Ordering::Relaxed).into());
        // A buffer that plays nearly all of it waits for about four times the jitter.
        let heard = LegStats { packets_received: packets, lost, delay: jitter * 4, ..LegStats::default() };
        let round = |value: f64| (value * 100.0).round() / 100.0;
        MediaLeg {
            packets,
            lost,
            jitter_ms: round(jitter.as_secs_f64() * 1e3),
            mos: heard.mos().map(round),
            silent: self.is_silent.load(Ordering::Relaxed),
        }
    }
}
