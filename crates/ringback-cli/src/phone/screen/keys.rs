//! What keys do.

use super::model::{Action, App, Ask, Fate, Line, Page, Phase, Prompt, Said};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::time::Instant;

/// The longest text that is typed or pasted.
const MAX_TEXT: usize = 1_000;

/// The keys and what they do, as the help shows them.
pub(crate) const HELP: [(&str, &str); 18] = [
    ("d", "dial: a URI, user@host or a user"),
    ("a", "answer; who talks is held"),
    ("b", "busy: refuse the one who calls"),
    ("x", "hang up"),
    ("h", "hold, resume"),
    ("j", "join all calls, and part them"),
    ("← →", "the call before, the next"),
    ("m", "mute, and not"),
    ("0-9 * #", "digits"),
    ("t T", "transfer; T connects two"),
    ("y n", "yes or no to a wish"),
    ("w W", "write; W asks whom"),
    ("Tab F1-F6", "turn the page"),
    ("↑ ↓ Enter", "choose; Enter calls"),
    ("o", "the next account"),
    ("R", "register again"),
    ("D", "do not disturb, or do"),
    ("q ^C", "quit; ^C at once"),
];

impl Ask {
    /// Whether the question makes no sense without this call.
    pub(crate) fn is_about(&self, number: u32) -> bool {
        matches!(self, Self::Transfer(of) | Self::Connect(of) if *of == number)
    }

    /// The question in words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Dial => "dial".to_owned(),
            Self::Transfer(number) => format!("transfer call {number} to"),
            Self::Connect(number) => format!("connect call {number} with call number"),
            Self::To => "write to".to_owned(),
            Self::Text(to) => format!("to {}", super::model::bare(to)),
            Self::Quit => "there are calls; q or y hangs up and quits".to_owned(),
        }
    }
}

impl App {
    /// Takes a key, and says what the phone is to do.
    pub(crate) fn press(&mut self, now: Instant, key: KeyEvent) -> Vec<Action> {
        self.now = now;
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => self.over = true,
                KeyCode::Char('u') => {
                    if let Some(prompt) = &mut self.prompt {
                        prompt.text.clear();
                    }
                }
                _ => {}
            }
            return Vec::new();
        }
        let mut actions = match self.prompt.take() {
            Some(prompt) => self.press_in(prompt, key.code),
            None => self.press_out(key.code),
        };
        if self.page == Page::Chat {
            actions.extend(self.unshown.drain(..).map(Action::Shown));
        }
        actions
    }

    /// Takes pasted text: into the question, never as keys.
    pub(crate) fn paste(&mut self, text: &str) {
        if let Some(prompt) = self.prompt.as_mut().filter(|prompt| prompt.ask != Ask::Quit) {
            prompt.type_in(text);
        }
    }

    fn press_in(&mut self, mut prompt: Prompt, code: KeyCode) -> Vec<Action> {
        match code {
            KeyCode::Esc => return Vec::new(),
            KeyCode::Char('q' | 'y') if prompt.ask == Ask::Quit => {
                self.over = true;
                return Vec::new();
            }
            _ if prompt.ask == Ask::Quit => return Vec::new(),
            KeyCode::Enter => return self.answer(prompt),
            KeyCode::Backspace => _ = prompt.text.pop(),
            KeyCode::Char(c) => prompt.type_in(c.encode_utf8(&mut [0; 4])),
            _ => {}
        }
        self.prompt = Some(prompt);
        Vec::new()
    }

    /// Does what the answer to a question asks for.
    fn answer(&mut self, prompt: Prompt) -> Vec<Action> {
        let text = prompt.text.trim().to_owned();
        if text.is_empty() {
            return Vec::new();
        }
        match prompt.ask {
            Ask::Dial => self.dial(text),
            Ask::Transfer(number) => vec![Action::Transfer(number, self.address_of(text))],
            Ask::Connect(number) => match text.parse() {
                Ok(other) if other != number && self.line(other).is_some() => {
                    vec![Action::Connect(number, other)]
                }
                _ => self.complain(format!("there is no other call {text}")),
            },
            Ask::To => {
                let to = self.address_of(text);
                self.ask(Ask::Text(to));
                Vec::new()
            }
            Ask::Text(to) => {
                let (account, id) =
                    (self.account, self.chat.iter().map(|said| said.id).max().unwrap_or(0) + 1);
                let fate = Fate::OnItsWay;
                self.say(Said { peer: to.clone(), is_ours: true, text: text.clone(), id, fate });
                self.turn_to(Page::Chat);
                vec![Action::Write { account, to, text, id }]
            }
            Ask::Quit => Vec::new(),
        }
    }

    fn press_out(&mut self, code: KeyCode) -> Vec<Action> {
        let current = self.current().map(|line| (line.number, line.phase));
        match code {
            KeyCode::Char('q') if self.lines.is_empty() => self.over = true,
            KeyCode::Char('q') => self.ask(Ask::Quit),
            KeyCode::Char('d') => self.ask(Ask::Dial),
            KeyCode::Char('a') => return self.take_call(),
            KeyCode::Char('b') => {
                let number = self.ringing();
                return number
                    .map_or_else(|| self.complain("nobody calls"), |number| vec![Action::Reject(number)]);
            }
            KeyCode::Char('x') => {
                return match current {
                    Some((number, Phase::Incoming)) => vec![Action::Reject(number)],
                    Some((number, _)) => vec![Action::HangUp(number)],
                    None => self.complain("there is no call"),
                };
            }
            KeyCode::Char('h') => return self.hold_or_resume(),
            KeyCode::Char('j') => return self.join_or_part(),
            KeyCode::Char('m') => {
                return match self.current() {
                    Some(line) if line.phase != Phase::Incoming => {
                        vec![Action::Mute(line.number, !line.is_muted)]
                    }
                    _ => self.complain("there is no call to mute"),
                };
            }
            KeyCode::Char('t') => match current {
                Some((number, Phase::Talking)) => self.ask(Ask::Transfer(number)),
                _ => return self.complain("only a call that was answered can be transferred"),
            },
            KeyCode::Char('T') => return self.connect(),
            KeyCode::Char(yes @ ('y' | 'n')) => {
                let wish = self.lines.iter().find(|line| line.wish.is_some()).map(|line| line.number);
                let Some(number) = wish else { return self.complain("nobody has asked for anything") };
                return vec![if yes == 'y' { Action::Follow(number) } else { Action::Refuse(number) }];
            }
            KeyCode::Char(digit @ ('0'..='9' | '*' | '#')) => match current {
                Some((number, Phase::Talking)) => {
                    self.pressed = Some((digit, self.now));
                    return vec![Action::Digit(number, digit)];
                }
                Some(_) => return self.complain("digits are sent in a call that was answered"),
                // As on any telephone: who presses digits wants to call.
                None => self.prompt = Some(Prompt { ask: Ask::Dial, text: digit.to_string() }),
            },
            KeyCode::Char('w') => self.write(),
            KeyCode::Char('W') => self.ask(Ask::To),
            KeyCode::Char('o') => {
                self.account = (self.account + 1) % self.accounts.len().max(1);
                let address = self.accounts.get(self.account).map(|row| row.address.clone());
                self.notice = address.map(|address| format!("calls and messages are from {address} now"));
            }
            KeyCode::Char('R') => return vec![Action::Register(self.account)],
            KeyCode::Char('D') => {
                let is_quiet = self.accounts.get(self.account).is_some_and(|row| row.is_quiet);
                return vec![Action::Quiet(self.account, !is_quiet)];
            }
            KeyCode::Char('?') => self.turn_to(Page::Help),
            KeyCode::Char('l') => {
                // Of a past call where one is chosen, else of the one that keys are for.
                let past =
                    self.recent.get(self.row).filter(|_| self.page == Page::Recent && self.lines.is_empty());
                self.drawn = past.map(|call| call.call_id.clone()).or(self.drawn.take());
                self.turn_to(Page::Ladder);
            }
            KeyCode::Char('c') => self.turn_to(Page::Contacts),
            KeyCode::F(1) => self.turn_to(Page::Help),
            KeyCode::F(number @ 2..=6) => self.turn_to(Page::ALL[usize::from(number) - 2]),
            KeyCode::Tab => self.turn(1),
            KeyCode::BackTab => self.turn(Page::ALL.len() - 1),
            KeyCode::Left => self.step(self.lines.len().saturating_sub(1)),
            KeyCode::Right => self.step(1),
            KeyCode::Up => {
                self.row = self.row.saturating_sub(1);
                let longest = if self.page == Page::Ladder { self.ladder.len() } else { self.chat.len() * 2 };
                self.back = (self.back + 1).min(longest);
            }
            KeyCode::Down => {
                self.row = (self.row + 1).min(self.rows().saturating_sub(1));
                self.back = self.back.saturating_sub(1);
            }
            KeyCode::Enter => return self.enter(),
            KeyCode::Esc => self.notice = None,
            _ => {}
        }
        Vec::new()
    }

    /// The one who calls: the call that is selected, else the first.
    fn ringing(&self) -> Option<u32> {
        let selected = self.current().filter(|line| line.phase == Phase::Incoming);
        let first = || self.lines.iter().find(|line| line.phase == Phase::Incoming);
        selected.or_else(first).map(|line| line.number)
    }

    fn take_call(&mut self) -> Vec<Action> {
        let Some(number) = self.ringing() else { return self.complain("nobody calls") };
        let mut actions = self.others_to_hold(number);
        actions.push(Action::Answer(number));
        self.selected = Some(number);
        actions
    }

    fn hold_or_resume(&mut self) -> Vec<Action> {
        let Some(line) = self.current().filter(|line| line.phase == Phase::Talking) else {
            return self.complain("only a call that was answered can be held");
        };
        let number = line.number;
        if !line.is_held() {
            return vec![Action::Hold(number)];
        }
        let mut actions = self.others_to_hold(number);
        actions.push(Action::Resume(number));
        actions
    }

    /// Brings all calls that were answered into one conference with us, or takes it apart where all are in it.
    fn join_or_part(&mut self) -> Vec<Action> {
        let talking: Vec<&Line> = self.lines.iter().filter(|line| line.phase == Phase::Talking).collect();
        let numbers: Vec<u32> = talking.iter().map(|line| line.number).collect();
        if talking.iter().any(|line| line.is_joined) && talking.iter().all(|line| line.is_joined) {
            let goes_on = self.selected.filter(|number| numbers.contains(number)).unwrap_or(numbers[0]);
            let mut actions = vec![Action::Split(goes_on)];
            for line in self.lines.iter_mut().filter(|line| line.number != goes_on && line.is_active()) {
                line.is_holding = true;
                actions.push(Action::Hold(line.number));
            }
            return actions;
        }
        if numbers.len() < 2 {
            return self.complain("there is no other call to join: d dials one");
        }
        vec![Action::Join(numbers)]
    }

    fn connect(&mut self) -> Vec<Action> {
        let Some(line) = self.current().filter(|line| line.phase == Phase::Talking) else {
            return self.complain("only a call that was answered can be connected");
        };
        let number = line.number;
        let is_other = |other: &u32| *other != number;
        let talking = self.lines.iter().filter(|line| line.phase == Phase::Talking).map(|line| line.number);
        match talking.filter(is_other).collect::<Vec<_>>()[..] {
            [] => self.complain("there is no other call to connect with: d dials one"),
            [other] => vec![Action::Connect(number, other)],
            _ => {
                self.ask(Ask::Connect(number));
                Vec::new()
            }
        }
    }

    fn write(&mut self) {
        let chosen = (self.page == Page::Contacts).then(|| self.contacts.get(self.row)).flatten();
        let chosen = chosen.map(|contact| contact.address.clone());
        let chosen = chosen.or_else(|| self.current().map(|line| line.peer.clone()));
        let to = chosen.or_else(|| self.chat.back().map(|said| said.peer.clone()));
        self.ask(to.map_or(Ask::To, Ask::Text));
    }

    fn enter(&mut self) -> Vec<Action> {
        let target = match self.page {
            Page::Contacts => self.contacts.get(self.row).map(|contact| contact.address.clone()),
            Page::Recent => self.recent.get(self.row).map(|call| call.peer.clone()),
            Page::Accounts => {
                self.account = self.row.min(self.accounts.len().saturating_sub(1));
                None
            }
            Page::Chat => {
                self.write();
                None
            }
            Page::Ladder | Page::Help => None,
        };
        target.map(|target| self.dial(target)).unwrap_or_default()
    }

    fn dial(&mut self, target: String) -> Vec<Action> {
        if self.free_number().is_none() {
            return self.complain("there are as many calls as this phone can have");
        }
        let target = self.address_of(target);
        let mut actions = self.others_to_hold(0);
        actions.push(Action::Dial { account: self.account, target });
        actions
    }

    /// The address of a contact whose name was typed, else what was typed.
    fn address_of(&self, typed: String) -> String {
        let known = self.contacts.iter().find(|contact| contact.name.eq_ignore_ascii_case(&typed));
        known.map_or(typed, |contact| contact.address.clone())
    }

    fn ask(&mut self, ask: Ask) {
        self.prompt = Some(Prompt { ask, text: String::new() });
    }

    fn complain(&mut self, text: impl Into<String>) -> Vec<Action> {
        self.notice = Some(text.into());
        Vec::new()
    }

    fn turn(&mut self, by: usize) {
        let at = Page::ALL.iter().position(|page| *page == self.page).unwrap_or(0);
        self.turn_to(Page::ALL[(at + by) % Page::ALL.len()]);
    }

    fn turn_to(&mut self, page: Page) {
        (self.page, self.row, self.back) = (page, 0, 0);
        if page == Page::Chat {
            self.unread = 0;
        }
    }

    fn step(&mut self, by: usize) {
        let at = self.lines.iter().position(|line| Some(line.number) == self.selected).unwrap_or(0);
        let next = (at + by).checked_rem(self.lines.len()).and_then(|at| self.lines.get(at));
        self.selected = next.map(|line| line.number);
        self.back = 0;
    }
}

impl Prompt {
    fn type_in(&mut self, text: &str) {
        let room = MAX_TEXT.saturating_sub(self.text.chars().count());
        self.text.extend(text.chars().filter(|c| !c.is_control()).take(room));
    }
}
