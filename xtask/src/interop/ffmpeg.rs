//! ffmpeg and GStreamer as the media of a call: pictures that the server relays arrive as they were sent, and speech goes to and from a
//! phone of ours whose call is only signalling.

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
    ("VP8 of GStreamer through the relay", streamed),
    ("hears what answer says", hears),
    ("says what answer hears", says),
];

/// How pictures are encoded.
pub(super) struct Encoding {
    file: &'static str,
    pub(super) encoder: &'static [&'static str],
    pub(super) rtpmap: &'static str,
    fmtp: &'static str,
}

const H264: Encoding = Encoding {
    file: "film.h264",
    encoder: &["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-pix_fmt", "yuv420p"],
    rtpmap: "H264/90000",
    fmtp: "a=fmtp:96 packetization-mode=1\n",
};
pub(super) const VP8: Encoding = Encoding {
    file: "film.ivf",
    encoder: &["-c:v", "libvpx", "-b:v", "400k", "-deadline", "realtime", "-pix_fmt", "yuv420p"],
    rtpmap: "VP8/90000",
    fmtp: "",
};

/// Pictures a second, how many are sent, and how many are looked at: the last ones wait in the decoder for more.
pub(super) const RATE: &str = "15";
const SENT: &str = "90";
const COMPARED: usize = 75;
/// How long it may take to say or send all of it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "warning", "-nostdin", "-y"]);
    command
}

/// The two ends of a call that is up through a relay: whose port each is, and the port that the caller sends to.
struct Ends {
    from: u16,
    to: u16,
    relay: u16,
}

/// SIPp calls SIPp through a server that relays, with this `m=` line and what belongs to it; meanwhile `film` is shown.
fn through_relay(lab: &Lab, lines: &str, film: impl FnOnce(&Ends) -> Outcome) -> Outcome {
    let config = lab.folder.join("ringback.toml");
    write(&config, "[media]\nmode = 'relay'\nports = [0, 0]\n")?;
    let server = Server::configured(&config, lab)?;
    let (from, to, signalling) = (free_pair()?, free_pair()?, free_port()?);
    let scenario = |name: &str, port: u16| -> Outcome<PathBuf> {
        let text = read(&lab.file(name))?;
        let (before, rest) = text.split_once("m=audio").ok_or("a scenario without audio")?;
        let (_, after) = rest.split_once("]]>").ok_or("a scenario without an end")?;
        let file = lab.folder.join(name);
        write(&file, &format!("{before}m=video {port} {lines}]]>{after}"))?;
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
    film(&Ends { from, to, relay: told(&said, "video", from)? })?;
    caller.succeed(PATIENCE)?;
    callee.succeed(PATIENCE)?;
    server.stop()
}

/// A film of so many pictures, of which one in each second needs no other.
pub(super) fn encode(
    lab: &Lab,
    file: &str,
    picture: &str,
    count: &str,
    encoder: &[&str],
) -> Outcome<PathBuf> {
    let film = lab.folder.join(file);
    let picture = format!("{picture}=size=320x240:rate={RATE}");
    run(ffmpeg()
        .args(["-f", "lavfi", "-i", &picture, "-frames:v", count, "-g", RATE])
        .args(encoder)
        .arg(&film))?;
    Ok(film)
}

/// ffmpeg sends a film for the caller and takes it for the callee.
fn relayed(lab: &Lab, encoding: &Encoding) -> Outcome<String> {
    let film = encode(lab, encoding.file, "testsrc2", SENT, encoding.encoder)?;
    let lines = format!("RTP/AVP 96\na=rtpmap:96 {}\n{}", encoding.rtpmap, encoding.fmtp);
    let got = lab.folder.join("got.md5");
    through_relay(lab, &lines, |ends| {
        let description = lab.folder.join("sink.sdp");
        let to = ends.to;
        write(
            &description,
            &format!("v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {to} {lines}"),
        )?;
        let mut sink = ffmpeg();
        sink.args(["-protocol_whitelist", "file,udp,rtp", "-i"]).arg(&description);
        sink.args(["-fps_mode", "passthrough", "-frames:v", &COMPARED.to_string(), "-f", "framemd5"])
            .arg(&got);
        let mut sink = Running::start(&lab.folder, "sink", &mut sink)?;
        until_taken("udp", to)?;
        let mut source = ffmpeg();
        source.args(["-re", "-r", RATE, "-i"]).arg(&film);
        source.args(["-c", "copy", "-payload_type", "96", "-f", "rtp"]);
        source.arg(format!("rtp://127.0.0.1:{}?localrtpport={}&pkt_size=1200", ends.relay, ends.from));
        Running::start(&lab.folder, "source", &mut source)?.succeed(PATIENCE)?;
        sink.succeed(PATIENCE)
    })?;
    alike(&pictures(lab, &film)?, &hashes(&read(&got)?))
}

/// GStreamer does, and keeps what it has sent and what has come.
fn streamed(lab: &Lab) -> Outcome<String> {
    let (sent, came) = (lab.folder.join("sent.webm"), lab.folder.join("came.webm"));
    through_relay(lab, "RTP/AVP 96\na=rtpmap:96 VP8/90000\n", |ends| {
        let caps = "application/x-rtp,media=video,clock-rate=90000,encoding-name=VP8,payload=96";
        // It ends by a signal, and writes what it has.
        let mut sink = Command::new("timeout");
        sink.args(["--preserve-status", "-s", "INT", "12", "gst-launch-1.0", "-q", "-e"]);
        sink.args(["udpsrc", &format!("port={}", ends.to), &format!("caps={caps}"), "!", "rtpvp8depay"]);
        sink.args(["!", "webmmux", "!", "filesink", &format!("location={}", came.display())]);
        let mut sink = Running::start(&lab.folder, "sink", &mut sink)?;
        until_taken("udp", ends.to)?;
        let mut source = Command::new("gst-launch-1.0");
        source.args(["-q", "-e", "videotestsrc", "is-live=true", &format!("num-buffers={SENT}"), "!"]);
        source.args([&format!("video/x-raw,width=320,height=240,framerate={RATE}/1"), "!"]);
        source.args([
            "vp8enc",
            "deadline=1",
            "keyframe-max-dist=15",
            "!",
            "tee",
            "name=t",
            "t.",
            "!",
            "queue",
        ]);
        source.args(["!", "webmmux", "!", "filesink", &format!("location={}", sent.display())]);
        source.args(["t.", "!", "queue", "!", "rtpvp8pay", "pt=96", "!", "udpsink", "host=127.0.0.1"]);
        source.args([&format!("port={}", ends.relay), &format!("bind-port={}", ends.from)]);
        Running::start(&lab.folder, "source", &mut source)?.succeed(PATIENCE)?;
        // What it says of the signal is no matter.
        sink.wait(PATIENCE).map(drop)
    })?;
    alike(&pictures(lab, &sent)?, &pictures(lab, &came)?)
}

/// The hashes of the pictures in a film.
pub(super) fn pictures(lab: &Lab, film: &Path) -> Outcome<Vec<String>> {
    let list = lab.folder.join("pictures.md5");
    run(ffmpeg().arg("-i").arg(film).args(["-fps_mode", "passthrough", "-f", "framemd5"]).arg(&list))?;
    Ok(hashes(&read(&list)?))
}

fn alike(wanted: &[String], got: &[String]) -> Outcome<String> {
    let wanted = wanted.get(..COMPARED).unwrap_or_default();
    let alike = wanted.iter().zip(got).filter(|(wanted, got)| wanted == got).count();
    if alike < COMPARED {
        let came = got.len();
        return Err(Failure::Failed(format!("{alike} of {COMPARED} pictures are as they were; {came} came")));
    }
    Ok(format!("{alike} pictures arrived as they were sent, to the bit"))
}

/// The port for a medium that a caller was told, who has said that its own is this.
pub(super) fn told(messages: &Path, kind: &str, own: u16) -> Outcome<u16> {
    for _ in 0..200 {
        let text = std::fs::read_to_string(messages).unwrap_or_default();
        let ports = text.lines().filter_map(|line| {
            line.strip_prefix("m=")?.strip_prefix(kind)?.trim_start().split(' ').next()?.parse().ok()
        });
        if let Some(port) = ports.into_iter().find(|port| *port != own && *port != 0) {
            return Ok(port);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(Failure::Failed(format!("{}: no answer with a port for {kind}", messages.display())))
}

/// The last column of what ffmpeg says of each picture: its hash.
pub(super) fn hashes(frames: &str) -> Vec<String> {
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
pub(super) fn free_pair() -> Outcome<u16> {
    for _ in 0..100 {
        let port = free_port()?;
        let is_free = |port| UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if port % 2 == 0 && is_free(port) && is_free(port + 1) {
            return Ok(port);
        }
    }
    Err(Failure::Failed("no two ports are free side by side".into()))
}

pub(super) fn read(file: &Path) -> Outcome<String> {
    std::fs::read_to_string(file).map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))
}

pub(super) fn write(file: &Path, text: &str) -> Outcome {
    std::fs::write(file, text).map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))
}
