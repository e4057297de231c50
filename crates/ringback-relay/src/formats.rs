//! Which formats each side of a converted medium is told of (RFC 3264 §5.1, §6.1): an offer gains those that we can convert, and what
//! is answered becomes an answer to what was offered.

use crate::Side;
use ringback_media::{AudioCodecs, packet_time};
use ringback_sdp::{Attribute, Codec, Media, MediaKind};
use std::sync::LazyLock;
use std::time::Duration;

/// What we convert.
pub(crate) static KNOWN: LazyLock<AudioCodecs> = LazyLock::new(AudioCodecs::default);

/// Formats of one side that are remembered, at most.
const MAX_FORMATS: usize = 32;

/// The formats of one side, with the numbers by which its packets are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SideFormats {
    /// What it sends.
    pub sends: Vec<Codec>,
    /// What it takes, best first.
    pub takes: Vec<Codec>,
    /// How much audio it wants in a packet, as far as it said anything of that.
    pub ptime: Option<Duration>,
}

/// What was said of the formats of one line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Formats {
    offered: Option<(Side, Vec<Codec>)>,
    /// What each side was told last, and so sends by.
    told: [Vec<Codec>; 2],
    /// How much audio each side wants in a packet.
    ptimes: [Option<Duration>; 2],
}

/// What comes of an offer and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// The formats of the caller and of the callee.
    pub(crate) formats: Box<[SideFormats; 2]>,
    /// Whether some packets may have to be converted; else both understand each other in all of them.
    pub(crate) is_needed: bool,
}

/// Whether the formats of a medium can be converted, as far as its line tells.
pub(crate) fn is_convertible(media: &Media) -> bool {
    media.kind == MediaKind::AUDIO && media.is_rtp() && media.attribute("fingerprint").is_none()
}

impl Formats {
    /// Adds to what `side` offers what we can convert to and from it; with `only`, the other side is offered these alone, in
    /// their order.
    pub(crate) fn offer(&mut self, side: Side, media: &mut Media, only: Option<&AudioCodecs>) {
        let mut theirs = codecs(media);
        self.ptimes[side.index()] = wanted(media);
        let told = &mut self.told[side.other().index()];
        if theirs.iter().any(|codec| KNOWN.find(codec).is_some()) {
            leave_out_redundancy(media, &mut theirs);
        }
        let mut numbers = theirs.clone();
        let can_convert = theirs.iter().any(|codec| KNOWN.find(codec).is_some());
        if let (true, Some(only)) = (can_convert, only) {
            let chosen = chosen(&theirs, told, only);
            put(media, &chosen);
            numbers = chosen;
        } else if can_convert {
            let more = KNOWN.offer().into_iter().filter(|own| !own.is_comfort_noise());
            for own in more.filter(|own| !theirs.iter().any(|codec| codec.matches(own))) {
                if let Some(own) = numbered(&own, &numbers, told) {
                    media.push_codec(&own);
                    numbers.push(own);
                }
            }
        }
        *told = numbers;
        self.offered = Some((side, theirs));
    }

    /// Makes of what `side` answers what its peer has offered; nothing where we know none of it.
    pub(crate) fn answer(&mut self, side: Side, media: &mut Media) -> Option<Agreed> {
        let (asker, offered) = self.offered.as_ref().filter(|(asker, _)| *asker != side)?;
        let answered = codecs(media);
        let told = told_to(offered, &answered)?;
        let is_same = told.len() == answered.len()
            && told.iter().zip(&answered).all(|(told, own)| told.payload_type() == own.payload_type());
        self.told[asker.index()].clone_from(&told);
        self.ptimes[side.index()] = wanted(media);
        if !is_same {
            let is_common =
                answered.iter().any(|own| is_speech(own) && told.iter().any(|told| told.matches(own)));
            if !is_common {
                media.attributes.retain(|attribute| !matches!(attribute.name(), "ptime" | "maxptime"));
            }
            put(media, &told);
        }
        let ptime = self.ptimes[asker.index()];
        let theirs = SideFormats { sends: told.clone(), takes: told, ptime };
        let (sends, ptime) = (self.told[side.index()].clone(), self.ptimes[side.index()]);
        let own = SideFormats { sends, takes: answered, ptime };
        let formats = Box::new(match side {
            Side::Callee => [theirs, own],
            Side::Caller => [own, theirs],
        });
        Some(Agreed { formats, is_needed: !is_same })
    }
}

/// Takes out what repeats other formats (RFC 2198): what is converted packet by packet cannot carry what others have carried.
fn leave_out_redundancy(media: &mut Media, codecs: &mut Vec<Codec>) {
    for codec in codecs.extract_if(.., |codec| codec.is_redundancy()) {
        let number = codec.payload_type().to_string();
        media.formats.retain(|format| format.as_str() != number);
        let is_of_it = |attribute: &Attribute| {
            let value = attribute.value().unwrap_or_default();
            matches!(attribute.name(), "rtpmap" | "fmtp") && value.split(' ').next() == Some(&number)
        };
        media.attributes.retain(|attribute| !is_of_it(attribute));
    }
}

/// Puts formats in place of those of a line.
fn put(media: &mut Media, codecs: &[Codec]) {
    media.formats.clear();
    media.attributes.retain(|attribute| !matches!(attribute.name(), "rtpmap" | "fmtp"));
    codecs.iter().for_each(|codec| media.push_codec(codec));
}

/// The formats of `only` in its order, as `offered` has them where it does, and the events that go with them.
fn chosen(offered: &[Codec], before: &[Codec], only: &AudioCodecs) -> Vec<Codec> {
    let mut chosen: Vec<Codec> = Vec::new();
    for own in only.offer() {
        // Comfort noise is made by who speaks, and that may not be who is heard.
        if own.is_comfort_noise() {
            continue;
        }
        let theirs = offered.iter().find(|codec| codec.matches(&own)).cloned();
        // Numbers of the offer are kept for what they mean there, and ours do not take them.
        let taken: Vec<Codec> = offered.iter().chain(&chosen).cloned().collect();
        chosen.extend(theirs.or_else(|| numbered(&own, &taken, before)));
    }
    chosen
}

/// The answer for whom `offered` is from; nothing where we cannot help, or need not.
fn told_to(offered: &[Codec], answered: &[Codec]) -> Option<Vec<Codec>> {
    let mut told: Vec<Codec> = Vec::new();
    for own in answered {
        // The number is that of the offer, the parameters are of who answers.
        let theirs = offered.iter().find(|codec| codec.matches(own));
        told.extend(theirs.and_then(|theirs| renumbered(own, theirs.payload_type())));
    }
    if !told.iter().any(is_speech) {
        if !answered.iter().any(|own| KNOWN.find(own).is_some()) {
            return None;
        }
        let speech = offered.iter().find_map(|codec| Some((codec, KNOWN.find(codec)?)));
        let (codec, known) = speech?;
        let own = renumbered(&known.description(), codec.payload_type())?;
        told = vec![own];
    }
    // Digits are converted as well: whoever can say them by events may.
    let clocks: Vec<u32> = told.iter().filter(|codec| is_speech(codec)).map(Codec::clock_rate).collect();
    let events = offered.iter().filter(|codec| codec.is_telephone_event());
    let missing = events.filter(|event| clocks.contains(&event.clock_rate()));
    let missing: Vec<Codec> =
        missing.filter(|event| !told.iter().any(|codec| codec.matches(event))).cloned().collect();
    told.extend(missing);
    Some(told)
}

/// How much audio a description asks for in a packet.
fn wanted(media: &Media) -> Option<Duration> {
    let (ptime, maxptime) = (media.ptime(), media.maxptime());
    (ptime.is_some() || maxptime.is_some()).then(|| packet_time(ptime, maxptime))
}

fn codecs(media: &Media) -> Vec<Codec> {
    media.codecs().into_iter().take(MAX_FORMATS).collect()
}

pub(crate) fn is_speech(codec: &Codec) -> bool {
    !codec.is_telephone_event() && !codec.is_comfort_noise()
}

/// A format by a number that is free: the one by which it was told before, its own, or a dynamic one (RFC 3551 §3).
fn numbered(codec: &Codec, taken: &[Codec], before: &[Codec]) -> Option<Codec> {
    let is_free = |number: u8| {
        taken.iter().all(|other| other.payload_type() != number)
            && before.iter().all(|other| other.payload_type() != number || other.matches(codec))
    };
    let known = before.iter().filter(|other| other.matches(codec)).map(Codec::payload_type);
    let number = known.chain([codec.payload_type()]).chain(96..=127).find(|number| is_free(*number))?;
    renumbered(codec, number)
}

fn renumbered(codec: &Codec, number: u8) -> Option<Codec> {
    let same = Codec::new(number, codec.name(), codec.clock_rate()).ok()?.with_channels(codec.channels());
    match codec.fmtp() {
        Some(parameters) => same.with_fmtp(parameters).ok(),
        None => Some(same),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sdp::{SessionDescription, Word};

    fn media(formats: &str, lines: &str) -> Media {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}\r\n{}",
            lines.split_terminator('\n').map(|line| format!("{line}\r\n")).collect::<String>()
        );
        SessionDescription::parse(text.as_bytes()).unwrap().media.remove(0)
    }

    fn words(media: &Media) -> String {
        media.codecs().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    const PHONE: &str = "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=ptime:30\n";

    #[test]
    fn an_offer_gains_what_we_convert_under_numbers_that_are_free() {
        let mut formats = Formats::default();
        let mut offer = media("0 96 111", "a=rtpmap:96 telephone-event/8000\na=rtpmap:111 iLBC/8000\n");
        formats.offer(Side::Caller, &mut offer, None);
        assert_eq!(
            words(&offer),
            "0 PCMU/8000, 96 telephone-event/8000, 111 iLBC/8000, 97 opus/48000/2, 9 G722/8000, 8 PCMA/8000, \
             110 telephone-event/48000"
        );
        assert!(offer.fmtp(97).is_some_and(|it| it.contains("useinbandfec")));
        // The next offer keeps their numbers, and one in which there is nothing to convert is left alone.
        let mut again = media("0", "");
        formats.offer(Side::Caller, &mut again, None);
        assert!(words(&again).contains("97 opus/48000/2"), "{}", words(&again));
        let mut other = media("18 99", "a=rtpmap:99 AMR/8000\n");
        formats.offer(Side::Caller, &mut other, None);
        assert_eq!(other.formats, [Word::from_static("18"), Word::from_static("99")]);
    }

    #[test]
    fn what_repeats_others_is_left_out_of_what_may_be_converted() {
        let red = "a=rtpmap:96 red/8000\na=fmtp:96 0/0\na=rtpmap:97 iLBC/8000\n";
        let mut offer = media("96 0 97", red);
        Formats::default().offer(Side::Caller, &mut offer, None);
        assert!(words(&offer).starts_with("0 PCMU/8000, 97 iLBC/8000, "), "{}", words(&offer));
        assert_eq!(offer.fmtp(96), None);
        let mut unknown = media("96 97", red);
        Formats::default().offer(Side::Caller, &mut unknown, None);
        assert_eq!(words(&unknown), "96 red/8000, 97 iLBC/8000");
    }

    #[test]
    fn who_has_nothing_in_common_is_answered_with_the_first_of_his_own() {
        let mut formats = Formats::default();
        formats.offer(Side::Callee, &mut media("8 0 101", PHONE), None);
        let opus = "a=rtpmap:111 opus/48000/2\na=fmtp:111 usedtx=1\na=rtpmap:110 telephone-event/48000\na=ptime:40\n";
        let mut answer = media("111 110", opus);
        let Agreed { formats: agreed, is_needed: true } = formats.answer(Side::Caller, &mut answer).unwrap()
        else {
            panic!("nothing is in common")
        };
        assert_eq!(words(&answer), "8 PCMA/8000, 101 telephone-event/8000");
        assert_eq!(answer.ptime(), None, "that was of another codec");
        let [caller, callee] = *agreed;
        assert_eq!(caller.takes, media("111 110", opus).codecs());
        assert!(caller.sends.iter().any(|codec| codec.is_named("opus")));
        assert_eq!((callee.sends.len(), &callee.sends), (2, &callee.takes));
        assert_eq!([caller.ptime, callee.ptime], [40, 30].map(|it| Some(Duration::from_millis(it))));
    }

    #[test]
    fn where_all_is_common_nothing_is_converted_and_nothing_is_rewritten() {
        let mut formats = Formats::default();
        formats.offer(Side::Caller, &mut media("8 0 101", PHONE), None);
        let mut answer = media("0 101", PHONE);
        let before = answer.clone();
        assert!(!formats.answer(Side::Callee, &mut answer).unwrap().is_needed);
        assert_eq!(answer, before);
        // One format more, which we had offered: he may send it, so we have to be able to convert.
        let mut answer = media("0 9 101", PHONE);
        let agreed = formats.answer(Side::Callee, &mut answer).unwrap();
        assert!(agreed.is_needed);
        assert_eq!(agreed.formats[1].takes.len(), 3);
        assert_eq!(words(&answer), "0 PCMU/8000, 101 telephone-event/8000");
        // No events: they are converted.
        let mut answer = media("0", "");
        assert!(formats.answer(Side::Callee, &mut answer).unwrap().is_needed);
        assert_eq!(words(&answer), "0 PCMU/8000, 101 telephone-event/8000");
        // What we do not know is left to the two of them.
        let mut answer = media("18", "");
        assert_eq!(formats.answer(Side::Callee, &mut answer), None);
        assert_eq!(words(&answer), "18 G729/8000");
    }

    #[test]
    fn a_side_may_be_offered_chosen_formats_alone_and_in_their_order() {
        let only: AudioCodecs = "opus,pcma".parse().unwrap();
        let mut formats = Formats::default();
        // 97 means something else to the caller.
        let mut offer =
            media("0 8 97 101", "a=rtpmap:97 iLBC/8000\na=rtpmap:101 telephone-event/8000\na=ptime:30\n");
        formats.offer(Side::Caller, &mut offer, Some(&only));
        assert_eq!(
            words(&offer),
            "111 opus/48000/2, 8 PCMA/8000, 110 telephone-event/48000, 101 telephone-event/8000"
        );
        assert_eq!(offer.ptime(), Some(Duration::from_millis(30)), "that is the caller's wish still");
        // What both know passes; what only we do is converted.
        let mut answer = media("8", "");
        let agreed = formats.clone().answer(Side::Callee, &mut answer).unwrap();
        assert_eq!(words(&answer), "8 PCMA/8000, 101 telephone-event/8000");
        assert_eq!(agreed.formats[1].sends.len(), 4);
        let mut answer = media("111", "a=rtpmap:111 opus/48000/2\n");
        let agreed = formats.answer(Side::Callee, &mut answer).unwrap();
        assert!(agreed.is_needed);
        assert_eq!(words(&answer), "0 PCMU/8000, 101 telephone-event/8000");
        // Where there is nothing that we can convert, the offer stays as it is.
        let mut other = media("18", "");
        Formats::default().offer(Side::Caller, &mut other, Some(&only));
        assert_eq!(words(&other), "18 G729/8000");
    }
}
