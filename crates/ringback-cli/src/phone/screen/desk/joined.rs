//! The conference of the phone: calls that are brought together with us, and taken apart again.

use super::{Desk, State};
use crate::phone::screen::news::{CallNews, News};
use crate::phone::screen::sound::CONFERENCE;
use ringback::{CallError, Conference};

impl Desk {
    /// Brings calls together, with us; those that wait are resumed.
    pub(super) async fn join(&mut self, numbers: &[u32]) -> Vec<News> {
        if self.conference.is_none() {
            let conference = Conference::new();
            match conference.speak(self.sound.voice()) {
                Ok(voice) => self.conference = Some((conference, voice)),
                Err(error) => return vec![News::Notice(format!("cannot join calls: {error}"))],
            }
        }
        let Some((conference, _)) = &self.conference else { return Vec::new() };
        let mut news = Vec::new();
        for held in self.calls.iter_mut().filter(|held| numbers.contains(&held.number) && !held.is_joined) {
            let State::Up(call) = &held.state else { continue };
            // It fails where it is not held, and where the call is over.
            let _ = call.resume();
            match conference.join(call).await {
                Ok(_) => {
                    held.is_joined = true;
                    self.sound.talk(held.audio, false);
                    news.push(News::Call(held.number, CallNews::Joined(true)));
                }
                Err(error) => news.push(News::Notice(format!("cannot join call {}: {error}", held.number))),
            }
        }
        self.sound.talk(CONFERENCE, true);
        news
    }

    /// Takes the conference apart. This call goes on with us; the others are held by whoever asks for this.
    pub(super) async fn split(&mut self, number: u32) -> Vec<News> {
        self.sound.talk(CONFERENCE, false);
        self.conference = None;
        let mut news = Vec::new();
        for held in self.calls.iter_mut().filter(|held| held.is_joined) {
            held.is_joined = false;
            news.push(News::Call(held.number, CallNews::Joined(false)));
            let State::Up(call) = &held.state else { continue };
            // A call that is gone says so itself.
            if let Err(error @ CallError::Audio(_)) = call.play(self.sound.again(held.audio)).await {
                news.push(News::Notice(format!("call {} is silent: {error}", held.number)));
            }
            self.sound.talk(held.audio, held.number == number);
        }
        news
    }
}
