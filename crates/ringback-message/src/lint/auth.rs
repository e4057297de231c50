//! Challenges and credentials (RFC 3261 §20.7, §20.44, §25.1; RFC 8760; RFC 8898).

use super::scan::{Check, Fault, Scan};
use crate::lex::{is_lws, is_token_byte};

/// Which of the two a field holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Challenge,
    Credentials,
}

/// How the value of a parameter of Digest is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Quoted,
    Token,
}

/// `auth-scheme LWS auth-param *(COMMA auth-param)`, for Digest with its parameters.
pub(super) fn auth(scan: &mut Scan<'_, '_>, role: Role) -> Check {
    let scheme_at = scan.at;
    let scheme = scan.token("auth-scheme")?;
    scan.lws("auth-scheme")?;
    let is_digest = scheme.eq_ignore_ascii_case(b"Digest");
    if !is_digest && is_token68(&scan.text[scan.at..]) {
        scan.at = scan.text.len();
        return Ok(());
    }
    let needed: &[&str] = match role {
        Role::Challenge => &["realm", "nonce"],
        Role::Credentials => &["username", "realm", "nonce", "uri", "response"],
    };
    let mut there = [false; 5];
    loop {
        pair(scan, is_digest, role, needed, &mut there)?;
        if !scan.sep(b',') {
            break;
        }
    }
    scan.finish("auth-param")?;
    // A client that knows who it is may name itself by a hash (RFC 7616 §3.4).
    let lacking = needed.iter().zip(there).find(|(_, there)| !there);
    if let (true, Some((name, _))) = (is_digest, lacking) {
        let what = match *name {
            "username" => "`username` is missing",
            "realm" => "`realm` is missing",
            "nonce" => "`nonce` is missing",
            "uri" => "`uri` is missing",
            _ => "`response` is missing",
        };
        scan.note(scheme_at, scheme.len(), Fault::new("digest parameters", what).by("RFC 3261 §22.4"));
    }
    Ok(())
}

/// `token68` of RFC 7235, which Bearer has.
fn is_token68(text: &[u8]) -> bool {
    let body = text.iter().take_while(|byte| is_token_byte(**byte) || **byte == b'/').count();
    body > 0 && text[body..].iter().all(|byte| *byte == b'=')
}

fn pair(
    scan: &mut Scan<'_, '_>,
    is_digest: bool,
    role: Role,
    needed: &[&str],
    there: &mut [bool; 5],
) -> Check {
    let name = scan.token("auth-param")?;
    if !scan.sep(b'=') {
        return scan.fail(Fault::new("auth-param", "an equals sign and a value belong here"));
    }
    let at = scan.at;
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    let spelling = if scan.peek() == Some(b'"') {
        scan.quoted("auth-param")?;
        Spelling::Quoted
    } else {
        scan.take_while(|byte| byte != b',' && byte != b'"' && !is_lws(byte));
        Spelling::Token
    };
    let value = &scan.text[at..scan.at];
    if let Some(place) = needed.iter().position(|needed| is(needed)) {
        there[place] = true;
    }
    if is("username*") && role == Role::Credentials {
        there[0] = true;
    }
    let expected = expected(name, role).filter(|_| is_digest);
    let fault = Fault::new("auth-param", "");
    let fault = match (expected, spelling) {
        (Some(Spelling::Quoted), Spelling::Token) => {
            Fault { what: "this value stands in quotes", ..fault }.help("write quotes around it")
        }
        (Some(Spelling::Token), Spelling::Quoted) => {
            Fault { what: "this value stands without quotes", ..fault }.help("leave the quotes out")
        }
        (_, Spelling::Token) if value.is_empty() => Fault { what: "a value belongs here", ..fault },
        (_, Spelling::Token) if !value.iter().all(|byte| is_token_byte(*byte)) => {
            Fault { what: "the value is no token", ..fault }.help("write quotes around it")
        }
        _ if is("nc") && is_digest && !is_hex(value, &[8]) => {
            Fault { rule: "nc-value", what: "it has eight hexadecimal digits", ..fault }
        }
        _ if is("response") && is_digest && !is_hex(value.trim_ascii_start(), &[34, 66]) => {
            let what = "it has as many small hexadecimal digits as the hash that was used";
            Fault { rule: "request-digest", what, ..fault }.by("RFC 8760 §2.6")
        }
        _ => return Ok(()),
    };
    scan.note(at, value.len().max(1), fault);
    Ok(())
}

/// Whether `text` has one of these lengths, its quotes counted, and hexadecimal digits in small letters.
fn is_hex(text: &[u8], lengths: &[usize]) -> bool {
    let digits = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    lengths.contains(&text.len())
        && digits.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
}

fn expected(name: &[u8], role: Role) -> Option<Spelling> {
    let is_one_of = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    match () {
        () if is_one_of(&["realm", "nonce", "opaque", "domain", "username", "uri", "cnonce", "response"]) => {
            Some(Spelling::Quoted)
        }
        () if is_one_of(&["stale", "algorithm", "nc", "userhash"]) => Some(Spelling::Token),
        () if is_one_of(&["qop"]) && role == Role::Challenge => Some(Spelling::Quoted),
        () if is_one_of(&["qop"]) => Some(Spelling::Token),
        () => None,
    }
}
