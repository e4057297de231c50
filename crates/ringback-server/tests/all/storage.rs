//! What survives a restart, and what is said when it cannot.

use crate::support::{PATIENCE, Phone, Scratch, call, config, start};
use ringback_message::{HeaderId, StatusCode};
use ringback_server::{Server, ServerConfig, Storage, UserStore, admin};
use std::fs;
use std::path::Path;
use std::time::Instant;

fn kept_in(directory: &Path) -> ServerConfig {
    ServerConfig { storage: Storage::Directory(directory.into()), ..config() }
}

fn seconds(phone: &mut Phone) -> u32 {
    let aor = phone.aor();
    let ask = phone.request(ringback_message::Method::REGISTER, "sip:example.com", &aor);
    let (ok, _) = phone.transact(ask);
    let contact =
        ok.values(HeaderId::CONTACT).next().map(|value| String::from_utf8_lossy(value).into_owned());
    contact.map_or(0, |contact| contact.rsplit_once("expires=").unwrap().1.parse().unwrap())
}

#[tokio::test]
async fn a_restart_keeps_bindings_and_what_remains_of_their_time() {
    let scratch = Scratch::new("restart");
    let server = start(kept_in(scratch.path()));
    let mut bob = Phone::udp(&server, "bob", "b");
    assert_eq!(bob.register(600).status(), StatusCode::OK);
    server.shutdown().await;

    let server = start(kept_in(scratch.path()));
    assert_eq!(server.stats().bindings, 1);
    let (mut alice, mut bob2) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    let left = seconds(&mut bob2);
    assert!((1..=600).contains(&left), "{left}");
    bob.turn_to(&server);
    call(&mut alice, &mut bob);
    // What was taken back does not come back.
    bob.register(0);
    bob2.register(0);
    server.shutdown().await;
    assert_eq!(start(kept_in(scratch.path())).stats().bindings, 0);
}

#[test]
fn what_was_answered_200_is_on_disk_at_that_moment() {
    let scratch = Scratch::new("killed");
    let (own, copy) = (scratch.path().join("own"), scratch.path().join("copy"));
    let server = start(kept_in(&own));
    for name in ["alice", "bob"] {
        let password = &name[..1];
        let mut phone = Phone::udp(&server, name, password);
        assert_eq!(phone.register(600).status(), StatusCode::OK);
    }
    // What a process that is killed now leaves behind.
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&own).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
    }
    assert_eq!(start(kept_in(&copy)).stats().bindings, 2);
}

#[test]
fn users_are_added_to_a_running_server_and_kept_as_hashes() {
    let scratch = Scratch::new("users");
    let mut config = kept_in(scratch.path());
    config.users.clear();
    let mut store = UserStore::open(scratch.path()).unwrap();
    store.add("alice", "example.com", "first").unwrap();
    let server = start(config);
    assert_eq!(server.user_count(), 1);
    assert_eq!(Phone::udp(&server, "alice", "first").register(600).status(), StatusCode::OK);
    store.add("alice", "example.com", "second-secret").unwrap();
    store.add("bob", "example.com", "b").unwrap();
    let begun = Instant::now();
    while Phone::udp(&server, "bob", "b").register(600).status() != StatusCode::OK {
        assert!(begun.elapsed() < PATIENCE);
    }
    assert_eq!(Phone::udp(&server, "alice", "second-secret").register(600).status(), StatusCode::OK);
    let names = |realm: &str| [("alice".to_owned(), realm.to_owned()), ("bob".to_owned(), realm.to_owned())];
    assert_eq!(store.list().unwrap(), names("example.com"));
    assert!(store.remove("bob").unwrap() && !store.remove("bob").unwrap());
    assert!(store.add("a:b", "example.com", "x").is_err() && store.add("carol", "example.com", "").is_err());
    for file in fs::read_dir(scratch.path()).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            let bytes = fs::read(file.path()).unwrap();
            assert!(!bytes.windows(13).any(|window| window == b"second-secret"), "{:?}", file.path());
        }
    }
}

#[test]
fn a_running_server_answers_questions_on_its_socket() {
    let scratch = Scratch::new("admin");
    let server = start(kept_in(scratch.path()));
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    bob.register(600);
    let call_id = call(&mut alice, &mut bob);
    let socket = server.admin().unwrap().to_owned();
    let said = admin::why(&socket, &call_id).unwrap();
    let own = server.why(&call_id);
    assert_eq!(said.len(), own.len());
    assert_eq!((&said[0].bytes, said[0].peer), (&own[0].bytes, alice.own));
    assert_eq!(admin::why(&socket, "no such call").unwrap(), []);
    assert_eq!(admin::stats(&socket).unwrap().bindings, 1);
    // A second server must not share the directory.
    let error = Server::start(kept_in(scratch.path())).unwrap_err().to_string();
    assert!(
        error.ends_with("admin.sock: the admin socket cannot be made: another server uses it"),
        "{error}"
    );
    drop(server);
    assert!(!socket.exists());
}

#[test]
fn what_keeps_a_server_from_starting_is_said_in_a_line() {
    let scratch = Scratch::new("start");
    let file = scratch.path().join("file");
    fs::write(&file, "alice").unwrap();
    let said = |config: ServerConfig| Server::start(config).unwrap_err().to_string();
    let error = said(kept_in(&file.join("data")));
    assert!(error.contains("the data directory cannot be made"), "{error}");
    let error = said(ServerConfig { users_file: Some(file.clone()), ..config() });
    assert!(error.ends_with("file: line 1: not a user; write name:password"), "{error}");
    let error = said(ServerConfig { workers: Some(0), ..config() });
    assert!(error.contains("workers"), "{error}");
    let running = start(config());
    let error = said(ServerConfig { listen: running.listeners().to_vec(), ..config() });
    assert!(error.contains("another program does already"), "{error}");
    fs::write(scratch.path().join("ringback.sqlite"), "no database, but long enough to be looked at")
        .unwrap();
    let error = said(kept_in(scratch.path()));
    assert!(error.contains("the data directory cannot be written"), "{error}");
}

#[test]
fn fault_40_what_cannot_be_written_is_not_promised_and_calls_go_on() {
    let scratch = Scratch::new("broken");
    let server = start(kept_in(scratch.path()));
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    assert_eq!(bob.register(600).status(), StatusCode::OK);
    let other = rusqlite::Connection::open(scratch.path().join("ringback.sqlite")).unwrap();
    other.execute_batch("ALTER TABLE bindings RENAME TO elsewhere").unwrap();
    let refused = alice.register(600);
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.has(HeaderId::RETRY_AFTER));
    call(&mut alice, &mut bob);
    other.execute_batch("ALTER TABLE elsewhere RENAME TO bindings").unwrap();
    assert_eq!(alice.register(600).status(), StatusCode::OK);
}
