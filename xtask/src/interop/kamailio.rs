//! Kamailio as the next proxy, in front of ours and behind it: both record their route, and the hop between them is another
//! transport than those to the phones.

use std::process::Command;
use std::time::Duration;

use super::child::Running;
use super::server::{DOMAIN, Server, free_port, until_taken};
use super::sipp;
use super::{Case, Lab};
use crate::failure::Outcome;

pub(crate) const CASES: &[Case] = &[
    ("in front, the caller hangs up", |lab| in_front(lab, ("call.xml", "answer.xml"))),
    ("in front, the callee hangs up", |lab| in_front(lab, ("call-is-hung-up.xml", "answer-hangs-up.xml"))),
    ("behind, the caller hangs up", |lab| behind(lab, ("call.xml", "answer.xml"))),
    ("behind, the callee hangs up", |lab| behind(lab, ("call-is-hung-up.xml", "answer-hangs-up.xml"))),
];

/// Two more logs, and two more processes that share the machine, than without it.
const CALLS: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(60);

/// SIPp –UDP→ Kamailio –TCP→ `serve` –UDP→ SIPp, whose callee is registered with us.
fn in_front(lab: &Lab, scenarios: (&str, &str)) -> Outcome<String> {
    let server = Server::start(&lab.binary, &lab.folder)?;
    let (port, kamailio) = (free_port()?, free_port()?);
    let next = format!("sip:{};transport=tcp", server.address("tcp"));
    let mut kamailio_runs = start(lab, kamailio, &next)?;
    let mut callee = sipp::callee(lab, scenarios.1, "udp", port, calls(lab))?;
    sipp::register(lab, &server, "udp", port)?;
    let told = sipp::calls(lab, kamailio, scenarios.0, "udp", calls(lab), PATIENCE)?;
    callee.succeed(Duration::from_secs(40))?;
    kamailio_runs.terminate(Duration::from_secs(10))?;
    server.stop()?;
    Ok(told)
}

/// SIPp –TCP→ `serve` –UDP→ Kamailio –TCP→ SIPp: a route of ours leads to Kamailio as a gateway.
fn behind(lab: &Lab, scenarios: (&str, &str)) -> Outcome<String> {
    let (port, kamailio) = (free_port()?, free_port()?);
    let mut kamailio_runs = start(lab, kamailio, &format!("sip:{DOMAIN}:{port};transport=tcp"))?;
    let config = lab.folder.join("ringback.toml");
    let text = format!(
        "[[routes]]\nname = \"behind\"\nuser = '^bob$'\nsource = [\"127.0.0.0/8\"]\ngateway = \"kamailio\"\n\
         [[gateways]]\nname = \"kamailio\"\nprobe = 0\n[[gateways.members]]\nuri = \"sip:127.0.0.1:{kamailio}\"\n"
    );
    std::fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
    let server = Server::configured(&config, lab)?;
    let mut callee = sipp::callee(lab, scenarios.1, "tcp", port, calls(lab))?;
    let to = server.address("tcp").port();
    let told = sipp::calls(lab, to, scenarios.0, "tcp", calls(lab), PATIENCE)?;
    callee.succeed(Duration::from_secs(40))?;
    kamailio_runs.terminate(Duration::from_secs(10))?;
    server.stop()?;
    Ok(told)
}

fn calls(lab: &Lab) -> u64 {
    lab.calls.min(CALLS)
}

/// Starts a Kamailio on this port that hands what begins a call to `next`, and stays in the call.
fn start(lab: &Lab, port: u16, next: &str) -> Outcome<Running> {
    let file = lab.folder.join("kamailio.cfg");
    std::fs::write(&file, config(port, next)).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut command = Command::new("kamailio");
    command.arg("-f").arg(&file).args(["-DD", "-E", "-m", "128", "-M", "16"]);
    command.arg("-Y").arg(&lab.folder).arg("-P").arg(lab.folder.join("kamailio.pid"));
    let running = Running::start(&lab.folder, "kamailio", &mut command)?;
    until_taken("udp", port)?;
    until_taken("tcp", port)?;
    Ok(running)
}

/// As its own handbook has it (modules tm and rr), with nothing that is not needed here. One process for each transport, for
/// with more a BYE may overtake the ACK before it, which SIPp does not bear.
fn config(port: u16, next: &str) -> String {
    let modules = ["tm", "sl", "rr", "pv", "maxfwd", "siputils", "textops"];
    let modules: String = modules.iter().map(|module| format!("loadmodule \"{module}.so\"\n")).collect();
    format!(
        r#"log_stderror=yes
debug=1
children=1
tcp_children=1
auto_aliases=no
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
{modules}
modparam("rr", "enable_full_lr", 1)

request_route {{
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) {{
            t_relay();
        }} else if (!is_method("ACK")) {{
            sl_send_reply("404", "Not here");
        }} else if (t_check_trans()) {{
            t_relay();
        }}
        exit;
    }}
    t_check_trans();
    record_route();
    $ru = "sip:" + $rU + "@{DOMAIN}";
    $du = "{next}";
    if (!t_relay()) sl_reply_error();
}}
"#
    )
}
