//! Which fields a message may have, in two words, so that most of those that it lacks are not searched for.

use crate::HeaderId;
use crate::message::Field;

/// A bit for each field, which it may share with another. One that was removed may still be seen here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen(u128);

impl Seen {
    pub(crate) fn of(fields: &[Field]) -> Self {
        Self(fields.iter().fold(0, |seen, field| seen | bit(field.id)))
    }

    pub(crate) fn add(&mut self, id: HeaderId) {
        self.0 |= bit(id);
    }

    #[inline(always)]
    pub(crate) fn may_have(self, id: HeaderId) -> bool {
        self.0 & bit(id) != 0
    }
}

#[inline(always)]
fn bit(id: HeaderId) -> u128 {
    1 << (id.index() % 128)
}
