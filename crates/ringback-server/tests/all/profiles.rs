//! The trunks of docs/guide/trunks.md: each configuration is read, and messages of the shape that its platform documents go both
//! ways through a server that runs with it, but for addresses and TLS.

use crate::support::{Gateway, Phone, config, start};
use ringback_message::{HeaderId, Message, Method, Request, StatusCode};
use ringback_server::{GatewayConfig, MemberConfig, ServerConfig};

const GUIDE: &str = include_str!("../../../../docs/guide/trunks.md");

/// Who calls, and what a platform writes besides, in the shape that it documents.
const SHAPES: [(&str, &str, &str); 8] = [
    (
        "Microsoft Teams Direct Routing",
        "\"Megan\" <sip:+14255550100@sip.pstnhub.microsoft.com:5061;user=phone;transport=tls>",
        "Record-Route: <sip:sip-du-a-eu.pstnhub.microsoft.com:5061;transport=tls;lr>\n\
         Contact: <sip:api-du-a-euwe.pstnhub.microsoft.com:443;x-i=1b2c;x-c=9f8e/s/1/7d>\n\
         P-Asserted-Identity: <tel:+14255550100>,<sip:megan@contoso.example>\nPrivacy: id\n\
         User-Agent: Microsoft.PSTNHub.SIPProxy v.2026.1\nMin-SE: 300\nSession-Expires: 3600;refresher=uac\n\
         Supported: timer, histinfo, norefersub",
    ),
    (
        "Zoom Phone",
        "\"amiller\" <sip:+14085551212@7006029031.zoom.us>",
        "Contact: <sip:+14085551212@162.12.233.59:5061;transport=tls>\nSupported: timer,100rel,precondition,replaces\n\
         P-Asserted-Identity: \"amiller\" <sip:+14085551212@162.12.233.59:5061>\nSession-Expires: 1800",
    ),
    (
        "Webex Calling",
        "\"Charles\" <sip:+14085550100@10.155.4.7;user=phone;otg=example_lgu>",
        "Contact: <sip:+14085550100@edge.webex.example:5062;transport=tls>\nPrivacy: none\n\
         P-Asserted-Identity: \"Charles\" <sip:+14085550100@10.155.4.7;user=phone>\nRecv-Info: x-broadworks-client-session-info\n\
         Session-ID: 5a1d3c0000105000a000005056b1a2c3;remote=00000000000000000000000000000000",
    ),
    (
        "RingCentral",
        "\"Sales\" <sip:+16505550123@byoc.ringcentral.example>",
        "Contact: <sip:+16505550123@198.51.100.7:5061;transport=tls>\np-rc-api-ids: party-id=cs1;session-id=s1",
    ),
    (
        "8x8",
        "<sip:+14085550123@198.51.100.8>",
        "Contact: <sip:+14085550123@198.51.100.8:5060;transport=tcp>\nDiversion: <sip:+14085550100@198.51.100.8>;reason=no-answer\n\
         P-Asserted-Identity: <sip:+14085550123@198.51.100.8>",
    ),
    (
        "Avaya Aura",
        "\"Smith, John\" <sip:4001@example.com>",
        "Contact: \"Smith, John\" <sip:4001@10.0.20.5:5061;transport=tls;gsid=5a6b;epv=%3curn%3e>\n\
         P-Asserted-Identity: \"Smith, John\" <sip:4001@example.com>\nAv-Global-Session-ID: 5a6b7c80-0001\n\
         P-Location: SM;origlocation=\"HQ\";termlocation=\"HQ\"\nEndpoint-View: <sip:4001@example.com;gr=1>;local-tag=-1",
    ),
    (
        "Mitel",
        "\"Reception\" <sip:2001@10.0.30.4>",
        "Contact: \"Reception\" <sip:2001@10.0.30.4:5060;transport=udp>\nSupported: replaces,100rel\nP-Asserted-Identity: <sip:2001@10.0.30.4>",
    ),
    (
        "Vonage",
        "<sip:+12025550143@5.10.112.121>",
        "Contact: <sip:+12025550143@198.51.100.9:5060>\nX-Nexmo-Conversation: CON-1",
    ),
];

/// The configurations by the titles above them.
fn profiles() -> Vec<(&'static str, ServerConfig)> {
    let sections = GUIDE.split("\n## ").skip(1);
    let read = |section: &'static str| {
        let title = section.lines().next().unwrap();
        let text = section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        (title, ServerConfig::from_toml(text).unwrap_or_else(|error| panic!("{title}: {error}")))
    };
    sections.map(read).collect()
}

/// The same on this machine, where everything is on one address.
fn here(given: &ServerConfig, gateway: &Gateway, number: &str) -> ServerConfig {
    let GatewayConfig { members, .. } = &given.gateways[0];
    let member = MemberConfig { uri: gateway.uri(), ..members[0].clone() };
    let mut here = config();
    here.users.insert(number.to_owned(), "n".to_owned());
    ServerConfig {
        domains: given.domains.clone(),
        routes: given.routes.clone(),
        gateways: vec![GatewayConfig { members: vec![member], ..given.gateways[0].clone() }],
        trust: vec!["127.0.0.1/32".parse().unwrap()],
        ..here
    }
}

fn incoming(method: &str, to: &str, from: &str, own: &str, more: &str) -> Message {
    let more: String = more.lines().map(|line| format!("{line}\r\n")).collect();
    let text = format!(
        "{method} {to} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-p-{method}\r\nMax-Forwards: 69\r\n\
         From: {from};tag=platform\r\nTo: <{to}>\r\nCall-ID: platform-{method}\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    );
    Message::parse(text.into_bytes()).unwrap()
}

#[test]
fn messages_of_documented_shapes_go_both_ways() {
    let profiles = profiles();
    let titles: Vec<&str> = profiles.iter().map(|(title, _)| *title).collect();
    assert_eq!(titles, SHAPES.map(|(title, ..)| title));
    for ((title, given), (_, from, more)) in profiles.iter().zip(SHAPES) {
        let mut gateway = Gateway::new();
        let inside = matches!(*title, "Avaya Aura" | "Mitel");
        let (own, theirs) = if inside { ("20012", "4001") } else { ("+441632960083", "+14255550100") };
        let server = start(here(given, &gateway, own));
        let domain = &given.domains[0];

        // The platform is asked whether it is there, in the way that it wants to be.
        let probe = gateway.requested(&Method::OPTIONS);
        let contact = probe.values(HeaderId::CONTACT).next().unwrap_or_default().to_vec();
        let address = server.listeners()[0].address;
        assert_eq!(String::from_utf8(contact).unwrap(), format!("<sip:{address}>"), "{title}");
        let from_field = String::from_utf8(probe.values(HeaderId::FROM).next().unwrap().to_vec()).unwrap();
        assert!(from_field.starts_with(&format!("<sip:{domain}>")), "{title}: {from_field}");
        gateway.reply(&probe, StatusCode::OK);

        // And asks in turn.
        let here = gateway.uri().trim_start_matches("sip:").to_owned();
        gateway.send(&incoming("OPTIONS", &format!("sip:{domain}"), from, &here, more));
        assert_eq!(gateway.response().status(), StatusCode::OK, "{title}");

        let mut phone = Phone::udp(&server, own, "n");
        phone.domain.clone_from(domain);
        assert_eq!(phone.register(600).status(), StatusCode::OK, "{title}");
        gateway.send(&incoming("MESSAGE", &format!("sip:{own}@{domain}"), from, &here, more));
        let received = phone.requested(&Method::MESSAGE);
        let field = |request: &Request, name: HeaderId| request.values(name).next().map(<[u8]>::to_vec);
        assert!(field(&received, HeaderId::FROM).unwrap().starts_with(from.as_bytes()), "{title}");
        phone.reply(&received, StatusCode::OK);
        assert_eq!(gateway.response().status(), StatusCode::OK, "{title}");

        let to = format!("sip:{theirs}@{domain}");
        let mut message = phone.request(Method::MESSAGE, &to, &to).build().unwrap();
        phone.prove(&mut message);
        let sent = gateway.requested(&Method::MESSAGE);
        assert!(sent.uri_bytes().starts_with(format!("sip:{theirs}@").as_bytes()), "{title}");
        let asserted = field(&sent, HeaderId::P_ASSERTED_IDENTITY);
        // Here everything is at an address of the trust domain.
        assert_eq!(asserted, Some(format!("<sip:{own}@{domain}>").into_bytes()), "{title}");
        gateway.reply(&sent, StatusCode::OK);
        assert_eq!(phone.outcome(&message).status(), StatusCode::OK, "{title}");
    }
}
