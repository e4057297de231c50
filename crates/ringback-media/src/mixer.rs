//! Mixing a conference: each party hears all others and not itself.
//!
//! The frames of a period are added up once; a party's own is taken off the sum again for what it hears, so that the work grows with
//! the number of parties and not with its square. Who speaks is told by levels (RFC 6464) against each party's own background.

mod sums;

use crate::activity::{Activity, FAINTEST};
use crate::level::decibels;
use sums::{UNITY, add, scale};

/// A sum beyond this is turned down: full scale less a little, for what a coder adds.
const CEILING: i32 = 30_000;
/// How much of the way back to unity the gain goes in a period.
const RELEASE: i32 = 16;
/// Another speaker takes the floor when it is so many decibels louder.
const TAKES_FLOOR: f32 = 3.0;

/// A conference of any number of parties, in periods of a packet time. All frames have the same length and rate.
///
/// ```
/// use ringback_media::Mixer;
/// let mut mixer = Mixer::new(2);
/// let (a, b, c) = (mixer.join(), mixer.join(), mixer.join());
/// mixer.hear(a, &[1, 1]);
/// mixer.hear(b, &[20, 20]);
/// mixer.mix(); // Nothing came of the third.
/// let mut out = [0; 2];
/// mixer.say(a, &mut out);
/// assert_eq!(out, [20, 20]);
/// mixer.say(c, &mut out);
/// assert_eq!(out, [21, 21]);
/// ```
#[derive(Clone, Debug)]
pub struct Mixer {
    frame: usize,
    /// In the order in which they joined, which is that of their keys.
    parties: Vec<Party>,
    /// The number of the next party.
    next: u64,
    sum: Vec<i32>,
    gain: i32,
    floor: Option<PartyKey>,
}

/// A party of a [`Mixer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartyKey(u64);

#[derive(Clone, Debug)]
struct Party {
    key: PartyKey,
    /// What it said in this period; silence when `is_heard` is not.
    said: Vec<i16>,
    is_heard: bool,
    /// How loud it says that it is, where it was not listened to.
    told: Option<u8>,
    activity: Activity,
}

impl Mixer {
    /// An empty conference whose frames have so many samples.
    pub fn new(frame: usize) -> Self {
        Self { frame, parties: Vec::new(), next: 0, sum: vec![0; frame], gain: UNITY, floor: None }
    }

    /// One more party.
    pub fn join(&mut self) -> PartyKey {
        let key = PartyKey(self.next);
        self.next += 1;
        let said = vec![0; self.frame];
        self.parties.push(Party { key, said, is_heard: false, told: None, activity: Activity::default() });
        key
    }

    /// One less. A key that is gone already changes nothing, here and below.
    pub fn leave(&mut self, key: PartyKey) {
        self.parties.retain(|party| party.key != key);
        self.floor = self.floor.filter(|floor| *floor != key);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.parties.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.parties.is_empty()
    }

    /// What a party said in this period: the last frame of several, cut or filled up with silence to the length of a frame. Who says
    /// nothing is silent.
    pub fn hear(&mut self, key: PartyKey, frame: &[i16]) {
        let length = frame.len().min(self.frame);
        let Some(party) = self.party_mut(key) else { return };
        party.said[..length].copy_from_slice(&frame[..length]);
        party.said[length..].fill(0);
        party.is_heard = true;
    }

    /// A party was not listened to in this period, since its sender says that it is so faint (RFC 6464), in decibels below overload:
    /// it is silent, and judged by what it says. That can take the floor from nobody but itself: as a speaker counts only who was
    /// [heard](Self::hear) to be one.
    pub fn hear_level(&mut self, key: PartyKey, level: u8) {
        if let Some(party) = self.party_mut(key) {
            party.is_heard = false;
            party.told = Some(level);
        }
    }

    /// From which level on, in decibels below overload, nobody needs to listen to a party, since it would count as silent all the same;
    /// `None` of one who speaks.
    pub fn faintest(&self, key: PartyKey) -> Option<u8> {
        self.party(key).filter(|party| !party.activity.speaks()).map(|_| FAINTEST as u8)
    }

    /// Ends the period: adds up what was said, and judges who speaks. Then each party can be [told](Self::say).
    pub fn mix(&mut self) {
        self.sum.fill(0);
        for party in &mut self.parties {
            party.judge();
            if party.is_heard {
                add(&mut self.sum, &party.said);
            }
        }
        let peak = self.sum.iter().map(|sum| sum.unsigned_abs()).max().unwrap_or(0);
        let bearable = match i64::from(peak) {
            peak if peak > i64::from(CEILING) => (i64::from(CEILING) * i64::from(UNITY) / peak) as i32,
            _ => UNITY,
        };
        // Rounded up, so that it gets there.
        let recovered = self.gain + (UNITY - self.gain + RELEASE - 1) / RELEASE;
        self.gain = bearable.min(recovered);
        self.judge_floor();
    }

    /// What a party hears of the period that was mixed last: all others. `out` is cut or filled up to the length of a frame.
    pub fn say(&self, key: PartyKey, out: &mut [i16]) {
        let own = self.party(key);
        let length = out.len().min(self.frame);
        let (now, rest) = out.split_at_mut(length);
        rest.fill(0);
        match own {
            Some(party) if party.is_heard => {
                let others = self.sum.iter().zip(&party.said).map(|(sum, own)| sum - i32::from(*own));
                scale(others, self.gain, now);
            }
            Some(_) => scale(self.sum.iter().copied(), self.gain, now),
            None => now.fill(0),
        }
    }

    /// What those hear who do not speak, where they are many: the speakers, without what else comes out of so many rooms. It is the same for
    /// all of them, so that it has to be coded but once. `out` is cut or filled up to the length of a frame.
    pub fn say_to_listeners(&self, out: &mut [i16]) {
        let (now, rest) = out.split_at_mut(out.len().min(self.frame));
        rest.fill(0);
        let mut sum = vec![0; now.len()];
        for party in self.parties.iter().filter(|party| party.activity.speaks() && party.is_heard) {
            add(&mut sum, &party.said);
        }
        scale(sum.into_iter(), self.gain, now);
    }

    /// Whether a party speaks, or has until a moment ago.
    pub fn speaks(&self, key: PartyKey) -> bool {
        self.party(key).is_some_and(|party| party.activity.speaks())
    }

    /// Begins the next period: what was said is over. Without it a party that says nothing more goes on saying the same.
    pub fn begin(&mut self) {
        for party in &mut self.parties {
            party.is_heard = false;
            party.told = None;
        }
    }

    /// How loud a party is of late, in decibels below overload: 0 is loudest, 127 is silence (RFC 6464 §3).
    pub fn level(&self, key: PartyKey) -> u8 {
        self.party(key).map_or(127, |party| party.activity.level().round() as u8)
    }

    /// Who speaks, the loudest first.
    pub fn speakers(&self) -> Vec<PartyKey> {
        let mut speaking: Vec<&Party> = self.parties.iter().filter(|party| party.activity.speaks()).collect();
        speaking.sort_by(|a, b| a.activity.level().total_cmp(&b.activity.level()));
        speaking.into_iter().map(|party| party.key).collect()
    }

    /// Who has the floor: the one of the speakers whom a picture would show. It changes only for who is clearly louder, or when
    /// its speaker falls silent; then it stays with nobody.
    pub fn floor(&self) -> Option<PartyKey> {
        self.floor
    }

    fn party(&self, key: PartyKey) -> Option<&Party> {
        let at = self.parties.binary_search_by_key(&key, |party| party.key).ok()?;
        self.parties.get(at)
    }

    fn party_mut(&mut self, key: PartyKey) -> Option<&mut Party> {
        let at = self.parties.binary_search_by_key(&key, |party| party.key).ok()?;
        self.parties.get_mut(at)
    }

    fn judge_floor(&mut self) {
        let speaking = || self.parties.iter().filter(|party| party.activity.speaks());
        let holder = self.floor.and_then(|floor| speaking().find(|party| party.key == floor));
        let loudest = speaking().min_by(|a, b| a.activity.level().total_cmp(&b.activity.level()));
        self.floor = match (holder, loudest) {
            (Some(holder), Some(loudest))
                if loudest.activity.level() + TAKES_FLOOR > holder.activity.level() =>
            {
                Some(holder.key)
            }
            (_, loudest) => loudest.map(|party| party.key),
        };
    }
}

impl Party {
    fn judge(&mut self) {
        // What somebody says of itself is believed where it is no louder than silence.
        let told = || self.told.map_or(127.0, |level| f32::from(level).clamp(FAINTEST, 127.0));
        let level = if self.is_heard { decibels(&self.said) } else { told() };
        self.activity.judge(level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AudioSource;

    const FRAME: usize = 320;

    /// Lets each party say its tone (`None` is silence) for so many periods, and gives what the last period sounds like to each.
    fn run(
        mixer: &mut Mixer,
        parties: &[(PartyKey, Option<f64>)],
        level: f64,
        periods: usize,
    ) -> Vec<Vec<i16>> {
        let mut sources: Vec<_> = parties
            .iter()
            .map(|(key, tone)| (*key, tone.map(|hertz| AudioSource::tone(hertz, level))))
            .collect();
        for _ in 0..periods {
            mixer.begin();
            for (key, source) in &mut sources {
                let mut frame = [0; FRAME];
                match source {
                    Some(source) => {
                        source.fill(16_000, &mut frame);
                        mixer.hear(*key, &frame);
                    }
                    None => mixer.hear(*key, &frame),
                }
            }
            mixer.mix();
        }
        let hear = |(key, _): &(PartyKey, Option<f64>)| {
            let mut out = vec![0; FRAME];
            mixer.say(*key, &mut out);
            out
        };
        parties.iter().map(hear).collect()
    }

    /// The strength of a tone in a frame, against that of a full-scale sine.
    fn strength(frame: &[i16], hertz: f64) -> f64 {
        let step = hertz / 16_000.0 * std::f64::consts::TAU;
        let sum = |wave: fn(f64) -> f64| -> f64 {
            frame.iter().zip(0..).map(|(it, n)| f64::from(*it) * wave(step * f64::from(n))).sum()
        };
        (sum(f64::sin).powi(2) + sum(f64::cos).powi(2)).sqrt() / frame.len() as f64 * 2.0 / 32_767.0
    }

    #[test]
    fn each_party_hears_the_others_and_not_itself() {
        let mut mixer = Mixer::new(FRAME);
        let tones = [400.0, 700.0, 1_100.0, 1_900.0];
        let parties: Vec<_> = tones.iter().map(|hertz| (mixer.join(), Some(*hertz))).collect();
        for (own, frame) in run(&mut mixer, &parties, -20.0, 5).iter().enumerate() {
            for (other, hertz) in tones.iter().enumerate() {
                let heard = strength(frame, *hertz);
                let expected = if own == other { 0.0 } else { 0.07 };
                assert!((heard - expected).abs() < 0.005, "{own} hears {other} with {heard:.3}");
            }
        }
        mixer.leave(parties[3].0);
        let frames = run(&mut mixer, &parties[..3], -20.0, 5);
        assert!(strength(&frames[0], 1_900.0) < 0.005, "who has left is not heard");
        assert_eq!(mixer.len(), 3);
    }

    #[test]
    fn many_loud_voices_are_turned_down_and_not_clipped() {
        let mut mixer = Mixer::new(FRAME);
        let parties: Vec<_> = (1..=10).map(|n| (mixer.join(), Some(f64::from(n) * 200.0))).collect();
        let loud = run(&mut mixer, &parties, 0.0, 50);
        for frame in &loud {
            assert!(frame.iter().filter(|it| **it == i16::MAX || **it == i16::MIN).count() < 3);
        }
        // It comes back when they are quiet again.
        let quiet = run(&mut mixer, &parties, -40.0, 200);
        assert!((strength(&quiet[0], 400.0) - 0.007).abs() < 0.001, "{}", strength(&quiet[0], 400.0));
    }

    #[test]
    fn who_speaks_is_told_and_who_has_the_floor() {
        let mut mixer = Mixer::new(FRAME);
        let (a, b, c) = (mixer.join(), mixer.join(), mixer.join());
        run(&mut mixer, &[(a, None), (b, None), (c, None)], 0.0, 20);
        assert_eq!((mixer.speakers(), mixer.floor()), (vec![], None));
        run(&mut mixer, &[(a, None), (b, Some(300.0)), (c, None)], -20.0, 20);
        assert_eq!((mixer.speakers(), mixer.floor()), (vec![b], Some(b)));
        assert_eq!((mixer.level(a), mixer.level(b)), (127, 26));
        run(&mut mixer, &[(a, Some(500.0)), (b, Some(300.0)), (c, None)], -19.0, 20);
        assert_eq!((mixer.speakers().len(), mixer.floor()), (2, Some(b)), "hardly louder is not enough");
        // A moment after the last word the floor is free.
        run(&mut mixer, &[(a, Some(500.0)), (b, None), (c, None)], -19.0, 30);
        assert_eq!((mixer.speakers(), mixer.floor()), (vec![a], Some(a)));
    }

    #[test]
    fn listeners_hear_who_speaks_and_nothing_else() {
        let mut mixer = Mixer::new(FRAME);
        let (a, b, c) = (mixer.join(), mixer.join(), mixer.join());
        run(&mut mixer, &[(a, None), (b, None), (c, None)], 0.0, 20);
        let parties = [(a, Some(400.0)), (b, Some(700.0)), (c, None)];
        run(&mut mixer, &parties, -20.0, 5);
        let mut out = [0; FRAME];
        mixer.say_to_listeners(&mut out);
        assert!((strength(&out, 400.0) - 0.07).abs() < 0.005 && (strength(&out, 700.0) - 0.07).abs() < 0.005);
        assert!(mixer.speaks(a) && mixer.speaks(b) && !mixer.speaks(c));
        // A voice that is as faint as a room is heard by those who have a mix of their own.
        run(&mut mixer, &[(a, Some(400.0)), (b, None), (c, None)], -70.0, 30);
        mixer.say_to_listeners(&mut out);
        assert_eq!(out, [0; FRAME]);
        mixer.say(c, &mut out);
        assert_ne!(out, [0; FRAME]);
    }

    #[test]
    fn levels_that_are_told_silence_and_raise_nobody_else() {
        let mut mixer = Mixer::new(FRAME);
        let (honest, loud, faint) = (mixer.join(), mixer.join(), mixer.join());
        let mut voice = AudioSource::tone(300.0, -20.0);
        let mut frame = [0; FRAME];
        for period in 0..60 {
            mixer.begin();
            // Who tells the loudest level, and is not listened to, is silent for all that.
            mixer.hear_level(loud, 0);
            mixer.hear_level(faint, 127);
            if period >= 20 {
                voice.fill(16_000, &mut frame);
            }
            mixer.hear(honest, &frame);
            mixer.mix();
        }
        assert_eq!((mixer.speakers(), mixer.floor()), (vec![honest], Some(honest)));
        assert_eq!((mixer.level(loud), mixer.level(faint)), (55, 127));
        assert_eq!([honest, loud, faint].map(|key| mixer.faintest(key)), [None, Some(55), Some(55)]);
        let mut out = [0; FRAME];
        mixer.say(loud, &mut out);
        assert!((strength(&out, 300.0) - 0.07).abs() < 0.005);
    }

    #[test]
    fn keys_that_are_gone_and_frames_of_other_lengths_do_no_harm() {
        let mut mixer = Mixer::new(4);
        let (a, b) = (mixer.join(), mixer.join());
        mixer.leave(b);
        mixer.hear(b, &[5; 4]);
        mixer.hear(a, &[7; 9]);
        let c = mixer.join();
        mixer.hear(c, &[1]);
        mixer.mix();
        let mut out = [9; 6];
        mixer.say(c, &mut out);
        assert_eq!(out, [7, 7, 7, 7, 0, 0]);
        mixer.say(a, &mut out[..2]);
        assert_eq!(out[..2], [1, 0]);
        mixer.say(b, &mut out);
        assert_eq!(out, [0; 6]);
        mixer.begin();
        mixer.mix();
        mixer.say(c, &mut out[..4]);
        assert_eq!(out[..4], [0; 4]);
        assert!(!mixer.is_empty());
    }
}
