//! Small readings of header fields that several parts need.

use ringback_message::header::{Allow, Header, Token};
use ringback_message::{HeaderId, Message, Method};

/// Whether a list of option tags has this one.
pub(crate) fn has_token<'a, H: Header<'a> + Token<'a>>(message: &'a Message, tag: &str) -> bool {
    message.all::<H>().flatten().any(|token| token.token().eq_ignore_ascii_case(tag))
}

/// Whether the peer says that it takes a method; `None` when it does not say anything.
pub(crate) fn allows(message: &Message, method: &Method) -> Option<bool> {
    let mut says = None;
    for allow in message.all::<Allow>().flatten() {
        says = Some(says == Some(true) || allow.0 == *method);
    }
    says
}

/// The number that a field begins with, before any parameters.
pub(crate) fn number(message: &Message, id: HeaderId) -> Option<u32> {
    let value = message.values(id).next()?;
    let digits = std::str::from_utf8(value).ok()?.split(';').next()?.trim();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}
