//! Ending without hurting calls: nothing new is taken, and what is up goes on until it is over.

use crate::core::ServerCore;
use std::time::{Duration, Instant};

/// How often it is looked whether everything is over.
const LOOK: Duration = Duration::from_millis(50);

/// Refuses what is new from now on, and waits until nothing is up any more, at most for `most`. Gives how many calls are up
/// even then.
pub(crate) async fn drain(core: &ServerCore, most: Duration) -> usize {
    core.set_draining(true);
    let until = Instant::now() + most;
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let up = core.up();
        if up.calls == 0 && up.unanswered == 0 {
            tracing::info!("everything is over");
            return 0;
        }
        if Instant::now() >= until {
            tracing::warn!(calls = up.calls, unanswered = up.unanswered, "the time for it is over");
            return up.calls;
        }
    }
}

/// What is not over yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Up {
    /// Calls: as many as are followed where records are kept, else as many as were answered and not hung up.
    pub(crate) calls: usize,
    /// Requests without a final answer.
    pub(crate) unanswered: usize,
}
