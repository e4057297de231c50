//! A call in sentences, for `ringback why`.

use crate::calls::{Call, Entry};
use crate::message::Kind;
use crate::names::Names;
use ringback_sansio::Set;
use std::time::Duration;

/// Each line is a time since the first message, in seconds, and a sentence.
pub(crate) fn tell(call: &Call, names: &Names) -> Vec<String> {
    let name = |address| names.of(call.participant(address, names));
    let mut teller = Teller { held: false, answered: false, asked: false };
    let mut told = Vec::new();
    let mut seen = Set::default();
    let line = |time: Duration, text: String| {
        format!("{:>9.3}  {text}", time.saturating_sub(call.begin()).as_secs_f64())
    };
    for entry in call.entries.iter().filter(|it| !it.again) {
        // A message that a proxy passes on tells nothing new.
        let it = &entry.described;
        let news = seen.insert((format!("{:?}", it.kind), it.method.clone(), it.sequence));
        if let Some(text) = teller.sentence(entry, name(entry.packet.source)).filter(|_| news) {
            told.push((entry.packet.time, line(entry.packet.time, text)));
        }
    }
    for run in &call.media.runs {
        let (from, to) = (call.media_owner(run.source), call.media_owner(run.destination));
        let text = format!(
            "audio flows from {} to {}: {} packets of {}, {} lost",
            name(from),
            name(to),
            run.packets,
            run.codec,
            run.lost()
        );
        told.push((run.begin, line(run.begin, text)));
    }
    for digit in &call.media.digits {
        let text = format!("{} dials {}", name(call.media_owner(digit.source)), digit.event);
        told.push((digit.time, line(digit.time, text)));
    }
    told.sort_by_key(|(time, _)| *time);
    let mut lines: Vec<String> = told.into_iter().map(|(_, line)| line).collect();
    lines.extend(remarks(call));
    lines
}

/// What to keep in mind from one message to the next.
struct Teller {
    held: bool,
    answered: bool,
    asked: bool,
}

impl Teller {
    fn sentence(&mut self, entry: &Entry, who: String) -> Option<String> {
        let it = &entry.described;
        let direction = it.media.first().map(|line| line.direction);
        Some(match (it.kind, it.method.as_str()) {
            (Kind::Request, "INVITE") if it.in_dialog => match direction {
                Some(direction) if !direction.receives() => {
                    self.held = true;
                    format!("{who} puts the call on hold")
                }
                Some(_) if std::mem::take(&mut self.held) => format!("{who} resumes the call"),
                _ => format!("{who} changes or refreshes the session"),
            },
            (Kind::Request, "INVITE") if std::mem::take(&mut self.asked) => {
                format!("{who} calls again, with credentials")
            }
            (Kind::Request, "INVITE") => format!("{who} calls {}", it.about),
            (Kind::Request, "REGISTER") if std::mem::take(&mut self.asked) => {
                format!("{who} registers again, with credentials")
            }
            (Kind::Request, "REGISTER") => format!("{who} registers {}", it.to),
            (Kind::Request, "CANCEL") => format!("{who} gives up"),
            (Kind::Request, "BYE") => format!("{who} hangs up"),
            (Kind::Request, "ACK" | "PRACK") => return None,
            (Kind::Request, method) => format!("{who} sends {method}"),
            (Kind::Response(100), _) => return None,
            (Kind::Response(180), _) => format!("{who} rings"),
            (Kind::Response(status @ 101..200), _) => format!("{who} reports {status} {}", it.about),
            (Kind::Response(200..300), "INVITE") if std::mem::replace(&mut self.answered, true) => {
                return None;
            }
            (Kind::Response(200..300), "INVITE") => format!("{who} answers"),
            (Kind::Response(200..300), "REGISTER") => format!("{who} accepts the registration"),
            (Kind::Response(200..300), "BYE" | "CANCEL" | "PRACK") => return None,
            (Kind::Response(401 | 407), _) => {
                self.asked = true;
                format!("{who} asks for credentials")
            }
            (Kind::Response(487), "INVITE") => format!("{who} confirms that the call was given up"),
            (Kind::Response(status @ 200..300), method) => {
                format!("{who} answers {method} with {status} {}", it.about)
            }
            (Kind::Response(status), method) => format!("{who} refuses {method}: {status} {}", it.about),
        })
    }
}

/// What was missing or came twice.
fn remarks(call: &Call) -> Vec<String> {
    let mut out = Vec::new();
    let again = call.entries.iter().filter(|it| it.again).count();
    if again > 0 {
        out.push(format!("           {again} of {} messages had to be sent again", call.entries.len()));
    }
    let has = |test: &dyn Fn(&Entry) -> bool| call.entries.iter().any(test);
    let answered =
        has(&|it| matches!(it.described.kind, Kind::Response(200..300)) && it.described.method == "INVITE");
    let request =
        |it: &Entry, method: &str| it.described.kind == Kind::Request && it.described.method == method;
    if answered && !has(&|it| request(it, "ACK")) {
        out.push("           the answer was never acknowledged".to_owned());
    }
    if answered && !has(&|it| request(it, "BYE")) {
        out.push("           nobody has hung up".to_owned());
    }
    if !has(&|it| matches!(it.described.kind, Kind::Response(_))) {
        out.push("           there was no response at all".to_owned());
    }
    if call.omitted > 0 {
        out.push(format!("           {} further messages are not kept", call.omitted));
    }
    out
}
