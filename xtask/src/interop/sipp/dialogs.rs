//! What happens inside a call, one RFC after the other: SIPp plays a peer that sticks to the letter of it, or that is early,
//! late or twice, and looks at what our phone says to that. The scenarios are in `xtask/interop/dialogs`.

use std::time::Duration;

use super::super::Lab;
use super::super::child::Running;
use super::super::server::{free_port, until_taken};
use super::{base, count, listening};
use crate::failure::Outcome;

/// Longer than any of these calls takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// A call that SIPp makes, by the name of its scenario, to `ringback answer` with these words.
pub(super) fn calls_us(lab: &Lab, scenario: &str, words: &[&str]) -> Outcome<String> {
    let mut answer = Running::start(
        &lab.folder,
        "answer",
        lab.ringback().args(["answer", "--no-register", "--listen", "udp:127.0.0.1:0"]).args(words),
    )?;
    let address = listening(&mut answer)?;
    let third = third(lab)?;
    let mut caller = base(lab, "caller", &file(lab, scenario), "udp", free_port()?, 1);
    caller.arg(address.to_string()).args(["-s", "bob", "-key", "third", &third.1.to_string()]);
    if scenario == "late-ack" {
        // By itself SIPp says nothing of what comes again.
        caller.arg("-nr");
    }
    Running::start(&lab.folder, "caller", &mut caller)?.succeed(PATIENCE)?;
    count(lab, "caller", 1)
}

/// Somebody else, whom a call can be transferred to, and the port where they are.
fn third(lab: &Lab) -> Outcome<(Running, u16)> {
    let port = free_port()?;
    let mut command = base(lab, "third", &lab.file("answer.xml"), "udp", port, 1);
    let third = Running::start(&lab.folder, "third", &mut command)?;
    until_taken("udp", port)?;
    Ok((third, port))
}

/// A call that `ringback call` makes with these words, and SIPp answers.
pub(super) fn is_called(lab: &Lab, scenario: &str, words: &[&str]) -> Outcome<String> {
    let port = free_port()?;
    let mut command = base(lab, "callee", &file(lab, scenario), "udp", port, 1);
    let mut callee = Running::start(&lab.folder, "callee", &mut command)?;
    until_taken("udp", port)?;
    let to = format!("sip:bob@127.0.0.1:{port}");
    let mut call = Running::start(&lab.folder, "call", lab.ringback().args(["call", &to]).args(words))?;
    call.succeed(PATIENCE)?;
    callee.succeed(PATIENCE)?;
    count(lab, "callee", 1)
}

fn file(lab: &Lab, scenario: &str) -> std::path::PathBuf {
    lab.file(&format!("dialogs/{scenario}.xml"))
}
