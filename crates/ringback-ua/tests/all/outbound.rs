//! A user agent that names itself and its flow to its registrar (RFC 5626 §4).

use crate::world::World;
use ringback_message::header::Contact;
use ringback_message::{HeaderId, Method, Request, StatusCode};
use ringback_ua::UaEvent;

fn register(world: &mut World) -> Request {
    let account = world.agents[0].account;
    world.act(0, |ua, now| ua.register(now, account));
    world.run(10);
    world.expect_newest(Method::REGISTER)
}

fn texts(request: &Request, id: HeaderId) -> Vec<String> {
    request.values(id).map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

fn instance(register: &Request) -> (String, Option<String>) {
    let contact = register.require::<Contact<'_>>().unwrap();
    let params = contact.address().unwrap().params;
    let text = |name| params.find(name).map(|param| param.text().unwrap().into_owned());
    (text("+sip.instance").unwrap(), text("reg-id"))
}

fn accept(world: &mut World, request: &Request, required: bool) {
    let contact = texts(request, HeaderId::CONTACT).remove(0);
    let ok = request.reply(StatusCode::OK, Some("r")).header(HeaderId::CONTACT, contact);
    let ok = if required { ok.header(HeaderId::REQUIRE, "outbound") } else { ok };
    world.peer_sends(0, ok.build().unwrap());
    assert!(matches!(world.event(0), UaEvent::Registered { .. }));
}

/// The Contact of a call.
fn contact_of_call(world: &mut World) -> String {
    let account = world.agents[0].account;
    let target = "sip:peer@example.com".parse().unwrap();
    world.act(0, |ua, now| ua.call(now, account, &target, crate::world::audio(0)));
    world.run(10);
    let invite = world.expect_newest(Method::INVITE);
    world.peer_sends(0, World::reply(&invite, 486, "b").build().unwrap());
    world.event(0);
    world.mail.clear();
    texts(&invite, HeaderId::CONTACT).remove(0)
}

#[test]
fn rule_42_each_register_names_instance_and_flow_and_calls_ask_for_it() {
    for required in [true, false] {
        let mut world = World::new(1);
        let first = register(&mut world);
        assert_eq!(texts(&first, HeaderId::SUPPORTED), ["path", "outbound"]);
        let (named, reg_id) = instance(&first);
        assert!(named.starts_with("<urn:uuid:") && reg_id.as_deref() == Some("1"), "{named}");
        accept(&mut world, &first, required);
        let contact = contact_of_call(&mut world);
        assert_eq!(contact.contains(";ob>"), required, "{contact}");
        let second = register(&mut world);
        assert_eq!(instance(&second), (named, reg_id));
    }
}

#[test]
fn rule_42_a_first_hop_that_keeps_no_flows_is_gone_through_without() {
    let mut world = World::new(1);
    let first = register(&mut world);
    world
        .peer_sends(0, first.reply(StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT, Some("r")).build().unwrap());
    world.run(10);
    let second = world.expect_newest(Method::REGISTER);
    assert_eq!(instance(&second), (instance(&first).0, None));
    assert_eq!(texts(&second, HeaderId::SUPPORTED), ["path"]);
    accept(&mut world, &second, false);
    // It is not asked again and again.
    let third = register(&mut world);
    world
        .peer_sends(0, third.reply(StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT, Some("r")).build().unwrap());
    assert!(matches!(world.event(0), UaEvent::RegistrationFailed { retry_in: None, .. }));
}

/// The Route of a call that is placed now.
fn routes_of_call(world: &mut World) -> Vec<String> {
    let account = world.agents[0].account;
    let target = "sip:peer@example.com".parse().unwrap();
    world.act(0, |ua, now| ua.call(now, account, &target, crate::world::audio(0)));
    world.run(10);
    let invite = world.expect_newest(Method::INVITE);
    world.peer_sends(0, World::reply(&invite, 486, "b").build().unwrap());
    world.event(0);
    world.mail.clear();
    texts(&invite, HeaderId::ROUTE)
}

fn accept_with(world: &mut World, request: &Request, route: &str) {
    let rows = route.split('|').filter(|row| !row.is_empty());
    let reply = request
        .reply(StatusCode::OK, Some("r"))
        .header(HeaderId::CONTACT, texts(request, HeaderId::CONTACT).remove(0));
    let reply = rows.fold(reply, |reply, row| reply.header(HeaderId::SERVICE_ROUTE, row));
    world.peer_sends(0, reply.build().unwrap());
    assert!(matches!(world.event(0), UaEvent::Registered { .. }));
    world.mail.clear();
}

#[test]
fn rule_42_calls_take_the_service_route_that_the_last_2xx_told() {
    let mut world = World::new(1);
    assert_eq!(routes_of_call(&mut world), Vec::<String>::new());
    let request = register(&mut world);
    accept_with(
        &mut world,
        &request,
        "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>|<sip:home.example.com;lr>",
    );
    let told = ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>", "<sip:home.example.com;lr>"];
    assert_eq!(routes_of_call(&mut world), told);
    // REGISTER itself does not, and a 2xx with another way, or without any, replaces it.
    let request = register(&mut world);
    assert_eq!(texts(&request, HeaderId::ROUTE), Vec::<String>::new());
    accept_with(&mut world, &request, "<sip:p3.example.com;lr>");
    assert_eq!(routes_of_call(&mut world), ["<sip:p3.example.com;lr>"]);
    let request = register(&mut world);
    accept_with(&mut world, &request, "");
    assert_eq!(routes_of_call(&mut world), Vec::<String>::new());
}
