//! `ringback trace`.

use crate::args;
use crate::out::line;
use crate::outcome::Failure;
use crate::phone::numbered;
use ringback_trace::{Call, Calls, CaptureReader, Names, TextStyle};
use std::fs::File;
use std::io::{BufReader, IsTerminal as _};
use std::path::Path;

/// Draws the calls of a capture.
pub(crate) fn trace(args: &args::Trace) -> Result<(), Failure> {
    let file = File::open(&args.file)
        .map_err(|error| Failure::Usage(format!("cannot open {}: {error}", args.file.display())))?;
    let mut calls = Calls::new();
    let mut packets = 0u64;
    for packet in CaptureReader::new(BufReader::new(file)) {
        match packet {
            Ok(packet) => {
                packets += 1;
                calls.add(&packet);
            }
            // What was read before is still worth seeing.
            Err(error) if packets > 0 => {
                crate::out::complain(format_args!("{}: {error}", args.file.display()))
            }
            Err(error) => return Err(Failure::Usage(format!("{}: {error}", args.file.display()))),
        }
    }
    let wanted = |call: &&Call| args.call.as_ref().is_none_or(|text| call.call_id().contains(text.as_str()));
    let chosen: Vec<&Call> = calls.iter().filter(wanted).collect();
    if chosen.is_empty() {
        return Err(Failure::Failed(match &args.call {
            Some(text) => format!("no call in {} has `{text}` in its Call-ID", args.file.display()),
            None => format!("no SIP in {} ({packets} packets)", args.file.display()),
        }));
    }
    for (index, call) in chosen.iter().enumerate() {
        if index > 0 {
            line("");
        }
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let svg = args.svg.as_ref().map(|path| numbered(path, number));
        draw(call, &Names::new(), args.messages, svg.as_deref())?;
    }
    Ok(())
}

/// Draws one call to standard output, and as SVG where a path is given.
pub(crate) fn draw(call: &Call, names: &Names, messages: bool, svg: Option<&Path>) -> Result<(), Failure> {
    line(call.summary(names));
    for sentence in call.story(names) {
        line(format_args!("  {sentence}"));
    }
    line("");
    let ladder = call.ladder(names);
    line(ladder.text(&style()).trim_end());
    if messages {
        for message in call.messages() {
            line("");
            line(message.trim_end());
        }
    }
    if let Some(path) = svg {
        std::fs::write(path, ladder.svg())
            .map_err(|error| Failure::Failed(format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(())
}

/// As wide as the terminal says, in colour where it is one.
pub(crate) fn style() -> TextStyle {
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let default = TextStyle::default();
    TextStyle { width: width.unwrap_or(default.width), colour, ..default }
}
