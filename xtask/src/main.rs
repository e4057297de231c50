//! The developer commands of the workspace: `cargo xtask help` lists them.
//!
//! Std only, one file per command, and CI runs nothing that a contributor cannot run with the same words.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to the person who typed it")]

mod bench;
mod ci;
mod codegen;
mod conform;
mod demo;
mod doc;
mod failure;
mod fuzz;
mod interop;
mod json;
mod kill;
mod process;
mod sim;
mod soak;
mod storm;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use failure::{Failure, Outcome};

struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Outcome,
}

/// All commands, in the order in which a newcomer needs them.
const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        arguments: "",
        about: "build the program and make a first call through a real server",
        run: demo::run,
    },
    Command {
        name: "test",
        arguments: "[CARGO TEST ARGUMENTS]",
        about: "all tests that need nothing but Rust, a C compiler and tmux",
        run: test::run,
    },
    Command {
        name: "ci",
        arguments: "",
        about: "what else must hold before a change lands: format, lints, tidy, docs, corpus, simulation",
        run: ci::run,
    },
    Command {
        name: "tidy",
        arguments: "",
        about: "house rules: layer table, file lengths, no clock or socket below net",
        run: tidy::run,
    },
    Command {
        name: "codegen",
        arguments: "[--check]",
        about: "write the header table of ringback-message from headers.tsv",
        run: codegen::run,
    },
    Command {
        name: "sim",
        arguments: "[--seeds N] [--from S]",
        about: "calls over a lossy virtual network, one per seed",
        run: sim::run,
    },
    Command {
        name: "fuzz",
        arguments: "[TARGET] [--seconds N]",
        about: "fuzz one target or all; replays the corpus where cargo-fuzz is missing",
        run: fuzz::run,
    },
    Command {
        name: "conform",
        arguments: "",
        about: "report: rules with a test, RFC 4475 verdicts, messages met in the wild",
        run: conform::run,
    },
    Command {
        name: "interop",
        arguments: "[PEER] [--binary PATH] [--calls N]",
        about: "the real program with SIPp, baresip, linphonec, Kamailio, SIP.js, sipsak, sipvicious, openssl and tshark",
        run: interop::run,
    },
    Command {
        name: "storm",
        arguments: "[--seconds N] [--seed S]",
        about: "500 hostile connections against the server while calls go through it",
        run: storm::run,
    },
    Command {
        name: "kill",
        arguments: "[--times N]",
        about: "SIGKILL for the server under load: what it acknowledged holds, and calls go on",
        run: kill::run,
    },
    Command {
        name: "soak",
        arguments: "[--minutes N] [--rate R]",
        about: "calls and registrations for a long time: memory, failures and drops, as a graph",
        run: soak::run,
    },
    Command {
        name: "bench",
        arguments: "[--against REV] [FILTER] | parse [--peers] [--instructions] | servers [SCENARIO…] | bindings [--count N]",
        about: "benchmarks; with REV the ratio to that revision, measured in turns; parse: what messages cost; \
                servers: what requests cost us and Kamailio; bindings: what a million of them do",
        run: bench::run,
    },
    Command {
        name: "doc",
        arguments: "[--open]",
        about: "API documentation of the workspace, warnings are errors",
        run: doc::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}

fn dispatch(arguments: &[String]) -> Outcome {
    std::env::set_current_dir(root())
        .map_err(|error| format!("cannot enter the workspace at {}: {error}", root().display()))?;
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", help());
        return Ok(());
    };
    if ["help", "--help", "-h"].contains(&name.as_str()) {
        print!("{}", help());
        return Ok(());
    }
    let command = COMMANDS
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| Failure::Usage(format!("there is no command `{name}`\n\n{}", help())))?;
    if rest.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("cargo xtask {} {}\n    {}", command.name, command.arguments, command.about);
        return Ok(());
    }
    (command.run)(rest)
}

/// The workspace of the checkout in which cargo runs this command, whatever the current folder is.
fn root() -> PathBuf {
    let manifest = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest).parent().map(Path::to_path_buf).unwrap_or_default()
}

fn help() -> String {
    let width = COMMANDS.iter().map(|command| call(command).len()).max().unwrap_or(0);
    let mut text = String::from("usage: cargo xtask COMMAND\n\n");
    for command in COMMANDS {
        text.push_str(&format!("  {:width$}  {}\n", call(command), command.about));
    }
    text
}

fn call(command: &Command) -> String {
    format!("{} {}", command.name, command.arguments).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_command_and_what_it_does() {
        let help = help();
        for command in COMMANDS {
            assert!(help.contains(command.name) && help.contains(command.about), "{}", command.name);
        }
    }

    #[test]
    fn an_unknown_command_is_a_usage_error_that_lists_the_known_ones() {
        let failure = dispatch(&["dmeo".into()]).unwrap_err();
        assert!(matches!(&failure, Failure::Usage(text) if text.contains("`dmeo`") && text.contains("demo")));
    }
}
