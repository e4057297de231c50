//! Subscriptions between two phones through a real server.

use crate::support::{Folder, Running, Server, run, text};

fn phone<'a>(server: &'a Server, name: &'a str, command: &[&'a str]) -> Vec<&'a str> {
    let (from, variable) = match name {
        "alice" => ("sip:alice@example.com", "ALICE"),
        _ => ("sip:bob@example.com", "BOB"),
    };
    let mut args = command.to_vec();
    args.extend(["--from", from, "--server", &server.address, "--password-env", variable]);
    args
}

#[test]
fn rule_39_a_busy_lamp_follows_the_calls_of_another_phone_through_the_server() {
    let server = Server::with_users();
    let mut bob =
        Running::start(&phone(&server, "bob", &["answer", "--busy-lamp", "--calls", "1", "--ring", "1.2"]));
    bob.wait_for("ready");
    let mut lamp = Running::start(&phone(&server, "alice", &["subscribe", "bob", "--event", "dialog"]));
    lamp.wait_for("active: application/dialog-info+xml");
    let idle = lamp.wait_for("</dialog-info>");
    assert!(!lamp.seen.contains("<state>"), "{idle}");
    let call = run(&phone(&server, "alice", &["call", "bob", "--duration", "1.5"]));
    assert!(call.status.success(), "{}", text(&call));
    let ringing = lamp.wait_for("<state>early</state>");
    assert!(ringing.contains("direction=\"recipient\""), "{ringing}");
    assert!(ringing.contains("<identity>sip:alice@example.com</identity>"), "{ringing}");
    lamp.wait_for("<state>confirmed</state>");
    let before = lamp.seen.matches("<state>").count();
    // The last document has no call any more.
    lamp.wait_for("<dialog-info ");
    lamp.wait_for("</dialog-info>");
    assert_eq!(lamp.seen.matches("<state>").count(), before);
    bob.rest();
}

#[test]
fn a_lamp_is_taken_back_and_the_other_phone_is_told() {
    let server = Server::with_users();
    let mut bob = Running::start(&phone(&server, "bob", &["answer", "--busy-lamp"]));
    bob.wait_for("ready");
    let lamp = run(&phone(&server, "alice", &["subscribe", "bob", "--event", "dialog", "--duration", "0.5"]));
    let said = text(&lamp);
    assert!(lamp.status.success(), "{said}");
    assert!(said.contains("ended: taken back"), "the notifier said its last word: {said}");
    // And once is enough for who asks once.
    let once =
        run(&phone(&server, "alice", &["subscribe", "bob", "--event", "dialog", "--expires", "0", "--json"]));
    let said = text(&once);
    assert!(once.status.success(), "{said}");
    assert!(said.contains("\"event\":\"notified\"") && said.contains("dialog-info+xml"), "{said}");
}

#[test]
fn rule_39_a_phone_that_goes_tells_those_who_watch_it() {
    let server = Server::with_users();
    let mut bob = Running::start(&phone(&server, "bob", &["answer", "--busy-lamp"]));
    bob.wait_for("ready");
    let mut lamp = Running::start(&phone(&server, "alice", &["subscribe", "bob", "--event", "dialog"]));
    lamp.wait_for("</dialog-info>");
    bob.signal("-TERM");
    assert!(bob.wait().success());
    lamp.wait_for("ended by the notifier: noresource");
    assert_eq!(lamp.wait().code(), Some(1), "what was asked for is not there any more");
}

#[test]
fn what_nobody_tells_is_refused() {
    let server = Server::with_users();
    let mut bob = Running::start(&phone(&server, "bob", &["answer"]));
    bob.wait_for("ready");
    let refused = run(&phone(&server, "alice", &["subscribe", "bob", "--event", "dialog"]));
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("489"), "{said}");
    let folder = Folder::new("publish");
    let file = folder.path("state.xml");
    std::fs::write(&file, "<presence/>").unwrap();
    let refused =
        run(&phone(&server, "alice", &["publish", "bob", "--event", "presence", "--body-file", &file]));
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("405"), "{}", text(&refused));
}
