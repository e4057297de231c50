//! Which of the sizes that a party sends another one sees.

use super::party::{Party, Published, StreamKey};
use crate::video::StreamId;

/// A larger size is taken when there is this much more room than it needs, in percent: what just fits would have to be given
/// up again at once.
const ROOM_TO_GROW: u64 = 120;

/// Which of the sizes that others send a party is to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Layer {
    /// The largest that comes through, as far as that is known; else the largest.
    #[default]
    Fitting,
    /// The smallest.
    Smallest,
    /// The one that its sender calls so (`a=rid`), where there is one; else as [`Fitting`](Self::Fitting).
    Named(String),
}

/// The stream of `source` that `receiver` is to see at one of so many places; `None` where it can show none of them.
pub(super) fn choose(
    receiver: &Party,
    source: &Party,
    seen: Option<StreamKey>,
    places: usize,
) -> Option<StreamId> {
    let mut fitting: Vec<&Published> = source
        .streams
        .iter()
        .filter(|stream| receiver.formats.iter().any(|format| format.matches(&stream.format)))
        .collect();
    // By how much it is, and where that is not known yet, as they came.
    fitting.sort_by_key(|stream| stream.bit_rate);
    let smallest = fitting.first()?.id;
    let largest = || fitting.last().map_or(smallest, |stream| stream.id);
    let by_room = || {
        let Some(estimate) = receiver.estimate else { return largest() };
        let room = estimate / places.max(1) as u64;
        let seen = seen.filter(|seen| seen.party == source.key).map(|seen| seen.stream);
        let seen_rate = fitting.iter().find(|stream| Some(stream.id) == seen).map(|it| it.bit_rate);
        let fits = |stream: &&&Published| {
            let grows = seen_rate.is_some_and(|seen| stream.bit_rate > seen);
            let needed = if grows { stream.bit_rate * ROOM_TO_GROW / 100 } else { stream.bit_rate };
            needed <= room
        };
        fitting.iter().rfind(fits).map_or(smallest, |stream| stream.id)
    };
    Some(match &receiver.layer {
        Layer::Smallest => smallest,
        Layer::Named(name) => {
            let named = fitting.iter().find(|stream| stream.rid.as_deref() == Some(name));
            named.map_or_else(by_room, |stream| stream.id)
        }
        Layer::Fitting => by_room(),
    })
}
