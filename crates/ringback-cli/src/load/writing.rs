//! The requests of calls as text, put together from what is the same for all of them and what is not.
//!
//! All that is particular to a call has the same length in each, so that many requests leave as one piece.

use super::attempt::{Attempt, Dialog};
use super::options::Kind;
use super::plan::Plan;
use bytes::Bytes;
use ringback_message::header::{CSeq, Via};
use ringback_message::{HeaderId, Message, Request, Response};
use ringback_net::Target;
use ringback_sansio::Key;
use std::borrow::Cow;
use std::sync::Arc;

/// Ends a request without a body.
const END: &[u8] = b"Content-Length: 0\r\n\r\n";

/// Writes requests.
pub(crate) struct Writer {
    plan: Arc<Plan>,
    /// From the end of the Request-URI to where the branch goes on.
    via: String,
    /// What comes after the number in CSeq in the request that begins a call.
    rest: Vec<u8>,
}

/// What a branch of ours tells: the call, its secret, and which of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    pub(crate) key: Key<Attempt>,
    pub(crate) secret: u64,
    /// The lower bits of its number.
    pub(crate) turn: u16,
}

impl Writer {
    /// `sent_by` and `contact` are where we can be reached.
    pub(crate) fn new(plan: Arc<Plan>, sent_by: &str, contact: &str) -> Self {
        let via = format!(
            " SIP/2.0\r\nVia: SIP/2.0/{} {sent_by};rport;branch=z9hG4bK",
            plan.hop.protocol().as_via()
        );
        let method = plan.kind.method();
        let offer = plan.offer();
        let (fields, body): (String, &[u8]) = match plan.kind {
            Kind::Invite => (
                format!(
                    "Contact: {contact}\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nContent-Type: application/sdp\r\n"
                ),
                &offer,
            ),
            Kind::Register => (format!("Contact: {contact}\r\nExpires: 3600\r\n"), b""),
            Kind::Options => ("Accept: application/sdp\r\n".to_owned(), b""),
            Kind::Message => ("Content-Type: text/plain\r\n".to_owned(), b"load"),
        };
        let mut rest = format!(" {method}\r\n{fields}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        rest.extend_from_slice(body);
        Self { plan, via, rest }
    }

    /// The request that begins a call, or is all of it.
    pub(crate) fn first(&self, key: Key<Attempt>, attempt: &Attempt) -> Bytes {
        let plan = &*self.plan;
        let (own, method) = (&plan.users[attempt.user].address, plan.kind.method());
        let to = if plan.kind == Kind::Register { own } else { &plan.uri };
        let (bits, secret) = (hex(key.to_bits()), hex(attempt.secret));
        let number = attempt.cseq.to_string();
        let parts: [&[u8]; 21] = [
            method.as_str().as_bytes(),
            b" ",
            plan.uri.as_bytes(),
            self.via.as_bytes(),
            &secret,
            &bits,
            &turn(attempt.cseq),
            b"\r\nMax-Forwards: 70\r\nFrom: <",
            own.as_bytes(),
            b">;tag=",
            &bits,
            b".",
            &secret,
            b"\r\nTo: <",
            to.as_bytes(),
            b">\r\nCall-ID: ",
            &secret,
            &bits,
            b"\r\nCSeq: ",
            number.as_bytes(),
            &self.rest,
        ];
        parts.concat().into()
    }

    /// The BYE of a call that is up.
    pub(crate) fn bye(&self, key: Key<Attempt>, attempt: &Attempt, dialog: &Dialog) -> Bytes {
        let own = &self.plan.users[attempt.user].address;
        let (bits, secret) = (hex(key.to_bits()), hex(attempt.secret));
        let number = attempt.cseq.to_string();
        let parts: [&[u8]; 22] = [
            b"BYE ",
            dialog.uri.as_bytes(),
            self.via.as_bytes(),
            &secret,
            &bits,
            &turn(attempt.cseq),
            b"\r\nMax-Forwards: 70\r\n",
            dialog.routes.as_bytes(),
            b"From: <",
            own.as_bytes(),
            b">;tag=",
            &bits,
            b".",
            &secret,
            b"\r\nTo: ",
            &dialog.to,
            b"\r\nCall-ID: ",
            &secret,
            &bits,
            b"\r\nCSeq: ",
            number.as_bytes(),
            b" BYE\r\nContent-Length: 0\r\n\r\n",
        ];
        parts.concat().into()
    }

    /// Takes an INVITE back: all as there, but the method (RFC 3261 §9.1).
    pub(crate) fn cancel(&self, key: Key<Attempt>, attempt: &Attempt) -> Bytes {
        let plan = &*self.plan;
        let own = &plan.users[attempt.user].address;
        let (bits, secret) = (hex(key.to_bits()), hex(attempt.secret));
        let number = attempt.cseq.to_string();
        let parts: [&[u8]; 20] = [
            b"CANCEL ",
            plan.uri.as_bytes(),
            self.via.as_bytes(),
            &secret,
            &bits,
            &turn(attempt.cseq),
            b"\r\nMax-Forwards: 70\r\nFrom: <",
            own.as_bytes(),
            b">;tag=",
            &bits,
            b".",
            &secret,
            b"\r\nTo: <",
            plan.uri.as_bytes(),
            b">\r\nCall-ID: ",
            &secret,
            &bits,
            b"\r\nCSeq: ",
            number.as_bytes(),
            b" CANCEL\r\nContent-Length: 0\r\n\r\n",
        ];
        parts.concat().into()
    }

    /// The ACK to a failure, which goes where the INVITE went under the same branch (RFC 3261 §17.1.1.3).
    pub(crate) fn ack_failure(&self, branch: &Branch, response: &Response) -> Option<Bytes> {
        let own = [hex(branch.secret), hex(branch.key.to_bits())].concat();
        let own = [&own, &turn(branch.turn.into())[..]].concat();
        let to = flat(response.values(HeaderId::TO).next()?);
        let text = self.like(response, "ACK", &self.plan.uri, Some(&own), "", &to, 0, "")?;
        Some(text.into())
    }

    /// The ACK to a 2xx, made of that 2xx. `credentials` are lines, of the INVITE (RFC 3261 §22.1). `random` is for its branch.
    pub(crate) fn ack(
        &self,
        response: &Response,
        dialog: &Dialog,
        credentials: &str,
        random: u64,
    ) -> Option<Bytes> {
        let branch = [&hex(random)[..], b"a"].concat();
        let Dialog { uri, routes, to, .. } = dialog;
        self.like(response, "ACK", uri, Some(&branch), routes, to, 0, credentials).map(Bytes::from)
    }

    /// The BYE for a fork that nobody wants (RFC 3261 §13.2.2.4), and where it goes. It has no Via yet.
    pub(crate) fn turn_away(&self, response: &Response, dialog: &Dialog) -> Option<(Request, Target)> {
        let text = self.like(response, "BYE", &dialog.uri, None, &dialog.routes, &dialog.to, 1, "")?;
        Some((parsed(text)?, dialog.hop))
    }

    /// A request with the names of a response.
    #[expect(clippy::too_many_arguments, reason = "each is a line of it")]
    fn like(
        &self,
        response: &Response,
        method: &str,
        uri: &str,
        branch: Option<&[u8]>,
        routes: &str,
        to: &[u8],
        later: u32,
        credentials: &str,
    ) -> Option<Vec<u8>> {
        let number = response.require::<CSeq>().ok()?.number.saturating_add(later);
        let number = format!("{number} {method}\r\n");
        let from = flat(response.values(HeaderId::FROM).next()?);
        let call_id = response.values(HeaderId::CALL_ID).next()?;
        let via = if branch.is_some() { self.via.as_str() } else { " SIP/2.0" };
        let parts: [&[u8]; 17] = [
            method.as_bytes(),
            b" ",
            uri.as_bytes(),
            via.as_bytes(),
            branch.unwrap_or_default(),
            b"\r\nMax-Forwards: 70\r\n",
            routes.as_bytes(),
            b"From: ",
            &from,
            b"\r\nTo: ",
            to,
            b"\r\nCall-ID: ",
            call_id,
            b"\r\nCSeq: ",
            number.as_bytes(),
            credentials.as_bytes(),
            END,
        ];
        Some(parts.concat())
    }
}

/// A request of ours as one that can be changed.
pub(crate) fn parsed(text: impl Into<Bytes>) -> Option<Request> {
    Request::try_from(Message::parse(text).ok()?).ok()
}

/// Whose request a response is to. `None` when it is to none that was written here.
pub(crate) fn branch_of(response: &Message) -> Option<Branch> {
    let via = response.first::<Via<'_>>()?.ok()?;
    let (secret, rest) = via.branch()?.strip_prefix("z9hG4bK")?.split_at_checked(16)?;
    let (bits, turn) = rest.split_at_checked(16)?;
    let turn = turn.strip_prefix('.').filter(|turn| turn.len() == 4)?;
    // RFC 3261 §8.1.3.3: one that has another Via was not meant for us.
    if response.values(HeaderId::VIA).nth(1).is_some() {
        return None;
    }
    Some(Branch {
        key: Key::from_bits(number(bits)?),
        secret: number(secret)?,
        turn: u16::from_str_radix(turn, 16).ok()?,
    })
}

/// What a tag of ours tells: the attempt, and its secret.
pub(crate) fn read_tag(tag: &str) -> Option<(Key<Attempt>, u64)> {
    let (bits, secret) = tag.split_once('.')?;
    Some((Key::from_bits(number(bits)?), number(secret)?))
}

/// The value of a field without the ends of lines in it.
pub(crate) fn flat(value: &[u8]) -> Cow<'_, [u8]> {
    match value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        false => Cow::Borrowed(value),
        true => value.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect(),
    }
}

/// Which call a request of ours is of, from its text.
pub(crate) fn call_of(text: &[u8]) -> Option<u64> {
    let at = text.windows(7).position(|it| it == b"z9hG4bK")? + 7 + 16;
    number(std::str::from_utf8(text.get(at..at + 16)?).ok()?)
}

fn number(hex: &str) -> Option<u64> {
    u64::from_str_radix(hex, 16).ok()
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn hex(number: u64) -> [u8; 16] {
    std::array::from_fn(|at| DIGITS[(number >> (60 - 4 * at)) as usize & 15])
}

fn turn(cseq: u32) -> [u8; 5] {
    std::array::from_fn(|at| if at == 0 { b'.' } else { DIGITS[(cseq >> (16 - 4 * at)) as usize & 15] })
}
