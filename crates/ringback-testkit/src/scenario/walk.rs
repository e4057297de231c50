//! A random walk: two to four users who do whatever comes to their minds.

use super::script::{Act, Begins, Line};
use ringback_sansio::{Entropy as _, SeededEntropy};
use ringback_ua::Termination;
use std::time::Duration;

const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// What they do, and after which pauses. All of it follows from the seed.
pub(super) fn draw(seed: u64) -> Vec<(usize, Line)> {
    // Drawn, not counted: the generator counts by a constant, and streams that begin at multiples of it are one stream.
    let mut entropy = SeededEntropy::new(SeededEntropy::new(!seed).below(u64::MAX));
    let count = 2 + entropy.below(3) as usize;
    let steps = 10 + entropy.below(40) as usize;
    let mut lines = Vec::new();
    if entropy.below(2) == 0 {
        lines.push((0, Line::Timer(90)));
    }
    // Everybody is there, whoever does something.
    lines.push(act(0, None, Act::Call { to: NAMES[1].to_owned(), begins: Begins::Offering }));
    for user in 0..count {
        lines.push(act(user, None, Act::Ring));
    }
    for _ in 0..steps {
        let user = entropy.below(count as u64) as usize;
        let other = (user + 1 + entropy.below(count as u64 - 1) as usize) % count;
        let to = NAMES[other].to_owned();
        let deed = match entropy.below(32) {
            0..3 => Act::Call { to, begins: begins(&mut entropy) },
            3 if entropy.below(2) == 0 => Act::Ring,
            3 => Act::RingReliably,
            4..9 => Act::Answer,
            9 => Act::Reject(if entropy.below(2) == 0 { 486 } else { 603 }),
            10 => Act::HangUp,
            11..13 => Act::Hold,
            13..15 => Act::Resume,
            15 => Act::Transfer { to },
            16 => Act::TransferToCall { to },
            17..19 => Act::Accept,
            19 => Act::Refuse,
            20 => Act::Redirect { to },
            21 => Act::Move,
            24 => Act::PassOn { of: NAMES[entropy.below(count as u64) as usize].to_owned(), to },
            25 => Act::Speak(["PCMU", "PCMA"][entropy.below(2) as usize].to_owned()),
            26 => Act::Write(["hello", "goodbye"][entropy.below(2) as usize].to_owned()),
            27..29 => Act::Subscribe { to },
            29 => Act::Unsubscribe,
            30 => Act::Tell(["busy", "idle"][entropy.below(2) as usize].to_owned()),
            31 if entropy.below(4) == 0 => Act::Dismiss(Termination::Deactivated),
            31 => Act::Quiet(entropy.below(4) == 0),
            _ => Act::Dial(["5", "12#", "*"][entropy.below(3) as usize].to_owned()),
        };
        let with = (entropy.below(3) == 0).then(|| NAMES[entropy.below(count as u64) as usize].to_owned());
        lines.push(act(user, with, deed));
        // Often at the same time, now and then much later.
        let pause = match entropy.below(16) {
            0..4 => 0,
            4..8 => entropy.below(50),
            8..12 => entropy.below(1_500),
            12..15 => entropy.below(6_000),
            // As long as sessions last without a sign of life.
            _ => entropy.below(60_000),
        };
        lines.push((lines.len(), Line::After(Duration::from_millis(pause))));
    }
    lines
}

fn begins(entropy: &mut SeededEntropy) -> Begins {
    match entropy.below(12) {
        0..8 => Begins::Offering,
        8 => Begins::OnHold,
        9..11 => Begins::WithoutOffer,
        _ => Begins::AnsweringLater,
    }
}

fn act(user: usize, with: Option<String>, act: Act) -> (usize, Line) {
    (0, Line::Act { who: NAMES[user].to_owned(), with, act })
}
