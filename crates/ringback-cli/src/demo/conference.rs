//! `ringback demo --conference`: a conference of three, with real sockets in real time.
//!
//! Three phones call a fourth program, which brings them together. Each says a tone of its own, in another codec, and records what it
//! hears. The recordings tell who heard whom: each party the two others, and not itself.

use crate::args;
use crate::out::line;
use crate::outcome::Failure;
use ringback::{Audio, AudioCodecs, CallEvent, Conference, Endpoint};
use ringback_media::{AudioSource, read_wav_at_its_rate};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinSet;

/// Who is there, what codec they speak, and the tone that they say.
const PARTIES: [(&str, &str, f64); 3] =
    [("alice", "opus", 400.0), ("bob", "g722", 700.0), ("carol", "pcmu", 1_100.0)];
/// The rate of what they say.
const RATE: u32 = 16_000;
/// How long all of them talk.
const TALK: Duration = Duration::from_secs(3);
/// How long the whole of it may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);
/// How strong a tone is that is heard, and one that is not, against a sine at full scale. What is said has 0.07.
const HEARD: f64 = 0.03;
const NOT_HEARD: f64 = 0.003;

/// Runs the conference, and checks who heard whom.
pub(super) async fn conference(args: args::Demo) -> Result<(), Failure> {
    std::fs::create_dir_all(&args.out)
        .map_err(|error| Failure::Usage(format!("--out: cannot make {}: {error}", args.out.display())))?;
    let host = Endpoint::builder().listen("udp:127.0.0.1:0").answers_anyone().start().await?;
    let room = format!("sip:room@{}", host.listeners()[0].address);
    // Calls for whomever are taken for the first account.
    let _account = host.account(&room).open().await?;
    let hosting = tokio::spawn(take_calls(host));
    let mut calls = JoinSet::new();
    for (name, codec, hertz) in PARTIES {
        let file = heard_by(&args.out, name);
        calls.spawn(call(name, codec.parse().expect("a codec of ours"), hertz, room.clone(), file));
    }
    let all = async {
        while let Some(ended) = calls.join_next().await {
            ended.map_err(|error| Failure::Failed(error.to_string()))??;
        }
        Ok::<_, Failure>(())
    };
    let talked = tokio::time::timeout(PATIENCE, all).await;
    talked.map_err(|_| Failure::Failed("the conference did not end in time".to_owned()))??;
    hosting.abort();
    conclude(&args.out)
}

/// Brings all who call into one conference.
async fn take_calls(host: Endpoint) {
    let conference = Conference::new();
    let mut calls = JoinSet::new();
    while let Some(incoming) = host.incoming().await {
        let (audio, _) = conference.seat();
        if let Ok(mut call) = incoming.answer(audio).await {
            calls.spawn(async move { while call.next().await.is_some() {} });
        }
    }
}

/// One party: calls the conference, says its tone, and records.
async fn call(
    name: &'static str,
    codecs: AudioCodecs,
    hertz: f64,
    room: String,
    record: PathBuf,
) -> Result<(), Failure> {
    let endpoint = Endpoint::builder().listen("udp:127.0.0.1:0").codecs(codecs).start().await?;
    let account = endpoint.account(format!("sip:{name}@127.0.0.1")).open().await?;
    let mut tone = vec![0; (TALK + TALK).as_secs() as usize * RATE as usize];
    AudioSource::tone(hertz, -20.0).fill(RATE, &mut tone);
    let mut call = account.call(room).audio(Audio::samples_at(RATE, tone).record(record)).start().await?;
    let mut hang_up = None;
    loop {
        let over = async {
            match hang_up {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = call.next() => match event {
                Some(CallEvent::Answered(media)) => {
                    line(format_args!("{name:<5} is in the conference with {}, and says {hertz} Hz", media.codec));
                    hang_up = Some(tokio::time::Instant::now() + TALK);
                }
                Some(CallEvent::Ended(summary)) => {
                    if let Some(fault) = summary.fault {
                        return Err(Failure::Failed(fault.to_string()));
                    }
                    break;
                }
                Some(_) => {}
                None => return Err(Failure::Failed(format!("{name}'s phone stopped"))),
            },
            () = over => {
                hang_up = None;
                // Gone says itself in the next event.
                let _ = call.hangup();
            }
        }
    }
    drop((call, account));
    endpoint.shutdown().await;
    Ok(())
}

fn heard_by(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}-heard.wav"))
}

/// Looks for each tone in each recording.
fn conclude(folder: &Path) -> Result<(), Failure> {
    let mut faults = Vec::new();
    line("");
    for (own, ..) in PARTIES {
        let path = heard_by(folder, own);
        let fault = |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", path.display()));
        let file = File::open(&path).map_err(|error| fault(&error))?;
        let (samples, rate) = read_wav_at_its_rate(BufReader::new(file)).map_err(|error| fault(&error))?;
        // The second in the middle: all are there, and nobody is yet leaving.
        let second = rate as usize;
        let middle = samples.get(second..2 * second).unwrap_or_default();
        let mut heard = Vec::new();
        for (other, _, hertz) in PARTIES {
            let strength = strength(middle, hertz, rate);
            let is_right = if other == own { strength < NOT_HEARD } else { strength > HEARD };
            if strength > HEARD {
                heard.push(other);
            }
            if !is_right {
                faults.push(format!("{own} heard {hertz} Hz of {other} with a strength of {strength:.4}"));
            }
        }
        line(format_args!("{own:<5} heard {}", heard.join(" and ")));
    }
    line("");
    for (name, ..) in PARTIES {
        line(heard_by(folder, name).display());
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Failed(faults.join("; "))) }
}

/// How strong a tone is, against a sine at full scale.
fn strength(samples: &[i16], hertz: f64, rate: u32) -> f64 {
    let step = hertz / f64::from(rate) * std::f64::consts::TAU;
    let sum = |wave: fn(f64) -> f64| -> f64 {
        samples.iter().zip(0..).map(|(sample, n)| f64::from(*sample) * wave(step * f64::from(n))).sum()
    };
    (sum(f64::sin).powi(2) + sum(f64::cos).powi(2)).sqrt() / samples.len().max(1) as f64 * 2.0 / 32_767.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_found_and_no_other() {
        let mut tone = vec![0; RATE as usize];
        AudioSource::tone(700.0, -20.0).fill(RATE, &mut tone);
        assert!((strength(&tone, 700.0, RATE) - 0.07).abs() < 0.002);
        assert!(strength(&tone, 400.0, RATE) < NOT_HEARD && strength(&tone, 1_100.0, RATE) < NOT_HEARD);
        assert_eq!(strength(&[], 400.0, RATE), 0.0);
    }
}
