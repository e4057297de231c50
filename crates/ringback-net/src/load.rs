//! How much the workers have to do: the share of time for which they ran or waited for a processor, and what waits in their
//! sockets.
//!
//! It is read from outside, some times a second, so that handling a message costs nothing for it.

use crate::Core;
use crate::proc::{Numbers, Table};
use crate::shared::Shared;
use nix::sys::time::TimeValLike as _;
use nix::time::{ClockId, clock_gettime};
use socket2::SockRef;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// How much there was to do since the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// The share of time for which the busiest worker ran, or would have run if others had let it; 0 to 1.
    pub busy: f64,
    /// How full the fullest receive buffer of a UDP socket is; 0 to 1.
    pub queued: f64,
}

/// Reads how much the workers of one driver have to do.
pub struct Meter<C: Core> {
    shared: Arc<Shared<C>>,
    /// How long each worker had to wait for a processor, where the system counts that and the worker runs.
    waits: Vec<Option<Numbers>>,
    /// Where the system tells what waits in sockets, of the families that ours are of.
    tables: Vec<Table>,
    /// When it was read last, and how long each worker had run or waited by then, in nanoseconds.
    last: Option<(Instant, Vec<u64>)>,
    /// The inodes of the UDP sockets, and the sizes of their receive buffers.
    sockets: Vec<(u64, usize)>,
    /// How full the fullest of them was when they were looked at last, and how often the meter was read.
    queued: f64,
    looks: u32,
}

/// Below this share of time the sockets are looked at seldom: one time in so many.
const CALM: f64 = 0.5;
const SELDOM: u32 = 3;

impl Load {
    /// Whether there is so little to do that it may be read less often.
    pub fn is_calm(&self) -> bool {
        self.busy < CALM && self.queued == 0.0
    }
}

impl<C: Core> Meter<C> {
    pub(crate) fn new(shared: Arc<Shared<C>>) -> Self {
        let all = shared.udp.iter().flat_map(|listener| &listener.by_worker);
        let sockets = all
            .filter_map(|socket| {
                let inode = fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd())).ok()?.ino();
                Some((inode, SockRef::from(&**socket).recv_buffer_size().ok()?))
            })
            .collect();
        let has = |is_v6| shared.udp.iter().any(|listener| listener.local.is_ipv6() == is_v6);
        let tables = [(false, "/proc/self/net/udp"), (true, "/proc/self/net/udp6")];
        let tables = tables.into_iter().filter(|(is_v6, _)| has(*is_v6)).map(|(_, path)| Table::new(path));
        let tables = tables.collect();
        let waits = shared.threads.iter().map(|_| None).collect();
        Self { shared, waits, tables, last: None, sockets, queued: 0.0, looks: 0 }
    }

    /// Reads the load since the last time; nothing where the system does not tell, and at the first time.
    pub fn read(&mut self, now: Instant) -> Option<Load> {
        let ids = self.shared.threads.iter().map(|id| id.load(Ordering::Relaxed));
        let times = ids.zip(&mut self.waits).map(|(id, waits)| Some(run(id)? + waited(id, waits)));
        let times = times.collect::<Option<Vec<u64>>>()?;
        let (before, last) = self.last.replace((now, times.clone()))?;
        let passed = now.saturating_duration_since(before).as_nanos() as f64;
        if passed <= 0.0 {
            return None;
        }
        let busiest = times.iter().zip(&last).map(|(now, last)| now.saturating_sub(*last)).max().unwrap_or(0);
        let busy = (busiest as f64 / passed).min(1.0);
        self.looks = self.looks.wrapping_add(1);
        // With thousands of sockets for media the table is long, and nothing waits for a worker that does: but for one that
        // waits itself, for a disk.
        if busy < CALM && self.queued == 0.0 && !self.looks.is_multiple_of(SELDOM) {
            return Some(Load { busy, queued: 0.0 });
        }
        let sockets = &self.sockets;
        let fullest = |table: &mut Table| table.lines().map(|line| queued(line, sockets)).fold(0.0, f64::max);
        self.queued = self.tables.iter_mut().map(fullest).fold(0.0, f64::max);
        Some(Load { busy, queued: self.queued })
    }
}

impl<C: Core> std::fmt::Debug for Meter<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Meter {{ workers: {}, sockets: {} }}", self.shared.threads.len(), self.sockets.len())
    }
}

/// For how many nanoseconds a thread of ours has run.
fn run(thread: i32) -> Option<u64> {
    /// What the numbers of threads' clocks end with: of one thread, and what the scheduler has counted.
    const OF_A_THREAD: i32 = 0b110;
    let clock = ClockId::from_raw((!thread << 3) | OF_A_THREAD);
    let time = clock_gettime(clock).ok()?;
    u64::try_from(time.num_nanoseconds()).ok()
}

/// For how many nanoseconds it has waited for a processor, where the system counts that.
fn waited(thread: i32, waits: &mut Option<Numbers>) -> u64 {
    if waits.is_none() {
        *waits = Numbers::open(&format!("/proc/self/task/{thread}/schedstat")).ok();
    }
    waits.as_ref().and_then(|waits| waits.nth(1)).unwrap_or(0)
}

/// How full the receive buffer is that a line of the system's table is about, if it is one of these.
fn queued(line: &str, sockets: &[(u64, usize)]) -> f64 {
    let mut columns = line.split_whitespace();
    let waiting = columns.nth(4).and_then(|queues| queues.split_once(':'));
    let inode = columns.nth(4).and_then(|inode| inode.parse::<u64>().ok());
    let size = sockets.iter().find(|(own, _)| Some(*own) == inode).map(|(_, size)| *size);
    let waiting = waiting.and_then(|(_, waiting)| u64::from_str_radix(waiting, 16).ok());
    match (waiting, size) {
        (Some(waiting), Some(size)) if size > 0 => (waiting as f64 / size as f64).min(1.0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_system_are_read() {
        let line = "  510: 0100007F:13C4 00000000:0000 07 00000000:00000400 00:00000000 00000000     0        0 4711 2 0000000000000000 42";
        assert_eq!(queued(line, &[(4711, 4096)]), 0.25);
        assert_eq!(queued(line, &[(1, 4096)]), 0.0);
        assert_eq!(queued("  sl  local_address rem_address   st tx_queue rx_queue", &[(1, 4096)]), 0.0);
    }

    #[test]
    fn the_time_that_a_thread_has_run_is_known_to_its_neighbours() {
        let own = rustix::thread::gettid().as_raw_nonzero().get();
        let (before, after) = std::thread::scope(|scope| {
            let ask = || scope.spawn(|| run(own).unwrap()).join().unwrap();
            let before = ask();
            let mut some = 0u64;
            while run(own).unwrap() < before + 1_000_000 {
                some = std::hint::black_box(some.wrapping_mul(31) + 1);
            }
            (before, ask())
        });
        assert!(after >= before + 1_000_000, "{before} {after}");
    }
}
