//! Users and bindings in SQLite.

#[cfg(test)]
mod tests;

use crate::config::is_user_name;
use crate::users::{self, Hashes};
use ringback_auth::{Algorithm, Ha1};
use ringback_message::UriBuf;
use ringback_registrar::{Aor, Binding, Change};
use ringback_sansio::{Epoch, Map, Protocol};
use rusqlite::{Connection, Row, Transaction, params};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Version 2 of the tables.
const TABLES: &str = "
    CREATE TABLE users (
        name TEXT NOT NULL, realm TEXT NOT NULL, algorithm TEXT NOT NULL, ha1 TEXT NOT NULL,
        PRIMARY KEY (name, realm, algorithm)
    ) WITHOUT ROWID;
    CREATE TABLE bindings (
        aor TEXT NOT NULL, contact TEXT NOT NULL, params TEXT NOT NULL, q INTEGER, expires_unix_ms INTEGER NOT NULL,
        call_id TEXT NOT NULL, cseq INTEGER NOT NULL, path TEXT NOT NULL, protocol TEXT NOT NULL,
        received TEXT NOT NULL, user_agent TEXT, key TEXT NOT NULL,
        PRIMARY KEY (aor, key)
    ) WITHOUT ROWID;
    CREATE TABLE secrets (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = 2;
";

/// From version 1, in which the contact alone told bindings apart, and a `reg-id` was kept without a meaning.
const SECOND: &str = "
    ALTER TABLE bindings RENAME TO bindings_1;
    CREATE TABLE bindings (
        aor TEXT NOT NULL, contact TEXT NOT NULL, params TEXT NOT NULL, q INTEGER, expires_unix_ms INTEGER NOT NULL,
        call_id TEXT NOT NULL, cseq INTEGER NOT NULL, path TEXT NOT NULL, protocol TEXT NOT NULL,
        received TEXT NOT NULL, user_agent TEXT, key TEXT NOT NULL,
        PRIMARY KEY (aor, key)
    ) WITHOUT ROWID;
    INSERT INTO bindings SELECT aor, contact, replace(params, ';reg-id=', ';old-reg-id='), q, expires_unix_ms, call_id,
        cseq, path, protocol, received, user_agent, contact FROM bindings_1;
    DROP TABLE bindings_1;
    CREATE TABLE secrets (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = 2;
";

/// Reads bindings that have not ended.
const READ: &str =
    "SELECT aor, contact, params, q, expires_unix_ms, call_id, cseq, path, protocol, received, user_agent
    FROM bindings WHERE expires_unix_ms > ?1";

/// Why the store cannot be used.
#[derive(Debug)]
pub struct StoreError {
    file: PathBuf,
    problem: String,
}

impl StoreError {
    pub(crate) fn new(file: &Path, problem: impl fmt::Display) -> Self {
        Self { file: file.to_owned(), problem: problem.to_string() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.problem)
    }
}

impl std::error::Error for StoreError {}

/// The file of one data directory.
#[derive(Debug)]
pub(crate) struct Store {
    file: PathBuf,
    connection: Connection,
}

impl Store {
    /// Opens the store of a directory; makes both where they are missing.
    pub(crate) fn open(directory: &Path) -> Result<Self, StoreError> {
        let made = fs::create_dir_all(directory);
        made.map_err(|error| {
            StoreError::new(directory, format_args!("the data directory cannot be made: {error}"))
        })?;
        // Hashes of passwords are in it, and the admin socket.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
        }
        let file = directory.join("ringback.sqlite");
        let fail = |error: rusqlite::Error| {
            StoreError::new(&file, format_args!("the data directory cannot be written: {error}"))
        };
        let mut connection = Connection::open(&file).map_err(fail)?;
        // A commit is in the log of the file system when it returns, so it outlives the process. Only a power cut
        // can take the last ones back.
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;",
            )
            .map_err(fail)?;
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(fail)?;
        match transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)? {
            0 => transaction.execute_batch(TABLES).map_err(fail)?,
            1 => transaction.execute_batch(SECOND).map_err(fail)?,
            2 => {}
            version => {
                let problem =
                    format!("version {version} of the store is of a later program; this one knows version 2");
                return Err(StoreError::new(&file, problem));
            }
        }
        transaction.commit().map_err(fail)?;
        Ok(Self { file, connection })
    }

    fn fail(&self, error: rusqlite::Error) -> StoreError {
        StoreError::new(&self.file, error)
    }

    /// A number that changes when another program writes.
    pub(crate) fn version(&self) -> i64 {
        self.connection.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap_or_default()
    }

    /// The users of a realm.
    pub(crate) fn users(&self, realm: &str) -> Result<Map<String, Hashes>, StoreError> {
        let mut users: Map<String, Hashes> = Map::default();
        let mut query = self
            .connection
            .prepare("SELECT name, algorithm, ha1 FROM users WHERE realm = ?1")
            .map_err(|error| self.fail(error))?;
        let rows = query
            .query_map([realm], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)));
        for row in rows.map_err(|error| self.fail(error))? {
            let (name, algorithm, ha1): (String, _, _) = row.map_err(|error| self.fail(error))?;
            // A hash of an algorithm that is not known any more is of no use, and no harm.
            let algorithm = Algorithm::from_token(&algorithm);
            if let Some(Ok(ha1)) = algorithm.map(|algorithm| Ha1::parse(algorithm, &ha1)) {
                users.entry(name).or_default().push(ha1);
            }
        }
        Ok(users)
    }

    /// How many users there are for other realms: a sign that the domain was changed.
    pub(crate) fn users_elsewhere(&self, realm: &str) -> i64 {
        let count = "SELECT COUNT(DISTINCT name) FROM users WHERE realm <> ?1";
        self.connection.query_row(count, [realm], |row| row.get(0)).unwrap_or_default()
    }

    /// Hands over the bindings that have not ended at `now`, one by one: there may be a million.
    pub(crate) fn each_binding(
        &self,
        now: Instant,
        epoch: &Epoch,
        mut take: impl FnMut(Aor, Binding),
    ) -> Result<(), StoreError> {
        let mut query = self.connection.prepare(READ).map_err(|error| self.fail(error))?;
        let mut rows = query.query([millis(epoch.unix(now))]).map_err(|error| self.fail(error))?;
        while let Some(row) = rows.next().map_err(|error| self.fail(error))? {
            // A row that cannot be read is of a later version, or was written by hand.
            if let Some((aor, binding)) = read_binding(row, epoch).map_err(|error| self.fail(error))? {
                take(aor, binding);
            }
        }
        Ok(())
    }

    /// Writes changes, all or none of them.
    pub(crate) fn commit<'a>(
        &mut self,
        epoch: &Epoch,
        changes: impl IntoIterator<Item = &'a Change>,
    ) -> Result<(), StoreError> {
        let Self { file, connection } = self;
        let commit = |connection: &mut Connection| {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            for change in changes {
                write_change(&transaction, epoch, change)?;
            }
            transaction.commit()
        };
        commit(connection).map_err(|error| StoreError::new(file, error))
    }

    /// The secret of that name: the one that is kept, or the one that is offered, which is kept from now on.
    pub(crate) fn secret(&self, name: &str, offered: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let keep = "INSERT OR IGNORE INTO secrets VALUES (?1, ?2)";
        self.connection.execute(keep, params![name, offered]).map_err(|error| self.fail(error))?;
        let kept = "SELECT value FROM secrets WHERE name = ?1";
        self.connection.query_row(kept, [name], |row| row.get(0)).map_err(|error| self.fail(error))
    }

    /// Notes from now on whose bindings change, whichever program changes them.
    pub(crate) fn watch_changes(&self) -> Result<(), StoreError> {
        self.watch_no_more()?;
        let watch = "CREATE TABLE moved (aor TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
            CREATE TRIGGER moved_put AFTER INSERT ON bindings BEGIN INSERT OR IGNORE INTO moved VALUES (NEW.aor); END;
            CREATE TRIGGER moved_gone AFTER DELETE ON bindings BEGIN INSERT OR IGNORE INTO moved VALUES (OLD.aor); END;";
        self.connection.execute_batch(watch).map_err(|error| self.fail(error))
    }

    /// Notes it no more, and forgets what was noted.
    pub(crate) fn watch_no_more(&self) -> Result<(), StoreError> {
        let forget = "DROP TRIGGER IF EXISTS moved_put; DROP TRIGGER IF EXISTS moved_gone; DROP TABLE IF EXISTS moved;";
        self.connection.execute_batch(forget).map_err(|error| self.fail(error))
    }

    /// Whose bindings have changed since that is noted.
    pub(crate) fn changed(&self) -> Result<Vec<String>, StoreError> {
        let list = |connection: &Connection| {
            let mut query = connection.prepare("SELECT aor FROM moved")?;
            query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()
        };
        list(&self.connection).map_err(|error| self.fail(error))
    }

    /// Hands over the bindings of one address of record that have not ended.
    pub(crate) fn bindings_of(
        &self,
        aor: &Aor,
        now: Instant,
        epoch: &Epoch,
        mut take: impl FnMut(Binding),
    ) -> Result<(), StoreError> {
        let read = format!("{READ} AND aor = ?2");
        let mut query = self.connection.prepare_cached(&read).map_err(|error| self.fail(error))?;
        let rows = query.query(params![millis(epoch.unix(now)), aor.as_str()]);
        let mut rows = rows.map_err(|error| self.fail(error))?;
        while let Some(row) = rows.next().map_err(|error| self.fail(error))? {
            if let Some((_, binding)) = read_binding(row, epoch).map_err(|error| self.fail(error))? {
                take(binding);
            }
        }
        Ok(())
    }

    /// Removes bindings that have ended.
    pub(crate) fn forget_ended(&self, now_unix: Duration) -> Result<(), StoreError> {
        let ended = "DELETE FROM bindings WHERE expires_unix_ms <= ?1";
        self.connection.execute(ended, [millis(now_unix)]).map(drop).map_err(|error| self.fail(error))
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn write_change(transaction: &Transaction<'_>, epoch: &Epoch, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Put(aor, binding) => {
            let mut put = transaction.prepare_cached(
                "INSERT OR REPLACE INTO bindings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?;
            put.execute(params![
                aor.as_str(),
                binding.contact.as_str(),
                binding.params,
                binding.q,
                millis(epoch.unix(binding.expires_at)),
                binding.call_id,
                binding.cseq,
                // Route values hold no line end.
                binding.path.join("\n"),
                binding.protocol.as_param(),
                binding.received.to_string(),
                binding.user_agent,
                binding.key().to_string(),
            ])?;
        }
        Change::Remove(aor, key) => {
            let mut remove =
                transaction.prepare_cached("DELETE FROM bindings WHERE aor = ?1 AND key = ?2")?;
            remove.execute([aor.as_str(), key.to_string().as_str()])?;
        }
    }
    Ok(())
}

fn read_binding(row: &Row<'_>, epoch: &Epoch) -> rusqlite::Result<Option<(Aor, Binding)>> {
    let text = |index| Ok::<_, rusqlite::Error>(row.get_ref(index)?.as_str()?);
    let expires = Duration::from_millis(row.get::<_, i64>(4)?.try_into().unwrap_or_default());
    let parts = (
        Aor::parse(text(0)?),
        UriBuf::new(text(1)?).ok(),
        epoch.instant(expires),
        Protocol::from_token(text(8)?),
        text(9)?.parse().ok(),
    );
    let (Some(aor), Some(contact), Some(expires_at), Some(protocol), Some(received)) = parts else {
        return Ok(None);
    };
    let binding = Binding {
        contact,
        params: text(2)?.to_owned(),
        q: row.get(3)?,
        expires_at,
        call_id: text(5)?.to_owned(),
        cseq: row.get(6)?,
        path: text(7)?.split('\n').filter(|hop| !hop.is_empty()).map(str::to_owned).collect(),
        flow: None,
        protocol,
        received,
        user_agent: row.get(10)?,
    };
    Ok(Some((aor, binding)))
}

/// The users of a data directory, for `ringback user`. Passwords are kept as hashes only. A server that runs on the
/// directory takes changes within a few seconds.
#[derive(Debug)]
pub struct UserStore(Store);

impl UserStore {
    /// Opens the store of a directory; makes both where they are missing.
    ///
    /// # Errors
    /// When the directory cannot be written, or holds a store of a later version.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        Store::open(directory).map(Self)
    }

    /// Adds a user, or gives him another password.
    ///
    /// # Errors
    /// When the name is no user name, or the store cannot be written.
    pub fn add(&mut self, name: &str, realm: &str, password: &str) -> Result<(), StoreError> {
        if !is_user_name(name) || password.is_empty() {
            let problem = "a user needs a name without colon, quotes and control characters, and a password";
            return Err(StoreError::new(&self.0.file, problem));
        }
        let Store { file, connection } = &mut self.0;
        let add = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            for ha1 in users::hashes(name, realm, password) {
                let row = [name, realm, ha1.algorithm().as_token(), ha1.as_hex()];
                transaction.execute("INSERT OR REPLACE INTO users VALUES (?1, ?2, ?3, ?4)", row)?;
            }
            transaction.commit()
        };
        add(connection).map_err(|error| StoreError::new(file, error))
    }

    /// Removes a user from all realms. Says whether there was one.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn remove(&mut self, name: &str) -> Result<bool, StoreError> {
        let removed = self.0.connection.execute("DELETE FROM users WHERE name = ?1", [name]);
        removed.map(|rows| rows > 0).map_err(|error| self.0.fail(error))
    }

    /// Names and realms, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn list(&self) -> Result<Vec<(String, String)>, StoreError> {
        let list = |connection: &Connection| {
            let mut query =
                connection.prepare("SELECT DISTINCT name, realm FROM users ORDER BY name, realm")?;
            query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()
        };
        list(&self.0.connection).map_err(|error| self.0.fail(error))
    }
}
