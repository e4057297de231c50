//! What went over the wire: a hash of it always, the lines of it where somebody wants to read them.

use bytes::Bytes;
use ringback_sansio::Seal;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::Instant;

pub(crate) struct Trace {
    start: Instant,
    hash: std::hash::DefaultHasher,
    /// The lines, where they are kept.
    lines: Option<String>,
}

impl Trace {
    pub(crate) fn new(start: Instant, keeps_lines: bool) -> Self {
        Self { start, hash: Seal::keyed(0).build_hasher(), lines: keeps_lines.then(String::new) }
    }

    pub(crate) fn sent(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: Option<SocketAddr>,
        bytes: &Bytes,
        arrives: bool,
    ) {
        let at = now.duration_since(self.start);
        (at, from, to, arrives).hash(&mut self.hash);
        self.hash.write(bytes);
        let Some(lines) = &mut self.lines else { return };
        let text = String::from_utf8_lossy(bytes);
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split(['@', ';']).next().unwrap_or_default().to_owned()
        };
        let to = to.map_or_else(|| "stream".to_owned(), |to| to.ip().to_string());
        let _ = writeln!(
            lines,
            "{:>11.3} {:>11} {} {to:<11} {}  [{} {}]",
            at.as_secs_f64(),
            from.ip(),
            if arrives { "->" } else { "-x" },
            text.lines().next().unwrap_or_default().trim_end_matches(" SIP/2.0"),
            field("CSeq: "),
            field("Call-ID: "),
        );
    }

    pub(crate) fn said(&mut self, now: Instant, who: usize, what: &str) {
        let at = now.duration_since(self.start);
        if let Some(lines) = &mut self.lines {
            let _ = writeln!(lines, "{:>11.3}     phone{who} {what}", at.as_secs_f64());
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.finish()
    }

    pub(crate) fn into_lines(self) -> String {
        self.lines.unwrap_or_default()
    }
}
