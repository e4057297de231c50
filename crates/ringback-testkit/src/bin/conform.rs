//! What the parsers say to the torture messages of RFC 4475 and, given a folder, to messages met in the wild.
//!
//! A report for people: `cargo xtask conform` runs it. What must hold is asserted by the tests of the crates; only a
//! verdict or a value that differs from the tables makes this fail.

#![allow(clippy::print_stdout, reason = "a report")]

#[path = "../../../ringback-message/tests/facts/mod.rs"]
mod facts;
#[path = "conform/g722.rs"]
mod g722;

use ringback_message::header::ContentType;
use ringback_message::{Message, Severity};
use ringback_sdp::{Media, SessionDescription};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let torture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ringback-message/tests/fixtures/rfc4475");
    let mut held = torture_report(&torture);
    for folder in std::env::args_os().skip(1).map(PathBuf::from) {
        held &= sip_report(&folder.join("corpus"));
        held &= sdp_report(&folder.join("sdp"));
        held &= g722::report(&folder.join("vectors/g722"));
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints one line a message: its verdict by the table, ours, and how many of the values that the table has of it are
/// ours as well.
fn torture_report(folder: &Path) -> bool {
    let rows = rows(&folder.join("index.tsv"));
    println!("RFC 4475, parsing, validity and values ({} messages)", rows.len());
    let (mut differing, mut facts_in_all, mut wrong_in_all) = (0, 0, 0);
    for row in &rows {
        let [file, name, section, _, verdict, _, _, _, facts, ..] = &row[..] else { continue };
        let Ok(bytes) = std::fs::read(folder.join(file)) else { continue };
        let facts = facts::split(facts);
        let check = |fact: &String| Some(format!("{fact}, but {}", facts::check(&bytes, fact).err()?));
        let wrong: Vec<String> = facts.iter().filter_map(check).collect();
        let ours = match Message::parse(bytes.clone()) {
            Err(error) => Err(format!("refused: {error}")),
            Ok(message) => message.validate().map(drop).map_err(|error| format!("{}: {error}", error.status)),
        };
        let holds = match verdict.as_str() {
            "accept" | "accept first request only" => ours.is_ok(),
            "either" => true,
            _ => ours.is_err(),
        };
        differing += usize::from(!holds);
        facts_in_all += facts.len();
        wrong_in_all += wrong.len();
        let mark = if holds && wrong.is_empty() { ' ' } else { '!' };
        println!(
            "{mark} {section:10} {name:11} {verdict:27} {:2} of {:2} values  {}",
            facts.len() - wrong.len(),
            facts.len(),
            ours.err().as_deref().unwrap_or("accepted")
        );
        wrong.iter().for_each(|line| println!("!   {line}"));
    }
    println!(
        "{} of {} verdicts and {} of {facts_in_all} values hold",
        rows.len() - differing,
        rows.len(),
        facts_in_all - wrong_in_all
    );
    differing + wrong_in_all == 0
}

/// What the collection says is wrong, and the rule under which we find it.
const FOUND_AS: [(&str, &[&str]); 15] = [
    ("bad-via", &["port"]),
    ("open-quote", &["display-name", "auth-param"]),
    ("clen-too-small", &["Content-Length"]),
    ("clen-too-big", &["Content-Length"]),
    ("no-callid", &["Call-ID"]),
    ("bad-cseq", &["CSeq"]),
    ("no-cseq", &["CSeq"]),
    ("cseq-method", &["CSeq method"]),
    ("bad-header", &["message-header"]),
    ("bare-lf", &["CRLF"]),
    ("truncated", &["end of header"]),
    ("missing-headers", &["From"]),
    ("bad-version", &["SIP-Version"]),
    ("start-line-trailing-sp", &["Request-Line"]),
    ("no-via", &["Via"]),
];

/// Messages about which we and the collection differ, by the number that their names begin with, and why.
const EXPLAINED: [(&str, &str); 3] = [
    (
        "126",
        "the collection means a Replaces that is damaged inside of an escaped header of a URI, which is a value by \
         RFC 3261 §19.1.1 as well as any other",
    ),
    (
        "146",
        "the collection does not look into addresses: its `&lt;` is `<` as the page has it that the message was \
         copied from, and `\"mark\" &lt;sip:…` is neither name-addr nor addr-spec (RFC 3261 §25.1)",
    ),
    (
        "169",
        "the collection does not look into addresses: `To:poo <bear@…>` has no scheme and so no URI (RFC 3261 §19.1, \
         §25.1), and a registrar has no address of record to bind (§10.3)",
    ),
];

/// Holds each message against what the collection says of it: one that is not broken is read, and what is broken is
/// found, whether the message is refused for it or not.
fn sip_report(folder: &Path) -> bool {
    let rows = rows(&folder.join("index.tsv"));
    let (mut count, mut read, mut strictly, mut explained, mut differing) = (0, 0, 0, 0, 0);
    let mut lines = Vec::new();
    for row in &rows {
        let [file, _, _, _, _, broken, ..] = &row[..] else { continue };
        let Ok(bytes) = std::fs::read(folder.join(file)) else { continue };
        count += 1;
        let (refused, told) = judge(&bytes);
        read += usize::from(!refused);
        strictly += usize::from(told.is_empty());
        let known = FOUND_AS.iter().find(|(name, _)| name == broken).map(|(_, rules)| *rules);
        let agrees = match (broken.as_str(), known) {
            ("-", _) => !refused,
            (_, Some(rules)) => told.iter().any(|(rule, _)| rules.contains(rule)),
            // Wrong in meaning: it may be read, and something of it has to be seen.
            (broken, None) => broken.starts_with("semantic:") && !told.is_empty(),
        };
        if broken == "-" && agrees {
            continue;
        }
        let why = EXPLAINED.iter().find(|(number, _)| file.starts_with(number)).map(|(_, why)| *why);
        let mark = if agrees || why.is_some() { ' ' } else { '!' };
        differing += usize::from(!agrees && why.is_none());
        explained += usize::from(!agrees && why.is_some());
        let verdict = if refused { "refused" } else { "read" };
        let ours: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).take(3).collect();
        lines.push(format!("{mark} {file}: {verdict}: {} (the collection says: {broken})", ours.join("; ")));
        lines.extend(why.map(|why| format!("    {why}")));
    }
    println!(
        "\nMet in the wild: {count} SIP messages, {read} read, {} refused, {strictly} of them by the letter; {} verdicts \
         hold, {explained} more are explained, {differing} differ",
        count - read,
        count - differing - explained
    );
    lines.iter().for_each(|line| println!("{line}"));
    differing == 0
}

/// Whether a message is refused, and what deviates in it and in the description that it carries: each as its rule and a
/// sentence. What it is refused for comes first.
fn judge(bytes: &[u8]) -> (bool, Vec<(&'static str, String)>) {
    let message = match Message::parse(bytes.to_vec()) {
        Ok(message) => message,
        Err(error) => return (true, vec![(error.rule, error.to_string())]),
    };
    let mut deviations = message.deviations();
    deviations.sort_by_key(|it| std::cmp::Reverse(it.severity));
    let refused = deviations.iter().any(|it| it.severity == Severity::Refused);
    let mut told: Vec<(&str, String)> = deviations.iter().map(|it| (it.rule, it.to_string())).collect();
    let media = message.first::<ContentType<'_>>().and_then(Result::ok);
    if media.is_some_and(|media| media.is("application", "sdp")) {
        match SessionDescription::deviations(message.body()) {
            Ok(found) => told.extend(found.iter().map(|it| (it.rule, it.to_string()))),
            Err(error) => told.push((error.rule, error.to_string())),
        }
    }
    (refused, told)
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
