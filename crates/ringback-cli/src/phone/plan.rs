//! What happens during a call: play, digits, hold, resume, hang up.

use crate::args::InCall;
use crate::out::{Reporter, plain};
use crate::outcome::Failure;
use crate::phone::score::{media_fields, tell_score};
use crate::phone::typing::Text;
use crate::signals::Stop;
use ringback::{Audio, Call, CallError, CallEvent, EndedBy, MediaInfo, StatusCode, Summary, Transfer};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The audio for the call of this number, from 1.
pub(crate) fn audio(in_call: &InCall, number: u32) -> Audio {
    let audio = match (in_call.audio_at, &in_call.play, in_call.tone) {
        (Some(address), ..) => Audio::elsewhere(address),
        (None, Some(path), _) => Audio::file(path),
        (None, None, Some(tone)) => Audio::tone(in_call.tones.country().cadence(tone)),
        (None, None, None) => Audio::silence(),
    };
    recorded(audio, in_call, number)
}

/// The same audio, recorded where that is asked for.
pub(crate) fn recorded(audio: Audio, in_call: &InCall, number: u32) -> Audio {
    match &in_call.record {
        Some(path) if in_call.record_both => audio.record_both(numbered(path, number)),
        Some(path) => audio.record(numbered(path, number)),
        None => audio,
    }
}

/// `out.wav`, `out-2.wav`, `out-3.wav` …
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    if number <= 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{number}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{number}"),
    };
    path.with_file_name(name)
}

/// The moments at which something is to be done.
#[derive(Default)]
struct Alarms {
    hold: Option<Instant>,
    resume: Option<Instant>,
    transfer: Option<Instant>,
    hang_up: Option<Instant>,
}

impl Alarms {
    fn next(&self) -> Option<Instant> {
        [self.hold, self.resume, self.transfer, self.hang_up].into_iter().flatten().min()
    }
}

/// Leads one call to its end. `patience` is how long an unanswered call may last; `text` is what is said and
/// shown of text beside the audio.
pub(crate) async fn converse(
    mut call: Call,
    in_call: &InCall,
    patience: Option<Duration>,
    mut text: Text<'_>,
    report: &Reporter,
) -> Result<Summary, Failure> {
    let mut alarms =
        Alarms { hang_up: patience.map(|patience| Instant::now() + patience), ..Alarms::default() };
    let mut answered = false;
    let mut to_play = in_call.play.is_some() && in_call.duration.is_none();
    let mut to_dial = in_call.dtmf.is_some();
    let mut stop = Stop::listen()?;
    let mut interrupts = 0;
    // The call that a transfer leads to, and the one that it has led away from.
    let (mut coming, mut leaving): (Option<Call>, Option<Call>) = (None, None);
    loop {
        tokio::select! {
            // Of a call that is over the event comes next.
            line = text.line() => drop(call.send_text(&format!("{line}\n")).await),
            event = call.next() => {
                let Some(event) = event else {
                    return Err(Failure::Failed("the endpoint is shut down".to_owned()));
                };
                match &event {
                    CallEvent::Answered(_) if !answered => {
                        answered = true;
                        let now = Instant::now();
                        alarms.hang_up = in_call.duration.map(|duration| now + duration);
                        alarms.transfer = in_call.transfer_to.as_ref().map(|_| now + in_call.transfer_after);
                        alarms.hold = in_call.hold_after.map(|after| now + after);
                        if let Some(message) = &in_call.text {
                            call.message(message).map_err(CallError::Command)?;
                        }
                        if let Some(digits) = &in_call.dtmf {
                            match in_call.dtmf_by.as_str() {
                                "info" => call.send_digits_by_info(digits).map_err(CallError::Command)?,
                                _ => call.send_digits(digits).await?,
                            }
                        }
                    }
                    CallEvent::Played => to_play = false,
                    CallEvent::DigitsSent | CallEvent::DigitsRefused(_) => to_dial = false,
                    _ => {}
                }
                let done = matches!(
                    event,
                    CallEvent::Played | CallEvent::DigitsSent | CallEvent::DigitsRefused(_)
                );
                if let CallEvent::TransferRequested(transfer) = event {
                    tell_transfer(report, &transfer);
                    coming = transfer.accept(audio(in_call, 2)).await.ok();
                    continue;
                }
                if let CallEvent::Text(came) = &event {
                    text.came(&call, came, report).await;
                }
                if let CallEvent::Ended(summary) = event {
                    text.end(report);
                    tell_end(report, &call, &summary);
                    if let (true, Some(media)) = (in_call.score, &summary.media) {
                        tell_score(report, media);
                    }
                    return Ok(*summary);
                }
                tell(report, &event);
                let plays = in_call.play.is_some() && in_call.duration.is_none();
                if done && plays && !to_play && !to_dial && alarms.resume.is_none() && alarms.hold.is_none() {
                    let _ = call.hangup();
                }
            }
            event = next_of(&mut coming) => {
                tell(report, &event);
                if matches!(event, CallEvent::Ended(_)) {
                    coming = None;
                } else if let (CallEvent::Answered(_), Some(new)) = (&event, coming.take_if(|_| matches!(event, CallEvent::Answered(_)))) {
                    leaving = Some(std::mem::replace(&mut call, new));
                    alarms = Alarms { hang_up: in_call.duration.map(|duration| Instant::now() + duration), ..Alarms::default() };
                }
            }
            event = next_of(&mut leaving) => if let CallEvent::Ended(summary) = event
                && let Some(old) = leaving.take()
            {
                tell_end(report, &old, &summary);
            },
            () = until(alarms.next()) => {
                let now = Instant::now();
                if alarms.hang_up.take_if(|at| *at <= now).is_some() {
                    let _ = call.hangup();
                } else if alarms.transfer.take_if(|at| *at <= now).is_some() {
                    if let Some(target) = &in_call.transfer_to {
                        call.transfer(target)?;
                    }
                } else if alarms.hold.take_if(|at| *at <= now).is_some() {
                    if call.hold().is_ok() {
                        alarms.resume = in_call.resume_after.map(|after| now + after);
                    }
                } else if alarms.resume.take_if(|at| *at <= now).is_some() {
                    let _ = call.resume();
                }
            }
            _ = stop.told() => {
                interrupts += 1;
                if interrupts > 1 {
                    return Err(Failure::Failed("interrupted".to_owned()));
                }
                let _ = call.hangup();
            }
        }
    }
}

/// The next event of a call, where there is one.
async fn next_of(call: &mut Option<Call>) -> CallEvent {
    match call {
        Some(call) => match call.next().await {
            Some(event) => event,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn tell(report: &Reporter, event: &CallEvent) {
    match event {
        CallEvent::Trying => report.tell("trying", [], "trying"),
        CallEvent::Ringing(status) => {
            report.tell(
                "ringing",
                [("status", status.as_u16().into())],
                format!("{status} {}", status.reason()),
            );
        }
        CallEvent::Redirected(target) => {
            let target = plain(target);
            let text = format!("redirected to {target}");
            report.tell("redirected", [("target", target.into())], text);
        }
        CallEvent::TransferProgress(status) => {
            report.tell("transferring", [("status", status.as_u16().into())], format!("transfer: {status}"));
        }
        CallEvent::TransferEnded(status) => {
            let text = format!("transfer: {status} {}", status.reason());
            report.tell("transferred", [("status", status.as_u16().into())], text);
        }
        CallEvent::EarlyMedia(media) => {
            report.tell("early-media", fields(media), "the other side plays already")
        }
        CallEvent::Answered(media) => {
            let mut text = match media.remote {
                Some(remote) => format!("answered, talking {} with {remote}", media.codec),
                None => format!("answered, talking {}", media.codec),
            };
            text.push_str(&format!("; {}", protection(media)));
            report.tell("answered", fields(media), text);
        }
        CallEvent::Path(to) => {
            report.tell("path", [("remote", to.to_string().into())], format!("media go to {to}, by ICE"));
        }
        CallEvent::Secured(profile) => {
            let text = format!("media: SRTP {}, keys by DTLS", profile.name());
            report.tell("secured", [("profile", profile.name().into())], text);
        }
        CallEvent::MediaFailed(reason) => {
            let reason = plain(reason);
            report.tell("media-failed", [("reason", reason.clone().into())], format!("no media: {reason}"));
        }
        CallEvent::RelayLost => {
            report.tell("relay-lost", [], "the TURN server is gone".to_owned());
        }
        CallEvent::Changed(media) => {
            let text = match (media.held_by_us, media.held_by_them) {
                (false, false) => "talking again",
                (true, false) => "held by us",
                (false, true) => "held by the other side",
                (true, true) => "held by both sides",
            };
            let text = format!("{text}; {}", protection(media));
            report.tell("changed", fields(media), text);
        }
        CallEvent::ChangeRefused(status, reason) => {
            let reason = plain(reason);
            let text = format!("not changed: {status} {reason}");
            report.tell(
                "change-refused",
                [("status", status.as_u16().into()), ("reason", reason.into())],
                text,
            );
        }
        CallEvent::Digit(digit) => {
            report.tell("digit", [("digit", digit.to_string().into())], format!("digit {digit}"));
        }
        CallEvent::Connected(identity) => {
            let identity = plain(identity);
            let text = format!("connected to {identity}");
            report.tell("connected", [("identity", identity.into())], text);
        }
        CallEvent::DigitsSent => report.tell("digits-sent", [], "digits sent"),
        CallEvent::DigitsRefused(status) => {
            let text = format!("digits refused: {status} {}", status.reason());
            report.tell("digits-refused", [("status", status.as_u16().into())], text);
        }
        CallEvent::MessageSent(status) => {
            let text = format!("message: {status} {}", status.reason());
            report.tell("message-sent", [("status", status.as_u16().into())], text);
        }
        CallEvent::Played => report.tell("played", [], "played"),
        _ => {}
    }
}

fn tell_transfer(report: &Reporter, transfer: &Transfer) {
    let target = plain(transfer.target());
    let text = format!("asked to call {target}");
    report.tell("transfer-requested", [("target", target.into())], text);
}

/// How packets are protected, in words.
fn protection(media: &MediaInfo) -> String {
    match &media.encryption {
        Some(suite) => format!("media: SRTP {}", plain(suite)),
        None => "media: RTP, not encrypted".to_owned(),
    }
}

fn fields(media: &MediaInfo) -> [(&'static str, Value); 5] {
    [
        ("codec", media.codec.as_str().into()),
        ("encryption", media.encryption.as_deref().map(plain).into()),
        ("remote", media.remote.map(|remote| remote.to_string()).into()),
        ("held_by_us", media.held_by_us.into()),
        ("held_by_them", media.held_by_them.into()),
    ]
}

fn tell_end(report: &Reporter, call: &Call, summary: &Summary) {
    let by = match summary.ending.by {
        EndedBy::Us => "us",
        EndedBy::Peer => "peer",
        EndedBy::Network => "network",
    };
    let milliseconds = |duration: Option<Duration>| duration.map(|duration| duration.as_millis() as u64);
    let ending = plain(&summary.ending.to_string());
    let mut text = format!("ended {ending}");
    if let Some(talk) = summary.talk {
        text.push_str(&format!(" after {:.1} s", talk.as_secs_f64()));
    }
    if let Some(media) = &summary.media {
        text.push_str(&format!(
            "; {} packets out, {} in, {} lost, jitter {:.1} ms",
            media.packets_sent,
            media.packets_received,
            media.lost,
            media.jitter.as_secs_f64() * 1e3
        ));
        if media.recovered > 0 {
            text.push_str(&format!(", {} lost packets found again", media.recovered));
        }
        if let Some(profile) = media.encryption {
            text.push_str(&format!("; media: SRTP {profile}, {} refused", media.forged));
        }
    }
    report.tell(
        "ended",
        [
            ("by", by.into()),
            ("status", summary.ending.status.map(StatusCode::as_u16).into()),
            ("reason", plain(&summary.ending.reason).into()),
            ("advice", summary.ending.advice.as_ref().map(|advice| plain(&advice.to_string())).into()),
            ("call_id", plain(call.call_id()).into()),
            ("setup_ms", milliseconds(summary.setup).into()),
            ("talk_ms", milliseconds(summary.talk).into()),
            ("recorded_ms", milliseconds(summary.recorded).into()),
            ("media", summary.media.as_ref().map_or(Value::Null, media_fields)),
        ],
        text,
    );
    if let Some(fault) = &summary.fault {
        crate::out::complain(fault);
    }
}

/// What a call that is over means for the exit status.
pub(crate) fn verdict(summary: &Summary) -> Result<(), Failure> {
    if let Some(fault) = &summary.fault {
        return Err(Failure::Failed(fault.to_string()));
    }
    match (summary.setup, summary.ending.by) {
        (Some(_), EndedBy::Us | EndedBy::Peer) => Ok(()),
        (Some(_), EndedBy::Network) => {
            Err(Failure::Failed(format!("the call broke off: {}", summary.ending)))
        }
        (None, EndedBy::Us) => Err(Failure::Unanswered("nobody answered".to_owned())),
        (None, _) => Err(Failure::of_status(
            summary.ending.status,
            plain(&format!("the call did not come about: {}", summary.ending)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_of_later_calls_get_numbers() {
        let path = Path::new("out/bob.wav");
        assert_eq!(numbered(path, 1), path);
        assert_eq!(numbered(path, 2), Path::new("out/bob-2.wav"));
        assert_eq!(numbered(Path::new("bob"), 3), Path::new("bob-3"));
    }
}
