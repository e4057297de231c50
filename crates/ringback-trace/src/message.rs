//! What one SIP message says in a few words.

use crate::text::printable;
use bytes::Bytes;
use ringback_message::header::NameAddr;
use ringback_message::{HeaderId, Message, Method, Response, header};
use ringback_sansio::Protocol;
use ringback_sdp::{Codec, Connection, Direction, Host, SessionDescription};
use std::net::SocketAddr;

/// The longest piece of a peer's text that is shown.
const MAX_TEXT: usize = 48;
/// The longest Call-ID that is told apart from others.
const MAX_CALL_ID: usize = 256;
/// Codecs of an offer that are named.
const MAX_NAMED: usize = 3;

/// A message, read as far as a ladder needs.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) call_id: String,
    pub(crate) kind: Kind,
    pub(crate) sequence: u32,
    /// The method of the transaction, from CSeq where it is a response.
    pub(crate) method: String,
    /// Whether it belongs to a dialog.
    pub(crate) in_dialog: bool,
    /// Where the sender of a request says that it listens (the sent-by of its Via).
    pub(crate) sent_by: Option<SocketAddr>,
    pub(crate) from: String,
    pub(crate) to: String,
    /// The Request-URI, or the reason phrase.
    pub(crate) about: String,
    pub(crate) hints: Hints,
    pub(crate) media: Vec<MediaLine>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Response(u16),
}

/// What is worth knowing beside the label: all of it, then shorter and shorter, for where there is less room. Empty when
/// there is nothing.
pub(crate) type Hints = Vec<String>;

/// An audio line of an offer or answer.
#[derive(Clone, Debug)]
pub(crate) struct MediaLine {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) direction: Direction,
}

/// Whether SIP begins here: a start line, or as much of it as there is.
pub(crate) fn begins_message(octets: &[u8]) -> bool {
    let start = octets.iter().position(|it| !matches!(it, b'\r' | b'\n')).unwrap_or(octets.len());
    let line = octets[start..].split(|it| *it == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let method = line.iter().take_while(|it| it.is_ascii_uppercase()).count();
    line.starts_with(b"SIP/2.0 ")
        || (method >= 3 && line.get(method) == Some(&b' ') && line.ends_with(b" SIP/2.0"))
        // The end of the line is in the next segment.
        || (method >= 3 && line.get(method) == Some(&b' ') && start + line.len() == octets.len() && line.len() > 500)
}

impl Described {
    /// Reads a message; `None` when it is none.
    pub(crate) fn read(octets: &Bytes) -> Option<Self> {
        let message = Message::parse(octets.clone()).ok()?;
        let text = |id| message.values(id).next().map(|it| printable(it, MAX_TEXT)).unwrap_or_default();
        let cseq = message.first::<header::CSeq>().and_then(Result::ok);
        let in_dialog = match message.first::<header::To>() {
            Some(Ok(to)) => to.0.tag().is_some(),
            _ => false,
        };
        let kind = message.status().map_or(Kind::Request, |status| Kind::Response(status.as_u16()));
        let method = match (kind, &cseq) {
            (Kind::Request, _) => message.method().map(ToString::to_string),
            (Kind::Response(_), cseq) => cseq.as_ref().map(|it| it.method.to_string()),
        };
        let media = media(&message);
        Some(Self {
            call_id: printable(message.values(HeaderId::CALL_ID).next()?, MAX_CALL_ID),
            kind,
            sequence: cseq.map_or(0, |it| it.number),
            method: printable(method.unwrap_or_default().as_bytes(), MAX_TEXT),
            in_dialog,
            sent_by: sent_by(&message),
            from: address(&message, HeaderId::FROM).unwrap_or_else(|| text(HeaderId::FROM)),
            to: address(&message, HeaderId::TO).unwrap_or_else(|| text(HeaderId::TO)),
            about: about(&message),
            hints: hints(&message, &media),
            media,
        })
    }

    /// `INVITE`, or `200 OK` with the method unless that is INVITE.
    pub(crate) fn label(&self) -> String {
        match self.kind {
            Kind::Request => self.method.clone(),
            Kind::Response(status) => {
                let reason = if self.about.is_empty() { String::new() } else { format!(" {}", self.about) };
                match self.method.as_str() {
                    "INVITE" | "" => format!("{status}{reason}"),
                    method => format!("{status}{reason} · {method}"),
                }
            }
        }
    }
}

fn sent_by(message: &Message) -> Option<SocketAddr> {
    let via = message.first::<header::Via>().filter(|_| message.is_request())?.ok()?;
    let protocol = Protocol::from_token(via.transport)?;
    Some(SocketAddr::new(via.host.ip()?, via.port.unwrap_or(protocol.default_port())))
}

/// The URI of a From or To, without its parameters.
fn address(message: &Message, id: HeaderId) -> Option<String> {
    let address = NameAddr::parse(message.values(id).next()?).ok()?;
    let uri = address.uri.as_sip().map_or(address.uri.as_str(), |it| it.bare());
    Some(printable(uri.as_bytes(), MAX_TEXT))
}

fn about(message: &Message) -> String {
    if let Ok(response) = Response::try_from(message.clone()) {
        return printable(response.reason(), MAX_TEXT);
    }
    match ringback_message::Request::try_from(message.clone()) {
        Ok(request) => printable(request.uri_bytes(), MAX_TEXT),
        Err(_) => String::new(),
    }
}

fn media(message: &Message) -> Vec<MediaLine> {
    let body = message.body();
    if !body.starts_with(b"v=0") {
        return Vec::new();
    }
    let Ok(description) = SessionDescription::parse(body) else { return Vec::new() };
    let audio = description.media.iter().filter(|it| it.is_rtp());
    audio
        .map(|media| {
            let connection = description.connection_of(media);
            let held = connection.is_some_and(Connection::is_hold);
            let address = match connection.filter(|_| media.port != 0).and_then(Connection::host) {
                Some(Host::Address(address)) if !held => Some(SocketAddr::new(address, media.port)),
                _ => None,
            };
            let direction = description.direction_of(media);
            let direction = if held { direction.held() } else { direction };
            MediaLine {
                address,
                codecs: if media.port == 0 { Vec::new() } else { media.codecs() },
                direction,
            }
        })
        .collect()
}

/// What the SDP says, whether a registration ends, and whether a request carries credentials.
fn hints(message: &Message, media: &[MediaLine]) -> Hints {
    let mut hints = match media.first() {
        Some(line) => line.hints(),
        None if message.body().starts_with(b"v=0") => vec!["SDP".to_owned()],
        None if removes_bindings(message) => vec!["expires 0".to_owned()],
        None => Vec::new(),
    };
    // Everybody repeats them in the ACK (RFC 3261 §22.1), where they are no news.
    let is_new = message.method().is_some_and(|it| *it != Method::ACK);
    if is_new && (message.has(HeaderId::AUTHORIZATION) || message.has(HeaderId::PROXY_AUTHORIZATION)) {
        match hints.first().zip(hints.last()) {
            None => hints.push("credentials".to_owned()),
            Some((full, brief)) => {
                let both = [full, brief].map(|it| format!("{it} · credentials"));
                hints.splice(0..0, both);
            }
        }
    }
    hints
}

/// Whether a REGISTER takes leave (RFC 3261 §10.2.2).
fn removes_bindings(message: &Message) -> bool {
    let is_register = message.method() == Some(&Method::REGISTER);
    let mut contacts = message.all::<header::Contact<'_>>().filter_map(Result::ok).peekable();
    let by_header = matches!(message.first::<header::Expires>(), Some(Ok(header::Expires(0))));
    let by_contact =
        |it: header::Contact<'_>| it.address().and_then(NameAddr::expires).map_or(by_header, |it| it == 0);
    is_register && contacts.peek().is_some() && contacts.all(by_contact)
}

impl MediaLine {
    fn hints(&self) -> Hints {
        let is_speech = |it: &&Codec| !it.is_telephone_event() && !it.is_named("CN");
        let names: Vec<&str> = self.codecs.iter().filter(is_speech).map(Codec::name).collect();
        let mut full = "SDP".to_owned();
        for name in names.iter().take(MAX_NAMED) {
            full.push(' ');
            full += &printable(name.as_bytes(), 16);
        }
        if names.len() > MAX_NAMED {
            full += " …";
        }
        let news = match self.direction {
            _ if self.codecs.is_empty() => "refused",
            Direction::SendRecv => return vec![full, "SDP".to_owned()],
            direction => direction.as_str(),
        };
        // On hold and refused, that is all that matters.
        vec![format!("SDP {news}"), news.to_owned()]
    }
}
