//! One picture in several sizes: which of those that a peer offers we take (RFC 8853 §5.3, RFC 8851 §6.3).

use super::extensions::NegotiatedExtension;
use crate::attribute::{Rid, RidDirection, Simulcast, SimulcastStream};
use crate::{Attribute, Codec, Media};

/// Sizes of one picture that are taken.
const MAX_STREAMS: usize = 4;
/// The header extension by which a packet says which size it is (RFC 8852 §4.1).
pub const RTP_STREAM_ID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
/// The same of a packet that is sent again.
pub const REPAIRED_RTP_STREAM_ID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";

/// Takes the sizes that are offered, where packets can say which they are; of alternatives the first. Gives their names.
pub(super) fn answer(
    theirs: &Media,
    formats: &[Codec],
    extensions: &[NegotiatedExtension],
    media: &mut Media,
) -> Vec<String> {
    let Some(offered) = theirs.get::<Simulcast<'_>>() else { return Vec::new() };
    if !extensions.iter().any(|extension| extension.uri == RTP_STREAM_ID) {
        return Vec::new();
    }
    let rids: Vec<Rid<'_>> = theirs.all::<Rid<'_>>().collect();
    let taken: Vec<(SimulcastStream<'_>, Vec<String>)> = offered
        .send
        .iter()
        .filter_map(|alternatives| alternatives.iter().find_map(|stream| explained(*stream, &rids, formats)))
        .take(MAX_STREAMS)
        .collect();
    if taken.len() < 2 {
        return Vec::new();
    }
    for (stream, numbers) in &taken {
        let restriction =
            if numbers.is_empty() { String::new() } else { format!(" pt={}", numbers.join(",")) };
        media.attributes.push(Attribute::composed(&format!("rid:{} recv{restriction}", stream.id)));
    }
    let receive = taken.iter().map(|(stream, _)| vec![*stream]).collect();
    let ours = Simulcast { send: Vec::new(), receive };
    media.attributes.push(Attribute::composed(&format!("simulcast:{ours}")));
    taken.into_iter().map(|(stream, _)| stream.id.to_owned()).collect()
}

/// A size that is explained and that we can show, and the numbers of the formats that it may have; none of them stands for all.
fn explained<'a>(
    stream: SimulcastStream<'a>,
    rids: &[Rid<'_>],
    formats: &[Codec],
) -> Option<(SimulcastStream<'a>, Vec<String>)> {
    let rid = rids.iter().find(|rid| rid.id == stream.id && rid.direction == RidDirection::Send)?;
    let is_agreed = |number: u8| formats.iter().any(|format| format.payload_type() == number);
    let numbers: Vec<String> =
        rid.payload_types().filter(|number| is_agreed(*number)).map(|it| it.to_string()).collect();
    let is_usable = rid.payload_types().next().is_none() || !numbers.is_empty();
    is_usable.then_some((stream, numbers))
}
