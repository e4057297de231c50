//! Telling those who send how much less they should (RFC 7339): `oc` in the Via of a request, which its answers carry back.

use ringback_message::header::Via;
use ringback_message::{HeaderId, Message};
use std::fmt::Write as _;
use std::time::Duration;

/// For how many milliseconds a share counts that is not told anew.
const VALIDITY: u32 = 1_000;

/// Writes the share, in thousandths, into the topmost Via of a request whose sender asks for it by an `oc` without value, and
/// can leave out a share of what he sends (`loss`). Says whether he is one.
pub(super) fn write(message: &mut Message, share: u32, unix: Duration) -> bool {
    // Hardly anybody asks, and everybody is looked at.
    let via = message.values(HeaderId::VIA).next().unwrap_or_default();
    let names = |at: usize| {
        via[at + 1..].trim_ascii_start().get(..2).is_some_and(|name| name.eq_ignore_ascii_case(b"oc"))
    };
    if !memchr::memchr_iter(b';', via).any(names) {
        return false;
    }
    let Some(Ok(via)) = message.first::<Via<'_>>() else { return false };
    let asks = via.params.find("oc").is_some_and(|oc| oc.value.is_none());
    let algorithms = via.params.value("oc-algo");
    let knows_loss = algorithms.is_some_and(|all| {
        all.trim_matches('"').split(',').any(|own| own.trim().eq_ignore_ascii_case("loss"))
    });
    if !asks || !knows_loss {
        return false;
    }
    let mut text = format!("SIP/2.0/{} {}", via.transport, via.host);
    // Writing to a String cannot fail.
    if let Some(port) = via.port {
        let _ = write!(text, ":{port}");
    }
    for param in via.params.iter().filter(|param| !is_ours(param.name)) {
        let _ = write!(text, ";{}", param.name);
        if let Some(value) = param.value {
            let _ = write!(text, "={}", String::from_utf8_lossy(value));
        }
    }
    let validity = if share == 0 { 0 } else { VALIDITY };
    let (seconds, milliseconds) = (unix.as_secs(), unix.subsec_millis());
    let percent = share.div_ceil(10);
    let _ = write!(
        text,
        ";oc={percent};oc-algo=\"loss\";oc-validity={validity};oc-seq={seconds}.{milliseconds:03}"
    );
    message.replace_front(HeaderId::VIA, text.as_str()).is_ok()
}

fn is_ours(name: &str) -> bool {
    ["oc", "oc-algo", "oc-validity", "oc-seq"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(via: &str, share: u32) -> Option<String> {
        let text = format!(
            "OPTIONS sip:example.com SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@example.com>;tag=a\r\nTo: <sip:example.com>\r\n\
             Call-ID: c\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let mut message = Message::parse(text).unwrap();
        let is_told = write(&mut message, share, Duration::from_millis(1_282_321_615_782));
        let value = message.values(HeaderId::VIA).next().unwrap();
        is_told.then(|| String::from_utf8_lossy(value).into_owned())
    }

    #[test]
    fn rfc_7339_those_who_ask_are_told_and_nobody_else() {
        assert_eq!(
            told("SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1;oc;oc-algo=\"loss,A\";rport=5060", 201).unwrap(),
            "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1;rport=5060;oc=21;oc-algo=\"loss\";oc-validity=1000;\
             oc-seq=1282321615.782"
        );
        assert!(
            told("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;oc;oc-algo=\"loss\"", 0)
                .unwrap()
                .contains(":5070;branch=z9hG4bK1;oc=0;oc-algo=\"loss\";oc-validity=0;")
        );
        for via in [
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;oc",
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;oc;oc-algo=\"rate\"",
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;oc=5;oc-algo=\"loss\"",
        ] {
            assert_eq!(told(via, 500), None, "{via}");
        }
    }
}
