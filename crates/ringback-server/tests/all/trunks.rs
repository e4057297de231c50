//! Accounts at providers, over real sockets: passwords that they ask for, and registrations with them.

use crate::support::{Gateway, PATIENCE, Phone, config, start};
use ringback_auth::{Algorithm, Authenticator, Credentials, Ha1, Place, Verdict};
use ringback_message::header::{CSeq, Expires};
use ringback_message::{HeaderId, Method, Request, StatusCode};
use ringback_net::OsEntropy;
use ringback_server::{GatewayConfig, MemberConfig, Password, RouteConfig, Server, ServerConfig};
use std::time::{Duration, Instant};

/// A provider that asks for the password of `acme`.
struct Provider {
    gateway: Gateway,
    authenticator: Authenticator,
}

struct Acme;

impl Credentials for Acme {
    fn ha1(&self, user: &str, realm: &str, algorithm: Algorithm) -> Option<Ha1> {
        (user == "acme").then(|| Ha1::new(user, realm, "secret", algorithm))
    }
}

const NOW: Duration = Duration::from_secs(1_700_000_000);

impl Provider {
    fn new(realm: &str) -> Self {
        Self { gateway: Gateway::new(), authenticator: Authenticator::new(realm, [7; 32]) }
    }

    fn is_proved(&mut self, request: &Request, place: Place) -> bool {
        let verdict = self.authenticator.authenticate(NOW, request, place, &Acme);
        matches!(verdict, Verdict::Accepted { user } if user == "acme")
    }

    fn challenge(&mut self, request: &Request, place: Place) {
        let challenges = self.authenticator.challenges(NOW, false, &mut OsEntropy::new());
        let reply = request.reply(place.status(), Some("p"));
        let reply = challenges
            .iter()
            .fold(reply, |reply, challenge| reply.header(place.challenge_field(), challenge.to_string()));
        self.gateway.send(&reply.build().unwrap());
    }

    fn member(&self, priority: u16, register: bool) -> MemberConfig {
        MemberConfig {
            uri: self.gateway.uri(),
            priority,
            user: Some("acme".into()),
            password: Some(Password::new("secret")),
            domain: Some("provider.example".into()),
            register,
            ..MemberConfig::default()
        }
    }
}

fn with(members: Vec<MemberConfig>) -> ServerConfig {
    let route =
        RouteConfig { user: Some(r"^\+".into()), gateway: Some("carrier".into()), ..RouteConfig::default() };
    let group = GatewayConfig { name: "carrier".into(), members, probe: 0, ..GatewayConfig::default() };
    ServerConfig { routes: vec![route], gateways: vec![group], ..config() }
}

fn until(server: &Server, is_so: impl Fn(&ringback_server::Stats) -> bool) {
    let begun = Instant::now();
    while !is_so(&server.stats()) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", server.stats());
        std::thread::yield_now();
    }
}

#[test]
fn calls_prove_the_account_when_they_are_asked_and_unasked_from_then_on() {
    for place in [Place::Proxy, Place::Server] {
        let mut provider = Provider::new("carrier");
        let server = start(with(vec![provider.member(0, false)]));
        let mut alice = Phone::udp(&server, "alice", "a");
        for call in 0..2 {
            let mut invite = alice.invite("sip:+44123@example.com").build().unwrap();
            alice.prove(&mut invite);
            let mut invited = provider.gateway.requested(&Method::INVITE);
            // A proxy is shown the password again for the same target, a server for the same user.
            if call == 0 {
                assert!(!provider.is_proved(&invited, place), "{place:?}");
                provider.challenge(&invited, place);
                invited = provider.gateway.requested(&Method::INVITE);
            }
            assert!(provider.is_proved(&invited, place), "{place:?}, call {call}");
            // Our own password is not the provider's to see.
            let fields = invited.values(HeaderId::PROXY_AUTHORIZATION);
            assert!(fields.map(String::from_utf8_lossy).all(|field| !field.contains("alice")));
            provider.gateway.reply(&invited, StatusCode::OK);
            let ok = alice.outcome(&invite);
            assert_eq!(ok.status(), StatusCode::OK);
            let ack = alice.in_dialog(Method::ACK, &invite, &ok).build().unwrap();
            alice.send(&ack);
            provider.gateway.requested(&Method::ACK);
            let bye = alice.in_dialog(Method::BYE, &invite, &ok).build().unwrap();
            alice.send(&bye);
            let bye = provider.gateway.requested(&Method::BYE);
            if place == Place::Proxy {
                assert!(provider.is_proved(&bye, place), "within the call as well");
            }
            provider.gateway.reply(&bye, StatusCode::OK);
            assert_eq!(alice.response(&Method::BYE).status(), StatusCode::OK);
        }
        assert_eq!(server.stats().gateways[0].answered, 2);
    }
}

#[test]
fn a_provider_that_does_not_take_the_password_is_followed_by_the_next_where_that_is_said() {
    let (mut first, mut second) = (Provider::new("carrier"), Provider::new("other"));
    let wrong = MemberConfig { password: Some(Password::new("wrong")), ..first.member(0, false) };
    let mut with = with(vec![wrong, second.member(1, false)]);
    with.gateways[0].failover = vec![407, 503];
    let server = start(with);
    let mut alice = Phone::udp(&server, "alice", "a");
    let mut invite = alice.invite("sip:+44123@example.com").build().unwrap();
    alice.prove(&mut invite);
    for _ in 0..2 {
        let invited = first.gateway.requested(&Method::INVITE);
        assert!(!first.is_proved(&invited, Place::Proxy));
        first.challenge(&invited, Place::Proxy);
    }
    let invited = second.gateway.requested(&Method::INVITE);
    second.gateway.reply(&invited, StatusCode::BUSY_HERE);
    assert_eq!(alice.outcome(&invite).status(), StatusCode::BUSY_HERE);
}

#[test]
fn an_account_is_registered_with_its_provider_and_again_before_that_ends() {
    let mut provider = Provider::new("carrier");
    let server = start(with(vec![provider.member(0, true)]));
    let first = provider.gateway.requested(&Method::REGISTER);
    assert_eq!(first.uri_bytes(), b"sip:provider.example");
    assert_eq!(server.stats().gateways[0].registered, Some(false));
    provider.challenge(&first, Place::Server);
    let second = provider.gateway.requested(&Method::REGISTER);
    assert!(provider.is_proved(&second, Place::Server));
    assert!(number(&second) > number(&first));
    assert!(second.values(HeaderId::CALL_ID).eq(first.values(HeaderId::CALL_ID)));
    // Asked for longer, and then told that it lasts two seconds.
    let brief = second.reply(StatusCode::INTERVAL_TOO_BRIEF, Some("p")).header(HeaderId::MIN_EXPIRES, 700u32);
    provider.gateway.send(&brief.build().unwrap());
    let third = provider.gateway.requested(&Method::REGISTER);
    assert_eq!(third.require::<Expires>().unwrap().0, 700);
    let contact = String::from_utf8_lossy(third.values(HeaderId::CONTACT).next().unwrap()).into_owned();
    let udp = server.listeners()[0].address;
    assert_eq!(contact, format!("<sip:acme@{udp}>"));
    let ok =
        third.reply(StatusCode::OK, Some("p")).header(HeaderId::CONTACT, format_args!("{contact};expires=2"));
    provider.gateway.send(&ok.build().unwrap());
    until(&server, |stats| stats.gateways[0].registered == Some(true));
    let fourth = provider.gateway.requested(&Method::REGISTER);
    assert!(number(&fourth) > number(&third) && provider.is_proved(&fourth, Place::Server));
}

fn number(request: &Request) -> u32 {
    request.require::<CSeq>().unwrap().number
}

fn seconds(request: &Request) -> u32 {
    request.require::<Expires>().unwrap().0
}

fn field(request: &Request, id: HeaderId) -> String {
    String::from_utf8_lossy(request.values(id).next().unwrap()).into_owned()
}

/// What lasts ten minutes, and what is over.
fn granted(provider: &Provider, request: &Request) {
    let contact = format!("{};expires=600", field(request, HeaderId::CONTACT));
    let ok = request.reply(StatusCode::OK, Some("p"));
    let ok = if seconds(request) == 0 { ok } else { ok.header(HeaderId::CONTACT, contact) };
    provider.gateway.send(&ok.build().unwrap());
}

impl Provider {
    /// The first REGISTER with a higher number; copies of others are passed over.
    fn registering_after(&mut self, last: u32) -> Request {
        loop {
            let request = self.gateway.requested(&Method::REGISTER);
            if number(&request) > last {
                return request;
            }
        }
    }

    /// Challenges, and grants what comes then.
    fn registered(&mut self, server: &Server) -> Request {
        let first = self.gateway.requested(&Method::REGISTER);
        self.challenge(&first, Place::Server);
        let second = self.registering_after(number(&first));
        granted(self, &second);
        until(server, |stats| stats.gateways[0].registered == Some(true));
        second
    }
}

#[test]
fn an_account_that_is_configured_no_more_is_taken_out_at_its_provider() {
    for (what, change) in [
        ("no group", (|config| config.gateways.clear()) as fn(&mut ServerConfig)),
        ("another user", |config| config.gateways[0].members[0].user = Some("other".into())),
        ("another registrar", |config| config.gateways[0].members[0].domain = Some("other.example".into())),
        ("only calls", |config| config.gateways[0].members[0].register = false),
    ] {
        let mut provider = Provider::new("carrier");
        let mut config = with(vec![provider.member(0, true)]);
        let server = start(config.clone());
        let last = provider.registered(&server);
        // What else is said of the gateway is nothing to the provider: the next REGISTER that he sees has the next number.
        (config.gateways[0].members[0].weight, config.gateways[0].timeout) = (7, 9);
        server.reload(&config).unwrap();
        assert_eq!(server.stats().gateways[0].registered, Some(true), "{what}");
        config.routes.clear();
        change(&mut config);
        server.reload(&config).unwrap();
        let own = field(&last, HeaderId::CALL_ID);
        let mut leaving = provider.registering_after(0);
        while field(&leaving, HeaderId::CALL_ID) != own || number(&leaving) == number(&last) {
            leaving = provider.registering_after(0);
        }
        assert_eq!((seconds(&leaving), number(&leaving)), (0, number(&last) + 1), "{what}");
        assert_eq!(leaving.uri_bytes(), b"sip:provider.example", "{what}");
        assert_eq!(field(&leaving, HeaderId::CONTACT), field(&last, HeaderId::CONTACT), "{what}");
        assert!(provider.is_proved(&leaving, Place::Server), "{what}: by the password of before");
        // Its nonce is too old for him, and he asks again.
        provider.authenticator = Authenticator::new("carrier", [8; 32]);
        provider.challenge(&leaving, Place::Server);
        let again = loop {
            let request = provider.registering_after(number(&leaving));
            if field(&request, HeaderId::CALL_ID) == own {
                break request;
            }
        };
        assert_eq!(seconds(&again), 0, "{what}");
        assert!(provider.is_proved(&again, Place::Server), "{what}");
        granted(&provider, &again);
    }
}

#[test]
fn an_account_that_is_just_being_registered_is_taken_out_when_that_is_answered() {
    let mut provider = Provider::new("carrier");
    let mut config = with(vec![provider.member(0, true)]);
    let server = start(config.clone());
    let first = provider.gateway.requested(&Method::REGISTER);
    config.routes.clear();
    config.gateways.clear();
    server.reload(&config).unwrap();
    granted(&provider, &first);
    let leaving = provider.registering_after(number(&first));
    assert_eq!(seconds(&leaving), 0);
    granted(&provider, &leaving);
}

#[test]
fn an_account_that_comes_back_while_it_is_taken_out_is_registered_in_the_end() {
    let mut provider = Provider::new("carrier");
    let config = with(vec![provider.member(0, true)]);
    let server = start(config.clone());
    let last = provider.registered(&server);
    let without = ServerConfig { gateways: Vec::new(), routes: Vec::new(), ..config.clone() };
    server.reload(&without).unwrap();
    let leaving = provider.registering_after(number(&last));
    assert_eq!(seconds(&leaving), 0);
    server.reload(&config).unwrap();
    granted(&provider, &leaving);
    let back = provider.registering_after(number(&leaving));
    // One after the other by their numbers, which only count within a Call-ID (RFC 3261 §10.3).
    assert_eq!(field(&back, HeaderId::CALL_ID), field(&last, HeaderId::CALL_ID));
    assert_eq!(seconds(&back), 600);
    granted(&provider, &back);
    until(&server, |stats| stats.gateways[0].registered == Some(true));
}
