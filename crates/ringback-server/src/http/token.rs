//! What has to be shown to the admin API.

use crate::config::{AdminConfig, ConfigError, Storage};
use ringback_net::OsEntropy;
use ringback_sansio::Entropy as _;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq as _;

/// The file in the data directory, where no other is named.
const FILE: &str = "admin-token";
/// The shortest token that is taken.
const SHORTEST: usize = 16;

/// A bearer token (RFC 6750).
pub(super) struct Token(String);

impl Token {
    /// Reads the token, or makes one where there is none.
    pub(super) fn read_or_make(config: &AdminConfig, storage: &Storage) -> Result<Self, ConfigError> {
        let file = file(config, storage)?;
        let read = fs::read_to_string(&file);
        let text = match read {
            Err(error) if error.kind() == ErrorKind::NotFound => make(&file),
            read => read,
        };
        let text = text.map_err(|error| ConfigError::new(error.to_string()).in_file(&file))?;
        let token = text.trim();
        if token.len() < SHORTEST || !token.bytes().all(|octet| octet.is_ascii_graphic()) {
            let problem = format!("holds no token: {SHORTEST} characters or more, without spaces");
            return Err(ConfigError::new(problem).in_file(&file));
        }
        if fs::metadata(&file).is_ok_and(|found| found.permissions().mode() & 0o077 != 0) {
            tracing::warn!(file = %file.display(), "others on this machine can read the token of the admin API");
        }
        Ok(Self(token.to_owned()))
    }

    /// Whether a value of Authorization shows it. How long that takes does not tell how much of it was right.
    pub(super) fn is_shown(&self, authorization: Option<&[u8]>) -> bool {
        let Some((scheme, shown)) = authorization.and_then(|value| value.split_at_checked(7)) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(shown.trim_ascii().ct_eq(self.0.as_bytes()))
    }
}

fn file(config: &AdminConfig, storage: &Storage) -> Result<PathBuf, ConfigError> {
    match (&config.token_file, storage) {
        (Some(file), _) => Ok(file.clone()),
        (None, Storage::Directory(directory)) => Ok(directory.join(FILE)),
        (None, Storage::Ephemeral) => {
            Err(ConfigError::new("admin.listen needs admin.token_file where nothing is kept on disk"))
        }
    }
}

fn make(file: &Path) -> io::Result<String> {
    let mut octets = [0; 32];
    OsEntropy::new().fill(&mut octets);
    let token = octets.iter().fold(String::new(), |mut token, octet| {
        let _ = write!(token, "{octet:02x}");
        token
    });
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(token.as_bytes())?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_it() {
        let token = Token("0123456789abcdef".into());
        for right in ["Bearer 0123456789abcdef", "bearer  0123456789abcdef "] {
            assert!(token.is_shown(Some(right.as_bytes())), "{right}");
        }
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcdeX",
            "Bearer 0123456789abcdef0",
            "Basic 0123456789abcdef",
        ] {
            assert!(!token.is_shown(Some(wrong.as_bytes())), "{wrong}");
        }
        assert!(!token.is_shown(None));
    }
}
