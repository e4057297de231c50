//! What was dropped, closed or turned away, by reason.

use crate::sockets::Datagrams;
use crate::tls::is_about_trust;
use ringback_sansio::CloseReason;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, PoisonError};

/// Counts by reason. The reasons are words of ours, so there are few.
#[derive(Debug, Default)]
pub(crate) struct Drops(Mutex<BTreeMap<&'static str, u64>>);

impl Drops {
    pub(crate) fn count(&self, reason: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_insert(0) += 1;
    }

    pub(crate) fn read(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The word for a stream that we closed.
pub(crate) fn word(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Idle => "stream_idle",
        CloseReason::TimedOut => "stream_message_too_slow",
        CloseReason::Reset => "stream_without_pong",
        CloseReason::Framing => "stream_framing_lost",
        CloseReason::SlowReader => "stream_slow_reader",
        CloseReason::Limit => "stream_limit",
        _ => "stream_other",
    }
}

/// The word for a stream that the other side broke.
pub(crate) fn broken(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::InvalidData if is_about_trust(error) => "tls_untrusted",
        io::ErrorKind::InvalidData => "tls_broken",
        // Over TLS an end without a farewell, which may have been cut off by somebody on the way.
        io::ErrorKind::UnexpectedEof => "stream_without_farewell",
        _ => "stream_reset",
    }
}

/// How many datagrams the system has thrown away because our sockets were full; 0 where it does not tell.
pub(crate) fn by_kernel(listeners: &[Datagrams]) -> u64 {
    let sockets = listeners.iter().flat_map(|listener| &listener.by_worker);
    let inode = |fd: i32| Some(fs::metadata(format!("/proc/self/fd/{fd}")).ok()?.ino());
    let own: Vec<u64> = sockets.filter_map(|socket| inode(socket.as_raw_fd())).collect();
    let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"]
        .map(|file| fs::read_to_string(file).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines()).filter_map(|line| dropped(line, &own)).sum()
}

/// The last column of a line whose inode is one of ours.
fn dropped(line: &str, own: &[u64]) -> Option<u64> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let inode: u64 = columns.get(9)?.parse().ok()?;
    own.contains(&inode).then(|| columns.last()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_system_is_read() {
        let line = "  510: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 42";
        assert_eq!(dropped(line, &[1, 4711]), Some(42));
        assert_eq!(dropped(line, &[1]), None);
        assert_eq!(dropped("  sl  local_address rem_address   st tx_queue", &[1]), None);
    }
}
