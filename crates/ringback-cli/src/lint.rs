//! `ringback lint`: what a message has that its RFCs do not allow, told as a compiler tells it.

mod find;
mod show;

use crate::args;
use crate::out::{complain, line};
use crate::trace::style;
use find::{Fate, Finding};
use ringback_trace::{CaptureError, CaptureReader};
use serde_json::json;
use show::Source;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::process::ExitCode;

/// The largest message or description that is looked at.
const MAX_INPUT: u64 = 1 << 20;
/// What tells a capture by its first four octets: pcap in either order of octets and resolution, and pcapng.
const CAPTURES: [[u8; 4]; 5] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x0a, 0x0d, 0x0d, 0x0a],
];

/// The input cannot be read (`EX_NOINPUT` of sysexits.h).
const UNREADABLE: u8 = 66;

/// Looks at a file or at standard input. The exit status is 0 where all is by the letter, 1 where something deviates
/// and is read all the same, 2 where something is refused, 66 where the input cannot be read.
pub(crate) fn lint(args: &args::Lint) -> ExitCode {
    let name = args.file.display().to_string();
    let opened: io::Result<Box<dyn Read>> = match name.as_str() {
        "-" => Ok(Box::new(io::stdin().lock())),
        _ => File::open(&args.file).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let shown = if name == "-" { "<stdin>".to_owned() } else { crate::out::plain(&name) };
    let mut linter = Linter { json: args.json, colour: style().colour, ..Linter::default() };
    match opened.map_err(|error| error.to_string()).and_then(|input| linter.input(input, &shown, args.kind)) {
        Ok(()) => {
            linter.summary(&shown);
            ExitCode::from(linter.worst())
        }
        Err(error) => {
            complain(format_args!("cannot read {shown}: {error}"));
            ExitCode::from(UNREADABLE)
        }
    }
}

/// What was looked at, and what came of it.
#[derive(Default)]
struct Linter {
    json: bool,
    colour: bool,
    messages: usize,
    refused: usize,
    deviations: usize,
}

impl Linter {
    fn input(
        &mut self,
        mut input: Box<dyn Read>,
        name: &str,
        kind: Option<args::Kind>,
    ) -> Result<(), String> {
        let mut first = Vec::new();
        input.by_ref().take(4).read_to_end(&mut first).map_err(|error| error.to_string())?;
        if kind.is_none() && CAPTURES.iter().any(|magic| first == magic) {
            return self
                .capture(io::Cursor::new(first).chain(input), name)
                .map_err(|error| error.to_string());
        }
        let mut bytes = first;
        input.take(MAX_INPUT).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 > MAX_INPUT {
            return Err("it is larger than 1 MiB".to_owned());
        }
        self.text(name, &bytes, kind);
        Ok(())
    }

    fn text(&mut self, name: &str, bytes: &[u8], kind: Option<args::Kind>) {
        let is_description = match kind {
            Some(kind) => kind == args::Kind::Sdp,
            None => bytes.starts_with(b"v=0"),
        };
        let findings = if is_description { find::in_description(bytes) } else { find::in_message(bytes) };
        self.tell(&Source::new(name, bytes), &findings);
    }

    /// Each SIP message of a capture; what else there is is passed over.
    fn capture(&mut self, input: impl Read, name: &str) -> Result<(), CaptureError> {
        for packet in CaptureReader::new(BufReader::new(input)) {
            match packet {
                Ok(packet) if find::looks_like_sip(&packet.payload) => {
                    let name = format!("{name}#{}", self.messages + 1);
                    self.tell(&Source::new(&name, &packet.payload), &find::in_message(&packet.payload));
                }
                Ok(_) => {}
                // What was read before counts.
                Err(error) if self.messages > 0 => complain(format_args!("{name}: {error}")),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn tell(&mut self, source: &Source<'_>, findings: &[Finding]) {
        self.messages += 1;
        self.deviations += findings.len();
        self.refused += usize::from(findings.iter().any(|it| it.fate == Fate::Refused));
        for finding in findings {
            if self.json {
                line(source.json(finding));
            } else {
                line(source.text(finding, self.colour));
            }
        }
    }

    fn worst(&self) -> u8 {
        match (self.refused, self.deviations) {
            (1.., _) => 2,
            (_, 1..) => 1,
            _ => 0,
        }
    }

    fn summary(&self, name: &str) {
        let Self { messages, refused, deviations, .. } = *self;
        if self.json {
            return line(json!({
                "file": name, "messages": messages, "refused": refused, "deviations": deviations,
            }));
        }
        let counted =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let verdict = match self.worst() {
            0 => "by the letter",
            1 => "accepted",
            _ if messages == 1 => "refused",
            _ => "some refused",
        };
        let looked_at = match messages {
            1 => String::new(),
            _ => format!("{}, {refused} refused, ", counted(messages, "message")),
        };
        line(format_args!("{name}: {verdict}: {looked_at}{}", counted(deviations, "deviation")));
    }
}
