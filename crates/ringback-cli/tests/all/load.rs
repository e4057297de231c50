//! `ringback load` from the outside: against its own answering side, and against a server.

use crate::support::{Folder, Running, Server, run, text};
use serde_json::Value;
use std::net::UdpSocket;

/// The answering side, and where it listens.
fn answering(protocol: &str, more: &[&str]) -> (Running, String) {
    let listen = format!("{protocol}:127.0.0.1:0");
    let mut args = vec!["load", "--answer", "--listen", &listen];
    args.extend(more);
    let mut process = Running::start(&args);
    let line = process.wait_for("listening ");
    process.wait_for("ready");
    let address = line.rsplit_once(&format!("{protocol}:")).expect("it tells where").1.to_owned();
    (process, address)
}

fn json(path: &str) -> Value {
    let text = std::fs::read_to_string(path).expect("the report was written");
    serde_json::from_str(&text).expect("the report is JSON")
}

/// Every figure of a report fits the others.
fn check_report(report: &Value, calls: u64, steps: &[&str]) {
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name}: {report:#}"));
    assert_eq!((number("placed"), number("done"), number("failed")), (calls, calls, 0), "{report:#}");
    assert_eq!((number("up"), number("given_up")), (0, 0));
    for name in ["placed", "answered", "done", "failed", "retransmissions"] {
        let timeline = report["timeline"].as_array().expect("there is one");
        let sum: u64 = timeline.iter().filter_map(|point| point[name].as_u64()).sum();
        assert_eq!(sum, number(name), "{name}");
    }
    for step in steps {
        let step = &report["milliseconds"][step];
        assert_eq!(step["count"], calls, "{report:#}");
        let order = ["p50", "p90", "p99", "max"].map(|name| step[name].as_f64().expect("it was measured"));
        assert!(order.is_sorted() && order[0] >= 0.0, "{order:?}");
    }
}

#[test]
fn two_hundred_calls_at_200_a_second_all_come_to_a_good_end_on_both_sides() {
    for protocol in ["udp", "tcp"] {
        let folder = Folder::new(&format!("load-{protocol}"));
        let (theirs, ours, page) = (folder.path("b.json"), folder.path("a.json"), folder.path("a.html"));
        let (mut answerer, address) = answering(protocol, &["--calls", "200", "--json", &theirs]);
        let target = format!("sip:bob@{address}");
        let args = [
            "load",
            "--calls",
            "200",
            "--rate",
            "200",
            "--hold",
            "100ms",
            "--transport",
            protocol,
            "--json",
            &ours,
            "--html",
            &page,
            &target,
        ];
        let output = run(&args);
        assert!(output.status.success(), "{}", text(&output));
        assert!(text(&output).contains("INVITE to 180"), "{}", text(&output));
        check_report(&json(&ours), 200, &["ringing", "answer", "bye"]);
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.starts_with("<!doctype html>") && page.contains("<svg"), "{page}");
        answerer.rest();
        assert!(answerer.wait().success());
        check_report(&json(&theirs), 200, &["ack", "call"]);
    }
}

#[test]
fn no_more_calls_are_up_than_allowed() {
    let folder = Folder::new("load-most");
    let report = folder.path("report.json");
    let (_answerer, address) = answering("udp", &[]);
    let limits = ["--calls", "30", "--rate", "1000", "--concurrent", "4", "--hold", "50ms"];
    let mut args = vec!["load", "--json", &report, &address];
    args.extend(limits);
    let output = run(&args);
    assert!(output.status.success(), "{}", text(&output));
    let report = json(&report);
    check_report(&report, 30, &["answer"]);
    assert!(report["peak"].as_u64().is_some_and(|peak| peak <= 4), "{report:#}");
}

#[test]
fn options_and_registrations_of_many_users_pass_a_server() {
    let server = Server::with_users();
    let folder = Folder::new("load-server");
    let (users, report) = (folder.path("users.csv"), folder.path("report.json"));
    std::fs::write(&users, "name,password\nalice,wonderland\nbob,builder\n").unwrap();
    for method in ["register", "options"] {
        let args = [
            "load",
            "--method",
            method,
            "--calls",
            "200",
            "--rate",
            "200",
            "--users",
            &users,
            "--server",
            &server.address,
            "--json",
            &report,
            "sip:example.com",
        ];
        let output = run(&args);
        assert!(output.status.success(), "{method}: {}", text(&output));
        check_report(&json(&report), 200, &["answer"]);
    }
}

#[test]
fn calls_through_a_server_are_challenged_and_reach_who_has_registered() {
    let server = Server::with_users();
    let bob =
        ["answer", "--from", "sip:bob@example.com", "--server", &server.address, "--password-env", "BOB"];
    let mut bob = Running::start(&bob);
    bob.wait_for("ready");
    let call = [
        "load",
        "--calls",
        "5",
        "--rate",
        "20",
        "--hold",
        "100ms",
        "--user",
        "alice",
        "--password-env",
        "ALICE",
        "--server",
        &server.address,
        "sip:bob@example.com",
    ];
    let output = run(&call);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn refusals_are_told_by_their_status() {
    let server = Server::with_users();
    let folder = Folder::new("load-refused");
    let report = folder.path("report.json");
    let args = [
        "load",
        "--method",
        "register",
        "--calls",
        "3",
        "--rate",
        "100",
        "--user",
        "alice",
        "--password-env",
        "WRONG",
        "--server",
        &server.address,
        "--json",
        &report,
        "sip:example.com",
    ];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let report = json(&report);
    let causes = report["causes"].as_object().expect("there are some");
    assert_eq!(causes.values().filter_map(Value::as_u64).sum::<u64>(), 3, "{report:#}");
    assert!(text(&output).contains("3 of 3 requests failed"), "{}", text(&output));
}

#[test]
fn an_interrupt_hangs_up_what_is_up_and_reports() {
    let folder = Folder::new("load-stop");
    let report = folder.path("report.json");
    let (_answerer, address) = answering("udp", &[]);
    let args = ["load", "--calls", "1000000", "--rate", "50", "--hold", "1m", "--json", &report, &address];
    let mut caller = Running::start(&args);
    caller.wait_for("up");
    caller.signal("-INT");
    let said = caller.rest();
    assert!(said.contains("calls placed"), "{said}");
    assert!(caller.wait().success(), "{said}");
    let report = json(&report);
    assert_eq!(report["up"], 0, "{report:#}");
    let over =
        report["done"].as_u64().zip(report["given_up"].as_u64()).map(|(done, given_up)| done + given_up);
    assert_eq!(over, report["placed"].as_u64(), "{report:#}");
}

#[test]
fn a_call_that_nobody_answers_is_cancelled() {
    let (_answerer, address) = answering("udp", &["--ring", "1m"]);
    let output = run(&["load", "--calls", "2", "--rate", "100", "--timeout", "300ms", &address]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("2  not answered in time, cancelled"), "{}", text(&output));
}

#[test]
fn wrong_targets_and_options_are_named_in_one_line() {
    // Bound and closed again: nobody listens there.
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["load"], 64, "<TARGET>"),
        (&["load", "not an address"], 64, "not an address"),
        (&["load", "sips:bob@127.0.0.1"], 64, "TLS"),
        (&["load", "--rate", "0", "sip:bob@127.0.0.1"], 64, "--rate"),
        (&["load", "--hold", "soon", "sip:bob@127.0.0.1"], 64, "soon"),
        (&["load", "--users", "/nonexistent.csv", "sip:bob@127.0.0.1"], 64, "/nonexistent.csv"),
        (&["load", "sip:bob@nobody.invalid"], 1, "nobody.invalid"),
        (&["load", "--calls", "1", &closed], 1, "could not be reached"),
    ];
    for (args, code, named) in cases {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
        assert!(text(&output).contains(named), "{args:?}: {}", text(&output));
    }
}
