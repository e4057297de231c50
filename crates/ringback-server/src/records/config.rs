//! Where records of calls are kept.

use crate::config::ConfigError;
use serde::Deserialize;
use std::path::PathBuf;

/// Where a record of each call is kept. Who called whom is private: so are the files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordsConfig {
    /// A file of SQLite, for `ringback records` and for queries.
    pub sqlite: Option<PathBuf>,
    /// A file with an object of JSON for each call, a line each. It is opened for each batch, so it can be moved away.
    pub jsonl: Option<PathBuf>,
    /// After so many days records are removed from SQLite; 0 is never.
    pub keep_days: u32,
    /// How many records may wait to be written, 1 to 1,000,000. What finds no room is counted as `records_no_room`.
    pub queue: usize,
    /// How many calls are followed at once. Others go through all the same, and are counted as `calls_not_followed`.
    pub calls: usize,
    /// A call of which nothing was heard for so many seconds is taken for over, where no session timer (RFC 4028) says
    /// so earlier.
    pub max_age: u32,
}

impl Default for RecordsConfig {
    fn default() -> Self {
        Self { sqlite: None, jsonl: None, keep_days: 90, queue: 10_000, calls: 200_000, max_age: 43_200 }
    }
}

impl RecordsConfig {
    /// Whether records are kept anywhere.
    pub(crate) fn is_on(&self) -> bool {
        self.sqlite.is_some() || self.jsonl.is_some()
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.queue == 0 || self.queue > 1_000_000 {
            return Err(ConfigError::new("records: queue must be from 1 to 1000000"));
        }
        if self.max_age < 60 || self.calls == 0 {
            return Err(ConfigError::new(
                "records: max_age must be at least 60 seconds, and calls at least 1",
            ));
        }
        Ok(())
    }
}
