//! The lines of a flow, read.

use ringback_ua::Termination;
use std::time::Duration;

/// What becomes of a message that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// `alice -> bob`.
    Arrives,
    /// `alice -x bob`.
    IsLost,
    /// `alice ~> bob`, and later `bob gets ..`.
    IsUnderWay,
}

/// How a call begins to be described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    Offering,
    OnHold,
    WithoutOffer,
    AnsweringLater,
}

/// What a user does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Call {
        to: String,
        begins: Begins,
    },
    /// What one has described is told to another, so that the two hear each other.
    PassOn {
        of: String,
        to: String,
    },
    /// Its own audio again, to who was told that of another.
    TakeBack(String),
    /// Another codec alone.
    Speak(String),
    /// A message within the call.
    Write(String),
    /// Whether calls may disturb.
    Quiet(bool),
    Ring,
    RingReliably,
    Answer,
    Reject(u16),
    Redirect {
        to: String,
    },
    Move,
    HangUp,
    Hold,
    Resume,
    Transfer {
        to: String,
    },
    TransferToCall {
        to: String,
    },
    Accept,
    Refuse,
    /// Digits by INFO.
    Dial(String),
    Subscribe {
        to: String,
    },
    Unsubscribe,
    /// A state, to all who watch.
    Tell(String),
    /// The end, to all who watch.
    Dismiss(Termination),
    RefuseSubscriptions(u16),
    ByeByHand,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Message {
        from: String,
        to: String,
        name: String,
        fate: Fate,
    },
    Gets {
        who: String,
        name: String,
    },
    Act {
        who: String,
        with: Option<String>,
        act: Act,
    },
    After(Duration),
    Talk(String, String),
    IsHeld {
        who: String,
        by: String,
    },
    NobodyTalks,
    NeverAnswered(String),
    GotDigits {
        who: String,
        digits: String,
    },
    GotText {
        who: String,
        text: String,
    },
    HearEachOther(String, String),
    Speak(String, String, String),
    Knows {
        who: String,
        of: String,
        state: String,
    },
    WatchesNobody(String),
    WasTold {
        who: String,
        why: Termination,
    },
    /// Who is called where `name` is.
    Team {
        name: String,
        members: Vec<String>,
    },
    Timer(u32),
}

/// Reads a flow: `#` begins a comment, and each line is numbered from 1.
pub(super) fn read(text: &str) -> Result<Vec<(usize, Line)>, String> {
    let mut lines = Vec::new();
    for (number, text) in text.lines().enumerate() {
        let text = text.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        let line = line(text).ok_or_else(|| format!("line {}: `{text}` means nothing", number + 1))?;
        lines.push((number + 1, line));
    }
    Ok(lines)
}

fn line(text: &str) -> Option<Line> {
    if let Some((way, name)) = text.split_once(':') {
        return message(way, name.trim());
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let own = |word: &&str| (*word).to_owned();
    Some(match &words[..] {
        ["after", number, unit] => {
            let number: u64 = number.parse().ok()?;
            Line::After(match *unit {
                "ms" => Duration::from_millis(number),
                "s" => Duration::from_secs(number),
                _ => return None,
            })
        }
        ["sessions", "last", seconds, "s"] => Line::Timer(seconds.parse().ok()?),
        ["nobody", "talks"] => Line::NobodyTalks,
        [one, "and", other, "talk"] => Line::Talk(own(one), own(other)),
        [who, "is", "held", "by", by] => Line::IsHeld { who: own(who), by: own(by) },
        [one, "and", other, "hear", "each", "other"] => Line::HearEachOther(own(one), own(other)),
        [one, "and", other, "speak", codec] => Line::Speak(own(one), own(other), own(codec)),
        [who, "got", "the", "text", text] => Line::GotText { who: own(who), text: own(text) },
        [who, "got", "the", "digits", digits] => Line::GotDigits { who: own(who), digits: own(digits) },
        ["team", "is", members @ ..] => Line::Team {
            name: "team".to_owned(),
            members: members.iter().filter(|word| **word != "and").map(own).collect(),
        },
        [who, "knows", "that", of, "is", state] => {
            Line::Knows { who: own(who), of: own(of), state: own(state) }
        }
        [who, "watches", "nobody"] => Line::WatchesNobody(own(who)),
        [who, "was", "told", why] => Line::WasTold { who: own(who), why: termination(why)? },
        [who, "was", "never", "answered"] => Line::NeverAnswered(own(who)),
        [who, "gets", name @ ..] => Line::Gets { who: own(who), name: name.join(" ") },
        [who, act @ .., "with", other] => {
            Line::Act { who: own(who), with: Some(own(other)), act: self::act(act)? }
        }
        [who, act @ ..] => Line::Act { who: own(who), with: None, act: self::act(act)? },
        [] => return None,
    })
}

fn act(words: &[&str]) -> Option<Act> {
    Some(match words {
        ["calls", to] => Act::Call { to: (*to).to_owned(), begins: Begins::Offering },
        ["calls", to, "on", "hold"] => Act::Call { to: (*to).to_owned(), begins: Begins::OnHold },
        ["calls", to, "without", "an", "offer"] => {
            Act::Call { to: (*to).to_owned(), begins: Begins::WithoutOffer }
        }
        ["calls", to, "and", "answers", "later"] => {
            Act::Call { to: (*to).to_owned(), begins: Begins::AnsweringLater }
        }
        ["passes", of, "on", "to", to] => Act::PassOn { of: (*of).to_owned(), to: (*to).to_owned() },
        ["takes", with, "back"] => Act::TakeBack((*with).to_owned()),
        ["speaks", codec, "alone"] => Act::Speak((*codec).to_owned()),
        ["writes", text] => Act::Write((*text).to_owned()),
        ["must", "not", "be", "disturbed"] => Act::Quiet(true),
        ["may", "be", "disturbed"] => Act::Quiet(false),
        ["rings"] => Act::Ring,
        ["rings", "reliably"] => Act::RingReliably,
        ["answers"] => Act::Answer,
        ["rejects", status] => Act::Reject(status.parse().ok()?),
        ["redirects", "to", to] => Act::Redirect { to: (*to).to_owned() },
        ["moves"] => Act::Move,
        ["hangs", "up"] => Act::HangUp,
        ["holds"] => Act::Hold,
        ["resumes"] => Act::Resume,
        ["transfers", "to", to] => Act::Transfer { to: (*to).to_owned() },
        ["transfers", "to", "the", "call", "of", to] => Act::TransferToCall { to: (*to).to_owned() },
        ["accepts", "the", "transfer"] => Act::Accept,
        ["refuses", "the", "transfer"] => Act::Refuse,
        ["dials", digits, "by", "INFO"] => Act::Dial((*digits).to_owned()),
        ["sends", "BYE", "by", "hand"] => Act::ByeByHand,
        ["subscribes", "to", to] => Act::Subscribe { to: (*to).to_owned() },
        ["unsubscribes"] => Act::Unsubscribe,
        ["tells", state] => Act::Tell((*state).to_owned()),
        ["ends", "the", "subscription", "as", why] => Act::Dismiss(termination(why)?),
        ["refuses", "subscriptions", status] => Act::RefuseSubscriptions(status.parse().ok()?),
        _ => return None,
    })
}

fn termination(word: &str) -> Option<Termination> {
    let known = [
        Termination::Deactivated,
        Termination::Probation,
        Termination::Rejected,
        Termination::Timeout,
        Termination::GiveUp,
        Termination::NoResource,
        Termination::Invariant,
    ];
    known.into_iter().find(|why| why.as_str() == word)
}

fn message(way: &str, name: &str) -> Option<Line> {
    let words: Vec<&str> = way.split_whitespace().collect();
    let [from, arrow, to] = &words[..] else { return None };
    let fate = match *arrow {
        "->" => Fate::Arrives,
        "-x" => Fate::IsLost,
        "~>" => Fate::IsUnderWay,
        _ => return None,
    };
    Some(Line::Message { from: (*from).to_owned(), to: (*to).to_owned(), name: name.to_owned(), fate })
}

/// Whether a name stands for several users.
fn is_team(lines: &[(usize, Line)], name: &str) -> bool {
    lines.iter().any(|(_, line)| matches!(line, Line::Team { name: team, .. } if team == name))
}

/// Everybody who is named, in order.
pub(super) fn users(lines: &[(usize, Line)]) -> Vec<String> {
    let mut users: Vec<String> = Vec::new();
    let mut add = |user: &String| {
        if !users.contains(user) {
            users.push(user.clone());
        }
    };
    for (_, line) in lines {
        match line {
            Line::Team { members, .. } => members.iter().for_each(&mut add),
            Line::Message { from, to, .. } => [from, to].into_iter().for_each(&mut add),
            Line::Act { who, act, .. } => {
                add(who);
                if let Act::Call { to, .. }
                | Act::PassOn { to, .. }
                | Act::Transfer { to }
                | Act::Redirect { to }
                | Act::Subscribe { to } = act
                    && !is_team(lines, to)
                {
                    add(to);
                }
            }
            _ => {}
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_or_named() {
        let read =
            read("# a flow\nalice calls bob\n\nalice ~> bob: 200 INVITE  # late\nafter 3 s\n").unwrap();
        assert_eq!(read[2], (5, Line::After(Duration::from_secs(3))));
        let Line::Message { fate: Fate::IsUnderWay, name, .. } = &read[1].1 else { panic!("{read:?}") };
        assert_eq!(name, "200 INVITE");
        assert_eq!(users(&read), ["alice", "bob"]);
        assert_eq!(
            super::read("alice -> bob: BYE\nalice laughs").unwrap_err(),
            "line 2: `alice laughs` means nothing"
        );
    }
}
