//! Sending events: one timestamp, growing durations, the end three times (RFC 4733 §2.5.1).

use super::{Event, EventPayload};
use crate::RtpTime;
use std::collections::VecDeque;
use std::fmt;

/// How often the end of an event is sent (RFC 4733 §2.5.1.4).
const END_PACKETS: u8 = 3;
/// The longest duration that a packet can state.
const MAX_DURATION: u32 = 0xffff;
/// Events that may wait their turn.
const MAX_EVENTS: usize = 256;

/// One packet of an event, to be sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The timestamp: when the event, or its segment, began.
    pub time: RtpTime,
    /// The marker bit: the first packet of an event.
    pub marker: bool,
    /// The payload.
    pub payload: EventPayload,
}

/// More events are waiting than a person could dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyEvents;

impl fmt::Display for TooManyEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {MAX_EVENTS} telephone events are waiting")
    }
}

impl std::error::Error for TooManyEvents {}

/// Sends queued events one after the other.
#[derive(Clone, Debug)]
pub struct EventSender {
    volume: u8,
    /// Silence between two events, in ticks.
    pause: u32,
    queue: VecDeque<(Event, u32)>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next event may begin at once.
    Idle,
    /// The next event may begin at that time.
    Pausing { until: RtpTime },
    /// An event sounds. `left` is its length from the segment's `start` on.
    Sounding { event: Event, start: RtpTime, left: u32, first: bool },
    /// An event is over; its end has been sent `sent` times.
    Ending { event: Event, start: RtpTime, duration: u16, sent: u8 },
}

impl EventSender {
    /// A sender that leaves `pause` ticks between events. `volume` is in decibels below 0 dBm0, 0..=63.
    pub fn new(volume: u8, pause: u32) -> Self {
        Self { volume, pause, queue: VecDeque::new(), state: State::Idle }
    }

    /// Queues an event of `duration` ticks; zero counts as one.
    ///
    /// # Errors
    /// [`TooManyEvents`] when 256 are waiting.
    pub fn push(&mut self, event: Event, duration: u32) -> Result<(), TooManyEvents> {
        if self.queue.len() >= MAX_EVENTS {
            return Err(TooManyEvents);
        }
        self.queue.push_back((event, duration.max(1)));
        Ok(())
    }

    /// Whether all events have been sent to the end.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && matches!(self.state, State::Idle | State::Pausing { .. })
    }

    /// Whether an event sounds or is being ended, so that no speech should be sent (RFC 4733 §2.5.1.1).
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Sounding { .. } | State::Ending { .. })
    }

    /// Forgets what is waiting and what sounds. The receiver ends the event by itself.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.state = State::Idle;
    }

    /// The packet to send for the packet period that goes from `begin` to `end` on the media clock. Call it once a
    /// period, whether anything is queued or not.
    pub fn poll(&mut self, begin: RtpTime, end: RtpTime) -> Option<EventPacket> {
        if matches!(self.state, State::Pausing { until } if begin.ticks_since(until) >= 0) {
            self.state = State::Idle;
        }
        if self.state == State::Idle {
            let (event, left) = self.queue.pop_front()?;
            self.state = State::Sounding { event, start: begin, left, first: true };
        }
        match self.state {
            State::Idle | State::Pausing { .. } => None,
            State::Sounding { event, start, left, first } => {
                let elapsed = end.ticks_since(start).max(0).unsigned_abs();
                if elapsed >= MAX_DURATION && left > MAX_DURATION {
                    // RFC 4733 §2.5.1.3: a full segment without the end bit, and the next one without marker.
                    let left = left - MAX_DURATION;
                    let next = start.plus(MAX_DURATION);
                    self.state = State::Sounding { event, start: next, left, first: false };
                    return Some(self.packet(event, start, first, false, u16::MAX));
                }
                let ended = elapsed >= left;
                let duration = elapsed.min(left).min(MAX_DURATION) as u16;
                self.state = match ended {
                    true => State::Ending { event, start, duration, sent: 1 },
                    false => State::Sounding { event, start, left, first: false },
                };
                Some(self.packet(event, start, first, ended, duration))
            }
            State::Ending { event, start, duration, sent } => {
                self.state = match sent + 1 >= END_PACKETS {
                    // The next event must not begin while this one is still being repeated.
                    true => {
                        State::Pausing { until: later(start.plus(u32::from(duration) + self.pause), end) }
                    }
                    false => State::Ending { event, start, duration, sent: sent + 1 },
                };
                Some(self.packet(event, start, false, true, duration))
            }
        }
    }

    fn packet(&self, event: Event, time: RtpTime, marker: bool, end: bool, duration: u16) -> EventPacket {
        EventPacket { time, marker, payload: EventPayload { event, end, volume: self.volume, duration } }
    }
}

fn later(a: RtpTime, b: RtpTime) -> RtpTime {
    if a.ticks_since(b) >= 0 { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sender: &mut EventSender, period: u32, periods: u32) -> Vec<(u32, EventPacket)> {
        (0..periods)
            .filter_map(|n| {
                let begin = RtpTime(n * period);
                sender.poll(begin, begin.plus(period)).map(|packet| (n, packet))
            })
            .collect()
    }

    #[test]
    fn a_digit_keeps_its_timestamp_and_ends_three_times() {
        let mut sender = EventSender::new(10, 400);
        sender.push(Event(5), 800).expect("room");
        sender.push(Event(6), 100).expect("room");
        let sent = run(&mut sender, 160, 20);
        let summary: Vec<_> = sent
            .iter()
            .map(|(n, it)| {
                (*n, it.payload.event.0, it.time.0, it.marker, it.payload.end, it.payload.duration)
            })
            .collect();
        assert_eq!(
            summary,
            [
                (0, 5, 0, true, false, 160),
                (1, 5, 0, false, false, 320),
                (2, 5, 0, false, false, 480),
                (3, 5, 0, false, false, 640),
                (4, 5, 0, false, true, 800),
                (5, 5, 0, false, true, 800),
                (6, 5, 0, false, true, 800),
                // 800 ticks and a pause of 400 are over at 1200.
                (8, 6, 1280, true, true, 100),
                (9, 6, 1280, false, true, 100),
                (10, 6, 1280, false, true, 100),
            ]
        );
        assert!(sender.is_idle());
    }

    #[test]
    fn long_events_go_on_in_segments() {
        let mut sender = EventSender::new(10, 0);
        sender.push(Event(1), 150_000).expect("room");
        let sent: Vec<_> = run(&mut sender, 8_000, 30).into_iter().map(|(_, packet)| packet).collect();
        let full: Vec<_> = sent.iter().filter(|it| it.payload.duration == u16::MAX).collect();
        assert_eq!(full.iter().map(|it| it.time.0).collect::<Vec<_>>(), [0, 65_535]);
        assert!(full.iter().all(|it| !it.payload.end));
        assert_eq!(sent.iter().filter(|it| it.marker).count(), 1);
        let ends: Vec<_> = sent.iter().filter(|it| it.payload.end).collect();
        assert_eq!(ends.len(), 3);
        assert!(ends.iter().all(|it| it.time.0 == 131_070 && it.payload.duration == 18_930));
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut sender = EventSender::new(10, 0);
        assert!((0..256).all(|_| sender.push(Event(0), 1).is_ok()));
        assert_eq!(sender.push(Event(0), 1), Err(TooManyEvents));
    }
}
