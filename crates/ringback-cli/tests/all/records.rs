//! Records of calls, from the outside.

use crate::support::{Folder, Running, run, text};

#[test]
fn a_call_is_listed_while_it_is_up_and_when_it_is_over() {
    let folder = Folder::new("records");
    let (config, data) = (folder.path("ringback.toml"), folder.path("data"));
    let (file, lines) = (folder.path("records.sqlite"), folder.path("calls.jsonl"));
    let records = format!("[records]\nsqlite = '{file}'\njsonl = '{lines}'\n");
    let settings = format!(
        "listen = ['udp:127.0.0.1:0']\ndomains = ['example.com']\nno_auth = true\n[admin]\nlisten = '127.0.0.1:0'\n{records}"
    );
    std::fs::write(&config, settings).unwrap();
    let mut server = Running::start(&["serve", "--config", &config, "--data", &data]);
    let address = server.wait_for("listening udp:").trim_start_matches("listening udp:").to_owned();
    server.wait_for("admin http://127.0.0.1:");
    server.wait_for("ready");
    let phone = |name: &str| {
        ["--from".to_owned(), format!("sip:{name}@example.com"), "--server".to_owned(), address.clone()]
    };
    let (bob, alice) = (phone("bob"), phone("alice"));
    let with = |first: &[&str], phone: &[String]| -> Vec<String> {
        first.iter().map(|arg| (*arg).to_owned()).chain(phone.iter().cloned()).collect()
    };
    let answer = with(&["answer", "--calls", "1"], &bob);
    let mut answer = Running::start(&answer.iter().map(String::as_str).collect::<Vec<_>>());
    answer.wait_for("ready");
    let call = with(&["call", "sip:bob@example.com"], &alice);
    let mut caller = Running::start(&call.iter().map(String::as_str).collect::<Vec<_>>());
    caller.wait_for("answered");
    let up = text(&run(&["calls", "--data", &data]));
    assert!(up.contains("sip:alice@example.com -> sip:bob@example.com"), "{up}");
    caller.signal("-INT");
    assert!(caller.wait().success());
    answer.rest();

    server.signal("-TERM");
    assert!(server.wait().success());
    let listed = text(&run(&["records", "--file", &file]));
    assert!(listed.contains("sip:alice@example.com -> sip:bob@example.com  0:0"), "{listed}");
    assert!(listed.contains("hung up by the caller"), "{listed}");
    assert_eq!(text(&run(&["records", "carol", "--file", &file])).trim(), "no calls");
    let json = text(&run(&["records", "alice", "--file", &file, "--json"]));
    assert!(json.starts_with('{') && json.contains("\"status\":200,\"ended_by\":\"caller\""), "{json}");
    assert_eq!(std::fs::read_to_string(lines).unwrap().trim(), json.trim());
    assert_eq!(run(&["records", "--file", &folder.path("none")]).status.code(), Some(1));
}
