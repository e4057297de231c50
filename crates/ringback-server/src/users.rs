//! Who may prove to be whom.

use crate::config::{ConfigError, is_user_name};
use arc_swap::ArcSwap;
use ringback_auth::{Algorithm, Credentials, Ha1};
use ringback_message::unescape;
use ringback_sansio::Map;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// The algorithms for which a password is kept.
pub(crate) const ALGORITHMS: [Algorithm; 2] = [Algorithm::Md5, Algorithm::Sha256];

/// The hashes of one user's password.
pub(crate) type Hashes = Vec<Ha1>;

/// Users by name, all of one realm. A name without a domain is the same user in every domain of ours.
#[derive(Debug, Default)]
pub(crate) struct Users {
    /// From the configuration and the users file. They go before those of the store.
    fixed: ArcSwap<Map<String, Hashes>>,
    /// From the store, exchanged as a whole when it has changed.
    stored: ArcSwap<Map<String, Hashes>>,
}

/// A user, as he is listed.
#[derive(Debug, Serialize)]
pub(crate) struct Named {
    name: String,
    from: &'static str,
}

impl Users {
    pub(crate) fn new(fixed: Map<String, Hashes>) -> Self {
        Self { fixed: ArcSwap::from_pointee(fixed), stored: ArcSwap::default() }
    }

    /// Goes on with others from the configuration; says whether anything is different.
    pub(crate) fn replace_fixed(&self, fixed: Map<String, Hashes>) -> bool {
        let fixed = Arc::new(fixed);
        self.fixed.swap(fixed.clone()) != fixed
    }

    pub(crate) fn replace_stored(&self, stored: Map<String, Hashes>) {
        self.stored.store(Arc::new(stored));
    }

    pub(crate) fn len(&self) -> usize {
        let (fixed, stored) = (self.fixed.load(), self.stored.load());
        fixed.len() + stored.keys().filter(|name| !fixed.contains_key(*name)).count()
    }

    /// Everybody by name, and whether he is of the configuration or of the store.
    pub(crate) fn names(&self) -> Vec<Named> {
        let (fixed, stored) = (self.fixed.load(), self.stored.load());
        let of = |names: Vec<&String>, from: &'static str| {
            names.into_iter().map(move |name| Named { name: name.clone(), from }).collect::<Vec<_>>()
        };
        let mut names = of(fixed.keys().collect(), "configuration");
        names.extend(of(stored.keys().filter(|name| !fixed.contains_key(*name)).collect(), "store"));
        names.sort_by(|one, other| one.name.cmp(&other.name));
        names
    }

    fn find(&self, name: &str) -> Option<Hashes> {
        self.fixed.load().get(name).cloned().or_else(|| self.stored.load().get(name).cloned())
    }

    /// Whether there is a user of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fixed.load().contains_key(name) || self.stored.load().contains_key(name)
    }

    /// Whether there is a user with this user part, as it is written in a URI of `domain`.
    pub(crate) fn knows(&self, user_part: &str, domain: &str) -> bool {
        let octets = unescape(user_part);
        let Ok(name) = std::str::from_utf8(&octets) else { return false };
        self.has(name) || self.has(&format!("{name}@{domain}"))
    }
}

impl Credentials for Users {
    fn ha1(&self, user: &str, _realm: &str, algorithm: Algorithm) -> Option<Ha1> {
        self.find(user)?.into_iter().find(|ha1| ha1.algorithm() == algorithm)
    }
}

/// What is kept of a password.
pub(crate) fn hashes(name: &str, realm: &str, password: &str) -> Hashes {
    ALGORITHMS.iter().map(|algorithm| Ha1::new(name, realm, password, *algorithm)).collect()
}

/// Reads a users file: `name:password` a line; empty lines and those that begin with `#` are passed over.
pub(crate) fn read_file(file: &Path, realm: &str) -> Result<Vec<(String, Hashes)>, ConfigError> {
    let text =
        std::fs::read_to_string(file).map_err(|error| ConfigError::new(error.to_string()).in_file(file))?;
    parse(&text, realm).map_err(|error| error.in_file(file))
}

fn parse(text: &str, realm: &str) -> Result<Vec<(String, Hashes)>, ConfigError> {
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| match line.split_once(':') {
            Some((name, password)) if is_user_name(name) && !password.is_empty() => {
                Ok((name.to_owned(), hashes(name, realm, password)))
            }
            // Without the line itself: it may hold a password.
            _ => Err(ConfigError::new("not a user; write name:password").at_line(index + 1)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_file_is_read_line_by_line() {
        let users = parse("# ours\nalice:se:cret \r\n\nbob@example.com:x", "r").unwrap();
        let names: Vec<&str> = users.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["alice", "bob@example.com"]);
        assert_eq!(users[0].1[0], Ha1::new("alice", "r", "se:cret ", Algorithm::Md5));
        for text in ["alice", ":x", "alice:", "a\"b:x"] {
            let error = parse(&format!("carol:x\n{text}"), "r").unwrap_err().to_string();
            assert_eq!(error, "line 2: not a user; write name:password", "{text}");
        }
    }

    #[test]
    fn users_are_known_by_name_or_by_name_and_domain() {
        let fixed = [("alice", "x"), ("b#b@example.com", "y")];
        let fixed = fixed.map(|(name, password)| (name.to_owned(), hashes(name, "r", password)));
        let users = Users::new(fixed.into_iter().collect());
        users.replace_stored([("carol".to_owned(), hashes("carol", "r", "z"))].into_iter().collect());
        assert!(users.knows("alice", "example.org") && users.knows("carol", "example.org"));
        assert!(users.knows("b%23b", "example.com") && !users.knows("b%23b", "example.org"));
        assert!(!users.knows("dave", "example.com") && users.len() == 3);
        assert_eq!(
            users.ha1("carol", "r", Algorithm::Sha256),
            Some(Ha1::new("carol", "r", "z", Algorithm::Sha256))
        );
        assert_eq!(users.ha1("carol", "r", Algorithm::Sha512_256), None);
    }
}
