//! baresip: a phone with ears. Calls go both ways, and what was heard is compared with what was said.

mod changes;
mod codecs;
mod secure;
mod turn;
mod video;

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::certificates::Authority;
use super::child::Running;
use super::server::{DOMAIN, Server, free_port, password};
use super::{Case, Lab, audio};
use crate::failure::{Failure, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("calls answer through serve", |lab| calls_us(lab, Way::Udp)),
    ("is called through serve", |lab| is_called(lab, Way::Udp)),
    ("calls answer through serve, TLS", |lab| calls_us(lab, Way::tls(lab)?)),
    ("is called through serve, TLS", |lab| is_called(lab, Way::tls(lab)?)),
    ("calls answer with Opus", |lab| codecs::calls_us(lab, "opus")),
    ("is called with Opus", |lab| codecs::is_called(lab, "opus")),
    ("calls answer with G.722", |lab| codecs::calls_us(lab, "g722")),
    ("is called with G.722", |lab| codecs::is_called(lab, "g722")),
    ("holds, resumes and dials", changes::changes),
    ("is held, resumed and dialled", changes::is_changed),
    ("transfers us", changes::transfers),
    ("offers video, which is declined", video::declined),
    ("calls answer, ICE and DTLS-SRTP", secure::calls_us_by_ice_and_dtls),
    ("is called, ICE and DTLS-SRTP", secure::is_called_by_ice_and_dtls),
    ("calls answer, DTLS-SRTP", secure::calls_us_by_dtls),
    ("is called, DTLS-SRTP", secure::is_called_by_dtls),
    ("calls answer, SDES", secure::calls_us_with_sdes),
    ("is called, SDES", secure::is_called_with_sdes),
    ("is called, ICE", secure::is_called_by_ice),
];

/// Calls of ours alone, through a TURN server.
pub(crate) const TURN_CASES: &[Case] = &[
    ("relays a call of ours", turn::by_udp),
    ("relays a call of ours, TCP", turn::by_tcp),
    ("relays a call of ours, TLS", turn::by_tls),
];

/// How everybody reaches the server.
pub(super) enum Way {
    Udp,
    /// With a certificate that a private authority signed, which all trust and nobody else.
    Tls(Authority),
}

impl Way {
    fn tls(lab: &Lab) -> Outcome<Self> {
        Authority::new(&lab.folder).map(Self::Tls)
    }

    fn server(&self, lab: &Lab) -> Outcome<Server> {
        match self {
            Self::Udp => Server::start(&lab.binary, &lab.folder),
            Self::Tls(authority) => Server::start_with("tls", authority, lab),
        }
    }

    fn transport(&self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tls(_) => "tls",
        }
    }
}

/// How long a call lasts: longer than either sound, so that the ends of the call cut off silence only.
const CALL_SECONDS: &str = "6";
/// How long a call may take to come and go.
const PATIENCE: Duration = Duration::from_secs(40);

/// baresip registers as alice and calls bob, who is `ringback answer`.
fn calls_us(lab: &Lab, way: Way) -> Outcome<String> {
    let server = way.server(lab)?;
    let (ours, heard) = (speech(lab, "bob.wav"), lab.folder.join("answer.wav"));
    let mut answer = Running::start(
        &lab.folder,
        "answer",
        phone(&mut lab.ringback(), "answer", &[], &server, &way)
            .args(["--calls", "1"])
            .args(playing(&ours, &heard)),
    )?;
    answer.line(Duration::from_secs(10), |line| (line == "ready").then_some(()))?;
    let mut baresip = Baresip::start(lab, &server, &way, &speech(lab, "alice.wav"))?;
    baresip.command("dial", &format!("sip:bob@{DOMAIN}"))?;
    answer.succeed(PATIENCE)?;
    baresip.quit()?;
    server.stop()?;
    compare(lab, "alice.wav", &heard, "bob.wav")
}

/// baresip registers as alice and answers bob, who is `ringback call`.
fn is_called(lab: &Lab, way: Way) -> Outcome<String> {
    let server = way.server(lab)?;
    let (ours, heard) = (speech(lab, "bob.wav"), lab.folder.join("call.wav"));
    let mut baresip = Baresip::start(lab, &server, &way, &speech(lab, "alice.wav"))?;
    let target = format!("sip:alice@{DOMAIN}");
    let mut call = Running::start(
        &lab.folder,
        "call",
        phone(&mut lab.ringback(), "call", &[&target], &server, &way).args(playing(&ours, &heard)),
    )?;
    call.succeed(PATIENCE)?;
    baresip.quit()?;
    server.stop()?;
    compare(lab, "alice.wav", &heard, "bob.wav")
}

/// What both sides heard against what the other played.
fn compare(lab: &Lab, theirs: &str, our_record: &Path, ours: &str) -> Outcome<String> {
    compare_for(lab, theirs, our_record, ours, audio::ALIKE)
}

/// The same, where so much has to be alike.
fn compare_for(lab: &Lab, theirs: &str, our_record: &Path, ours: &str, alike: f64) -> Outcome<String> {
    let towards_us = audio::check_for("what baresip said", &speech(lab, theirs), our_record, alike)?;
    let heard = decoded(&lab.folder)?;
    let towards_them = audio::check_for("what ringback said", &speech(lab, ours), &heard, alike)?;
    Ok(format!(
        "we heard {} of {} pieces (likeness {:.3}), baresip heard {} of {} ({:.3})",
        towards_us.heard,
        towards_us.spoken,
        towards_us.likeness,
        towards_them.heard,
        towards_them.spoken,
        towards_them.likeness
    ))
}

/// The arguments that all our phones share.
fn phone<'a>(
    ringback: &'a mut Command,
    verb: &str,
    target: &[&str],
    server: &Server,
    way: &Way,
) -> &'a mut Command {
    let at = server.address(way.transport()).to_string();
    ringback
        .arg(verb)
        .args(target)
        .args(["--from", &format!("sip:bob@{DOMAIN}"), "--server", &at, "--transport", way.transport()])
        .args(["--password-env", "RINGBACK_INTEROP_PASSWORD"])
        .env("RINGBACK_INTEROP_PASSWORD", password("bob"));
    if let Way::Tls(authority) = way {
        ringback.arg("--tls-ca").arg(&authority.ca);
    }
    ringback
}

fn playing(ours: &Path, heard: &Path) -> Vec<String> {
    let words =
        ["--play", &ours.display().to_string(), "--record", &heard.display().to_string()].map(str::to_owned);
    words.into_iter().chain(["--duration".to_owned(), CALL_SECONDS.to_owned()]).collect()
}

/// The sounds that the demo plays.
pub(super) fn speech(lab: &Lab, name: &str) -> PathBuf {
    lab.root.join("crates/ringback-cli/assets").join(name)
}

/// The recording that baresip's sndfile module makes of what it decodes; its name holds the time of day.
fn decoded(folder: &Path) -> Outcome<PathBuf> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().ends_with("-dec.wav"))
        .ok_or_else(|| Failure::Failed(format!("baresip recorded nothing in {}", folder.display())))
}

/// A running baresip that has registered.
pub(super) struct Baresip {
    running: Running,
    control: TcpStream,
    /// What it has told on that so far.
    heard: String,
}

impl Baresip {
    /// Writes a configuration of its own, starts, waits until the registration is accepted.
    fn start(lab: &Lab, server: &Server, way: &Way, plays: &Path) -> Outcome<Self> {
        Self::start_as(lab, server, way, plays, "auto")
    }

    /// The same, where what it does when it is called is not always to answer.
    pub(super) fn start_as(
        lab: &Lab,
        server: &Server,
        way: &Way,
        plays: &Path,
        answers: &str,
    ) -> Outcome<Self> {
        Self::start_more(lab, server, way, plays, answers, "pcmu", "")
    }

    /// The same with this codec, by its name at baresip and with what else its account has, and with more in its
    /// configuration.
    fn start_more(
        lab: &Lab,
        server: &Server,
        way: &Way,
        plays: &Path,
        answers: &str,
        codec: &str,
        more: &str,
    ) -> Outcome<Self> {
        let (home, transport) = (lab.folder.join("baresip"), way.transport());
        let port = free_port()?;
        let source = padded(plays, &lab.folder)?;
        let write = |name: &str, text: String| {
            let file = home.join(name);
            std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
        };
        std::fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
        write("config", config(&lab.folder, &source, port, way) + more)?;
        write("contacts", String::new())?;
        write(
            "accounts",
            format!(
                "<sip:alice@{DOMAIN};transport={transport}>;auth_pass={};outbound=\"sip:{};transport={transport}\";regint=60;\
                 answermode={answers};audio_codecs={codec}\n",
                password("alice"),
                server.address(transport)
            ),
        )?;
        // Lines must come when they are said, not when a buffer is full.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "baresip", "-4", "-s", "-f"]).arg(&home);
        let mut running = Running::start(&lab.folder, "baresip", &mut command)?;
        running.line(Duration::from_secs(20), |line| line.contains("[1 binding]").then_some(()))?;
        let control = TcpStream::connect(("127.0.0.1", port))
            .map_err(|error| format!("baresip does not take commands on port {port}: {error}"))?;
        Ok(Self { running, control, heard: String::new() })
    }

    /// Sends a command to the module ctrl_tcp: JSON in a netstring.
    fn command(&mut self, command: &str, params: &str) -> Outcome {
        let json = format!(r#"{{"command":"{command}","params":"{params}"}}"#);
        let netstring = format!("{}:{json},", json.len());
        self.control
            .write_all(netstring.as_bytes())
            .map_err(|error| Failure::Failed(format!("baresip takes no command: {error}")))
    }

    /// Waits until it has told something on its control connection; those words in this order.
    fn told(&mut self, words: &[&str]) -> Outcome {
        let failed = |error: io::Error| Failure::Failed(format!("baresip did not tell {words:?}: {error}"));
        self.control.set_read_timeout(Some(Duration::from_secs(10))).map_err(failed)?;
        let is_there = |told: &str| {
            let mut rest = Some(told);
            words.iter().all(|word| {
                rest = rest.and_then(|rest| rest.split_once(word)).map(|(_, rest)| rest);
                rest.is_some()
            })
        };
        while !is_there(&self.heard) {
            let mut piece = [0; 4_096];
            let length = self.control.read(&mut piece).map_err(failed)?;
            if length == 0 {
                return Err(failed(io::ErrorKind::UnexpectedEof.into()));
            }
            self.heard.push_str(&String::from_utf8_lossy(&piece[..length]));
        }
        Ok(())
    }

    /// Ends it in its own way, so that its recordings are complete.
    pub(super) fn quit(&mut self) -> Outcome {
        self.command("quit", "")?;
        self.running.wait(Duration::from_secs(20)).map(drop)
    }
}

/// Speech, then silence for the rest of the call: at the end of its file baresip would hang up.
fn padded(sound: &Path, folder: &Path) -> Outcome<PathBuf> {
    let mut samples = audio::read(sound)?;
    samples.resize(samples.len() + 8 * 8_000, 0);
    let file = folder.join("baresip-plays.wav");
    std::fs::write(&file, audio::wav(&samples)).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}

/// A phone without sound hardware: it plays a file, and what it hears goes to another (module sndfile).
fn config(recordings: &Path, source: &Path, control: u16, way: &Way) -> String {
    let trust = match way {
        Way::Udp => String::new(),
        Way::Tls(authority) => format!("sip_cafile {}\n", authority.ca.display()),
    };
    format!(
        "poll_method epoll\n\
         sip_listen 127.0.0.1:0\n\
         net_interface 127.0.0.1\n\
         audio_source aufile,{}\n\
         audio_player aubridge,sink\n\
         audio_alert aubridge,alert\n\
         ausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\n\
         module_path {}\n\
         module g711.so\nmodule g722.so\nmodule opus.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n\
         snd_path {}\n\
         module_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n\
         ctrl_tcp_listen 127.0.0.1:{control}\n{trust}",
        source.display(),
        modules().display(),
        recordings.display(),
    )
}

/// Debian keeps the modules of baresip here; others keep them below the architecture or /usr/local.
fn modules() -> PathBuf {
    let places = [
        "/usr/lib/baresip/modules",
        "/usr/lib/x86_64-linux-gnu/baresip/modules",
        "/usr/local/lib/baresip/modules",
    ];
    places.iter().map(PathBuf::from).find(|place| place.is_dir()).unwrap_or_else(|| places[0].into())
}
