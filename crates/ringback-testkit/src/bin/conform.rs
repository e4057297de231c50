//! What the parsers say to the torture messages of RFC 4475 and, given a folder, to messages met in the wild.
//!
//! A report for people: `cargo xtask conform` runs it. What must hold is asserted by the tests of the crates; only a
//! verdict that differs from the table makes this fail.

#![allow(clippy::print_stdout, reason = "a report")]

use ringback_message::Message;
use ringback_sdp::{Media, SessionDescription};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let torture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ringback-message/tests/fixtures/rfc4475");
    let mut held = torture_report(&torture);
    for folder in std::env::args_os().skip(1).map(PathBuf::from) {
        wild_report(&folder.join("corpus"), "sip", "SIP messages", |bytes| {
            let message = Message::parse(bytes.to_vec()).map_err(|error| error.to_string())?;
            message.validate().map(drop).map_err(|error| error.to_string())
        });
        held &= sdp_report(&folder.join("sdp"));
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints one line a message: its verdict by the table, and ours.
fn torture_report(folder: &Path) -> bool {
    let rows = rows(&folder.join("index.tsv"));
    println!("RFC 4475, parsing and validity ({} messages)", rows.len());
    let mut differing = 0;
    for row in &rows {
        let [file, name, section, _, verdict, ..] = &row[..] else { continue };
        let Ok(bytes) = std::fs::read(folder.join(file)) else { continue };
        let ours = match Message::parse(bytes) {
            Err(error) => Err(format!("refused: {error}")),
            Ok(message) => message.validate().map(drop).map_err(|error| format!("{}: {error}", error.status)),
        };
        let holds = match verdict.as_str() {
            "accept" | "accept first request only" => ours.is_ok(),
            "either" => true,
            _ => ours.is_err(),
        };
        differing += usize::from(!holds);
        let mark = if holds { ' ' } else { '!' };
        println!(
            "{mark} {section:10} {name:11} {verdict:27} {}",
            ours.err().as_deref().unwrap_or("accepted")
        );
    }
    println!("{} of {} verdicts hold", rows.len() - differing, rows.len());
    differing == 0
}

/// Counts what is read, and names what is refused beside what the collection says of it.
fn wild_report(folder: &Path, ending: &str, what: &str, judge: impl Fn(&[u8]) -> Result<(), String>) {
    let index = rows(&folder.join("index.tsv"));
    let heading = std::fs::read_to_string(folder.join("index.tsv")).unwrap_or_default();
    let column = heading.lines().next().and_then(|row| row.split('\t').position(|name| name == "broken"));
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == ending));
    files.sort();
    let mut refused = Vec::new();
    for path in &files {
        let Ok(bytes) = std::fs::read(path) else { continue };
        if let Err(error) = judge(&bytes) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let row = index.iter().find(|row| row[0] == name);
            let known = row.zip(column).and_then(|(row, column)| row.get(column)).map_or("-", String::as_str);
            refused.push(format!("  {name}: {error} (the collection says: {known})"));
        }
    }
    println!(
        "\nMet in the wild: {} {what}, {} read, {} refused",
        files.len(),
        files.len() - refused.len(),
        refused.len()
    );
    refused.iter().for_each(|line| println!("{line}"));
}

/// Holds each description against what the collection says of it: its media, and whether it is well formed.
fn sdp_report(folder: &Path) -> bool {
    let rows = rows(&folder.join("index.tsv"));
    let (mut count, mut differing) = (0, Vec::new());
    let mut liberties = Vec::new();
    for row in &rows {
        let [file, _, media, broken, ..] = &row[..] else { continue };
        let Ok(bytes) = std::fs::read(folder.join(file)) else { continue };
        count += 1;
        match sdp_verdict(&bytes, media, broken) {
            Ok(deviations) if deviations.is_empty() => {}
            Ok(deviations) => {
                liberties
                    .push(format!("  {file}: {} (the collection says: {broken})", deviations.join(", ")));
            }
            Err(why) => differing.push(format!("! {file}: {why} (the collection says: {broken})")),
        }
    }
    println!(
        "\nMet in the wild: {count} session descriptions, {} verdicts hold, {} of them with liberties",
        count - differing.len(),
        liberties.len()
    );
    liberties.iter().chain(&differing).for_each(|line| println!("{line}"));
    differing.is_empty()
}

/// The liberties that a description takes, when those and its media are what the collection says.
fn sdp_verdict(bytes: &[u8], media: &str, broken: &str) -> Result<Vec<String>, String> {
    let description = SessionDescription::parse(bytes).map_err(|error| error.to_string())?;
    let again = SessionDescription::parse(&description.to_bytes());
    if again.as_ref() != Ok(&description) {
        return Err("reads otherwise when it is written".to_owned());
    }
    let line = |media: &Media| {
        let off = if media.port == 0 { "!0" } else { "" };
        format!("{}/{}{off}", media.kind, media.protocol)
    };
    let ours = description.media.iter().map(line).collect::<Vec<_>>().join(",");
    if ours != media {
        return Err(format!("media {ours}, not {media}"));
    }
    let deviations = SessionDescription::deviations(bytes).map_err(|error| error.to_string())?;
    // What the collection names has to be found, and more of these than it names must not be. It does not look for
    // empty `s=`, for lines out of order, and for `c=` of each medium.
    let named = [
        ("time-field", broken.contains("no t="), true),
        ("media-field", broken.starts_with("m= line"), true),
        ("session-name-field", broken.contains("no s="), false),
        ("connection-field", broken.contains("no c=") || broken.starts_with("c= line"), false),
    ];
    let has = |rule: &str| deviations.iter().any(|it| it.rule == rule);
    let differs =
        |rule: &str, is_named: bool, is_whole: bool| has(rule) != is_named && (is_named || is_whole);
    match named.iter().find(|(rule, is_named, is_whole)| differs(rule, *is_named, *is_whole)) {
        None => Ok(deviations.iter().map(|it| format!("{} at line {}", it.rule, it.line)).collect()),
        Some((rule, ..)) => Err(format!("disagrees about {rule}: {deviations:?}")),
    }
}

fn rows(index: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(index).unwrap_or_default();
    text.lines().skip(1).map(|row| row.split('\t').map(str::to_owned).collect()).collect()
}
