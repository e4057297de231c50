//! Addresses: `name-addr`, `addr-spec` and what follows them (RFC 3261 §20.10, §25.1).

use super::scan::{Check, Fault, Param, Scan, Stop, number_within};
use super::uri::{self, Place};
use crate::HeaderId;
use crate::lex::{is_lws, is_token, is_token_byte};

/// Whether a URI may stand without brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `name-addr / addr-spec`.
    Either,
    /// `name-addr`.
    Brackets,
}

/// An address and the parameters behind it.
pub(super) fn address(scan: &mut Scan<'_, '_>, id: HeaderId, form: Form) -> Check {
    if id == HeaderId::CONTACT && scan.peek() == Some(b'*') {
        scan.at += 1;
        return Ok(());
    }
    spec(scan, Place::of(id), form)?;
    if matches!(id, HeaderId::P_ASSERTED_IDENTITY | HeaderId::P_PREFERRED_IDENTITY) {
        let at = scan.at;
        if scan.sep(b';') {
            scan.at = at;
            let fault = Fault::new("PAssertedID-value", "no parameters follow the address here");
            let length = scan.text[at..].iter().take_while(|byte| **byte != b',').count();
            scan.note(at, length, fault.by("RFC 3325 §9.1"));
        }
    }
    scan.params(|scan, param| known_param(scan, param, id))
}

fn known_param(scan: &mut Scan<'_, '_>, param: Param<'_>, id: HeaderId) {
    let value = param.value();
    let fault = match () {
        () if param.is("tag") && matches!(id, HeaderId::FROM | HeaderId::TO) && !is_token(value) => {
            Fault::new("tag-param", "a tag is a token").by("RFC 3261 §19.3")
        }
        () if param.is("q") && !is_qvalue(value) => {
            Fault::new("qvalue", "it is a number from 0 to 1 with at most three digits behind the point")
        }
        () if param.is("expires") && id == HeaderId::CONTACT && !number_within(value, 0, u32::MAX.into()) => {
            Fault::new("delta-seconds", "it is a number of seconds below 2^32").by("RFC 3261 §20.10")
        }
        () => return,
    };
    scan.note(param.at, value.len().max(1), fault);
}

/// `( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`.
pub(super) fn is_qvalue(value: &[u8]) -> bool {
    let (whole, fraction) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] => (whole, fraction),
        _ => return false,
    };
    fraction.len() <= 3
        && match whole {
            b'0' => fraction.iter().all(u8::is_ascii_digit),
            b'1' => fraction.iter().all(|digit| *digit == b'0'),
            _ => false,
        }
}

fn spec(scan: &mut Scan<'_, '_>, place: Place, form: Form) -> Check {
    let start = scan.at;
    if scan.peek() == Some(b'"') {
        scan.quoted("display-name")?;
        scan.sws();
        if scan.peek() != Some(b'<') {
            return scan
                .fail(Fault::new("name-addr", "the URI behind a display name has angle brackets around it"));
        }
        return bracketed(scan, place);
    }
    let before_bracket = scan.take_while(|byte| !b"<,;\"".contains(&byte));
    match scan.peek() {
        Some(b'<') => {
            display_name(scan, before_bracket, start);
            bracketed(scan, place)
        }
        // In a name without quotes.
        Some(b'"') => {
            let length = scan.at - start;
            scan.note(start, length.max(1), UNQUOTED);
            Err(Stop)
        }
        Some(b',')
            if !before_bracket.contains(&b':') && memchr::memchr(b'<', &scan.text[scan.at..]).is_some() =>
        {
            scan.note(start, scan.at + 1 - start, UNQUOTED);
            Err(Stop)
        }
        _ => {
            scan.at = start;
            let bare = scan.take_while(|byte| !is_lws(byte) && !b",;>".contains(&byte));
            if bare.is_empty() {
                return scan.fail(Fault::new("addr-spec", "a URI belongs here"));
            }
            uri::check(bare, scan.base + start, place, scan.found);
            let length = bare.len();
            if form == Form::Brackets {
                let fault = Fault::new("name-addr", "this field has angle brackets around each URI");
                scan.note(start, length, fault.help("write `<` and `>` around it"));
            } else if let Some(at) = memchr::memchr(b'?', bare) {
                let fault =
                    Fault::new("addr-spec", "a URI with a question mark has angle brackets around it");
                scan.note(start + at, 1, fault.by("RFC 3261 §20").help("write `<` and `>` around it"));
            }
            Ok(())
        }
    }
}

const UNQUOTED: Fault =
    Fault::new("display-name", "a name that is more than tokens and spaces stands in quotes")
        .help("write quotes around it");

/// `*(token LWS)`.
fn display_name(scan: &mut Scan<'_, '_>, name: &[u8], start: usize) {
    let odd = name.iter().position(|byte| !is_token_byte(*byte) && !is_lws(*byte));
    if odd.is_some() {
        scan.note(start, name.trim_ascii_end().len(), UNQUOTED);
    } else if name.last().is_some_and(|last| !is_lws(*last)) {
        let fault = Fault::new("display-name", "white space is missing between name and bracket");
        scan.note(start + name.len(), 1, fault.help("write a space before `<`"));
    }
}

/// `LAQUOT addr-spec RAQUOT`.
pub(super) fn bracketed(scan: &mut Scan<'_, '_>, place: Place) -> Check {
    let open = scan.at;
    if !scan.eat(b'<') {
        return scan.fail(Fault::new("LAQUOT", "`<` belongs here"));
    }
    let inside = scan.take_while(|byte| byte != b'>');
    if !scan.eat(b'>') {
        let fault =
            Fault::new("RAQUOT", "the angle bracket is never closed").help("write `>` behind the URI");
        scan.note(open, 1, fault);
        return Err(Stop);
    }
    let lead = inside.iter().take_while(|byte| is_lws(**byte)).count();
    let trimmed = inside.trim_ascii();
    if trimmed.len() != inside.len() {
        let fault = Fault::new("name-addr", "no white space stands inside of the angle brackets");
        let at = if lead > 0 { open + 1 } else { open + 1 + trimmed.len() };
        scan.note(at, lead.max(inside.len() - lead - trimmed.len()), fault.help("leave it out"));
    }
    uri::check(trimmed, scan.base + open + 1 + lead.min(inside.len()), place, scan.found);
    Ok(())
}
