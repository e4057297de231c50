//! INFO (RFC 6086): digits in the two old ways that have no package, both sides. Packages we have none (§4.2.2).
//!
//! `application/dtmf-relay` names the digit and how long it is pressed, `application/dtmf` is the digit alone. Neither is
//! in an RFC; gateways that cannot take telephone events (RFC 4733) understand one of them.

use crate::call::{Call, Purpose, Stage};
use crate::caller::reason;
use crate::calls::{Calls, Context};
use crate::field::value;
use crate::{CallError, CallEvent, CallKey, EndedBy, SendTag};
use ringback_message::header::ContentType;
use ringback_message::{HeaderId, Method, Request, Response, StatusCode};
use ringback_sansio::Entropy;
use ringback_transaction::ServerKey;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What an INFO outside of packages may carry.
const ACCEPTED: &str = "application/dtmf-relay, application/dtmf";
/// More digits than anybody dials ahead.
const MOST_DIGITS: usize = 64;
/// How long a digit lasts that does not say so.
const USUAL: Duration = Duration::from_millis(250);
/// Longer is not believed.
const LONGEST: Duration = Duration::from_secs(10);

/// Digits of ours on their way, one INFO after the other so that they arrive in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digits {
    waiting: VecDeque<(char, Duration)>,
    /// The INFO that waits for its response.
    sending: Option<SendTag>,
    /// Whether the peer has refused `application/dtmf-relay`.
    alone: bool,
}

impl<E: Entropy> Calls<E> {
    /// Sends digits by INFO, each so long: `0` to `9`, `*`, `#`, `A` to `D`.
    /// [`CallEvent::DigitsSent`](crate::CallEvent::DigitsSent) tells when the last one was taken, or with which status the
    /// peer has refused one; those behind it are not sent then.
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless the call is up, when one is no digit, or when more than 64 wait.
    pub fn send_digits(
        &mut self,
        now: Instant,
        key: CallKey,
        digits: &str,
        duration: Duration,
    ) -> Result<(), CallError> {
        self.command(now, key, |call, cx| call.send_digits(cx, digits, duration))
    }
}

impl Call {
    fn send_digits(
        &mut self,
        cx: &mut Context<'_>,
        digits: &str,
        duration: Duration,
    ) -> Result<(), CallError> {
        let are_digits = digits.chars().all(is_digit);
        let fit = self.digits.waiting.len() + digits.len() <= MOST_DIGITS;
        if self.stage != Stage::Up || self.hanging_up || !are_digits || !fit {
            return Err(CallError::WrongState);
        }
        self.digits.waiting.extend(digits.chars().map(|digit| (digit, duration)));
        self.send_next_digit(cx);
        Ok(())
    }

    fn send_next_digit(&mut self, cx: &mut Context<'_>) {
        // As with REFER: before the ACK the peer may not have a dialog that a request could be in.
        let is_confirmed = self.theirs.as_ref().is_none_or(|theirs| !theirs.is_first) && self.owed.is_none();
        if self.stage != Stage::Up || self.digits.sending.is_some() || !is_confirmed {
            return;
        }
        let Some((digit, duration)) = self.digits.waiting.front().copied() else { return };
        let number = self.next_cseq();
        let Some(dialog) = self.dialogs.first() else { return };
        let (hop, info) = dialog.request(&self.ends, Method::INFO, number);
        let info = match self.digits.alone {
            true => info.body("application/dtmf", digit.to_string()),
            false => info.body(
                "application/dtmf-relay",
                format!("Signal={digit}\r\nDuration={}\r\n", duration.as_millis()),
            ),
        };
        if let Ok(info) = info.build() {
            self.digits.sending = Some(self.send(cx, Purpose::Info, Some(hop), info));
        }
    }

    /// The ACK is here: sends the digits that waited for it.
    pub(crate) fn dial_at_last(&mut self, cx: &mut Context<'_>) {
        self.send_next_digit(cx);
    }

    pub(crate) fn on_info_response(&mut self, cx: &mut Context<'_>, tag: SendTag, response: &Response) {
        let status = response.status();
        if self.digits.sending != Some(tag) || status.is_provisional() {
            return;
        }
        self.digits.sending = None;
        match status {
            _ if self.stage != Stage::Up => {}
            _ if status.is_success() => {
                self.digits.waiting.pop_front();
                match self.digits.waiting.is_empty() {
                    true => Self::tell(cx, CallEvent::DigitsSent(status)),
                    false => self.send_next_digit(cx),
                }
            }
            // Rule 32.
            StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => {
                self.break_off(cx, EndedBy::Peer, Some(status), &reason(response));
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE if !self.digits.alone => {
                self.digits.alone = true;
                self.send_next_digit(cx);
            }
            _ => self.give_digits_up(cx, status),
        }
    }

    pub(crate) fn on_info_lost(&mut self, cx: &mut Context<'_>, tag: SendTag, status: StatusCode) {
        if self.digits.sending != Some(tag) {
            return;
        }
        self.digits.sending = None;
        match (self.stage, status) {
            (Stage::Up, StatusCode::REQUEST_TIMEOUT) => {
                self.break_off(cx, EndedBy::Network, Some(status), "no answer within the call");
            }
            (Stage::Up, _) => self.give_digits_up(cx, status),
            _ => {}
        }
    }

    fn give_digits_up(&mut self, cx: &mut Context<'_>, status: StatusCode) {
        self.digits.waiting.clear();
        Self::tell(cx, CallEvent::DigitsSent(status));
    }

    /// RFC 6086 §4.2.2: a package is one that we do not have. Outside of packages a digit is understood, and nothing.
    pub(crate) fn on_info(cx: &mut Context<'_>, key: ServerKey, request: &Request) {
        let kind = value::<ContentType<'_>>(request);
        let is = |subtype| kind.as_ref().is_some_and(|kind| kind.is("application", subtype));
        let read = match (is("dtmf-relay"), is("dtmf")) {
            (true, _) => Some(relayed(request.body())),
            (_, true) => Some(alone(request.body())),
            _ => None,
        };
        let response = match (request.has(HeaderId::INFO_PACKAGE), request.body().is_empty(), &read) {
            (true, _, _) => request.reply(StatusCode::BAD_INFO_PACKAGE, None).header(HeaderId::RECV_INFO, ""),
            (false, true, _) | (false, false, Some(Some(_))) => request.reply(StatusCode::OK, None),
            (false, false, Some(None)) => request.reply_with(StatusCode::BAD_REQUEST, "Bad digit", None),
            (false, false, None) => {
                request.reply(StatusCode::UNSUPPORTED_MEDIA_TYPE, None).header(HeaderId::ACCEPT, ACCEPTED)
            }
        };
        let is_taken = !request.has(HeaderId::INFO_PACKAGE);
        if let Ok(response) = response.build() {
            Self::respond(cx, key, response);
        }
        if let (true, Some(Some((digit, duration)))) = (is_taken, read) {
            Self::tell(cx, CallEvent::Digit(digit, duration));
        }
    }
}

fn is_digit(digit: char) -> bool {
    matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D')
}

/// The digit of `application/dtmf-relay`: `Signal=5` and `Duration=160`, in milliseconds, a line each.
fn relayed(body: &[u8]) -> Option<(char, Duration)> {
    let (mut signal, mut duration) = (None, USUAL);
    for line in std::str::from_utf8(body).ok()?.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("signal") {
            signal = Some(signalled(value)?);
        } else if name.eq_ignore_ascii_case("duration") {
            duration = Duration::from_millis(value.parse().ok()?).min(LONGEST);
        }
    }
    Some((signal?, duration))
}

/// The digit of `application/dtmf`.
fn alone(body: &[u8]) -> Option<(char, Duration)> {
    Some((signalled(std::str::from_utf8(body).ok()?.trim())?, USUAL))
}

/// A digit, or its number as RFC 4733 §3.2 counts them.
fn signalled(text: &str) -> Option<char> {
    let mut letters = text.chars();
    match (letters.next()?.to_ascii_uppercase(), letters.next()) {
        (digit, None) => is_digit(digit).then_some(digit),
        _ => match text {
            "10" => Some('*'),
            "11" => Some('#'),
            "12" => Some('A'),
            "13" => Some('B'),
            "14" => Some('C'),
            "15" => Some('D'),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_in_both_ways_or_refused() {
        let milliseconds = |digit, ms| Some((digit, Duration::from_millis(ms)));
        for (body, expected) in [
            ("Signal=5\r\nDuration=160\r\n", milliseconds('5', 160)),
            ("signal= *\nduration= 90", milliseconds('*', 90)),
            ("Signal=11", milliseconds('#', 250)),
            ("Duration=99999999\r\nSignal=d\r\n", milliseconds('D', 10_000)),
            ("Signal=5\r\nVolume=3\r\n", milliseconds('5', 250)),
            ("Signal=\r\nDuration=160\r\n", None),
            ("Signal=16", None),
            ("Signal=5\r\nDuration=long", None),
            ("Duration=160", None),
            ("", None),
        ] {
            assert_eq!(relayed(body.as_bytes()), expected, "{body:?}");
        }
        assert_eq!(alone(b" 7\r\n"), milliseconds('7', 250));
        assert_eq!(alone(b"10"), milliseconds('*', 250));
        assert_eq!(alone(b"77"), None);
        assert_eq!(alone(b"\xff"), None);
        assert_eq!(relayed(b"Signal=\xff"), None);
    }
}
