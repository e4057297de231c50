//! Music for who is held (RFC 3264 §8.4).
//!
//! It is heard where the holder has said that he sends nothing at all, and where he has said that he sends alone but does not. A
//! holder with music of his own is heard himself.

use super::RelayStream;
use crate::Side;
use ringback_media::{AudioFile, AudioSource};
use ringback_sdp::Direction;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A holder that sends nothing for so long has no music of his own.
const PATIENCE: Duration = Duration::from_millis(500);
/// What was missed by more than this is not made up for.
const LATE: Duration = Duration::from_millis(200);

/// A side that is held.
#[derive(Debug)]
pub(super) struct Held {
    since: Instant,
    /// Whether the holder has said that he sends nothing.
    is_inactive: bool,
    source: AudioSource,
    /// When its next packet is due, where it is heard.
    next: Option<Instant>,
}

impl Held {
    /// It is heard no more; says when its next packet would have been due, if it was.
    pub(super) fn stop(&mut self) -> Option<Instant> {
        self.next.take()
    }

    /// When something has to be played, where the holder was heard last at `spoke`.
    fn due(&self, spoke: Option<Instant>) -> Instant {
        let last = spoke.filter(|spoke| *spoke >= self.since);
        let begin = match (self.is_inactive, last) {
            (true, None) => self.since,
            _ => last.unwrap_or(self.since) + PATIENCE,
        };
        self.next.unwrap_or(begin)
    }
}

impl RelayStream {
    /// What a side hears that is held, over and over. It has to be [converted](Self::convert_here) here. `seed` is random.
    pub fn set_music(&mut self, now: Instant, music: AudioFile, seed: u32) {
        self.music = Some((music, seed));
        self.look_who_is_held(now);
    }

    /// When to call [`play`](Self::play); never where nobody is held.
    pub fn music_timeout(&self) -> Option<Instant> {
        let due = |listener: Side| {
            let held = self.held[listener.index()].as_ref().filter(|_| self.converts)?;
            Some(held.due(self.sides[listener.other().index()].spoke))
        };
        [Side::Caller, Side::Callee].into_iter().filter_map(due).min()
    }

    /// Makes the next packet of music that is due, and says in whose place and for whom. It is asked for by
    /// [`poll_converted`](Self::poll_converted); call this until there is none.
    pub fn play(&mut self, now: Instant) -> Option<(Side, SocketAddr)> {
        if !self.converts {
            return None;
        }
        let seed = self.music.as_ref()?.1;
        for listener in [Side::Caller, Side::Callee] {
            let holder = listener.other();
            let (spoke, slot) = (self.sides[holder.index()].spoke, &mut self.held[listener.index()]);
            let Some(held) = slot else { continue };
            let due = held.due(spoke);
            if due > now {
                continue;
            }
            let begins = held.next.is_none();
            let last = self.sides[holder.index()].resumes.take().or(spoke);
            let gap = begins.then(|| last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last)));
            let conversion = self.conversion.as_mut()?;
            let to = self.sides[listener.index()].locks[0].destination();
            let made = to.and_then(|to| Some((to, conversion.music(holder, &mut held.source, gap, seed)?)));
            let Some((to, length)) = made else {
                // Nobody knows where he is, or how he is spoken to.
                *slot = None;
                continue;
            };
            let due = if begins { now } else { due };
            held.next = Some((due + length).max(now.checked_sub(LATE).unwrap_or(now)));
            return Some((holder, to));
        }
        None
    }

    /// Looks who is held, after anything was said of that.
    pub(super) fn look_who_is_held(&mut self, now: Instant) {
        for listener in [Side::Caller, Side::Callee] {
            let direction = |side: Side| self.sides[side.index()].direction;
            let holds = direction(listener.other());
            let listens = matches!(direction(listener), Some(Direction::SendRecv | Direction::RecvOnly));
            let is_held = listens && matches!(holds, Some(Direction::SendOnly | Direction::Inactive));
            let music = self.music.as_ref().filter(|_| is_held && self.conversion.is_some());
            let is_inactive = holds == Some(Direction::Inactive);
            match (music, &mut self.held[listener.index()]) {
                (Some(_), Some(held)) => held.is_inactive = is_inactive,
                (Some((music, _)), slot) => {
                    let source = music.repeat();
                    *slot = Some(Box::new(Held { since: now, is_inactive, source, next: None }));
                }
                (None, slot) => {
                    let played = slot.take().and_then(|mut held| held.stop());
                    let holder = &mut self.sides[listener.other().index()];
                    holder.resumes = played.or(holder.resumes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
