//! A conference with pictures: ffmpeg shows two films and speaks beside one after the other, and another ffmpeg sees who speaks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::child::Running;
use super::ffmpeg::{VP8, encode, ffmpeg, free_pair, hashes, pictures, read, told, write};
use super::server::free_port;
use super::sipp::{base, listening};
use super::{Case, Lab};
use crate::failure::{Failure, Outcome};

pub(crate) const CASES: &[Case] = &[("a conference shows who speaks", shows_who_speaks)];

/// Pictures of each film, and how many the one who looks on waits for.
const SENT: &str = "135";
const SEEN: usize = 110;
/// Of so many at least each film is seen.
const EACH: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody in the conference: where its pictures and its voice come from, and where they go.
struct Party {
    call: Running,
    audio: (u16, u16),
    video: (u16, u16),
}

fn shows_who_speaks(lab: &Lab) -> Outcome<String> {
    let films = [("one.ivf", "testsrc2"), ("two.ivf", "testsrc")];
    let films: Vec<PathBuf> =
        films.iter().map(|(name, picture)| film(lab, name, picture)).collect::<Result<_, _>>()?;
    let mut answer = lab.ringback();
    answer.args(["answer", "--no-register", "--listen", "udp:127.0.0.1:0", "--conference", "--calls", "3"]);
    let mut answer = Running::start(&lab.folder, "answer", &mut answer)?;
    let at = listening(&mut answer)?.to_string();
    let mut parties = Vec::new();
    for name in ["looker", "first", "second"] {
        parties.push(join(lab, name, &at)?);
    }
    let seen = lab.folder.join("seen.md5");
    let description = lab.folder.join("sink.sdp");
    let port = parties[0].video.0;
    let lines = format!("m=video {port} RTP/AVP 96\na=rtpmap:96 {}\n", VP8.rtpmap);
    write(&description, &format!("v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n{lines}"))?;
    let mut sink = ffmpeg();
    sink.args(["-protocol_whitelist", "file,udp,rtp", "-i"]).arg(&description);
    sink.args(["-fps_mode", "passthrough", "-frames:v", &SEEN.to_string(), "-f", "framemd5"]).arg(&seen);
    let mut sink = Running::start(&lab.folder, "sink", &mut sink)?;
    super::server::until_taken("udp", port)?;
    let mut sources = Vec::new();
    // The first speaks from the beginning, and the second when that has said all.
    let spoken = ["lt(t\\,4)", "gte(t\\,4)"];
    for ((party, film), when) in parties[1..].iter().zip(&films).zip(spoken) {
        sources.push(show(lab, party, film)?);
        sources.push(speak(lab, party, when)?);
    }
    sink.succeed(PATIENCE)?;
    for mut source in sources {
        source.succeed(PATIENCE)?;
    }
    for party in &mut parties {
        party.call.succeed(PATIENCE)?;
    }
    answer.succeed(PATIENCE)?;
    judge(lab, &films, &hashes(&read(&seen)?))
}

fn film(lab: &Lab, name: &str, picture: &str) -> Outcome<PathBuf> {
    encode(lab, name, picture, SENT, VP8.encoder)
}

/// SIPp calls the conference with a voice and pictures, and stays for a while.
fn join(lab: &Lab, name: &str, at: &str) -> Outcome<Party> {
    let (audio, video) = (free_pair()?, free_pair()?);
    let text = read(&lab.file("call.xml"))?;
    let (before, rest) = text.split_once("m=audio").ok_or("a scenario without audio")?;
    let (_, after) = rest.split_once("]]>").ok_or("a scenario without an end")?;
    let lines =
        format!("m=audio {audio} RTP/AVP 0\nm=video {video} RTP/AVP 96\na=rtpmap:96 {}\n", VP8.rtpmap);
    let scenario = lab.folder.join(format!("{name}.xml"));
    write(&scenario, &format!("{before}{lines}]]>{after}"))?;
    let said = lab.folder.join(format!("{name}.messages"));
    let mut call = base(lab, name, &scenario, "udp", free_port()?, 1);
    call.arg(at).args(["-s", "room", "-d", "16000", "-trace_msg", "-message_file"]).arg(&said);
    let call = Running::start(&lab.folder, name, &mut call)?;
    let to = |kind, own| told(&said, kind, own);
    Ok(Party { call, audio: (audio, to("audio", audio)?), video: (video, to("video", video)?) })
}

fn show(lab: &Lab, party: &Party, film: &Path) -> Outcome<Running> {
    let (from, to) = party.video;
    let mut source = ffmpeg();
    source.args(["-re", "-r", super::ffmpeg::RATE, "-i"]).arg(film);
    source.args(["-c", "copy", "-payload_type", "96", "-f", "rtp"]);
    source.arg(format!("rtp://127.0.0.1:{to}?localrtpport={from}&pkt_size=1200"));
    Running::start(&lab.folder, &format!("film-{from}"), &mut source)
}

fn speak(lab: &Lab, party: &Party, when: &str) -> Outcome<Running> {
    let (from, to) = party.audio;
    let mut source = ffmpeg();
    let tone = format!("aevalsrc=if({when}\\,0.2*sin(2*PI*500*t)\\,0):s=8000:d=9");
    source.args(["-re", "-f", "lavfi", "-i", &tone, "-c:a", "pcm_mulaw", "-f", "rtp"]);
    source.arg(format!("rtp://127.0.0.1:{to}?localrtpport={from}"));
    Running::start(&lab.folder, &format!("voice-{from}"), &mut source)
}

/// Every picture is one of the films', to the bit, and the second film follows the first.
fn judge(lab: &Lab, films: &[PathBuf], seen: &[String]) -> Outcome<String> {
    let known: Vec<Vec<String>> = films.iter().map(|film| pictures(lab, film)).collect::<Result<_, _>>()?;
    let mut order: Vec<(usize, usize)> = Vec::new();
    for picture in seen {
        let film = known.iter().position(|film| film.contains(picture));
        let Some(film) = film else {
            return Err(Failure::Failed(format!("a picture of neither film, behind {order:?}")));
        };
        match order.last_mut() {
            Some((last, count)) if *last == film => *count += 1,
            _ => order.push((film, 1)),
        }
    }
    // Before anybody is heard to speak, whoever shows something is seen.
    let speaking = if let [(1, _), rest @ ..] = &order[..] { rest } else { &order[..] };
    match *speaking {
        [(0, first), (1, second)] if first >= EACH && second >= EACH => {
            Ok(format!("{first} pictures of who spoke first, then {second} of the other, to the bit"))
        }
        _ => Err(Failure::Failed(format!("seen, by film and count: {order:?}"))),
    }
}
