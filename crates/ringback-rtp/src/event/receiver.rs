//! Receiving events: every event once, whatever was lost, doubled or reordered (RFC 4733 §2.5.2).

use super::{Event, EventPayload};
use crate::RtpTime;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// An event without news for this long is over, even when all its end packets were lost (RFC 4733 §2.5.2.2).
const SILENCE: Duration = Duration::from_millis(300);
/// Events that one packet may report.
const MAX_EVENTS_PER_PACKET: usize = 8;
/// Reports that may wait to be polled.
const MAX_REPORTS: usize = 64;

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventReport {
    /// An event has begun.
    Started(Event),
    /// It is over, after that many ticks. Every `Ended` follows its `Started`.
    Ended(Event, u64),
}

/// Turns the packets of a stream of events into events.
#[derive(Clone, Debug, Default)]
pub struct EventReceiver {
    current: Option<Current>,
    reports: VecDeque<EventReport>,
}

/// The event that was reported last, still sounding or over.
#[derive(Clone, Copy, Debug)]
struct Current {
    event: Event,
    /// The timestamp of its running segment.
    segment: RtpTime,
    /// Ticks in earlier segments.
    before: u64,
    /// Ticks in this one.
    duration: u16,
    sounding: bool,
    heard: Instant,
}

impl EventReceiver {
    /// A receiver that has heard nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the payload of a telephone-event packet. Events above 16 were not offered and are ignored, as are
    /// octets that make no whole event.
    pub fn receive(&mut self, now: Instant, time: RtpTime, payload: &[u8]) {
        let mut time = time;
        for octets in payload.chunks_exact(4).take(MAX_EVENTS_PER_PACKET) {
            let report = EventPayload::parse([octets[0], octets[1], octets[2], octets[3]]);
            if report.event <= Event::FLASH {
                self.update(now, time, report);
            }
            // RFC 4733 §2.5.1.5: of several events in one packet each begins where the one before it ended.
            time = time.plus(u32::from(report.duration));
        }
    }

    /// Ends an event that nothing was heard of for too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.end();
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.current.filter(|it| it.sounding).map(|it| it.heard + SILENCE)
    }

    /// The next report; drain until `None`.
    pub fn poll(&mut self) -> Option<EventReport> {
        self.reports.pop_front()
    }

    /// Starts over for another source; an event that sounds is over.
    pub fn reset(&mut self) {
        self.end();
        self.current = None;
    }

    fn update(&mut self, now: Instant, time: RtpTime, report: EventPayload) {
        if let Some(current) = &mut self.current {
            let ahead = time.ticks_since(current.segment);
            if ahead < 0 {
                // Late news of an event that is over.
                return;
            }
            if ahead == 0 && report.event == current.event {
                current.duration = current.duration.max(report.duration);
                if current.sounding {
                    current.heard = now;
                    if report.end {
                        self.end();
                    }
                }
                return;
            }
            let next_segment =
                ahead == i32::from(u16::MAX) && report.event == current.event && current.sounding;
            if next_segment {
                current.before += u64::from(u16::MAX);
                current.segment = time;
                current.duration = report.duration;
                current.heard = now;
                if report.end {
                    self.end();
                }
                return;
            }
        }
        if report.end && report.duration == 0 {
            return;
        }
        // RFC 4733 §2.5.2.2: a new event ends the one before it.
        self.end();
        self.current = Some(Current {
            event: report.event,
            segment: time,
            before: 0,
            duration: report.duration,
            sounding: true,
            heard: now,
        });
        self.report(EventReport::Started(report.event));
        if report.end {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(current) = self.current.as_mut().filter(|it| it.sounding) {
            current.sounding = false;
            let report = EventReport::Ended(current.event, current.before + u64::from(current.duration));
            self.report(report);
        }
    }

    fn report(&mut self, report: EventReport) {
        if self.reports.len() < MAX_REPORTS {
            self.reports.push_back(report);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn reports(receiver: &mut EventReceiver) -> Vec<EventReport> {
        std::iter::from_fn(|| receiver.poll()).collect()
    }

    #[test]
    fn lost_ends_are_replaced_by_time() {
        let begin = start();
        let mut receiver = EventReceiver::new();
        receiver.receive(begin, RtpTime(5), &[7, 10, 1, 0x40]);
        assert_eq!(receiver.poll_timeout(), Some(begin + SILENCE));
        receiver.handle_timeout(begin + SILENCE);
        assert_eq!(
            reports(&mut receiver),
            [EventReport::Started(Event(7)), EventReport::Ended(Event(7), 320)]
        );
        receiver.receive(begin + SILENCE, RtpTime(5), &[7, 0x8a, 1, 0x40]);
        assert_eq!((reports(&mut receiver), receiver.poll_timeout()), (vec![], None));
    }

    #[test]
    fn segments_of_a_long_event_are_one_event() {
        let begin = start();
        let mut receiver = EventReceiver::new();
        receiver.receive(begin, RtpTime(0), &[1, 10, 0xff, 0xff]);
        receiver.receive(begin, RtpTime(65_535), &[1, 10, 0, 100]);
        receiver.receive(begin, RtpTime(65_535), &[1, 0x8a, 0, 200]);
        assert_eq!(
            reports(&mut receiver),
            [EventReport::Started(Event(1)), EventReport::Ended(Event(1), 65_735)]
        );
    }

    #[test]
    fn two_events_in_one_packet_follow_each_other() {
        let mut receiver = EventReceiver::new();
        receiver.receive(start(), RtpTime(0), &[1, 0x8a, 1, 0x90, 2, 10, 1, 0x90]);
        receiver.reset();
        assert_eq!(
            reports(&mut receiver),
            [
                EventReport::Started(Event(1)),
                EventReport::Ended(Event(1), 400),
                EventReport::Started(Event(2)),
                EventReport::Ended(Event(2), 400)
            ]
        );
    }

    proptest! {
        #[test]
        fn starts_and_ends_alternate_whatever_comes(
            packets in prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u8>(), 0..40), 0u64..500), 0..40)
        ) {
            let mut now = start();
            let mut receiver = EventReceiver::new();
            let mut sounding = None;
            for (time, payload, wait) in packets {
                now += Duration::from_millis(wait);
                receiver.handle_timeout(now);
                receiver.receive(now, RtpTime(time), &payload);
                while let Some(report) = receiver.poll() {
                    sounding = match (sounding, report) {
                        (None, EventReport::Started(event)) => Some(event),
                        (Some(event), EventReport::Ended(ended, _)) if event == ended => None,
                        other => panic!("out of order: {other:?}"),
                    };
                }
            }
        }
    }
}
