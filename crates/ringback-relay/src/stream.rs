//! One medium on the packet path.

mod hold;

use crate::convert::{Conversion, Taken};
use crate::reception::Reception;
use crate::{Component, Expected, Side, SideFormats, SourceLock};
use hold::Held;
use ringback_media::AudioFile;
use ringback_rtp::Datagram;
use ringback_sdp::{Direction, NegotiatedCrypto};
use ringback_srtp::{Inbound, Outbound, sdes};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// By how many octets a packet may grow when it is protected: a tag, an index and the longest identifier of a key.
pub const MAX_GROWTH: usize = 16 + 4 + ringback_srtp::MAX_MKI_LEN;

/// Why a datagram goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It comes from a stranger.
    Source,
    /// It is none of RTP, RTCP, STUN and DTLS (RFC 7983 §7).
    NotMedia,
    /// Nobody knows yet where the other side is.
    NoDestination,
    /// It has to be converted, which is not [done here](RelayStream::convert_here).
    Unconverted,
    /// It is not protected by the keys of its side, has come before, or cannot be protected for the other side.
    Forged,
}

/// Plain figures of what one side sent since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideStats {
    /// Datagrams that passed, or were made of what came.
    pub packets: u64,
    /// Those of them that were converted.
    pub converted: u64,
    /// Their octets.
    pub octets: u64,
    /// RTP packets that never came, less those that came twice (RFC 3550 §A.3).
    pub lost: u64,
    /// Datagrams from strangers.
    pub foreign: u64,
    /// Datagrams that were dropped for another reason.
    pub dropped: u64,
    /// How unevenly its packets come (RFC 3550 §A.8), as far as the clocks of their formats are known.
    pub jitter: Duration,
    /// Where its packets come from.
    pub source: Option<SocketAddr>,
}

/// One medium between two sides.
#[derive(Debug)]
pub struct RelayStream {
    sides: [StreamSide; 2],
    patience: Duration,
    /// Whether the call was answered.
    is_up: bool,
    /// What both sides speak, where some of it may have to be converted.
    conversion: Option<Box<Conversion>>,
    /// Whether that is done here, and whether something came for which it has to be done.
    converts: bool,
    wants_conversion: bool,
    /// What who is held hears, and what its numbers begin with.
    music: Option<(AudioFile, u32)>,
    /// By who is held.
    held: [Option<Box<Held>>; 2],
}

#[derive(Debug)]
struct StreamSide {
    locks: [SourceLock; 2],
    protection: Protection,
    stats: SideStats,
    reception: Reception,
    /// Whether its description says that audio comes and goes.
    talks: bool,
    /// What it says of its audio.
    direction: Option<Direction>,
    heard: Instant,
    /// When its last packet of RTP came, and when the music that was heard in place of it would have gone on.
    spoke: Option<Instant>,
    resumes: Option<Instant>,
    is_silent: bool,
}

impl StreamSide {
    fn new(now: Instant) -> Self {
        Self {
            locks: Default::default(),
            protection: Protection::default(),
            stats: SideStats::default(),
            reception: Reception::default(),
            talks: false,
            direction: None,
            heard: now,
            spoke: None,
            resumes: None,
            is_silent: false,
        }
    }
}

/// What is done with the packets of one side.
#[derive(Debug, Default)]
enum Protection {
    /// They are as they are.
    #[default]
    None,
    /// By which we protect what goes there, and by which we believe what comes from there.
    Keys(Box<(Outbound, Inbound)>),
    /// The keys are none: nothing may be sent, and nothing is believed.
    Broken,
}

impl Protection {
    /// Whether a packet that passes was made by who has the key.
    fn proves(&self) -> bool {
        matches!(self, Self::Keys(_))
    }

    fn unprotect(&mut self, kind: Datagram, packet: &mut [u8]) -> Result<usize, Dropped> {
        let length = match (self, kind) {
            (Self::None, _) => Ok(packet.len()),
            (Self::Keys(keys), Datagram::Rtp) => keys.1.unprotect_rtp(packet),
            (Self::Keys(keys), Datagram::Rtcp) => keys.1.unprotect_rtcp(packet),
            (Self::Keys(_), Datagram::Other) | (Self::Broken, _) => return Err(Dropped::Forged),
        };
        length.map_err(|_| Dropped::Forged)
    }

    fn protect(&mut self, kind: Datagram, buffer: &mut [u8], length: usize) -> Result<usize, Dropped> {
        let length = match (self, kind) {
            (Self::None, _) => Ok(length),
            (Self::Keys(keys), Datagram::Rtp) => keys.0.protect_rtp(buffer, length),
            (Self::Keys(keys), Datagram::Rtcp) => keys.0.protect_rtcp(buffer, length),
            (Self::Keys(_), Datagram::Other) | (Self::Broken, _) => return Err(Dropped::Forged),
        };
        length.map_err(|_| Dropped::Forged)
    }
}

impl RelayStream {
    /// A stream of which nothing is known yet. A side of it is silent when nothing was heard of it for `patience` though both
    /// sides were to talk.
    pub fn new(now: Instant, patience: Duration) -> Self {
        Self {
            sides: [StreamSide::new(now), StreamSide::new(now)],
            patience,
            is_up: false,
            conversion: None,
            converts: false,
            wants_conversion: false,
            music: None,
            held: [None, None],
        }
    }

    /// What a side said about itself.
    pub fn expect(&mut self, now: Instant, side: Side, expected: Expected) {
        let was_watched = self.is_watched();
        let own = &mut self.sides[side.index()];
        let [rtp, rtcp] = &mut own.locks;
        rtp.signal(expected.rtp, expected.behind, expected.exchange);
        rtcp.signal(expected.rtcp, expected.behind, expected.exchange);
        (own.talks, own.direction) = (expected.talks, expected.direction);
        own.reception.set_clocks(expected.clocks);
        if !was_watched {
            self.watch(now);
        }
        self.look_who_is_held(now);
    }

    /// The call was answered. Who is silent before that waits for somebody to answer.
    pub fn answered(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.is_up, true) {
            self.watch(now);
        }
    }

    /// Whether both sides have to be heard. Who holds or is held need not send anything.
    fn is_watched(&self) -> bool {
        self.is_up && self.sides.iter().all(|side| side.talks)
    }

    /// From now on silence counts.
    fn watch(&mut self, now: Instant) {
        for side in &mut self.sides {
            side.heard = side.heard.max(now);
            side.is_silent = false;
        }
    }

    /// By what keys the packets of a side are protected from now on; none for packets that pass as they are.
    pub fn protect(&mut self, side: Side, keys: Option<&NegotiatedCrypto>) {
        self.sides[side.index()].protection = match keys.map(sdes::contexts) {
            None => Protection::None,
            Some(Ok(contexts)) => Protection::Keys(Box::new(contexts)),
            Some(Err(_)) => Protection::Broken,
        };
    }

    /// What both sides speak from now on, caller first, where packets may have to be converted.
    pub fn convert(&mut self, now: Instant, formats: [SideFormats; 2]) {
        match &mut self.conversion {
            Some(conversion) => conversion.renew(formats),
            None => self.conversion = Some(Box::new(Conversion::new(formats))),
        }
        self.look_who_is_held(now);
    }

    /// Whether packets have to be converted, which takes longer than all else that is done with them.
    pub fn wants_conversion(&self) -> bool {
        let is_due = self.conversion.as_ref().is_some_and(|conversion| conversion.is_due());
        let is_held = self.held.iter().any(Option::is_some);
        !self.converts && (self.wants_conversion || is_due || is_held)
    }

    /// Packets are converted from now on; until then those that need it are dropped.
    pub fn convert_here(&mut self) {
        self.converts = true;
    }

    /// Takes the datagram of `length` octets at the begin of `buffer`, which came to the port of a side, and says where the like port
    /// of the other side sends what is then there, and how long that is: 0 where it was converted, and what goes there instead is
    /// asked for by [`poll_converted`](Self::poll_converted). For packets that are protected anew the buffer should have
    /// [`MAX_GROWTH`] octets more.
    ///
    /// # Errors
    /// [`Dropped`]; it is counted, and has changed nothing else but the buffer.
    pub fn receive(
        &mut self,
        now: Instant,
        side: Side,
        component: Component,
        from: SocketAddr,
        buffer: &mut [u8],
        length: usize,
    ) -> Result<(SocketAddr, usize), Dropped> {
        let [caller, callee] = &mut self.sides;
        let (own, other) = match side {
            Side::Caller => (caller, callee),
            Side::Callee => (callee, caller),
        };
        let to = other.locks[component.index()].destination();
        let packet = buffer.get_mut(..length).unwrap_or(&mut []);
        let kind = Datagram::classify(packet);
        // STUN and DTLS go through as well: whoever relays between two that encrypt need not know.
        if kind == Datagram::Other && !matches!(packet.first(), Some(0..=3 | 20..=63)) {
            own.stats.dropped += 1;
            return Err(Dropped::NotMedia);
        }
        let lock = &mut own.locks[component.index()];
        let is_expected = lock.may_admit(from);
        // Who can prove the key may come from anywhere: a NAT has forgotten him, or his network has changed.
        if !is_expected && !own.protection.proves() {
            own.stats.foreign += 1;
            return Err(Dropped::Source);
        }
        let clear = match own.protection.unprotect(kind, packet) {
            Ok(clear) => clear,
            Err(_) if !is_expected => {
                own.stats.foreign += 1;
                return Err(Dropped::Source);
            }
            Err(dropped) => {
                own.stats.dropped += 1;
                return Err(dropped);
            }
        };
        // And who cannot is not believed where he is, either.
        match own.protection.proves() {
            true => lock.follow(from),
            false => _ = lock.admit(from),
        }
        own.heard = own.heard.max(now);
        own.is_silent = false;
        let Some(to) = to else {
            own.stats.dropped += 1;
            return Err(Dropped::NoDestination);
        };
        if kind == Datagram::Rtp {
            own.reception.note(now, packet);
            own.spoke = Some(now);
            // What he says now follows the music, if there was any.
            let played = self.held[side.other().index()].as_mut().and_then(|held| held.stop());
            if let (Some(ended), Some(conversion)) = (played.or(own.resumes.take()), &mut self.conversion) {
                conversion.resume(side, now.saturating_duration_since(ended));
            }
        }
        if let (Some(conversion), Some(packet)) = (&mut self.conversion, buffer.get_mut(..clear)) {
            match kind {
                Datagram::Rtp if !self.converts && conversion.wants(side, packet) => {
                    self.wants_conversion = true;
                    return Err(Dropped::Unconverted);
                }
                Datagram::Rtp => match conversion.take(side, packet) {
                    Taken::AsItIs => {}
                    Taken::Converted => return Ok((to, 0)),
                    Taken::Unknown => {
                        own.stats.dropped += 1;
                        return Err(Dropped::NotMedia);
                    }
                },
                Datagram::Rtcp => conversion.report(side, packet),
                Datagram::Other => {}
            }
        }
        let length = other.protection.protect(kind, buffer, clear).inspect_err(|_| own.stats.dropped += 1)?;
        own.stats.packets += 1;
        own.stats.octets += length as u64;
        Ok((to, length))
    }

    /// Puts the next packet that was made of those of a side at the begin of `buffer`, ready to be sent on, and says how long it
    /// is; ask until there is none. The buffer should hold any datagram and [`MAX_GROWTH`] octets more.
    pub fn poll_converted(&mut self, side: Side, buffer: &mut [u8]) -> Option<usize> {
        let conversion = self.conversion.as_mut()?;
        let [caller, callee] = &mut self.sides;
        let (own, other) = match side {
            Side::Caller => (caller, callee),
            Side::Callee => (callee, caller),
        };
        loop {
            let clear = conversion.poll(side, buffer)?;
            match other.protection.protect(Datagram::Rtp, buffer, clear) {
                Ok(length) => {
                    own.stats.packets += 1;
                    own.stats.converted += 1;
                    own.stats.octets += length as u64;
                    return Some(length);
                }
                Err(_) => own.stats.dropped += 1,
            }
        }
    }

    /// The figures of what a side sent.
    pub fn stats(&self, side: Side) -> SideStats {
        let own = &self.sides[side.index()];
        let (lost, jitter) = (own.reception.lost(), own.reception.jitter());
        SideStats { lost, jitter, source: own.locks[0].source(), ..own.stats }
    }

    /// Whether a side was silent for so long that it was told of, and has not been heard since.
    pub fn is_silent(&self, side: Side) -> bool {
        self.sides[side.index()].is_silent
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.is_watched() {
            return None;
        }
        self.sides.iter().filter(|side| !side.is_silent).map(|side| side.heard + self.patience).min()
    }

    /// For how long nothing was heard of either side.
    pub fn silent_for(&self, now: Instant) -> Duration {
        let [caller, callee] = &self.sides;
        now.saturating_duration_since(caller.heard.max(callee.heard))
    }

    /// A side that has just fallen silent, which is told once until it is heard again. Call it until there is none.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Side> {
        if !self.is_watched() {
            return None;
        }
        let patience = self.patience;
        [Side::Caller, Side::Callee].into_iter().find(|side| {
            let own = &mut self.sides[side.index()];
            let is_news = !own.is_silent && own.heard + patience <= now;
            own.is_silent |= is_news;
            is_news
        })
    }
}

#[cfg(test)]
mod tests;
