//! What is refused, and what goes first.

use super::*;

fn overload(share: u32) -> Overload {
    let config = OverloadConfig { cpu: Some(90), ..OverloadConfig::default() };
    let overload = Overload::new(config, Hasher::keyed(7));
    overload.share.store(share, Ordering::Relaxed);
    overload
}

fn request(method: &str, uri: &str, number: u32, lines: &str) -> Message {
    let to = if lines.contains("To:") { "" } else { "To: <sip:bob@example.com>\r\n" };
    let lines: String = lines.lines().map(|line| format!("{line}\r\n")).collect();
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}\r\nFrom: <sip:a@example.com>;tag=a\r\n\
         {to}Call-ID: c\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n"
    );
    Message::parse(text).unwrap()
}

fn judge(overload: &Overload, mut message: Message, is_trusted: bool) -> Verdict {
    overload.judge(&mut message, Duration::ZERO, || is_trusted)
}

#[test]
fn a_share_of_what_is_new_is_refused_the_same_copies_each_time() {
    let overload = overload(300);
    let new = |number| judge(&overload, request("INVITE", "sip:bob@example.com", number, ""), false);
    let refused = (0..1_000).filter(|number| new(*number) != Verdict::Take).count();
    assert!((250..350).contains(&refused), "{refused}");
    for number in 0..50 {
        assert_eq!(new(number), new(number));
    }
    let counted: Vec<_> = overload.counts().collect();
    assert!(counted.len() == 1 && counted[0].0 == "overload_refused" && counted[0].1 >= refused as u64);
}

#[test]
fn what_was_begun_and_what_is_urgent_goes_first() {
    let overload = overload(1_000);
    let new = |method| judge(&overload, request(method, "sip:bob@example.com", 1, ""), true);
    for method in ["INVITE", "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE"] {
        assert!(matches!(new(method), Verdict::Refuse(Some(5..=10))), "{method}");
    }
    for method in ["ACK", "CANCEL"] {
        assert_eq!(new(method), Verdict::Take, "{method}");
    }
    let in_dialog = request("INVITE", "sip:bob@example.com", 1, "To: <sip:bob@example.com>;tag=b");
    assert_eq!(judge(&overload, in_dialog, false), Verdict::Take);
    let emergency = request("INVITE", "urn:service:sos.fire", 1, "");
    assert_eq!(judge(&overload, emergency, false), Verdict::Take);
    let urgent = || request("INVITE", "sip:bob@example.com", 1, "Resource-Priority: ets.0");
    assert_eq!(judge(&overload, urgent(), true), Verdict::Take);
    // Everybody can say that he is.
    assert_ne!(judge(&overload, urgent(), false), Verdict::Take);
}

#[test]
fn what_fills_the_sockets_is_dropped_and_the_log_is_told_once() {
    let overload = overload(0);
    overload.measured(Load { busy: 1.0, queued: 0.5 });
    assert!(overload.share() > 0.1 && !overload.is_full.load(Ordering::Relaxed));
    for _ in 0..100 {
        overload.measured(Load { busy: 1.0, queued: 0.9 });
    }
    let new = |number| judge(&overload, request("INVITE", "sip:bob@example.com", number, ""), false);
    assert!((0..100).filter(|number| new(*number) == Verdict::Drop).count() > 90);
    for _ in 0..100 {
        overload.measured(Load { busy: 0.1, queued: 0.0 });
    }
    assert_eq!((overload.share(), new(1)), (0.0, Verdict::Take));
}

#[test]
fn another_configuration_begins_anew_and_the_same_one_changes_nothing() {
    let mut message = request("OPTIONS", "sip:example.com", 1, "");
    let overload = overload(1_000);
    let config = **overload.config.load();
    overload.renew(config);
    assert_ne!(overload.judge(&mut message, Duration::ZERO, || false), Verdict::Take);
    overload.renew(OverloadConfig { cpu: Some(50), ..config });
    assert_eq!(overload.share(), 0.0);
    overload.renew(OverloadConfig { enabled: false, ..config });
    overload.measured(Load { busy: 1.0, queued: 1.0 });
    assert_eq!(overload.judge(&mut message, Duration::ZERO, || false), Verdict::Take);
}
