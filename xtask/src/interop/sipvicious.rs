//! sipvicious: what comes by within an hour of going online. It finds nothing, and is banned.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::child::Running;
use super::server::{Server, admin};
use super::{Case, Lab, python};
use crate::failure::{Failure, Outcome};
use crate::process::output;

pub(crate) const CASES: &[Case] = &[
    ("svmap finds no server", |lab| scan(lab, "svmap", &[], false)),
    ("svwar finds no users", |lab| scan(lab, "svwar", &["--force", "-d", "USERS"], false)),
    ("svwar finds no users when it calls", |lab| {
        scan(lab, "svwar", &["--force", "-m", "INVITE", "-d", "USERS"], false)
    }),
    ("svcrack finds no password", |lab| scan(lab, "svcrack", &["-u", "alice", "-d", "PASSWORDS"], true)),
];

/// They go on for so long without an answer, and end.
const SILENCE: &str = "2";
const PATIENCE: Duration = Duration::from_secs(18);

/// Nobody is trusted here, not even this machine.
const CONFIG: &str = "[guard]\ntrusted = []\n";
/// The same where they go by another name.
const UNNAMED: &str = "[guard]\ntrusted = []\nscanners = []\n";

/// Lets one of them loose on a server; where it is not known by its name, it is by what it does.
fn scan(lab: &Lab, tool: &str, arguments: &[&str], is_unnamed: bool) -> Outcome<String> {
    let programs = python::environment(lab, "sipvicious")?;
    let write = |name: &str, text: &str| {
        let file = lab.folder.join(name);
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok::<_, Failure>(file.display().to_string())
    };
    let config = write("ringback.toml", if is_unnamed { UNNAMED } else { CONFIG })?;
    // Right ones among them, which are not to be told from the others.
    let users = write("names", "alice\nbob\ncarol\ndave\n100\n101\n102\n")?;
    let guesses: String = (0..200).map(|guess| format!("guess{guess}\n")).collect();
    let passwords = write("passwords", &(guesses + "wonderland\n"))?;
    let server = Server::configured(Path::new(&config), lab)?;
    let mut command = Command::new(programs.join(format!("sipvicious_{tool}")));
    command.args(arguments.iter().map(|argument| match *argument {
        "USERS" => users.as_str(),
        "PASSWORDS" => passwords.as_str(),
        argument => argument,
    }));
    if tool != "svmap" {
        command.args(["--maximumtime", SILENCE]);
    }
    command.args(["-b", "127.0.0.1", "-p", &server.udp.port().to_string(), "127.0.0.1"]);
    // Sessions are kept below the home.
    command.env("HOME", &lab.folder).current_dir(&lab.folder);
    let mut running = Running::start(&lab.folder, tool, &mut command)?;
    let ended = running.wait(PATIENCE);
    let log = std::fs::read_to_string(lab.folder.join(format!("{tool}.log"))).unwrap_or_default();
    ended?;
    // What is found is drawn as a table.
    if let Some(row) = log.lines().find(|line| line.starts_with('|')) {
        return Err(Failure::Failed(format!("{tool} found something: {row}")));
    }
    let bans = output(lab.ringback().args(["bans", "--admin"]).arg(admin(lab)))?;
    server.stop()?;
    if bans.contains("127.0.0.1") {
        Ok(format!("nothing found; {}", bans.trim()))
    } else {
        Err(Failure::Failed(format!("{tool} is not banned: {bans}")))
    }
}
