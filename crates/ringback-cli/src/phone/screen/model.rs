//! What the screen shows: accounts, calls, contacts, what was and what was written. Pure: keys and events go in
//! (see [`super::keys`] and [`super::news`]), actions come out, and time is told.

use super::contacts::Contact;
use ringback::{AudioStatus, Lamp, MediaInfo, Registration};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// Calls at a time; those beyond are busy.
pub(crate) const MAX_LINES: usize = 9;
/// Past calls and messages that are remembered.
const REMEMBERED: usize = 200;

/// The whole screen.
pub(crate) struct App {
    /// What time it is.
    pub(crate) now: Instant,
    pub(crate) accounts: Vec<AccountRow>,
    /// The account that calls and writes.
    pub(crate) account: usize,
    pub(crate) contacts: Vec<Contact>,
    /// What those of them do who are watched, by their rows.
    pub(crate) lamps: BTreeMap<usize, Lamp>,
    /// The calls that are not over, in the order in which they came.
    pub(crate) lines: Vec<Line>,
    /// The number of the call that keys are for.
    pub(crate) selected: Option<u32>,
    pub(crate) recent: VecDeque<Recent>,
    pub(crate) chat: VecDeque<Said>,
    /// Messages that came while another page was open.
    pub(crate) unread: usize,
    /// Messages whose senders have not heard yet that they were shown.
    pub(crate) unshown: Vec<u64>,
    pub(crate) page: Page,
    /// The row that Enter is for, of contacts, past calls and accounts.
    pub(crate) row: usize,
    /// How far back the ladder and the chat are scrolled.
    pub(crate) back: usize,
    pub(crate) prompt: Option<Prompt>,
    /// The last thing that happened, in words.
    pub(crate) notice: Option<String>,
    /// The digit that was pressed last, and when.
    pub(crate) pressed: Option<(char, Instant)>,
    /// The call that the ladder is of: the selected one, or the last one that was.
    pub(crate) drawn: Option<String>,
    /// That ladder, line by line.
    pub(crate) ladder: Vec<String>,
    /// Where the sound comes from and goes to.
    pub(crate) sound: String,
    pub(crate) over: bool,
}

/// One of our accounts.
pub(crate) struct AccountRow {
    pub(crate) address: String,
    /// `None` where it was not asked for.
    pub(crate) registration: Option<Registration>,
    /// Whether its calls may not disturb.
    pub(crate) is_quiet: bool,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: u32,
    pub(crate) peer: String,
    pub(crate) is_outgoing: bool,
    pub(crate) phase: Phase,
    /// Since when it is in this phase.
    pub(crate) since: Instant,
    pub(crate) begun: Instant,
    pub(crate) call_id: String,
    pub(crate) media: Option<MediaInfo>,
    pub(crate) status: Option<AudioStatus>,
    pub(crate) is_muted: bool,
    /// Whether it is in the conference.
    pub(crate) is_joined: bool,
    /// Whether it was asked to be held, and nothing has come of it yet.
    pub(crate) is_holding: bool,
    /// Whom the other side asks us to call.
    pub(crate) wish: Option<String>,
    /// What happens beside: a transfer, a digit.
    pub(crate) note: Option<String>,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Calling,
    Ringing,
    /// Somebody calls us.
    Incoming,
    Talking,
}

/// A call that is over.
#[derive(Debug)]
pub(crate) struct Recent {
    pub(crate) peer: String,
    pub(crate) is_outgoing: bool,
    pub(crate) was_answered: bool,
    pub(crate) at: Instant,
    pub(crate) text: String,
    pub(crate) call_id: String,
}

/// A message.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) peer: String,
    pub(crate) is_ours: bool,
    pub(crate) text: String,
    /// To tell what became of it.
    pub(crate) id: u64,
    pub(crate) fate: Fate,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Received,
    OnItsWay,
    /// Somebody has taken it.
    Delivered,
    /// The other side has told that it is there.
    Arrived,
    /// The other side has told that it was read.
    Read,
    Failed(String),
}

/// What the lower half of the screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Recent,
    Contacts,
    Ladder,
    Chat,
    Accounts,
    Help,
}

impl Page {
    pub(crate) const ALL: [Self; 6] =
        [Self::Recent, Self::Contacts, Self::Ladder, Self::Chat, Self::Accounts, Self::Help];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Recent => "Recent",
            Self::Contacts => "Contacts",
            Self::Ladder => "Ladder",
            Self::Chat => "Chat",
            Self::Accounts => "Accounts",
            Self::Help => "Help",
        }
    }
}

/// A question to the user, and the answer as far as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) ask: Ask,
    pub(crate) text: String,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Whom to call.
    Dial,
    /// Whom the other side of this call should call.
    Transfer(u32),
    /// The other side of which call should talk to that of this one.
    Connect(u32),
    /// Whom to write to.
    To,
    /// What to write to them.
    Text(String),
    /// Whether to quit although there are calls.
    Quit,
}

/// What the phone is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Dial {
        account: usize,
        target: String,
    },
    Answer(u32),
    Reject(u32),
    HangUp(u32),
    Hold(u32),
    Resume(u32),
    Mute(u32, bool),
    /// Brings these calls together with us.
    Join(Vec<u32>),
    /// Takes them apart again; the one goes on with us.
    Split(u32),
    Digit(u32, char),
    Transfer(u32, String),
    /// The other side of the first call takes our place in the second.
    Connect(u32, u32),
    /// Does what the other side asks for, or not.
    Follow(u32),
    Refuse(u32),
    Write {
        account: usize,
        to: String,
        text: String,
        id: u64,
    },
    Register(usize),
    /// Lets calls of an account disturb no more, or again.
    Quiet(usize, bool),
    /// A message was shown.
    Shown(u64),
}

impl App {
    pub(crate) fn new(
        now: Instant,
        accounts: Vec<AccountRow>,
        contacts: Vec<Contact>,
        sound: String,
    ) -> Self {
        Self {
            now,
            accounts,
            account: 0,
            page: if contacts.is_empty() { Page::Recent } else { Page::Contacts },
            contacts,
            lamps: BTreeMap::new(),
            lines: Vec::new(),
            selected: None,
            recent: VecDeque::new(),
            chat: VecDeque::new(),
            unread: 0,
            unshown: Vec::new(),
            row: 0,
            back: 0,
            prompt: None,
            notice: Some("d dials, ? shows all keys".to_owned()),
            pressed: None,
            drawn: None,
            ladder: Vec::new(),
            sound,
            over: false,
        }
    }

    pub(crate) fn line(&self, number: u32) -> Option<&Line> {
        self.lines.iter().find(|line| line.number == number)
    }

    pub(crate) fn line_mut(&mut self, number: u32) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.number == number)
    }

    /// The call that keys are for.
    pub(crate) fn current(&self) -> Option<&Line> {
        self.line(self.selected?)
    }

    /// The smallest number that no call has; `None` when there are as many calls as there may be.
    pub(crate) fn free_number(&self) -> Option<u32> {
        (1..=MAX_LINES as u32).find(|number| self.line(*number).is_none())
    }

    pub(crate) fn remember(&mut self, call: Recent) {
        self.recent.truncate(REMEMBERED - 1);
        self.recent.push_front(call);
        // The same row stays chosen.
        if self.page == Page::Recent && self.row > 0 {
            self.row = (self.row + 1).min(self.recent.len() - 1);
        }
    }

    pub(crate) fn say(&mut self, said: Said) {
        if self.chat.len() >= REMEMBERED {
            self.chat.pop_front();
        }
        self.chat.push_back(said);
    }

    /// How many rows the page has that can be chosen.
    pub(crate) fn rows(&self) -> usize {
        match self.page {
            Page::Recent => self.recent.len(),
            Page::Contacts => self.contacts.len(),
            Page::Accounts => self.accounts.len(),
            Page::Ladder | Page::Chat | Page::Help => 0,
        }
    }

    /// What a contact is called, else the address without what only machines need.
    pub(crate) fn name_of<'a>(&'a self, address: &'a str) -> &'a str {
        let bare = bare(address);
        let known = self.contacts.iter().find(|contact| self::bare(&contact.address) == bare);
        known.map_or(bare, |contact| &contact.name)
    }
}

impl Line {
    /// Whether we hold the other side.
    pub(crate) fn is_held(&self) -> bool {
        self.media.as_ref().is_some_and(|media| media.held_by_us)
    }

    pub(crate) fn is_held_by_them(&self) -> bool {
        self.media.as_ref().is_some_and(|media| media.held_by_them)
    }

    /// Whether the two sides talk, so that another call has to wait.
    pub(crate) fn is_active(&self) -> bool {
        self.phase == Phase::Talking && !self.is_held() && !self.is_holding
    }
}

/// `bob@example.com` of `sip:bob@example.com;transport=tcp`.
pub(crate) fn bare(address: &str) -> &str {
    let address = address.strip_prefix("sip:").or_else(|| address.strip_prefix("sips:")).unwrap_or(address);
    address.split([';', '?', '>']).next().unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_scheme_and_parameters() {
        assert_eq!(bare("sip:bob@example.com;transport=tcp"), "bob@example.com");
        assert_eq!(bare("sips:bob@example.com?a=b"), "bob@example.com");
        assert_eq!(bare("tel:+1"), "tel:+1");
    }
}
