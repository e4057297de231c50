//! What happens to calls, accounts and messages, and what that changes on the screen.

use super::model::{Action, App, Fate, Line, Page, Phase, Recent, Said};
use crate::out::plain;
use ringback::{AudioStatus, Lamp, MediaInfo, Receipt, Registration, StatusCode};
use std::time::{Duration, Instant};

/// Something that happened outside of the screen. Texts of peers come as they were sent.
#[derive(Debug)]
pub(crate) enum News {
    Registration(usize, Registration),
    /// A call begins, by us or by others.
    Opened {
        number: u32,
        peer: String,
        call_id: String,
        is_outgoing: bool,
    },
    Call(u32, CallNews),
    Message {
        from: String,
        text: String,
        /// To tell that it was shown, where the sender wants to know.
        id: u64,
    },
    /// What the other side tells of a message of ours.
    Receipt {
        id: u64,
        receipt: Receipt,
    },
    /// Calls of an account may not disturb, or may again.
    Quiet(usize, bool),
    /// What the contact of a row does at the telephone.
    Lamp(usize, Lamp),
    /// Somebody called, and did not disturb.
    TurnedAway(String),
    /// What became of a message of ours.
    Sent {
        id: u64,
        failed: Option<String>,
    },
    /// Something to read, such as why a key had no effect.
    Notice(String),
}

/// What happens in one call.
#[derive(Debug)]
pub(crate) enum CallNews {
    /// How the caller wants it to ring.
    Alert(String),
    Trying,
    Ringing(StatusCode),
    Redirected(String),
    EarlyMedia(MediaInfo),
    Answered(MediaInfo),
    Changed(MediaInfo),
    ChangeRefused(String),
    /// The other side asks us to call somebody.
    Wish(String),
    /// The wish was followed or refused.
    WishDone,
    Transferring(StatusCode),
    Transferred(StatusCode),
    Digit(char),
    Muted(bool),
    Joined(bool),
    Status(AudioStatus),
    Ended(String),
}

impl App {
    /// Takes what has happened, and says what follows from it by itself.
    pub(crate) fn hear(&mut self, now: Instant, news: News) -> Vec<Action> {
        self.now = now;
        match news {
            News::Registration(account, state) => self.on_registration(account, state),
            News::Opened { number, peer, call_id, is_outgoing } => {
                self.on_opened(number, &plain(&peer), call_id, is_outgoing);
            }
            News::Call(number, news) => return self.on_call(number, news),
            News::Message { from, text, id } => {
                let (peer, text) = (plain(&from), plain(&text));
                let is_shown = self.page == Page::Chat;
                if !is_shown {
                    self.unread += 1;
                    self.unshown.push(id);
                    self.notice = Some(format!("{} writes: {text}", self.name_of(&peer)));
                }
                self.say(Said { peer, is_ours: false, text, id: 0, fate: Fate::Received });
                return is_shown.then_some(Action::Shown(id)).into_iter().collect();
            }
            News::Receipt { id, receipt } => self.on_receipt(id, receipt),
            News::Quiet(account, is_quiet) => {
                if let Some(row) = self.accounts.get_mut(account) {
                    row.is_quiet = is_quiet;
                    let words = if is_quiet { "does not disturb" } else { "disturbs again" };
                    self.notice = Some(format!("who calls {} {words}", row.address));
                }
            }
            News::Lamp(row, lamp) => _ = self.lamps.insert(row, lamp),
            News::TurnedAway(peer) => {
                let peer = plain(&peer);
                self.notice = Some(format!("{} called, and did not disturb", self.name_of(&peer)));
                let (text, at) = ("did not disturb".to_owned(), self.now);
                let (is_outgoing, was_answered, call_id) = (false, false, String::new());
                self.remember(Recent { peer, is_outgoing, was_answered, at, text, call_id });
            }
            News::Sent { id, failed } => {
                if let Some(why) = &failed {
                    self.notice = Some(format!("the message was not delivered: {}", plain(why)));
                }
                if let Some(said) = self.chat.iter_mut().find(|said| said.is_ours && said.id == id) {
                    match failed {
                        Some(why) => said.fate = Fate::Failed(plain(&why)),
                        // A receipt may have been faster.
                        None if said.fate == Fate::OnItsWay => said.fate = Fate::Delivered,
                        None => {}
                    }
                }
            }
            News::Notice(text) => self.notice = Some(plain(&text)),
        }
        Vec::new()
    }

    fn on_receipt(&mut self, id: u64, receipt: Receipt) {
        let Some(said) = self.chat.iter_mut().find(|said| said.is_ours && said.id == id) else { return };
        match receipt {
            // What was read has come; it may be told in either order.
            Receipt::Delivered if said.fate != Fate::Read => said.fate = Fate::Arrived,
            Receipt::Displayed => said.fate = Fate::Read,
            Receipt::Failed => said.fate = Fate::Failed(receipt.to_string()),
            _ => {}
        }
    }

    fn on_registration(&mut self, account: usize, state: Registration) {
        let Some(row) = self.accounts.get_mut(account) else { return };
        if let Registration::Failed { reason, retry_in, .. } = &state {
            let again = match retry_in {
                Some(after) => format!("tried again in {} s", after.as_secs()),
                None => "R tries again".to_owned(),
            };
            self.notice = Some(format!("{} is not registered: {}; {again}", row.address, plain(reason)));
        }
        row.registration = Some(state);
    }

    fn on_opened(&mut self, number: u32, peer: &str, call_id: String, is_outgoing: bool) {
        let phase = if is_outgoing { Phase::Calling } else { Phase::Incoming };
        let now = self.now;
        self.lines.push(Line {
            number,
            peer: peer.to_owned(),
            is_outgoing,
            phase,
            since: now,
            begun: now,
            call_id,
            media: None,
            status: None,
            is_muted: false,
            is_joined: false,
            is_holding: false,
            wish: None,
            note: None,
        });
        // Who talks goes on with the keys for that call; another one waits.
        if is_outgoing || self.current().is_none() {
            self.selected = Some(number);
        }
        if !is_outgoing {
            let waits = if self.lines.len() > 1 { ", waiting" } else { "" };
            self.notice = Some(format!("{} calls{waits}: a answers, b is busy", self.name_of(peer)));
        }
    }

    fn on_call(&mut self, number: u32, news: CallNews) -> Vec<Action> {
        let now = self.now;
        let Some(line) = self.line_mut(number) else { return Vec::new() };
        match news {
            CallNews::Alert(uri) => line.note = Some(format!("rings as {}", plain(&uri))),
            CallNews::Trying => {}
            CallNews::Ringing(status) => {
                line.phase = Phase::Ringing;
                line.note = (status != StatusCode::RINGING).then(|| format!("{status} {}", status.reason()));
            }
            CallNews::Redirected(target) => line.note = Some(format!("redirected to {}", plain(&target))),
            CallNews::EarlyMedia(media) => line.media = Some(media),
            CallNews::Answered(media) => {
                (line.phase, line.since, line.media) = (Phase::Talking, now, Some(media));
                line.note = None;
                self.selected = Some(number);
                self.notice = None;
                // Only one call talks at a time.
                return self.others_to_hold(number);
            }
            CallNews::Changed(media) => (line.media, line.is_holding) = (Some(media), false),
            CallNews::ChangeRefused(why) => {
                line.is_holding = false;
                self.notice = Some(format!("not changed: {}", plain(&why)));
            }
            CallNews::Wish(target) => {
                let target = plain(&target);
                self.notice = Some(format!("call {number} asks us to call {target}: y does, n does not"));
                if let Some(line) = self.line_mut(number) {
                    line.wish = Some(target);
                }
            }
            CallNews::WishDone => line.wish = None,
            CallNews::Transferring(status) => line.note = Some(format!("transfer: {status}")),
            CallNews::Transferred(status) => {
                let text = format!("transfer: {status} {}", status.reason());
                line.note = Some(text.clone());
                self.notice = Some(text);
            }
            CallNews::Digit(digit) => {
                let heard = line.note.take().filter(|note| note.starts_with("they pressed "));
                let heard = heard.unwrap_or_else(|| "they pressed ".to_owned());
                // The last few are enough.
                let digits: String = heard.chars().skip("they pressed ".len()).chain([digit]).collect();
                let from = digits.len().saturating_sub(16);
                line.note = Some(format!("they pressed {}", &digits[from..]));
            }
            CallNews::Muted(is_muted) => line.is_muted = is_muted,
            CallNews::Joined(is_joined) => line.is_joined = is_joined,
            CallNews::Status(status) => line.status = Some(status),
            CallNews::Ended(why) => self.on_ended(number, &plain(&why)),
        }
        Vec::new()
    }

    /// What puts all other calls on hold that talk, but for those that this one is in a conference with.
    pub(crate) fn others_to_hold(&mut self, number: u32) -> Vec<Action> {
        let is_joined = self.line(number).is_some_and(|line| line.is_joined);
        let others = self
            .lines
            .iter_mut()
            .filter(|line| line.number != number && line.is_active() && !(is_joined && line.is_joined));
        let hold = |line: &mut Line| {
            line.is_holding = true;
            Action::Hold(line.number)
        };
        others.map(hold).collect()
    }

    fn on_ended(&mut self, number: u32, why: &str) {
        let Some(at) = self.lines.iter().position(|line| line.number == number) else { return };
        let line = self.lines.remove(at);
        let was_answered = line.phase == Phase::Talking;
        let text = if was_answered { clock(self.now.duration_since(line.since)) } else { why.to_owned() };
        self.notice = Some(format!("call with {} ended {why}", self.name_of(&line.peer)));
        if self.selected == Some(number) {
            let next = self.lines.iter().find(|line| line.is_active()).or(self.lines.first());
            self.selected = next.map(|line| line.number);
            self.drawn = Some(line.call_id.clone());
        }
        if self.prompt.as_ref().is_some_and(|prompt| prompt.ask.is_about(number)) {
            self.prompt = None;
        }
        self.remember(Recent {
            peer: line.peer,
            is_outgoing: line.is_outgoing,
            was_answered,
            at: self.now,
            text,
            call_id: line.call_id,
        });
    }
}

/// `1:05`, or `1:00:05`.
pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}
