//! `cargo xtask tidy`: the house rules that a compiler does not keep.
//!
//! The plan of the house is `docs/architecture.md`: its layer table and its list of what the root may hold are read
//! from there, so that the page and the rule cannot part.

mod layers;
mod plan;
mod rust;
mod sources;

use std::process::Command;

use crate::failure::{Failure, Outcome, no_arguments};
use crate::json::Json;
use crate::process::{cargo, output};

const PLAN: &str = "docs/architecture.md";

/// Checks all rules and prints every breach with its place.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments("tidy", arguments)?;
    let text = std::fs::read_to_string(PLAN).map_err(|error| format!("{PLAN}: {error}"))?;
    let plan = plan::Plan::read(&text)?;
    let metadata =
        Json::parse(&output(&mut cargo(["metadata", "--format-version", "1", "--no-deps", "--offline"]))?)?;
    let packages = layers::packages(&metadata);
    let files = tracked_files()?;

    let mut breaches = plan.breaches_of_order();
    breaches.extend(layers::breaches(&plan, &packages));
    breaches.extend(layers::ban_list_breaches(&packages, &files));
    breaches.extend(plan.breaches_of_root(&files));
    for file in &files {
        // Bytes that are no text (recordings, captures, corpora) have no lines to judge.
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        breaches.extend(sources::breaches(file, &text));
    }
    if breaches.is_empty() {
        println!("tidy: {} crates and {} files keep the house rules", packages.len(), files.len());
        return Ok(());
    }
    for breach in &breaches {
        println!("{breach}");
    }
    Err(Failure::Failed(format!("{} house rules broken; {PLAN} says what they are for", breaches.len())))
}

/// What git has or would add, so that a new file is judged before it is committed.
fn tracked_files() -> Outcome<Vec<String>> {
    let list =
        output(Command::new("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let mut files: Vec<String> =
        list.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect();
    files.retain(|file| std::path::Path::new(file).is_file());
    files.sort();
    files.dedup();
    Ok(files)
}
