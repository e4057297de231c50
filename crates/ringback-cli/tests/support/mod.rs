//! Running the real program.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Longer than a program needs for what a test waits for, also where much else runs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program with these arguments, in a folder of its own.
pub(crate) fn ringback(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
    command
        .args(args)
        .stdin(Stdio::null())
        .env("ALICE", "wonderland")
        .env("BOB", "builder")
        .env("WRONG", "wrong");
    command
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    ringback(args).output().expect("the program starts")
}

/// What it printed, for assertions.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A folder that goes away with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringback-{name}-{}", std::process::id()));
        // What a test that was killed has left behind.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the folder for temporary files can be written");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program that runs in the background and ends with the test.
pub(crate) struct Running {
    child: Child,
    /// A receiver may be used by one thread at a time; some tests share the whole.
    lines: Mutex<Receiver<String>>,
    /// Everything it printed so far.
    pub(crate) seen: String,
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::of(&mut ringback(args))
    }

    /// Starts it with its log in a file.
    pub(crate) fn logged(args: &[&str], log: &str) -> Self {
        let log = std::fs::File::create(log).expect("the log can be written");
        Self::of(ringback(args).stderr(log))
    }

    fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let (line, lines) = channel();
        std::thread::spawn(move || {
            loop {
                let mut next = String::new();
                let read = output.read_line(&mut next).expect("its output can be read");
                // Who started it may be gone.
                if read == 0 || line.send(next).is_err() {
                    return;
                }
            }
        });
        Self { child, lines: Mutex::new(lines), seen: String::new() }
    }

    /// Waits until a line holds `what`, and gives that line.
    pub(crate) fn wait_for(&mut self, what: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let lines = self.lines.get_mut().expect("nobody else reads");
        loop {
            let line = match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended before it said `{what}`:\n{}", self.seen)
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it did not say `{what}` in {PATIENCE:?}:\n{}", self.seen)
                }
            };
            self.seen.push_str(&line);
            if line.contains(what) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Waits for the end of its output.
    pub(crate) fn rest(&mut self) -> String {
        self.seen.extend(self.lines.get_mut().expect("nobody else reads").iter());
        self.seen.clone()
    }

    /// Sends a signal by its number.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(name).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {name}");
    }

    /// What the system calls it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().expect("it was started")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server with Alice and Bob, and the address of its listener.
pub(crate) struct Server {
    pub(crate) process: Running,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(more: &[&str]) -> Self {
        let mut args = vec!["serve", "--listen", "udp:127.0.0.1:0", "--domain", "example.com"];
        args.extend(more);
        let mut process = Running::start(&args);
        let line = process.wait_for("listening udp:");
        let address = line.trim_start_matches("listening udp:").to_owned();
        process.wait_for("ready");
        Self { process, address }
    }

    pub(crate) fn with_users() -> Self {
        Self::start(&["--ephemeral", "--user", "alice:wonderland", "--user", "bob:builder"])
    }
}
