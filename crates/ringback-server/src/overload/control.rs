//! How much of what is new is taken: as much as keeps the busiest worker at its share of time.
//!
//! This is the occupancy algorithm of the literature on call processors: every interval the share that is taken is multiplied
//! by what the occupancy should be over what it is. It needs to know nothing of what a request costs, and refusals, which
//! cost something as well, are part of what it measures.

/// The least that is taken: with nothing at all it could not be seen that the load is gone.
const LEAST: f64 = 0.02;
/// By how much the share rises at most in an interval.
const FASTEST: f64 = 1.15;
/// How full a socket may be before the share falls faster than the occupancy says, which cannot be over one.
const QUEUED: f64 = 0.25;
/// Where no occupancy is given the share goes by the sockets alone. Half a second in which they are so full that what comes next may
/// find no room is enough, for callers send copies by then (T1); or four times as long in which they are fuller than
/// [`QUEUED`]. A moment in which the machine was busy with something else is over sooner.
const FULL: f64 = 0.75;
const LATE: u32 = 40;
const LATE_WHEN_FULL: u32 = LATE / 10;
/// And then the share feels its way back.
const SLOWLY: f64 = 1.02;

/// The share of new requests that is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control {
    /// What the occupancy should be; anything without it.
    target: Option<f64>,
    taken: f64,
    /// For how long sockets have been too full, those counted more in which they were nearly full.
    late: u32,
}

impl Control {
    /// Keeps the occupancy at `target`, from 0 to 1; without one, keeps requests from waiting too long.
    pub(super) fn new(target: Option<f64>) -> Self {
        Self { target, taken: 1.0, late: 0 }
    }

    /// Takes what was measured in the last interval: the occupancy and how full the sockets are, both from 0 to 1. Gives what is
    /// to be refused from now on, in thousandths.
    pub(super) fn measured(&mut self, busy: f64, queued: f64) -> u32 {
        let waits = queued > QUEUED;
        self.late = match waits {
            true => self.late.saturating_add(if queued > FULL { LATE_WHEN_FULL } else { 1 }),
            false => 0,
        };
        let mut factor = self.target.map_or(SLOWLY, |target| (target / busy.max(0.01)).min(FASTEST));
        if waits && (self.target.is_some() || self.taken < 1.0 || self.late >= LATE) {
            // What waits is work that was not done yet.
            factor = factor.min(self.target.unwrap_or(1.0)) * (1.0 - queued / 2.0);
        }
        self.taken = (self.taken * factor).clamp(LEAST, 1.0);
        ((1.0 - self.taken) * 1_000.0).round() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element that takes calls of `COST` seconds of its time each, refuses at a tenth of that, and whose callers try again
    /// after a second, up to three times. What is answered later than the caller's patience is work for nothing.
    struct Simulation {
        control: Option<Control>,
        refused: u32,
        /// When those came who wait, the first one first.
        queue: std::collections::VecDeque<f64>,
        good: u32,
        random: u64,
        room: usize,
    }

    /// 500 calls a second.
    const COST: f64 = 0.002;
    const REFUSAL: f64 = COST / 10.0;
    /// Timer A and B are far longer; people and SIPp are not.
    const PATIENCE: f64 = 2.0;
    /// Requests that find no room any more, as in a socket.
    const ROOM: usize = 4_000;
    const INTERVAL: f64 = 0.05;

    impl Simulation {
        fn new(control: Option<Control>) -> Self {
            Self { control, refused: 0, queue: Default::default(), good: 0, random: 1, room: ROOM }
        }

        /// A number from 0 to 999.
        fn random(&mut self) -> u32 {
            self.random =
                self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.random >> 33) % 1_000) as u32
        }

        /// Lets so many calls a second come from `from` to `until`, and gives how many were answered in time, a second.
        fn run(&mut self, from: f64, until: f64, rate: f64) -> f64 {
            let (mut now, mut next, before) = (from, from, self.good);
            while now < until {
                let end = now + INTERVAL;
                while next < end {
                    // Who gets no answer within half a second sends it again, as over UDP.
                    let copies = if self.queue.len() as f64 * COST > 0.5 { 2 } else { 1 };
                    for _ in 0..copies {
                        if self.queue.len() < self.room {
                            self.queue.push_back(next);
                        }
                    }
                    next += 1.0 / rate;
                }
                let mut left = INTERVAL;
                while left > 0.0 {
                    let Some(came) = self.queue.pop_front() else { break };
                    if self.random() < self.refused {
                        left -= REFUSAL;
                        continue;
                    }
                    left -= COST;
                    self.good += u32::from(end - left - came < PATIENCE);
                }
                let busy = 1.0 - left.max(0.0) / INTERVAL;
                let queued = self.queue.len() as f64 / self.room as f64;
                if let Some(control) = &mut self.control {
                    self.refused = control.measured(busy, queued);
                }
                now = end;
            }
            f64::from(self.good - before) / (until - from)
        }
    }

    #[test]
    fn fault_44_goodput_does_not_collapse_under_two_and_three_times_the_capacity() {
        let capacity = 1.0 / COST;
        for times in [2.0, 3.0] {
            let without = Simulation::new(None).run(0.0, 60.0, times * capacity);
            assert!(without < 0.3 * capacity, "{times} times without control: {without}");
            let mut controlled = Simulation::new(Some(Control::new(Some(0.9))));
            let goodput = controlled.run(0.0, 60.0, times * capacity);
            // Refusals cost a tenth each. At five times, with every request sent twice, they alone would take all the time.
            let possible = (0.9 - 0.1 * (times - 1.0)) * capacity;
            assert!(goodput > 0.8 * possible, "{times} times: {goodput} of {possible}");
            let after = controlled.run(60.0, 70.0, 0.5 * capacity);
            assert!(after > 0.45 * capacity, "recovery within ten seconds: {after}");
            assert_eq!(controlled.refused, 0);
        }
    }

    #[test]
    fn nothing_is_refused_below_the_target_and_never_everything() {
        let mut control = Control::new(Some(0.9));
        for busy in [0.0, 0.5, 0.89] {
            assert_eq!(control.measured(busy, 0.0), 0);
        }
        for _ in 0..1_000 {
            control.measured(1.0, 1.0);
        }
        assert_eq!(control.measured(1.0, 1.0), 980);
        let recovered = (0..60).position(|_| control.measured(0.1, 0.0) == 0);
        assert!(recovered.is_some_and(|intervals| intervals < 40), "{recovered:?}");
    }

    #[test]
    fn fault_44_nor_does_it_where_nothing_is_configured() {
        let capacity = 1.0 / COST;
        for times in [1.5, 2.0, 3.0] {
            // A buffer of the usual size holds less than a second of the work of a slow machine.
            let mut controlled = Simulation { room: 400, ..Simulation::new(Some(Control::new(None))) };
            controlled.run(0.0, 10.0, times * capacity);
            let goodput = controlled.run(10.0, 60.0, times * capacity);
            let possible = (1.0 - 0.1 * (times - 1.0)) * capacity;
            assert!(goodput > 0.6 * possible, "{times} times: {goodput} of {possible}");
            controlled.run(60.0, 65.0, 0.5 * capacity);
            let after = controlled.run(65.0, 75.0, 0.5 * capacity);
            assert!(after > 0.45 * capacity, "recovery within five seconds: {after}");
            assert_eq!(controlled.refused, 0);
        }
    }

    #[test]
    fn without_an_occupancy_a_moment_of_lateness_refuses_nobody() {
        let mut control = Control::new(None);
        for _ in 0..5 {
            for _ in 1..LATE / LATE_WHEN_FULL {
                assert_eq!(control.measured(1.0, 1.0), 0);
            }
            assert_eq!(control.measured(1.0, 0.1), 0);
        }
        let after = |queued, intervals| {
            let mut control = Control::new(None);
            (0..intervals).map(|_| control.measured(1.0, queued)).last()
        };
        assert!(after(1.0, LATE / LATE_WHEN_FULL) > Some(400));
        assert!(after(0.3, LATE - 1) == Some(0) && after(0.3, LATE) > Some(100));
    }
}
