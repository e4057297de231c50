//! Small facts and readings of header fields that several parts need.

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

/// The first value of a field, where it is there and right.
pub(crate) fn value<'a, H: Header<'a>>(message: &'a Message) -> Option<H> {
    message.first::<H>()?.ok()
}

/// Whether an application may write the field; what the others say is for the state of the call to decide.
pub(crate) fn is_of_application(field: HeaderId) -> bool {
    matches!(
        field,
        HeaderId::OTHER
            | HeaderId::SUBJECT
            | HeaderId::CALL_INFO
            | HeaderId::ALERT_INFO
            | HeaderId::PRIORITY
            | HeaderId::ORGANIZATION
            | HeaderId::ANSWER_MODE
            | HeaderId::PRIV_ANSWER_MODE
    )
}
