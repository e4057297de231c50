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

/// The share of new requests that is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control {
    /// What the occupancy should be.
    target: f64,
    taken: f64,
}

impl Control {
    /// Keeps the occupancy at `target`, from 0 to 1.
    pub(super) fn new(target: f64) -> Self {
        Self { target, taken: 1.0 }
    }

    /// Takes what was measured in the last interval: the occupancy and how full the sockets are, both from 0 to 1. Gives what is
    /// to be refused from now on, in thousandths.
    pub(super) fn measured(&mut self, busy: f64, queued: f64) -> u32 {
        let mut factor = (self.target / busy.max(0.01)).min(FASTEST);
        if queued > QUEUED {
            // What waits is work that was not done yet.
            factor = factor.min(self.target) * (1.0 - queued / 2.0);
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
            Self { control, refused: 0, queue: Default::default(), good: 0, random: 1 }
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
                        if self.queue.len() < ROOM {
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
                let queued = self.queue.len() as f64 / ROOM as f64;
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
            let mut controlled = Simulation::new(Some(Control::new(0.9)));
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
        let mut control = Control::new(0.9);
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
}
