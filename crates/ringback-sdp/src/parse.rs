//! Reading a description: strict about what cannot be understood, lenient about what can.
//!
//! Taken although RFC 8866 does not allow it: LF without CR, a last line without an end, empty lines, lines out of
//! order within the session or within a medium, several blanks between words, types of lines that nobody knows,
//! no `s=`, no `t=`, no formats in `m=`.

use crate::scan::Line;
use crate::text::{Text, Words};
use crate::{
    Attribute, ByteString, Connection, Media, MediaKind, OriginField, SessionDescription, TimeDescription,
    UnknownLine, Word,
};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The largest description that is read, in octets.
pub const MAX_SIZE: usize = 64 * 1024;
/// The most `m=` lines in a description.
pub const MAX_MEDIA: usize = 64;
/// The most `a=` lines in a description.
pub const MAX_ATTRIBUTES: usize = 2048;
/// The most lines that are kept, of all types together.
pub const MAX_LINES: usize = 4096;
/// The most formats in an `m=` line: as many as there are RTP payload types.
pub const MAX_FORMATS: usize = 128;

/// Why a description was refused. The peer's fault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdpError {
    /// The line, counted from one; the line after the last when something is missing.
    pub line: usize,
    /// Where that line starts, in octets from the start of the description.
    pub offset: usize,
    /// The rule of RFC 8866 §9, or the limit, that was broken.
    pub rule: &'static str,
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad SDP: {} at line {}, octet {}", self.rule, self.line, self.offset)
    }
}

impl Error for SdpError {}

impl SessionDescription {
    /// Reads a message body.
    ///
    /// # Errors
    /// [`SdpError`] names the first line that cannot be understood, a missing `v=` or `o=`, a line that may
    /// stand only once and stands twice, or the limit that was exceeded ([`MAX_SIZE`], [`MAX_MEDIA`],
    /// [`MAX_ATTRIBUTES`], [`MAX_LINES`], [`MAX_FORMATS`]).
    pub fn parse(body: &[u8]) -> Result<Self, SdpError> {
        if body.len() > MAX_SIZE {
            return Err(SdpError { line: 1, offset: 0, rule: "size limit" });
        }
        let mut parser = Parser { whole: std::str::from_utf8(body).ok().map(Arc::from), ..Parser::default() };
        let (mut line, mut offset) = (1, 0);
        while offset < body.len() {
            let Line { end, next, is_torn } = Line::at(body, offset);
            if offset < end {
                parser.line(body, offset, end, is_torn).map_err(|rule| SdpError { line, offset, rule })?;
            }
            line += 1;
            offset = next;
        }
        parser.finish().map_err(|rule| SdpError { line, offset, rule })
    }
}

type Rule = &'static str;

#[derive(Default)]
struct Parser {
    /// One copy of the body for all its texts, when it is UTF-8.
    whole: Option<Arc<str>>,
    version: Option<()>,
    origin: Option<OriginField>,
    session_name: Option<ByteString>,
    information: Option<ByteString>,
    uri: Option<ByteString>,
    emails: Vec<ByteString>,
    phones: Vec<ByteString>,
    connection: Option<Connection>,
    bandwidths: Vec<ByteString>,
    times: Vec<TimeDescription>,
    /// What came before the `t=` to which it belongs.
    early: TimeDescription,
    key: Option<ByteString>,
    attributes: Vec<Attribute>,
    unknown: Vec<UnknownLine>,
    media: Vec<Media>,
    attribute_count: usize,
    line_count: usize,
    /// How long the description is when it is written again, with CRLF.
    size: usize,
}

impl Parser {
    fn line(&mut self, body: &[u8], start: usize, end: usize, is_torn: bool) -> Result<(), Rule> {
        let letter = match body[start..end] {
            [letter, b'=', ..] if letter.is_ascii_alphabetic() => char::from(letter),
            _ => return Err("type=value"),
        };
        if is_torn {
            return Err("byte-string");
        }
        self.line_count += 1;
        if self.line_count > MAX_LINES {
            return Err("line limit");
        }
        let text = match &self.whole {
            Some(whole) => ByteString::from_text(Text::Shared {
                whole: Arc::clone(whole),
                start: (start + 2) as u32,
                end: end as u32,
            }),
            None => ByteString::checked(&body[start + 2..end]),
        };
        self.size += end - start + 2;
        match letter {
            'm' => self.media.push(media(&text, self.media.len())?),
            'a' => {
                self.attribute_count += 1;
                if self.attribute_count > MAX_ATTRIBUTES {
                    return Err("attribute limit");
                }
                // Room for what is usual, so that lists rarely have to grow.
                let (attributes, usual) = match self.media.last_mut() {
                    Some(media) => (&mut media.attributes, 16),
                    None => (&mut self.attributes, 4),
                };
                if attributes.capacity() == 0 {
                    attributes.reserve(usual);
                }
                attributes.push(Attribute::from_line(text));
            }
            'i' | 'c' | 'b' | 'k' => match self.media.last_mut() {
                Some(media) => media_line(media, letter, text)?,
                None => self.shared_line(letter, text)?,
            },
            'v' | 'o' | 's' | 'u' | 'e' | 'p' | 't' | 'r' | 'z' => self.session_line(letter, text)?,
            _ => {
                let unknown = self.media.last_mut().map_or(&mut self.unknown, |media| &mut media.unknown);
                unknown.push(UnknownLine { letter, value: text });
            }
        }
        Ok(())
    }

    /// Lines that belong to the session wherever they stand.
    fn session_line(&mut self, letter: char, text: ByteString) -> Result<(), Rule> {
        match letter {
            'v' if text.as_str().map(str::trim) != Some("0") => return Err("proto-version"),
            'v' => once(&mut self.version, (), "proto-version")?,
            'o' => once(&mut self.origin, origin(&text)?, "origin-field")?,
            's' => once(&mut self.session_name, text, "session-name-field")?,
            'u' => once(&mut self.uri, text, "uri-field")?,
            'e' => self.emails.push(text),
            'p' => self.phones.push(text),
            't' => self.times.push(TimeDescription { active: text, ..std::mem::take(&mut self.early) }),
            'r' => self.times.last_mut().unwrap_or(&mut self.early).repeats.push(text),
            _ => self.times.last_mut().unwrap_or(&mut self.early).zones.push(text),
        }
        Ok(())
    }

    /// Lines that the session and each medium may have, here of the session.
    fn shared_line(&mut self, letter: char, text: ByteString) -> Result<(), Rule> {
        match letter {
            'i' => once(&mut self.information, text, "information-field"),
            'c' => once(&mut self.connection, connection(&text)?, "connection-field"),
            'k' => once(&mut self.key, text, "key-field"),
            _ => {
                self.bandwidths.push(text);
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<SessionDescription, Rule> {
        self.version.ok_or("proto-version")?;
        let mut description = SessionDescription::new(self.origin.ok_or("origin-field")?, self.connection);
        // What is written for a missing `s=` and `t=` counts too, so that everything read can be read again.
        let missing = usize::from(self.session_name.is_none()) * 5 + usize::from(self.times.is_empty()) * 7;
        let lines = usize::from(self.session_name.is_none()) + usize::from(self.times.is_empty());
        if self.line_count + lines > MAX_LINES {
            return Err("line limit");
        }
        if self.size + missing > MAX_SIZE {
            return Err("size limit");
        }
        if let Some(session_name) = self.session_name {
            description.session_name = session_name;
        }
        match self.times.is_empty() {
            true => {
                description.times =
                    vec![TimeDescription { active: ByteString::from_text(Text::Static("0 0")), ..self.early }]
            }
            false => description.times = self.times,
        }
        Ok(SessionDescription {
            information: self.information,
            uri: self.uri,
            emails: self.emails,
            phones: self.phones,
            bandwidths: self.bandwidths,
            key: self.key,
            attributes: self.attributes,
            unknown: self.unknown,
            media: self.media,
            ..description
        })
    }
}

fn once<T>(place: &mut Option<T>, value: T, rule: Rule) -> Result<(), Rule> {
    match place.replace(value) {
        Some(_) => Err(rule),
        None => Ok(()),
    }
}

fn media_line(media: &mut Media, letter: char, text: ByteString) -> Result<(), Rule> {
    match letter {
        'i' => once(&mut media.information, text, "information-field")?,
        'c' => media.connections.push(connection(&text)?),
        'k' => once(&mut media.key, text, "key-field")?,
        _ => media.bandwidths.push(text),
    }
    Ok(())
}

/// The words of a line that has exactly so many.
fn words<const COUNT: usize>(text: &ByteString, rule: Rule) -> Result<[Word; COUNT], Rule> {
    let mut words = Words::new(text.text().ok_or(rule)?);
    let mut found = [const { Word::from_static("-") }; COUNT];
    for place in &mut found {
        *place = words.next().ok_or(rule)?.map_err(|_| rule)?;
    }
    if words.next().is_some() { Err(rule) } else { Ok(found) }
}

fn origin(text: &ByteString) -> Result<OriginField, Rule> {
    let rule = "origin-field";
    let [username, session_id, session_version, network_type, address_type, address] = words(text, rule)?;
    // Numbers longer than 64 bits are legal, so they stay digits.
    let digits = |word: &Word| word.as_str().bytes().all(|octet| octet.is_ascii_digit());
    if !digits(&session_id) || !digits(&session_version) {
        return Err(rule);
    }
    Ok(OriginField { username, session_id, session_version, network_type, address_type, address })
}

fn connection(text: &ByteString) -> Result<Connection, Rule> {
    let [network_type, address_type, address] = words(text, "connection-field")?;
    Ok(Connection { network_type, address_type, address })
}

fn media(text: &ByteString, already: usize) -> Result<Media, Rule> {
    let rule = "media-field";
    if already >= MAX_MEDIA {
        return Err("media limit");
    }
    let text = text.text().ok_or(rule)?;
    let mut words = Words::new(text);
    let mut next = || words.next().ok_or(rule)?.map_err(|_| rule);
    let (kind, port, protocol) = (next()?, next()?, next()?);
    // Blanks are no more than formats by one, unless there are too many of them.
    let blanks = text.as_str().bytes().filter(|octet| *octet == b' ').count();
    let mut formats = Vec::with_capacity(blanks.saturating_sub(2).min(MAX_FORMATS));
    for format in words {
        if formats.len() == MAX_FORMATS {
            return Err(rule);
        }
        formats.push(format.map_err(|_| rule)?);
    }
    let (port, count) = match port.as_str().split_once('/') {
        Some((port, count)) => (port, Some(count.parse().map_err(|_| "port count")?)),
        None => (port.as_str(), None),
    };
    // `u16::from_str` would take a sign.
    let port =
        Some(port).filter(|port| !port.starts_with('+')).and_then(|port| port.parse().ok()).ok_or("port")?;
    Ok(Media { port_count: count, ..Media::new(MediaKind::from_word(kind), port, protocol, formats) })
}
