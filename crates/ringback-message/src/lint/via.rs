//! Via (RFC 3261 §20.42, RFC 3581).

use super::scan::{Check, Fault, Scan, number_within};
use super::uri::{check_host, check_port};
use crate::lex::{is_lws, is_token, is_token_byte};
use std::net::{Ipv4Addr, Ipv6Addr};

const SECTION: &str = "RFC 3261 §20.42";

/// `sent-protocol LWS sent-by *( SEMI via-params )`.
pub(super) fn via_parm(scan: &mut Scan<'_, '_>) -> Check {
    let start = scan.at;
    let name = scan.token("protocol-name")?;
    let mut sound = scan.sep(b'/');
    let version = if sound { scan.token("protocol-version")? } else { b"" };
    sound &= scan.sep(b'/');
    if !sound || name != b"SIP" || version != b"2.0" {
        let length = scan.at - start;
        let right = name.eq_ignore_ascii_case(b"SIP") && version == b"2.0";
        let fault = Fault::new("sent-protocol", "it does not begin with `SIP/2.0/`").by(SECTION);
        // The names of protocols compare without regard to case (RFC 3261 §7.3.1), so `sip` is as good.
        if !(sound && right) {
            scan.note(start, length.max(1), fault.help("write `SIP/2.0/` and the transport"));
        }
        if !sound {
            return Err(super::scan::Stop);
        }
    }
    scan.token("transport")?;
    scan.lws("via-parm")?;
    let host_at = scan.at;
    let host = match scan.peek() {
        Some(b'[') => {
            scan.take_while(|byte| byte != b']' && !is_lws(byte) && byte != b';' && byte != b',');
            scan.eat(b']');
            &scan.text[host_at..scan.at]
        }
        _ => scan.take_while(|byte| is_token_byte(byte) || !byte.is_ascii()),
    };
    check_host(host, scan.base + host_at, scan.found);
    if host.is_empty() {
        return Err(super::scan::Stop);
    }
    if scan.sep(b':') {
        let at = scan.at;
        let port = scan.take_while(is_token_byte);
        check_port(port, scan.base + at, scan.found);
    }
    scan.params(|scan, param| {
        let value = param.value();
        let sound = match () {
            () if param.is("branch") => is_token(value),
            () if param.is("ttl") => number_within(value, 0, 255),
            () if param.is("rport") => param.value.is_none() || number_within(value, 1, 65_535),
            () if param.is("received") => is_address(value),
            () if param.is("maddr") => !value.is_empty(),
            () => true,
        };
        if !sound {
            let fault = if param.is("rport") {
                Fault::new("response-port", "a port belongs here, or nothing and no equals sign")
                    .by("RFC 3581 §7")
            } else {
                Fault::new("via-params", "its value is not one that it can have").by(SECTION)
            };
            let end = param.at + value.len();
            scan.note(param.name_at, end - param.name_at, fault);
        }
    })
}

/// RFC 3261 has an IPv6 address without brackets here, RFC 5118 §4.5 takes one with them.
fn is_address(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse::<Ipv4Addr>().is_ok() || inner.parse::<Ipv6Addr>().is_ok()
}
