//! Programs that run beside the test: their words go to a log, and they end when the test does.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};
use crate::process::shown;

/// How often a process is asked whether it has ended.
const GLANCE: Duration = Duration::from_millis(20);

/// A running program. Dropping it kills it.
pub(crate) struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    lines: Receiver<String>,
}

impl Running {
    /// Starts a program; what it says goes to `NAME.log` in `folder`, and the lines of stdout can be waited for.
    pub(crate) fn start(folder: &Path, name: &str, command: &mut Command) -> Outcome<Self> {
        let log = folder.join(format!("{name}.log"));
        let mut file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let _ = writeln!(file, "$ {}", shown(command));
        let errors = file.try_clone().map_err(|error| format!("{}: {error}", log.display()))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("cannot start {name} (`{}`): {error}", shown(command)))?;
        let (sender, lines) = channel();
        if let Some(out) = child.stdout.take() {
            thread::spawn(move || {
                let mut out = BufReader::new(out);
                let mut line = Vec::new();
                // Not every program writes UTF-8, and none may be stopped by it.
                while out.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                    let _ = file.write_all(&line);
                    let _ = sender.send(String::from_utf8_lossy(&line).trim_end().to_owned());
                    line.clear();
                }
            });
        }
        Ok(Self { name: name.to_owned(), child, log, lines })
    }

    /// The next line of stdout for which `wanted` gives a value.
    pub(crate) fn line<T>(
        &mut self,
        within: Duration,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> Outcome<T> {
        let end = Instant::now() + within;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(value) = wanted(&line) {
                        return Ok(value);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Err(self.failed("did not say what was waited for")),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.failed("ended before it said what was waited for"));
                }
            }
        }
    }

    /// The lines of stdout that came since the last time, without waiting for any.
    pub(crate) fn said(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Waits for the end and hands back the status.
    pub(crate) fn wait(&mut self, within: Duration) -> Outcome<ExitStatus> {
        let end = Instant::now() + within;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < end => thread::sleep(GLANCE),
                Ok(None) => return Err(self.failed(&format!("did not end within {} s", within.as_secs()))),
                Err(error) => return Err(self.failed(&error.to_string())),
            }
        }
    }

    /// Waits for the end, which must be a success.
    pub(crate) fn succeed(&mut self, within: Duration) -> Outcome {
        let status = self.wait(within)?;
        if status.success() { Ok(()) } else { Err(self.failed(&format!("ended with {status}"))) }
    }

    /// The number that the system knows it by.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end (SIGTERM) and waits; the status tells whether it went in an orderly way.
    pub(crate) fn terminate(&mut self, within: Duration) -> Outcome<ExitStatus> {
        // Std knows only SIGKILL; `kill` is there on every Unix.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        self.wait(within)
    }

    /// A failure that names the program, what was wrong and the last words of its log.
    pub(crate) fn failed(&self, what: &str) -> Failure {
        let text = std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(12)..].join("\n    ");
        Failure::Failed(format!("{} {what}; the end of {}:\n    {last}", self.name, self.log.display()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ringback-child-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn lines_are_waited_for_and_the_log_keeps_them() {
        let folder = folder();
        let mut shell =
            Running::start(&folder, "talker", Command::new("sh").args(["-c", "echo a; echo b 5"])).unwrap();
        let five =
            shell.line(Duration::from_secs(5), |line| line.strip_prefix("b ").map(str::to_owned)).unwrap();
        assert_eq!(five, "5");
        shell.succeed(Duration::from_secs(5)).unwrap();
    }

    #[test]
    fn a_failure_shows_the_end_of_the_log() {
        let folder = folder();
        let mut shell =
            Running::start(&folder, "loser", Command::new("sh").args(["-c", "echo no >&2; exit 3"])).unwrap();
        let failure = shell.succeed(Duration::from_secs(5)).unwrap_err().to_string();
        assert!(failure.contains("loser ended with exit status: 3") && failure.contains("no"), "{failure}");
    }

    #[test]
    fn what_does_not_end_is_reported_and_killed_with_the_test() {
        let folder = folder();
        let mut sleeper = Running::start(&folder, "sleeper", Command::new("sleep").arg("60")).unwrap();
        assert!(sleeper.wait(Duration::from_millis(30)).unwrap_err().to_string().contains("did not end"));
        assert!(sleeper.is_alive());
        let status = sleeper.terminate(Duration::from_secs(5)).unwrap();
        assert!(!status.success());
    }
}
