//! SIPp: many calls, counted.

mod dialogs;
mod over_tls;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::child::Running;
use super::server::{Server, free_port, password, until_taken};
use super::{Case, Lab};
use crate::failure::{Failure, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("calls through serve, UDP", |lab| through_server(lab, "udp", "call.xml")),
    ("calls through serve, TCP", |lab| through_server(lab, "tcp", "call.xml")),
    ("calls through serve, TLS", |lab| over_tls::through_server(lab, "call.xml")),
    ("authenticated calls through serve, UDP", |lab| through_server(lab, "udp", "call-authenticated.xml")),
    ("authenticated calls through serve, TCP", |lab| through_server(lab, "tcp", "call-authenticated.xml")),
    ("authenticated calls through serve, TLS", |lab| over_tls::through_server(lab, "call-authenticated.xml")),
    ("calls answer, UDP", |lab| to_answer(lab, "udp")),
    ("calls answer, TCP", |lab| to_answer(lab, "tcp")),
    ("calls answer, TLS", over_tls::to_answer),
    ("is called by call, UDP", |lab| from_call(lab, "udp")),
    ("is called by call, TCP", |lab| from_call(lab, "tcp")),
    ("is called by call, TLS", over_tls::from_call),
    ("offers late", |lab| dialogs::calls_us(lab, "late-offer", &[])),
    ("wants to hear of ringing (PRACK)", |lab| dialogs::calls_us(lab, "prack", &["--ring", "1"])),
    ("holds by UPDATE", |lab| dialogs::calls_us(lab, "update", &[])),
    ("times the session", |lab| dialogs::calls_us(lab, "session-timer", &[])),
    ("is late with ACK", |lab| dialogs::calls_us(lab, "late-ack", &[])),
    ("gives up", |lab| dialogs::calls_us(lab, "cancel", &["--ring", "20"])),
    ("wants what nobody speaks", |lab| dialogs::calls_us(lab, "refused-change", &[])),
    ("offers a picture", |lab| dialogs::calls_us(lab, "video", &[])),
    ("refers to another", |lab| dialogs::calls_us(lab, "refer", &[])),
    ("answers again and again", |lab| dialogs::is_called(lab, "answers-again", &["--duration", "1.5"])),
    ("answers twice (fork)", |lab| dialogs::is_called(lab, "forks", &["--duration", "1.5"])),
    ("answers early and changes it", |lab| dialogs::is_called(lab, "early-answer", &["--duration", "1"])),
    ("changes at the same time (glare)", |lab| {
        dialogs::is_called(lab, "glare", &["--hold-after", "0.5", "--duration", "6"])
    }),
];

/// Calls begun in a second.
const RATE: u64 = 200;
/// Calls with real media are fewer, one after the other or side by side.
const FEW: u64 = 20;
/// Longer than any of these runs may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// SIPp → `serve` → SIPp, whose callee registered with a password before.
fn through_server(lab: &Lab, transport: &str, scenario: &str) -> Outcome<String> {
    let server = Server::start(&lab.binary, &lab.folder)?;
    let port = free_port()?;
    let mut callee = Running::start(&lab.folder, "callee", &mut answering(lab, transport, port, lab.calls))?;
    until_taken(transport, port)?;
    register(lab, &server, transport, port)?;
    let caller = &mut calling(lab, server.address(transport), transport, scenario, lab.calls)?;
    Running::start(&lab.folder, "caller", caller)?.succeed(PATIENCE)?;
    callee.succeed(Duration::from_secs(40))?;
    server.stop()?;
    count(lab, "caller", lab.calls)
}

/// SIPp → `ringback answer`, without a server between.
fn to_answer(lab: &Lab, transport: &str) -> Outcome<String> {
    let calls = FEW.min(lab.calls);
    let mut answer = Running::start(
        &lab.folder,
        "answer",
        lab.ringback()
            .args(["answer", "--no-register", "--listen", &format!("{transport}:127.0.0.1:0")])
            .args(["--calls", &calls.to_string()]),
    )?;
    let address = listening(&mut answer)?;
    let caller = &mut calling(lab, address, transport, "call.xml", calls)?;
    Running::start(&lab.folder, "caller", caller)?.succeed(PATIENCE)?;
    answer.succeed(Duration::from_secs(60))?;
    count(lab, "caller", calls)
}

/// Where a phone of ours listens, once it is ready.
pub(super) fn listening(answer: &mut Running) -> Outcome<SocketAddr> {
    let mut address = None;
    answer.line(Duration::from_secs(10), |line| {
        let listener = line.strip_prefix("listening ").and_then(|listener| listener.split_once(':'));
        if let Some((_, at)) = listener {
            address = at.parse::<SocketAddr>().ok();
        }
        (line == "ready").then_some(())
    })?;
    address.ok_or_else(|| answer.failed("was ready without naming its listener"))
}

/// `ringback call` → SIPp.
fn from_call(lab: &Lab, transport: &str) -> Outcome<String> {
    let calls = FEW.min(lab.calls);
    let port = free_port()?;
    let mut callee = Running::start(&lab.folder, "callee", &mut answering(lab, transport, port, calls))?;
    until_taken(transport, port)?;
    Running::start(
        &lab.folder,
        "call",
        lab.ringback().args(["call", &format!("sip:service@127.0.0.1:{port};transport={transport}")]).args([
            "--transport",
            transport,
            "--calls",
            &calls.to_string(),
            "--duration",
            "0.1",
        ]),
    )?
    .succeed(PATIENCE)?;
    callee.succeed(Duration::from_secs(40))?;
    count(lab, "callee", calls)
}

/// A callee on this port for so many calls, who is there already.
pub(crate) fn callee(lab: &Lab, scenario: &str, transport: &str, port: u16, calls: u64) -> Outcome<Running> {
    let mut command = sipp(lab, "callee", scenario, transport, port, calls);
    command.args(["-d", "0"]);
    let callee = Running::start(&lab.folder, "callee", &mut command)?;
    until_taken(transport, port)?;
    Ok(callee)
}

/// Calls of a guest to bob through whoever listens on this port, all of which must succeed.
pub(crate) fn calls(
    lab: &Lab,
    through: u16,
    scenario: &str,
    transport: &str,
    calls: u64,
    patience: Duration,
) -> Outcome<String> {
    let to = SocketAddr::from(([127, 0, 0, 1], through));
    let caller = &mut calling(lab, to, transport, scenario, calls)?;
    Running::start(&lab.folder, "caller", caller)?.succeed(patience)?;
    count(lab, "caller", calls)
}

/// Registers `bob` at the callee's port, as SIPp does it: challenged, then accepted.
pub(crate) fn register(lab: &Lab, server: &Server, transport: &str, port: u16) -> Outcome {
    let mut command = sipp(lab, "register", "register.xml", transport, free_port()?, 1);
    command
        .arg(server.address(transport).to_string())
        .args(["-s", "bob", "-au", "bob", "-ap", password("bob")])
        .args(["-key", "host", &format!("127.0.0.1:{port}"), "-key", "protocol", transport]);
    Running::start(&lab.folder, "register", &mut command)?.succeed(Duration::from_secs(40))
}

fn calling(lab: &Lab, to: SocketAddr, transport: &str, scenario: &str, calls: u64) -> Outcome<Command> {
    let mut command = sipp(lab, "caller", scenario, transport, free_port()?, calls);
    command
        .arg(to.to_string())
        .args(["-s", "bob", "-au", "alice", "-ap", password("alice"), "-key", "user", "alice"])
        .args(["-r", &RATE.to_string(), "-d", "0"]);
    Ok(command)
}

fn answering(lab: &Lab, transport: &str, port: u16, calls: u64) -> Command {
    sipp(lab, "callee", "answer.xml", transport, port, calls)
}

/// What all runs have in common: one socket, no keyboard, counts and errors in files.
fn sipp(lab: &Lab, name: &str, scenario: &str, transport: &str, port: u16, calls: u64) -> Command {
    base(lab, name, &lab.file(scenario), transport, port, calls)
}

/// The same with a scenario at any place.
pub(super) fn base(
    lab: &Lab,
    name: &str,
    scenario: &Path,
    transport: &str,
    port: u16,
    calls: u64,
) -> Command {
    let mut command = Command::new("sipp");
    command
        .arg("-sf")
        .arg(scenario)
        .args([
            "-i",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-t",
            if transport == "tcp" { "t1" } else { "u1" },
        ])
        .args(["-m", &calls.to_string(), "-nostdin", "-recv_timeout", "30000", "-trace_stat", "-stf"])
        .arg(lab.folder.join(format!("{name}.csv")))
        .args(["-trace_err", "-error_file"])
        .arg(lab.folder.join(format!("{name}.errors")));
    command
}

/// Reads the counts that SIPp wrote last, and wants all calls to have succeeded.
fn count(lab: &Lab, name: &str, wanted: u64) -> Outcome<String> {
    let file = lab.folder.join(format!("{name}.csv"));
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let value =
        |column: &str| last_value(&text, column).ok_or_else(|| format!("{}: no {column}", file.display()));
    let (good, bad, again) =
        (value("SuccessfulCall(C)")?, value("FailedCall(C)")?, value("Retransmissions(C)")?);
    let sum = format!("{good} calls succeeded, {bad} failed, {again} retransmissions");
    if good == wanted && bad == 0 {
        Ok(sum)
    } else {
        Err(Failure::Failed(format!("{sum}; {wanted} were wanted")))
    }
}

/// The number in a column of the last line of SIPp's statistics.
pub(crate) fn last_value(csv: &str, column: &str) -> Option<u64> {
    let mut lines = csv.lines();
    let place = lines.next()?.split(';').position(|name| name == column)?;
    lines.next_back()?.split(';').nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_the_counts_is_read() {
        let csv = "StartTime;SuccessfulCall(C);FailedCall(C)\nx;1;0\nx;7;2\n";
        assert_eq!(last_value(csv, "SuccessfulCall(C)"), Some(7));
        assert_eq!(last_value(csv, "FailedCall(C)"), Some(2));
        assert_eq!(last_value(csv, "Nothing(C)"), None);
    }
}
