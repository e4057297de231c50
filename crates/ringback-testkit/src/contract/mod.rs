//! The contract of [`Machine`], run against any layer.
//!
//! A [`Subject`] knows how to make a machine, what can be done to it, and how to read what it says. [`check`] does random
//! things to it and watches that
//!
//! - a driver never spins: after `handle_timeout(t)` with `t >= poll_timeout()` something comes out, or the next deadline
//!   is later than `t`;
//! - several inputs between drains are legal, and `poll` stays `None` once it was;
//! - an earlier `now` than one already seen is treated as that one: the same run with clocks that go back gives the same;
//! - what waits to be polled is bounded by what caused it;
//! - the same seed and inputs give the same bytes;
//! - every key that was handed out ends exactly once, and in the end nothing is left.

mod proxy;
mod transactions;
mod transport;
mod user_agent;
mod wire;

pub use proxy::ProxySubject;
pub use transactions::TransactionsSubject;
pub use transport::TransportSubject;
pub use user_agent::UserAgentSubject;

use ringback_sansio::{Entropy, Machine, Seal, SeededEntropy};
use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant};

/// How many things are done to a machine in one run.
const STEPS: usize = 80;
/// More deadlines than this in one stretch of time are no end.
const MOST_DEADLINES: usize = 100_000;
/// In the end a machine has this long to come to rest.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// A layer under the contract.
pub trait Subject: Sized {
    /// The layer.
    type Machine: Machine + std::fmt::Debug;
    /// The most outputs that one input or one deadline may cause.
    const MOST_OUTPUTS: usize;

    /// A machine, the same for the same seed.
    fn start(now: Instant, seed: u64) -> (Self::Machine, Self);

    /// Does one thing to the machine, an input or a command. What it is follows from `entropy` and from what was heard.
    fn act(
        &mut self,
        machine: &mut Self::Machine,
        now: Instant,
        entropy: &mut SeededEntropy,
        journal: &mut Journal,
    );

    /// Hears what the machine says.
    fn hear(&mut self, output: <Self::Machine as Machine>::Output, journal: &mut Journal);

    /// Ends what only its user or the driver can end. Called again when that has raised new questions.
    fn close(&mut self, machine: &mut Self::Machine, now: Instant);

    /// Whether nothing is left in the machine.
    fn is_empty(machine: &Self::Machine) -> bool;
}

/// What a machine said, and which keys it handed out.
pub struct Journal {
    hash: std::hash::DefaultHasher,
    begun: BTreeSet<String>,
    ended: BTreeSet<String>,
    /// Other keys that were seen: as many deadlines may fall together.
    known: BTreeSet<String>,
    fault: Option<String>,
}

impl Journal {
    fn new() -> Self {
        let hash = Seal::keyed(0).build_hasher();
        Self { hash, begun: BTreeSet::new(), ended: BTreeSet::new(), known: BTreeSet::new(), fault: None }
    }

    /// Notes what was said, so that it can be compared with another run.
    pub fn said(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.hash.write(&bytes.len().to_le_bytes());
        self.hash.write(bytes);
    }

    /// Notes a key that was handed out.
    pub fn begins(&mut self, key: String) {
        if !self.begun.insert(key.clone()) {
            self.fault.get_or_insert(format!("{key} was handed out twice"));
        }
    }

    /// Notes the end of a key.
    pub fn ends(&mut self, key: String) {
        if !self.begun.contains(&key) {
            self.fault.get_or_insert(format!("{key} ended and was never handed out"));
        }
        if !self.ended.insert(key.clone()) {
            self.fault.get_or_insert(format!("{key} ended twice"));
        }
    }

    /// Notes a key of the layer's own, whose end is not told.
    pub fn knows(&mut self, key: String) {
        self.known.insert(key);
    }

    /// Notes that something was heard of a key, which must not have ended.
    pub fn mentions(&mut self, key: &str) {
        if self.ended.contains(key) {
            self.fault.get_or_insert(format!("something was said of {key} after its end"));
        }
    }
}

/// Runs the contract for one seed.
///
/// # Errors
/// What was broken.
pub fn check<S: Subject>(seed: u64) -> Result<(), String> {
    let once = play::<S>(seed, false)?;
    if play::<S>(seed, false)? != once {
        return Err("the same seed and inputs gave other bytes".to_owned());
    }
    if play::<S>(seed, true)? != once {
        return Err("an earlier now was not treated as the one already seen".to_owned());
    }
    Ok(())
}

struct Run<S: Subject> {
    machine: S::Machine,
    subject: S,
    journal: Journal,
    now: Instant,
    /// By how much clocks go back; `None` where they do not.
    back: Option<SeededEntropy>,
}

fn play<S: Subject>(seed: u64, goes_back: bool) -> Result<u64, String> {
    let now = Instant::now();
    let mut entropy = SeededEntropy::new(seed);
    let (machine, subject) = S::start(now, entropy.next_u64());
    let back = goes_back.then(|| SeededEntropy::new(seed));
    let mut run = Run { machine, subject, journal: Journal::new(), now, back };
    // The machine has seen one time at least.
    run.machine.handle_timeout(now);
    for _ in 0..STEPS {
        match entropy.below(4) {
            0 => {
                let longest = [1_000, 10_000, 70_000][entropy.below(3) as usize];
                let until = run.now + Duration::from_millis(entropy.below(longest));
                run.pass(until, &mut entropy)?;
            }
            _ => {
                let things = 1 + entropy.below(3) as usize;
                for _ in 0..things {
                    let now = run.clock();
                    run.subject.act(&mut run.machine, now, &mut entropy, &mut run.journal);
                }
                run.drain(things)?;
            }
        }
    }
    // The end may raise new questions, so it is made more than once.
    for _ in 0..4 {
        let now = run.clock();
        run.subject.close(&mut run.machine, now);
        // Everything at once may have to be said now.
        run.drain(STEPS * 3)?;
        run.pass(run.now + LONGEST, &mut entropy)?;
    }
    if let Some(at) = run.machine.poll_timeout() {
        return Err(format!("a deadline is left, {:?} ahead", at.saturating_duration_since(run.now)));
    }
    if !S::is_empty(&run.machine) {
        return Err(format!("something is left: {:?}", run.machine));
    }
    let left: Vec<&String> = run.journal.begun.difference(&run.journal.ended).collect();
    if !left.is_empty() {
        return Err(format!("{left:?} never ended"));
    }
    Ok(run.journal.hash.finish())
}

impl<S: Subject> Run<S> {
    /// What the machine is told that it is now.
    fn clock(&mut self) -> Instant {
        let back = self.back.as_mut().map_or(0, |entropy| entropy.below(3) * entropy.below(30_000));
        self.now.checked_sub(Duration::from_millis(back)).unwrap_or(self.now)
    }

    fn drain(&mut self, things: usize) -> Result<usize, String> {
        let mut outputs = 0;
        while let Some(output) = self.machine.poll() {
            self.subject.hear(output, &mut self.journal);
            outputs += 1;
            if outputs > things * S::MOST_OUTPUTS {
                return Err(format!("{outputs} outputs of {things} things that were done"));
            }
        }
        if self.machine.poll().is_some() {
            return Err("poll yielded after it was None".to_owned());
        }
        self.journal.fault.take().map_or(Ok(outputs), Err)
    }

    /// Lets time pass; drivers are late now and then.
    fn pass(&mut self, until: Instant, entropy: &mut SeededEntropy) -> Result<(), String> {
        for _ in 0..MOST_DEADLINES {
            let deadline = self.machine.poll_timeout();
            if deadline != self.machine.poll_timeout() {
                return Err("asking for the deadline changed it".to_owned());
            }
            let Some(at) = deadline.filter(|at| *at <= until) else {
                self.now = until;
                let now = self.clock();
                // Nothing is due: what is fired now was fired too early, or is new.
                self.machine.handle_timeout(self.now);
                self.machine.handle_timeout(now);
                self.drain(1)?;
                return Ok(());
            };
            let late = Duration::from_millis(entropy.below(4) * entropy.below(200));
            self.now = (at.max(self.now) + late).min(until);
            self.machine.handle_timeout(self.now);
            // As many may be due as there are keys.
            let outputs = self.drain(self.journal.begun.len() + self.journal.known.len() + 1)?;
            if outputs == 0 && self.machine.poll_timeout().is_some_and(|next| next <= self.now) {
                return Err("a driver would spin: nothing comes out, and the deadline has passed".to_owned());
            }
        }
        Err("deadlines without end".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says a number a second after it was told one; `fault` is how it goes wrong.
    #[derive(Debug)]
    struct Echo {
        fault: u64,
        now: Option<Instant>,
        waiting: Vec<(Instant, u64)>,
        said: Vec<u64>,
    }

    impl Machine for Echo {
        type Input = u64;
        type Output = u64;

        fn handle(&mut self, now: Instant, input: u64) {
            let now = if self.fault == 1 { now } else { self.now.map_or(now, |seen| seen.max(now)) };
            self.now = Some(now);
            self.waiting.push((now + Duration::from_secs(1), input));
        }

        fn handle_timeout(&mut self, now: Instant) {
            let now = self.now.map_or(now, |seen| seen.max(now));
            self.now = Some(now);
            let due = self.waiting.iter().filter(|(at, _)| *at <= now).map(|(_, word)| *word);
            self.said.extend(due);
            if self.fault != 2 {
                self.waiting.retain(|(at, _)| *at > now);
            }
            if self.fault == 3 {
                self.said.clear();
            }
            if self.fault == 4 {
                self.said = self.said.iter().flat_map(|word| [*word; 2]).collect();
            }
        }

        fn poll(&mut self) -> Option<u64> {
            (!self.said.is_empty()).then(|| self.said.remove(0))
        }

        fn poll_timeout(&self) -> Option<Instant> {
            self.waiting.iter().map(|(at, _)| *at).min()
        }
    }

    struct Teller<const FAULT: u64>(u64);

    impl<const FAULT: u64> Subject for Teller<FAULT> {
        type Machine = Echo;
        const MOST_OUTPUTS: usize = 1;

        fn start(_: Instant, _: u64) -> (Echo, Self) {
            (Echo { fault: FAULT, now: None, waiting: Vec::new(), said: Vec::new() }, Self(0))
        }

        fn act(&mut self, machine: &mut Echo, now: Instant, _: &mut SeededEntropy, journal: &mut Journal) {
            self.0 += 1;
            journal.begins(self.0.to_string());
            machine.handle(now, self.0);
        }

        fn hear(&mut self, output: u64, journal: &mut Journal) {
            journal.said(output.to_le_bytes());
            journal.ends(output.to_string());
        }

        fn close(&mut self, _: &mut Echo, _: Instant) {}

        fn is_empty(machine: &Echo) -> bool {
            machine.waiting.is_empty()
        }
    }

    #[test]
    fn each_way_of_going_wrong_is_noticed() {
        assert_eq!(check::<Teller<0>>(1), Ok(()));
        let broken = |outcome: Result<(), String>| outcome.expect_err("it is broken");
        assert!(broken(check::<Teller<1>>(1)).contains("earlier now"));
        assert!(broken(check::<Teller<2>>(1)).contains("ended twice"));
        assert!(broken(check::<Teller<3>>(1)).contains("never ended"));
        assert!(broken(check::<Teller<4>>(1)).contains("outputs of"));
    }
}
