//! By which numbers what formats go and come, which repair them, and how packets say which size they are.

use ringback_rtp::{PayloadType, RtpPacket};
use ringback_sdp::{Codec, NegotiatedMedia, REPAIRED_RTP_STREAM_ID, RTP_STREAM_ID};
use std::sync::Arc;

/// The formats of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Formats {
    send: Vec<Numbered>,
    receive: Vec<Numbered>,
    sizes: Vec<Arc<str>>,
    /// The header extensions that name a size: in a packet of it, and in one that is sent again.
    size: Option<u8>,
    repaired_size: Option<u8>,
}

/// A format, its number, and the number of its retransmissions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Numbered {
    format: Arc<Codec>,
    number: PayloadType,
    repair: Option<PayloadType>,
}

/// A size that nobody agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnknownSize;

/// What a packet is by its number.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    /// A picture.
    Picture(Arc<Codec>),
    /// A packet of the format with this number, sent again.
    Repair(PayloadType),
}

impl Formats {
    pub(super) fn new(agreed: &NegotiatedMedia) -> Self {
        let extension = |uri| agreed.header_extension(uri).map(|it| it.id);
        Self {
            send: numbered(&agreed.send),
            receive: numbered(&agreed.receive),
            sizes: agreed.sizes.iter().map(|name| Arc::from(name.as_str())).collect(),
            size: extension(RTP_STREAM_ID),
            repaired_size: extension(REPAIRED_RTP_STREAM_ID),
        }
    }

    /// What the peer takes.
    pub(super) fn to_send(&self) -> Vec<Codec> {
        self.send.iter().map(|it| (*it.format).clone()).collect()
    }

    /// The numbers by which a format goes, and by which it goes again.
    pub(super) fn number(&self, format: &Codec) -> Option<(PayloadType, Option<PayloadType>)> {
        self.send.iter().find(|it| it.format.matches(format)).map(|it| (it.number, it.repair))
    }

    /// The number of the retransmissions of the format that goes by `number`.
    pub(super) fn repair_of(&self, number: PayloadType) -> Option<PayloadType> {
        self.send.iter().find(|it| it.number == number)?.repair
    }

    /// Which size a packet says that it is, or that it repairs; an error where nobody agreed on that name.
    pub(super) fn size(
        &self,
        packet: &RtpPacket<'_>,
        is_repair: bool,
    ) -> Result<Option<Arc<str>>, UnknownSize> {
        let id = if is_repair { self.repaired_size } else { self.size };
        let Some(name) = id.and_then(|id| packet.extension?.element(id)) else { return Ok(None) };
        self.sizes.iter().find(|it| it.as_bytes() == name).cloned().map(Some).ok_or(UnknownSize)
    }

    /// What comes by this number.
    pub(super) fn meaning(&self, number: PayloadType) -> Option<Meaning> {
        self.receive.iter().find_map(|it| match it {
            it if it.number == number => Some(Meaning::Picture(Arc::clone(&it.format))),
            it if it.repair == Some(number) => Some(Meaning::Repair(it.number)),
            _ => None,
        })
    }
}

fn numbered(codecs: &[Codec]) -> Vec<Numbered> {
    let number = |codec: &Codec| PayloadType::new(codec.payload_type());
    let repair =
        |of: &Codec| codecs.iter().find(|it| it.repairs() == Some(of.payload_type())).and_then(number);
    let pictures = codecs.iter().filter(|codec| !codec.is_retransmission());
    pictures
        .filter_map(|codec| {
            let (format, repair) = (Arc::new(codec.clone()), repair(codec));
            Some(Numbered { format, number: number(codec)?, repair })
        })
        .collect()
}
