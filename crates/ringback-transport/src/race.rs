//! Two addresses of one server, of which the first to answer is taken (RFC 8305): where one family does not work, that
//! costs a quarter of a second and not the time that a connection may take.

use ringback_sansio::{Map, Target};
use std::time::Duration;

/// RFC 8305 §5: how long the first address is tried alone.
pub(crate) const DELAY: Duration = Duration::from_millis(250);

/// Those that are run, by the target that is tried first.
#[derive(Debug, Default)]
pub(crate) struct Races {
    by_first: Map<Target, Race>,
}

/// One of them.
#[derive(Debug)]
struct Race {
    second: Target,
    /// Who wants to know.
    tokens: Vec<u64>,
    first_failed: bool,
    second_begun: bool,
    second_failed: bool,
}

/// What follows from a connection that was made, or could not be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// To be connected to as well.
    pub(crate) begin: Option<Target>,
    /// Who is told how it ended: with the target that is there, if one is.
    pub(crate) told: Vec<(u64, Option<Target>)>,
    /// Nobody needs a connection to it any more, as far as races go.
    pub(crate) lost: Vec<Target>,
    /// Races that are over.
    pub(crate) over: Vec<Target>,
}

impl Races {
    /// Whether a connection is wanted by a race.
    pub(crate) fn wants(&self, target: &Target) -> bool {
        self.by_first
            .iter()
            .any(|(first, race)| first == target || race.second_begun && race.second == *target)
    }

    /// Runs `first` against `second`; whether `first` is to be connected to now. One race serves all who ask for it.
    pub(crate) fn start(&mut self, token: u64, first: Target, second: Target) -> bool {
        let is_new = !self.by_first.contains_key(&first);
        let race = Race {
            second,
            tokens: Vec::new(),
            first_failed: false,
            second_begun: false,
            second_failed: false,
        };
        self.by_first.entry(first).or_insert(race).tokens.push(token);
        is_new
    }

    /// The first one has had its time alone: the target to be connected to as well.
    pub(crate) fn late(&mut self, first: &Target) -> Option<Target> {
        let race = self.by_first.get_mut(first)?;
        (!std::mem::replace(&mut race.second_begun, true)).then_some(race.second)
    }

    /// A connection is there.
    pub(crate) fn connected(&mut self, target: &Target) -> Outcome {
        let mut outcome = Outcome::default();
        self.by_first.retain(|first, race| {
            if first != target && race.second != *target {
                return true;
            }
            outcome.told.extend(race.tokens.drain(..).map(|token| (token, Some(*target))));
            outcome.over.push(*first);
            if race.second == *target {
                outcome.lost.push(*first);
            } else if race.second_begun {
                outcome.lost.push(race.second);
            }
            false
        });
        outcome
    }

    /// A connection cannot be made.
    pub(crate) fn failed(&mut self, target: &Target) -> Outcome {
        let mut outcome = Outcome::default();
        self.by_first.retain(|first, race| {
            race.first_failed |= first == target;
            race.second_failed |= race.second_begun && race.second == *target;
            if race.first_failed && !race.second_begun {
                // RFC 8305 §5: a failure needs no waiting.
                race.second_begun = true;
                outcome.begin = Some(race.second);
            }
            let is_over = race.first_failed && race.second_failed;
            if is_over {
                outcome.told.extend(race.tokens.drain(..).map(|token| (token, None)));
                outcome.over.push(*first);
            }
            !is_over
        });
        outcome
    }
}
