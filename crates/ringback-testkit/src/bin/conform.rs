//! What the parsers say to the torture messages of RFC 4475 and, given a folder, to messages met in the wild.
//!
//! A report for people: `cargo xtask conform` runs it. What must hold is asserted by the tests of the crates; only a
//! verdict that differs from the table makes this fail.

#![allow(clippy::print_stdout, reason = "a report")]

use ringback_message::Message;
use ringback_sdp::SessionDescription;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let torture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ringback-message/tests/fixtures/rfc4475");
    let held = torture_report(&torture);
    for folder in std::env::args_os().skip(1).map(PathBuf::from) {
        wild_report(&folder.join("corpus"), "sip", "SIP messages", |bytes| {
            let message = Message::parse(bytes.to_vec()).map_err(|error| error.to_string())?;
            message.validate().map(drop).map_err(|error| error.to_string())
        });
        wild_report(&folder.join("sdp"), "sdp", "session descriptions", |bytes| {
            SessionDescription::parse(bytes).map(drop).map_err(|error| error.to_string())
        });
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

fn rows(index: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(index).unwrap_or_default();
    text.lines().skip(1).map(|row| row.split('\t').map(str::to_owned).collect()).collect()
}
