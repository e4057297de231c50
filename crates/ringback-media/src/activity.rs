//! Who speaks: levels (RFC 6464) against the background of each voice, a packet time after the other.

/// Above its background by so many decibels, somebody speaks.
const ABOVE_BACKGROUND: f32 = 12.0;
/// Below this level nobody speaks, in decibels below overload.
pub(crate) const FAINTEST: f32 = 55.0;
/// So many periods after its last loud one somebody still speaks: pauses between words are no silence.
const HANGOVER: u32 = 15;
/// What a level changes by in a period: half of the way when it grows, and less when it falls.
const ATTACK: f32 = 0.5;
const DECAY: f32 = 0.1;
/// How fast the background follows upwards; downwards it follows at once. Some ten seconds at 20 ms.
const BACKGROUND: f32 = 0.002;

/// What is known of one voice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activity {
    /// In decibels below overload.
    level: f32,
    background: f32,
    /// Periods for which it still counts as speaking.
    speaks: u32,
}

impl Default for Activity {
    fn default() -> Self {
        Self { level: 127.0, background: 127.0, speaks: 0 }
    }
}

impl Activity {
    /// Takes the level of the next period.
    pub(crate) fn judge(&mut self, level: f32) {
        let follows = if level < self.level { ATTACK } else { DECAY };
        self.level += (level - self.level) * follows;
        self.background = if level > self.background {
            level
        } else {
            self.background + (level - self.background) * BACKGROUND
        };
        let is_loud = level < FAINTEST && level + ABOVE_BACKGROUND < self.background;
        self.speaks = if is_loud { HANGOVER } else { self.speaks.saturating_sub(1) };
    }

    /// How loud it is of late, in decibels below overload.
    pub(crate) fn level(&self) -> f32 {
        self.level
    }

    /// Whether it speaks, or has until a moment ago.
    pub(crate) fn speaks(&self) -> bool {
        self.speaks > 0
    }
}
