//! `ringback serve`, `user` and `why` from the outside.

use crate::support::{Folder, Running, Server, ringback, run, text};
use std::net::UdpSocket;
use std::process::Stdio;

fn add_user(data: &str, name: &str, variable: &str) {
    let output =
        run(&["user", "add", name, "--data", data, "--domain", "example.com", "--password-env", variable]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_binding_survives_sigkill_between_register_and_invite() {
    let folder = Folder::new("kill");
    let data = folder.path("data");
    add_user(&data, "alice", "ALICE");
    add_user(&data, "bob", "BOB");
    let server = Server::start(&["--data", &data]);
    let port = server.address.clone();
    let bob_args = [
        "answer",
        "--from",
        "sip:bob@example.com",
        "--server",
        &port,
        "--password-env",
        "BOB",
        "--calls",
        "1",
    ];
    let mut bob = Running::start(&bob_args);
    bob.wait_for("ready");
    server.process.signal("-KILL");
    server.process.wait();

    let listen = format!("udp:{port}");
    let mut again =
        Running::start(&["serve", "--listen", &listen, "--domain", "example.com", "--data", &data]);
    again.wait_for("ready");
    let output = run(&[
        "call",
        "bob",
        "--from",
        "sip:alice@example.com",
        "--server",
        &port,
        "--password-env",
        "ALICE",
        "--duration",
        "0.3",
    ]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn users_are_added_listed_and_removed_and_no_password_is_kept() {
    let folder = Folder::new("user");
    let data = folder.path("data");
    add_user(&data, "alice", "ALICE");
    let listed = run(&["user", "list", "--data", &data]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "alice@example.com");
    for entry in std::fs::read_dir(&data).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(10).any(|window| window == b"wonderland"));
    }
    assert!(run(&["user", "remove", "alice", "--data", &data]).status.success());
    let again = run(&["user", "remove", "alice", "--data", &data]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again).contains("no user alice"), "{}", text(&again));
}

#[test]
fn why_draws_a_recent_call() {
    let folder = Folder::new("why");
    let data = folder.path("data");
    add_user(&data, "alice", "ALICE");
    let server = Server::start(&["--data", &data]);
    let output = run(&[
        "call",
        "bob",
        "--from",
        "sip:alice@example.com",
        "--server",
        &server.address,
        "--password-env",
        "ALICE",
        "--json",
    ]);
    let said = text(&output);
    let call_id =
        said.split("\"call_id\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("it has one");
    let why = run(&["why", call_id, "--data", &data, "--messages"]);
    assert!(why.status.success(), "{}", text(&why));
    for step in ["INVITE", "407", "404"] {
        assert!(text(&why).contains(step), "{step}:\n{}", text(&why));
    }
    let nothing = run(&["why", "no-such-call", "--data", &data]);
    assert_eq!(nothing.status.code(), Some(1), "{}", text(&nothing));
    let nowhere = run(&["why", "x", "--data", &folder.path("other")]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", text(&nowhere));
}

#[test]
fn sigterm_ends_it_cleanly_and_json_is_json() {
    let mut server =
        Running::start(&["serve", "--ephemeral", "--listen", "udp:127.0.0.1:0", "--no-auth", "--json"]);
    let line = server.wait_for("\"listening\"");
    assert!(line.starts_with('{') && line.contains("\"listener\":\"udp:127.0.0.1:"), "{line}");
    server.wait_for("\"ready\"");
    server.signal("-TERM");
    assert!(server.wait().success());
}

#[test]
fn wrong_settings_are_named_in_one_line() {
    let folder = Folder::new("wrong");
    let config = folder.path("ringback.toml");
    std::fs::write(&config, "lisen = [\"udp:127.0.0.1:0\"]\n").unwrap();
    let blocked = folder.path("file");
    std::fs::write(&blocked, "").unwrap();
    let busy = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = format!("udp:{}", busy.local_addr().unwrap());
    let cases: [(&[&str], i32, &str); 6] = [
        (&["serve", "--listen", "udp:127.0.0.1:high"], 64, "udp:127.0.0.1:high"),
        (&["serve", "--listen", "pigeon:127.0.0.1:5060"], 64, "pigeon"),
        (&["serve", "--user", "alice"], 64, "NAME:PASSWORD"),
        (&["serve", "--config", &config], 64, "lisen"),
        (&["serve", "--listen", "udp:127.0.0.1:0", "--data", &blocked], 1, &blocked),
        (&["serve", "--ephemeral", "--listen", &taken], 1, &taken),
    ];
    for (args, code, named) in cases {
        let output = ringback(args).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(named), "{args:?}: {said}");
    }
}

#[test]
fn stats_tell_what_was_dropped_and_why() {
    let folder = Folder::new("stats");
    let data = folder.path("data");
    let server = Server::start(&[
        "--data",
        &data,
        "--no-auth",
        "--listen",
        "tcp:127.0.0.1:0",
        "--listen",
        "ws:127.0.0.1:0",
    ]);
    let listening = &server.process.seen;
    let address = |protocol: &str| {
        let begin = format!("listening {protocol}:");
        let line = listening.lines().find(|line| line.starts_with(&begin)).expect("it listens");
        line.trim_start_matches(&begin).to_owned()
    };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"OPTIONS rubbish\r\n\r\n", &server.address).unwrap();
    for (protocol, sent) in
        [("tcp", "OPTIONS sip:x SIP/2.0\r\nContent-Length: -1\r\n\r\n"), ("ws", "GET / HTTP/1.1\r\n\r\n")]
    {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(address(protocol)).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        // Until it is closed by the server.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let dropped = |said: &str| {
        ["malformed Request-Line", "stream framing lost", "no web socket", "datagrams by kernel"]
            .iter()
            .all(|reason| said.lines().any(|line| line.ends_with(reason)))
    };
    let mut said = String::new();
    // The last of it is counted when its task has ended.
    let begun = std::time::Instant::now();
    while !dropped(&said) {
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{said}");
        let output = run(&["stats", "--data", &data]);
        assert!(output.status.success(), "{}", text(&output));
        said = text(&output);
    }
    let json = text(&run(&["stats", "--data", &data, "--json"]));
    assert!(
        json.contains("\"stream_framing_lost\":1") && json.contains("\"datagrams_by_kernel\":0"),
        "{json}"
    );
}
