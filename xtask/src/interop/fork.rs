//! Two phones of other makes under one address: both ring, one answers, and the other is told that it was answered
//! elsewhere.

use std::process::Command;
use std::time::{Duration, Instant};

use super::baresip::{Baresip, Way, speech};
use super::child::Running;
use super::server::{DOMAIN, Server, admin, password};
use super::{Case, Lab};
use crate::failure::{Failure, Outcome};
use crate::process::output;

pub(crate) const CASES: &[Case] = &[
    ("baresip answers, linphonec is told", |lab| forked(lab, Answers::Baresip)),
    ("linphonec answers, baresip is told", |lab| forked(lab, Answers::Linphone)),
];

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(PartialEq)]
enum Answers {
    Baresip,
    Linphone,
}

/// `ringback call` to alice, who has two phones.
fn forked(lab: &Lab, who: Answers) -> Outcome<String> {
    let server = server(lab)?;
    let mode = if who == Answers::Baresip { "auto" } else { "manual" };
    let mut baresip = Baresip::start_as(lab, &server, &Way::Udp, &speech(lab, "alice.wav"), mode)?;
    let linphone = linphone(lab, &server, who == Answers::Linphone)?;
    until(lab, "both are registered", || Ok(bindings(lab)? == 2))?;
    let mut call = lab.ringback();
    call.args(["call", &format!("sip:alice@{DOMAIN}"), "--from", &format!("sip:bob@{DOMAIN}")])
        .args(["--server", &server.udp.to_string(), "--password-env", "BOB", "--duration", "1"])
        .env("BOB", password("bob"));
    Running::start(&lab.folder, "call", &mut call)?.succeed(PATIENCE)?;
    let told = if who == Answers::Baresip { "linphone.sip" } else { "baresip.log" };
    until(lab, &format!("the other is told ({told})"), || {
        let text = std::fs::read(lab.folder.join(told)).unwrap_or_default();
        Ok(was_answered_elsewhere(&String::from_utf8_lossy(&text)))
    })?;
    drop(linphone);
    baresip.quit()?;
    server.stop()?;
    Ok("one talked, the other got CANCEL: answered elsewhere".into())
}

/// One that can be asked who has registered.
pub(super) fn server(lab: &Lab) -> Outcome<Server> {
    let config = lab.folder.join("ringback.toml");
    std::fs::write(&config, "").map_err(|error| format!("{}: {error}", config.display()))?;
    Server::configured(&config, lab)
}

/// Whether a phone saw a CANCEL that says so (RFC 3326), and was heard with 487.
fn was_answered_elsewhere(trace: &str) -> bool {
    let cancel = trace.split("CANCEL sip:alice").nth(1);
    cancel.is_some_and(|rest| rest.contains("Call completed elsewhere") && rest.contains("SIP/2.0 487"))
}

/// How many bindings the server has.
pub(super) fn bindings(lab: &Lab) -> Outcome<u64> {
    let stats = output(lab.ringback().args(["stats", "--json", "--admin"]).arg(admin(lab)))?;
    let stats = crate::json::Json::parse(&stats)?;
    Ok(stats.get("bindings").number().unwrap_or(0.0) as u64)
}

pub(super) fn until(lab: &Lab, what: &str, mut is_so: impl FnMut() -> Outcome<bool>) -> Outcome {
    let end = Instant::now() + PATIENCE;
    while !is_so()? {
        if Instant::now() > end {
            let shown = lab.folder.display();
            return Err(Failure::Failed(format!("not within {PATIENCE:?}: {what}; logs are in {shown}")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// linphonec, registered as alice; what it hears and says is in `linphone.sip`.
pub(super) fn linphone(lab: &Lab, server: &Server, answers: bool) -> Outcome<Running> {
    linphone_with(lab, server, answers, "")
}

/// The same, with more in the section `sip` of its configuration.
pub(super) fn linphone_with(lab: &Lab, server: &Server, answers: bool, more: &str) -> Outcome<Running> {
    let home = lab.folder.join("linphone");
    // It does not start where it cannot make its database, and does not make the folder for it.
    for folder in [".local/share/linphone", ".config/linphone"] {
        let folder = home.join(folder);
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let file = home.join("linphonerc");
    std::fs::write(&file, config(server, more)).map_err(|error| format!("{}: {error}", file.display()))?;
    // It ends with its input, so that is a pipe which it holds open itself.
    let script = r#"mkfifo "$HOME/in" && exec stdbuf -oL linphonec "$@" 0<>"$HOME/in""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "linphonec", "-d", "6", "-c"]).arg(&file);
    command.arg("-l").arg(lab.folder.join("linphone.sip")).args(answers.then_some("-a"));
    Running::start(&lab.folder, "linphone", command.env("HOME", &home))
}

fn config(server: &Server, more: &str) -> String {
    format!(
        "[sip]\nsip_port=-1\nsip_tcp_port=-1\nsip_tls_port=-1\ndefault_proxy=0\n{more}\
         [rtp]\naudio_rtp_port=20000-30000\n\
         [proxy_0]\nreg_proxy=<sip:{};transport=udp>\nreg_identity=sip:alice@{DOMAIN}\nreg_expires=600\n\
         reg_sendregister=1\npublish=0\n\
         [auth_info_0]\nusername=alice\npasswd={}\nrealm={DOMAIN}\ndomain={DOMAIN}\n",
        server.udp,
        password("alice")
    )
}
