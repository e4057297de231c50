//! Packets sorted into calls: SIP by Call-ID, RTP by the addresses that the SDP announced.

use crate::capture::Packet;
use crate::ladder::{self, Ladder};
use crate::media::Media;
use crate::message::{Described, Kind, begins_message};
use crate::names::Names;
use crate::story;
use crate::text::{printable, span};
use ringback_rtp::{Datagram, RtpPacket};
use ringback_sansio::{Map, Protocol};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Calls that are kept; packets of later ones are not taken.
const MAX_CALLS: usize = 50_000;
/// Messages of one call.
const MAX_MESSAGES: usize = 2_000;
/// How far back the same message is looked for.
const REPEATED_WITHIN: usize = 64;
/// The longest line of a message that is shown in full.
const MAX_LINE: usize = 1_000;
/// The longest title of a diagram.
const MAX_TITLE: usize = 120;
/// Media addresses of one call.
const MAX_ADDRESSES: usize = 64;

/// A collection of calls. Memory is bounded; what comes beyond is refused and nothing is forgotten.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    calls: Vec<Call>,
    by_id: Map<String, usize>,
    by_media: Map<SocketAddr, usize>,
}

impl Calls {
    /// No calls.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet; `false` when it is neither SIP nor RTP of a known call, or there is no room.
    pub fn add(&mut self, packet: &Packet) -> bool {
        if begins_message(&packet.payload) {
            return Described::read(&packet.payload).is_some_and(|it| self.add_message(packet, it));
        }
        if packet.protocol != Protocol::Udp || Datagram::classify(&packet.payload) != Datagram::Rtp {
            return false;
        }
        let known = self.by_media.get(&packet.destination).or_else(|| self.by_media.get(&packet.source));
        let (Some(call), Ok(rtp)) = (known.copied(), RtpPacket::parse(&packet.payload)) else { return false };
        match self.calls.get_mut(call) {
            Some(call) => {
                let name = call.codecs.get(&(packet.destination, rtp.payload_type.number()));
                call.media.add(packet, &rtp, name.map(String::as_str));
                true
            }
            None => false,
        }
    }

    /// All calls in the order of their first messages.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Call> {
        self.calls.iter()
    }

    /// The call of that Call-ID.
    pub fn find(&self, call_id: &str) -> Option<&Call> {
        self.calls.get(*self.by_id.get(call_id)?)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// One diagram of everything, as of a whole capture. `title` stands above it.
    pub fn ladder(&self, title: &str, names: &Names) -> Ladder {
        let (messages, packets) =
            self.calls.iter().fold((0, 0), |sum, it| (sum.0 + it.entries.len(), sum.1 + it.rtp_count()));
        let subtitle = format!("{messages} messages, {packets} RTP packets");
        ladder::of_calls(self.calls.iter(), printable(title.as_bytes(), MAX_TITLE), subtitle, names)
    }

    fn add_message(&mut self, packet: &Packet, described: Described) -> bool {
        let index = match self.by_id.get(&described.call_id) {
            Some(index) => *index,
            None if self.calls.len() >= MAX_CALLS => return false,
            None => {
                let index = self.calls.len();
                self.by_id.insert(described.call_id.clone(), index);
                self.calls.push(Call::new(&described));
                index
            }
        };
        let Some(call) = self.calls.get_mut(index) else { return false };
        if call.entries.len() >= MAX_MESSAGES {
            call.omitted += 1;
            return false;
        }
        for line in &described.media {
            let Some(address) = line.address.filter(|_| call.owners.len() < MAX_ADDRESSES) else { continue };
            // Whoever is seen first with an address speaks of itself; proxies only pass it on.
            call.owners.entry(address).or_insert(packet.source);
            self.by_media.insert(address, index);
            for codec in &line.codecs {
                call.codecs.insert((address, codec.payload_type()), codec.name().to_owned());
            }
        }
        call.add(packet, described);
        true
    }
}

/// One call, or whatever else shares a Call-ID, such as a registration.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) call_id: String,
    pub(crate) method: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) entries: Vec<Entry>,
    pub(crate) media: Media,
    /// Addresses, such as those of connections, and where their owners say that they listen.
    aliases: Map<SocketAddr, SocketAddr>,
    /// Which SIP address announced a media address.
    owners: Map<SocketAddr, SocketAddr>,
    /// What a payload type is called at a media address.
    codecs: Map<(SocketAddr, u8), String>,
    /// Messages for which there was no room.
    pub(crate) omitted: u64,
}

/// One message of a call.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) packet: Packet,
    pub(crate) described: Described,
    /// The same octets went the same way before.
    pub(crate) again: bool,
}

/// How a call went, as far as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is no final response.
    Pending,
    /// It was answered and has not ended.
    Talking {
        /// From the first INVITE to the first 2xx.
        setup: Duration,
    },
    /// It was answered and ended by a BYE.
    Completed {
        /// From the first INVITE to the first 2xx.
        setup: Duration,
        /// From then to the BYE.
        talked: Duration,
    },
    /// The caller gave up.
    Cancelled,
    /// Another request than INVITE was answered, or a call was refused.
    Answered {
        /// The last final status.
        status: u16,
        /// Its reason phrase, fit to be shown.
        reason: String,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("no final response"),
            Self::Talking { setup } => write!(f, "answered after {}", span(*setup)),
            Self::Completed { setup, talked } => {
                write!(f, "answered after {}, talked for {}", span(*setup), span(*talked))
            }
            Self::Cancelled => f.write_str("cancelled"),
            Self::Answered { status, reason } => write!(f, "{status} {reason}"),
        }
    }
}

impl Call {
    fn new(first: &Described) -> Self {
        Self {
            call_id: first.call_id.clone(),
            method: first.method.clone(),
            from: first.from.clone(),
            to: first.to.clone(),
            entries: Vec::new(),
            media: Media::default(),
            aliases: Map::default(),
            owners: Map::default(),
            codecs: Map::default(),
            omitted: 0,
        }
    }

    fn add(&mut self, packet: &Packet, described: Described) {
        let same = |it: &Entry| {
            (it.packet.source, it.packet.destination) == (packet.source, packet.destination)
                && it.packet.payload == packet.payload
        };
        let again = self.entries.iter().rev().take(REPEATED_WITHIN).any(same);
        if let Some(home) = home(packet, &described) {
            self.aliases.insert(packet.source, home);
        }
        self.entries.push(Entry { packet: packet.clone(), described, again });
    }

    /// The Call-ID, fit to be shown.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// The method of the first message.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The URI of the caller.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The URI of whom is called.
    pub fn to(&self) -> &str {
        &self.to
    }

    /// When its first message was seen, since 1970.
    pub fn begin(&self) -> Duration {
        self.entries.first().map_or(Duration::ZERO, |it| it.packet.time)
    }

    /// How many messages were seen.
    pub fn message_count(&self) -> usize {
        self.entries.len()
    }

    /// How many RTP packets were seen.
    pub fn rtp_count(&self) -> u64 {
        self.media.runs.iter().map(|it| it.packets).sum()
    }

    /// How it went.
    pub fn outcome(&self) -> Outcome {
        let first = |test: &dyn Fn(&Described) -> bool| self.entries.iter().find(|it| test(&it.described));
        let is_success =
            |it: &Described| matches!(it.kind, Kind::Response(200..300)) && it.method == "INVITE";
        if let Some(answer) = first(&is_success) {
            let setup = answer.packet.time.saturating_sub(self.begin());
            let bye = first(&|it| it.kind == Kind::Request && it.method == "BYE");
            return match bye {
                Some(bye) => {
                    Outcome::Completed { setup, talked: bye.packet.time.saturating_sub(answer.packet.time) }
                }
                None => Outcome::Talking { setup },
            };
        }
        let last = self.entries.iter().rev().find_map(|it| match it.described.kind {
            Kind::Response(status) if status >= 200 && it.described.method == self.method => {
                Some((status, it.described.about.clone()))
            }
            _ => None,
        });
        match last {
            Some((487, _)) => Outcome::Cancelled,
            Some((status, reason)) => Outcome::Answered { status, reason },
            None if first(&|it| it.method == "CANCEL").is_some() => Outcome::Cancelled,
            None => Outcome::Pending,
        }
    }

    /// It in one line, for a list: who, whom, how it went, how much was seen.
    pub fn summary(&self, names: &Names) -> String {
        let ends = self
            .entries
            .first()
            .map(|it| names.of(self.participant(it.packet.source, names)))
            .unwrap_or_default();
        let seen = match self.rtp_count() {
            0 => format!("{} messages", self.entries.len()),
            rtp => format!("{} messages, {rtp} RTP packets", self.entries.len()),
        };
        let Self { method, from, to, .. } = self;
        let who = if from == to { format!("{method} {from}") } else { format!("{method} {from} → {to}") };
        format!("{who} by {ends}: {} ({seen})", self.outcome())
    }

    /// Its messages in full, each behind a line with its time and ends, fit to be shown.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = String> + '_ {
        self.entries.iter().map(|Entry { packet, again, .. }| {
            let at = packet.time.saturating_sub(self.begin()).as_secs_f64();
            let again = if *again { ", again" } else { "" };
            let Packet { source, destination, protocol, payload, .. } = packet;
            let head = format!("{at:.3}  {source} → {destination} {}{again}\n", protocol.as_via());
            payload.split(|it| *it == b'\n').fold(head, |text, line| {
                text + "  " + &printable(line.strip_suffix(b"\r").unwrap_or(line), MAX_LINE) + "\n"
            })
        })
    }

    /// Its diagram.
    pub fn ladder(&self, names: &Names) -> Ladder {
        ladder::of_call(self, names)
    }

    /// What happened, in a few sentences with times, for those who ask why.
    pub fn story(&self, names: &Names) -> Vec<String> {
        story::tell(self, names)
    }

    /// The address by which a participant is known: its own where that has a name, else where it listens.
    pub(crate) fn participant(&self, address: SocketAddr, names: &Names) -> SocketAddr {
        match (names.given(address), self.aliases.get(&address)) {
            (None, Some(home)) => *home,
            _ => address,
        }
    }

    /// The participant behind an address of the media: whoever announced it, else whoever lives at that host.
    pub(crate) fn media_owner(&self, address: SocketAddr) -> SocketAddr {
        let same_host = || {
            let ends = self.entries.iter().flat_map(|it| [it.packet.source, it.packet.destination]);
            let mut hosts = ends.filter(|it| it.ip() == address.ip());
            hosts.next()
        };
        self.owners.get(&address).copied().or_else(same_host).unwrap_or(address)
    }
}

/// Where the sender of a request listens, if it sent from another port of the same host, as over a connection that
/// it opened.
pub(crate) fn home(packet: &Packet, described: &Described) -> Option<SocketAddr> {
    let away = |it: &SocketAddr| *it != packet.source && *it != packet.destination;
    described.sent_by.filter(|it| it.ip() == packet.source.ip() && away(it))
}
