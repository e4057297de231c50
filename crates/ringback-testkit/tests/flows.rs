//! The flows of RFCs, a file each, as they are written and in bad weather.

use ringback_testkit::scenario::{as_written, in_weather, random_walk};
use std::path::Path;

/// How many random walks are taken; `cargo xtask sim` takes more.
const WALKS: u64 = 500;
/// How often each is played in bad weather.
const SEEDS: u64 = 300;

fn play(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flows").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let flow = std::fs::read_to_string(&file).unwrap();
        let outcome =
            as_written(&flow).and_then(|_| (0..SEEDS).try_for_each(|seed| in_weather(&flow, seed).map(drop)));
        if let Err(fault) = outcome {
            wrong.push(format!("{}: {fault}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rfc_5407_races() {
    play("rfc5407");
}

#[test]
fn rfc_3665_calls_between_user_agents() {
    play("rfc3665");
}

#[test]
fn rfc_5589_transfers() {
    play("rfc5589");
}

#[test]
fn random_walks_keep_the_laws() {
    for seed in 0..WALKS {
        random_walk(seed).unwrap_or_else(|fault| panic!("{fault}"));
    }
}

#[test]
fn what_random_walks_found() {
    play("found");
}

#[test]
fn rfc_5359_holding() {
    play("rfc5359");
}

#[test]
fn rfc_3311_offers_before_the_answer() {
    play("rfc3311");
}

#[test]
fn rfc_6665_subscriptions() {
    play("rfc6665");
}

#[test]
fn rfc_6086_digits() {
    play("rfc6086");
}

#[test]
fn moves_to_another_address() {
    play("moves");
}

#[test]
fn rfc_3262_reliable_ringing() {
    play("rfc3262");
}

#[test]
fn rfc_3725_calls_between_others() {
    play("rfc3725");
}

#[test]
fn rfc_3428_messages_within_calls() {
    play("rfc3428");
}

#[test]
fn rfc_6141_changes_that_are_refused() {
    play("rfc6141");
}

#[test]
fn calls_that_may_not_disturb() {
    play("disturb");
}
