//! What a message has that its RFCs do not allow, and whether it is read all the same.
//!
//! There is one parser, and it is tolerant. Deviations are looked for in what it has read, by the grammar to the letter;
//! [`Policy::Strict`] refuses a message that has one.

mod address;
mod auth;
mod date;
mod fields;
mod lines;
mod readable;
mod scan;
mod start;
mod uri;
mod via;
mod whole;

use crate::message::{Source, StartLine};
use crate::{Message, ParseError, StatusCode};
use bytes::Bytes;
use scan::Fault;
use std::fmt;

/// What to do with a message that deviates from its RFCs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// It is refused, whatever the deviation.
    Strict,
    /// It is read where its meaning is plain, as RFC 4475 §3.1.2 and RFC 3261 §16.3 advise; [`Message::validate`] says
    /// where it is not.
    #[default]
    Tolerant,
}

/// What becomes of a message that deviates, under [`Policy::Tolerant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is read all the same.
    Tolerated,
    /// The message passes, and an element that needs this value refuses it.
    Unreadable,
    /// The message is refused.
    Refused,
}

/// Something that an RFC does not allow.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// Where it begins, in octets from the start of the message as rendered.
    pub offset: u32,
    /// How many octets it is long; 0 where something is missing.
    pub length: u32,
    /// The rule that does not hold: as the RFC's grammar names it, or the header field.
    pub rule: &'static str,
    /// What is wrong, in words.
    pub what: &'static str,
    /// Who says so: `RFC 3261 §7.3.1`.
    pub section: &'static str,
    /// What to write instead, where that is simple.
    pub help: Option<&'static str>,
    /// What becomes of the message.
    pub severity: Severity,
    /// The response that a strict server element sends for it.
    pub status: StatusCode,
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {} at byte {}", self.rule, self.section, self.what, self.offset)
    }
}

impl From<Deviation> for ParseError {
    fn from(deviation: Deviation) -> Self {
        Self { offset: deviation.offset, rule: deviation.rule, status: deviation.status }
    }
}

impl From<ParseError> for Deviation {
    /// The deviation for which a message or value was refused.
    fn from(error: ParseError) -> Self {
        let (what, section) = match error.rule {
            "Request-URI" if error.status == StatusCode::REQUEST_URI_TOO_LONG => {
                ("it is longer than anybody needs", "RFC 3261 §21.4.12")
            }
            "list elements" => ("the row holds more values than anybody needs", "RFC 3261 §7.3.1"),
            "Request-Line" => ("this is no request line", "RFC 3261 §7.1"),
            "Status-Line" | "Status-Code" => ("this is no status line", "RFC 3261 §7.2"),
            "SIP-Version" => ("the version is not SIP/2.0", "RFC 3261 §7.1"),
            "SIP-message" => ("this is no SIP message", "RFC 3261 §7"),
            "Method" => ("the method is no token", "RFC 3261 §7.1"),
            "Content-Length" => ("the length is not that of a body that is there", "RFC 3261 §18.3"),
            "CSeq method" => ("it names another method than the request line", "RFC 3261 §8.1.1.5"),
            "start line" | "header section" => ("it is longer than anybody needs", "RFC 3261 §21.5.7"),
            "end of header" => ("the message ends before its header section does", "RFC 3261 §7"),
            _ => ("it is out of its grammar", "RFC 3261 §25.1"),
        };
        Self {
            offset: error.offset,
            length: 1,
            rule: error.rule,
            what,
            section,
            help: None,
            severity: Severity::Refused,
            status: error.status,
        }
    }
}

/// After so many deviations no more are looked for.
pub const MAX_DEVIATIONS: usize = 256;

impl Message {
    /// Indexes a message as [`parse`](Self::parse) does and, where the policy is strict, holds it to the letter of its
    /// RFCs.
    ///
    /// ```
    /// use ringback_message::{Message, Policy};
    ///
    /// // The display name has a comma, which needs quotes.
    /// let text = "OPTIONS sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a.example.com;branch=z9hG4bK1\r\n\
    ///     Max-Forwards: 70\r\nFrom: A. <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: 7\r\n\
    ///     CSeq: 1 OPTIONS\r\nDate: Fri, 01 Jan 2010 16:00:00 EST\r\nContent-Length: 0\r\n\r\n";
    /// assert!(Message::parse_with_policy(text, Policy::Tolerant).is_ok());
    /// let refused = Message::parse_with_policy(text, Policy::Strict).unwrap_err();
    /// assert_eq!((refused.rule, refused.status.as_u16()), ("SIP-date", 400));
    /// ```
    ///
    /// # Errors
    /// When it cannot be told whether this is a request or a response; under [`Policy::Strict`] the first deviation.
    pub fn parse_with_policy(bytes: impl Into<Bytes>, policy: Policy) -> Result<Self, ParseError> {
        let message = Self::parse(bytes)?;
        match policy {
            Policy::Tolerant => Ok(message),
            Policy::Strict => match message.deviations().first() {
                Some(deviation) => Err((*deviation).into()),
                None => Ok(message),
            },
        }
    }

    /// What of the message deviates from its RFCs, in its order: start line, lines, each value that has a grammar here,
    /// and what its fields say together. Of very many the first [`MAX_DEVIATIONS`] are told. A message that was changed
    /// is looked at as it would be rendered.
    ///
    /// One of them is [`Severity::Refused`] when, and only when, [`validate`](Self::validate) refuses the message.
    /// What the body holds is not looked at.
    pub fn deviations(&self) -> Vec<Deviation> {
        if self.is_as_received() {
            return self.own_deviations();
        }
        match Self::parse(self.render()) {
            Ok(rendered) => rendered.own_deviations(),
            Err(error) => vec![error.into()],
        }
    }

    fn own_deviations(&self) -> Vec<Deviation> {
        let mut found = Found::default();
        let head = usize::from(self.fields.last().map_or(self.start_end(), |field| field.end));
        start::check(self, &mut found);
        lines::check(self, head, &mut found);
        for field in &self.fields {
            if found.is_full() {
                break;
            }
            // A line without a name was told of with the lines.
            if field.name > field.line {
                fields::check(field.id, self.value(field), field.value.into(), &mut found);
            }
        }
        whole::check(self, head, &mut found);
        let mut deviations = found.deviations;
        settle(&mut deviations, self.validate().err());
        deviations.sort_by_key(|deviation| deviation.offset);
        deviations.truncate(MAX_DEVIATIONS);
        deviations
    }

    fn start_end(&self) -> u16 {
        let (StartLine::Request { line, .. } | StartLine::Response { line, .. }) = &self.start;
        line.end
    }

    /// Whether all lines stand where they were received, and the body behind them.
    fn is_as_received(&self) -> bool {
        let (StartLine::Request { line, .. } | StartLine::Response { line, .. }) = &self.start;
        let mut end = line.end;
        let unbroken = self.fields.iter().all(|field| {
            let follows = field.source == Source::Received && field.line == end;
            end = field.end;
            follows
        });
        let range = self.received.as_ptr_range();
        let has_own_body = self.body.is_empty() || range.contains(&self.body.as_ptr());
        line.source == Source::Received && unbroken && has_own_body
    }
}

/// Has the deviation that the message is refused for say so.
fn settle(deviations: &mut Vec<Deviation>, refused: Option<ParseError>) {
    let Some(error) = refused else { return };
    let covers = |it: &Deviation| (it.offset..=it.offset.saturating_add(it.length)).contains(&error.offset);
    let named = |it: &Deviation| it.rule == error.rule;
    // What is missing has no offset, and what has too few octets is noticed at their end.
    let place = deviations.iter().position(|it| named(it) && (covers(it) || error.offset == 0));
    let place = place.or_else(|| deviations.iter().position(|it| error.offset > 0 && covers(it)));
    match place.or_else(|| deviations.iter().position(named)) {
        Some(place) => {
            deviations[place].severity = Severity::Refused;
            deviations[place].status = error.status;
        }
        None => {
            // Room is made for it where there is none: nothing matters more.
            deviations.truncate(MAX_DEVIATIONS - 1);
            deviations.push(error.into());
        }
    }
}

/// Collects deviations.
#[derive(Default)]
struct Found {
    deviations: Vec<Deviation>,
}

impl Found {
    fn is_full(&self) -> bool {
        self.deviations.len() >= MAX_DEVIATIONS
    }

    fn note(&mut self, offset: usize, length: usize, fault: Fault) {
        if self.is_full() {
            return;
        }
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        self.deviations.push(Deviation {
            offset: number(offset),
            length: number(length),
            rule: fault.rule,
            what: fault.what,
            section: fault.section,
            help: fault.help,
            severity: fault.severity,
            status: StatusCode::BAD_REQUEST,
        });
    }

    /// Notes that are of values which nobody can read.
    fn unreadable_from(&mut self, first: usize) {
        for deviation in self.deviations.iter_mut().skip(first) {
            deviation.severity = deviation.severity.max(Severity::Unreadable);
        }
    }
}

#[cfg(test)]
mod tests;
