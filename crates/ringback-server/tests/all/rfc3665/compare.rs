//! What is compared of a message, field by field, and where ours differs from the printed one on purpose.
//!
//! - In Via and Record-Route our servers write their addresses, which the RFC writes as names. An address needs no
//!   `received`. A Record-Route bears the transport besides, and is there twice (RFC 5658) where the way to the phone is not
//!   that of its Contact but the flow that it registered over (RFC 5626), for which a token stands.
//! - Branches, tags and nonces that a server makes are its own.
//! - Responses that a server makes have the reason phrases of RFC 3261.

use ringback_message::header::{Header as _, Via};
use ringback_message::{HeaderId, Message, Request};
use std::collections::BTreeMap;

/// The values of each field, by name.
pub(super) type Rows = BTreeMap<String, Vec<String>>;

/// The port of each name of the RFC on this machine.
pub(super) type Places = Vec<(&'static str, u16)>;

/// What a server may add to what is printed.
const ADDED: [&str; 2] = [
    // RFC 3261 §20.37: what a registrar can besides.
    "Supported",
    // RFC 5393 §5.3.3: how many branches more there may be.
    "Max-Breadth",
];

pub(super) fn values(message: &Message, id: HeaderId) -> Vec<String> {
    message.values(id).map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

/// `INVITE 2` or `180 INVITE 2`.
pub(super) fn kind(message: &Message) -> String {
    let cseq = values(message, HeaderId::CSEQ).concat();
    let (number, method) = cseq.split_once(' ').unwrap();
    match message.status() {
        Some(status) => format!("{status} {method} {number}"),
        None => format!("{} {number}", message.method().unwrap()),
    }
}

/// Says names where a message has addresses and ports of this machine, or the port of the RFC.
fn named(text: &str, places: &Places) -> String {
    let mut text = text.to_owned();
    for (name, port) in places {
        for address in [format!("127.0.0.1:{port}"), format!("{name}:{port}"), format!("{name}:5060")] {
            text = text.replace(&address, name);
        }
    }
    text
}

pub(super) fn rows(message: &Message, places: &Places) -> Rows {
    let mut rows = Rows::new();
    let start = match Request::try_from(message.clone()) {
        Ok(request) => {
            format!("{} {}", request.method(), named(&String::from_utf8_lossy(request.uri_bytes()), places))
        }
        Err(_) => message.status().unwrap().to_string(),
    };
    rows.insert("start".into(), vec![start]);
    let body = String::from_utf8_lossy(message.body()).into_owned();
    let is_relayed = ["127.0.0.1", ALG].iter().any(|relay| body.contains(relay));
    rows.insert("body".into(), vec![if is_relayed { through_relay(&body) } else { body }]);
    for field in message.fields() {
        let id = field.id;
        let row = match id {
            HeaderId::VIA => values(message, id).iter().map(|value| via(value, places)).collect(),
            HeaderId::RECORD_ROUTE | HeaderId::ROUTE => {
                let mut hops: Vec<String> =
                    values(message, id).iter().map(|value| hop(&named(value, places))).collect();
                hops.dedup();
                hops
            }
            HeaderId::PROXY_AUTHENTICATE | HeaderId::WWW_AUTHENTICATE | HeaderId::PROXY_AUTHORIZATION => {
                let mut realms: Vec<String> =
                    values(message, id).iter().map(|value| realm(value).to_owned()).collect();
                realms.sort();
                realms
            }
            HeaderId::CONTENT_LENGTH if is_relayed => vec!["as the body".into()],
            id => {
                let mut values = values(message, id);
                values.sort();
                values
            }
        };
        rows.insert(id.name().to_owned(), row);
    }
    rows
}

/// `UDP client.atlanta.example.com z9hG4bK74bf9 received`; of a server the host alone.
fn via(value: &str, places: &Places) -> String {
    let value = named(value, places);
    let via = Via::parse(value.as_bytes()).unwrap();
    let branch = via.branch().unwrap();
    assert!(branch.starts_with("z9hG4bK"), "{value}");
    if via.host.to_string().starts_with("client.") {
        let received = if via.params.has("received") { " received" } else { "" };
        format!("{} {} {branch}{received}", via.transport, via.host)
    } else {
        format!("{} {}", via.transport, via.host)
    }
}

/// `ss1.atlanta.example.com;lr`.
fn hop(value: &str) -> String {
    let uri = value.trim_start_matches("<sip:").split('>').next().unwrap();
    let uri = uri.rsplit_once('@').map_or(uri, |(_, rest)| rest);
    let host = uri.split(';').next().unwrap();
    format!("{host}{}", if uri.split(';').any(|param| param == "lr") { ";lr" } else { "" })
}

fn realm(value: &str) -> &str {
    assert!(value.starts_with("Digest "), "{value}");
    value.split_once("realm=\"").unwrap().1.split('"').next().unwrap()
}

/// Where the ALG of 3.5 says that media go.
const ALG: &str = "192.0.2.128";

/// A description that leads media through a relay, whose ports nobody knows beforehand.
fn through_relay(body: &str) -> String {
    let lines = body.lines().map(|line| match line.strip_prefix("m=audio ") {
        Some(medium) => {
            format!("m=audio PORT{}\r\n", medium.trim_start_matches(|digit: char| digit.is_ascii_digit()))
        }
        None => format!("{}\r\n", line.replace("127.0.0.1", ALG)),
    });
    lines.collect()
}

/// What is wrong with what was sent, by what is printed.
pub(super) fn differences(sent: &Rows, printed: &Rows) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, expected) in printed {
        let found = sent.get(name);
        if found != Some(expected) {
            wrong.push(format!("{name}: {found:?} instead of {expected:?}"));
        }
    }
    let added = sent.keys().filter(|name| !printed.contains_key(*name) && !ADDED.contains(&name.as_str()));
    wrong.extend(added.map(|name| format!("{name} is added: {:?}", sent[name])));
    wrong
}
