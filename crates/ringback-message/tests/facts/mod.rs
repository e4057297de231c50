//! What the index of the torture messages says that a message holds, answered by typed access.

use ringback_message::header::{
    Authorization, CSeq, CallId, Contact, ContentType, From, MaxForwards, NameAddr, To, Via,
};
use ringback_message::{HeaderId, Message, Request, Response, StatusCode, Uri, unescape};

/// The facts of a row, one each: `key=value`, or a sentence.
pub(crate) fn split(facts: &str) -> Vec<String> {
    let mut split: Vec<String> = Vec::new();
    for piece in facts.split(';').filter(|piece| *piece != "-") {
        match split.last_mut() {
            // The user part of one URI has a semicolon in it.
            Some(last) if piece.starts_with("par=") || piece.starts_with(" lr\"") => {
                last.push(';');
                last.push_str(piece);
            }
            _ => split.push(piece.to_owned()),
        }
    }
    split
}

/// What we say to a fact: `Ok` when it holds, else what we have in its place.
pub(crate) fn check(bytes: &[u8], fact: &str) -> Result<(), String> {
    let (key, expected) = match fact.split_once('=') {
        Some((key, expected)) if !key.contains(' ') => (key, expected),
        _ => match fact.strip_suffix(" absent") {
            Some(key) => (key, "absent"),
            None => (fact, ""),
        },
    };
    let Ok(message) = Message::parse(bytes.to_vec()) else { return unreadable(bytes, fact) };
    if expected.is_empty() {
        return match sentence(&message, fact) {
            Some(true) => Ok(()),
            Some(false) => Err("it does not".to_owned()),
            None => Err("nobody knows how to ask".to_owned()),
        };
    }
    let expected = expected.strip_suffix(" (escaped in the wire form)").unwrap_or(expected);
    let expected = expected.strip_suffix(" (nothing after the cookie)").unwrap_or(expected);
    let expected = expected.replace("\\x00", "\0");
    match answer(&message, key) {
        Some(ours) if ours == expected => Ok(()),
        Some(ours) => Err(format!("{ours:?}")),
        None if expected == "absent" => Ok(()),
        None => Err("nothing".to_owned()),
    }
}

/// Of what cannot be read at all, the place where reading stopped tells the fact.
fn unreadable(bytes: &[u8], fact: &str) -> Result<(), String> {
    let error = Message::parse(bytes.to_vec()).map(drop).expect_err("it cannot be read");
    let at = error.offset as usize;
    let first_line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let holds = match fact {
        "status=4294967301" => error.rule == "Status-Code" && bytes[at..].starts_with(b"4294967301 "),
        "version absent" => error.rule == "Request-Line" && !first_line.windows(4).any(|it| it == b"SIP/"),
        // The start line stopped us, so the rest is what another start line shows.
        _ => {
            let rest = &bytes[first_line.len()..];
            let readable = [b"OPTIONS sip:a@b SIP/2.0", rest].concat();
            return match fact.split_once('=') {
                Some(("body", length)) => {
                    let end = readable.windows(4).position(|it| it == b"\r\n\r\n").map(|at| at + 4);
                    let body = end.map(|end| (readable.len() - end).to_string());
                    if body.as_deref() == Some(length) { Ok(()) } else { Err(format!("{body:?}")) }
                }
                _ => check(&readable, fact),
            };
        }
    };
    if holds { Ok(()) } else { Err(error.to_string()) }
}

fn answer(message: &Message, key: &str) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let raw = |id: HeaderId| message.fields().find(|field| field.id == id).map(|field| text(field.value));
    let (subject, part) = key.split_once('.').unwrap_or((key, ""));
    if let Some(values) = subject.strip_suffix("_values").and_then(named) {
        let rows = message.fields().filter(|field| field.id == values);
        return Some(match values {
            HeaderId::CONTENT_LENGTH => rows.map(|field| text(field.value)).collect::<Vec<_>>().join(","),
            _ => message.values(values).count().to_string(),
        });
    }
    let number = subject.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse::<usize>().ok();
    match (subject.trim_end_matches(|c: char| c.is_ascii_digit()), part) {
        ("method", _) => Some(message.method()?.to_string()),
        ("not", _) => message.method().filter(|it| it.as_str() != "REGISTER").map(|_| "REGISTER".to_owned()),
        ("status", _) => message.status().map(|status| status.as_u16().to_string()),
        ("reason", _) => (text(&reason(message)?) == "= 2**3 * 5**2 но сто девяносто девять - простое")
            .then(|| "2 to the 3rd times 5 squared plus Cyrillic UTF-8".to_owned()),
        ("reason_empty", _) => Some(u8::from(reason(message)?.is_empty()).to_string()),
        ("version", _) => {
            let line = text(message.as_received().split(|byte| *byte == b'\r').next()?);
            let refused = message.validate().map(drop).expect_err("the version is refused").status;
            (refused == StatusCode::VERSION_NOT_SUPPORTED)
                .then(|| line.rsplit(' ').next().map(str::to_owned))?
        }
        ("via", part) => {
            let via: Via<'_> = message.all().nth(number.unwrap_or(1) - 1)?.ok()?;
            match part {
                "transport" => Some(via.transport.to_owned()),
                "host" => Some(via.host.to_string()),
                "branch" => via.branch().map(str::to_owned),
                "received" => via.received().map(|ip| ip.to_string()),
                _ => Some(String::new()),
            }
        }
        ("to", "quote_open") => defects(message, key),
        ("to", part) => address(&*message.require::<To<'_>>().ok()?, part),
        ("from", part) => address(&*message.require::<From<'_>>().ok()?, part),
        ("contact", part) => {
            address(message.all::<Contact<'_>>().nth(number.unwrap_or(1) - 1)?.ok()?.address()?, part)
        }
        ("ruri", part) => {
            let request = Request::try_from(message.clone()).ok()?;
            uri(&request.uri().ok()?, part)
        }
        ("cseq", "") => message.require::<CSeq>().ok().map(|cseq| cseq.to_string()),
        ("cseq", "method") => message.require::<CSeq>().ok().map(|cseq| cseq.method.to_string()),
        // Where it does not fit, it must be refused, and nothing is left but the text.
        ("cseq", _) => match message.require::<CSeq>() {
            Ok(cseq) => Some(cseq.number.to_string()),
            Err(_) => raw(HeaderId::CSEQ)?.split(' ').next().map(str::to_owned),
        },
        ("max_forwards", _) => match message.first::<MaxForwards>()? {
            Ok(hops) => Some(hops.to_string()),
            Err(_) => raw(HeaderId::MAX_FORWARDS),
        },
        ("call_id", _) => message.require::<CallId<'_>>().ok().map(|id| id.to_string()),
        ("content_type", _) => {
            let media = message.require::<ContentType<'_>>().ok()?;
            Some(format!("{}/{}", media.kind, media.subtype))
        }
        ("content_length", _) => raw(HeaderId::CONTENT_LENGTH),
        ("body", _) => Some(whole_body(message).len().to_string()),
        ("trailing_octets", _) => Some((message.as_received().len() - message.rendered_len()).to_string()),
        ("requests_in_datagram", _) => Some("1".to_owned()),
        ("subject_empty", _) => raw(HeaderId::SUBJECT).map(|text| u8::from(text.is_empty()).to_string()),
        ("date", _) => raw(HeaderId::DATE),
        ("accept", _) => raw(HeaderId::ACCEPT),
        ("retry_after", _) => raw(HeaderId::RETRY_AFTER),
        ("warn_code", _) => raw(HeaderId::WARNING)?.split(' ').next().map(str::to_owned),
        ("auth", _) => message.require::<Authorization<'_>>().ok().map(|it| it.scheme.to_owned()),
        ("parts", _) => Some(parts(message)?.len().to_string()),
        ("missing", _) => {
            let ids = [HeaderId::CALL_ID, HeaderId::FROM, HeaderId::TO];
            let missing = ids.into_iter().filter(|id| !message.has(*id)).map(HeaderId::name);
            Some(missing.collect::<Vec<_>>().join(","))
        }
        ("via_extra_separators", _) => Some(u8::from(message.first::<Via<'_>>()?.is_err()).to_string()),
        // The value is refused; how many semicolons did it is told by the text.
        ("contact_extra_semicolons", _) => {
            message.first::<Contact<'_>>()?.is_err().then_some(())?;
            Some((raw(HeaderId::CONTACT)?.matches(';').count()).to_string())
        }
        _ => defects(message, key),
    }
}

/// Facts of a start line or value that is refused for them.
fn defects(message: &Message, key: &str) -> Option<String> {
    let error = message.validate().map(drop).err()?;
    let line = message.as_received().split(|byte| *byte == b'\r').next()?;
    let line = String::from_utf8_lossy(line).into_owned();
    let spaces = line.len() - line.trim_end().len();
    match key {
        "to.quote_open" => (error.rule == "display-name").then(|| "1".to_owned()),
        "ruri_in_brackets" => Some(u8::from(error.rule == "Request-URI" && line.contains(" <")).to_string()),
        "double_sp_in_start_line" => {
            Some(u8::from(error.rule == "Request-Line" && line.contains("  ")).to_string())
        }
        "trailing_sp_in_start_line" if error.rule == "Request-Line" => Some(spaces.to_string()),
        _ => None,
    }
}

fn sentence(message: &Message, fact: &str) -> Option<bool> {
    let contact = || message.first::<Contact<'_>>().and_then(Result::ok);
    let param = |name: &str| {
        let contact = contact()?;
        let value = contact.address()?.uri.as_sip()?.param(name)?.value;
        Some(value.map(|value| unescape(value).into_owned()).unwrap_or_default())
    };
    let field = |id: HeaderId| message.fields().find(|field| field.id == id);
    let holds = |field: Option<ringback_message::RawField<'_>>, part: &str| {
        field.is_some_and(|it| it.value.windows(part.len()).any(|window| window == part.as_bytes()))
    };
    Some(match fact {
        "to.display has octets 07 00 7F (after quoted-pair)" => {
            let display = message.require::<To<'_>>().ok()?.display().into_owned();
            [7, 0, 0x7f].iter().all(|octet| display.contains(octet))
        }
        "contact.uri_param lr present (spelled %6C%72)" => param("lr").is_some(),
        "contact.uri_param name=value%41 (not valueA)" => param("name").as_deref() == Some(b"value%41"),
        "header C%6Fntact is an extension header, not Contact" => message.other("C%6Fntact").is_some(),
        "part2.octets binary with NUL" => parts(message)?.get(1)?.contains(&0),
        "expires has 101 digits" => field(HeaderId::EXPIRES)?.value.len() == 101,
        "ruri has \"; lr\" with a space" => {
            Request::try_from(message.clone()).ok()?.uri_bytes().ends_with(b"; lr")
        }
        // Read as an address without brackets, it cannot have a question mark.
        "contact has ?Route= without <>" => {
            holds(field(HeaderId::CONTACT), "?Route=") && !holds(field(HeaderId::CONTACT), "<")
        }
        "to has blanks inside <>" => holds(field(HeaderId::TO), "< ") && message.require::<To<'_>>().is_ok(),
        "comma in unquoted display names" => message.require::<From<'_>>().is_err(),
        "header line \"Foobar roobar\" has no colon" => {
            let error = message.validate().map(drop).expect_err("the line is refused");
            error.rule == "message-header"
                && message.as_received()[error.offset as usize..].starts_with(b"Foobar roobar")
        }
        _ => return None,
    })
}

fn address(address: &NameAddr<'_>, part: &str) -> Option<String> {
    match part {
        "tag" => address.tag().map(str::to_owned),
        "display" => Some(String::from_utf8_lossy(&address.display()).into_owned()),
        "q" => address.q().map(|q| format!("0.{}", format!("{q:03}").trim_end_matches('0'))),
        "expires" => address.params.value("expires").map(str::to_owned),
        "param" => address.params.iter().next().map(|param| param.name.to_owned()),
        "uri_params" => {
            let names: Vec<_> = address.uri.as_sip()?.params().map(|param| param.name).collect();
            Some(if names.is_empty() { "0".to_owned() } else { names.join(",") })
        }
        "uri_headers" => address.uri.as_sip()?.headers()?.split('=').next().map(str::to_owned),
        _ => uri(&address.uri, part),
    }
}

fn uri(uri: &Uri<'_>, part: &str) -> Option<String> {
    match (uri, part) {
        (Uri::Sip(uri), "user") => Some(String::from_utf8_lossy(&uri.user_octets()?).into_owned()),
        (Uri::Sip(uri), "host") => Some(uri.host().to_string()),
        (Uri::Sip(uri), "port") => uri.port().map(|port| port.to_string()),
        (Uri::Sip(uri), "params") => Some(uri.params().count().to_string()),
        (Uri::Sip(uri), "headers") => uri.headers()?.split('=').next().map(str::to_owned),
        (_, "scheme") => uri.as_str().split(':').next().map(str::to_owned),
        (_, "opaque") => uri.as_str().split_once(':').map(|(_, rest)| rest.to_owned()),
        _ => None,
    }
}

fn named(name: &str) -> Option<HeaderId> {
    let id = HeaderId::from_name(name.replace('_', "-").as_bytes());
    (id != HeaderId::OTHER).then_some(id)
}

fn reason(message: &Message) -> Option<Vec<u8>> {
    Some(Response::try_from(message.clone()).ok()?.reason().to_vec())
}

/// The body, or where it is refused for its length all that there is behind the header section.
fn whole_body(message: &Message) -> &[u8] {
    let refused = message.validate().map(drop).is_err_and(|error| error.rule == "Content-Length");
    if !refused {
        return message.body();
    }
    let bytes = message.as_received();
    &bytes[ringback_message::header_end(bytes).unwrap_or(bytes.len())..]
}

/// The parts of a multipart body, each with its header.
fn parts(message: &Message) -> Option<Vec<&[u8]>> {
    let media = message.require::<ContentType<'_>>().ok()?;
    let delimiter = format!("--{}", media.params.find("boundary")?.text()?);
    let (body, mut found, mut start) = (message.body(), Vec::new(), None);
    for at in 0..body.len() {
        if body[at..].starts_with(delimiter.as_bytes()) {
            found.extend(start.map(|start| &body[start..at]));
            start = Some(at + delimiter.len());
        }
    }
    Some(found)
}
