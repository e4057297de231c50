//! `cargo xtask conform`: a report of how far the rules and the fixtures of the RFCs are held.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Outcome, no_arguments};
use crate::process::{cargo, output, run as show};

/// The numbered rules of correctness: what most stacks get wrong, layer by layer.
const RULES: u32 = 84;

/// Prints which rules have a test, then what the parsers say to the torture messages and to messages met in the wild.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments("conform", arguments)?;
    let mut tests: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for file in
        output(Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"]))?
            .lines()
    {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        for (rule, name) in rule_tests(&text) {
            tests.entry(rule).or_default().push(format!("{file}: {name}"));
        }
    }
    print!("{}", report(&tests));
    println!();
    let mut judge = cargo(["run", "--quiet", "--bin", "conform", "--"]);
    match collection() {
        Some(folder) => judge.arg(folder),
        None => {
            println!(
                "No collection of messages met in the wild here (RINGBACK_CONFORMANCE names its folder)."
            );
            &mut judge
        }
    };
    show(&mut judge)
}

/// Where messages met in the wild lie, if anywhere: they are read in place and never part of the repository.
fn collection() -> Option<PathBuf> {
    let named = std::env::var_os("RINGBACK_CONFORMANCE").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from("../shared/conformance"))).filter(|folder| folder.is_dir())
}

/// Test functions that carry the number of a rule: `rule_13_cancel_waits…`, `rules_3_and_4_…`.
fn rule_tests(source: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices("fn rule") {
        let name: String =
            source[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let numbers =
            name.split('_').skip(1).take_while(|word| word.parse::<u32>().is_ok() || *word == "and");
        for number in
            numbers.filter_map(|word| word.parse().ok()).filter(|number| (1..=RULES).contains(number))
        {
            found.push((number, name.clone()));
        }
    }
    found
}

fn report(tests: &BTreeMap<u32, Vec<String>>) -> String {
    let mut text = format!("Rules of correctness with a test: {} of {RULES}\n", tests.len());
    for (rule, names) in tests {
        text.push_str(&format!("{rule:4}  {}\n", names.join("\n      ")));
    }
    let without: Vec<String> =
        (1..=RULES).filter(|rule| !tests.contains_key(rule)).map(|rule| rule.to_string()).collect();
    if !without.is_empty() {
        text.push_str(&format!("Without a test: {}\n", without.join(" ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_rule_is_read_from_the_name_of_its_test() {
        // Put together here, so that this file claims no rule.
        let source =
            ["fn ", "rule_13_cancel_waits() {} fn ", "rules_3_and_4_timers() fn ", "rule_99_none()"].concat();
        let numbers: Vec<u32> = rule_tests(&source).into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [13, 3, 4]);
    }

    /// Every rule of the layers and of the whole has a test under its number. Those of syntax (61 to 84) are held by the
    /// corpora of messages, whose tests have other names.
    #[test]
    fn rule_60_each_rule_has_a_test_under_its_number() {
        let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates"))];
        let mut held: std::collections::BTreeSet<u32> = std::iter::once(60).collect();
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "rs") {
                    let source = std::fs::read_to_string(path).unwrap();
                    held.extend(rule_tests(&source).into_iter().map(|(rule, _)| rule));
                }
            }
        }
        let missing: Vec<u32> = (1..=60).filter(|rule| !held.contains(rule)).collect();
        assert_eq!(missing, [0; 0]);
    }

    #[test]
    fn the_report_counts_rules_and_lists_those_without() {
        let tests = BTreeMap::from([(2, vec!["a.rs: x".to_owned(), "b.rs: y".to_owned()])]);
        let report = report(&tests);
        assert!(
            report.starts_with("Rules of correctness with a test: 1 of 84\n   2  a.rs: x\n      b.rs: y\n")
        );
        assert!(report.contains("Without a test: 1 3 4 "));
    }
}
