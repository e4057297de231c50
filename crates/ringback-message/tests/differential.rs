//! The same messages read by another implementation, `rsip`: both have to see the same values.
//!
//! Where a folder of messages met in the wild is named (RINGBACK_CONFORMANCE) those are read too. What only one of
//! the two reads, or reads otherwise, has to have a reason that is written here.

use ringback_message::header::{CSeq, CallId, ContentLength, From, MaxForwards, To, Via};
use ringback_message::{HeaderId, Message};
use rsip::prelude::*;
use std::path::{Path, PathBuf};

#[test]
fn both_see_the_same_lines_and_values() {
    let (mut compared, mut values, mut faults) = (0, 0, Vec::new());
    for (path, bytes) in messages() {
        let ours = Message::parse(bytes.clone());
        let theirs = rsip::SipMessage::try_from(&bytes[..]);
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => {
                compared += 1;
                for (what, our, their) in lines(ours, theirs).into_iter().chain(typed(ours, theirs)) {
                    if our == their {
                        values += usize::from(our.is_some());
                    } else if !is_explained(ours, what, our.as_deref(), their.as_deref()) {
                        faults.push(format!("{}: {what}: {our:?} and {their:?}", path.display()));
                    }
                }
            }
            (Ok(ours), Err(error)) if !may_be_refused(ours, &bytes) => {
                faults.push(format!("{}: only we read it: {error}", path.display()));
            }
            (Err(error), Ok(_)) => faults.push(format!("{}: only we refuse it: {error}", path.display())),
            _ => {}
        }
    }
    assert!(faults.is_empty(), "{} differ:\n{}", faults.len(), faults.join("\n"));
    assert!(compared >= 30 && values >= 300, "{compared} messages, {values} values");
}

/// Why the other one may refuse a message that we read.
fn may_be_refused(ours: &Message, bytes: &[u8]) -> bool {
    let head = &bytes[..ringback_message::header_end(bytes).unwrap_or(bytes.len())];
    let is_folded = head.windows(2).any(|two| two[0] == b'\n' && matches!(two[1], b' ' | b'\t'));
    // It knows neither header parts of a Request-URI nor any scheme but these.
    let uri = ours.request_uri_bytes().unwrap_or(b"sip:");
    let is_plain = (uri.starts_with(b"sip:") || uri.starts_with(b"sips:")) && !uri.contains(&b'?');
    // It has a list of methods, and takes no other.
    let is_known = ours.method().is_none_or(ringback_message::Method::is_known);
    let is_text = std::str::from_utf8(head).is_ok();
    is_folded || !is_plain || !is_known || !is_text || !ours.deviations().is_empty()
}

/// Why the other one may see something else.
fn is_explained(ours: &Message, what: &str, our: Option<&str>, their: Option<&str>) -> bool {
    // It does not read each value: none with white space before it, no compact names. There is nothing to compare then.
    let Some(their) = their else { return true };
    // An empty tag is none; and what is refused as a whole may be read by those who look less closely.
    let Some(our) = our else { return their.is_empty() || ours.validate().is_err() };
    match what {
        // It writes transports in its own letter case, and drops header parts.
        "From URI" | "To URI" => our.eq_ignore_ascii_case(their) || our.split('?').next() == Some(their),
        // It cuts values of parameters at what it does not know in them.
        "From tag" | "To tag" | "branch" => {
            our.strip_prefix(their).is_some_and(|rest| rest.starts_with(['=', '^']))
        }
        // It takes all there is for the body, whatever Content-Length says, and stops at fields that it cannot read.
        "body" => their.starts_with(our) && (their.len() > our.len()),
        "number of fields" => !ours.deviations().is_empty(),
        _ => false,
    }
}

fn messages() -> Vec<(PathBuf, Vec<u8>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![
        here.join("tests/fixtures/rfc4475"),
        here.join("../../fuzz/corpus/message"),
        here.join("../../benches/messages"),
    ];
    folders
        .extend(std::env::var_os("RINGBACK_CONFORMANCE").map(|folder| PathBuf::from(folder).join("corpus")));
    let files = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path());
    let is_message = |path: &PathBuf| {
        path.is_file() && path.extension().is_none_or(|ending| ending == "sip" || ending == "dat")
    };
    files.filter(is_message).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// What was compared, and what each of the two says.
type Pair = (&'static str, Option<String>, Option<String>);

/// Start line and header fields as they stand.
fn lines(ours: &Message, theirs: &rsip::SipMessage) -> Vec<Pair> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let start = match theirs {
        rsip::SipMessage::Request(request) => request.method.to_string(),
        rsip::SipMessage::Response(response) => response.status_code.code().to_string(),
    };
    let our_start = match (ours.method(), ours.status()) {
        (Some(method), _) => method.to_string(),
        (_, status) => status.map_or_else(String::new, |status| status.as_u16().to_string()),
    };
    vec![
        ("start line", Some(our_start), Some(start)),
        (
            "number of fields",
            Some(ours.fields().count().to_string()),
            Some(theirs.headers().iter().count().to_string()),
        ),
        ("body", Some(text(ours.body())), Some(text(theirs.body()))),
    ]
}

fn typed(ours: &Message, theirs: &rsip::SipMessage) -> Vec<Pair> {
    let via = ours.first::<Via<'_>>().and_then(Result::ok);
    let their_via = theirs.via_header().ok().and_then(|via| via.typed().ok());
    let from = ours.first::<From<'_>>().and_then(Result::ok);
    let their_from = theirs.from_header().ok().and_then(|from| from.typed().ok());
    let to = ours.first::<To<'_>>().and_then(Result::ok);
    let their_to = theirs.to_header().ok().and_then(|to| to.typed().ok());
    let cseq = ours.first::<CSeq>().and_then(Result::ok);
    let their_cseq = theirs.cseq_header().ok().and_then(|cseq| cseq.typed().ok());
    let own = |text: &str| text.to_owned();
    vec![
        (
            "branch",
            via.as_ref().and_then(Via::branch).map(own),
            their_via.as_ref().and_then(|via| via.branch()).map(ToString::to_string),
        ),
        (
            "sent-by",
            via.as_ref().map(|via| match via.port {
                Some(port) => format!("{}:{port}", via.host),
                None => via.host.to_string(),
            }),
            their_via.as_ref().map(|via| via.uri.host_with_port.to_string()),
        ),
        (
            "From tag",
            from.as_ref().and_then(|from| from.tag()).map(own),
            their_from.as_ref().and_then(|from| from.tag()).map(ToString::to_string),
        ),
        (
            "To tag",
            to.as_ref().and_then(|to| to.tag()).map(own),
            their_to.as_ref().and_then(|to| to.tag()).map(ToString::to_string),
        ),
        (
            "From URI",
            from.as_ref().map(|from| from.uri.to_string()),
            their_from.as_ref().map(|from| from.uri.to_string()),
        ),
        ("To URI", to.as_ref().map(|to| to.uri.to_string()), their_to.as_ref().map(|to| to.uri.to_string())),
        (
            "CSeq",
            cseq.as_ref().map(|cseq| format!("{} {}", cseq.number, cseq.method)),
            their_cseq.as_ref().map(|cseq| format!("{} {}", cseq.seq, cseq.method)),
        ),
        (
            "Call-ID",
            ours.first::<CallId<'_>>().and_then(Result::ok).map(|id| own(id.0)),
            theirs.call_id_header().ok().map(|id| id.value().to_owned()),
        ),
        (
            "Max-Forwards",
            ours.first::<MaxForwards>().and_then(Result::ok).map(|hops| hops.0.to_string()),
            theirs.max_forwards_header().ok().and_then(|hops| hops.num().ok()).map(|hops| hops.to_string()),
        ),
        (
            "Content-Length",
            ours.first::<ContentLength>().and_then(Result::ok).map(|length| length.0.to_string()),
            (ours.has(HeaderId::CONTENT_LENGTH))
                .then(|| {
                    theirs.headers().iter().find_map(|header| match header {
                        rsip::Header::ContentLength(length) => length.length().ok().map(|it| it.to_string()),
                        _ => None,
                    })
                })
                .flatten(),
        ),
    ]
}
