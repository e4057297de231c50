//! Where records go.

use super::{CallRecord, RecordStore, RecordsConfig};
use crate::config::ConfigError;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// All places.
pub(super) struct Sinks {
    store: Option<RecordStore>,
    lines: Option<PathBuf>,
    keep: Option<Duration>,
    /// Whether the last write failed, so that a disk that stays full is told of once.
    fails: bool,
}

impl Sinks {
    pub(super) fn open(config: &RecordsConfig) -> Result<Self, ConfigError> {
        let store = config.sqlite.as_deref().map(RecordStore::open).transpose();
        let store = store.map_err(|error| ConfigError::new(format!("records: {error}")))?;
        if let Some(file) = &config.jsonl {
            append(file, &[]).map_err(|error| ConfigError::new(format!("records: {error}")).in_file(file))?;
        }
        let keep = (config.keep_days > 0).then(|| Duration::from_secs(86_400) * config.keep_days);
        Ok(Self { store, lines: config.jsonl.clone(), keep, fails: false })
    }

    /// Writes all of them everywhere; says how many are missing somewhere.
    pub(super) fn write(&mut self, batch: &[CallRecord]) -> u64 {
        let stored = self.store.as_mut().map_or(Ok(()), |store| store.add(batch));
        let stored = stored.map_err(|error| error.to_string());
        let appended = self.lines.as_ref().map_or(Ok(()), |file| append(file, batch));
        let problem = stored.err().or_else(|| appended.err().map(|error| error.to_string()));
        if let (Some(problem), false) = (&problem, self.fails) {
            tracing::error!(problem, "records of calls could not be written");
        }
        self.fails = problem.is_some();
        if self.fails { batch.len() as u64 } else { 0 }
    }

    pub(super) fn forget_old(&mut self) {
        let (Some(store), Some(keep)) = (&mut self.store, self.keep) else { return };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if let Err(error) = store.forget_before(now.saturating_sub(keep)) {
            tracing::warn!(%error, "old records of calls could not be removed");
        }
    }
}

/// Opens the file anew each time: it may have been moved away by whoever keeps logs.
fn append(file: &Path, batch: &[CallRecord]) -> io::Result<()> {
    let mut text = Vec::new();
    for record in batch {
        serde_json::to_writer(&mut text, record)?;
        text.push(b'\n');
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(file)?.write_all(&text)
}
