//! Whether a message can be worked on at all, and what tells it apart from others.

use crate::header::{CSeq, CallId, Header, MaxForwards, NameAddr, Via};
use crate::message::{Field, StartLine};
use crate::{HeaderId, Message, Method, ParseError, StatusCode, Uri};

/// What places a message in transactions and dialogs, read once.
#[derive(Clone, Debug)]
pub struct Routing<'a> {
    /// The Request-URI; `None` in a response.
    pub uri: Option<Uri<'a>>,
    /// The topmost Via.
    pub via: Via<'a>,
    /// Call-ID, as written.
    pub call_id: &'a str,
    /// The tag of From; peers of RFC 2543 have none.
    pub from_tag: Option<&'a str>,
    /// The tag of To.
    pub to_tag: Option<&'a str>,
    /// CSeq.
    pub cseq: CSeq,
}

impl Message {
    /// Reads what places the message in transactions and dialogs. Of From and To that is the tag; their URIs are judged by
    /// whoever reads them (RFC 3261 §16.3).
    ///
    /// # Errors
    /// When the Request-URI is out of its grammar, or one of Via, From, To, Call-ID and CSeq, or one is missing.
    pub fn routing(&self) -> Result<Routing<'_>, ParseError> {
        self.routing_in(&Essentials::of(&self.fields))
    }

    fn routing_in(&self, found: &Essentials<'_>) -> Result<Routing<'_>, ParseError> {
        let uri = match &self.start {
            StartLine::Request { uri: span, .. } => {
                let uri = Uri::requested(self.span(*span));
                Some(uri.map_err(|error| error.shifted(span.start.into()))?)
            }
            StartLine::Response { .. } => None,
        };
        let via: Via<'_> = self.parse_needed(found.first[VIA])?;
        let from_tag = self.tag_in(found.first[FROM], HeaderId::FROM)?;
        let to_tag = self.tag_in(found.first[TO], HeaderId::TO)?;
        let CallId(call_id) = self.parse_needed(found.first[CALL_ID])?;
        let cseq = self.parse_needed(found.first[CSEQ])?;
        Ok(Routing { uri, via, call_id, from_tag, to_tag, cseq })
    }

    /// The tag of From, where it has one that is not empty.
    ///
    /// # Errors
    /// When there is no From, or it is out of its grammar; what its URI says is not looked at.
    pub fn from_tag(&self) -> Result<Option<&str>, ParseError> {
        self.tag_in(self.fields.iter().find(|field| field.id == HeaderId::FROM), HeaderId::FROM)
    }

    /// The tag of To, where it has one that is not empty: the request is inside a dialog, or the response makes one.
    ///
    /// # Errors
    /// As [`from_tag`](Self::from_tag).
    pub fn to_tag(&self) -> Result<Option<&str>, ParseError> {
        self.tag_in(self.fields.iter().find(|field| field.id == HeaderId::TO), HeaderId::TO)
    }

    fn tag_in<'a>(&'a self, field: Option<&Field>, id: HeaderId) -> Result<Option<&'a str>, ParseError> {
        let field = field.ok_or(ParseError::new(0, id.name()))?;
        NameAddr::tag_in(self.value(field)).map_err(|error| error.shifted(field.value.into()))
    }

    fn parse_needed<'a, H: Header<'a>>(&'a self, field: Option<&Field>) -> Result<H, ParseError> {
        match field {
            Some(field) => self.parse_first(field),
            None => Err(ParseError::new(0, H::NAME)),
        }
    }

    /// Judges what every element must be able to rely on: start line, version, framing, and the fields that
    /// RFC 3261 §8.1.1 demands, each there once.
    ///
    /// # Errors
    /// The first fault, with the response for it. For a response the fault means: drop it.
    pub fn validate(&self) -> Result<Routing<'_>, ParseError> {
        if !self.version_ok() {
            return Err(ParseError::with_status(0, "SIP-Version", StatusCode::VERSION_NOT_SUPPORTED));
        }
        if let Some(defect) = self.defect() {
            return Err(defect);
        }
        let found = Essentials::of(&self.fields);
        if self.may_be_crowded(found.longest) {
            self.check_rows()?;
        }
        for id in [HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID, HeaderId::CSEQ] {
            if found.count[usize::from(PLACES[id.index()])] != 1 {
                return Err(ParseError::new(self.offset_of(id), id.name()));
            }
        }
        let routing = self.routing_in(&found)?;
        if let StartLine::Request { method, .. } = &self.start {
            if routing.cseq.method != *method {
                // RFC 4475 §3.1.2.18: for a method that nobody knows, 501 ages better.
                let status =
                    if method.is_known() { StatusCode::BAD_REQUEST } else { StatusCode::NOT_IMPLEMENTED };
                return Err(ParseError::with_status(self.offset_of(HeaderId::CSEQ), "CSeq method", status));
            }
            if let Some(field) = found.first[MAX_FORWARDS] {
                // Larger than a byte is read as absent; the proxy then starts over at 70 (RFC 4475 §3.1.2.4).
                let hops = self.value(field);
                if hops.is_empty() || !hops.iter().all(u8::is_ascii_digit) {
                    return Err(ParseError::new(field.value.into(), MaxForwards::ID.name()));
                }
            }
        }
        if found.count[MAX_FORWARDS] > 1 {
            return Err(ParseError::new(self.offset_of(HeaderId::MAX_FORWARDS), MaxForwards::ID.name()));
        }
        Ok(routing)
    }

    #[cold]
    fn check_rows(&self) -> Result<(), ParseError> {
        let long = self.fields.iter().filter(|field| self.may_be_crowded(field.value_end - field.value));
        long.filter(|field| field.id.is_list()).try_for_each(|field| self.check_row(field))
    }

    fn offset_of(&self, id: HeaderId) -> usize {
        self.fields.iter().rev().find(|field| field.id == id).map_or(0, |field| field.value.into())
    }

    /// Whether this request is `method`.
    pub fn is(&self, method: &Method) -> bool {
        self.method() == Some(method)
    }
}

const VIA: usize = 0;
const FROM: usize = 1;
const TO: usize = 2;
const CALL_ID: usize = 3;
const CSEQ: usize = 4;
const MAX_FORWARDS: usize = 5;
/// All other fields.
const REST: usize = 6;

/// Which place among [`Essentials`] each field has.
static PLACES: [u8; 256] = {
    let mut places = [REST as u8; 256];
    places[HeaderId::VIA.index()] = VIA as u8;
    places[HeaderId::FROM.index()] = FROM as u8;
    places[HeaderId::TO.index()] = TO as u8;
    places[HeaderId::CALL_ID.index()] = CALL_ID as u8;
    places[HeaderId::CSEQ.index()] = CSEQ as u8;
    places[HeaderId::MAX_FORWARDS.index()] = MAX_FORWARDS as u8;
    places
};

/// The fields that are looked at in every message, found in one pass.
struct Essentials<'a> {
    first: [Option<&'a Field>; 7],
    count: [u16; 7],
    /// How long the longest value is.
    longest: u16,
}

impl<'a> Essentials<'a> {
    fn of(fields: &'a [Field]) -> Self {
        let mut found = Self { first: [None; 7], count: [0; 7], longest: 0 };
        for field in fields {
            let place = usize::from(PLACES[field.id.index()]);
            if found.count[place] == 0 {
                found.first[place] = Some(field);
            }
            found.count[place] += 1;
            found.longest = found.longest.max(field.value_end - field.value);
        }
        found
    }
}
