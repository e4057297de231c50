//! Replays the committed fuzz corpus, so that what a fuzzer once found stays found on stable Rust.

#![allow(clippy::print_stdout, reason = "the last line before a failure names the input")]

use ringback_testkit::fuzz;
use std::path::{Path, PathBuf};

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

#[test]
fn every_committed_input_keeps_the_laws_of_its_target() {
    let mut replayed = 0;
    for (target, _) in fuzz::TARGETS {
        let folder = corpus(target);
        let files =
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for file in files {
            let path = file.unwrap().path();
            println!("{}", path.display());
            fuzz::run(target, &std::fs::read(&path).unwrap());
            replayed += 1;
        }
    }
    assert!(replayed >= fuzz::TARGETS.len(), "every target has a corpus");
}

#[test]
fn every_target_has_its_five_lines_in_the_fuzz_workspace() {
    for (target, _) in fuzz::TARGETS {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fuzz/fuzz_targets/{target}.rs"));
        let text =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(text.contains(&format!("fuzz::run(\"{target}\"")), "{}", file.display());
    }
}
