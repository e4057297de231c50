//! SIP.js under Node: what a browser sends over WebSocket, with descriptions that are made up.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::certificates::Authority;
use super::child::Running;
use super::server::{DOMAIN, Server, password};
use super::{Case, Lab};
use crate::failure::Outcome;
use crate::process::run;

pub(crate) const CASES: &[Case] = &[
    ("phones call each other through serve, WebSocket", |lab| pair(lab, "ws")),
    ("phones call each other through serve, secure WebSocket", |lab| pair(lab, "wss")),
    ("is called by call on UDP", is_called),
];

/// How long any of this may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two of them register with passwords, call, hold, resume, hang up from both ends, give up, and write to each other.
fn pair(lab: &Lab, transport: &str) -> Outcome<String> {
    let authority = Authority::new(&lab.folder)?;
    let server = Server::start_with(transport, &authority, lab)?;
    Running::start(&lab.folder, "phones", &mut phones(lab, "pair", transport, &server, &authority)?)?
        .succeed(PATIENCE)?;
    server.stop()?;
    Ok("three calls and a message".into())
}

/// `ringback call` on UDP to one of them.
fn is_called(lab: &Lab) -> Outcome<String> {
    let authority = Authority::new(&lab.folder)?;
    let server = Server::start_with("ws", &authority, lab)?;
    let mut answer =
        Running::start(&lab.folder, "answer", &mut phones(lab, "answer", "ws", &server, &authority)?)?;
    answer.line(PATIENCE, |line| (line == "ready").then_some(()))?;
    let mut call = lab.ringback();
    call.args(["call", &format!("sip:bob@{DOMAIN}"), "--from", &format!("sip:alice@{DOMAIN}")])
        .args(["--server", &server.udp.to_string(), "--password-env", "ALICE", "--duration", "0.5"])
        .env("ALICE", password("alice"));
    Running::start(&lab.folder, "call", &mut call)?.succeed(PATIENCE)?;
    answer.succeed(PATIENCE)?;
    server.stop()?;
    Ok("answered and hung up".into())
}

fn phones(
    lab: &Lab,
    role: &str,
    transport: &str,
    server: &Server,
    authority: &Authority,
) -> Outcome<Command> {
    let mut node = Command::new("node");
    node.arg(installed(lab)?.join("phones.mjs"))
        .args([role, &format!("{transport}://{}", server.address(transport)), DOMAIN])
        .env("ALICE", password("alice"))
        .env("BOB", password("bob"))
        .env("NODE_EXTRA_CA_CERTS", &authority.ca);
    Ok(node)
}

/// Where the packages of the lockfile are, beside the script; the tree of the sources stays as it is.
fn installed(lab: &Lab) -> Outcome<PathBuf> {
    let folder = lab.root.join("target/interop-sipjs");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut is_new = false;
    for name in ["package.json", "package-lock.json", "phones.mjs"] {
        let (from, to) = (lab.file("sipjs").join(name), folder.join(name));
        let text = std::fs::read(&from).map_err(|error| format!("{}: {error}", from.display()))?;
        if std::fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        is_new |= name != "phones.mjs";
        std::fs::write(&to, text).map_err(|error| format!("{}: {error}", to.display()))?;
    }
    if is_new || !folder.join("node_modules").is_dir() {
        run(Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder))?;
    }
    Ok(folder)
}
