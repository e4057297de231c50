//! Messages made from the grammar of RFC 3261 §25.1: all are taken, say what was put in, and are given back as they came.
//!
//! A generator writes one value of a field, and beside it what a typed reader has to say of it. Where the grammar has
//! optional white space it writes [`SPACE`], where it demands some [`GAP`]; both become blanks and folds in the end.
//! A new field needs a line in [`fields`] and, where it is of a new shape, an arm in [`said`].

use proptest::prelude::*;
use ringback_message::header::{
    AcceptEncoding, Allow, CSeq, CallId, Contact, Event, Expires, From, Header, MaxForwards, NameAddr,
    RecordRoute, ReferTo, Require, Route, SubscriptionState, Supported, To, Via,
};
use ringback_message::{HeaderId, Message, Method, Params, Request, Uri};
use std::net::{Ipv4Addr, Ipv6Addr};

/// White space that may stand there (`SWS`).
const SPACE: char = '\u{1}';
/// White space that has to (`LWS`).
const GAP: char = '\u{2}';

/// What is written, and what is meant.
type Given = (String, String);

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,8}"
}

/// A `quoted-string`, and what it says.
fn quoted() -> impl Strategy<Value = Given> {
    let plain = "[ !#-\\[\\]-~éß漢]".prop_map(|text| (text.clone(), text));
    let pair = "[\\t -~]".prop_map(|text| (format!("\\{text}"), text));
    prop::collection::vec(prop_oneof![4 => plain, 1 => pair], 0..8).prop_map(|parts| {
        let (text, said): (Vec<String>, Vec<String>) = parts.into_iter().unzip();
        (format!("\"{}\"", text.concat()), said.concat())
    })
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "([a-zA-Z0-9]([a-z0-9-]{0,4}[a-z0-9])?\\.){0,2}[a-zA-Z]([a-z0-9-]{0,4}[a-z0-9])?\\.?",
        1 => any::<Ipv4Addr>().prop_map(|ip| ip.to_string()),
        1 => any::<Ipv6Addr>().prop_map(|ip| format!("[{ip}]")),
    ]
}

/// `generic-param`s, and names and values of them.
fn params() -> impl Strategy<Value = Given> {
    let value = prop_oneof![
        token().prop_map(|it| (it.clone(), it)),
        quoted(),
        host().prop_map(|it| (it.clone(), it))
    ];
    prop::collection::vec((token(), prop::option::of(value)), 0..4).prop_map(|params| {
        let (mut text, mut said) = (String::new(), String::new());
        for (index, (name, value)) in params.into_iter().enumerate() {
            // Names do not come twice, and are none that mean something.
            text += &format!("{SPACE};{SPACE}x{index}{name}");
            let meant = value.as_ref().map(|(_, meant)| meant);
            said += &format!(";x{index}{name}={meant:?}");
            if let Some((value, _)) = &value {
                text += &format!("{SPACE}={SPACE}{value}");
            }
        }
        (text, said)
    })
}

fn sip_uri() -> impl Strategy<Value = Given> {
    let user = "([a-zA-Z0-9_.!~*'()&=+$,;?/-]|%[0-9A-Fa-f]{2}){1,8}";
    let password = "([a-zA-Z0-9_.!~*'()&=+$,-]|%[0-9A-F]{2}){0,5}";
    let userinfo = prop::option::of((user, prop::option::of(password)));
    let params = "(;[a-z_.!~*'()\\[\\]/:&+$-]{1,3}(=([a-z0-9\\[\\]/:&+$]|%[0-9A-F]{2}){1,4})?){0,3}";
    let headers =
        "(\\?[a-z\\[\\]/?:+$]{1,3}=([a-z0-9\\[\\]/?:+$]|%[0-9A-F]{2}){0,4}(&[a-z]{1,3}=[a-z]{0,2}){0,2})?";
    ("(sip|sips|SIP|Sips)", userinfo, host(), prop::option::of(any::<u16>()), params, headers).prop_map(
        |(scheme, userinfo, host, port, params, headers)| {
            let mut text = format!("{scheme}:");
            if let Some((user, password)) = &userinfo {
                text += user;
                text += &password.as_ref().map_or(String::new(), |it| format!(":{it}"));
                text.push('@');
            }
            text += &host;
            text += &port.map_or(String::new(), |it| format!(":{it}"));
            text += &params;
            text += &headers;
            let (user, password) = userinfo.unzip();
            let secure = scheme.eq_ignore_ascii_case("sips");
            let said = format!("{text} {secure} {user:?} {:?} {host} {port:?}", password.flatten());
            (text, said)
        },
    )
}

fn uri() -> impl Strategy<Value = Given> {
    let other = prop_oneof![
        "tel:\\+[0-9]([0-9.()-]{0,8})(;ext=[0-9]{1,3})?",
        "urn:service:sos(\\.(fire|police))?",
        "https://[a-z]{1,5}\\.example/[a-z0-9/_.~-]{0,6}(\\?[a-z]=[a-z])?",
    ];
    prop_oneof![4 => sip_uri(), 1 => other.prop_map(|text| (text.clone(), text))]
}

/// `name-addr` or `addr-spec` with parameters. Without brackets there are only URIs that have no need of them.
fn address(bare: bool) -> impl Strategy<Value = Given> {
    let display = prop_oneof![
        Just((String::new(), String::new())),
        quoted(),
        prop::collection::vec("[A-Za-z0-9.!%*_+`'~-]{1,6}", 1..3)
            .prop_map(|words| (words.iter().map(|it| format!("{it}{GAP}")).collect(), words.join(" "))),
    ];
    (display, uri(), params(), any::<bool>()).prop_map(
        move |((display, name), (uri, meant), (params, known), brackets)| {
            if bare && !brackets && !uri.contains([',', ';', '?']) {
                return (format!("{uri}{params}"), format!("\"\" {meant} {known}"));
            }
            (format!("{display}{SPACE}<{uri}>{params}"), format!("{name:?} {meant} {known}"))
        },
    )
}

fn hop() -> impl Strategy<Value = Given> {
    (token(), host(), prop::option::of(any::<u16>()), params()).prop_map(
        |(transport, host, port, (params, known))| {
            let written = port.map_or(String::new(), |port| format!("{SPACE}:{SPACE}{port}"));
            let protocol = format!("SIP{SPACE}/{SPACE}2.0{SPACE}/{SPACE}{transport}");
            (
                format!("{protocol}{GAP}{host}{written}{params}"),
                format!("{transport} {host} {port:?} {known}"),
            )
        },
    )
}

fn word() -> impl Strategy<Value = Given> {
    token().prop_map(|text| (text.clone(), text))
}

fn word_with_params() -> impl Strategy<Value = Given> {
    (token(), params())
        .prop_map(|(word, (params, known))| (format!("{word}{params}"), format!("{word} {known}")))
}

fn number(most: u32) -> impl Strategy<Value = Given> {
    (0..=most, 0..3usize)
        .prop_map(|(number, zeros)| (format!("{}{number}", "0".repeat(zeros)), number.to_string()))
}

/// A comment in a comment, escapes and all.
fn product() -> impl Strategy<Value = Given> {
    "[A-Za-z]{1,5}(/[0-9.]{1,3})?( \\(([a-zé ]|\\\\[ -~]){0,5}(\\([a-z]{0,3}\\))?\\))?"
        .prop_map(|text| (text.clone(), String::new()))
}

/// All fields: how often they come, and what a row of them is.
fn fields() -> Vec<BoxedStrategy<(HeaderId, Vec<Given>)>> {
    fn row(
        id: HeaderId,
        value: impl Strategy<Value = Given> + 'static,
    ) -> BoxedStrategy<(HeaderId, Vec<Given>)> {
        let most = if id.is_list() { 4 } else { 2 };
        prop::collection::vec(value, 1..most).prop_map(move |values| (id, values)).boxed()
    }
    vec![
        row(HeaderId::CONTACT, address(true)),
        row(HeaderId::ROUTE, address(false)),
        row(HeaderId::RECORD_ROUTE, address(false)),
        row(HeaderId::REFER_TO, address(true)),
        row(HeaderId::SUPPORTED, word()),
        row(HeaderId::REQUIRE, word()),
        row(HeaderId::ALLOW, word()),
        row(HeaderId::ACCEPT_ENCODING, word_with_params()),
        row(HeaderId::EVENT, word_with_params()),
        row(HeaderId::SUBSCRIPTION_STATE, word_with_params()),
        row(HeaderId::EXPIRES, number(u32::MAX)),
        row(HeaderId::USER_AGENT, product()),
        row(HeaderId::SERVER, product()),
        row(HeaderId::SUBJECT, "[ -~é]{0,20}".prop_map(|text| (text, String::new()))),
        row(HeaderId::VIA, hop()),
    ]
}

/// What a typed reader says of all values of a field, in the words of the generators.
fn said(message: &Message, id: HeaderId) -> Vec<String> {
    fn all<'a, H: Header<'a>>(message: &'a Message, show: impl Fn(H) -> String) -> Vec<String> {
        message.all::<H>().map(|value| value.map_or_else(|error| error.to_string(), &show)).collect()
    }
    match id {
        HeaderId::VIA => all(message, |it: Via<'_>| {
            format!("{} {} {:?} {}", it.transport, it.host, it.port, known(it.params))
        }),
        HeaderId::FROM => all(message, |it: From<'_>| shown(&it)),
        HeaderId::TO => all(message, |it: To<'_>| shown(&it)),
        HeaderId::CONTACT => all(message, |it: Contact<'_>| it.address().map_or("*".to_owned(), shown)),
        HeaderId::ROUTE => all(message, |it: Route<'_>| shown(&it)),
        HeaderId::RECORD_ROUTE => all(message, |it: RecordRoute<'_>| shown(&it)),
        HeaderId::REFER_TO => all(message, |it: ReferTo<'_>| shown(&it)),
        HeaderId::SUPPORTED => all(message, |it: Supported<'_>| it.0.to_string()),
        HeaderId::REQUIRE => all(message, |it: Require<'_>| it.0.to_string()),
        HeaderId::ALLOW => all(message, |it: Allow| it.0.as_str().to_owned()),
        HeaderId::ACCEPT_ENCODING => {
            all(message, |it: AcceptEncoding<'_>| format!("{} {}", it.value, known(it.params)))
        }
        HeaderId::EVENT => all(message, |it: Event<'_>| format!("{} {}", it.value, known(it.params))),
        HeaderId::SUBSCRIPTION_STATE => {
            all(message, |it: SubscriptionState<'_>| format!("{} {}", it.value, known(it.params)))
        }
        HeaderId::EXPIRES => all(message, |it: Expires| it.0.to_string()),
        HeaderId::MAX_FORWARDS => all(message, |it: MaxForwards| it.0.to_string()),
        HeaderId::CALL_ID => all(message, |it: CallId<'_>| it.0.to_owned()),
        HeaderId::CSEQ => all(message, |it: CSeq| format!("{} {}", it.number, it.method)),
        // Free text: there it is.
        id => message.values(id).map(|_| String::new()).collect(),
    }
}

fn shown(address: &NameAddr<'_>) -> String {
    let display = address.display();
    // Words without quotes stand as far apart as they were written.
    let name = String::from_utf8_lossy(&display);
    format!("{name:?} {} {}", meant(&address.uri), known(address.params))
}

fn meant(uri: &Uri<'_>) -> String {
    match uri.as_sip() {
        None => uri.to_string(),
        Some(sip) => {
            let (user, password) = (sip.user(), sip.password());
            format!("{uri} {} {user:?} {password:?} {} {:?}", sip.is_secure(), sip.host(), sip.port())
        }
    }
}

fn known(params: Params<'_>) -> String {
    params.iter().map(|it| format!(";{}={:?}", it.name, it.text())).collect()
}

/// A message, and what is meant by each of its fields.
fn messages() -> impl Strategy<Value = (String, Vec<(HeaderId, Vec<String>)>)> {
    let method = prop_oneof!["(INVITE|ACK|BYE|OPTIONS|REGISTER|SUBSCRIBE|MESSAGE)", token()];
    let essentials = (
        hop(),
        address(true),
        address(true),
        "[a-z0-9.!%*_+`'~()<>:\\\\/\\[\\]?{}-]{1,9}(@[a-z.]{1,5})?",
        0..=i32::MAX as u32,
        number(255),
    );
    let rows = prop::collection::vec(prop::strategy::Union::new(fields()), 0..6);
    let spelling = prop::collection::vec(any::<u8>(), 1..40);
    (method, uri(), essentials, rows, spelling, prop::option::of(100..700u16), "[a-z\\r\\n]{0,9}").prop_map(
        |(method, (uri, _), (via, from, to, call_id, cseq, hops), rows, spelling, status, body)| {
            let method_given = (format!("{cseq}{GAP}{method}"), format!("{cseq} {method}"));
            let mut all = vec![
                (HeaderId::VIA, vec![via]),
                (HeaderId::FROM, vec![from]),
                (HeaderId::TO, vec![to]),
                (HeaderId::CALL_ID, vec![(call_id.clone(), call_id)]),
                (HeaderId::CSEQ, vec![method_given]),
                (HeaderId::MAX_FORWARDS, vec![hops]),
            ];
            all.extend(rows);
            let turn = usize::from(spelling[0]) % all.len();
            all.rotate_left(turn);
            let start = match status {
                Some(status) => format!("SIP/2.0 {status} {method}\r\n"),
                None => format!("{method} {uri} SIP/2.0\r\n"),
            };
            let mut choices = spelling.into_iter().cycle();
            let mut text = start;
            for (id, values) in &all {
                let values: Vec<&str> = values.iter().map(|(text, _)| text.as_str()).collect();
                let colon = [":", ": ", " \t: ", ":\r\n "][usize::from(choices.next().unwrap()) % 4];
                let value = values.join(&format!("{SPACE},{SPACE}"));
                let line = format!("{}{colon}{value}\r\n", name(*id, choices.next().unwrap()));
                for c in line.chars() {
                    let choice = usize::from(choices.next().unwrap());
                    match c {
                        SPACE => text += ["", "", "", " ", "\t", "\r\n ", " \r\n\t "][choice % 7],
                        // Of more than one blank what is between words of a name would tell.
                        GAP => text += " ",
                        c => text.push(c),
                    }
                }
            }
            text += &format!("l:{}\r\n\r\n{body}", body.len());
            let meant =
                all.into_iter().map(|(id, values)| (id, values.into_iter().map(|(_, said)| said).collect()));
            (text, meant.collect())
        },
    )
}

/// A name in one of its spellings.
fn name(id: HeaderId, choice: u8) -> String {
    let compact = match id {
        HeaderId::VIA => "v",
        HeaderId::FROM => "f",
        HeaderId::TO => "t",
        HeaderId::CALL_ID => "i",
        HeaderId::CONTACT => "m",
        HeaderId::SUPPORTED => "k",
        HeaderId::SUBJECT => "s",
        HeaderId::EVENT => "o",
        HeaderId::REFER_TO => "r",
        _ => id.name(),
    };
    match choice % 4 {
        0 => compact.to_owned(),
        1 => id.name().to_ascii_uppercase(),
        2 => id.name().to_ascii_lowercase(),
        _ => id.name().to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_the_grammar_makes_is_taken_and_says_what_was_put_in((text, given) in messages()) {
        let message = Message::parse(text.clone()).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        message.validate().map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        for (id, _) in &given {
            let meant: Vec<&String> = given.iter().filter(|(other, _)| other == id).flat_map(|(_, said)| said).collect();
            let read = said(&message, *id);
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), meant, "{}\n{}", id, text);
        }
        let rendered = message.render();
        prop_assert_eq!(&rendered[..], text.as_bytes());
        if let Ok(request) = Request::try_from(message) {
            prop_assert!(text.starts_with(request.method().as_str()) && request.uri().is_ok());
            prop_assert!(*request.method() != Method::INVITE || request.is(&Method::INVITE));
        }
    }
}
