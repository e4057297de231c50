//! Records of calls in SQLite.

use super::{CallRecord, EndedBy};
use crate::store::StoreError;
use rusqlite::{Connection, OpenFlags, Row, params};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Version 2 of the table.
const TABLE: &str = "
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY, call_id TEXT NOT NULL, from_uri TEXT NOT NULL, to_uri TEXT NOT NULL,
        request_uri TEXT NOT NULL, target TEXT, source TEXT NOT NULL, transport TEXT NOT NULL, route TEXT,
        started_unix_ms INTEGER NOT NULL, answered_unix_ms INTEGER, ended_unix_ms INTEGER NOT NULL,
        status INTEGER NOT NULL, ended_by TEXT NOT NULL, reason TEXT, media TEXT
    );
    CREATE INDEX calls_by_start ON calls (started_unix_ms);
    CREATE INDEX calls_by_call_id ON calls (call_id);
    PRAGMA user_version = 2;
";
/// What makes version 2 of version 1: what was heard in a call, as JSON.
const FROM_1: &str = "BEGIN; ALTER TABLE calls ADD COLUMN media TEXT; PRAGMA user_version = 2; COMMIT;";

/// A file with records of calls, which may be read while a server writes to it.
#[derive(Debug)]
pub struct RecordStore {
    file: PathBuf,
    connection: Connection,
}

impl RecordStore {
    /// Opens a file to write to it; makes it where it is missing.
    ///
    /// # Errors
    /// When it cannot be written, or holds something else.
    pub(crate) fn open(file: &Path) -> Result<Self, StoreError> {
        let fail = |error: rusqlite::Error| StoreError::new(file, error);
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(file)
            .map_err(|error| StoreError::new(file, error))?;
        let connection = Connection::open(file).map_err(fail)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;",
            )
            .map_err(fail)?;
        match connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)? {
            0 => connection.execute_batch(TABLE).map_err(fail)?,
            1 => connection.execute_batch(FROM_1).map_err(fail)?,
            2 => {}
            version => {
                let problem = format!("version {version} is of a later program; this one knows version 2");
                return Err(StoreError::new(file, problem));
            }
        }
        Ok(Self { file: file.to_owned(), connection })
    }

    /// Opens a file to read it.
    ///
    /// # Errors
    /// When there is none, or it holds something else.
    pub fn read(file: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(file, flags).map_err(|error| StoreError::new(file, error))?;
        Ok(Self { file: file.to_owned(), connection })
    }

    /// Adds records, all or none of them.
    pub(super) fn add(&mut self, batch: &[CallRecord]) -> Result<(), StoreError> {
        let Self { file, connection } = self;
        let add = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO calls VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?;
            for record in batch {
                insert.execute(params![
                    record.call_id,
                    record.from,
                    record.to,
                    record.request_uri,
                    record.target,
                    record.source,
                    record.transport,
                    record.route,
                    number(record.started_ms),
                    record.answered_ms.map(number),
                    number(record.ended_ms),
                    record.status,
                    record.ended_by.as_str(),
                    record.reason,
                    record.media.and_then(|media| serde_json::to_string(&media).ok()),
                ])?;
            }
            drop(insert);
            transaction.commit()
        };
        add(connection).map_err(|error| StoreError::new(file, error))
    }

    pub(super) fn forget_before(&mut self, unix: Duration) -> Result<(), StoreError> {
        let before = i64::try_from(unix.as_millis()).unwrap_or(i64::MAX);
        let removed = self.connection.execute("DELETE FROM calls WHERE started_unix_ms < ?1", [before]);
        removed.map(drop).map_err(|error| StoreError::new(&self.file, error))
    }

    /// The last calls, the latest first, at most `limit` of them; only those whose From, To or Call-ID holds `with`. Each
    /// with the local time at which it began.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn latest(&self, with: Option<&str>, limit: u32) -> Result<Vec<(String, CallRecord)>, StoreError> {
        let fail = |error: rusqlite::Error| StoreError::new(&self.file, error);
        let version: u32 =
            self.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
        // A file of version 1 that no server has opened since.
        let media = if version < 2 { "NULL" } else { "media" };
        let mut query = self
            .connection
            .prepare(&format!(
                "SELECT call_id, from_uri, to_uri, request_uri, target, source, transport, route, started_unix_ms, \
                 answered_unix_ms, ended_unix_ms, status, ended_by, reason, \
                 datetime(started_unix_ms / 1000, 'unixepoch', 'localtime'), {media} FROM calls \
                 WHERE instr(from_uri, ?1) OR instr(to_uri, ?1) OR instr(call_id, ?1) \
                 ORDER BY started_unix_ms DESC, id DESC LIMIT ?2"
            ))
            .map_err(fail)?;
        let rows = query.query_map(params![with.unwrap_or_default(), limit], read).map_err(fail)?;
        rows.collect::<Result<_, _>>().map_err(fail)
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn read(row: &Row<'_>) -> rusqlite::Result<(String, CallRecord)> {
    let time = |value: i64| u64::try_from(value).unwrap_or_default();
    let record = CallRecord {
        call_id: row.get(0)?,
        from: row.get(1)?,
        to: row.get(2)?,
        request_uri: row.get(3)?,
        target: row.get(4)?,
        source: row.get(5)?,
        transport: row.get(6)?,
        route: row.get(7)?,
        started_ms: time(row.get(8)?),
        answered_ms: row.get::<_, Option<i64>>(9)?.map(time),
        ended_ms: time(row.get(10)?),
        status: row.get(11)?,
        ended_by: EndedBy::from_token(&row.get::<_, String>(12)?),
        reason: row.get(13)?,
        media: row.get::<_, Option<String>>(15)?.and_then(|media| serde_json::from_str(&media).ok()),
    };
    Ok((row.get(14)?, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_version_1_is_read_as_it_is_and_goes_on_as_version_2() {
        let folder = std::env::temp_dir().join(format!("ringback-records-1-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("calls.sqlite");
        let old = Connection::open(&file).unwrap();
        let table = TABLE.replace(", media TEXT", "").replace("user_version = 2", "user_version = 1");
        old.execute_batch(&table).unwrap();
        let call = "INSERT INTO calls VALUES (NULL, 'old', 'sip:a@x', 'sip:b@x', 'sip:b@x', NULL, '127.0.0.1:1', \
                    'udp', NULL, 1000, 2000, 3000, 200, 'caller', NULL)";
        old.execute(call, []).unwrap();
        drop(old);
        let ids = || {
            let calls = RecordStore::read(&file).unwrap().latest(None, 9).unwrap();
            calls.into_iter().map(|(_, record)| (record.call_id, record.media)).collect::<Vec<_>>()
        };
        assert_eq!(ids(), [("old".to_owned(), None)]);
        let mut store = RecordStore::open(&file).unwrap();
        let heard = Some(crate::CallMedia::default());
        let new =
            CallRecord { call_id: "new".into(), started_ms: 5_000, media: heard, ..CallRecord::default() };
        store.add(&[new]).unwrap();
        assert_eq!(ids(), [("new".to_owned(), heard), ("old".to_owned(), None)]);
        // Once is enough.
        drop(store);
        assert!(RecordStore::open(&file).is_ok());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
