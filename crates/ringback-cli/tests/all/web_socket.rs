//! Phones on WebSocket through the real server, and phones on UDP at the other end.

use crate::support::{Folder, Running, run, text};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

struct Server {
    _process: Running,
    udp: String,
    web: String,
}

impl Server {
    fn start(protocol: &str, data: &str, more: &[&str]) -> Self {
        let listen = format!("{protocol}:127.0.0.1:0");
        let mut args = vec!["serve", "--listen", "udp:127.0.0.1:0", "--listen", &listen, "--data", data];
        args.extend(["--domain", "example.com", "--user", "alice:wonderland", "--user", "bob:builder"]);
        args.extend(more);
        let mut process = Running::start(&args);
        let mut address = |protocol: &str| {
            let begin = format!("listening {protocol}:");
            process.wait_for(&begin).trim_start_matches(&begin).to_owned()
        };
        let (udp, web) = (address("udp"), address(protocol));
        process.wait_for("ready");
        Self { _process: process, udp, web }
    }

    fn phone<'a>(
        &'a self,
        command: &'a str,
        who: &'a str,
        transport: &'a str,
        more: &[&'a str],
    ) -> Vec<&'a str> {
        let (from, password) = match who {
            "alice" => ("sip:alice@example.com", "ALICE"),
            _ => ("sip:bob@example.com", "BOB"),
        };
        let server = if transport == "udp" { &self.udp } else { &self.web };
        let mut args = vec![command, "--from", from, "--server", server, "--transport", transport];
        args.extend(["--password-env", password]);
        args.extend(more);
        args
    }
}

/// Calls through the server from one transport to another; once the caller hangs up and once the callee.
fn calls(server: &Server, from: &str, to: &str, more: &[&str]) {
    let mut bob = Running::start(&server.phone("answer", "bob", to, &[more, &["--calls", "1"]].concat()));
    bob.wait_for("ready");
    let output = run(&server.phone("call", "alice", from, &[more, &["bob", "--duration", "0.3"]].concat()));
    assert!(output.status.success(), "{from} to {to}: {}", text(&output));
    bob.wait_for("ended by the peer");
    assert!(bob.wait().success());
    let ends = [more, &["--calls", "1", "--duration", "0.3", "--hold-after", "0.1"]].concat();
    let mut bob = Running::start(&server.phone("answer", "bob", to, &ends));
    bob.wait_for("ready");
    let output = run(&server.phone("call", "alice", from, &[more, &["bob"]].concat()));
    let said = text(&output);
    assert!(output.status.success() && said.contains("held by the other side"), "{from} to {to}: {said}");
    assert!(said.contains("ended by the peer"), "{from} to {to}: {said}");
}

#[test]
fn phones_on_web_socket_call_and_are_called() {
    let folder = Folder::new("ws-call");
    let server = Server::start("ws", &folder.path("data"), &["--ws-origin", "https://example.com"]);
    for (from, to) in [("ws", "ws"), ("ws", "udp"), ("udp", "ws")] {
        calls(&server, from, to, &[]);
    }
    let output = run(&server.phone("call", "alice", "ws", &["bob", "--ws-path", "sip"]));
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
    // A page that was not named.
    let mut stream = TcpStream::connect(&server.web).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: https://evil.example\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[test]
fn phones_on_secure_web_socket_check_whom_they_talk_to() {
    let folder = Folder::new("wss-call");
    let data = folder.path("data");
    let server = Server::start("wss", &data, &[]);
    // The certificate that the server made for itself is all that the phones trust.
    let ca = format!("{data}/tls-certificate.pem");
    calls(&server, "wss", "wss", &["--tls-ca", &ca]);
    calls(&server, "udp", "wss", &["--tls-ca", &ca]);
    let output = run(&server.phone("register", "alice", "wss", &["--duration", "0"]));
    assert!(!output.status.success() && text(&output).contains("signed by nobody"), "{}", text(&output));
}
