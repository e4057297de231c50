//! Chapter 2 of RFC 3665, registrations over TLS, against a server that runs.

use super::compare::{differences, rows, values};
use super::end::cut;
use crate::support::{PATIENCE, Scratch, config, start};
use rcgen::{CertificateParams, KeyPair};
use ringback_auth::{Attempt, DigestClient};
use ringback_message::{HeaderId, Message, Request, Response};
use ringback_net::OsEntropy;
use ringback_server::{Registrations, Server, ServerConfig, TlsConfig};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

const NAME: &str = "ss2.biloxi.example.com";

/// Bob, and the registrar that he is connected to.
struct Desk {
    /// It ends with the test.
    _server: Server,
    wire: StreamOwned<ClientConnection, TcpStream>,
    digest: DigestClient,
    challenge: Option<Response>,
    cseq: u32,
}

fn printed(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ringback-registrar/tests/rfc3665");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

impl Desk {
    fn new(name: &str, password: &str) -> Self {
        let folder = Scratch::new(name);
        let [cert, key] = ["cert.pem", "key.pem"].map(|file| folder.path().join(file));
        let pair = KeyPair::generate().unwrap();
        let signed = CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&pair).unwrap();
        std::fs::write(&cert, signed.pem()).unwrap();
        std::fs::write(&key, pair.serialize_pem()).unwrap();
        let server = start(ServerConfig {
            listen: vec!["tls:127.0.0.1:0".parse().unwrap()],
            domains: [NAME, "biloxi.example.com"].map(Into::into).into(),
            realm: Some("atlanta.example.com".into()),
            users: [("bob".to_owned(), "b".to_owned())].into(),
            registrations: Registrations { max_expires: u32::MAX, ..Registrations::default() },
            tls: TlsConfig { cert: Some(cert), key: Some(key), ..TlsConfig::default() },
            ..config()
        });
        let mut roots = RootCertStore::empty();
        roots.add(signed.der().clone()).unwrap();
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connection = ClientConnection::new(Arc::new(tls), ServerName::try_from(NAME).unwrap()).unwrap();
        let stream = TcpStream::connect(server.listeners()[0].address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let wire = StreamOwned::new(connection, stream);
        Self { _server: server, wire, digest: DigestClient::new("bob", password), challenge: None, cseq: 0 }
    }

    /// Sends a printed request, with a response to our challenge instead of the printed one, and compares what comes back.
    fn exchange(&mut self, request: &str, response: &str, change: impl Fn(String) -> String) {
        self.cseq += 1;
        let text = change(printed(request));
        let mut request = Request::try_from(Message::parse(text.into_bytes()).unwrap()).unwrap();
        // The flows begin anew each, and here they are one history.
        request.set(HeaderId::CSEQ, format_args!("{} REGISTER", self.cseq)).unwrap();
        if request.remove(HeaderId::AUTHORIZATION) > 0 {
            let challenge = self.challenge.as_ref().expect("a challenge came before");
            let mut attempt = Attempt::default();
            self.digest.authorize(&mut attempt, challenge, &mut request, &mut OsEntropy::new()).unwrap();
        }
        self.wire.write_all(&request.render()).unwrap();
        let (mut bytes, mut piece) = (Vec::new(), [0; 4_096]);
        let got = loop {
            let len = self.wire.read(&mut piece).unwrap();
            assert!(len > 0, "the server closed the connection");
            bytes.extend_from_slice(&piece[..len]);
            if let Some(message) = cut(&mut bytes) {
                break message;
            }
        };
        let places = vec![("client.biloxi.example.com", 5_061)];
        let expected = Message::parse(change(printed(response)).into_bytes()).unwrap();
        let (mut found, mut expected) = (rows(&got, &places), rows(&expected, &places));
        expected.insert("CSeq".into(), values(&got, HeaderId::CSEQ));
        // It is its own tag.
        for rows in [&mut found, &mut expected] {
            let (to, tag) = rows["To"][0].split_once(";tag=").expect("a tag");
            assert!(!tag.is_empty());
            rows.insert("To".into(), vec![to.to_owned()]);
        }
        let wrong = differences(&found, &expected);
        assert!(wrong.is_empty(), "{response}:\n{}\n{got:#?}", wrong.join("\n"));
        if got.has(HeaderId::WWW_AUTHENTICATE) {
            let challenge = values(&got, HeaderId::WWW_AUTHENTICATE).concat();
            for part in ["qop=\"auth", "nonce=\"", "algorithm=MD5"] {
                assert!(challenge.contains(part), "{challenge}");
            }
            self.challenge = Some(Response::try_from(got).unwrap());
        }
    }
}

#[test]
fn rfc_3665_2_1_to_2_4_bob_registers_asks_adds_and_removes() {
    let mut desk = Desk::new("rfc3665-2", "b");
    let step = |flow: &str, number: [&str; 2]| number.map(|file| format!("{flow}/{file}-sipserver.sip"));
    let [first, again] = step("2-1-register-new", ["f01-register-bob", "f03-register-bob"]);
    desk.exchange(&first, "2-1-register-new/f02-401-sipserver-bob.sip", |text| text);
    desk.exchange(&again, "2-1-register-new/f04-200-sipserver-bob.sip", |text| text);
    for flow in ["2-2-register-update-contacts", "2-3-register-fetch", "2-4-register-cancel"] {
        let (request, response) =
            (format!("{flow}/f01-register-bob-sipserver.sip"), format!("{flow}/f02-200-sipserver-bob.sip"));
        // The server of 2.2 lets a mail address be for ever; here it is asked for.
        desk.exchange(&request, &response, |text| {
            text.replace(
                "mailto:bob@biloxi.example.com\r",
                "<mailto:bob@biloxi.example.com>;expires=4294967295\r",
            )
        });
    }
}

#[test]
fn rfc_3665_2_5_a_wrong_password_registers_nobody() {
    let mut desk = Desk::new("rfc3665-2-5", "wrong");
    let folder = "2-5-register-fail";
    let file = |name: &str| format!("{folder}/{name}.sip");
    desk.exchange(&file("f01-register-bob-sipserver"), &file("f02-401-sipserver-bob"), |text| text);
    // The server of the RFC asks again, and the phone that asks its user would do so for ever. Ours says 403: that it
    // was wrong.
    desk.exchange(&file("f03-register-bob-sipserver"), &file("f04-401-sipserver-bob"), |text| {
        let text = text.replace("401 Unauthorized", "403 Forbidden");
        match text.split_once("WWW-Authenticate") {
            Some((head, _)) => format!("{head}Content-Length: 0\r\n\r\n"),
            None => text,
        }
    });
}
