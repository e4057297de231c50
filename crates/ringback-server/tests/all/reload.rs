//! Another configuration for a running server, over real sockets.

use crate::support::{Gateway, PATIENCE, Phone, Scratch, call, config, start};
use ringback_message::{HeaderId, Method, StatusCode};
use ringback_server::{
    ConfigError, GatewayConfig, MemberConfig, RouteConfig, Server, ServerConfig, TraceTo, admin,
};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn routes(text: &str) -> Vec<RouteConfig> {
    ServerConfig::from_toml(text).unwrap().routes
}

/// What an INVITE of alice for this user of ours is answered.
fn invited(alice: &mut Phone, user: &str) -> StatusCode {
    let invite = alice.invite(&format!("sip:{user}@example.com"));
    alice.transact(invite).0.status()
}

#[test]
fn a_call_that_is_up_is_not_hurt_and_the_next_one_goes_another_way() {
    let before = config();
    let server = start(before.clone());
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    assert_eq!(bob.register(600).status(), StatusCode::OK);
    let invite = alice.invite("sip:bob@example.com");
    let (ok, invite) = std::thread::scope(|scope| {
        let answered = scope.spawn(|| {
            let invite = bob.requested(&Method::INVITE);
            bob.reply(&invite, StatusCode::OK);
        });
        let done = alice.transact(invite);
        answered.join().unwrap();
        done
    });
    assert_eq!(ok.status(), StatusCode::OK);
    let ack = alice.in_dialog(Method::ACK, &invite, &ok).build().unwrap();
    alice.send(&ack);
    bob.requested(&Method::ACK);

    let mut after = before.clone();
    after.routes = routes("[[routes]]\nuser = '^bob$'\nreject = 486");
    after.users.remove("bob");
    after.users.insert("carol".into(), "c".into());
    after.registrations.min_expires = 300;
    (after.limits.transactions, after.limits.bindings, after.limits.streams) = (100, 1, 1);
    after.listen.pop();
    let reloaded = server.reload(&after).unwrap();
    assert_eq!(reloaded.changed, ["routes", "users", "limits", "registrations"]);
    assert_eq!(reloaded.needs_restart, ["listen"]);
    assert_eq!(
        reloaded.to_string(),
        "changed: routes, users, limits, registrations; needs a restart: listen"
    );

    let bye = alice.in_dialog(Method::BYE, &invite, &ok);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let bye = bob.requested(&Method::BYE);
            bob.reply(&bye, StatusCode::OK);
        });
        assert_eq!(alice.transact(bye).0.status(), StatusCode::OK, "the call is hung up as it was made");
    });
    after.limits = before.limits;
    server.reload(&after).unwrap();
    assert_eq!(invited(&mut alice, "bob"), StatusCode::BUSY_HERE);
    let mut carol = Phone::udp(&server, "carol", "c");
    assert_eq!(carol.register(60).status().as_u16(), 423, "too short by now");
    assert_eq!(carol.register(600).status(), StatusCode::OK);
    assert_eq!(bob.register(600).status(), StatusCode::FORBIDDEN, "he is no user any more");
    assert_eq!(server.reload(&before).unwrap().needs_restart, Vec::<String>::new());
    call(&mut alice, &mut bob);
}

#[test]
fn what_cannot_be_used_changes_nothing_and_is_told() {
    let scratch = Scratch::new("reload");
    let users = scratch.path().join("users");
    std::fs::write(&users, "dave:d\n").unwrap();
    let mut before = config();
    before.users_file = Some(users.clone());
    let server = start(before.clone());
    let mut alice = Phone::udp(&server, "alice", "a");
    let good = routes("[[routes]]\nuser = '^1'\nreject = 486");
    let bad = |change: &dyn Fn(&mut ServerConfig)| {
        // The part that is good must not be taken either.
        let mut config = before.clone();
        config.routes.clone_from(&good);
        change(&mut config);
        server.reload(&config).unwrap_err().to_string()
    };
    let nowhere = scratch.path().join("no/such.pcapng");
    for (said, problem) in [
        ("trace: ", bad(&|config| config.trace.to.push(TraceTo::Capture(nowhere.clone())))),
        ("guard.burst must be", bad(&|config| config.guard.burst = 0)),
        ("no regular expression", bad(&|config| config.routes[0].user = Some("(".into()))),
        ("users: line 2: not a user", {
            std::fs::write(&users, "dave:d\nrubbish\n").unwrap();
            bad(&|_| {})
        }),
    ] {
        assert!(problem.contains(said), "{problem}");
        assert_eq!(invited(&mut alice, "100"), StatusCode::NOT_FOUND);
    }
    assert_eq!(Phone::udp(&server, "dave", "d").register(600).status(), StatusCode::OK);
    std::fs::write(&users, "erin:e\n").unwrap();
    before.routes = good;
    assert_eq!(server.reload(&before).unwrap().changed, ["routes", "users"]);
    assert_eq!(invited(&mut alice, "100"), StatusCode::BUSY_HERE);
    assert_eq!(Phone::udp(&server, "erin", "e").register(600).status(), StatusCode::OK);
}

#[test]
fn it_is_asked_for_over_the_admin_socket() {
    let scratch = Scratch::new("reload-admin");
    let socket = scratch.path().join("admin.sock");
    let text = Arc::new(Mutex::new(String::new()));
    let mut config = config();
    config.admin = socket.clone().into();
    let (base, source) = (config.clone(), text.clone());
    config.reread = Some(Arc::new(move || {
        let read = ServerConfig::from_toml(&source.lock().unwrap())?;
        Ok(ServerConfig { routes: read.routes, guard: read.guard, ..base.clone() })
    }));
    let server = start(config);
    let mut alice = Phone::udp(&server, "alice", "a");
    "[[routes]]\nuser = '^1'\nreject = 486\n".clone_into(&mut text.lock().unwrap());
    assert_eq!(admin::reload(&socket).unwrap().changed, ["routes"]);
    assert_eq!(invited(&mut alice, "100"), StatusCode::BUSY_HERE);
    "[[routes]]\nuser = '^1'\nrejct = 486\n".clone_into(&mut text.lock().unwrap());
    let refused = admin::reload(&socket).unwrap_err();
    assert!(refused.to_string().starts_with("line 3: unknown field `rejct`"), "{refused}");
    assert_eq!(invited(&mut alice, "100"), StatusCode::BUSY_HERE);
    // Another guard has no memory of its own: a source that is banned stays so.
    "guard.trusted = []\nguard.blocked = ['127.0.0.66']".clone_into(&mut text.lock().unwrap());
    assert_eq!(admin::reload(&socket).unwrap().changed, ["routes", "guard"]);
    let mut blocked = Phone::from(
        "127.0.0.66".parse().unwrap(),
        server.listeners()[0].address,
        alice.protocol(),
        "bob",
        "b",
    );
    let options = blocked.request(Method::OPTIONS, "sip:example.com", "sip:example.com");
    blocked.send(&options.build().unwrap());
    let end = std::time::Instant::now() + PATIENCE;
    while !server.stats().dropped.contains_key("blocked_source") {
        assert!(std::time::Instant::now() < end);
        std::thread::yield_now();
    }
    let nothing =
        start(ServerConfig { admin: scratch.path().join("b.sock").into(), ..crate::support::config() });
    let none: Result<_, ConfigError> = nothing.reread();
    assert!(none.unwrap_err().to_string().contains("no configuration"));
}

fn traced(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap_or_default().matches("Retry-After: 77").count()
}

#[test]
fn messages_are_told_where_the_new_configuration_says() {
    let scratch = Scratch::new("reload-trace");
    let (one, two) = (scratch.path().join("one.jsonl"), scratch.path().join("two.jsonl"));
    let to = |files: &[&Path]| {
        let mut config = config();
        config.trace.to = files.iter().map(|file| TraceTo::Lines(file.to_path_buf())).collect();
        config
    };
    let server: Server = start(to(&[]));
    let mut alice = Phone::udp(&server, "alice", "a");
    let mut say = |server: &Server| {
        let message = alice.request(Method::OPTIONS, "sip:example.com", "sip:example.com");
        alice.send(&message.header(HeaderId::RETRY_AFTER, 77u32).build().unwrap());
        assert_eq!(alice.response(&Method::OPTIONS).status(), StatusCode::OK);
        let _ = server;
    };
    say(&server);
    for files in [&[one.as_path()][..], &[&one, &two], &[&two], &[]] {
        assert_eq!(server.reload(&to(files)).unwrap().changed, ["trace"]);
        say(&server);
    }
    drop(server);
    assert_eq!((traced(&one), traced(&two)), (2, 2));
}

#[test]
fn domains_gateways_and_trust_are_followed_at_once() {
    let before = config();
    let server = start(before.clone());
    let mut alice = Phone::udp(&server, "alice", "a");
    let mut gateway = Gateway::new();
    assert_eq!(invited(&mut alice, "0044123"), StatusCode::NOT_FOUND);
    let mut after = before.clone();
    after.domains.push("second.example".into());
    after.trust = vec!["127.0.0.0/8".parse().unwrap()];
    after.overload.cpu = Some(95);
    after.routes = routes(
        "[[routes]]\nuser = '^00'\ngateway = 'carrier'\n[[gateways]]\nname = 'carrier'\n[[gateways.members]]\nuri = 'sip:x'",
    );
    let member = MemberConfig { uri: gateway.uri(), ..MemberConfig::default() };
    after.gateways = vec![GatewayConfig {
        name: "carrier".into(),
        members: vec![member],
        probe: 0,
        ..GatewayConfig::default()
    }];
    let reloaded = server.reload(&after).unwrap();
    assert_eq!(reloaded.changed, ["domains", "gateways", "trust", "overload", "routes"]);
    assert_eq!(reloaded.needs_restart, Vec::<String>::new());
    assert_eq!(server.domains(), ["example.com", "second.example"]);
    let invite = alice.invite("sip:0044123@second.example");
    let answered = std::thread::scope(|scope| {
        scope.spawn(|| {
            let invite = gateway.requested(&Method::INVITE);
            assert!(invite.has(HeaderId::P_ASSERTED_IDENTITY), "it is of the trust domain by now");
            gateway.reply(&invite, StatusCode::BUSY_HERE);
            gateway.requested(&Method::ACK);
        });
        alice.transact(invite).0.status()
    });
    assert_eq!(answered, StatusCode::BUSY_HERE);
    let mut bob = Phone::udp(&server, "bob", "b");
    bob.domain = "second.example".into();
    assert_eq!(bob.register(600).status(), StatusCode::OK, "by the password of the realm that there was");
    // The first domain names the realm where nothing else does, and passwords are for the one there was.
    after.domains.remove(0);
    let reloaded = server.reload(&after).unwrap();
    assert_eq!(
        (reloaded.changed, reloaded.needs_restart),
        (vec!["domains".to_owned()], vec!["realm".to_owned()])
    );
    assert_eq!(server.realm(), "example.com");
}
