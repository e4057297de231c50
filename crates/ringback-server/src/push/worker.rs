//! The thread that sends notifications.

use super::sender::{PushFailure, PushSender, Webhook};
use super::{Order, Orders, Push};
use crate::core::{Out, ServerCore};
use ringback_net::Net;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};

/// The most notifications that are under way at once; others wait in the queue.
const AT_ONCE: usize = 64;
/// The pause before a notification is sent again, longer by as much each time.
const PAUSE: Duration = Duration::from_millis(250);

/// The thread. It ends when it is dropped, and what was not sent by then is not sent.
pub(crate) struct Worker {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What it works with.
struct Job {
    core: Arc<ServerCore>,
    net: Arc<Net<ServerCore>>,
    push: Arc<Push>,
    sender: Arc<dyn PushSender>,
}

/// Starts it. Without a sender of the embedding program's own, notifications go to where the configuration says.
pub(crate) fn start(
    core: &Arc<ServerCore>,
    net: &Arc<Net<ServerCore>>,
    push: &Arc<Push>,
    sender: Option<Arc<dyn PushSender>>,
    orders: Orders,
) -> io::Result<Worker> {
    let now = Instant::now();
    core.locations.each_part(|locations| {
        locations.iter().for_each(|(aor, binding)| push.restored(now, aor, binding));
    });
    let sender = sender.unwrap_or_else(|| Arc::new(Webhook::new(&push.config)));
    let job = Arc::new(Job { core: core.clone(), net: net.clone(), push: push.clone(), sender });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    let run = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = stopped => {}
                () = run(job, orders) => {}
            }
        });
        runtime.shutdown_background();
    };
    let thread = thread::Builder::new().name("push".into()).spawn(run)?;
    Ok(Worker { stop: Some(stop), thread: Some(thread) })
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has ended as well.
            let _ = thread.join();
        }
    }
}

async fn run(job: Arc<Job>, mut orders: Orders) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let order = tokio::select! {
            biased;
            // Calls first.
            order = orders.recv() => order,
            () = job.push.until_refresh() => match job.core.refresh_order(Instant::now(), &job.push) {
                None => continue,
                order => order,
            },
        };
        let Some(order) = order else { return };
        let job = job.clone();
        tokio::spawn(async move {
            let outcome = deliver(&job, &order).await;
            drop(place);
            let mut out = Out::new();
            job.core.pushed(Instant::now(), &job.push, &order, &outcome, &mut out);
            job.net.send(out);
        });
    }
}

/// Sends a notification, again where it may help.
async fn deliver(job: &Job, order: &Order) -> Result<(), PushFailure> {
    let time = job.push.config.timeout();
    let mut tries = 0;
    loop {
        let sent = tokio::time::timeout(time, job.sender.send(&order.notification)).await;
        let silent =
            |_| Err(PushFailure::Unreachable(format!("there was no answer for {} s", time.as_secs())));
        let outcome = sent.unwrap_or_else(silent);
        if !matches!(outcome, Err(PushFailure::Unreachable(_))) || tries >= job.push.config.retries {
            return outcome;
        }
        tries += 1;
        tokio::time::sleep(PAUSE * tries.into()).await;
    }
}
