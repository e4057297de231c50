//! The grammar of each header field, one value at a time.

use super::address::{Form, address, bracketed, is_qvalue};
use super::auth::{Role, auth};
use super::date::date;
use super::scan::{Check, Fault, Scan, number_within};
use super::uri::{Place, check_host, check_port};
use super::{Found, readable, via};
use crate::HeaderId;
use crate::lex::{is_lws, is_token_byte};

/// Looks at one row.
pub(super) fn check(id: HeaderId, value: &[u8], base: usize, found: &mut Found) {
    let Some(shape) = Shape::of(id) else {
        return readable::check(id, value, base, found);
    };
    let before = found.deviations.len();
    let mut scan = Scan::new(value, base, found);
    if id.is_list() {
        scan.list(id.name(), shape.may_be_empty(), |scan| shape.one(scan, id));
    } else if shape.one(&mut scan, id).is_ok() {
        // What does not end there was noted.
        let _ = scan.finish(id.name());
    }
    if found.deviations.len() > before && !readable::is_readable(id, value) {
        found.unreadable_from(before);
    }
}

/// What a value looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Via,
    Address(Form),
    CallId,
    /// Call-ID and parameters: what Replaces and its kin hold.
    Dialog(&'static [&'static str]),
    CSeq,
    Number {
        least: u64,
        most: u64,
        section: &'static str,
    },
    /// `delta-seconds` and parameters.
    Seconds {
        least: u64,
        section: &'static str,
    },
    RetryAfter,
    Date,
    Token,
    /// A token and parameters.
    TokenParams,
    /// Tokens, and none at all where a list may be empty.
    Tokens {
        may_be_empty: bool,
    },
    /// `TEXT-UTF8-TRIM`: the lines were looked at, which is all there is.
    Text,
    MediaType,
    MediaRange,
    /// A coding or language and its quality.
    Preference,
    UriInBrackets,
    Products,
    Auth(Role),
    Version,
    Timestamp,
    Warning,
    RAck,
    SemicolonTokens,
}

const SECONDS_SECTION: &str = "RFC 3261 §20.19";

impl Shape {
    #[rustfmt::skip]
    fn of(id: HeaderId) -> Option<Self> {
        Some(match id {
            HeaderId::VIA => Self::Via,
            HeaderId::FROM | HeaderId::TO | HeaderId::REPLY_TO | HeaderId::REFER_TO | HeaderId::REFERRED_BY
            | HeaderId::CONTACT | HeaderId::P_ASSERTED_IDENTITY | HeaderId::P_PREFERRED_IDENTITY => {
                Self::Address(Form::Either)
            }
            HeaderId::ROUTE | HeaderId::RECORD_ROUTE | HeaderId::PATH | HeaderId::SERVICE_ROUTE
            | HeaderId::DIVERSION | HeaderId::HISTORY_INFO => Self::Address(Form::Brackets),
            HeaderId::CALL_ID | HeaderId::IN_REPLY_TO => Self::CallId,
            HeaderId::REPLACES | HeaderId::JOIN => Self::Dialog(&["to-tag", "from-tag"]),
            HeaderId::TARGET_DIALOG => Self::Dialog(&["local-tag", "remote-tag"]),
            HeaderId::CSEQ => Self::CSeq,
            HeaderId::MAX_FORWARDS => Self::Number { least: 0, most: 255, section: "RFC 3261 §20.22" },
            HeaderId::CONTENT_LENGTH => Self::Number { least: 0, most: u32::MAX as u64, section: "RFC 3261 §20.14" },
            HeaderId::EXPIRES => Self::Number { least: 0, most: u32::MAX as u64, section: SECONDS_SECTION },
            HeaderId::MIN_EXPIRES => Self::Number { least: 0, most: u32::MAX as u64, section: "RFC 3261 §20.23" },
            HeaderId::RSEQ => Self::Number { least: 1, most: u32::MAX as u64, section: "RFC 3262 §7.1" },
            HeaderId::FLOW_TIMER => Self::Number { least: 0, most: u32::MAX as u64, section: "RFC 5626 §10" },
            HeaderId::SESSION_EXPIRES => Self::Seconds { least: 90, section: "RFC 4028 §4" },
            HeaderId::MIN_SE => Self::Seconds { least: 90, section: "RFC 4028 §5" },
            HeaderId::RETRY_AFTER => Self::RetryAfter,
            HeaderId::DATE => Self::Date,
            HeaderId::PRIORITY | HeaderId::SIP_ETAG | HeaderId::SIP_IF_MATCH => Self::Token,
            HeaderId::CONTENT_DISPOSITION | HeaderId::EVENT | HeaderId::SUBSCRIPTION_STATE | HeaderId::REASON
            | HeaderId::REFER_SUB => Self::TokenParams,
            HeaderId::ALLOW | HeaderId::SUPPORTED => Self::Tokens { may_be_empty: true },
            HeaderId::REQUIRE | HeaderId::PROXY_REQUIRE | HeaderId::UNSUPPORTED | HeaderId::CONTENT_ENCODING
            | HeaderId::CONTENT_LANGUAGE | HeaderId::ALLOW_EVENTS => Self::Tokens { may_be_empty: false },
            HeaderId::SUBJECT | HeaderId::ORGANIZATION => Self::Text,
            HeaderId::CONTENT_TYPE => Self::MediaType,
            HeaderId::ACCEPT => Self::MediaRange,
            HeaderId::ACCEPT_ENCODING | HeaderId::ACCEPT_LANGUAGE => Self::Preference,
            HeaderId::ALERT_INFO | HeaderId::CALL_INFO | HeaderId::ERROR_INFO => Self::UriInBrackets,
            HeaderId::USER_AGENT | HeaderId::SERVER => Self::Products,
            HeaderId::WWW_AUTHENTICATE | HeaderId::PROXY_AUTHENTICATE => Self::Auth(Role::Challenge),
            HeaderId::AUTHORIZATION | HeaderId::PROXY_AUTHORIZATION => Self::Auth(Role::Credentials),
            HeaderId::MIME_VERSION => Self::Version,
            HeaderId::TIMESTAMP => Self::Timestamp,
            HeaderId::WARNING => Self::Warning,
            HeaderId::RACK => Self::RAck,
            HeaderId::PRIVACY => Self::SemicolonTokens,
            _ => return None,
        })
    }

    fn may_be_empty(self) -> bool {
        matches!(self, Self::Tokens { may_be_empty: true } | Self::MediaRange | Self::Preference)
    }

    fn one(self, scan: &mut Scan<'_, '_>, id: HeaderId) -> Check {
        let rule = id.name();
        match self {
            Self::Via => via::via_parm(scan),
            Self::Address(form) => address(scan, id, form),
            Self::CallId => call_id(scan),
            Self::Dialog(tags) => dialog(scan, rule, tags),
            Self::CSeq => cseq(scan),
            Self::Number { least, most, section } => number(scan, rule, least, most, section),
            Self::Seconds { least, section } => {
                number(scan, rule, least, u32::MAX.into(), section)?;
                scan.params(|_, _| {})
            }
            Self::RetryAfter => retry_after(scan),
            Self::Date => {
                date(scan)?;
                scan.at = scan.text.len();
                Ok(())
            }
            Self::Token | Self::Tokens { .. } => scan.token(rule).map(drop),
            Self::TokenParams => token_params(scan, id),
            Self::Text => {
                scan.at = scan.text.len();
                Ok(())
            }
            Self::MediaType => media(scan, "media-type", |_, _| {}),
            Self::MediaRange => media(scan, "accept-range", quality),
            Self::Preference => {
                scan.token(rule)?;
                scan.params(quality)
            }
            Self::UriInBrackets => {
                bracketed(scan, Place::Elsewhere)?;
                scan.params(|_, _| {})
            }
            Self::Products => products(scan),
            Self::Auth(role) => auth(scan, role),
            Self::Version => {
                scan.digits(rule)?;
                if !scan.eat(b'.') {
                    return scan.fail(Fault::new(rule, "a point belongs here"));
                }
                scan.digits(rule).map(drop)
            }
            Self::Timestamp => timestamp(scan),
            Self::Warning => warning(scan),
            Self::RAck => {
                number(scan, rule, 1, u32::MAX.into(), "RFC 3262 §7.2")?;
                scan.lws(rule)?;
                cseq(scan)
            }
            Self::SemicolonTokens => {
                scan.token(rule)?;
                while scan.sep(b';') {
                    scan.token(rule)?;
                }
                Ok(())
            }
        }
    }
}

/// `word [ "@" word ]`.
fn call_id(scan: &mut Scan<'_, '_>) -> Check {
    const SECTION: &str = "RFC 3261 §20.8";
    let is_word = |byte: u8| is_token_byte(byte) || b"()<>:\\\"/[]?{}".contains(&byte);
    if scan.take_while(is_word).is_empty() {
        return scan.fail(Fault::new("callid", "a word belongs here").by(SECTION));
    }
    if scan.eat(b'@') && scan.take_while(is_word).is_empty() {
        return scan.fail(Fault::new("callid", "a word belongs behind the `@`").by(SECTION));
    }
    match scan.peek() {
        None | Some(b',' | b';' | b' ' | b'\t' | b'\r' | b'\n') => Ok(()),
        Some(_) => {
            let fault = Fault::new("word", "no Call-ID has this character").by(SECTION);
            scan.note(scan.at, 1, fault);
            scan.take_while(|byte| !is_lws(byte) && byte != b',');
            Ok(())
        }
    }
}

fn dialog(scan: &mut Scan<'_, '_>, rule: &'static str, tags: &[&str]) -> Check {
    let start = scan.at;
    call_id(scan)?;
    let length = scan.at - start;
    let mut there = [false; 2];
    scan.params(|_, param| {
        for (tag, there) in tags.iter().zip(&mut there) {
            *there |= param.is(tag);
        }
    })?;
    if there != [true, true] {
        let section = match rule {
            "Replaces" => "RFC 3891 §6.1",
            "Join" => "RFC 3911 §7.1",
            _ => "RFC 4538 §7",
        };
        scan.note(start, length, Fault::new(rule, "it names a dialog by both of its tags").by(section));
    }
    Ok(())
}

/// `1*DIGIT LWS Method`.
fn cseq(scan: &mut Scan<'_, '_>) -> Check {
    number(scan, "CSeq", 0, (1 << 31) - 1, "RFC 3261 §8.1.1.5")?;
    scan.lws("CSeq")?;
    scan.token("Method").map(drop)
}

fn number(
    scan: &mut Scan<'_, '_>,
    rule: &'static str,
    least: u64,
    most: u64,
    section: &'static str,
) -> Check {
    let at = scan.at;
    let digits = scan.digits(rule)?;
    if !number_within(digits, least, most) {
        let what = match most {
            255 => "the number is larger than 255",
            _ if number_within(digits, 0, most) => "the number is smaller than it may be",
            0x7fff_ffff => "the number is not below 2^31",
            _ => "the number is not below 2^32",
        };
        scan.note(at, digits.len(), Fault::new(rule, what).by(section));
    }
    Ok(())
}

/// `delta-seconds [ comment ] *( SEMI retry-param )`.
fn retry_after(scan: &mut Scan<'_, '_>) -> Check {
    number(scan, "Retry-After", 0, u32::MAX.into(), "RFC 3261 §20.33")?;
    let before = scan.at;
    scan.sws();
    if scan.peek() == Some(b'(') {
        scan.comment()?;
    } else {
        scan.at = before;
    }
    scan.params(|_, _| {})
}

fn token_params(scan: &mut Scan<'_, '_>, id: HeaderId) -> Check {
    scan.token(id.name())?;
    scan.params(|scan, param| {
        let seconds = id == HeaderId::SUBSCRIPTION_STATE && (param.is("expires") || param.is("retry-after"));
        if seconds && !number_within(param.value(), 0, u32::MAX.into()) {
            let fault = Fault::new("delta-seconds", "it is a number of seconds below 2^32");
            scan.note(param.at, param.value().len().max(1), fault.by("RFC 6665 §8.4"));
        }
    })
}

/// `m-type SLASH m-subtype *(SEMI m-parameter)`.
fn media<'a>(
    scan: &mut Scan<'a, '_>,
    rule: &'static str,
    param: impl FnMut(&mut Scan<'a, '_>, super::scan::Param<'a>),
) -> Check {
    let start = scan.at;
    let kind = scan.token("m-type")?;
    if !scan.sep(b'/') {
        return scan.fail(Fault::new(rule, "a slash and a subtype belong here"));
    }
    scan.token("m-subtype")?;
    let mut param = param;
    let mut has_boundary = false;
    scan.params(|scan, it| {
        has_boundary |= it.is("boundary");
        param(scan, it);
    })?;
    if kind.eq_ignore_ascii_case(b"multipart") && rule == "media-type" && !has_boundary {
        let fault =
            Fault::new("boundary", "several parts have a boundary between them").by("RFC 2046 §5.1.1");
        scan.note(start, kind.len(), fault);
    }
    Ok(())
}

fn quality<'a>(scan: &mut Scan<'a, '_>, param: super::scan::Param<'a>) {
    if param.is("q") && !is_qvalue(param.value()) {
        let what = "it is a number from 0 to 1 with at most three digits behind the point";
        scan.note(param.at, param.value().len().max(1), Fault::new("qvalue", what));
    }
}

/// `server-val *(LWS server-val)`, each a product or a comment.
fn products(scan: &mut Scan<'_, '_>) -> Check {
    loop {
        if scan.peek() == Some(b'(') {
            scan.comment()?;
        } else {
            scan.token("product")?;
            if scan.sep(b'/') {
                scan.token("product-version")?;
            }
        }
        if scan.is_end() {
            return Ok(());
        }
        if !scan.peek().is_some_and(is_lws) {
            let fault = Fault::new("server-val", "no product has this character");
            return scan.fail(fault.help("write product/version words, and the rest as a (comment)"));
        }
        scan.sws();
    }
}

/// `1*DIGIT [ "." *DIGIT ] [ LWS delay ]`.
fn timestamp(scan: &mut Scan<'_, '_>) -> Check {
    scan.digits("Timestamp")?;
    for _ in 0..2 {
        if scan.eat(b'.') {
            scan.take_while(|byte| byte.is_ascii_digit());
        }
        if !scan.peek().is_some_and(is_lws) {
            break;
        }
        scan.sws();
        scan.take_while(|byte| byte.is_ascii_digit());
    }
    Ok(())
}

/// `warn-code SP warn-agent SP warn-text`.
fn warning(scan: &mut Scan<'_, '_>) -> Check {
    const SECTION: &str = "RFC 3261 §20.43";
    let at = scan.at;
    let code = scan.digits("warn-code")?;
    if code.len() != 3 {
        scan.note(at, code.len(), Fault::new("warn-code", "it has three digits").by(SECTION));
    }
    scan.lws("warning-value")?;
    let at = scan.at;
    let agent = scan.take_while(|byte| !is_lws(byte) && byte != b'"' && byte != b',');
    if agent.is_empty() {
        return scan.fail(Fault::new("warn-agent", "a host or a name belongs here").by(SECTION));
    }
    // A pseudonym is any token; only what has a port or brackets must be a host.
    if !agent.iter().all(|byte| is_token_byte(*byte)) {
        let port = agent
            .iter()
            .rposition(|byte| *byte == b':')
            .filter(|colon| agent[*colon..].iter().all(|byte| *byte != b']'));
        let host = &agent[..port.unwrap_or(agent.len())];
        check_host(host, scan.base + at, scan.found);
        if let Some(port) = port {
            check_port(&agent[port + 1..], scan.base + at + port + 1, scan.found);
        }
    }
    scan.lws("warning-value")?;
    scan.quoted("warn-text").map(drop)
}
