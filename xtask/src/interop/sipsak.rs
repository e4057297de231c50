//! sipsak: short questions of another author's hand.

use std::process::Command;
use std::time::Duration;

use super::child::Running;
use super::server::{Server, free_port, password, short_port};
use super::{Case, Lab};
use crate::failure::Outcome;

pub(crate) const CASES: &[Case] =
    &[("asks serve for OPTIONS", options), ("registers with a password", user_location)];

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
