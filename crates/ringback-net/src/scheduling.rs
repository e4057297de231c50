//! When the kernel lets a worker run that has something to do.

use rustix::process::getpriority_process;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// How the kernel schedules the workers ([`NetConfig::scheduling`](crate::NetConfig::scheduling)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheduling {
    /// As the program that they are part of.
    #[default]
    Inherited,
    /// As work that comes in batches (`SCHED_BATCH`, `sched(7)`): a worker that wakes up does not interrupt who runs on its
    /// processor, so that it finds more than one message when its turn comes. It has the same share of the processors as without, and
    /// waits for one for some milliseconds at most.
    ///
    /// A program that was given a niceness stays as it was scheduled, and so does one on a system without this.
    Batch,
}

/// The value of [`ThreadPriorityValue`] that stands for the niceness 0, which is what the thread has: the library sets both at once.
const NICENESS_ZERO: u8 = 48;

/// Has the kernel schedule the thread that calls this so.
pub(crate) fn apply(scheduling: Scheduling) {
    if scheduling == Scheduling::Inherited || getpriority_process(None) != Ok(0) {
        return;
    }
    let Ok(priority) = ThreadPriorityValue::try_from(NICENESS_ZERO) else { return };
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    let outcome =
        set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(priority), policy);
    if let Err(error) = outcome {
        tracing::debug!("the system does not schedule a worker as batch: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, thread};

    /// Niceness and policy of the thread that asks (`proc_pid_stat(5)`, fields 19 and 41).
    fn own() -> (String, String) {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let mut fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        // The first field after the name is the third.
        let niceness = fields.nth(19 - 3).unwrap().to_owned();
        (niceness, fields.nth(41 - 19 - 1).unwrap().to_owned())
    }

    #[test]
    fn a_worker_becomes_batch_and_keeps_its_niceness() {
        const BATCH: &str = "3";
        let (before, after) = thread::spawn(|| {
            let before = own();
            apply(Scheduling::Batch);
            (before, own())
        })
        .join()
        .unwrap();
        assert_eq!(before.0, after.0);
        // Who runs the tests may have given them a niceness.
        let expected = if before.0 == "0" { BATCH } else { before.1.as_str() };
        assert_eq!(after.1, expected);
    }

    #[test]
    fn what_is_inherited_stays() {
        let (before, after) = thread::spawn(|| {
            let before = own();
            apply(Scheduling::Inherited);
            (before, own())
        })
        .join()
        .unwrap();
        assert_eq!(before, after);
    }
}
