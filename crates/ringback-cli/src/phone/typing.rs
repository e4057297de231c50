//! Text during a call: what stands on standard input, and what comes, line by line.

use crate::out::{Reporter, plain};
use ringback::{Call, Transcript};
use std::io::BufRead as _;
use tokio::sync::mpsc;

/// Lines that wait to be sent.
const WAITING: usize = 16;

/// What is typed on standard input, from the moment that this is made.
pub(crate) struct Typing(mpsc::Receiver<String>);

impl Typing {
    /// Begins to read. The thread that does ends with its input, or with the program.
    pub(crate) fn listen() -> Self {
        let (lines, typed) = mpsc::channel(WAITING);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if lines.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self(typed)
    }

    /// The next line; never, where there is none any more. Cancel safe.
    async fn line(&mut self) -> String {
        match self.0.recv().await {
            Some(line) => line,
            None => std::future::pending().await,
        }
    }
}

/// The text of one call.
#[derive(Default)]
pub(crate) struct Text<'a> {
    typing: Option<&'a mut Typing>,
    echoes: bool,
    transcript: Transcript,
}

impl<'a> Text<'a> {
    /// What is typed is sent.
    pub(crate) fn typed(typing: Option<&'a mut Typing>) -> Self {
        Self { typing, ..Self::default() }
    }

    /// What comes is sent back, where that is asked for.
    pub(crate) fn echoed(echoes: bool) -> Self {
        Self { echoes, ..Self::default() }
    }

    /// The next line to send; never, where there is none. Cancel safe.
    pub(crate) async fn line(&mut self) -> String {
        match &mut self.typing {
            Some(typing) => typing.line().await,
            None => std::future::pending().await,
        }
    }

    /// Shows the lines that what has come completes, and sends it back where that is asked for.
    pub(crate) async fn came(&mut self, call: &Call, text: &str, report: &Reporter) {
        self.transcript.push(text).iter().for_each(|line| tell(report, line));
        if self.echoes {
            // A call that is over needs no echo.
            let _ = call.send_text(text).await;
        }
    }

    /// Shows what was begun, as nothing follows.
    pub(crate) fn end(&mut self, report: &Reporter) {
        if !self.transcript.line().is_empty() {
            tell(report, &self.transcript.end());
        }
    }
}

fn tell(report: &Reporter, line: &str) {
    let line = plain(line);
    report.tell("text", [("text", line.as_str().into())], format!("text: {line}"));
}
