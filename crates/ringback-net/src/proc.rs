//! What the system tells in files under `/proc`, read in few pieces: it makes the text anew for each, and walks its tables to
//! where the last piece ended.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;

/// The size of a piece, which a table seldom exceeds.
const PIECE: usize = 64 * 1024;
/// Longer tables are cut: with so many sockets no one looks at each.
const LONGEST: usize = 4 * 1024 * 1024;

/// A table that is read again and again.
#[derive(Debug)]
pub(crate) struct Table {
    path: &'static str,
    text: Vec<u8>,
}

impl Table {
    pub(crate) fn new(path: &'static str) -> Self {
        Self { path, text: Vec::new() }
    }

    /// Its lines as they are now; none where the system has no such table.
    pub(crate) fn lines(&mut self) -> impl Iterator<Item = &str> {
        let len = self.fill().unwrap_or(0);
        let lines = self.text[..len].split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| std::str::from_utf8(line).ok())
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut file = File::open(self.path)?;
        let mut len = 0;
        loop {
            if self.text.len() < len + PIECE {
                self.text.resize(len + PIECE, 0);
            }
            match file.read(&mut self.text[len..])? {
                0 => return Ok(len),
                read if len + read > LONGEST => return Ok(len),
                read => len += read,
            }
        }
    }
}

/// A line of numbers that is read again and again.
#[derive(Debug)]
pub(crate) struct Numbers(File);

impl Numbers {
    pub(crate) fn open(path: &str) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// The number at a place, counted from 0.
    pub(crate) fn nth(&self, place: usize) -> Option<u64> {
        let mut line = [0; 128];
        let len = self.0.read_at(&mut line, 0).ok()?;
        std::str::from_utf8(&line[..len]).ok()?.split_whitespace().nth(place)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_to_its_end_each_time() {
        let mut table = Table::new("/proc/self/net/udp");
        let before = table.lines().count();
        let sockets: Vec<_> = (0..600).map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        // Other tests open and close sockets meanwhile.
        assert!(table.lines().count() > before + sockets.len() / 2);
        assert!(table.lines().any(|line| line.contains("0100007F")));
        assert_eq!(Table::new("/proc/self/net/none").lines().count(), 0);
    }

    #[test]
    fn numbers_are_those_of_now() {
        let own = rustix::thread::gettid().as_raw_nonzero();
        let numbers = Numbers::open(&format!("/proc/self/task/{own}/schedstat")).unwrap();
        let before = numbers.nth(0).unwrap();
        std::thread::yield_now();
        assert!(numbers.nth(0).unwrap() >= before && numbers.nth(2).is_some() && numbers.nth(3).is_none());
    }
}
