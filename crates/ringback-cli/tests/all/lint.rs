//! `ringback lint` over messages of our own, the torture messages of RFC 4475, and a capture.

use crate::support::{Folder, Running, Server, ringback, run, text};
use bytes::Bytes;
use ringback_trace::{CaptureWriter, Packet};
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lint").join(name)
}

/// Runs it where the fixtures are, so that their names are short.
fn lint(args: &[&str]) -> Output {
    let mut all = vec!["lint"];
    all.extend(args);
    ringback(&all).current_dir(fixture("")).output().expect("the program starts")
}

fn objects(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

#[test]
fn exit_statuses_tell_what_becomes_of_the_message() {
    #[rustfmt::skip]
    let table = [
        ("clean.sip", 0, "clean.sip: by the letter: 0 deviations\n"),
        ("clean.sdp", 0, "clean.sdp: by the letter: 0 deviations\n"),
        ("deviating.sip", 1, "deviating.sip: accepted: 3 deviations\n"),
        ("deviating.sdp", 1, "deviating.sdp: accepted: 1 deviation\n"),
        ("unreadable.sip", 1, "unreadable.sip: accepted: 1 deviation\n"),
        ("multipart.sip", 1, "multipart.sip: accepted: 1 deviation\n"),
        ("refused.sip", 2, "refused.sip: refused: 1 deviation\n"),
        ("refused.sdp", 2, "refused.sdp: refused: 1 deviation\n"),
        ("no-start.sip", 2, "no-start.sip: refused: 1 deviation\n"),
    ];
    for (name, status, summary) in table {
        let output = lint(&[name]);
        assert_eq!(output.status.code(), Some(status), "{}", text(&output));
        assert!(text(&output).ends_with(summary), "{}", text(&output));
    }
    for args in [&[][..], &["a", "b"], &["--kind", "x", "clean.sip"], &["--nothing", "clean.sip"]] {
        assert_eq!(lint(args).status.code(), Some(64), "{args:?}");
    }
    assert_eq!(lint(&["no such file"]).status.code(), Some(66));
    assert_eq!(lint(&["."]).status.code(), Some(66), "a folder");
}

#[test]
fn deviations_look_like_the_messages_of_a_compiler() {
    let output = lint(&["deviating.sip"]);
    let expected = "\
warning[RFC 3261 §25.1]: display-name: white space is missing between name and bracket
 --> deviating.sip:4:12
  |
4 | From: Alice<sip:alice@example.com>;tag=9fxced76sl
  |            ^
  = help: write a space before `<`

warning[RFC 3261 §20.17]: SIP-date: the time zone is not GMT
 --> deviating.sip:8:33
  |
8 | Date: Fri, 01 Jan 2010 16:00:00 EST
  |                                 ^^^
  = help: write it as `Sat, 13 Nov 2010 23:29:00 GMT`
";
    assert!(text(&output).starts_with(expected), "{}", text(&output));
    assert!(text(&output).contains("time-field"), "the description in the body: {}", text(&output));
    assert!(!text(&output).contains('\u{1b}'), "no colours but on a terminal");
    let part = lint(&["multipart.sip"]);
    assert!(text(&part).contains("multipart.sip:25:1"), "the line in the whole message: {}", text(&part));
}

#[test]
fn json_has_one_object_a_line() {
    let objects = objects(&lint(&["--json", "unreadable.sip"]));
    let [deviation, summary] = &objects[..] else { panic!("{objects:?}") };
    assert_eq!(
        (&deviation["rule"], &deviation["line"], &deviation["column"], &deviation["fate"]),
        (&"addr-spec".into(), &8.into(), &29.into(), &"unreadable".into())
    );
    assert_eq!((&summary["messages"], &summary["deviations"]), (&1.into(), &1.into()));
}

#[test]
fn standard_input_is_read_up_to_a_mebibyte_and_its_kind_can_be_said() {
    let piped = |args: &[&str], input: &[u8]| {
        let mut all = vec!["lint", "-"];
        all.extend(args);
        let mut child = ringback(&all)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may stop reading before the end.
        let _ = child.stdin.take().expect("it is piped").write_all(input);
        child.wait_with_output().unwrap()
    };
    let clean = std::fs::read(fixture("clean.sip")).unwrap();
    let output = piped(&[], &clean);
    assert_eq!(
        (output.status.code(), text(&output).as_str()),
        (Some(0), "<stdin>: by the letter: 0 deviations\n")
    );
    assert_eq!(piped(&["--kind", "sdp"], &clean).status.code(), Some(2));
    assert_eq!(piped(&[], b"").status.code(), Some(2));
    assert_eq!(piped(&[], &[b"\r\n", &clean[..]].concat()).status.code(), Some(0), "RFC 3261 §7.5");
    assert_eq!(piped(&[], &vec![b'a'; (1 << 20) + 1]).status.code(), Some(66));
}

#[test]
fn each_message_of_a_capture_is_looked_at() {
    let folder = Folder::new("lint");
    let path = folder.path("x.pcap");
    let mut writer = CaptureWriter::new(std::fs::File::create(&path).unwrap()).unwrap();
    for name in ["clean.sip", "clean.sdp", "deviating.sip", "refused.sip"] {
        let packet = Packet {
            time: Duration::from_secs(1),
            source: "192.0.2.1:5060".parse().unwrap(),
            destination: "192.0.2.2:5060".parse().unwrap(),
            protocol: ringback_sansio::Protocol::Udp,
            payload: Bytes::from(std::fs::read(fixture(name)).unwrap()),
        };
        writer.write(&packet).unwrap();
    }
    drop(writer.finish().unwrap());
    let output = run(&["lint", &path]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("x.pcap#2:4:12") && said.contains("x.pcap#3:7:7"), "{said}");
    assert!(said.ends_with("some refused: 3 messages, 1 refused, 4 deviations\n"), "{said}");
}

#[test]
fn torture_messages_have_the_deviations_of_the_table() {
    let table = std::fs::read_to_string(fixture("rfc4475.tsv")).unwrap();
    let mut looked_at = 0;
    for row in table.lines().skip(1) {
        let [name, validity, status, expected] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {row}");
        };
        let path = format!("../../../../ringback-message/tests/fixtures/rfc4475/{name}.sip");
        let output = lint(&["--json", &path]);
        let mut found = objects(&output);
        found.pop().expect("the summary");
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let found: Vec<String> = found
            .iter()
            .map(|it| format!("{}:{} {} {}", it["line"], it["column"], word(&it["rule"]), word(&it["fate"])))
            .collect();
        let found = if found.is_empty() { "-".to_owned() } else { found.join("; ") };
        assert_eq!(found, expected, "{name}");
        let code = output.status.code().unwrap();
        assert_eq!(code.to_string(), status, "{name}");
        assert!(if validity == "invalid" { code > 0 } else { code < 2 }, "{name} is {validity}");
        looked_at += 1;
    }
    assert_eq!(looked_at, 50, "49 messages and the one that only the archive holds");
}

#[test]
fn what_phones_and_server_send_is_by_the_letter() {
    let server = Server::with_users();
    let folder = Folder::new("letter");
    let captures: Vec<String> =
        ["bob", "call", "transfer", "message", "ping", "register"].map(|name| folder.path(name)).into();
    let phone = |user: &'static str, password: &'static str, capture: &str| {
        let from = format!("sip:{user}@example.com");
        let args =
            ["--from", &from, "--server", &server.address, "--password-env", password, "--pcap", capture];
        args.map(str::to_owned).to_vec()
    };
    let with = |command: &[&str], phone: Vec<String>| {
        command.iter().map(|word| (*word).to_owned()).chain(phone).collect::<Vec<String>>()
    };
    let answering = with(&["answer", "--reliable", "--ring", "0.1"], phone("bob", "BOB", &captures[0]));
    let mut bob = Running::start(&answering.iter().map(String::as_str).collect::<Vec<_>>());
    bob.wait_for("ready");
    let commands: [&[&str]; 5] = [
        &["call", "bob", "--hold-after", "0.2", "--resume-after", "0.2", "--dtmf", "1", "--duration", "1"],
        &[
            "call",
            "bob",
            "--transfer-to",
            "sip:carol@example.com",
            "--transfer-after",
            "0.2",
            "--duration",
            "1",
        ],
        &["message", "bob", "Hello"],
        &["ping", "bob"],
        &["register", "--duration", "0.1"],
    ];
    for (command, capture) in commands.iter().zip(&captures[1..]) {
        let args = with(command, phone("alice", "ALICE", capture));
        let output = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        // What becomes of it is told elsewhere.
        assert!(Path::new(capture).exists(), "{}", text(&output));
    }
    drop(bob);
    for capture in &captures {
        let looked_at = run(&["lint", capture]);
        assert_eq!(looked_at.status.code(), Some(0), "{}", text(&looked_at));
        assert!(!text(&looked_at).contains(": 0 messages"), "{}", text(&looked_at));
    }
}
