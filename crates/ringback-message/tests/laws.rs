//! Laws of the message, for any input.

use bytes::Bytes;
use proptest::prelude::*;
use ringback_message::header::{Contact, Header, Route, Via};
use ringback_message::{HeaderId, Message, ParseError, Request, Uri};

/// Text that looks like a message more often than noise does.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        Just("Via".to_owned()),
        Just("v".to_owned()),
        Just("Route".to_owned()),
        Just("CONTACT ".to_owned()),
        Just("Content-Length".to_owned()),
        "[A-Za-z%-]{1,12}",
    ];
    let value = prop_oneof![
        Just("SIP/2.0/UDP a;branch=z9hG4bK1, SIP / 2.0 / TCP b:5060".to_owned()),
        Just("<sip:a;lr>, \"x, y\" <sip:b,c@d>;p=\"q\\\"\"".to_owned()),
        Just("a\r\n  folded\r\n\tagain".to_owned()),
        "[ -~]{0,24}",
        "[0-9]{1,3}",
    ];
    let line = (
        name,
        prop_oneof![Just(":"), Just(": "), Just(" :\t")],
        value,
        prop_oneof![Just("\r\n"), Just("\n")],
    )
        .prop_map(|(name, colon, value, end)| format!("{name}{colon}{value}{end}"));
    let start = prop_oneof![
        Just("INVITE sip:a@b SIP/2.0\r\n".to_owned()),
        Just("SIP/2.0 200 OK\r\n".to_owned()),
        Just("SIP/2.0 183\r\n".to_owned()),
    ];
    (start, prop::collection::vec(line, 0..12), prop::collection::vec(any::<u8>(), 0..40)).prop_map(
        |(start, lines, body)| [start.as_bytes(), lines.concat().as_bytes(), b"\r\n", &body].concat(),
    )
}

proptest! {
    #[test]
    fn rendering_what_was_read_gives_the_same_bytes(bytes in messages()) {
        if let Ok(message) = Message::parse(bytes.clone()) {
            let rendered = message.render();
            prop_assert_eq!(&rendered[..], &bytes[..rendered.len()]);
            prop_assert_eq!(rendered.len(), message.rendered_len());
            let runs: Vec<u8> = message.runs().flatten().copied().collect();
            // The empty line is written as CRLF wherever it came as LF.
            prop_assert!(runs == rendered || bytes.windows(2).any(|w| w == b"\n\n"));
        }
    }

    #[test]
    fn an_edit_changes_only_its_own_lines(bytes in messages(), value in "[!-~]{1,20}") {
        let Ok(mut message) = Message::parse(bytes) else { return Ok(()) };
        let before: Vec<(HeaderId, Vec<u8>)> =
            message.fields().filter(|f| f.id != HeaderId::SUBJECT).map(|f| (f.id, f.value.to_vec())).collect();
        message.set(HeaderId::SUBJECT, &value).unwrap();
        message.push_front(HeaderId::RECORD_ROUTE, "<sip:p;lr>").unwrap();
        prop_assert!(message.pop_front(HeaderId::RECORD_ROUTE));
        let after: Vec<(HeaderId, Vec<u8>)> =
            message.fields().filter(|f| f.id != HeaderId::SUBJECT).map(|f| (f.id, f.value.to_vec())).collect();
        prop_assert_eq!(before, after);
        let subject: Vec<&[u8]> = message.values(HeaderId::SUBJECT).collect();
        prop_assert_eq!(subject, [value.as_bytes()]);
    }

    #[test]
    fn popping_values_empties_a_list_one_by_one(bytes in messages()) {
        let Ok(message) = Message::parse(bytes) else { return Ok(()) };
        for id in [HeaderId::VIA, HeaderId::ROUTE, HeaderId::CONTACT] {
            let values: Vec<Vec<u8>> = message.values(id).map(<[u8]>::to_vec).collect();
            let (mut front, mut back) = (message.clone(), message.clone());
            for left in (0..values.len()).rev() {
                prop_assert!(front.pop_front(id));
                prop_assert!(front.values(id).eq(values[values.len() - left..].iter().map(Vec::as_slice)));
                prop_assert!(back.pop_back(id));
                prop_assert!(back.values(id).eq(values[..left].iter().map(Vec::as_slice)));
            }
            prop_assert!(!front.pop_front(id) && !back.pop_back(id));
        }
    }

    #[test]
    fn replacing_the_first_value_keeps_the_others(bytes in messages()) {
        let Ok(mut message) = Message::parse(bytes) else { return Ok(()) };
        let rest: Vec<Vec<u8>> = message.values(HeaderId::VIA).skip(1).map(<[u8]>::to_vec).collect();
        if message.has(HeaderId::VIA) {
            message.replace_front(HeaderId::VIA, "SIP/2.0/UDP new").unwrap();
            prop_assert_eq!(message.values(HeaderId::VIA).next(), Some(&b"SIP/2.0/UDP new"[..]));
            prop_assert!(message.values(HeaderId::VIA).skip(1).eq(rest.iter().map(Vec::as_slice)));
        }
    }

    #[test]
    fn rule_56_nothing_panics_on_noise(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        exercise(&bytes);
    }

    #[test]
    fn rule_56_nothing_panics_on_a_broken_message(mut bytes in messages(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let at = at.index(bytes.len());
        bytes[at] = with;
        exercise(&bytes);
    }

    #[test]
    fn rule_84_no_value_ends_its_line(value in any::<Vec<u8>>()) {
        let mut message = Message::parse(Bytes::from_static(b"BYE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n")).unwrap();
        let harmful = value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        prop_assert_eq!(message.push(HeaderId::SUBJECT, &value).is_err(), harmful);
        let again = Message::parse(message.render()).unwrap();
        prop_assert_eq!(again.fields().count(), if harmful { 1 } else { 2 });
    }

    #[test]
    fn a_uri_means_the_same_as_itself(text in "sips?:([a-z%0-9]{1,8}@)?[a-z]{1,8}(:[0-9]{1,4})?(;[a-z]{1,4}(=[a-z0-9]{1,3})?){0,3}(\\?[a-z]{1,3}=[a-z]{1,3})?") {
        if let Ok(uri) = Uri::parse(text.as_bytes()) {
            let names: Vec<_> = uri.as_sip().unwrap().params().map(|p| p.name.to_owned()).collect();
            let distinct = names.iter().collect::<std::collections::BTreeSet<_>>().len() == names.len();
            prop_assert!(uri.equivalent(&uri) || !distinct);
        }
    }
}

fn exercise(bytes: &[u8]) {
    fn all<'a, H: Header<'a>>(message: &'a Message) -> Vec<Result<H, ParseError>> {
        message.all::<H>().collect()
    }
    let Ok(message) = Message::parse(bytes.to_vec()) else { return };
    let _ = (message.validate().is_ok(), all::<Via<'_>>(&message).len());
    let _ = (all::<Contact<'_>>(&message).len(), all::<Route<'_>>(&message).len());
    // A header that never ended gets its empty line when it is rendered; all else comes back as it was.
    let rendered = message.render();
    assert_eq!(rendered.get(..bytes.len().min(rendered.len())), bytes.get(..bytes.len().min(rendered.len())));
    if let Ok(mut request) = Request::try_from(message) {
        let _ = request.set_uri("sip:x@y");
        let reply = request.reply(ringback_message::StatusCode::BAD_REQUEST, Some("t")).build().unwrap();
        assert!(Message::parse(reply.render()).is_ok());
    }
}

#[test]
fn the_length_is_known_where_the_header_ends_in_plain_line_ends() {
    let message = Message::parse(&b"OPTIONS sip:a@b SIP/2.0\nSubject: x\n\nbody"[..]).unwrap();
    assert_eq!(message.rendered_len(), message.render().len());
}
