//! Laws of the parsers.

use bytes::Bytes;
use ringback_auth::{DigestChallenge, DigestCredentials};
use ringback_message::body::{
    Cpim, CpimBuf, Entity, Fragment, FragmentBuf, FragmentStart, MAX_DEPTH, MAX_PARTS, Multipart,
    MultipartBuf, PartBuf,
};
use ringback_message::header::{
    Allow, Authorization, Contact, ContentType, From, Header, NameAddr, Path, ProxyAuthenticate,
    ProxyAuthorization, Reason, RecordRoute, ReferTo, Require, RetryAfter, Route, Supported, To, Via,
    WwwAuthenticate, has_type, normal_form,
};
use ringback_message::{
    HeaderId, Limits, MAX_DEVIATIONS, Message, Method, Policy, Request, Severity, SipUriBuf, StatusCode, Uri,
    UriBuf, unescape,
};
use ringback_sdp::SessionDescription;
use ringback_sdp::attribute::{
    AcceptTypes, AcceptWrappedTypes, AttributeValue, Av1, Candidate, ConfId, ConnectionReuse, Content,
    Crypto, Extmap, FileDate, FileDisposition, FileIcon, FileRange, FileSelector, FileTransferId,
    Fingerprint, FloorControl, FloorId, Fmtp, FormatParameters, Group, H264, IceOptions, IcePwd, IceUfrag,
    KeyMgmt, Label, MaxMessageSize, MaxPtime, MaxSize, Mid, Msid, Opus, Parameters, Path as MsrpPath, Ptime,
    Rid, Rtcp, RtcpFeedback, Rtpmap, Rtx, SctpPort, Setup, Simulcast, Ssrc, SsrcGroup, TelephoneEvents,
    TlsId, UserId, Vp8, Vp9,
};
use ringback_transport::{Frame, Framer, FramingLimits};

/// What is taken is written so that it is taken again, and stays as it is then.
fn value_settles(id: HeaderId, value: &[u8]) {
    let Some(written) = normal_form(id, value) else { return };
    let breaks = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    assert!(!written.as_slice().iter().any(breaks), "rule 84: {id}: {written:?}");
    let again = normal_form(id, written.as_slice()).expect("what is written is read");
    // White space around a value is no part of it; NUL, which may not be written, becomes white space.
    assert_eq!(again.as_slice().trim_ascii(), written.as_slice().trim_ascii(), "{id}");
}

/// What is read is rendered as it was; typed access never panics; an edit and its reverse leave no trace.
pub(super) fn message(input: &[u8]) {
    let Ok(message) = Message::parse(Bytes::copy_from_slice(input)) else { return };
    let rendered = message.render();
    assert_eq!(rendered.len(), message.rendered_len());
    // Where the empty line is missing it is written; a datagram may be longer than its message.
    let common = rendered.len().min(input.len());
    assert_eq!(rendered[..common], input[..common], "rendering what was read gives the same bytes");
    assert!(b"\r\n".starts_with(&rendered[common..]), "and nothing else");
    read_all(&message);
    for field in message.fields().map(|field| field.id).filter(|id| has_type(*id)) {
        message.values(field).for_each(|value| {
            value_settles(field, value);
            white_space_says_nothing(value);
        });
    }
    let valid = message.validate().is_ok();
    deviations_agree(&message, valid);

    let mut edited = message.clone();
    if edited.push_front(HeaderId::VIA, "SIP/2.0/UDP proxy.invalid;branch=z9hG4bKfuzz").is_ok() {
        assert_eq!(edited.all::<Via<'_>>().count(), message.all::<Via<'_>>().count() + 1);
        assert!(edited.pop_front(HeaderId::VIA));
        // Once changed, the empty line is written as CRLF whatever the peer wrote.
        let lines = message.runs().flatten().copied().collect::<Vec<u8>>();
        assert_eq!(edited.render(), lines, "an edit and its reverse leave no trace");
    }
    if let (true, Ok(request)) = (valid, Request::try_from(message)) {
        let response =
            request.reply(StatusCode::OK, Some("fuzz")).build().expect("a valid request can be answered");
        let again = Message::parse(response.render()).expect("what we write can be read");
        assert!(again.validate().is_ok(), "what we write is valid");
    }
}

/// White space in front of a value changes nothing of what it says. It keeps the value from those who read the plain
/// spelling only, and so holds them against the grammar.
fn white_space_says_nothing(value: &[u8]) {
    let spaced = [b"\t", value].concat();
    let addresses = [NameAddr::parse(value).ok(), NameAddr::parse(&spaced).ok()];
    assert_eq!(format!("{:?}", addresses[0]), format!("{:?}", addresses[1]));
    let hops = [Via::parse(value).ok(), Via::parse(&spaced).ok()];
    assert_eq!(format!("{:?}", hops[0]), format!("{:?}", hops[1]));
}

/// Deviations are few, in order and in the message; one is refused when the message is; without any, strict reading
/// takes it.
fn deviations_agree(message: &Message, valid: bool) {
    let deviations = message.deviations();
    assert!(deviations.len() <= MAX_DEVIATIONS);
    assert!(deviations.is_sorted_by_key(|it| it.offset), "{deviations:?}");
    let end = message.as_received().len().max(message.rendered_len());
    assert!(deviations.iter().all(|it| (it.offset + it.length) as usize <= end + 2), "{deviations:?}");
    let refused = deviations.iter().any(|it| it.severity == Severity::Refused);
    assert_eq!(refused, !valid, "{deviations:?}");
    let strict = Message::parse_with_policy(message.render(), Policy::Strict);
    // Octets behind the body deviate, and are not rendered.
    assert!(strict.is_ok() || !deviations.is_empty());
}

fn read_all(message: &Message) {
    fn all<'a, H: Header<'a>>(message: &'a Message) {
        // Every value of the field is asked for, and most are refused.
        message.all::<H>().for_each(drop);
    }
    all::<Via<'_>>(message);
    all::<From<'_>>(message);
    all::<To<'_>>(message);
    all::<Contact<'_>>(message);
    all::<Route<'_>>(message);
    all::<RecordRoute<'_>>(message);
    all::<Path<'_>>(message);
    all::<ReferTo<'_>>(message);
    all::<Allow>(message);
    all::<Supported<'_>>(message);
    all::<Require<'_>>(message);
    all::<ContentType<'_>>(message);
    all::<Reason<'_>>(message);
    all::<RetryAfter<'_>>(message);
}

/// The parts of a multipart lie in it in order and are as many as may be; a part that is written again is read the same.
/// The first line of the input is the Content-Type.
pub(super) fn multipart(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let body = input.get(end + 1..).unwrap_or_default();
    let message = Request::builder(Method::INVITE, "sip:a@b")
        .header(HeaderId::CONTENT_TYPE, input[..end].trim_ascii())
        .content(body.to_vec());
    let Ok(message) = message.build() else { return };
    let entity = message.entity();
    let _ = entity.select(&|part| part.is("application", "sdp"));
    parts_are_within(&entity, 0);
}

fn parts_are_within(entity: &Entity<'_>, depth: usize) {
    let Some(Ok(parts)) = entity.multipart() else { return };
    assert!(depth < MAX_DEPTH && (1..=MAX_PARTS).contains(&parts.parts().len()));
    assert!(parts.root().is_some());
    let whole = entity.body().as_ptr_range();
    let mut behind = whole.start;
    let mut again = MultipartBuf::mixed();
    for part in parts.parts() {
        let range = part.body().as_ptr_range();
        if !part.body().is_empty() {
            assert!(range.start >= behind && range.end <= whole.end, "parts lie one behind the other");
            behind = range.end;
        }
        assert!(part.fields().count() <= usize::from(Limits::default().fields));
        let _ = (part.disposition(), part.content_id(), part.is_optional());
        again = again.part(PartBuf::new("text/plain", part.body().to_vec()));
        parts_are_within(part, depth + 1);
    }
    let again = again.build().expect("so many parts can be written");
    let kind = ContentType::parse(again.content_type.as_bytes()).expect("what is written is read");
    let read = Multipart::parse(kind.0, &again.bytes).expect("what is written is read");
    assert!(read.is_closed());
    let bodies =
        |parts: &Multipart<'_>| parts.parts().iter().map(|it| it.body().to_vec()).collect::<Vec<_>>();
    assert_eq!(bodies(&read), bodies(&parts));
}

/// A fragment whose start line is written again says the same.
pub(super) fn sipfrag(input: &[u8]) {
    let Ok(fragment) = Fragment::parse(input) else { return };
    assert!(fragment.fields().count() <= usize::from(Limits::default().fields));
    let _ = (
        fragment.first::<To<'_>>(),
        fragment.first::<Contact<'_>>(),
        fragment.body().map(|it| it.content_type()),
    );
    if let Some(body) = fragment.body() {
        assert!(input.ends_with(body.body()));
    }
    let again = match fragment.start() {
        Some(FragmentStart::Request { method, uri }) => FragmentBuf::request(method, &uri.to_owned()),
        Some(FragmentStart::Status { status, .. }) => FragmentBuf::status(*status),
        _ => return,
    };
    let again = again.build().expect("what was read can be written");
    let read = Fragment::parse(&again).expect("what is written is read");
    assert_eq!(read.status(), fragment.status());
    if let (Some(FragmentStart::Request { uri: a, .. }), Some(FragmentStart::Request { uri: b, .. })) =
        (read.start(), fragment.start())
    {
        assert_eq!(a.as_str(), b.as_str());
    }
}

/// What wraps a message is read again where it is written anew: the same fields, the same content.
pub(super) fn cpim(input: &[u8]) {
    let Ok(cpim) = Cpim::parse(input) else { return };
    assert!(input.ends_with(cpim.content().body()));
    let _ = (cpim.field_in("urn:ietf:params:imdn", "Message-ID"), cpim.content().content_type());
    let Some(from) = cpim.field("From") else { return };
    let content = PartBuf::new("text/plain", cpim.content().body().to_vec());
    // What the value of one field is may be folded over lines, which may not be written.
    let Ok(again) = CpimBuf::new(content).field("From", from).build() else { return };
    let read = Cpim::parse(&again).expect("what is written is read");
    assert_eq!((read.field("From"), read.content().body()), (Some(from), cpim.content().body()));
}

/// A URI is equal to itself, and a copy of it says the same.
pub(super) fn uri(input: &[u8]) {
    let Ok(uri) = Uri::parse(input) else { return };
    assert_eq!(uri.as_str().as_bytes(), input);
    assert!(uri.equivalent(&uri), "a URI is equal to itself");
    let bracketed = [b"\t<", input, b">"].concat();
    let by_grammar = NameAddr::parse(&bracketed).expect("a URI may stand in brackets").uri;
    assert_eq!(format!("{uri:?}"), format!("{by_grammar:?}"), "and in brackets");
    let _ = unescape(uri.as_str());
    if let Some(sip) = uri.as_sip() {
        sip.params().for_each(drop);
        let _ = (sip.user_octets(), sip.host().ip(), sip.transport(), sip.maddr(), sip.headers());
        let aor = sip.address_of_record();
        assert!(UriBuf::new(&aor).is_ok(), "the address of record is a URI: {aor}");
        let target = sip.as_request_uri();
        assert!(target.as_sip().is_some_and(|it| it.headers().is_none() && it.param("method").is_none()));
        let request = Request::to_uri(sip.method(), sip).build().expect("what is honoured can be written");
        assert!(!request.has(HeaderId::VIA) && !request.has(HeaderId::ROUTE) && request.body().is_empty());
        let again = SipUriBuf::from(*sip).build().expect("its parts make a URI");
        assert!(again.as_uri().equivalent(&uri), "and the same one");
        if let Some(number) = sip.to_tel() {
            assert!(matches!(number.as_uri(), Uri::Tel(_)));
        }
    }
    if let Uri::Tel(tel) = uri {
        let sip = tel.to_sip("example.com").expect("a number is a user");
        let back = sip.as_sip().and_then(|it| it.to_tel()).expect("and comes back");
        assert!(back.as_uri().equivalent(&uri), "as the same number");
    }
    let owned = uri.to_owned();
    assert!(owned.as_uri().equivalent(&uri), "a copy is equal to its original");
}

/// Wherever a stream is cut, the same frames come out of it.
pub(super) fn stream(input: &[u8]) {
    let message = Limits { head: 4096, ..Limits::default() };
    let limits = FramingLimits { message, body: 4096 };
    let frames = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut framer = Framer::new(limits);
        let mut frames = Vec::new();
        for piece in pieces {
            framer.push(piece);
            while let Some(frame) = framer.poll() {
                let broken = matches!(frame, Frame::Broken(..));
                // How much had arrived by the time the fault was seen depends on the cuts, and is no one's concern.
                frames.push(if let Frame::Broken(error, _) = frame {
                    Frame::Broken(error, Bytes::new())
                } else {
                    frame
                });
                if broken {
                    return frames;
                }
            }
        }
        frames
    };
    let whole = frames(&mut std::iter::once(input));
    assert_eq!(frames(&mut input.chunks(1)), whole, "octet by octet");
    assert_eq!(frames(&mut input.chunks(7)), whole, "seven octets at a time");
}

/// A description that was read is written and read again as the same.
pub(super) fn sdp(input: &[u8]) {
    let Ok(description) = SessionDescription::parse(input) else { return };
    for media in &description.media {
        let _ = (
            media.codecs(),
            media.ptime(),
            media.direction(),
            media.rtcp(),
            description.connection_of(media),
        );
    }
    for attribute in
        description.media.iter().flat_map(|media| &media.attributes).chain(&description.attributes)
    {
        attribute_settles(attribute.name(), attribute.value().unwrap_or_default());
    }
    let written = description.to_bytes();
    let deviations = SessionDescription::deviations(&written).expect("what we write can be read");
    assert!(!deviations.iter().any(|it| matches!(it.rule, "CRLF" | "order of lines")), "{deviations:?}");
    let again = SessionDescription::parse(&written).expect("what we write can be read");
    assert_eq!(again, description, "writing loses nothing");
    assert_eq!(again.to_bytes(), written);
}

/// What an attribute means is written so that it means the same.
fn attribute_settles(name: &str, value: &str) {
    macro_rules! settle {
        ($($type:ident),*) => {
            match name {
                $($type::NAME => if let Ok(read) = $type::parse(value) {
                    let written = read.to_string();
                    let again = $type::parse(&written).expect("what is written is read");
                    assert_eq!(again.to_string(), written, "{name}");
                })*
                _ => {}
            }
        };
    }
    settle!(
        AcceptTypes,
        AcceptWrappedTypes,
        Candidate,
        ConfId,
        ConnectionReuse,
        Content,
        Crypto,
        Extmap,
        FileDate,
        FileDisposition,
        FileIcon,
        FileRange,
        FileSelector,
        FileTransferId,
        Fingerprint,
        FloorControl,
        FloorId,
        Fmtp,
        Group,
        IceOptions,
        IcePwd,
        IceUfrag,
        KeyMgmt,
        Label,
        MaxMessageSize,
        MaxPtime,
        MaxSize,
        Mid,
        Msid,
        MsrpPath,
        Ptime,
        Rid,
        Rtcp,
        RtcpFeedback,
        Rtpmap,
        SctpPort,
        Setup,
        Simulcast,
        Ssrc,
        SsrcGroup,
        TlsId,
        UserId
    );
    let parameters = FormatParameters::new(value);
    let _ = (Opus::read(parameters), H264::read(parameters), TelephoneEvents::read(parameters).to_string());
    let _ = (Vp8::read(parameters), Vp9::read(parameters), Av1::read(parameters), Rtx::read(parameters));
}

/// Challenges and credentials are read or refused.
pub(super) fn digest(input: &[u8]) {
    let credentials = [
        Authorization::parse(input).map(|value| value.0),
        ProxyAuthorization::parse(input).map(|value| value.0),
    ];
    for credentials in credentials.into_iter().flatten() {
        let _ = DigestCredentials::parse(&credentials);
    }
    let challenges = [
        WwwAuthenticate::parse(input).map(|value| value.0),
        ProxyAuthenticate::parse(input).map(|value| value.0),
    ];
    for challenge in challenges.into_iter().flatten() {
        let _ = DigestChallenge::parse(&challenge);
    }
}
