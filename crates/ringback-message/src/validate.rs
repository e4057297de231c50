//! Whether a message can be worked on at all, and what tells it apart from others.

use crate::header::{CSeq, CallId, From, Header as _, MaxForwards, To, Via};
use crate::message::StartLine;
use crate::{HeaderId, Message, Method, ParseError, StatusCode, Uri};

/// What places a message in transactions and dialogs, read once.
#[derive(Clone, Debug)]
pub struct Routing<'a> {
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
    /// Reads what places the message in transactions and dialogs.
    ///
    /// # Errors
    /// When one of Via, From, To, Call-ID and CSeq is missing or out of its grammar.
    pub fn routing(&self) -> Result<Routing<'_>, ParseError> {
        let via = self.require::<Via<'_>>()?;
        let from = self.require::<From<'_>>()?;
        let to = self.require::<To<'_>>()?;
        let call_id = self.require::<CallId<'_>>()?.0;
        Ok(Routing { via, call_id, from_tag: from.tag(), to_tag: to.tag(), cseq: self.require()? })
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
        if let StartLine::Request { uri, .. } = &self.start {
            Uri::parse(self.span(*uri)).map_err(|error| error.shifted(uri.start.into()))?;
        }
        self.require_once()?;
        let routing = self.routing()?;
        if let StartLine::Request { method, .. } = &self.start {
            if routing.cseq.method != *method {
                // RFC 4475 §3.1.2.18: for a method that nobody knows, 501 ages better.
                let status =
                    if method.is_known() { StatusCode::BAD_REQUEST } else { StatusCode::NOT_IMPLEMENTED };
                return Err(ParseError::with_status(self.offset_of(HeaderId::CSEQ), "CSeq method", status));
            }
            if let Some(Err(error)) = self.first::<MaxForwards>() {
                // Larger than a byte is read as absent; the proxy then starts over at 70 (RFC 4475 §3.1.2.4).
                if self.values(HeaderId::MAX_FORWARDS).any(|value| !value.iter().all(u8::is_ascii_digit)) {
                    return Err(error);
                }
            }
        }
        Ok(routing)
    }

    /// Fields without which a message means nothing are there once; those that may be absent not twice.
    fn require_once(&self) -> Result<(), ParseError> {
        let mut seen = [0u8; 4];
        const NEEDED: [HeaderId; 4] = [HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID, HeaderId::CSEQ];
        let mut max_forwards = 0u8;
        for field in &self.fields {
            if let Some(index) = NEEDED.iter().position(|id| *id == field.id) {
                seen[index] = seen[index].saturating_add(1);
            }
            max_forwards = max_forwards.saturating_add(u8::from(field.id == HeaderId::MAX_FORWARDS));
        }
        for (id, count) in NEEDED.into_iter().zip(seen) {
            if count != 1 {
                return Err(ParseError::new(self.offset_of(id), id.name()));
            }
        }
        if max_forwards > 1 {
            return Err(ParseError::new(self.offset_of(HeaderId::MAX_FORWARDS), MaxForwards::ID.name()));
        }
        Ok(())
    }

    fn offset_of(&self, id: HeaderId) -> usize {
        self.fields.iter().rev().find(|field| field.id == id).map_or(0, |field| field.value.into())
    }

    /// Whether this request is `method`.
    pub fn is(&self, method: &Method) -> bool {
        self.method() == Some(method)
    }
}
