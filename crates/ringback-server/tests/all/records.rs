//! Records of calls that went through a real server.

use crate::support::{Phone, Scratch, call, config, start};
use ringback_message::{HeaderId, Method, Request, StatusCode};
use ringback_server::{CallRecord, EndedBy, RecordStore, RecordsConfig, RouteConfig, ServerConfig, admin};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;

fn recording(scratch: &Scratch) -> ServerConfig {
    let route = RouteConfig {
        name: "premium".into(),
        user: Some("^9".into()),
        reject: Some(403),
        ..RouteConfig::default()
    };
    ServerConfig {
        records: RecordsConfig {
            sqlite: Some(scratch.path().join("records.sqlite")),
            jsonl: Some(scratch.path().join("records.jsonl")),
            ..RecordsConfig::default()
        },
        routes: vec![route],
        admin: scratch.path().join("admin.sock").into(),
        ..config()
    }
}

/// The records of both places, the oldest first.
fn records(scratch: &Scratch) -> Vec<CallRecord> {
    let file = scratch.path().join("records.sqlite");
    let mut stored: Vec<CallRecord> = RecordStore::read(&file)
        .unwrap()
        .latest(None, 100)
        .unwrap()
        .into_iter()
        .map(|(_, record)| record)
        .collect();
    stored.reverse();
    let lines = scratch.path().join("records.jsonl");
    for file in [&file, &lines] {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    let text = std::fs::read_to_string(lines).unwrap();
    let mut told: Vec<CallRecord> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    told.sort_by_key(|record| record.started_ms);
    assert_eq!(told.len(), stored.len());
    for record in &told {
        assert!(stored.contains(record), "{record:?}");
    }
    stored
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

/// Refuses or cancels a call of alice for bob.
fn unanswered(alice: &mut Phone, bob: &mut Phone, status: Option<StatusCode>) -> StatusCode {
    let invite = alice.invite("sip:bob@example.com");
    thread::scope(|scope| {
        scope.spawn(|| {
            let invite = bob.requested(&Method::INVITE);
            if let Some(status) = status {
                return bob.reply(&invite, status);
            }
            bob.reply(&invite, StatusCode::RINGING);
            let cancel = bob.requested(&Method::CANCEL);
            bob.reply(&cancel, StatusCode::OK);
            bob.reply(&invite, StatusCode::REQUEST_TERMINATED);
        });
        match status {
            Some(_) => alice.transact(invite).0.status(),
            None => give_up(alice, invite.build().unwrap()),
        }
    })
}

/// Sends an INVITE and takes it back when it rings.
fn give_up(alice: &mut Phone, invite: Request) -> StatusCode {
    alice.send(&invite);
    assert_eq!(alice.response(&Method::INVITE).status(), StatusCode::RINGING);
    let cancel = Request::builder(Method::CANCEL, invite.uri_bytes())
        .copy(&invite, HeaderId::VIA)
        .header(HeaderId::MAX_FORWARDS, 70u8)
        .copy(&invite, HeaderId::FROM)
        .copy(&invite, HeaderId::TO)
        .copy(&invite, HeaderId::CALL_ID)
        .header(HeaderId::CSEQ, "1 CANCEL")
        .header(HeaderId::REASON, "SIP;cause=200;text=\"Call completed elsewhere\"")
        .build();
    // The number is that of the INVITE.
    let mut cancel = cancel.unwrap();
    let number = invite.require::<ringback_message::header::CSeq>().unwrap().number;
    cancel.set(HeaderId::CSEQ, format!("{number} CANCEL").as_str()).unwrap();
    alice.send(&cancel);
    alice.response(&Method::INVITE).status()
}

#[test]
fn each_call_has_one_record_that_says_how_it_went() {
    let scratch = Scratch::new("records");
    let mut config = recording(&scratch);
    config.no_auth = true;
    let server = start(config);
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    assert_eq!(bob.register(600).status(), StatusCode::OK);
    let answered = call(&mut alice, &mut bob);
    assert_eq!(unanswered(&mut alice, &mut bob, Some(StatusCode::BUSY_HERE)), StatusCode::BUSY_HERE);
    assert_eq!(unanswered(&mut alice, &mut bob, None), StatusCode::REQUEST_TERMINATED);
    let invite = alice.invite("sip:900@example.com");
    assert_eq!(alice.transact(invite).0.status(), StatusCode::FORBIDDEN);
    // One that bob hangs up, and one that is still up in the end.
    for is_left in [false, true] {
        let invite = alice.invite("sip:bob@example.com");
        thread::scope(|scope| {
            let callee = scope.spawn(|| {
                let invite = bob.requested(&Method::INVITE);
                bob.reply(&invite, StatusCode::OK);
                bob.requested(&Method::ACK);
                if is_left {
                    return;
                }
                let bye = hang_up(&mut bob, &invite);
                bob.send(&bye);
                assert_eq!(bob.response(&Method::BYE).status(), StatusCode::OK);
            });
            let (ok, invite) = alice.transact(invite);
            let ack = alice.in_dialog(Method::ACK, &invite, &ok).build().unwrap();
            alice.send(&ack);
            if !is_left {
                let bye = alice.requested(&Method::BYE);
                alice.reply(&bye, StatusCode::OK);
            }
            callee.join().unwrap();
        });
    }
    let up = admin::calls(server.admin().unwrap()).unwrap();
    assert_eq!((up.len(), up[0].from.as_str()), (1, "sip:alice@example.com"));
    let stats = server.stats();
    assert_eq!((stats.calls, stats.call_setup.count), (1, 3));
    drop(server);

    let records = records(&scratch);
    let said: Vec<_> = records
        .iter()
        .map(|record| {
            (record.status, record.ended_by, record.answered_ms.is_some(), record.reason.as_deref())
        })
        .collect();
    assert_eq!(
        said,
        [
            (200, EndedBy::Caller, true, None),
            (486, EndedBy::Callee, false, None),
            (487, EndedBy::Caller, false, Some("SIP 200 Call completed elsewhere")),
            (403, EndedBy::Server, false, None),
            (200, EndedBy::Callee, true, Some("Q.850 16")),
            (200, EndedBy::Server, true, Some("the server ended, and the call went on")),
        ]
    );
    let first = &records[0];
    assert_eq!((first.call_id.as_str(), first.from.as_str()), (answered.as_str(), "sip:alice@example.com"));
    assert_eq!((first.to.as_str(), first.transport.as_str()), ("sip:bob@example.com", "udp"));
    assert_eq!(first.request_uri, "sip:bob@example.com");
    assert_eq!(first.target.as_deref(), Some(format!("sip:bob@{}", bob.own).as_str()));
    assert_eq!(first.source, alice.own.to_string());
    assert!(first.started_ms <= first.answered_ms.unwrap() && first.answered_ms.unwrap() <= first.ended_ms);
    assert_eq!((records[3].route.as_deref(), records[3].target.as_deref()), (Some("route premium"), None));
    assert_eq!(records[1].route, None);
}

/// BYE of the callee.
fn hang_up(bob: &mut Phone, invite: &Request) -> Request {
    let ringback_message::header::Contact::Address(target) =
        invite.require::<ringback_message::header::Contact<'_>>().unwrap()
    else {
        panic!("a caller has a Contact")
    };
    let from = String::from_utf8(invite.values(HeaderId::TO).next().unwrap().to_vec()).unwrap();
    let bye = Request::builder(Method::BYE, target.uri.as_str())
        .header(HeaderId::VIA, bob.via())
        .header(HeaderId::MAX_FORWARDS, 70u8)
        .header(HeaderId::FROM, format_args!("{from};tag=callee"))
        .header(HeaderId::TO, invite.values(HeaderId::FROM).next().unwrap())
        .copy(invite, HeaderId::CALL_ID)
        .header(HeaderId::CSEQ, "1 BYE")
        .header(HeaderId::REASON, "Q.850;cause=16");
    let routes =
        invite.values(HeaderId::RECORD_ROUTE).map(|route| String::from_utf8_lossy(route).into_owned());
    routes.fold(bye, |bye, route| bye.header(HeaderId::ROUTE, route)).build().unwrap()
}

#[test]
fn who_is_asked_for_his_password_makes_one_call() {
    let scratch = Scratch::new("records-auth");
    let server = start(recording(&scratch));
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    assert_eq!(bob.register(600).status(), StatusCode::OK);
    call(&mut alice, &mut bob);
    drop(server);
    let records = records(&scratch);
    assert_eq!((records.len(), records[0].status), (1, 200));
}
