//! Being told to stop, and to read the configuration again.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM, from the moment that it is made: a signal that comes before anybody waits is not lost.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one. Cancel safe.
    pub(crate) async fn told(&mut self) -> Told {
        tokio::select! {
            _ = self.interrupt.recv() => Told::Interrupt,
            _ = self.terminate.recv() => Told::Terminate,
        }
    }
}

/// How a program is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// SIGINT: now.
    Interrupt,
    /// SIGTERM: when it suits.
    Terminate,
}

/// A signal that ends nothing.
pub(crate) struct Again(Signal);

impl Again {
    /// SIGHUP: to read the configuration again; for what has none, that its terminal is gone.
    pub(crate) fn hang_up() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// SIGUSR2: to start another process, which takes over.
    pub(crate) fn restart() -> io::Result<Self> {
        signal(SignalKind::user_defined2()).map(Self)
    }

    /// Waits for the next one. Cancel safe.
    pub(crate) async fn told(&mut self) {
        self.0.recv().await;
    }
}
