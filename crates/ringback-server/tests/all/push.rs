//! Phones that sleep, and are woken through a webhook (RFC 8599), over real sockets.

use crate::support::{PATIENCE, Phone, Scratch, config, start};
use ringback_message::{HeaderId, Method, Request, Response, StatusCode};
use ringback_sansio::Protocol;
use ringback_server::{
    ProviderConfig, PushNotification, PushSender, PushSent, Server, ServerConfig, Storage,
};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// One that stands for a push notification service, and answers when it is told what.
struct Webhook(TcpListener);

struct Told {
    line: String,
    body: serde_json::Value,
    stream: TcpStream,
}

impl Webhook {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}/wake?key=1", self.0.local_addr().unwrap())
    }

    /// The next notification.
    fn told(&self) -> Told {
        let (mut stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut read = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&read).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() >= length.parse().unwrap() {
                    let line = head.lines().next().unwrap().to_owned();
                    return Told { line, body: serde_json::from_str(body).unwrap(), stream };
                }
            }
            let mut bytes = [0; 4_096];
            let len = stream.read(&mut bytes).unwrap();
            assert!(len > 0, "a whole request comes");
            read.extend_from_slice(&bytes[..len]);
        }
    }

    fn answered(&self, status: u16) -> Told {
        let mut told = self.told();
        told.answer(status);
        told
    }
}

impl Told {
    fn answer(&mut self, status: u16) {
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok");
        self.stream.write_all(answer.as_bytes()).unwrap();
    }
}

/// A server that wakes phones by this webhook, and takes none to be awake.
fn waking(webhook: &Webhook) -> ServerConfig {
    let mut config = config();
    let provider = ProviderConfig { url: webhook.url(), vapid: None, refresh: true };
    config.push.providers.insert("apns".into(), provider);
    config.push.awake = Some(Duration::ZERO);
    config
}

const PUSH: &str = ";pn-provider=apns;pn-param=AB.example;pn-prid=x%3Avoip";

fn register(phone: &mut Phone, params: &str, expires: u32) -> Response {
    let (aor, contact) = (phone.aor(), format!("<sip:bob@{}{params}>", phone.own));
    let register = phone
        .request(Method::REGISTER, "sip:example.com", &aor)
        .header(HeaderId::CONTACT, contact)
        .header(HeaderId::EXPIRES, expires);
    phone.transact(register).0
}

fn bob(server: &Server) -> Phone {
    let mut bob = Phone::udp(server, "bob", "b");
    assert_eq!(register(&mut bob, PUSH, 600).status(), StatusCode::OK);
    bob
}

/// A stranger, who is not asked for a password.
fn caller(server: &Server) -> Phone {
    let mut caller = Phone::udp(server, "eve", "");
    caller.domain = "example.org".into();
    caller
}

fn until(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

fn status_of(phone: &mut Phone) -> StatusCode {
    Response::try_from(phone.receive()).unwrap().status()
}

fn cancel(invite: &Request) -> Request {
    Request::builder(Method::CANCEL, invite.uri_bytes())
        .copy(invite, HeaderId::VIA)
        .copy(invite, HeaderId::FROM)
        .copy(invite, HeaderId::TO)
        .copy(invite, HeaderId::CALL_ID)
        .header(HeaderId::MAX_FORWARDS, 70u8)
        .header(
            HeaderId::CSEQ,
            format!("{} CANCEL", invite.require::<ringback_message::header::CSeq>().unwrap().number),
        )
        .build()
        .unwrap()
}

#[test]
fn rfc_8599_a_call_wakes_the_phone_and_rings_where_it_is_then() {
    let scratch = Scratch::new("push");
    let webhook = Webhook::new();
    for storage in [Storage::Ephemeral, Storage::Directory(scratch.path().to_owned())] {
        let server = start(ServerConfig { storage, ..waking(&webhook) });
        let mut bob = bob(&server);
        let mut caller = caller(&server);
        let invite = caller.invite("sip:bob@example.com").build().unwrap();
        caller.send(&invite);
        assert_eq!(status_of(&mut caller), StatusCode::TRYING);
        let told = webhook.answered(202);
        assert_eq!(told.line, "POST /wake?key=1 HTTP/1.1");
        let call = String::from_utf8(invite.values(HeaderId::CALL_ID).next().unwrap().to_vec()).unwrap();
        assert_eq!(
            told.body,
            serde_json::json!({
                "provider": "apns", "param": "AB.example", "prid": "x:voip", "aor": "sip:bob@example.com",
                "method": "INVITE", "call_id": call, "from": "sip:eve@example.org", "from_name": null,
            })
        );
        assert_eq!(server.stats().push.unwrap().waiting, 1);
        // It wakes up elsewhere, is told that it is registered, and then of the call.
        let mut awake = Phone::udp(&server, "bob", "b");
        assert_eq!(register(&mut awake, PUSH, 600).status(), StatusCode::OK);
        let invited = awake.requested(&Method::INVITE);
        assert_eq!(invited.uri_bytes(), format!("sip:bob@{}{PUSH}", awake.own).as_bytes());
        awake.reply(&invited, StatusCode::RINGING);
        assert_eq!(status_of(&mut caller), StatusCode::RINGING);
        awake.reply(&invited, StatusCode::OK);
        let ok = caller.response(&Method::INVITE);
        let ack = caller.in_dialog(Method::ACK, &invite, &ok).build().unwrap();
        caller.send(&ack);
        awake.requested(&Method::ACK);
        // Who is in a call is awake.
        let bye = caller.in_dialog(Method::BYE, &invite, &ok).build().unwrap();
        caller.send(&bye);
        let ended = awake.requested(&Method::BYE);
        awake.reply(&ended, StatusCode::OK);
        let stats = server.stats().push.unwrap();
        assert_eq!((stats.accepted, stats.woken, stats.waiting, stats.failed), (1, 1, 0, 0));
        assert_eq!(server.stats().bindings, 1);
        // Where it was before nobody is asked.
        bob.send_bytes(b"\r\n\r\n");
        awake.send_bytes(b"\r\n\r\n");
    }
}

#[test]
fn a_call_that_is_taken_back_while_the_phone_sleeps_is_over() {
    let webhook = Webhook::new();
    let server = start(waking(&webhook));
    let mut bob = bob(&server);
    let mut caller = caller(&server);
    let invite = caller.invite("sip:bob@example.com").build().unwrap();
    caller.send(&invite);
    webhook.answered(200);
    caller.send(&cancel(&invite));
    assert_eq!(caller.outcome(&invite).status(), StatusCode::REQUEST_TERMINATED);
    assert_eq!(server.stats().push.unwrap().waiting, 0);
    // It wakes up in vain: the next thing that comes is a message that it is woken for again.
    register(&mut bob, PUSH, 600);
    let message = caller.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
    caller.send(&message.build().unwrap());
    assert_eq!(webhook.answered(200).body["method"], "MESSAGE");
    register(&mut bob, PUSH, 600);
    let request = Request::try_from(bob.receive()).unwrap();
    assert_eq!(*request.method(), Method::MESSAGE);
    bob.reply(&request, StatusCode::OK);
    assert_eq!(caller.response(&Method::MESSAGE).status(), StatusCode::OK);
}

#[test]
fn who_cannot_be_woken_is_not_there() {
    let webhook = Webhook::new();
    let mut config = waking(&webhook);
    config.push.retries = 1;
    let server = start(config);
    let _bob = bob(&server);
    let mut caller = caller(&server);
    // A service that does not know the phone is asked once, one in trouble twice.
    for (statuses, failed) in [(vec![410], 1), (vec![503, 503], 2)] {
        let invite = caller.invite("sip:bob@example.com").build().unwrap();
        caller.send(&invite);
        for status in statuses {
            webhook.answered(status);
        }
        assert_eq!(caller.outcome(&invite).status(), StatusCode::TEMPORARILY_UNAVAILABLE);
        let stats = server.stats().push.unwrap();
        assert_eq!((stats.failed, stats.accepted, stats.waiting), (failed, 0, 0));
    }
    // Nobody there at all.
    drop(webhook);
    let invite = caller.invite("sip:bob@example.com").build().unwrap();
    caller.send(&invite);
    assert_eq!(caller.outcome(&invite).status(), StatusCode::TEMPORARILY_UNAVAILABLE);
}

#[test]
fn who_does_not_wake_up_in_time_is_not_there() {
    let webhook = Webhook::new();
    let mut config = waking(&webhook);
    config.push.wait = Some(Duration::from_secs(1));
    let server = start(config);
    let _bob = bob(&server);
    let mut caller = caller(&server);
    let invite = caller.invite("sip:bob@example.com").build().unwrap();
    caller.send(&invite);
    webhook.answered(200);
    assert_eq!(caller.outcome(&invite).status(), StatusCode::TEMPORARILY_UNAVAILABLE);
    assert_eq!(server.stats().push.unwrap().waiting, 0);
}

#[test]
fn phones_are_told_what_there_is() {
    let webhook = Webhook::new();
    let server = start(waking(&webhook));
    let mut bob = Phone::udp(&server, "bob", "b");
    let caps = |response: &Response| {
        let value = response.values(HeaderId::FEATURE_CAPS).next();
        value.map(|value| String::from_utf8(value.to_vec()).unwrap())
    };
    let told = register(&mut bob, PUSH, 600);
    assert_eq!(caps(&told).as_deref(), Some("*;+sip.pns=\"apns\""));
    let refused = register(&mut bob, ";pn-provider=fcm;pn-prid=x", 600);
    assert_eq!(refused.status(), StatusCode::PUSH_NOTIFICATION_SERVICE_NOT_SUPPORTED);
    assert_eq!(caps(&register(&mut bob, ";pn-provider", 600)).as_deref(), Some("*;+sip.pns=\"apns\""));
    assert_eq!(caps(&register(&mut bob, "", 600)), None);
}

#[test]
fn who_is_told_of_a_phone_is_not_told_its_name_at_the_service() {
    let webhook = Webhook::new();
    let server = start(waking(&webhook));
    let bob = bob(&server);
    let mut alice = Phone::udp(&server, "alice", "a");
    let invite = alice.invite("sip:bob@example.com").header(HeaderId::REQUEST_DISPOSITION, "redirect");
    let told = alice.transact(invite).0;
    assert_eq!(told.status(), StatusCode::MOVED_TEMPORARILY);
    let contact = told.values(HeaderId::CONTACT).next().unwrap();
    assert_eq!(contact, format!("<sip:bob@{}>", bob.own).as_bytes());
    // Nobody is woken for that.
    assert_eq!(server.stats().push.unwrap().waiting, 0);
}

/// Takes notes of what it is to send.
#[derive(Debug)]
struct Notes(Mutex<mpsc::Sender<PushNotification>>);

impl PushSender for Notes {
    fn send<'a>(&'a self, notification: &'a PushNotification) -> PushSent<'a> {
        self.0.lock().unwrap().send(notification.clone()).unwrap();
        Box::pin(async { Ok(()) })
    }
}

#[test]
fn a_phone_that_has_just_registered_is_awake_and_one_without_its_connection_is_not() {
    let (sender, notes) = mpsc::channel();
    let mut config = waking(&Webhook::new());
    config.push.awake = Some(Duration::from_secs(60));
    config.push_sender = Some(Arc::new(Notes(Mutex::new(sender))));
    let server = start(config);
    let mut caller = caller(&server);
    let message = |caller: &mut Phone| {
        let message = caller.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
        caller.send(&message.build().unwrap());
    };
    let flow = "+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\";reg-id=1";
    let register = |bob: &mut Phone| {
        let aor = bob.aor();
        let register = bob
            .request(Method::REGISTER, "sip:example.com", &aor)
            .header(HeaderId::SUPPORTED, "path, outbound")
            .header(HeaderId::CONTACT, format!("<sip:bob@192.0.2.9;ob{PUSH}>;{flow}"));
        assert_eq!(bob.transact(register).0.status(), StatusCode::OK);
    };
    let mut bob = Phone::new(&server, Protocol::Tcp, "bob", "b");
    register(&mut bob);
    message(&mut caller);
    let request = bob.requested(&Method::MESSAGE);
    bob.reply(&request, StatusCode::OK);
    assert_eq!(caller.response(&Method::MESSAGE).status(), StatusCode::OK);
    assert!(notes.try_recv().is_err(), "nobody had to be woken");
    // The system takes its connection away when it has been asleep for a while. It stays registered.
    drop(bob);
    until("the connection ends", || server.stats().connections == 0);
    assert_eq!(server.stats().bindings, 1);
    message(&mut caller);
    assert_eq!(notes.recv_timeout(PATIENCE).unwrap().method, "MESSAGE");
    // A second one that waits does not have it woken again.
    message(&mut caller);
    until("both wait", || server.stats().push.unwrap().waiting == 2);
    let mut bob = Phone::new(&server, Protocol::Tcp, "bob", "b");
    register(&mut bob);
    for _ in 0..2 {
        let request = bob.requested(&Method::MESSAGE);
        bob.reply(&request, StatusCode::OK);
        assert_eq!(caller.response(&Method::MESSAGE).status(), StatusCode::OK);
    }
    assert!(notes.try_recv().is_err());
}

#[test]
fn rfc_8599_5_5_phones_are_woken_to_stay_registered() {
    let (sender, notes) = mpsc::channel();
    let mut config = waking(&Webhook::new());
    config.registrations.min_expires = 2;
    config.push.refresh = Some(Duration::from_secs(60));
    config.push_sender = Some(Arc::new(Notes(Mutex::new(sender))));
    let server = start(config);
    let mut bob = Phone::udp(&server, "bob", "b");
    // Half way, for it is shorter than the time before.
    register(&mut bob, PUSH, 4);
    let refresh = notes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        (refresh.method.as_str(), refresh.prid.as_str(), refresh.call_id),
        ("REGISTER", "x:voip", None)
    );
    // One who is gone, or wakes by himself, is not.
    register(&mut bob, PUSH, 4);
    register(&mut bob, PUSH, 0);
    let (aor, contact) = (bob.aor(), format!("<sip:bob@{}{PUSH}1>;+sip.pnsreg;expires=2", bob.own));
    let request = bob.request(Method::REGISTER, "sip:example.com", &aor).header(HeaderId::CONTACT, contact);
    let told = bob.transact(request).0;
    assert_eq!(
        told.values(HeaderId::FEATURE_CAPS).next().unwrap(),
        b"*;+sip.pns=\"apns\";+sip.pnsreg=\"60\""
    );
    register(&mut bob, &format!("{PUSH}2"), 6);
    assert_eq!(notes.recv_timeout(PATIENCE).unwrap().prid, "x:voip2");
}

#[test]
fn a_server_that_starts_again_wakes_those_whose_registrations_end_soon() {
    let scratch = Scratch::new("push-refresh");
    let (sender, notes) = mpsc::channel();
    let mut config = waking(&Webhook::new());
    config.storage = Storage::Directory(scratch.path().to_owned());
    config.push.refresh = Some(Duration::from_secs(3_600));
    config.push_sender = Some(Arc::new(Notes(Mutex::new(sender))));
    let server = start(config.clone());
    register(&mut Phone::udp(&server, "bob", "b"), PUSH, 3_600);
    drop(server);
    assert!(notes.try_recv().is_err());
    let _server = start(config);
    assert_eq!(notes.recv_timeout(PATIENCE).unwrap().prid, "x:voip");
}
