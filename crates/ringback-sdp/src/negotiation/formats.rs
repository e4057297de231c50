//! Which formats two sides share, and which numbers they go by.

use crate::Codec;

/// A format that both sides have, in the words of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shared {
    pub(super) theirs: Codec,
    pub(super) ours: Codec,
}

/// The formats that both sides have, in the order of `theirs`. Empty when they cannot talk to each other.
///
/// Named events, comfort noise, redundancy and repairs are no reason to talk, unless they are all that there is, as in a stream of
/// DTMF on its own (RFC 4317 §2.4). Beside speech they need the clock of one of its formats, because they share
/// its timestamps (RFC 4733 §2.1).
pub(super) fn shared(theirs: &[Codec], ours: &[Codec]) -> Vec<Shared> {
    let mut shared: Vec<Shared> = Vec::new();
    for codec in theirs {
        let own = ours.iter().find(|own| is_same((own, ours), (codec, theirs)));
        let is_new = shared.iter().all(|it| it.theirs.payload_type() != codec.payload_type());
        if let Some(own) = own.filter(|_| is_new) {
            shared.push(Shared { theirs: codec.clone(), ours: own.clone() });
        }
    }
    if theirs.iter().all(Codec::is_companion) {
        return shared;
    }
    let clocks: Vec<u32> =
        shared.iter().filter(|it| !it.theirs.is_companion()).map(|it| it.theirs.clock_rate()).collect();
    shared.retain(|it| clocks.contains(&it.theirs.clock_rate()));
    shared
}

/// Whether two formats, each among those that were described with it, are the same. Redundancy is of what it repeats, and so is what is
/// sent again.
fn is_same((one, among): (&Codec, &[Codec]), (other, others): (&Codec, &[Codec])) -> bool {
    let is_of_another = |codec: &Codec| codec.is_redundancy() || codec.is_retransmission();
    if !is_of_another(one) || !is_of_another(other) {
        return one.matches(other);
    }
    match (repeated(one, among), repeated(other, others)) {
        (Some(a), Some(b)) => one.matches(other) && a.matches(b),
        (_, _) => false,
    }
}

/// The format that one of redundancy carries, or one of retransmissions repairs.
fn repeated<'a>(codec: &Codec, among: &'a [Codec]) -> Option<&'a Codec> {
    let number = codec.repairs().or_else(|| codec.redundant_formats().next())?;
    among.iter().find(|it| it.payload_type() == number && !it.is_redundancy() && !it.is_retransmission())
}

/// The formats of an answer, theirs and ours, by the numbers of the offer.
pub(super) fn answered(shared: Vec<Shared>) -> (Vec<Codec>, Vec<Codec>) {
    let numbers = shared.iter().map(|it| (it.ours.payload_type(), it.theirs.payload_type()));
    let numbers: Vec<(u8, u8)> = numbers.collect();
    let renumber = |Shared { theirs, ours }: Shared| {
        let ours = ours.numbered(theirs.payload_type()).carrying(&numbers);
        (theirs, ours)
    };
    shared.into_iter().map(renumber).unzip()
}

/// The meaning that payload types have had at one `m=` line since the session began.
///
/// A number never changes its meaning within a session (RFC 3264 §8.3.2), so a format that comes back
/// comes back by its old number.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers(Vec<Codec>);

impl Numbers {
    /// Remembers what numbers mean; of two numbers for a format the one learned last is used again.
    pub(super) fn learn<'a>(&mut self, codecs: impl IntoIterator<Item = &'a Codec>) {
        for codec in codecs {
            // Bounded: there are 128 payload types.
            self.0.retain(|known| known.payload_type() != codec.payload_type());
            self.0.push(codec.clone());
        }
    }

    /// The formats with the numbers under which they may be offered. One for which none is left is left out.
    pub(super) fn assign(&self, codecs: &[Codec]) -> Vec<Codec> {
        let mut assigned: Vec<Codec> = Vec::with_capacity(codecs.len());
        let mut numbers: Vec<(u8, u8)> = Vec::with_capacity(codecs.len());
        for codec in codecs {
            let is_alike = |it: &&Codec| is_same((it, &self.0), (codec, codecs));
            let is_free = |number: u8| {
                assigned.iter().all(|it| it.payload_type() != number)
                    && self.0.iter().all(|it| it.payload_type() != number || is_alike(&it))
            };
            let known = self.0.iter().rev().filter(is_alike).map(Codec::payload_type);
            // RFC 3551 §3: dynamic payload types are 96 to 127.
            let number = known.chain([codec.payload_type()]).chain(96..=127).find(|number| is_free(*number));
            assigned.extend(number.map(|number| codec.numbered(number)));
            numbers.extend(number.map(|number| (codec.payload_type(), number)));
        }
        let is_assigned = |number: u8| numbers.iter().any(|(known, _)| *known == number);
        assigned.retain(|codec| codec.redundant_formats().chain(codec.repairs()).all(is_assigned));
        assigned.into_iter().map(|codec| codec.carrying(&numbers)).collect()
    }

    /// Whether one of the numbers was one of redundancy.
    pub(super) fn know_redundancy(&self) -> bool {
        self.0.iter().any(Codec::is_redundancy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codecs(texts: &[&str]) -> Vec<Codec> {
        let codec = |text: &&str| {
            let (number, encoding) = text.split_once(' ').unwrap();
            Codec::from_encoding(number.parse().unwrap(), encoding).unwrap()
        };
        texts.iter().map(codec).collect()
    }

    fn theirs(theirs: &[&str], ours: &[&str]) -> Vec<String> {
        shared(&codecs(theirs), &codecs(ours)).iter().map(|it| it.theirs.to_string()).collect()
    }

    #[test]
    fn shared_formats_keep_the_order_and_numbers_of_the_peer() {
        assert_eq!(
            theirs(&["8 PCMA/8000", "99 iLBC/8000", "0 PCMU/8000"], &["0 PCMU/8000", "97 ilbc/8000"]),
            ["99 iLBC/8000", "0 PCMU/8000"]
        );
        assert_eq!(theirs(&["18 G729/8000"], &["0 PCMU/8000"]), [""; 0]);
    }

    /// rule 50: the clock of telephone-event is that of a codec beside it.
    #[test]
    fn rule_50_events_need_the_clock_of_a_codec() {
        let ours =
            ["0 PCMU/8000", "96 opus/48000/2", "101 telephone-event/8000", "102 telephone-event/48000"];
        assert_eq!(
            theirs(&["0 PCMU/8000", "110 telephone-event/48000", "101 telephone-event/8000"], &ours),
            ["0 PCMU/8000", "101 telephone-event/8000"]
        );
        assert_eq!(
            theirs(&["111 opus/48000/2", "110 telephone-event/48000", "126 telephone-event/8000"], &ours),
            ["111 opus/48000/2", "110 telephone-event/48000"]
        );
        assert_eq!(theirs(&["18 G729/8000", "101 telephone-event/8000"], &ours), [""; 0]);
        assert_eq!(theirs(&["98 telephone-event/8000"], &ours), ["98 telephone-event/8000"]);
    }

    /// RFC 4588 §8.6: each retransmission goes with its format, by the numbers of its side.
    #[test]
    fn a_retransmission_is_shared_where_what_it_repairs_is() {
        let repairing = |texts: &[&str]| -> Vec<Codec> {
            let codec = |text: &&str| match text.split_once(" apt=") {
                Some((codec, of)) => {
                    let number = codec.split(' ').next().and_then(|it| it.parse().ok());
                    Codec::retransmission(number.unwrap(), of.parse().unwrap()).unwrap()
                }
                None => codecs(&[text])[0].clone(),
            };
            texts.iter().map(codec).collect()
        };
        let theirs = repairing(&[
            "97 rtx/90000 apt=96",
            "96 VP8/90000",
            "98 VP9/90000",
            "99 rtx/90000 apt=98",
            "100 rtx/90000 apt=100",
        ]);
        let ours =
            repairing(&["120 VP8/90000", "121 rtx/90000 apt=120", "122 H264/90000", "123 rtx/90000 apt=122"]);
        let shared = shared(&theirs, &ours);
        let both: Vec<_> =
            shared.iter().map(|it| (it.theirs.payload_type(), it.ours.payload_type())).collect();
        assert_eq!(both, [(97, 121), (96, 120)]);
        let (_, answered) = answered(shared);
        assert_eq!((answered[0].payload_type(), answered[0].repairs()), (97, Some(96)));
        // Alone it is no reason to talk.
        assert!(super::shared(&theirs[..1], &ours).is_empty());
        let mut numbers = Numbers::default();
        numbers.learn(&codecs(&["120 VP9/90000", "121 H263/90000"]));
        let offered: Vec<_> =
            numbers.assign(&ours).iter().map(|it| (it.payload_type(), it.repairs())).collect();
        assert_eq!(offered, [(96, None), (97, Some(96)), (122, None), (123, Some(122))]);
    }

    /// rule 48: numbers keep their meaning.
    #[test]
    fn rule_48_a_format_keeps_its_number_and_a_number_its_format() {
        let mut numbers = Numbers::default();
        numbers.learn(&codecs(&["97 iLBC/8000", "101 opus/48000/2"]));
        let offered = numbers.assign(&codecs(&[
            "0 PCMU/8000",
            "101 telephone-event/8000",
            "102 iLBC/8000",
            "97 GSM/8000",
        ]));
        let texts: Vec<String> = offered.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["0 PCMU/8000", "96 telephone-event/8000", "97 iLBC/8000", "98 GSM/8000"]);
    }

    #[test]
    fn when_all_numbers_are_taken_the_rest_is_not_offered() {
        let mut many: Vec<Codec> = (0..40).map(|rate| Codec::new(96, "L16", 8000 + rate).unwrap()).collect();
        many.push(Codec::pcmu());
        let assigned = Numbers::default().assign(&many);
        assert_eq!((assigned.len(), assigned.last()), (33, Some(&Codec::pcmu())));
    }
}
