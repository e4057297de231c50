//! The users who have passwords, in the files that the servers read them from.

use std::fmt::Write as _;
use std::path::Path;

use super::load::REGISTERING;
use super::md5;
use crate::bench::servers::Peer;
use crate::failure::Outcome;

/// What both servers ask for a password of.
pub(super) const REALM: &str = "127.0.0.1";

/// A user's name, password and realm in one digest (RFC 2617 §3.2.2.2).
pub(super) fn ha1(user: u64) -> String {
    md5::hex(format!("u{user}:{REALM}:{}", password(user)).as_bytes())
}

fn password(user: u64) -> String {
    format!("secret of {user}")
}

/// Writes what a server has to know of them, and gives the words by which it asks them for passwords.
pub(super) fn write(folder: &Path, peer: Peer) -> Outcome<Vec<String>> {
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    match peer {
        Peer::Ringback => {
            let file = folder.join("users");
            write(&file, &list())?;
            Ok(vec!["--users".to_owned(), file.display().to_string()])
        }
        Peer::Kamailio => {
            let tables = folder.join("tables");
            std::fs::create_dir_all(&tables).map_err(|error| format!("{}: {error}", tables.display()))?;
            write(&tables.join("version"), "table_name(string) table_version(int)\nha1:2\n")?;
            write(&tables.join("ha1"), &table())?;
            let tables = tables.canonicalize().map_err(|error| format!("{}: {error}", tables.display()))?;
            Ok(vec!["-A".to_owned(), format!("PASSWORDS=\"text://{}\"", tables.display())])
        }
    }
}

/// One `name:password` a line.
fn list() -> String {
    (0..REGISTERING).fold(String::new(), |mut text, user| {
        // Writing into a string does not fail.
        let _ = writeln!(text, "u{user}:{}", password(user));
        text
    })
}

/// The columns of Kamailio's `htable`, as its `db_text` reads them.
fn table() -> String {
    let head = "key_name(string) key_type(int) value_type(int) key_value(string) expires(int)\n";
    (0..REGISTERING).fold(head.to_owned(), |mut text, user| {
        let _ = writeln!(text, "u{user}:0:0:{}:0", ha1(user));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_servers_know_the_same_passwords() {
        let (list, table) = (list(), table());
        assert_eq!(list.lines().count() + 1, table.lines().count());
        for (plain, hashed) in list.lines().zip(table.lines().skip(1)) {
            let (name, password) = plain.split_once(':').unwrap();
            let ha1 = md5::hex(format!("{name}:127.0.0.1:{password}").as_bytes());
            assert_eq!(hashed, format!("{name}:0:0:{ha1}:0"));
        }
    }
}
