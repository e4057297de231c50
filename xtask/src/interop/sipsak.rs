//! sipsak: short questions of another author's hand.

use std::process::Command;
use std::time::Duration;

use super::child::Running;
use super::server::{Server, free_port, password, short_port};
use super::{Case, Lab};
use crate::failure::{Failure, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("asks serve for OPTIONS", options),
    ("registers with a password", user_location),
    ("traces its route", traceroute),
    ("sends letters at random", random),
    ("floods", flood),
];

/// Requests of a flood, and of which letters were changed.
const MANY: &str = "2000";

/// sipsak gives up by itself before this.
const PATIENCE: Duration = Duration::from_secs(40);

/// OPTIONS to the server itself; sipsak ends with 0 only on a 200.
fn options(lab: &Lab) -> Outcome<String> {
    let server = start(lab)?;
    let to = format!("sip:{}", server.udp);
    Running::start(&lab.folder, "sipsak", Command::new("sipsak").args(["-vv", "-s", &to]))?
        .succeed(PATIENCE)?;
    server.stop()?;
    Ok("answered 200".into())
}

/// The mode "usrloc": REGISTER, challenged, accepted. Its further modes, which send to what was registered, crash in
/// sipsak 0.9.8 itself once a user name for the password is given.
fn user_location(lab: &Lab) -> Outcome<String> {
    let server = start(lab)?;
    let (to, port) = (format!("sip:carol@{}", server.udp), free_port()?.to_string());
    let mut sipsak = Command::new("sipsak");
    sipsak.args(["-vv", "-U", "-i", "-x", "60", "-l", &port, "-s", &to]);
    // Left to itself it proves to be `carol@`.
    sipsak.args(["-u", "carol", "-a", password("carol")]);
    Running::start(&lab.folder, "sipsak", &mut sipsak)?.succeed(PATIENCE)?;
    server.stop()?;
    Ok("registered".into())
}

/// sipsak 0.9.8 cuts the last digit off a port of five.
fn start(lab: &Lab) -> Outcome<Server> {
    Server::start_on(short_port()?, &lab.binary, &lab.folder)
}

/// Max-Forwards from 0 up: with the first hop it is there.
fn traceroute(lab: &Lab) -> Outcome<String> {
    let server = start(lab)?;
    let to = format!("sip:alice@{}", server.udp);
    Running::start(&lab.folder, "sipsak", Command::new("sipsak").args(["-T", "-vv", "-s", &to]))?
        .wait(PATIENCE)?;
    server.stop()?;
    let log = std::fs::read_to_string(lab.folder.join("sipsak.log")).unwrap_or_default();
    // Who is not registered is not there; it is we who say so.
    match log.lines().find(|line| line.starts_with("0: ") && line.contains("SIP/2.0 480")) {
        Some(_) => Ok("it ends with us".into()),
        None => Err(Failure::Failed(format!("the first hop is not told: {log}"))),
    }
}

/// Valid requests in which more and more letters are replaced. It ends at the first that nobody answers, which is right
/// for what is no request any more; what counts is that the server goes on.
fn random(lab: &Lab) -> Outcome<String> {
    let server = start(lab)?;
    let to = format!("sip:{}", server.udp);
    Running::start(&lab.folder, "sipsak", Command::new("sipsak").args(["-R", "-Z", "50", "-s", &to]))?
        .wait(PATIENCE)?;
    answers(lab, &server)?;
    server.stop()?;
    Ok("it answers afterwards".into())
}

/// Requests as fast as it can, and it waits for no answer.
fn flood(lab: &Lab) -> Outcome<String> {
    let server = start(lab)?;
    let to = format!("sip:alice@{}", server.udp);
    Running::start(&lab.folder, "sipsak", Command::new("sipsak").args(["-F", "-e", MANY, "-s", &to]))?
        .wait(PATIENCE)?;
    answers(lab, &server)?;
    server.stop()?;
    Ok(format!("{MANY} requests, and it answers afterwards"))
}

/// It is as well as before.
fn answers(lab: &Lab, server: &Server) -> Outcome {
    let to = format!("sip:{}", server.udp);
    Running::start(&lab.folder, "afterwards", Command::new("sipsak").args(["-vv", "-s", &to]))?
        .succeed(PATIENCE)
}
