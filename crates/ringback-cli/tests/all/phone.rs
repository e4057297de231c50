//! The phone commands against a real server, and against each other.

use crate::support::{Folder, Running, Server, ringback, run, text};
use std::io::Write as _;
use std::process::Stdio;

fn alice<'a>(server: &'a Server, command: &'a str, target: &'a str) -> Vec<&'a str> {
    vec![
        command,
        target,
        "--from",
        "sip:alice@example.com",
        "--server",
        &server.address,
        "--password-env",
        "ALICE",
    ]
}

fn bob(server: &Server, more: &[&str]) -> Running {
    let mut args =
        vec!["answer", "--from", "sip:bob@example.com", "--server", &server.address, "--password-env", "BOB"];
    args.extend(more);
    let mut bob = Running::start(&args);
    bob.wait_for("ready");
    bob
}

#[test]
fn a_call_through_the_server_holds_resumes_and_dials() {
    let server = Server::with_users();
    let folder = Folder::new("phone");
    let heard = folder.path("heard.wav");
    let mut bob = bob(&server, &["--calls", "1", "--ring", "0.1", "--record", &heard]);
    let mut args = alice(&server, "call", "bob");
    args.extend(["--dtmf", "1#", "--hold-after", "0.3", "--resume-after", "0.3", "--duration", "1.2"]);
    let output = run(&args);
    assert!(output.status.success(), "{}", text(&output));
    let seen = bob.rest();
    for event in [
        "calls",
        "answered",
        "digit 1",
        "digit #",
        "held by the other side",
        "talking again",
        "ended by the peer",
    ] {
        assert!(seen.contains(event), "{event}:\n{seen}");
    }
    assert!(std::fs::metadata(heard).is_ok_and(|file| file.len() > 8_000), "about a second of audio");
}

#[test]
fn digits_go_by_info_to_a_phone_that_answers_by_itself() {
    let server = Server::with_users();
    // Who would ring so long would be given up.
    let mut bob = bob(&server, &["--calls", "1", "--ring", "60", "--auto-answer"]);
    let mut args = alice(&server, "call", "bob");
    args.extend([
        "--answer-mode",
        "auto",
        "--dtmf",
        "4*",
        "--dtmf-by",
        "info",
        "--duration",
        "1",
        "--timeout",
        "20",
    ]);
    let output = run(&args);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("digits sent"), "{}", text(&output));
    let seen = bob.rest();
    for event in ["digit 4", "digit *", "ended by the peer"] {
        assert!(seen.contains(event), "{event}:\n{seen}");
    }
}

#[test]
fn what_is_typed_goes_to_the_other_side_and_back() {
    let mut bob = Running::start(&[
        "answer",
        "--listen",
        "udp:127.0.0.1:0",
        "--no-register",
        "--echo",
        "--real-time-text",
        "--calls",
        "1",
    ]);
    let listening = bob.wait_for("listening");
    let target = format!("sip:bob@{}", listening.rsplit("udp:").next().expect("an address"));
    bob.wait_for("ready");
    let mut alice = ringback(&["call", &target, "--real-time-text", "--duration", "4"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut typed = alice.stdin.take().expect("piped");
    typed.write_all("grüß dich, Bob\nand good-bye\n".as_bytes()).expect("it reads");
    let output = alice.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", text(&output));
    let seen = bob.rest();
    for lines in [text(&output), seen] {
        assert!(
            lines.contains("text: grüß dich, Bob\n") && lines.contains("text: and good-bye\n"),
            "{lines}"
        );
    }
}

#[test]
fn exit_statuses_tell_the_outcome() {
    let server = Server::with_users();
    let status = |args: &[&str]| {
        let output = run(args);
        (output.status.code(), text(&output))
    };
    let wrong = [
        "register",
        "--from",
        "sip:alice@example.com",
        "--server",
        &server.address,
        "--password-env",
        "WRONG",
        "--remove",
    ];
    let (code, said) = status(&wrong);
    assert_eq!(code, Some(3), "a wrong password: {said}");

    let (code, said) = status(&alice(&server, "call", "bob"));
    assert_eq!(code, Some(2), "Bob is not registered: {said}");
    assert!(said.contains("480"), "{said}");

    let busy = bob(&server, &["--calls", "1", "--reject", "486"]);
    let (code, said) = status(&alice(&server, "call", "bob"));
    assert_eq!(code, Some(1), "Bob is busy: {said}");
    drop(busy);

    let (code, said) = status(&alice(&server, "ping", "sip:example.com"));
    assert_eq!(code, Some(0), "the server answers OPTIONS: {said}");
    let (code, said) = status(&["call", "sip:bob@example.com", "--hold-after", "soon"]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("soon"), "{said}");
    let (code, said) = status(&["call", "sip:bob@127.0.0.1", "--password-env", "NOT_SET_ANYWHERE"]);
    assert_eq!(code, Some(64), "{said}");
    let (code, said) = status(&["call", "sip:bob@127.0.0.1", "--play", "/nowhere/at/all.wav"]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("/nowhere/at/all.wav"), "{said}");
}

#[test]
fn messages_reach_who_waits_for_them() {
    let server = Server::with_users();
    let mut bob = bob(&server, &["--json"]);
    let mut args = alice(&server, "message", "bob");
    args.insert(2, "Hello, Bob. \u{1b}[31mred");
    let output = run(&args);
    assert!(output.status.success(), "{}", text(&output));
    let line = bob.wait_for("\"event\":\"message\"");
    assert!(line.contains("Hello, Bob.") && !line.contains('\u{1b}') && !line.contains("u001b"), "{line}");
}

#[test]
fn an_unanswered_call_is_given_up() {
    let server = Server::with_users();
    let mut bob = bob(&server, &["--ring", "60", "--calls", "1"]);
    let mut args = alice(&server, "call", "bob");
    args.extend(["--timeout", "0.5", "--json"]);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("\"event\":\"ended\""), "{}", text(&output));
    bob.wait_for("given up");
}

#[test]
fn phones_call_each_other_without_a_server() {
    let mut bob = Running::start(&[
        "answer",
        "--listen",
        "tcp:127.0.0.1:0",
        "--listen",
        "udp:127.0.0.1:0",
        "--echo",
        "--calls",
        "1",
    ]);
    let address = bob.wait_for("listening tcp:").trim_start_matches("listening tcp:").to_owned();
    bob.wait_for("ready");
    let folder = Folder::new("direct");
    let heard = folder.path("heard.wav");
    let target = format!("sip:bob@{address};transport=tcp");
    let capture = folder.path("call.pcap");
    let output = run(&["call", &target, "--duration", "0.6", "--record", &heard, "--pcap", &capture]);
    assert!(output.status.success(), "{}", text(&output));
    let traced = run(&["trace", &capture]);
    assert!(traced.status.success() && text(&traced).contains("INVITE"), "{}", text(&traced));
}

#[test]
fn rule_42_a_phone_notices_that_its_way_back_is_lost() {
    let mut server = Running::start(&[
        "serve",
        "--ephemeral",
        "--no-auth",
        "--listen",
        "tcp:127.0.0.1:0",
        "--domain",
        "example.com",
    ]);
    let address = server.wait_for("listening tcp:").trim_start_matches("listening tcp:").to_owned();
    server.wait_for("ready");
    let mut phone = Running::start(&[
        "register",
        "--from",
        "sip:alice@example.com",
        "--server",
        &address,
        "--transport",
        "tcp",
        "--json",
    ]);
    phone.wait_for("\"registered\"");
    server.signal("-KILL");
    let said = phone.wait_for("\"registration-failed\"");
    assert!(said.contains("430") && said.contains("the way back is lost"), "{said}");
}

#[test]
fn a_message_is_followed_until_it_was_read_unless_nobody_tells() {
    let server = Server::with_users();
    let mut reads = bob(&server, &[]);
    let mut args = alice(&server, "message", "bob");
    args.extend(["Lunch?", "--receipt=20"]);
    let said = text(&run(&args));
    assert!(said.contains("delivered") && said.contains("displayed"), "{said}");
    reads.wait_for("Lunch?");
    reads.signal("-TERM");
    assert!(reads.wait().success());
    let mut silent = bob(&server, &["--no-receipts"]);
    *args.last_mut().unwrap() = "--receipt=0.5";
    let said = text(&run(&args));
    assert!(said.contains("nobody has told"), "{said}");
    silent.wait_for("Lunch?");
}

#[test]
fn who_may_not_be_disturbed_is_not_and_texts_go_within_calls() {
    let server = Server::with_users();
    let mut quiet = bob(&server, &["--dnd=unavailable", "--dnd-allow", "sip:carol@example.com"]);
    let output = run(&alice(&server, "call", "bob"));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    quiet.wait_for("alice@example.com> called, and was refused");
    quiet.signal("-TERM");
    assert!(quiet.wait().success());
    let mut friend = bob(&server, &["--dnd", "--dnd-allow", "alice@example.com", "--calls", "1"]);
    let mut args = alice(&server, "call", "bob");
    args.extend(["--text", "Hello", "--duration", "1"]);
    let output = run(&args);
    assert!(output.status.success() && text(&output).contains("message: 200 OK"), "{}", text(&output));
    assert!(friend.rest().contains(": Hello"), "{}", friend.seen);
}
