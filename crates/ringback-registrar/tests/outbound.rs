//! Flows and instances of user agents (RFC 5626 §6, RFC 5627 §5), by the messages.

mod desk;

use desk::{Desk, expect, values};
use ringback_message::{HeaderId, Response, UriBuf};
use ringback_registrar::{Aor, Change, Gruu, Gruus, Refusal};

const ONE: &str = "+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\"";
const TWO: &str = "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"";
const OUTBOUND: &str = "Supported: path, outbound";

fn contact(uri: &str, params: &str) -> String {
    format!("Contact: <{uri}>;{params}\n{OUTBOUND}")
}

/// The flows and where they lead.
fn flows(desk: &Desk) -> Vec<(u32, String)> {
    let bob = Aor::parse("sip:bob@example.com").unwrap();
    let found = desk.registrar.locations().lookup(desk.now, &bob);
    let mut flows: Vec<_> =
        found.iter().filter_map(|binding| Some((binding.reg_id()?, binding.contact.to_string()))).collect();
    flows.sort();
    flows
}

#[test]
fn rule_42_there_is_one_binding_for_each_flow_of_an_instance() {
    let mut desk = Desk::new();
    let response = desk.register("a", 1, &contact("sip:bob@192.0.2.4;ob", &format!("{ONE};reg-id=1")));
    expect(&response, 200, &[&format!("<sip:bob@192.0.2.4;ob>;{ONE};reg-id=1;expires=3600")]);
    assert_eq!(values(&response, HeaderId::REQUIRE), ["outbound"]);
    // The same contact over a second flow is a second binding.
    desk.register("a", 2, &contact("sip:bob@192.0.2.4;ob", &format!("reg-id=2;{ONE}")));
    assert_eq!(flows(&desk), [(1, "sip:bob@192.0.2.4;ob".into()), (2, "sip:bob@192.0.2.4;ob".into())]);
    // The first flow again, from elsewhere: in its place, whatever it is spelt like.
    let upper = ONE.replace("f81d4fae", "F81D4FAE");
    desk.register("a", 3, &contact("sip:bob@192.0.2.99", &format!("{upper};reg-id=1")));
    assert_eq!(flows(&desk), [(1, "sip:bob@192.0.2.99".into()), (2, "sip:bob@192.0.2.4;ob".into())]);
    assert!(matches!(&desk.changes[..], [Change::Remove(..), Change::Put(..)]), "{:?}", desk.changes);
    // Another instance with the same number.
    desk.register("b", 1, &contact("sip:bob@192.0.2.5", &format!("{TWO};reg-id=1")));
    assert_eq!(flows(&desk).len(), 3);
    // Taken back by instance and number.
    desk.register("a", 4, &contact("sip:bob@192.0.2.4;ob", &format!("{upper};reg-id=1;expires=0")));
    assert_eq!(flows(&desk).len(), 2);
    expect(&desk.register("c", 1, "Contact: *\nExpires: 0"), 200, &[]);
    assert!(desk.registrar.locations().is_empty());
}

#[test]
fn requests_of_one_flow_are_kept_in_order() {
    let mut desk = Desk::new();
    let flow = format!("{ONE};reg-id=1");
    desk.register("a", 5, &contact("sip:bob@192.0.2.4", &flow));
    expect(&desk.register("a", 5, &contact("sip:bob@192.0.2.5", &flow)), 500, &[]);
    assert_eq!(desk.refusal, Some(Refusal::OutOfOrder));
}

#[test]
fn a_number_counts_only_beside_an_instance_and_with_support() {
    for lines in [
        contact("sip:bob@192.0.2.4", "reg-id=1"),
        contact("sip:bob@192.0.2.4", &format!("{ONE};reg-id=0")),
        format!("Contact: <sip:bob@192.0.2.4>;{ONE};reg-id=1"),
    ] {
        let mut desk = Desk::new();
        let response = desk.register("a", 1, &lines);
        assert_eq!(values(&response, HeaderId::REQUIRE), Vec::<String>::new(), "{lines}");
        assert!(!values(&response, HeaderId::CONTACT)[0].contains("reg-id"), "{lines}");
        assert_eq!(flows(&desk), []);
    }
}

#[test]
fn a_phone_that_begins_to_number_its_flows_leaves_no_second_binding() {
    let mut desk = Desk::new();
    desk.register("a", 1, "Contact: <sip:bob@192.0.2.4>");
    desk.register("a", 2, &contact("sip:bob@192.0.2.4", &format!("{ONE};reg-id=1")));
    assert_eq!((desk.contacts().len(), flows(&desk).len()), (1, 1));
    desk.register("a", 3, "Contact: <sip:bob@192.0.2.4>");
    assert_eq!((desk.contacts().len(), flows(&desk).len()), (1, 0));
}

#[test]
fn of_several_contacts_that_last_none_is_a_flow() {
    let mut desk = Desk::new();
    let two = format!("Contact: <sip:bob@192.0.2.4>;{ONE};reg-id=1, <sip:bob@192.0.2.5>\n{OUTBOUND}");
    expect(&desk.register("a", 1, &two), 400, &[]);
    assert_eq!(desk.refusal, Some(Refusal::Flows));
    let one =
        format!("Contact: <sip:bob@192.0.2.4>;{ONE};reg-id=1, <sip:bob@192.0.2.5>;expires=0\n{OUTBOUND}");
    assert_eq!(desk.register("a", 1, &one).status().as_u16(), 200);
}

#[test]
fn rule_42_a_first_proxy_that_keeps_no_flows_is_told_by_439() {
    let by_proxy = |path: &str| {
        let mut desk = Desk::new();
        let lines = contact("sip:bob@192.0.2.4", &format!("{ONE};reg-id=1"));
        let response =
            desk.register("a", 1, &format!("Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx\n{lines}{path}"));
        (response.status().as_u16(), flows(&desk).len())
    };
    assert_eq!(by_proxy(""), (439, 0));
    assert_eq!(by_proxy("\nPath: <sip:edge;lr>"), (439, 0));
    // The lowest is that of the first.
    assert_eq!(by_proxy("\nPath: <sip:core;lr;ob>, <sip:edge;lr>"), (439, 0));
    assert_eq!(by_proxy("\nPath: <sip:core;lr>, <sip:token@edge;lr;ob>"), (200, 1));
}

fn with_gruus() -> Desk {
    Desk::with(|config| config.gruus = Some(Gruus::new([1; 32])))
}

fn read(desk: &Desk, uri: &str) -> Option<Gruu> {
    let uri: UriBuf = uri.parse().unwrap();
    desk.registrar.config().gruus.as_ref()?.read(&uri.as_sip()?)
}

fn param(response: &Response, name: &str) -> Option<String> {
    let contact = values(response, HeaderId::CONTACT).pop()?;
    Some(contact.split_once(&format!(";{name}=\""))?.1.split_once('"')?.0.to_owned())
}

#[test]
fn rfc_5627_5_those_who_ask_are_told_their_gruus() {
    let mut desk = with_gruus();
    let lines = format!("Contact: <sip:bob@192.0.2.4>;{ONE}");
    let response = desk.register("a", 1, &lines);
    assert_eq!(param(&response, "pub-gruu"), None, "nobody asked");
    let response = desk.register("a", 2, &format!("{lines}\nSupported: gruu"));
    let public = param(&response, "pub-gruu").unwrap();
    assert_eq!(public, "sip:bob@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    let first = param(&response, "temp-gruu").unwrap();
    let second = param(&desk.register("a", 3, &format!("{lines}\nRequire: gruu")), "temp-gruu").unwrap();
    assert!(first != second && first.ends_with("@example.com;gr") && !first.contains("bob"), "{first}");
    let bob = Aor::parse("sip:bob@example.com").unwrap();
    let binding = |desk: &Desk| desk.registrar.locations().lookup(desk.now, &bob)[0].clone();
    for gruu in [&public, &first, &second] {
        let gruu = read(&desk, gruu).unwrap();
        assert!(gruu.aor == bob && gruu.leads_to(&binding(&desk)));
    }
    // A new registration ends the temporary ones.
    desk.register("b", 1, &lines);
    assert!(!read(&desk, &first).unwrap().leads_to(&binding(&desk)));
    assert!(read(&desk, &public).unwrap().leads_to(&binding(&desk)));
    // Without an instance there is none.
    let response = desk.register("b", 2, "Contact: <sip:x@192.0.2.4>\nSupported: gruu");
    assert_eq!(param(&response, "pub-gruu"), None);
}

#[test]
fn what_a_phone_says_of_gruus_is_not_believed() {
    let mut desk = with_gruus();
    let lines = format!("Contact: <sip:bob@192.0.2.4>;{ONE};pub-gruu=\"sip:eve@example.com;gr=x\"");
    let response = desk.register("a", 1, &lines);
    assert_eq!(param(&response, "pub-gruu"), None);
}

#[test]
fn without_a_key_gruus_cannot_be_required() {
    let response = Desk::new().register("a", 1, "Contact: <sip:a@192.0.2.4>\nRequire: outbound, gruu");
    expect(&response, 420, &[]);
    assert_eq!(values(&response, HeaderId::UNSUPPORTED), ["gruu"]);
}
