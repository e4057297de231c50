//! Two servers that check each other's certificates, and the connection between them (RFC 5923).

use crate::support::{PATIENCE, Phone, Scratch, config, start};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use ringback_message::{HeaderId, Method, StatusCode, header::Via};
use ringback_sansio::Protocol;
use ringback_server::{Server, ServerConfig, TlsVerify};
use std::fs;
use std::time::Instant;

/// A private authority, and the certificates that it signed, in a folder.
struct Authority {
    folder: Scratch,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let folder = Scratch::new(name);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    /// A server for these domains, with a certificate for the first.
    fn server(&self, domains: &[&str], verify: TlsVerify) -> Server {
        let file = |kind: &str| self.folder.path().join(format!("{}.{kind}", domains[0]));
        let mut params = CertificateParams::new(vec![domains[0].to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        fs::write(file("pem"), params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        fs::write(file("key"), key.serialize_pem()).unwrap();
        let ca = Some(self.folder.path().join("ca.pem"));
        let mut tls = ringback_server::TlsConfig { ca: ca.clone(), verify, ..Default::default() };
        (tls.cert, tls.key) = (Some(file("pem")), Some(file("key")));
        tls.client_ca = ca.filter(|_| verify == TlsVerify::Mutual);
        let here = ["127.0.0.1".parse().unwrap()];
        start(ServerConfig {
            listen: ["udp:127.0.0.1:0", "tls:127.0.0.1:0"].map(|listen| listen.parse().unwrap()).into(),
            domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            hosts: ["a.example", "b.example", "c.example"].map(|name| (name.to_owned(), here.into())).into(),
            tls,
            ..config()
        })
    }
}

fn phone(server: &Server, name: &str) -> Phone {
    let mut phone = Phone::udp(server, name, &name[..1]);
    phone.domain.clone_from(&server.domains()[0]);
    assert_eq!(phone.register(600).status(), StatusCode::OK);
    phone
}

/// By TLS to a user of a domain of that server.
fn uri(server: &Server, user: &str, domain: &str) -> String {
    let listener = server.listeners().iter().find(|listener| listener.protocol == Protocol::Tls).unwrap();
    format!("sip:{user}@{domain}:{};transport=tls", listener.address.port())
}

/// Sends a message that arrives. Whether the server of the sender asked that others come back over its connection.
fn reaches(from: &mut Phone, to: &mut Phone, uri: &str) -> bool {
    let message = from.request(Method::MESSAGE, uri, uri).body("text/plain", "hello");
    std::thread::scope(|scope| {
        let answered = scope.spawn(|| {
            let message = to.requested(&Method::MESSAGE);
            to.reply(&message, StatusCode::OK);
            message.all::<Via<'_>>().flatten().any(|via| via.params.has("alias"))
        });
        assert_eq!(from.transact(message).0.status(), StatusCode::OK);
        answered.join().unwrap()
    })
}

#[test]
fn requests_come_back_over_the_connection_of_whoever_proved_to_be_meant() {
    let authority = Authority::new("alias");
    let a = authority.server(&["a.example", "c.example"], TlsVerify::Mutual);
    let b = authority.server(&["b.example"], TlsVerify::Mutual);
    let (mut alice, mut bob) = (phone(&a, "alice"), phone(&b, "bob"));
    assert!(reaches(&mut alice, &mut bob, &uri(&b, "bob", "b.example")));
    assert_eq!((a.stats().connections, b.stats().connections), (1, 1));
    assert!(reaches(&mut bob, &mut alice, &uri(&a, "alice", "a.example")));
    assert!(reaches(&mut alice, &mut bob, &uri(&b, "bob", "b.example")));
    assert_eq!((a.stats().connections, b.stats().connections), (1, 1), "both ways over one");

    // The same address under a name that its certificate has not: never over that connection, and over no other.
    let other = uri(&a, "alice", "c.example");
    let message = bob.request(Method::MESSAGE, &other, &other).body("text/plain", "hello");
    let refused = bob.transact(message).0.status();
    assert!(refused.is_final() && !refused.is_success(), "{refused}");
    let received =
        a.why("").into_iter().filter(|seen| seen.bytes.starts_with(b"MESSAGE sip:alice@c.example"));
    assert_eq!(received.count(), 0);
}

#[test]
fn without_a_certificate_of_the_client_its_connection_is_its_own() {
    let authority = Authority::new("no-alias");
    let a = authority.server(&["a.example"], TlsVerify::Mutual);
    // It asks nobody for a certificate, so alias in a Via means nothing to it, nor does it ask for one itself.
    let b = authority.server(&["b.example"], TlsVerify::On);
    let (mut alice, mut bob) = (phone(&a, "alice"), phone(&b, "bob"));
    assert!(reaches(&mut alice, &mut bob, &uri(&b, "bob", "b.example")));
    assert_eq!((a.stats().connections, b.stats().connections), (1, 1));
    assert!(!reaches(&mut bob, &mut alice, &uri(&a, "alice", "a.example")));
    assert_eq!((a.stats().connections, b.stats().connections), (2, 2));
}

#[test]
fn the_way_back_lives_as_long_as_the_connection() {
    let authority = Authority::new("alias-end");
    let b = authority.server(&["b.example"], TlsVerify::Mutual);
    let a = authority.server(&["a.example"], TlsVerify::Mutual);
    let (mut alice, mut bob) = (phone(&a, "alice"), phone(&b, "bob"));
    assert!(reaches(&mut alice, &mut bob, &uri(&b, "bob", "b.example")));
    let target = uri(&a, "alice", "a.example");
    drop(a);
    let begun = Instant::now();
    while b.stats().connections > 0 {
        assert!(begun.elapsed() < PATIENCE, "the end of the connection is noticed");
        std::thread::yield_now();
    }
    let message = bob.request(Method::MESSAGE, &target, &target).body("text/plain", "hello");
    let (response, _) = bob.transact(message);
    assert!(!response.status().is_success() && response.has(HeaderId::VIA), "{response:?}");
}
