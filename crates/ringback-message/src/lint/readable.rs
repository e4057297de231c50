//! Whether a value can be read by whom it concerns.

use super::Found;
use super::scan::Fault;
use crate::HeaderId;
use crate::ParseError;
use crate::header;
use crate::lex::Elements;

/// Whether typed access reads all of a row. What has no type is read as it stands.
pub(super) fn is_readable(id: HeaderId, value: &[u8]) -> bool {
    first_fault(id, value).is_none()
}

/// A field whose grammar is not here to the letter: what its type does not read is wrong.
pub(super) fn check(id: HeaderId, value: &[u8], base: usize, found: &mut Found) {
    // Of these lists some may be empty.
    if value.is_empty() {
        return;
    }
    if let Some(error) = first_fault(id, value) {
        let at = (error.offset as usize).min(value.len());
        let fault = Fault::new(error.rule, "the value is out of its grammar").by(defined_in(id));
        let before = found.deviations.len();
        found.note(base + at, 1.min(value.len() - at), fault);
        found.unreadable_from(before);
    }
}

fn first_fault(id: HeaderId, value: &[u8]) -> Option<ParseError> {
    if !id.is_list() {
        return header::check(id, value).err();
    }
    let faults =
        Elements::new(value).map(|(at, element)| header::check(id, element).map_err(|it| it.shifted(at)));
    faults.filter_map(Result::err).next()
}

fn defined_in(id: HeaderId) -> &'static str {
    match id {
        HeaderId::ACCEPT_CONTACT | HeaderId::REJECT_CONTACT | HeaderId::REQUEST_DISPOSITION => "RFC 3841 §10",
        HeaderId::RESOURCE_PRIORITY | HeaderId::ACCEPT_RESOURCE_PRIORITY => "RFC 4412 §3",
        HeaderId::ANSWER_MODE | HeaderId::PRIV_ANSWER_MODE => "RFC 5373",
        HeaderId::CONTENT_ID => "RFC 8262",
        HeaderId::FEATURE_CAPS => "RFC 6809",
        HeaderId::GEOLOCATION | HeaderId::GEOLOCATION_ERROR | HeaderId::GEOLOCATION_ROUTING => "RFC 6442 §4",
        HeaderId::IDENTITY => "RFC 8224 §4",
        HeaderId::INFO_PACKAGE | HeaderId::RECV_INFO => "RFC 6086",
        HeaderId::MAX_BREADTH => "RFC 5393",
        HeaderId::P_ACCESS_NETWORK_INFO
        | HeaderId::P_ASSOCIATED_URI
        | HeaderId::P_CALLED_PARTY_ID
        | HeaderId::P_CHARGING_VECTOR
        | HeaderId::P_VISITED_NETWORK_ID => "RFC 7315",
        HeaderId::P_SERVED_USER => "RFC 5502",
        HeaderId::PERMISSION_MISSING => "RFC 5360",
        HeaderId::PROXY_AUTHENTICATION_INFO => "RFC 7615",
        HeaderId::REMOTE_PARTY_ID => "draft-ietf-sip-privacy-04",
        HeaderId::SECURITY_CLIENT | HeaderId::SECURITY_SERVER | HeaderId::SECURITY_VERIFY => "RFC 3329 §2.2",
        HeaderId::SESSION_ID => "RFC 7989",
        HeaderId::SUPPRESS_IF_MATCH => "RFC 5839",
        HeaderId::USER_TO_USER => "RFC 7433",
        _ => "RFC 3261 §25.1",
    }
}
