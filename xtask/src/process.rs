//! Running other programs: what is run is shown, and a failure names the program and its status.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};

/// Cargo as it was called, so that the toolchain stays the same.
pub(crate) fn cargo<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Runs a program on this terminal and waits for it.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let line = shown(command);
    eprintln!("$ {line}");
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(Failure::Failed(format!("`{line}` failed ({status})"))) }
}

/// Runs a program silently and hands back what it wrote to stdout.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let line = shown(command);
    let output = command.stdin(Stdio::null()).output().map_err(|error| cannot_start(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Failed(format!("`{line}` failed ({})\n{}", output.status, words.trim_end())))
}

/// Whether a program can be found on the path.
pub(crate) fn installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// The command line as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("cannot start `{}`: {error}", command.get_program().to_string_lossy()))
}

/// Steps of which all run, whether or not an earlier one failed; the sum is drawn at the end.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration, Option<String>)>,
}

impl Steps {
    /// Runs one step under its name.
    pub(crate) fn step(&mut self, name: &str, run: impl FnOnce() -> Outcome) {
        eprintln!("\n== {name} ==");
        let start = Instant::now();
        let failure = run().err().map(|failure| failure.to_string());
        if let Some(failure) = &failure {
            eprintln!("{failure}");
        }
        self.done.push((name.to_owned(), start.elapsed(), failure));
    }

    /// Draws the sum and fails if any step did.
    pub(crate) fn finish(self) -> Outcome {
        eprintln!();
        for (name, took, failure) in &self.done {
            let mark = if failure.is_none() { "ok    " } else { "FAILED" };
            eprintln!("{mark} {:7.1} s  {name}", took.as_secs_f64());
        }
        let failed: Vec<&str> = self
            .done
            .iter()
            .filter(|(_, _, failure)| failure.is_some())
            .map(|(name, ..)| name.as_str())
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "{} of {} steps failed: {}",
            failed.len(),
            self.done.len(),
            failed.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_does_not_keep_the_next_from_running() {
        let mut steps = Steps::default();
        let mut ran = false;
        steps.step("first", || Err("broken".into()));
        steps.step("second", || {
            ran = true;
            Ok(())
        });
        assert!(ran);
        assert_eq!(steps.finish().unwrap_err().to_string(), "1 of 2 steps failed: first");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = output(&mut Command::new("ringback-no-such-program")).unwrap_err();
        assert!(failure.to_string().starts_with("cannot start `ringback-no-such-program`"));
    }
}
