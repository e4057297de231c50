//! ffmpeg as the media of a call: pictures that the server relays arrive as they were sent, and speech goes to and from a phone of ours
//! whose call is only signalling.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::child::Running;
use super::server::{Server, free_port, until_taken};
use super::sipp::{base, listening, register};
use super::{Case, Lab, audio, baresip};
use crate::failure::{Failure, Outcome};
use crate::process::run;

pub(crate) const CASES: &[Case] = &[
    ("H.264 through the relay", |lab| relayed(lab, &H264)),
    ("VP8 through the relay", |lab| relayed(lab, &VP8)),
    ("hears what answer says", hears),
    ("says what answer hears", says),
];

/// How pictures are encoded.
struct Encoding {
    file: &'static str,
    encoder: &'static [&'static str],
    rtpmap: &'static str,
    fmtp: &'static str,
}

const H264: Encoding = Encoding {
    file: "film.h264",
    encoder: &["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-pix_fmt", "yuv420p"],
    rtpmap: "H264/90000",
    fmtp: "a=fmtp:96 packetization-mode=1\n",
};
const VP8: Encoding = Encoding {
    file: "film.ivf",
    encoder: &["-c:v", "libvpx", "-b:v", "400k", "-deadline", "realtime", "-pix_fmt", "yuv420p"],
    rtpmap: "VP8/90000",
    fmtp: "",
};

/// Pictures a second, how many are sent, and how many are looked at: the last ones wait in the decoder for more.
const RATE: &str = "15";
const SENT: &str = "90";
const COMPARED: usize = 75;
/// How long it may take to say or send all of it.
const PATIENCE: Duration = Duration::from_secs(60);

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "warning", "-nostdin", "-y"]);
    command
}

/// SIPp calls SIPp through a server that relays; ffmpeg sends a film for the one and takes it for the other.
fn relayed(lab: &Lab, encoding: &Encoding) -> Outcome<String> {
    let film = lab.folder.join(encoding.file);
    let picture = format!("testsrc2=size=320x240:rate={RATE}");
    run(ffmpeg()
        .args(["-f", "lavfi", "-i", &picture, "-frames:v", SENT, "-g", RATE])
        .args(encoding.encoder)
        .arg(&film))?;
    let wanted = lab.folder.join("wanted.md5");
    run(ffmpeg().arg("-i").arg(&film).args(["-vsync", "passthrough", "-f", "framemd5"]).arg(&wanted))?;

    let config = lab.folder.join("ringback.toml");
    write(&config, "[media]\nmode = 'relay'\nports = [0, 0]\n")?;
    let server = Server::configured(&config, lab)?;
    let (from, to, signalling) = (free_pair()?, free_pair()?, free_port()?);
    let line = |port: u16| {
        let Encoding { rtpmap, fmtp, .. } = encoding;
        format!("m=video {port} RTP/AVP 96\na=rtpmap:96 {rtpmap}\n{fmtp}")
    };
    let scenario = |name: &str, port| -> Outcome<PathBuf> {
        let text = read(&lab.file(name))?;
        let (before, rest) = text.split_once("m=audio").ok_or("a scenario without audio")?;
        let (_, after) = rest.split_once("]]>").ok_or("a scenario without an end")?;
        let file = lab.folder.join(name);
        write(&file, &format!("{before}{}]]>{after}", line(port)))?;
        Ok(file)
    };
    let mut callee = base(lab, "callee", &scenario("answer.xml", to)?, "udp", signalling, 1);
    let mut callee = Running::start(&lab.folder, "callee", &mut callee)?;
    until_taken("udp", signalling)?;
    register(lab, &server, "udp", signalling)?;
    let said = lab.folder.join("caller.messages");
    let mut caller = base(lab, "caller", &scenario("call.xml", from)?, "udp", free_port()?, 1);
    caller
        .arg(server.udp.to_string())
        .args(["-s", "bob", "-d", "15000", "-trace_msg", "-message_file"])
        .arg(&said);
    let mut caller = Running::start(&lab.folder, "caller", &mut caller)?;
    let relay = told(&said, from)?;

    let (description, got) = (lab.folder.join("sink.sdp"), lab.folder.join("got.md5"));
    write(
        &description,
        &format!("v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n{}", line(to)),
    )?;
    let mut sink = ffmpeg();
    sink.args(["-protocol_whitelist", "file,udp,rtp", "-i"]).arg(&description);
    sink.args(["-vsync", "passthrough", "-frames:v", &COMPARED.to_string(), "-f", "framemd5"]).arg(&got);
    let mut sink = Running::start(&lab.folder, "sink", &mut sink)?;
    until_taken("udp", to)?;
    let mut source = ffmpeg();
    source.args(["-re", "-r", RATE, "-i"]).arg(&film).args([
        "-c",
        "copy",
        "-payload_type",
        "96",
        "-f",
        "rtp",
    ]);
    source.arg(format!("rtp://127.0.0.1:{relay}?localrtpport={from}&pkt_size=1200"));
    Running::start(&lab.folder, "source", &mut source)?.succeed(PATIENCE)?;
    sink.succeed(PATIENCE)?;
    caller.succeed(PATIENCE)?;
    callee.succeed(PATIENCE)?;
    server.stop()?;

    let (wanted, got) = (hashes(&read(&wanted)?), hashes(&read(&got)?));
    let wanted = wanted.get(..COMPARED).unwrap_or_default();
    let alike = wanted.iter().zip(&got).filter(|(wanted, got)| wanted == got).count();
    if alike < COMPARED {
        return Err(Failure::Failed(format!(
            "{alike} of {COMPARED} pictures are as they were; {} came",
            got.len()
        )));
    }
    Ok(format!("{alike} pictures arrived as they were sent, to the bit"))
}

/// The port of the relay that a caller was told, who has said that its own is this.
fn told(messages: &Path, own: u16) -> Outcome<u16> {
    for _ in 0..200 {
        let text = std::fs::read_to_string(messages).unwrap_or_default();
        let ports =
            text.lines().filter_map(|line| line.strip_prefix("m=video ")?.split(' ').next()?.parse().ok());
        if let Some(port) = ports.into_iter().find(|port| *port != own && *port != 0) {
            return Ok(port);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(Failure::Failed(format!("{}: no answer with a port for the picture", messages.display())))
}

/// The last column of what ffmpeg says of each picture: its hash.
fn hashes(frames: &str) -> Vec<String> {
    let frames = frames.lines().filter(|line| !line.starts_with('#'));
    frames.filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned())).collect()
}

/// `call --audio-at`: what `answer` says comes to ffmpeg.
fn hears(lab: &Lab) -> Outcome<String> {
    let (port, speech) = (free_pair()?, baresip::speech(lab, "alice.wav"));
    let (description, heard) = (lab.folder.join("sink.sdp"), lab.folder.join("heard.wav"));
    write(
        &description,
        &format!("v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"),
    )?;
    let mut sink = ffmpeg();
    sink.args(["-protocol_whitelist", "file,udp,rtp", "-i"]).arg(&description);
    sink.args(["-t", "3.5", "-ar", "8000", "-c:a", "pcm_s16le"]).arg(&heard);
    let mut sink = Running::start(&lab.folder, "sink", &mut sink)?;
    until_taken("udp", port)?;
    let mut answer = answering(lab, &["--play", &speech.display().to_string(), "--duration", "6"])?;
    let mut call = calling(lab, &mut answer, port)?;
    sink.succeed(PATIENCE)?;
    call.succeed(PATIENCE)?;
    answer.succeed(PATIENCE)?;
    let sum = audio::check("what answer said", &speech, &heard)?;
    Ok(format!("ffmpeg heard {} of {} pieces (likeness {:.3})", sum.heard, sum.spoken, sum.likeness))
}

/// `call --audio-at`: what ffmpeg says comes to `answer`.
fn says(lab: &Lab) -> Outcome<String> {
    let (port, speech) = (free_pair()?, baresip::speech(lab, "bob.wav"));
    let heard = lab.folder.join("heard.wav");
    let mut answer = answering(lab, &["--record", &heard.display().to_string(), "--duration", "6"])?;
    let mut call = calling(lab, &mut answer, port)?;
    let remote = call.line(PATIENCE, |line| {
        Some(line.strip_prefix("answered, talking PCMU with ")?.split(';').next()?.to_owned())
    })?;
    let mut source = ffmpeg();
    source.args(["-re", "-i"]).arg(&speech).args(["-c:a", "pcm_mulaw", "-ar", "8000", "-f", "rtp"]);
    source.arg(format!("rtp://{remote}?localrtpport={port}"));
    Running::start(&lab.folder, "source", &mut source)?.succeed(PATIENCE)?;
    call.succeed(PATIENCE)?;
    answer.succeed(PATIENCE)?;
    let sum = audio::check("what ffmpeg said", &speech, &heard)?;
    Ok(format!("answer heard {} of {} pieces (likeness {:.3})", sum.heard, sum.spoken, sum.likeness))
}

fn answering(lab: &Lab, more: &[&str]) -> Outcome<Running> {
    let mut command = lab.ringback();
    command.args(["answer", "--no-register", "--listen", "udp:127.0.0.1:0", "--calls", "1"]).args(more);
    Running::start(&lab.folder, "answer", &mut command)
}

/// A call without audio of its own.
fn calling(lab: &Lab, answer: &mut Running, port: u16) -> Outcome<Running> {
    let target = format!("sip:bob@{}", listening(answer)?);
    let mut command = lab.ringback();
    command.args(["call", &target, "--audio-at", &format!("127.0.0.1:{port}")]);
    Running::start(&lab.folder, "call", &mut command)
}

/// A port for RTP, whose next one is free as well.
fn free_pair() -> Outcome<u16> {
    for _ in 0..100 {
        let port = free_port()?;
        let is_free = |port| UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if port % 2 == 0 && is_free(port) && is_free(port + 1) {
            return Ok(port);
        }
    }
    Err(Failure::Failed("no two ports are free side by side".into()))
}

fn read(file: &Path) -> Outcome<String> {
    std::fs::read_to_string(file).map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))
}

fn write(file: &Path, text: &str) -> Outcome {
    std::fs::write(file, text).map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))
}
