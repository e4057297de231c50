//! Answers of DNS that are over, for while its servers fail (RFC 8767): a call to an address that was right a while ago is
//! better than none.

use ringback_sansio::Map;
use ringback_transport::locate::{Answer, Question};
use std::time::{Duration, Instant};

/// More answers are not kept.
const MOST: usize = 4_096;
/// RFC 8767 §5: how long a question that failed is not asked anew, where there is an old answer.
const RECHECK: Duration = Duration::from_secs(30);
/// RFC 8767 §5: whoever has an old answer waits no longer than this for a new one.
pub(super) const PATIENCE: Duration = Duration::from_millis(1_800);

/// The latest good answers.
#[derive(Debug)]
pub(super) struct Stale {
    /// For how long an answer is used after it was given last.
    lasts: Duration,
    kept: Map<Question, Kept>,
}

#[derive(Debug)]
struct Kept {
    answer: Answer,
    given: Instant,
    failed: Option<Instant>,
}

impl Stale {
    /// Keeps answers for so long; for no time, and none is ever used.
    pub(super) fn new(lasts: Duration) -> Self {
        Self { lasts, kept: Map::default() }
    }

    /// The answer to use without asking, for the servers failed a moment ago.
    pub(super) fn at_once(&self, now: Instant, question: &Question) -> Option<Answer> {
        let kept = self.kept.get(question).filter(|kept| self.is_usable(now, kept))?;
        kept.failed.is_some_and(|failed| now < failed + RECHECK).then(|| kept.answer.clone())
    }

    /// Whether there is something to fall back on.
    pub(super) fn has(&self, now: Instant, question: &Question) -> bool {
        self.kept.get(question).is_some_and(|kept| self.is_usable(now, kept))
    }

    /// Takes what the servers said, or that they said nothing, and gives what is to be used.
    pub(super) fn settle(&mut self, now: Instant, question: &Question, answer: Answer) -> Answer {
        match answer {
            Answer::Records(_) => {
                self.keep(now, question, answer.clone());
                answer
            }
            // Somebody knows that it is not so any more.
            Answer::NoRecords | Answer::NoSuchName => {
                self.kept.remove(question);
                answer
            }
            Answer::Failed => {
                let lasts = self.lasts;
                let kept = self.kept.get_mut(question).filter(|kept| now < kept.given + lasts);
                let Some(kept) = kept else { return Answer::Failed };
                kept.failed = Some(now);
                tracing::debug!(name = question.name, "DNS does not answer; an old answer is used");
                kept.answer.clone()
            }
        }
    }

    fn keep(&mut self, now: Instant, question: &Question, answer: Answer) {
        if self.lasts.is_zero() {
            return;
        }
        if self.kept.len() >= MOST && !self.kept.contains_key(question) {
            let lasts = self.lasts;
            self.kept.retain(|_, kept| now < kept.given + lasts);
            if self.kept.len() >= MOST {
                return;
            }
        }
        self.kept.insert(question.clone(), Kept { answer, given: now, failed: None });
    }

    fn is_usable(&self, now: Instant, kept: &Kept) -> bool {
        now < kept.given + self.lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_transport::locate::{Kind, Record};

    fn question(name: &str) -> Question {
        Question { name: name.to_owned(), kind: Kind::A }
    }

    fn records(last: u8) -> Answer {
        Answer::Records(vec![Record::A([192, 0, 2, last].into())])
    }

    #[test]
    fn an_old_answer_is_used_while_servers_fail_and_no_longer_than_it_may() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut stale = Stale::new(Duration::from_secs(3_600));
        let name = question("a.example");
        assert_eq!(stale.settle(now, &name, Answer::Failed), Answer::Failed, "nothing is known");
        assert_eq!(stale.settle(now, &name, records(1)), records(1));
        assert_eq!(stale.at_once(later(1), &name), None, "the servers did not fail");
        assert_eq!(stale.settle(later(100), &name, Answer::Failed), records(1));
        assert_eq!(stale.at_once(later(129), &name), Some(records(1)));
        assert_eq!(stale.at_once(later(130), &name), None, "it is asked again");
        assert!(stale.has(later(3_599), &name) && !stale.has(later(3_600), &name));
        assert_eq!(stale.settle(later(3_600), &name, Answer::Failed), Answer::Failed);
        // A new answer counts from then on.
        stale.settle(later(4_000), &name, records(2));
        assert_eq!(stale.settle(later(7_000), &name, Answer::Failed), records(2));
    }

    #[test]
    fn what_is_no_more_is_not_dug_out() {
        let now = Instant::now();
        let mut stale = Stale::new(Duration::from_secs(3_600));
        for gone in [Answer::NoRecords, Answer::NoSuchName] {
            stale.settle(now, &question("a.example"), records(1));
            assert_eq!(stale.settle(now, &question("a.example"), gone.clone()), gone);
            assert_eq!(stale.settle(now, &question("a.example"), Answer::Failed), Answer::Failed);
        }
    }

    #[test]
    fn it_can_be_off_and_is_bounded() {
        let now = Instant::now();
        let mut off = Stale::new(Duration::ZERO);
        off.settle(now, &question("a.example"), records(1));
        assert_eq!(off.settle(now, &question("a.example"), Answer::Failed), Answer::Failed);
        let mut stale = Stale::new(Duration::from_secs(60));
        for number in 0..MOST + 10 {
            stale.settle(now, &question(&format!("{number}.example")), records(1));
        }
        assert_eq!(stale.kept.len(), MOST);
        stale.settle(now + Duration::from_secs(60), &question("new.example"), records(1));
        assert_eq!(stale.kept.len(), 1);
    }
}
