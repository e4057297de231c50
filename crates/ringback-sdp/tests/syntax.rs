//! Reading and writing (RFC 8866 §5, §9): what is taken, what is refused, and the laws that hold for both.

use proptest::prelude::*;
use ringback_sdp::{MAX_ATTRIBUTES, MAX_FORMATS, MAX_LINES, MAX_MEDIA, MAX_SIZE, SessionDescription};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";

fn written(text: &str) -> String {
    SessionDescription::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text:?}")).to_string()
}

/// Every kind of line that RFC 8866 has, in its order.
const FULL: &str = "v=0\r\no=jdoe 99999999999999999999999999 340282366920938463463374607431768211456 IN IP6 2001:db8::1\r\n\
    s=Call to John Smith\r\ni=SDP Offer #1\r\nu=http://www.jdoe.example.com/home.html\r\n\
    e=Jane Doe <jane@jdoe.example.com>\r\ne=x@example.com\r\np=+1 617 555-6011\r\nc=IN IP6 2001:db8::2\r\n\
    b=AS:64\r\nb=X-YZ:128\r\nt=3724394400 3724398000\r\nr=604800 3600 0 90000\r\nr=7d 1h 0 25h\r\nt=0 0\r\n\
    z=3730928400 -1h 3749680800 0\r\nk=prompt\r\na=tool:x\r\na=recvonly\r\n\
    m=audio 49170 RTP/AVP 0 96\r\ni=title\r\nc=IN IP4 233.252.0.1/127\r\nc=IN IP4 233.252.0.2/127\r\nb=TIAS:1\r\n\
    k=clear:x\r\na=rtpmap:96 L8/8000\r\na=x-unheard-of: a:b \r\nm=video 49170/2 RTP/AVP 31\r\nm=image 0 udptl t38\r\n";

#[test]
fn a_description_in_order_is_written_as_it_was_read() {
    assert_eq!(written(FULL), FULL);
}

/// rule 55: LF or CRLF, no last line end, any order, unknown lines, and what old and broken peers leave out.
#[test]
fn rule_55_lenient_input_becomes_strict_output() {
    #[rustfmt::skip]
    let table = [
        (FULL.replace("\r\n", "\n"), FULL.to_owned()),
        (FULL.trim_end().to_owned(), FULL.to_owned()),
        (format!("{FULL}\r\n\r\n"), FULL.to_owned()),
        // Session lines out of order, one of them behind a medium.
        ("a=x\r\nt=0 0\r\ns=-\r\no=- 1 1 IN IP4 192.0.2.1\r\nm=audio 1 RTP/AVP 0\r\nv=0\r\n".to_owned(),
         format!("{HEAD}a=x\r\nm=audio 1 RTP/AVP 0\r\n")),
        // Lines of a medium out of order.
        (format!("{HEAD}m=audio 1 RTP/AVP 0\r\na=x\r\nb=AS:1\r\nc=IN IP4 192.0.2.1\r\ni=x\r\n"),
         format!("{HEAD}m=audio 1 RTP/AVP 0\r\ni=x\r\nc=IN IP4 192.0.2.1\r\nb=AS:1\r\na=x\r\n")),
        // Types that nobody knows go behind what is known of their section.
        (format!("{HEAD}f=q\r\na=x\r\nm=audio 1 RTP/AVP 0\r\nX=y\r\na=z\r\n"),
         format!("{HEAD}a=x\r\nf=q\r\nm=audio 1 RTP/AVP 0\r\na=z\r\nX=y\r\n")),
        // What belongs to a `t=` in front of it, and without it.
        (HEAD.replace("t=", "r=7d 1h 0\r\nt="), format!("{HEAD}r=7d 1h 0\r\n")),
        (HEAD.replace("t=0 0", "z=0 0"), format!("{HEAD}z=0 0\r\n")),
        // Neither `s=` nor `t=`.
        ("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n".to_owned(), HEAD.to_owned()),
        // Blanks too many, formats too few.
        (format!("{HEAD}m=audio  1 RTP/AVP 0 8 \r\nm=video 0 RTP/AVP\r\n"),
         format!("{HEAD}m=audio 1 RTP/AVP 0 8\r\nm=video 0 RTP/AVP\r\n")),
    ];
    for (input, output) in table {
        assert_eq!(written(&input), output, "{input:?}");
    }
}

#[test]
fn octets_of_other_encodings_pass_through() {
    let mut body = HEAD.as_bytes().to_vec();
    body.extend_from_slice(b"a=charset:ISO-8859-1\r\na=x:caf\xe9\r\n");
    let description = SessionDescription::parse(&body).unwrap();
    assert_eq!(description.to_bytes(), body);
    assert_eq!(description.attribute("x").and_then(|attribute| attribute.value()), None);
}

#[test]
fn refusals_name_the_line_and_the_rule() {
    #[rustfmt::skip]
    let table = [
        (String::new(), 1, 0, "proto-version"),
        ("v=1\r\n".into(), 1, 0, "proto-version"),
        ("v=0\r\nv=0\r\n".into(), 2, 5, "proto-version"),
        ("v=0\r\ns=-\r\n".into(), 3, 10, "origin-field"),
        ("v=0\r\no=- x 1 IN IP4 192.0.2.1\r\n".into(), 2, 5, "origin-field"),
        ("v=0\r\no=- 1 -1 IN IP4 192.0.2.1\r\n".into(), 2, 5, "origin-field"),
        ("v=0\r\no=- 1 1 IN IP4\r\n".into(), 2, 5, "origin-field"),
        (format!("{HEAD}o=- 1 1 IN IP4 192.0.2.1\r\n"), 5, HEAD.len(), "origin-field"),
        (format!("{HEAD}c=IN IP4\r\n"), 5, HEAD.len(), "connection-field"),
        (format!("{HEAD}c=IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\n"), 6, HEAD.len() + 20, "connection-field"),
        (format!("{HEAD}nonsense\r\n"), 5, HEAD.len(), "type=value"),
        (format!("{HEAD} a=x\r\n"), 5, HEAD.len(), "type=value"),
        (format!("{HEAD}a=x\ry\r\n"), 5, HEAD.len(), "byte-string"),
        (format!("{HEAD}a=x\0y\r\n"), 5, HEAD.len(), "byte-string"),
        (format!("{HEAD}m=audio 1\r\n"), 5, HEAD.len(), "media-field"),
        (format!("{HEAD}m=audio 65536 RTP/AVP 0\r\n"), 5, HEAD.len(), "port"),
        (format!("{HEAD}m=audio -1 RTP/AVP 0\r\n"), 5, HEAD.len(), "port"),
        (format!("{HEAD}m=audio +1 RTP/AVP 0\r\n"), 5, HEAD.len(), "port"),
        (format!("{HEAD}m=audio 1/0 RTP/AVP 0\r\n"), 5, HEAD.len(), "port count"),
    ];
    for (input, line, offset, rule) in table {
        let error = SessionDescription::parse(input.as_bytes()).unwrap_err();
        assert_eq!((error.line, error.offset, error.rule), (line, offset, rule), "{input:?}");
    }
}

/// Fault 32: a peer does not decide how much is kept.
#[test]
fn sizes_and_counts_are_limited() {
    let rule = |text: String| SessionDescription::parse(text.as_bytes()).map_err(|error| error.rule).err();
    let many = |line: &str, count: usize| format!("{HEAD}{}", line.repeat(count));
    assert_eq!(rule(many("m=audio 1 RTP/AVP 0\r\n", MAX_MEDIA)), None);
    assert_eq!(rule(many("m=audio 1 RTP/AVP 0\r\n", MAX_MEDIA + 1)), Some("media limit"));
    assert_eq!(rule(many("a=candidate:1\r\n", MAX_ATTRIBUTES)), None);
    assert_eq!(rule(many("a=candidate:1\r\n", MAX_ATTRIBUTES + 1)), Some("attribute limit"));
    assert_eq!(rule(many("b=\r\n", MAX_LINES - 4)), None);
    assert_eq!(rule(many("b=\r\n", MAX_LINES - 3)), Some("line limit"));
    // The `t=` that is written where there is none counts too.
    assert_eq!(rule(many("b=\r\n", MAX_LINES - 3).replace("t=0 0\r\n", "")), Some("line limit"));
    assert_eq!(rule(format!("{HEAD}m=audio 1 RTP/AVP{}\r\n", " 0".repeat(MAX_FORMATS))), None);
    assert_eq!(
        rule(format!("{HEAD}m=audio 1 RTP/AVP{}\r\n", " 0".repeat(MAX_FORMATS + 1))),
        Some("media-field")
    );
    let filled = |size: usize| format!("{HEAD}a={}\r\n", "x".repeat(size - HEAD.len() - 4));
    assert_eq!(rule(filled(MAX_SIZE)), None);
    assert_eq!(rule(filled(MAX_SIZE + 1)), Some("size limit"));
    // What fits only without its CRs could not be read again.
    assert_eq!(rule(filled(MAX_SIZE).replace("\r\n", "\n") + "b=\n"), Some("size limit"));
}

/// A well-formed description with its lines in order.
fn well_formed() -> impl Strategy<Value = String> {
    let text = "[ -~é]{0,12}";
    let word = "[!-~]{1,8}";
    let address = prop_oneof![
        Just("IP4 192.0.2.7".to_owned()),
        Just("IP6 2001:db8::7".to_owned()),
        Just("IP4 0.0.0.0".to_owned()),
        "[a-z]{1,8}".prop_map(|name| format!("IP4 {name}.example.com")),
    ];
    let line = |letter: &'static str, value: &'static str| {
        value.prop_map(move |value| format!("{letter}={value}\r\n"))
    };
    let some = |letter, value, most| {
        prop::collection::vec(line(letter, value), 0..=most).prop_map(|lines| lines.concat())
    };
    let connection = address.clone().prop_map(|address| format!("c=IN {address}\r\n"));
    let origin = (word, "[0-9]{1,30}", "[0-9]{1,30}", address)
        .prop_map(|(user, id, version, address)| format!("o={user} {id} {version} IN {address}\r\n"));
    let kind = "audio|video|text|image|[a-z]{1,6}";
    let profile = "RTP/AVP|RTP/AVPF|RTP/SAVP|UDP/TLS/RTP/SAVPF|udptl";
    let format_list = prop::collection::vec("[0-9]{1,3}|t38|\\*", 1..5);
    let attribute = prop_oneof![
        "[a-z-]{1,8}".prop_map(|name| format!("a={name}\r\n")),
        ("[a-z-]{1,8}", text).prop_map(|(name, value)| format!("a={name}:{value}\r\n")),
        "rtpmap:[0-9]{1,3} [a-zA-Z0-9-]{1,6}/[0-9]{1,6}".prop_map(|value| format!("a={value}\r\n")),
        "(sendrecv|sendonly|recvonly|inactive|rtcp-mux|ptime:[0-9.]{1,5})"
            .prop_map(|value| format!("a={value}\r\n")),
    ];
    let attributes = prop::collection::vec(attribute, 0..6).prop_map(|lines| lines.concat());
    let media_line = (kind, any::<u16>(), profile, format_list).prop_map(|(kind, port, profile, formats)| {
        format!("m={kind} {port} {profile} {}\r\n", formats.join(" "))
    });
    let own = prop::option::of(connection.clone()).prop_map(Option::unwrap_or_default);
    let media = (
        media_line,
        some("i", text, 1),
        own.clone(),
        some("b", text, 2),
        some("k", text, 1),
        attributes.clone(),
    )
        .prop_map(|(m, i, c, b, k, a)| [m, i, c, b, k, a].concat());
    let times = prop::collection::vec((line("t", text), some("r", text, 2), some("z", text, 1)), 1..3)
        .prop_map(|times| times.into_iter().map(|(t, r, z)| t + &r + &z).collect::<String>());
    let about =
        (line("s", text), some("i", text, 1), some("u", text, 1), some("e", text, 2), some("p", text, 2))
            .prop_map(|(s, i, u, e, p)| [s, i, u, e, p].concat());
    (
        origin,
        about,
        own,
        some("b", text, 2),
        times,
        some("k", text, 1),
        attributes,
        prop::collection::vec(media, 0..4),
    )
        .prop_map(|(o, about, c, b, t, k, a, media)| {
            ["v=0\r\n".to_owned(), o, about, c, b, t, k, a, media.concat()].concat()
        })
}

/// Calls every typed read, none of which may fail on anything.
fn read_all(description: &SessionDescription) {
    for media in &description.media {
        let _ =
            (media.codecs(), media.fmtp(0), media.ptime(), media.maxptime(), media.rtcp(), media.rtcp_mux());
        let _ = (
            description.direction_of(media),
            description.connection_of(media).map(|it| (it.host(), it.is_hold())),
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn well_formed_text_survives_octet_for_octet(text in well_formed()) {
        let description = SessionDescription::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(description.to_string(), text);
    }

    #[test]
    fn line_ends_and_order_do_not_change_the_meaning(text in well_formed(), keep in any::<prop::sample::Index>()) {
        let description = SessionDescription::parse(text.as_bytes()).unwrap();
        let with_lf = text.replace("\r\n", "\n");
        let from_lf = SessionDescription::parse(with_lf.trim_end_matches('\n').as_bytes());
        prop_assert_eq!(from_lf, Ok(description.clone()));
        // A line that only a session can have may stand anywhere.
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let origin = lines.remove(1);
        lines.insert(keep.index(lines.len() + 1), origin);
        prop_assert_eq!(SessionDescription::parse(lines.concat().as_bytes()), Ok(description));
    }

    #[test]
    fn what_is_read_is_written_so_that_it_reads_the_same(text in well_formed(), order in any::<u64>(), cut in any::<prop::sample::Index>()) {
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let count = lines.len();
        lines.rotate_left(usize::try_from(order % 64).unwrap() % count);
        let mut body = lines.concat().into_bytes();
        body.remove(cut.index(body.len()));
        if let Ok(description) = SessionDescription::parse(&body) {
            read_all(&description);
            prop_assert_eq!(SessionDescription::parse(&description.to_bytes()), Ok(description));
        }
    }

    #[test]
    fn no_input_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..300), letters in "([vosiuepcbtrzkam]=[ -~]{0,20}\r?\n){0,12}") {
        for body in [&body[..], letters.as_bytes(), format!("{HEAD}{letters}").as_bytes()] {
            if let Ok(description) = SessionDescription::parse(body) {
                read_all(&description);
                prop_assert_eq!(SessionDescription::parse(&description.to_bytes()), Ok(description));
            }
        }
    }
}
